//! The `aho-corasick` crate: all patterns folded to one case, and those that
//! mind their case confirmed.

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Pattern, PatternId, Scratch};

#[derive(Debug)]
pub(super) struct Automaton {
    machine: AhoCorasick,
    patterns: Vec<(PatternId, Pattern)>,
    longest: usize,
}

impl Automaton {
    /// `None` where the patterns are too many or too long for the crate.
    pub(super) fn build(patterns: &[Pattern]) -> Option<Self> {
        let patterns: Vec<_> = (0..)
            .map(PatternId)
            .zip(patterns.iter().cloned())
            .filter(|(_, p)| !p.bytes.is_empty())
            .collect();
        let machine = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(patterns.iter().map(|(_, p)| &p.bytes))
            .ok()?;
        let longest = patterns.iter().map(|(_, p)| p.bytes.len()).max()?;
        Some(Self {
            machine,
            patterns,
            longest,
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let patterns: usize = self
            .patterns
            .iter()
            .map(|p| size_of_val(p) + p.1.bytes.capacity())
            .sum();
        self.machine.memory_usage() + patterns
    }

    pub(super) fn scan(
        &self,
        haystack: &[u8],
        from: usize,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        let first = (from + 1).saturating_sub(self.longest);
        let window = haystack.get(first..).unwrap_or_default();
        for hit in self.machine.find_overlapping_iter(window) {
            let end = first + hit.end();
            let Some((id, pattern)) = self.patterns.get(hit.pattern().as_usize()) else {
                continue;
            };
            if end <= from || scratch.is_seen(id.0) {
                continue;
            }
            let bytes = window.get(hit.range()).unwrap_or_default();
            if pattern.matches(bytes) && scratch.mark(id.0) {
                found(*id, end);
            }
        }
    }
}
