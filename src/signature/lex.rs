//! Text to rules, rules to options: every piece knows where it was written.
//!
//! Offsets are bytes of the *logical* rule: physical lines that end in a
//! backslash are joined first. [`LogicalRule::physical`] leads back to the file.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Longest rule that is read, in bytes, after its lines are joined.
pub const MAX_RULE_BYTES: usize = 64 * 1024;

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// Why a rule is not read, or what is odd about it, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub span: Span,
    pub message: String,
    pub help: Option<String>,
}

impl Fault {
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// One rule with its continued lines joined.
#[derive(Clone, Debug)]
pub struct LogicalRule<'a> {
    pub text: Cow<'a, str>,
    /// Offset in the file of the first byte.
    start: usize,
    /// Number of the physical line on which the rule begins, from 1.
    pub line: u32,
    /// Logical offset of each join, and how many bytes all joins up to it left out.
    joins: Vec<(usize, usize)>,
}

impl LogicalRule<'_> {
    /// Where a logical offset stands in the file.
    pub fn physical(&self, offset: usize) -> usize {
        let left_out = self
            .joins
            .iter()
            .take_while(|(at, _)| *at <= offset)
            .last()
            .map_or(0, |(_, bytes)| *bytes);
        self.start + offset + left_out
    }

    /// Where a logical span stands in the file. Its end belongs to the byte before it,
    /// so a span never swallows a join that follows.
    pub fn physical_span(&self, span: Span) -> Span {
        let start = self.physical(span.start);
        let end = match span.end.checked_sub(1) {
            Some(last) if span.end > span.start => self.physical(last) + 1,
            _ => start,
        };
        Span::new(start, end)
    }
}

/// The rules of a file: no comments, no blank lines, no byte-order mark.
pub fn logical_rules(text: &str) -> impl Iterator<Item = LogicalRule<'_>> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = text.len() - body.len();
    let mut line = 0;
    std::iter::from_fn(move || {
        loop {
            let (content, next) = physical_line(text, at)?;
            line += 1;
            let start = at;
            at = next;
            let trimmed = content.trim_start();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            let mut rule = LogicalRule {
                text: Cow::Borrowed(content.trim_end()),
                start,
                line,
                joins: Vec::new(),
            };
            while rule.text.ends_with('\\') {
                let joined = rule.text.to_mut();
                joined.pop();
                let Some((more, next)) = physical_line(text, at) else {
                    break;
                };
                line += 1;
                let more = more.trim_end();
                if joined.len() <= MAX_RULE_BYTES {
                    rule.joins
                        .push((joined.len(), at - rule.start - joined.len()));
                    joined.push_str(more);
                } else if more.ends_with('\\') {
                    // Already too long to be read: only its end is still looked for.
                    joined.push('\\');
                }
                at = next;
            }
            return Some(rule);
        }
    })
}

/// The line at `at` without its end, and where the next one begins.
fn physical_line(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = text.get(at..).filter(|r| !r.is_empty())?;
    Some(match rest.find('\n') {
        Some(end) => (rest.get(..end).unwrap_or(rest), at + end + 1),
        None => (rest, text.len()),
    })
}

/// A piece of a rule and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg<'a> {
    pub text: &'a str,
    pub start: usize,
}

impl<'a> Arg<'a> {
    pub const fn span(&self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }

    pub fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.span(), message)
    }

    pub fn trim(&self) -> Self {
        let kept = self.text.trim_start();
        Self {
            text: kept.trim_end(),
            start: self.start + (self.text.len() - kept.len()),
        }
    }

    /// Bytes `from..to` of this piece; clamped to it.
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let text = self.text.get(from..to.min(self.text.len())).unwrap_or("");
        Self {
            text,
            start: self.start + from.min(self.text.len()),
        }
    }

    pub fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        self.text.strip_prefix(prefix).map(|text| Self {
            text,
            start: self.start + prefix.len(),
        })
    }

    /// The pieces between `separator`s, trimmed.
    pub fn split(&self, separator: char) -> impl Iterator<Item = Self> + use<'a> {
        let mut start = self.start;
        self.text.split(separator).map(move |text| {
            let piece = Self { text, start };
            start += text.len() + separator.len_utf8();
            piece.trim()
        })
    }

    pub fn split_once(&self, separator: &str) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        let left = self.slice(0, at);
        let right = self.slice(at + separator.len(), self.text.len());
        Some((left.trim(), right.trim()))
    }

    /// A leading `!`, and the rest.
    pub fn negation(&self) -> (bool, Self) {
        match self.strip_prefix("!") {
            Some(rest) => (true, rest.trim()),
            None => (false, *self),
        }
    }

    /// What stands between the quotes; both are needed.
    pub fn quoted(&self) -> Result<Self, Fault> {
        let Some(inner) = self.strip_prefix("\"") else {
            return Err(self.fault("expected a text in double quotes"));
        };
        match inner.text.strip_suffix('"') {
            Some(text) => Ok(Self {
                text,
                start: inner.start,
            }),
            None => Err(self
                .fault("no closing quote")
                .help("a semicolon ends the option even in quotes: write it as `\\;`")),
        }
    }

    /// What stands between the quotes, if there are any.
    pub fn unquoted(&self) -> Result<Self, Fault> {
        if self.text.starts_with('"') {
            self.quoted()
        } else {
            Ok(*self)
        }
    }

    /// A decimal number, or a hexadecimal one after `0x`, perhaps after a minus sign.
    pub fn integer(&self) -> Result<i64, Fault> {
        let (negative, digits) = match self.text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.text),
        };
        let parsed = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
            Some(hex) if !hex.starts_with(['+', '-']) => i64::from_str_radix(hex, 16),
            _ if digits.starts_with(['+', '-']) => return Err(self.not_a_number()),
            _ => digits.parse(),
        };
        match parsed {
            Ok(number) if negative => Ok(-number),
            Ok(number) => Ok(number),
            Err(_) => Err(self.not_a_number()),
        }
    }

    /// A number within `range`, both ends included.
    pub fn integer_in(&self, range: RangeInclusive<i64>) -> Result<i64, Fault> {
        let number = self.integer()?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(self.fault(format!(
                "{number} is not between {} and {}",
                range.start(),
                range.end()
            )))
        }
    }

    pub fn u32(&self) -> Result<u32, Fault> {
        let number = self.integer_in(0..=i64::from(u32::MAX))?;
        u32::try_from(number).map_err(|_| self.not_a_number())
    }

    fn not_a_number(&self) -> Fault {
        self.fault(format!("`{}` is not a number", self.text))
    }
}

/// One `name;` or `name:value;`.
#[derive(Clone, Copy, Debug)]
pub struct Opt<'a> {
    pub name: Arg<'a>,
    /// Trimmed; never empty.
    pub value: Option<Arg<'a>>,
}

impl<'a> Opt<'a> {
    pub fn span(&self) -> Span {
        Span::new(
            self.name.start,
            self.value.map_or(self.name.span().end, |v| v.span().end),
        )
    }

    /// The value, which must be there.
    pub fn value(&self) -> Result<Arg<'a>, Fault> {
        self.value.ok_or_else(|| {
            self.name
                .fault(format!("`{}` needs a value", self.name.text))
        })
    }

    /// Refuses a value.
    pub fn no_value(&self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(value) => Err(value.fault(format!("`{}` takes no value", self.name.text))),
        }
    }
}

/// A rule's text cut into its header and its options.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    pub header: Arg<'a>,
    pub options: Vec<Opt<'a>>,
    /// What its author is to be told: its end is missing.
    pub unclosed: Option<Fault>,
}

/// Cuts a rule. Knows nothing of keywords.
pub fn statement(rule: &str) -> Result<Statement<'_>, Fault> {
    if rule.len() > MAX_RULE_BYTES {
        return Err(Fault::new(
            Span::new(0, 0),
            format!("the rule is longer than {MAX_RULE_BYTES} bytes"),
        ));
    }
    let whole = Arg {
        text: rule,
        start: 0,
    }
    .trim();
    let Some(open) = whole.text.find('(') else {
        return Err(Fault::new(
            Span::new(whole.span().end.saturating_sub(1), whole.span().end),
            "no `(` with options after the header",
        ));
    };
    let header = whole.slice(0, open).trim();
    let end = whole.span().end;
    let last = Span::new(end.saturating_sub(last_char_len(whole.text)), end);
    let (inside, unclosed) = match whole.text.strip_suffix(')') {
        Some(inside) if inside.len() > open => (inside, None),
        // Suricata reads such a rule as if it were whole.
        None if whole.text.ends_with(';') => {
            let fault = Fault::new(last, "the rule does not end in `)`: is it whole?");
            (whole.text, Some(fault))
        }
        _ => return Err(Fault::new(last, "the rule does not end in `)`")),
    };
    let body = whole.slice(open + 1, inside.len());
    Ok(Statement {
        header,
        options: options(body)?,
        unclosed,
    })
}

fn last_char_len(text: &str) -> usize {
    text.chars().next_back().map_or(0, char::len_utf8)
}

/// Options end at a semicolon that has no backslash right before it, quotes or not.
fn options(body: Arg<'_>) -> Result<Vec<Opt<'_>>, Fault> {
    let mut found = Vec::new();
    let mut from = 0;
    let bytes = body.text.as_bytes();
    while let Some(rest) = body.text.get(from..).filter(|r| !r.trim_start().is_empty()) {
        let end = memchr::memchr_iter(b';', rest.as_bytes())
            .map(|at| from + at)
            .find(|&at| at == 0 || bytes.get(at - 1) != Some(&b'\\'));
        let Some(end) = end else {
            return Err(body
                .slice(from, body.text.len())
                .trim()
                .fault("no `;` after the last option"));
        };
        found.push(option(body.slice(from, end))?);
        from = end + 1;
    }
    Ok(found)
}

fn option(piece: Arg<'_>) -> Result<Opt<'_>, Fault> {
    let (name, value) = match memchr::memchr(b':', piece.text.as_bytes()) {
        Some(colon) => (
            piece.slice(0, colon).trim(),
            Some(piece.slice(colon + 1, piece.text.len()).trim()),
        ),
        None => (piece.trim(), None),
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if name.text.is_empty() {
        return Err(
            Fault::new(Span::new(name.start, name.start + 1), "expected a keyword")
                .help("two semicolons stand together, or a colon has no keyword before it"),
        );
    }
    // The first byte of what is not ASCII is no good one either.
    if let Some(bad) = name.text.bytes().position(|b| !good(b)) {
        let width = name
            .text
            .get(bad..)
            .map_or(0, |t| t.chars().next().map_or(0, char::len_utf8));
        return Err(Fault::new(
            Span::new(name.start + bad, name.start + bad + width),
            "a keyword has letters, digits, `.`, `_` and `-` only",
        )
        .help("if this belongs to the option before, write its semicolon as `\\;`"));
    }
    if let Some(value) = value {
        // Told here, before what follows the semicolon is taken for a keyword.
        let text = value.negation().1;
        if text.text.starts_with('"') {
            text.quoted()?;
        }
    }
    match value {
        Some(value) if value.text.is_empty() => Err(Fault::new(
            Span::new(
                value.start.saturating_sub(1),
                value.start.saturating_sub(1) + 1,
            ),
            format!("`{}` has a colon but no value", name.text),
        )),
        value => Ok(Opt { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_rules_between_comments_blank_lines_and_line_ends() {
        let text = "\u{feff}# first\r\n\r\nalert a (sid:1;)\r\n  ; old comment\n\talert b (sid:2;)\nalert c";
        let rules: Vec<_> = logical_rules(text)
            .map(|r| (r.line, r.text.into_owned()))
            .collect();
        assert_eq!(
            rules,
            [
                (3, "alert a (sid:1;)".to_owned()),
                (5, "\talert b (sid:2;)".to_owned()),
                (6, "alert c".to_owned())
            ]
        );
    }

    #[test]
    fn joins_continued_lines_without_a_space_and_leads_back() {
        let text = "one \\\r\ntwo\\ \n  three\nfour";
        let mut rules = logical_rules(text);
        let rule = rules.next().unwrap();
        assert_eq!(rule.text, "one two  three");
        assert_eq!(rule.line, 1);
        for word in ["one", "two", "three"] {
            let logical = rule.text.find(word).unwrap();
            let physical = rule.physical(logical);
            assert_eq!(text.get(physical..physical + word.len()), Some(word));
        }
        assert_eq!(rules.next().unwrap().line, 4);
    }

    #[test]
    fn a_comment_does_not_continue() {
        let rules: Vec<_> = logical_rules("# note \\\nalert a\n").collect();
        assert_eq!(rules.len(), 1);
        assert_eq!(rules[0].line, 2);
    }

    #[test]
    fn a_backslash_at_the_end_of_the_file_is_dropped() {
        let rules: Vec<_> = logical_rules("alert a \\").collect();
        assert_eq!(rules[0].text, "alert a ");
    }

    #[test]
    fn cuts_options_at_unescaped_semicolons() {
        let s = statement(r#"alert x (msg:"a\;b"; nocase; content:!"x:\"" ;)"#).unwrap();
        let found: Vec<_> = s
            .options
            .iter()
            .map(|o| (o.name.text, o.value.map(|v| v.text)))
            .collect();
        assert_eq!(
            found,
            [
                ("msg", Some(r#""a\;b""#)),
                ("nocase", None),
                ("content", Some(r#"!"x:\"""#))
            ]
        );
        assert_eq!(s.header.text, "alert x");
    }

    #[test]
    fn refuses_with_the_span_at_fault() {
        for (rule, at, needle) in [
            ("alert tcp", 8..9, "no `(`"),
            ("alert (sid:1", 11..12, "does not end in `)`"),
            ("alert (sid:1)", 7..12, "no `;`"),
            ("alert (sid:1;;)", 13..14, "expected a keyword"),
            ("alert (a b:1;)", 8..9, "letters, digits"),
            ("alert (msg:;)", 10..11, "no value"),
        ] {
            let fault = statement(rule).unwrap_err();
            assert!(fault.message.contains(needle), "{rule}: {}", fault.message);
            assert_eq!(fault.span.start..fault.span.end, at, "{rule}");
        }
    }

    #[test]
    fn a_rule_has_a_longest_length() {
        let long = format!("alert x (msg:\"{}\";)", "a".repeat(MAX_RULE_BYTES));
        assert!(statement(&long).unwrap_err().message.contains("longer"));

        let lines = format!("alert {}next", "abcdefg\\\n".repeat(MAX_RULE_BYTES));
        let rules: Vec<_> = logical_rules(&lines).collect();
        assert!(rules[0].text.len() > MAX_RULE_BYTES && rules[0].text.len() < 2 * MAX_RULE_BYTES);
        assert!(statement(&rules[0].text).is_err());
        assert_eq!(rules.len(), 1, "the last line continues the rule");
    }

    #[test]
    fn integers_have_signs_and_bases() {
        let read = |text| Arg { text, start: 0 }.integer().ok();
        assert_eq!(read("17"), Some(17));
        assert_eq!(read("-17"), Some(-17));
        assert_eq!(read("0x1F"), Some(31));
        for bad in [
            "",
            "-",
            "+1",
            "--1",
            "0x",
            "0x-1",
            "1a",
            "9223372036854775808",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut_within_its_bounds(text in "\\PC{0,80}|[a-z(:;)\\\\\"!|\r\n ]{0,80}") {
            for rule in logical_rules(&text) {
                match statement(&rule.text) {
                    Ok(s) => for o in s.options {
                        let span = o.span();
                        prop_assert!(rule.text.get(span.start..span.end).is_some());
                    }
                    Err(f) => {
                        prop_assert!(f.span.end <= rule.text.len());
                        let p = rule.physical_span(f.span);
                        prop_assert!(p.start <= p.end && p.end <= text.len());
                    }
                }
            }
        }
    }
}
