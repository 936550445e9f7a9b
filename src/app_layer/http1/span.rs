//! A range of an arena in eight bytes.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Arenas are bounded far below 4 GiB; beyond that the span is cut, not wrapped.
    pub(super) fn new(start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    pub(super) const fn start(self) -> usize {
        self.start as usize
    }

    pub(super) const fn end(self) -> usize {
        self.end as usize
    }

    pub(super) const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Empty where the span is not within the arena.
    pub(super) fn of(self, arena: &[u8]) -> &[u8] {
        arena.get(self.start()..self.end()).unwrap_or(&[])
    }

    /// Without the bytes at both ends that `unwanted` names.
    pub(super) fn trim(self, arena: &[u8], unwanted: impl Fn(u8) -> bool) -> Self {
        let bytes = self.of(arena);
        let Some(first) = bytes.iter().position(|&b| !unwanted(b)) else {
            return Self::new(self.start(), self.start());
        };
        let last = bytes.iter().rposition(|&b| !unwanted(b)).unwrap_or(first);
        Self::new(self.start() + first, self.start() + last + 1)
    }
}

/// Space or tab.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_both_ends_and_nothing_to_an_empty_span() {
        let arena = b"x  ab c \ty";
        assert_eq!(Span::new(1, 9).trim(arena, is_blank).of(arena), b"ab c");
        assert!(Span::new(7, 9).trim(arena, is_blank).is_empty());
        assert_eq!(Span::new(5, 99).of(arena), b"");
    }
}
