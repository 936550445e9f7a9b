//! A set of grams that may say yes by chance, and never no in error.
//!
//! Two tables of bits by two hashes. Every position of a haystack is looked up in the first, which
//! is small enough to stay in the cache next to the processor; what passes, in both.

use super::gram::Gram;

const MOST_BITS_LOG2: u32 = 20;
const FEWEST_BITS_LOG2: u32 = 12;
/// Bits for each gram, as a power of two: one position in 64 passes by chance.
const SPARSENESS_LOG2: u32 = 6;

/// As many bits as the grams need: what is scanned with takes up cache.
#[derive(Debug)]
pub(super) struct Bitmap {
    /// Exactly 2^(32 - `shift`) bits: the hash of a gram is the number of its bit.
    words: Box<[u32]>,
    /// As many bits, by the other hash.
    others: Box<[u32]>,
    shift: u32,
}

impl Bitmap {
    pub(super) fn of(grams: impl ExactSizeIterator<Item = Gram>) -> Self {
        let size = grams.len().max(1).next_power_of_two().ilog2();
        let bits_log2 = (size + SPARSENESS_LOG2).clamp(FEWEST_BITS_LOG2, MOST_BITS_LOG2);
        let shift = 32 - bits_log2;
        let mut words = vec![0; 1 << (bits_log2 - 5)].into_boxed_slice();
        let mut others = words.clone();
        for gram in grams {
            for (bits, hash) in [
                (&mut words, gram.hash(shift)),
                (&mut others, gram.other_hash(shift)),
            ] {
                bits[hash >> 5] |= 1 << (hash & 31);
            }
        }
        Self {
            words,
            others,
            shift,
        }
    }

    #[inline]
    pub(super) fn may_hold(&self, gram: Gram) -> bool {
        has_bit(&self.words, gram.hash(self.shift)) && self.confirms(gram)
    }

    /// [`Self::may_hold`] of a gram that passed by the first hash.
    #[inline]
    pub(super) fn confirms(&self, gram: Gram) -> bool {
        has_bit(&self.others, gram.other_hash(self.shift))
    }

    /// All words by the first hash, and the shift by which a product becomes the number of a bit in them: below
    /// 32 times their number, whatever the product.
    pub(super) const fn parts(&self) -> (&[u32], u32) {
        (&self.words, self.shift)
    }

    pub(super) const fn memory_bytes(&self) -> usize {
        size_of_val(&*self.words) + size_of_val(&*self.others)
    }
}

#[inline]
fn has_bit(words: &[u32], hash: usize) -> bool {
    let word = words.get(hash >> 5);
    word.is_some_and(|word| word >> (hash & 31) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_has_its_bit() {
        for size in [0, 1, 63, 64, 65, 5_000, 100_000] {
            let grams: Vec<_> = (0..size).map(|n| Gram(n * 77)).collect();
            let bitmap = Bitmap::of(grams.iter().copied());
            let (words, shift) = bitmap.parts();
            assert_eq!((u32::MAX >> shift) as usize + 1, words.len() * 32);
            assert!(grams.iter().all(|&gram| bitmap.may_hold(gram)));
        }
    }
}
