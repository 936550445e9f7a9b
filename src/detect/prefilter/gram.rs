//! Two to four bytes in a row, folded to one case.

/// The bit that every letter has, in each byte. One place lower stands the bit that tells upper
/// case from lower.
pub(super) const LETTERS: u32 = 0x4040_4040;
/// Spreads a gram over the upper bits of the product (2^32 / golden ratio).
pub(super) const SPREAD: u32 = 0x9E37_79B1;
/// The same for a hash of its own.
const OTHER_SPREAD: u32 = 0x85EB_CA6B;

/// A folded gram: its first byte lowest, the bytes beyond its width zero.
///
/// Folding makes every byte that may be a letter lower case: cheap, and the same on both sides. It
/// takes some bytes that are no letters for each other (`@` and `` ` ``); the confirmation tells
/// them apart. It keeps NUL and space apart: both come in floods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Gram(pub(super) u32);

pub(super) const fn fold_byte(byte: u8) -> u8 {
    byte | (byte & 0x40) >> 1
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
        Self((word | (word & LETTERS) >> 1) & mask)
    }

    /// The gram at the start of `bytes`, if they are as many as `width` (at most 4).
    pub(super) fn of(bytes: &[u8], width: usize) -> Option<Self> {
        let word = match bytes.first_chunk() {
            Some(word) if width <= word.len() => *word,
            _ => {
                let mut word = [0; 4];
                word.get_mut(..width)?.copy_from_slice(bytes.get(..width)?);
                word
            }
        };
        Some(Self::of_word(u32::from_le_bytes(word), mask(width)))
    }

    /// The upper `32 - shift` bits of its hash.
    #[inline]
    pub(super) fn hash(self, shift: u32) -> usize {
        (self.0.wrapping_mul(SPREAD) >> shift) as usize
    }

    /// The same of a hash that tells apart what the first takes for one.
    #[inline]
    pub(super) fn other_hash(self, shift: u32) -> usize {
        ((self.0 ^ self.0 >> 15).wrapping_mul(OTHER_SPREAD) >> shift) as usize
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
