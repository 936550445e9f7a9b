//! One pattern after the other: plainly right, and the yardstick in tests.

use super::{Pattern, PatternId};

#[derive(Debug)]
pub(super) struct Naive {
    patterns: Vec<Pattern>,
}

impl Naive {
    pub(super) fn build(patterns: &[Pattern]) -> Self {
        Self {
            patterns: patterns.to_vec(),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.patterns
            .iter()
            .map(|p| size_of::<Pattern>() + p.bytes.capacity())
            .sum()
    }

    pub(super) fn scan(
        &self,
        haystack: &[u8],
        from: usize,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        for (id, pattern) in (0..).map(PatternId).zip(&self.patterns) {
            let length = pattern.bytes.len();
            if length == 0 {
                continue;
            }
            let first = (from + 1).saturating_sub(length);
            let window = haystack.get(first..).unwrap_or_default();
            if let Some(at) = window.windows(length).position(|w| pattern.matches(w)) {
                found(id, first + at + length);
            }
        }
    }
}
