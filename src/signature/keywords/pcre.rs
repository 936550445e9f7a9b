//! Regular expressions.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::{Keyword, Kind, groups};
use crate::buffer::Buffer;
use crate::signature::ast::{Pcre, Test};
use crate::signature::draft::Draft;
use crate::signature::lex::{Arg, Fault, Opt, Span};
use crate::signature::perl;
use crate::signature::readings::{Reading, Readings};

/// Expressions whose automaton would have more states and edges than this (each is some tens
/// of bytes) are left to the backtracking engine.
const MAX_AUTOMATON: u64 = 60_000;

pub(super) fn keywords() -> Vec<Keyword> {
    vec![Keyword::option(
        Kind::Payload,
        "pcre",
        "pcre:[!]\"/EXPRESSION/FLAGS[, flow|pkt|alert:NAME, ...]\";",
        "Perl-compatible regular expression; flags i, m, s, x, A, E, G as in Perl's family, R relative to the match before, and the older U I P Q H D M C S Y V W Z, which name a buffer. What its groups take is kept under the names behind the flags, one for each group, or by groups like `(?P<flow_NAME>...)`: with the flow, with the packet, or in the alert.",
        pcre,
    )]
}

/// The buffer that an older flag names.
const fn buffer_of(flag: char) -> Option<Buffer> {
    Some(match flag {
        'U' => Buffer::HttpUri,
        'I' => Buffer::HttpUriRaw,
        'P' => Buffer::HttpRequestBody,
        'Q' => Buffer::HttpResponseBody,
        'H' => Buffer::HttpHeader,
        'D' => Buffer::HttpHeaderRaw,
        'M' => Buffer::HttpMethod,
        'C' => Buffer::HttpCookie,
        'S' => Buffer::HttpStatusCode,
        'Y' => Buffer::HttpStatusMessage,
        'V' => Buffer::HttpUserAgent,
        'W' => Buffer::HttpHost,
        'Z' => Buffer::HttpHostRaw,
        _ => return None,
    })
}

fn pcre(draft: &mut Draft<'_>, opt: &Opt<'_>) -> Result<(), Fault> {
    let (negated, value) = opt.value()?.negation();
    let text = value.unquoted()?;
    let Some(body) = text.strip_prefix("/") else {
        return Err(text.fault("an expression begins with `/`"));
    };
    let Some(close) = body.text.rfind('/') else {
        return Err(text.fault("no `/` closes the expression"));
    };
    let source = body.slice(0, close);
    let written_flags = body.slice(close + 1, body.text.len());
    let mut pcre = Pcre { negated, ..empty() };
    let (written_flags, names) = match written_flags.text.find(',') {
        Some(at) => (
            written_flags.slice(0, at),
            Some(written_flags.slice(at + 1, written_flags.text.len())),
        ),
        None => (written_flags, None),
    };
    let buffer = flags(&mut pcre, written_flags)?;
    let plain = groups::named(source, &mut pcre.captures)?;
    if let Some(names) = names {
        groups::listed(source, names, &mut pcre.captures)?;
    }
    if negated && let Some(capture) = pcre.captures.first() {
        return Err(source.fault(format!(
            "a negated expression captures nothing into `{}`",
            capture.name
        )));
    }
    compile(&mut pcre, source, &plain, draft.surroundings.readings)?;
    match buffer {
        Some(buffer) => draft.add_to(buffer, opt, Test::Pcre(pcre)),
        None => {
            draft.add(Test::Pcre(pcre));
            Ok(())
        }
    }
}

fn flags(pcre: &mut Pcre, written: Arg<'_>) -> Result<Option<Buffer>, Fault> {
    let mut buffer = None;
    for (at, flag) in written.text.char_indices() {
        let here = || Span::new(written.start + at, written.start + at + flag.len_utf8());
        match flag {
            'i' => pcre.caseless = true,
            'm' => pcre.multi_line = true,
            's' => pcre.dot_all = true,
            'x' => pcre.extended = true,
            'A' => pcre.anchored = true,
            'E' => pcre.dollar_end_only = true,
            'G' => pcre.ungreedy = true,
            'R' => pcre.relative = true,
            // Raw bytes, and lifted match limits: without effect here.
            'B' | 'O' => {}
            _ => match buffer_of(flag) {
                Some(named) if buffer.is_none_or(|b| b == named) => buffer = Some(named),
                Some(_) => return Err(Fault::new(here(), "a second buffer is named")),
                None => return Err(Fault::new(here(), format!("`{flag}` is no flag"))),
            },
        }
    }
    Ok(buffer)
}

/// The expression of `pcrexform`, which takes its first group.
pub(super) fn capturing(text: Arg<'_>, readings: Option<&Readings>) -> Result<Pcre, Fault> {
    if groups::count(text.text) == 0 {
        return Err(text
            .fault("the expression has no group")
            .help("what the first group takes is what is left: write `(...)` around it"));
    }
    let mut pcre = empty();
    compile(&mut pcre, text, text.text, readings)?;
    Ok(pcre)
}

const fn empty() -> Pcre {
    Pcre {
        pattern: String::new(),
        negated: false,
        relative: false,
        caseless: false,
        multi_line: false,
        dot_all: false,
        extended: false,
        anchored: false,
        dollar_end_only: false,
        ungreedy: false,
        needs_pcre2: false,
        captures: Vec::new(),
    }
}

/// What [`find_engine`] finds, or has found before.
fn compile(
    pcre: &mut Pcre,
    source: Arg<'_>,
    plain: &str,
    readings: Option<&Readings>,
) -> Result<(), Fault> {
    let Some(readings) = readings else {
        return find_engine(pcre, source, plain);
    };
    let expression = all_that_decides(pcre, source.text, plain);
    if let Some(known) = readings.find(&expression) {
        pcre.pattern = known.pattern.to_string();
        pcre.needs_pcre2 = known.needs_pcre2;
        return Ok(());
    }
    find_engine(pcre, source, plain)?;
    let reading = Reading {
        pattern: pcre.pattern.as_str().into(),
        needs_pcre2: pcre.needs_pcre2,
    };
    readings.note(expression, reading);
    Ok(())
}

/// The flags and texts that [`find_engine`] looks at, apart from each other.
fn all_that_decides(pcre: &Pcre, source: &str, plain: &str) -> String {
    let flags = [
        (pcre.caseless, 'i'),
        (pcre.multi_line, 'm'),
        (pcre.dot_all, 's'),
        (pcre.extended, 'x'),
        (pcre.anchored, 'A'),
        (pcre.dollar_end_only, 'E'),
        (pcre.ungreedy, 'G'),
    ];
    let set = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag);
    let mut all: String = set.collect();
    if plain != source {
        all.push_str(&plain.len().to_string());
        all.push(':');
        all.push_str(plain);
    }
    all.push('/');
    all.push_str(source);
    all
}

/// Finds the engine that understands the expression, and writes it for that engine.
///
/// `plain` is `source` with its named groups as plain ones.
fn find_engine(pcre: &mut Pcre, source: Arg<'_>, plain: &str) -> Result<(), Fault> {
    let flags = perl::Flags {
        multi_line: pcre.multi_line,
        extended: pcre.extended,
        anchored: pcre.anchored,
        dollar_end_only: pcre.dollar_end_only,
    };
    if let Ok(rewritten) = perl::to_regex(plain, flags) {
        let pattern = format!("{}{rewritten}", inline_flags(pcre));
        if fits_automaton(&pattern, pcre.multi_line) {
            pcre.pattern = pattern;
            return Ok(());
        }
    }
    pcre.needs_pcre2 = true;
    pcre.pattern = for_pcre2(pcre, source)?;
    let lead = pcre.pattern.find(source.text).unwrap_or(0);
    match pcre2::bytes::RegexBuilder::new().build(&pcre.pattern) {
        Ok(_) => Ok(()),
        Err(error) => {
            let at = error.offset().unwrap_or(0).saturating_sub(lead);
            // The engine names the byte behind the one at fault.
            let from = (0..at.min(source.text.len()))
                .rev()
                .find(|i| source.text.is_char_boundary(*i))
                .unwrap_or(0);
            let width = source
                .text
                .get(from..)
                .and_then(|t| t.chars().next())
                .map_or(0, char::len_utf8);
            Err(source.slice(from, from + width).fault(message(&error)))
        }
    }
}

/// The engine's message without its place, which the diagnostic has.
fn message(error: &pcre2::Error) -> String {
    let text = error.to_string();
    match text.split_once(": ") {
        Some((_, tail)) if text.starts_with("PCRE2: error compiling") => {
            format!("the expression is wrong: {tail}")
        }
        _ => format!("the expression is wrong: {text}"),
    }
}

/// Flags as a group that both engines read alike; extended is PCRE2's alone.
fn inline_flags(pcre: &Pcre) -> String {
    let all = [
        (pcre.caseless, 'i'),
        (pcre.multi_line, 'm'),
        (pcre.dot_all, 's'),
        (pcre.extended, 'x'),
        (pcre.ungreedy, 'U'),
    ];
    let set: String = all.iter().filter(|(on, _)| *on).map(|(_, f)| *f).collect();
    if set.is_empty() {
        set
    } else {
        format!("(?{set})")
    }
}

fn for_pcre2(pcre: &Pcre, source: Arg<'_>) -> Result<String, Fault> {
    let flags = inline_flags(pcre);
    if source.text.starts_with("(*") {
        return Err(source
            .slice(0, 2)
            .fault("settings of the engine within an expression are not read"));
    }
    let body = if pcre.dollar_end_only && !pcre.multi_line {
        perl::dollars_at_the_very_end(source.text)
    } else {
        source.text.to_owned()
    };
    // In extended form a comment may run to the end: only a new line ends it.
    let close = if pcre.extended { "\n)" } else { ")" };
    Ok(match pcre.anchored {
        true => format!(r"{flags}\A(?:{body}{close}"),
        false => format!("{flags}{body}"),
    })
}

/// Whether the `regex` crate takes the expression, and its automaton stays small.
fn fits_automaton(pattern: &str, multi_line: bool) -> bool {
    let parsed = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .nest_limit(250)
        .build()
        .parse(pattern);
    match parsed {
        // Behind a last line feed `^` matches in one engine and not in the other: only what
        // cannot be empty is sure to match alike.
        Ok(hir) => {
            let begins_lines = multi_line
                && hir
                    .properties()
                    .look_set()
                    .contains(regex_syntax::hir::Look::StartLF);
            let may_be_empty = hir.properties().minimum_len().is_none_or(|n| n == 0);
            size(&hir) <= MAX_AUTOMATON && !(begins_lines && may_be_empty)
        }
        Err(_) => false,
    }
}

/// About how many states and edges the automaton has.
fn size(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => count(literal.0.len()),
        HirKind::Class(Class::Bytes(class)) => 1 + count(class.ranges().len()),
        HirKind::Class(Class::Unicode(class)) => 1 + 4 * count(class.ranges().len()),
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min.saturating_add(1)));
            size(&repetition.sub)
                .saturating_mul(times.max(1))
                .saturating_add(1)
        }
        HirKind::Capture(capture) => size(&capture.sub).saturating_add(2),
        HirKind::Concat(all) | HirKind::Alternation(all) => all
            .iter()
            .fold(1, |sum: u64, part| sum.saturating_add(size(part))),
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(in crate::signature) mod tests {
    use super::*;
    use crate::signature::classification::Classes;
    use crate::signature::lex::statement;
    use crate::signature::surroundings::Surroundings;
    use crate::signature::vars::Variables;

    /// Reads the only option of a rule as an expression.
    pub(in crate::signature) fn read(rule: &str) -> Option<Pcre> {
        let statement = statement(rule).ok()?;
        let (variables, classes) = (Variables::default(), Classes::default());
        let surroundings = Surroundings::new(&variables, &classes);
        let mut draft = Draft::new(&surroundings, crate::signature::ast::Proto::Tcp);
        pcre(&mut draft, statement.options.first()?).ok()?;
        match draft.buffers.pop()?.tests.pop()? {
            Test::Pcre(pcre) => Some(pcre),
            _ => None,
        }
    }

    #[test]
    fn the_engine_is_chosen_by_what_the_expression_needs() {
        for (expression, needs_pcre2) in [
            (r"/^a\d+\x2f/Ri", false),
            (r"/a$/", false),
            (r"/(a)\1/", true),
            (r"/a(?!b)/", true),
            (r"/a # comment/x", true),
            (r"/^[^\x3c]{,100}/R", true),
            // Small for a backtracker, tens of megabytes as an automaton.
            (r"/(?:[^a]{1,1000}x){1,1000}/", true),
            // May be empty behind a last line feed, where the engines differ.
            (r"/^/m", true),
            (r"/^a/m", false),
        ] {
            let pcre = read(&format!("t (pcre:\"{expression}\";)"));
            assert_eq!(
                pcre.map(|p| p.needs_pcre2),
                Some(needs_pcre2),
                "{expression}"
            );
        }
    }

    #[test]
    fn flags_are_written_into_the_pattern() {
        let fast = read("t (pcre:\"/ab/isGA\";)").unwrap();
        assert_eq!(fast.pattern, r"(?isU)\A(?:ab)");
        let slow = read("t (pcre:\"/a(?=b)$/iAE\";)").unwrap();
        assert_eq!(slow.pattern, r"(?i)\A(?:a(?=b)\z)");
        let extended = read("t (pcre:\"/a # b/xA\";)").unwrap();
        let engine = pcre2::bytes::Regex::new(&extended.pattern).unwrap();
        assert!(engine.is_match(b"a").unwrap());
        assert!(!engine.is_match(b"ba").unwrap());
    }
}
