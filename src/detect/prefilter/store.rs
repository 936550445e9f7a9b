//! The patterns themselves, side by side in memory, and the confirmation of a hit.

use super::{Pattern, PatternId, Scratch};

#[derive(Debug)]
struct Stored {
    start: u32,
    length: u32,
    nocase: bool,
}

#[derive(Debug)]
pub(super) struct Store {
    bytes: Vec<u8>,
    stored: Vec<Stored>,
}

/// One scan's haystack.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a> {
    pub(super) haystack: &'a [u8],
    pub(super) from: usize,
}

impl Store {
    /// `None` where the patterns exceed 4 GiB.
    pub(super) fn build(patterns: &[Pattern]) -> Option<Self> {
        let mut store = Self {
            bytes: Vec::with_capacity(patterns.iter().map(|p| p.bytes.len()).sum()),
            stored: Vec::with_capacity(patterns.len()),
        };
        for pattern in patterns {
            store.stored.push(Stored {
                start: u32::try_from(store.bytes.len()).ok()?,
                length: u32::try_from(pattern.bytes.len()).ok()?,
                nocase: pattern.nocase,
            });
            store.bytes.extend_from_slice(&pattern.bytes);
        }
        Some(store)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.stored.capacity() * size_of::<Stored>()
    }

    /// Reports `pattern` if it stands at `start` of the haystack, ends after `from`, and was not
    /// reported before.
    #[inline]
    pub(super) fn confirm(
        &self,
        scan: Scan<'_>,
        pattern: u32,
        start: usize,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        if scratch.is_seen(pattern) {
            return;
        }
        let Some(stored) = self.stored.get(pattern as usize) else {
            return;
        };
        let end = start + stored.length as usize;
        if end <= scan.from {
            return;
        }
        let at = stored.start as usize;
        let (Some(here), Some(wanted)) = (
            scan.haystack.get(start..end),
            self.bytes.get(at..at + stored.length as usize),
        ) else {
            return;
        };
        let equal = if stored.nocase {
            wanted.eq_ignore_ascii_case(here)
        } else {
            wanted == here
        };
        if equal && scratch.mark(pattern) {
            found(PatternId(pattern), end);
        }
    }
}
