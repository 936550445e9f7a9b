//! Patterns of one byte.

use memchr::memchr;

use super::store::Scan;
use super::{PatternId, Scratch};

/// A pattern of one byte: which it is, and the one or two bytes it matches.
#[derive(Debug)]
struct SingleByte {
    pattern: u32,
    bytes: [u8; 2],
}

#[derive(Debug)]
pub(super) struct SingleBytes(Vec<SingleByte>);

impl SingleBytes {
    /// Of (pattern, byte, nocase); `None` of none.
    pub(super) fn build(patterns: &[(u32, u8, bool)]) -> Option<Self> {
        let all: Vec<_> = patterns
            .iter()
            .map(|&(pattern, byte, nocase)| SingleByte {
                pattern,
                bytes: if nocase {
                    [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]
                } else {
                    [byte, byte]
                },
            })
            .collect();
        (!all.is_empty()).then_some(Self(all))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.0.capacity() * size_of::<SingleByte>()
    }

    pub(super) fn scan(
        &self,
        scan: Scan<'_>,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        let new = scan.haystack.get(scan.from..).unwrap_or_default();
        for single in &self.0 {
            let [a, b] = single.bytes;
            let at = if a == b {
                memchr(a, new)
            } else {
                memchr::memchr2(a, b, new)
            };
            if let Some(at) = at
                && scratch.mark(single.pattern)
            {
                found(PatternId(single.pattern), scan.from + at + 1);
            }
        }
    }
}
