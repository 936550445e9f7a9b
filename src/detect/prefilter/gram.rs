//! Two to four bytes in a row, folded to one case.

pub(super) const FOLD: u32 = 0x2020_2020;
/// Spreads a gram over the upper bits of the product (2^32 / golden ratio).
pub(super) const SPREAD: u32 = 0x9E37_79B1;

/// A folded gram: its first byte lowest, the bytes beyond its width zero.
///
/// Folding sets the bit that tells an upper-case letter from its lower case, on every byte:
/// cheap, and the same on both sides. It takes some bytes that are no letters for each other; the
/// confirmation tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gram(pub(super) u32);

pub(super) const fn fold_byte(byte: u8) -> u8 {
    byte | 0x20
}

/// Which bytes of a 4-byte word a gram of `width` has.
pub(super) const fn mask(width: usize) -> u32 {
    match width {
        0 => 0,
        1..=3 => u32::MAX >> (32 - 8 * width as u32),
        _ => u32::MAX,
    }
}

impl Gram {
    #[inline]
    pub(super) fn of_word(word: u32, mask: u32) -> Self {
        Self((word | FOLD) & mask)
    }

    /// The gram at the start of `bytes`, if they are as many as `width` (at most 4).
    pub(super) fn of(bytes: &[u8], width: usize) -> Option<Self> {
        let bytes = bytes.get(..width)?;
        let mut word = [0; 4];
        word.get_mut(..width)?.copy_from_slice(bytes);
        Some(Self::of_word(u32::from_le_bytes(word), mask(width)))
    }

    /// The upper `32 - shift` bits of its hash.
    #[inline]
    pub(super) fn hash(self, shift: u32) -> usize {
        (self.0.wrapping_mul(SPREAD) >> shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_folds_away_and_bytes_beyond_the_width_do_not_count() {
        assert_eq!(Gram::of(b"JnDi", 4), Gram::of(b"jNdI", 4));
        assert_eq!(Gram::of(b"abX", 2), Gram::of(b"ABy", 2));
        assert_ne!(Gram::of(b"abX", 3), Gram::of(b"ABy", 3));
        assert_eq!(Gram::of(b"ab", 3), None);
    }
}
