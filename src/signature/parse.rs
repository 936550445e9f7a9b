//! A file of rules to signatures and diagnostics.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use memchr::memmem::Finder;

use super::action::Actions;
use super::ast::{FlowbitCommand, Signature, SignatureId, Source};
use super::classification::{Classes, DEFAULT_PRIORITY};
use super::diagnostic::{Diagnostic, Severity};
use super::draft::Draft;
use super::keywords;
use super::lex::{Arg, Fault, LogicalRule, Opt, Span, logical_rules, statement};
use super::lint;
use super::network::Resolver;
use super::surroundings::Surroundings;
use super::vars::Variables;
use super::written::Written;
use super::{header, lex};
use crate::parallel;

/// Group of rules that name none.
const DEFAULT_GID: u32 = 1;

/// Rules that a thread reads at a time.
const RULES_AT_ONCE: usize = 256;

/// What a file of rules holds.
#[derive(Clone, Debug, Default)]
pub struct ParsedFile {
    /// Large, and therefore handed on without being moved.
    pub signatures: Vec<Arc<Signature>>,
    /// One for each rule that is not read.
    pub failures: Vec<Diagnostic>,
    /// About rules that are read all the same, and about repeated ones.
    pub warnings: Vec<Diagnostic>,
    /// Rules left out since they ask for another engine (`requires`).
    pub not_required: usize,
}

/// Reads every rule of `text`. A rule at fault is left out and listed; the others stand.
/// `name` is what diagnostics call the file.
pub fn parse_file(name: &str, text: &str, variables: &Variables, classes: &Classes) -> ParsedFile {
    let surroundings = Surroundings::new(variables, classes);
    parse_text(name, text.to_owned(), false, &surroundings)
}

/// The same for bytes: a rule with bytes that are not UTF-8 is at fault.
pub fn parse_bytes(
    name: &str,
    bytes: &[u8],
    variables: &Variables,
    classes: &Classes,
) -> ParsedFile {
    parse_bytes_in(name, bytes.to_vec(), &Surroundings::new(variables, classes))
}

/// The same for rules that may name files and categories.
pub fn parse_bytes_in(name: &str, bytes: Vec<u8>, surroundings: &Surroundings<'_>) -> ParsedFile {
    match String::from_utf8(bytes) {
        Ok(text) => parse_text(name, text, false, surroundings),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            parse_text(name, text, true, surroundings)
        }
    }
}

fn parse_text(
    name: &str,
    text: String,
    replaced: bool,
    surroundings: &Surroundings<'_>,
) -> ParsedFile {
    let text = Arc::new(text);
    let file: Arc<str> = name.into();
    let reader = || Reader {
        file: Arc::clone(&file),
        text: &text,
        surroundings,
        resolver: Resolver::new(surroundings.variables),
        replaced,
    };
    let rules: Vec<LogicalRule<'_>> = logical_rules(&text).collect();
    let read = parallel::map(&rules, RULES_AT_ONCE, reader, |reader, rule| {
        (!depends_on_others(rule)).then(|| reader.rule(rule))
    });
    reader().file(&rules, read)
}

/// Reads one rule, which may be continued over several lines.
///
/// # Errors
/// The rule's fault; also if `text` holds no rule, or more than one.
pub fn parse_rule(
    name: &str,
    text: &str,
    variables: &Variables,
    classes: &Classes,
) -> Result<Signature, Box<Diagnostic>> {
    let mut parsed = parse_file(name, text, variables, classes);
    if !parsed.failures.is_empty() {
        return Err(Box::new(parsed.failures.swap_remove(0)));
    }
    match parsed.signatures.pop() {
        Some(only) if parsed.signatures.is_empty() => Ok(Arc::unwrap_or_clone(only)),
        _ => Err(Box::new(Diagnostic::new(
            Severity::Error,
            &name.into(),
            text,
            0..0,
            "expected one rule",
        ))),
    }
}

/// The rule, remarks on it, and where its number stands. `None`: the rule asks for another engine, and
/// need not be understood.
type Read = Result<Option<(Arc<Signature>, Vec<Fault>, Span)>, Fault>;

/// Whether rules before it decide what it means: such a rule is read after them. The others are
/// read in any order.
fn depends_on_others(rule: &LogicalRule<'_>) -> bool {
    // What a set holds is told by the first rule that names it.
    static KEYWORDS: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["dataset", "datarep"].map(Finder::new));
    let mut keywords = KEYWORDS.iter();
    keywords.any(|keyword| keyword.find(rule.text.as_bytes()).is_some())
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a Arc<String>,
    surroundings: &'a Surroundings<'a>,
    resolver: Resolver<'a>,
    /// U+FFFD may stand for bytes that were not UTF-8.
    replaced: bool,
}

impl Reader<'_> {
    /// `read`: what was read of each of `rules` ahead.
    fn file(
        &mut self,
        rules: &[LogicalRule<'_>],
        read: impl Iterator<Item = Option<Read>>,
    ) -> ParsedFile {
        let mut parsed = ParsedFile::default();
        let mut by_id: HashMap<SignatureId, usize, ahash::RandomState> = HashMap::default();
        let mut asked_and_never_set = Vec::new();
        let mut is_firewall = None;
        for (rule, ahead) in rules.iter().zip(read) {
            let (signature, faults, sid_at) = match ahead.unwrap_or_else(|| self.rule(rule)) {
                Ok(Some(read)) => read,
                Ok(None) => {
                    parsed.not_required += 1;
                    continue;
                }
                Err(fault) => {
                    let failure = self.diagnostic(Severity::Error, rule, fault);
                    parsed.failures.push(failure);
                    continue;
                }
            };
            let of_firewall = signature.firewall.is_some();
            if *is_firewall.get_or_insert(of_firewall) != of_firewall {
                let failure = self.diagnostic(Severity::Error, rule, of_another_kind(rule));
                parsed.failures.push(failure);
                continue;
            }
            asked_and_never_set.extend(asked_bits(rule, &signature).map(|asked| (rule, asked)));
            for fault in faults {
                let warning = self.diagnostic(Severity::Warning, rule, fault);
                parsed.warnings.push(warning);
            }
            let Some(&at) = by_id.get(&signature.id) else {
                by_id.insert(signature.id, parsed.signatures.len());
                parsed.signatures.push(signature);
                continue;
            };
            let Some(before) = parsed.signatures.get_mut(at) else {
                continue;
            };
            let fault = repeated(&signature, before, sid_at);
            if signature.rev > before.rev {
                *before = signature;
            }
            let warning = self.diagnostic(Severity::Warning, rule, fault);
            parsed.warnings.push(warning);
        }
        let known = parsed.signatures.iter().flat_map(|s| &s.flowbits);
        let set: HashSet<&String> = known
            .filter(|f| !matches!(f.command, FlowbitCommand::IsSet | FlowbitCommand::IsNotSet))
            .flat_map(|f| &f.names)
            .collect();
        for (rule, (names, fault)) in asked_and_never_set {
            if !names.iter().any(|name| set.contains(name)) {
                let warning = self.diagnostic(Severity::Warning, rule, fault);
                parsed.warnings.push(warning);
            }
        }
        parsed
    }

    fn rule(&mut self, rule: &LogicalRule<'_>) -> Read {
        if self.replaced
            && let Some(at) = rule.text.find('\u{fffd}')
        {
            let span = Span::new(at, at + '\u{fffd}'.len_utf8());
            return Err(Fault::new(span, "these bytes are not UTF-8")
                .help("write bytes of a content as `|hex|`"));
        }
        let statement = statement(&rule.text)?;
        for opt in &statement.options {
            if opt.name.text == "requires" && !keywords::requires::are_met(opt)? {
                return Ok(None);
            }
        }
        let (action, header) = header::parse(statement.header, &mut self.resolver)?;
        let Actions {
            action,
            firewall,
            alert,
        } = action;
        let mut draft = Draft::new(self.surroundings, header.protocol);
        if let Some(fault) = &statement.unclosed {
            draft.warn(fault.clone());
        }
        for opt in &statement.options {
            option(&mut draft, opt)?;
        }
        draft.close_sticky()?;
        let sid_at = statement
            .options
            .iter()
            .find(|o| o.name.text == "sid")
            .map_or(statement.header.span(), Opt::span);
        let whole = Arg {
            text: rule.text.trim(),
            start: 0,
        };
        let Some(sid) = draft.sid else {
            return Err(statement
                .header
                .fault("the rule has no `sid`")
                .help("every rule needs a number of its own: `sid:1000001;`"));
        };
        lint::check(&mut draft, &header, &statement)?;
        if firewall.is_some() {
            lint::firewall(&draft, &header, &statement)?;
        }
        let priority = draft
            .priority
            .or(draft.class.as_ref().map(|c| c.priority))
            .unwrap_or(DEFAULT_PRIORITY);
        let signature = Signature {
            id: SignatureId {
                gid: draft.gid.unwrap_or(DEFAULT_GID),
                sid,
            },
            rev: draft.rev.unwrap_or(0),
            action,
            firewall,
            header,
            message: draft.message.unwrap_or_default(),
            class: draft.class,
            priority,
            references: draft.references,
            metadata: draft.metadata,
            target: draft.target,
            flow: draft.flow.unwrap_or_default(),
            packet: draft.packet,
            stream_sizes: draft.stream_sizes,
            flow_counts: draft.flow_counts,
            buffers: draft.buffers,
            variables: draft.variables,
            flowbits: draft.flowbits,
            kept_tests: draft.kept_tests,
            kept_actions: draft.kept_actions,
            tags: draft.tags,
            events: draft.events,
            numbers: draft.numbers,
            decode_events: draft.decode_events,
            protocols: draft.protocols,
            threshold: draft.threshold,
            noalert: draft.noalert,
            alert: draft.alert || alert,
            bypass: draft.bypass,
            source: Source {
                file: Arc::clone(&self.file),
                line: rule.line,
            },
            text: self.written(rule, whole),
        };
        Ok(Some((Arc::new(signature), draft.warnings, sid_at)))
    }

    fn written(&self, rule: &LogicalRule<'_>, whole: Arg<'_>) -> Written {
        match rule.text {
            Cow::Borrowed(text) => {
                let start = rule.physical(0) + (text.len() - text.trim_start().len());
                Written::part(self.text, start..start + whole.text.len())
            }
            // Its lines had to be joined.
            Cow::Owned(_) => Written::apart(whole.text),
        }
    }

    fn diagnostic(&self, severity: Severity, rule: &LogicalRule<'_>, fault: Fault) -> Diagnostic {
        let span = rule.physical_span(fault.span);
        let first = rule.physical(0);
        let joined = self
            .text
            .get(first..span.start)
            .map_or(0, |t| t.bytes().filter(|b| *b == b'\n').count());
        let line = usize::try_from(rule.line).unwrap_or(usize::MAX - joined) + joined;
        Diagnostic::on_line(
            severity,
            &self.file,
            self.text,
            line,
            span.start..span.end,
            fault.message,
        )
        .with_help(fault.help)
    }
}

/// A file holds a firewall's rules or others: the former are all asked, and in their order.
fn of_another_kind(rule: &LogicalRule<'_>) -> Fault {
    let action = rule
        .text
        .find(char::is_whitespace)
        .unwrap_or(rule.text.len());
    Fault::new(
        Span::new(0, action),
        "of a file's rules either all are a firewall's, whose actions have a scope, or none is",
    )
    .help("move the rules of one kind to a file of their own")
}

fn option(draft: &mut Draft<'_>, opt: &lex::Opt<'_>) -> Result<(), Fault> {
    match keywords::find(opt.name.text) {
        Some(keyword) => keyword.parse(draft, opt),
        None => {
            if let Some(refused) = keywords::refused::find(opt.name.text) {
                return Err(refused.fault(opt.name));
            }
            let near = keywords::suggestion(opt.name.text);
            Err(opt
                .name
                .fault(format!("unknown keyword `{}`", opt.name.text))
                .help_if(near.map(|n| format!("did you mean `{n}`?"))))
        }
    }
}

/// Flowbits that must be set for the rule to match, and what to say if nothing sets them.
fn asked_bits<'a>(
    rule: &'a LogicalRule<'_>,
    signature: &'a Signature,
) -> impl Iterator<Item = (Vec<String>, Fault)> + 'a {
    let asked = signature.flowbits.iter();
    let asked = asked.filter(|f| f.command == FlowbitCommand::IsSet);
    asked.map(|flowbit| {
        let written = flowbit.names.join("|");
        let start = rule.text.find(&written).unwrap_or(0);
        let fault = Fault::new(
            Span::new(start, start + written.len()),
            format!("no rule of this file sets the flowbit `{written}`"),
        )
        .help("unless a rule of another file does, this one never matches");
        (flowbit.names.clone(), fault)
    })
}

fn repeated(this: &Signature, before: &Signature, at: Span) -> Fault {
    let place = format!("{}:{}", before.source.file, before.source.line);
    let SignatureId { gid, sid } = this.id;
    if this.rev > before.rev {
        Fault::new(
            at,
            format!(
                "rule {gid}:{sid} rev {} replaces rev {} of {place}",
                this.rev, before.rev
            ),
        )
    } else {
        Fault::new(
            at,
            format!("rule {gid}:{sid} already stands in {place}: skipped"),
        )
        .help("give it a sid of its own, or a higher rev to replace the other")
    }
}

#[cfg(test)]
mod tests;
