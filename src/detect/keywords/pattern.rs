//! `pcre`: regular expressions, built when first needed.

use std::sync::{Arc, OnceLock};

use super::Machine;
use crate::signature::ast::Pcre;

/// Steps `pcre2` may take for one search.
const MATCH_LIMIT: u32 = 50_000;

/// Bytes of stack a compiled `pcre2` program may use.
const JIT_STACK_BYTES: usize = 256 * 1024;

/// Bytes a lazily built automaton of `regex` may take.
const DFA_BYTES: usize = 1 << 20;

/// A regular expression that most flows never need: built at its first use, kept from then on.
#[derive(Debug)]
pub(crate) struct LazyPattern {
    source: Pcre,
    built: OnceLock<Option<Engine>>,
}

#[derive(Debug)]
enum Engine {
    /// Linear in its input.
    Regex(regex::bytes::Regex),
    /// Look-around and back-references; bounded by [`MATCH_LIMIT`].
    Pcre2(pcre2::bytes::Regex),
}

impl LazyPattern {
    pub(crate) fn new(source: Pcre) -> Self {
        Self {
            source,
            built: OnceLock::new(),
        }
    }

    fn engine(&self) -> Option<&Engine> {
        self.built.get_or_init(|| build(&self.source)).as_ref()
    }

    /// Start and end of the first match at `from` or later; an error is a limit that was hit.
    fn find_at(&self, subject: &[u8], from: usize) -> Result<Option<(usize, usize)>, ()> {
        if from > subject.len() {
            return Ok(None);
        }
        match self.engine() {
            None => Err(()),
            Some(Engine::Regex(r)) => Ok(r.find_at(subject, from).map(|m| (m.start(), m.end()))),
            Some(Engine::Pcre2(r)) => r
                .find_at(subject, from)
                .map(|m| m.map(|m| (m.start(), m.end())))
                .map_err(|_| ()),
        }
    }
}

fn build(p: &Pcre) -> Option<Engine> {
    let regex = if p.needs_pcre2 {
        None
    } else {
        build_regex(p).map(Engine::Regex)
    };
    regex.or_else(|| build_pcre2(p).map(Engine::Pcre2))
}

fn build_regex(p: &Pcre) -> Option<regex::bytes::Regex> {
    // PCRE's `$` also stands before a line end that ends the subject; that of `regex` does not.
    let body = if p.dollar_end_only || p.multi_line {
        p.pattern.clone()
    } else {
        replace_dollars(&p.pattern, r"(?:\n?\z)")
    };
    regex::bytes::RegexBuilder::new(&wrap(p, &body))
        .unicode(false)
        .case_insensitive(p.caseless)
        .multi_line(p.multi_line)
        .dot_matches_new_line(p.dot_all)
        .ignore_whitespace(p.extended)
        .swap_greed(p.ungreedy)
        .dfa_size_limit(DFA_BYTES)
        .build()
        .ok()
}

fn build_pcre2(p: &Pcre) -> Option<pcre2::bytes::Regex> {
    let body = if p.dollar_end_only && !p.multi_line {
        replace_dollars(&p.pattern, r"\z")
    } else {
        p.pattern.clone()
    };
    let ungreedy = if p.ungreedy { "(?U)" } else { "" };
    let pattern = format!("(*LIMIT_MATCH={MATCH_LIMIT}){ungreedy}{}", wrap(p, &body));
    pcre2::bytes::RegexBuilder::new()
        .caseless(p.caseless)
        .multi_line(p.multi_line)
        .dotall(p.dot_all)
        .extended(p.extended)
        .jit_if_available(true)
        .max_jit_stack_size(Some(JIT_STACK_BYTES))
        .build(&pattern)
        .ok()
}

/// Adds the anchor where asked for. A comment at the end of an extended pattern must not swallow
/// the closing bracket.
fn wrap(p: &Pcre, body: &str) -> String {
    match (p.anchored, p.extended) {
        (false, _) => body.to_owned(),
        (true, false) => format!(r"\A(?:{body})"),
        (true, true) => format!("\\A(?:{body}\n)"),
    }
}

/// Replaces each `$` that is an assertion: not escaped, not in a class.
fn replace_dollars(pattern: &str, with: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + with.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(chars.next());
            }
            '[' if !in_class => {
                in_class = true;
                out.push(c);
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A bracket that comes first is a member.
                if chars.peek() == Some(&']') {
                    out.extend(chars.next());
                }
            }
            '[' if chars.peek() == Some(&':') => {
                out.push(c);
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            '$' if !in_class => out.push_str(with),
            _ => out.push(c),
        }
    }
    out
}

/// A compiled `pcre`.
#[derive(Debug)]
pub(crate) struct PatternOp {
    pub(crate) pattern: Arc<LazyPattern>,
    pub(crate) negated: bool,
    pub(crate) relative: bool,
    /// Where what follows fails, a later match may still do.
    pub(crate) retry: bool,
}

impl Machine<'_> {
    /// The first match at `from` or later. A relative expression sees nothing before the match
    /// it follows: its `^` is there.
    pub(super) fn find_pattern(
        &mut self,
        p: &PatternOp,
        cursor: i64,
        from: usize,
    ) -> Option<(usize, usize)> {
        let origin = usize::try_from(self.origin(p.relative, cursor).max(0)).ok()?;
        let subject = self.bytes.get(origin..)?;
        match p.pattern.find_at(subject, from.saturating_sub(origin)) {
            Ok(found) => found.map(|(start, end)| (origin + start, origin + end)),
            Err(()) => {
                self.exhausted = true;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcre(pattern: &str) -> Pcre {
        Pcre {
            pattern: pattern.into(),
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
        }
    }

    fn both(p: Pcre, subject: &[u8]) -> [bool; 2] {
        let slow = Pcre {
            needs_pcre2: true,
            ..p.clone()
        };
        [p, slow].map(|p| LazyPattern::new(p).find_at(subject, 0).unwrap().is_some())
    }

    #[test]
    fn both_engines_agree_on_dollar() {
        assert_eq!(both(pcre("a$"), b"a\n"), [true; 2]);
        assert_eq!(both(pcre("a$"), b"a\nb"), [false; 2]);
        let end_only = Pcre {
            dollar_end_only: true,
            ..pcre("a$")
        };
        assert_eq!(both(end_only, b"a\n"), [false; 2]);
        assert_eq!(both(pcre(r"[$]\$"), b"$$"), [true; 2]);
        assert_eq!(both(pcre("[]$]b$"), b"$b"), [true; 2]);
    }

    #[test]
    fn both_engines_agree_on_anchors_and_flags() {
        let p = Pcre {
            anchored: true,
            extended: true,
            caseless: true,
            ..pcre("b c # d")
        };
        assert_eq!(both(p.clone(), b"BCx"), [true; 2]);
        assert_eq!(both(p, b"aBC"), [false; 2]);
    }

    #[test]
    fn bytes_above_ascii_are_bytes() {
        assert_eq!(both(pcre(r"\xff.\x80"), b"\xff\xfe\x80"), [true; 2]);
    }

    #[test]
    fn a_hopeless_search_ends_with_an_error() {
        let p = Pcre {
            needs_pcre2: true,
            ..pcre(r"(a+)+\1b")
        };
        assert!(LazyPattern::new(p).find_at(&[b'a'; 200], 0).is_err());
    }

    #[test]
    fn what_no_engine_can_build_is_an_error_not_a_match() {
        assert!(LazyPattern::new(pcre("(")).find_at(b"(", 0).is_err());
    }
}
