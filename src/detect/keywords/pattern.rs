//! `pcre`: regular expressions, built when first needed.

use std::sync::{Arc, OnceLock};

use regex_syntax::hir::Look;

use super::failure::Failure;
use super::{Machine, cost};
use crate::detect::compile::text_id;
use crate::detect::flowbits::BitId;
use crate::detect::variables::{Captured, CapturedValue, MAX_TEXT};
use crate::signature::ast::{CaptureScope, Pcre, PcreCapture};

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
    Regex {
        regex: regex::bytes::Regex,
        /// What stands before a place is of matter to whether it matches there.
        looks_back: bool,
    },
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

    /// Whether a match from a later start on is one from an earlier start on as well.
    fn looks_ahead_only(&self) -> bool {
        let regex = self.engine();
        matches!(
            regex,
            Some(Engine::Regex {
                looks_back: false,
                ..
            })
        )
    }

    /// Units for each byte that a search goes over.
    const fn byte_cost(&self) -> u64 {
        if self.source.needs_pcre2 {
            cost::BACKTRACKING_BYTE
        } else {
            cost::AUTOMATON_BYTE
        }
    }

    /// Start and end of the first match at `from` or later; an error is a limit that was hit.
    fn find_at(&self, subject: &[u8], from: usize) -> Result<Option<(usize, usize)>, ()> {
        if from > subject.len() {
            return Ok(None);
        }
        match self.engine() {
            None => Err(()),
            Some(Engine::Regex { regex, .. }) => {
                Ok(regex.find_at(subject, from).map(|m| (m.start(), m.end())))
            }
            Some(Engine::Pcre2(r)) => r
                .find_at(subject, from)
                .map(|m| m.map(|m| (m.start(), m.end())))
                .map_err(|_| ()),
        }
    }
}

impl LazyPattern {
    /// What a group takes in the first match.
    pub(crate) fn group_of_first(&self, group: usize, subject: &[u8]) -> Option<(usize, usize)> {
        let mut taken = None;
        self.groups_at(subject, 0, &mut |number, from, to| {
            if number == group {
                taken = Some((from, to));
            }
        });
        taken
    }

    /// Shows what the groups take in the first match at `from` or later: number, start and end.
    fn groups_at(&self, subject: &[u8], from: usize, show: &mut dyn FnMut(usize, usize, usize)) {
        match self.engine() {
            Some(Engine::Regex { regex, .. }) => {
                let found = regex.captures_at(subject, from);
                for (number, group) in found.iter().flat_map(|c| c.iter()).enumerate() {
                    if let Some(group) = group {
                        show(number, group.start(), group.end());
                    }
                }
            }
            Some(Engine::Pcre2(r)) => {
                let mut places = r.capture_locations();
                if let Ok(Some(_)) = r.captures_read_at(&mut places, subject, from) {
                    for number in 0..places.len() {
                        if let Some((start, end)) = places.get(number) {
                            show(number, start, end);
                        }
                    }
                }
            }
            None => {}
        }
    }
}

/// The parser has written every flag into the text.
fn build(p: &Pcre) -> Option<Engine> {
    if p.needs_pcre2 {
        return build_pcre2(&p.pattern).map(Engine::Pcre2);
    }
    let regex = regex::bytes::RegexBuilder::new(&p.pattern)
        .unicode(false)
        .dfa_size_limit(DFA_BYTES)
        .build()
        .ok()?;
    Some(Engine::Regex {
        regex,
        looks_back: looks_back(&p.pattern),
    })
}

/// Of all assertions, only ends of text and line have nothing to do with what is before them.
fn looks_back(pattern: &str) -> bool {
    let parsed = regex_syntax::ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .build()
        .parse(pattern);
    parsed.map_or(true, |hir| {
        let mut looks = hir.properties().look_set().iter();
        looks.any(|look| !matches!(look, Look::End | Look::EndLF))
    })
}

fn build_pcre2(pattern: &str) -> Option<pcre2::bytes::Regex> {
    pcre2::bytes::RegexBuilder::new()
        .jit_if_available(true)
        .max_jit_stack_size(Some(JIT_STACK_BYTES))
        .build(&format!("(*LIMIT_MATCH={MATCH_LIMIT}){pattern}"))
        .ok()
}

/// A compiled `pcre`.
#[derive(Debug)]
pub(crate) struct PatternOp {
    pub(crate) pattern: Arc<LazyPattern>,
    pub(crate) negated: bool,
    pub(crate) relative: bool,
    /// Where what follows fails, a later match may still do.
    pub(crate) retry: bool,
    pub(crate) captures: Box<[CaptureOp]>,
}

impl PatternOp {
    /// That it matches nowhere, or nowhere where the rest can match, holds for other places of the
    /// match before as well: always where it looks at all bytes, for later ones where fewer bytes
    /// are only fewer places to match at.
    pub(super) fn missed(&self) -> Failure {
        if !self.relative {
            Failure::Anywhere
        } else if self.pattern.looks_ahead_only() {
            Failure::Later
        } else {
            Failure::Here
        }
    }

    /// That it matches though it must not.
    pub(super) const fn denied(&self) -> Failure {
        Failure::of_fixed(!self.relative)
    }
}

/// A group that sets a variable.
#[derive(Debug)]
pub(crate) struct CaptureOp {
    group: usize,
    scope: CaptureScope,
    id: BitId,
    name: Arc<str>,
}

impl CaptureOp {
    pub(crate) fn new(capture: &PcreCapture) -> Self {
        Self {
            group: usize::from(capture.group),
            scope: capture.scope,
            id: text_id(capture.scope, &capture.name),
            name: capture.name.as_str().into(),
        }
    }
}

impl Machine<'_> {
    /// Notes what the groups of a match that begins at `start` take.
    pub(super) fn capture(&mut self, p: &PatternOp, cursor: i64, start: usize) {
        if p.captures.is_empty() {
            return;
        }
        let origin = usize::try_from(self.origin(p.relative, cursor).max(0)).unwrap_or(0);
        let subject = self.bytes.get(origin..).unwrap_or_default();
        let captured = &mut self.variables.captured;
        p.pattern.groups_at(
            subject,
            start.saturating_sub(origin),
            &mut |group, from, to| {
                let taken = p.captures.iter().filter(|c| c.group == group);
                for capture in taken {
                    let text = subject
                        .get(from..to.min(from + MAX_TEXT))
                        .unwrap_or_default();
                    // Where the match is tried again further on, the last one counts.
                    captured.retain(|c| c.id != capture.id);
                    captured.push(Captured {
                        scope: capture.scope,
                        id: capture.id,
                        name: Arc::clone(&capture.name),
                        value: CapturedValue::Text(text.into()),
                    });
                }
            },
        );
    }

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
        let from = from.saturating_sub(origin);
        let found = p.pattern.find_at(subject, from);
        let looked = |found: Option<(usize, usize)>| {
            let end = found.map_or(subject.len(), |(_, end)| end);
            end.saturating_sub(from) as u64
        };
        self.spent += cost::EXPRESSION;
        match found {
            Ok(found) => {
                self.spent += looked(found) * p.pattern.byte_cost();
                found.map(|(start, end)| (origin + start, origin + end))
            }
            Err(()) => {
                self.spent += cost::HOPELESS;
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
            captures: Vec::new(),
        }
    }

    #[test]
    fn both_engines_find_the_same_place() {
        for needs_pcre2 in [false, true] {
            let p = LazyPattern::new(Pcre {
                needs_pcre2,
                ..pcre(r"(?i)B\xff.")
            });
            assert_eq!(p.find_at(b"bb\xff\xfe", 0), Ok(Some((1, 4))));
            assert_eq!(p.find_at(b"bb\xff\xfe", 2), Ok(None));
            assert_eq!(p.find_at(b"b", 9), Ok(None));
        }
    }

    #[test]
    fn a_hopeless_search_ends_with_an_error() {
        let p = Pcre {
            needs_pcre2: true,
            ..pcre(r"(a+)+\1[bc]")
        };
        assert_eq!(LazyPattern::new(p).find_at(&[b'a'; 200], 0), Err(()));
    }

    #[test]
    fn what_no_engine_can_build_is_an_error_not_a_match() {
        assert!(LazyPattern::new(pcre("(")).find_at(b"(", 0).is_err());
    }
}
