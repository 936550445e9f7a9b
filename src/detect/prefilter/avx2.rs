//! The bitmap test for eight grams at once, and the test by sets of bytes for 32 positions.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_cvtsi32_si128, _mm_loadu_si128, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_castsi256_ps, _mm256_cmpeq_epi8, _mm256_i32gather_epi32,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_movemask_ps, _mm256_mullo_epi32,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setzero_si256,
    _mm256_shuffle_epi8, _mm256_sllv_epi32, _mm256_srl_epi32, _mm256_srli_epi16, _mm256_srli_epi32,
    _mm256_storeu_si256, _mm256_xor_si256,
};

use super::gram::{Gram, LETTERS, SPREAD};
use super::table::Table;
use super::teddy::{Halves, Teddy, WIDTH};

/// Bytes each round moves on by.
const STEP: usize = 32;
/// Bytes each round reads: the grams that start at its last bytes reach beyond it.
const REACH: usize = STEP + 3;

/// Tables with a stride look at positions so far apart at most.
const GRID: usize = 4;

const _: () = assert!(
    WIDTH <= 4,
    "a round reads three bytes more than it has positions"
);

/// A haystack in rounds; behind its last bytes stand zeros.
struct Rounds<'a> {
    haystack: &'a [u8],
    position: usize,
    padded: [u8; REACH + GRID - 1],
}

impl<'a> Rounds<'a> {
    fn new(haystack: &'a [u8], first: usize) -> Self {
        Self {
            haystack,
            position: first,
            padded: [0; REACH + GRID - 1],
        }
    }

    /// The next round, the position of its first byte, and a bit for each of its positions that is
    /// one of the haystack and was in no round before.
    #[inline]
    fn next(&mut self) -> Option<(usize, u32, &[u8; REACH])> {
        let position = self.position;
        let rest = self.haystack.get(position..)?;
        self.position += STEP;
        match rest.first_chunk() {
            Some(round) => Some((position, u32::MAX, round)),
            None if rest.is_empty() => None,
            None => self.last(position, rest),
        }
    }

    /// A round that the haystack ends in, or one before that.
    fn last(&mut self, position: usize, rest: &[u8]) -> Option<(usize, u32, &[u8; REACH])> {
        let known = STEP.checked_sub(rest.len());
        if let (Some(known), Some(bytes)) = (known, self.haystack.last_chunk::<STEP>()) {
            // Some bytes once more, so that as many are copied as a register holds. Positions stay
            // on the grid of those before.
            let (again, beyond) = (known - known % GRID, known % GRID);
            *self.padded.first_chunk_mut()? = *bytes;
            let round = self.padded.get(beyond..)?.first_chunk()?;
            let there = u32::MAX << again & u32::MAX >> beyond;
            return Some((position - again, there, round));
        }
        self.padded.get_mut(..rest.len())?.copy_from_slice(rest);
        let beyond = known.unwrap_or(0);
        Some((position, u32::MAX >> beyond, self.padded.first_chunk()?))
    }
}

/// Proof that this processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// Looks at positions from `first` on. Behind the last bytes stand zeros, which no confirmation
    /// takes for bytes.
    pub(super) fn scan(
        self,
        table: &Table,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, Gram),
    ) {
        // SAFETY: an `Avx2` exists only where the processor was found to have AVX2.
        unsafe {
            match table.shape.stride {
                4 => scan::<4>(table, haystack, first, candidate),
                2 => scan::<2>(table, haystack, first, candidate),
                _ => scan::<1>(table, haystack, first, candidate),
            }
        }
    }
}

impl Avx2 {
    /// The same by sets of bytes. A candidate is told with the buckets that pass.
    pub(super) fn scan_few(
        self,
        few: &Teddy,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, u8),
    ) {
        // SAFETY: an `Avx2` exists only where the processor was found to have AVX2.
        unsafe {
            match few.places {
                2 => scan_few::<2>(few, haystack, first, candidate),
                3 => scan_few::<3>(few, haystack, first, candidate),
                _ => scan_few::<4>(few, haystack, first, candidate),
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn scan_few<const PLACES: usize>(
    few: &Teddy,
    haystack: &[u8],
    first: usize,
    candidate: &mut impl FnMut(usize, u8),
) {
    let Halves { low, high } = &few.halves;
    let first_place = [twice(&low[0]), twice(&high[0])];
    let second_place = [twice(&low[1]), twice(&high[1])];
    let third_place = [twice(&low[2]), twice(&high[2])];
    let fourth_place = [twice(&low[3]), twice(&high[3])];
    let nothing = _mm256_setzero_si256();
    let mut rounds = Rounds::new(haystack, first);
    while let Some((position, there, round)) = rounds.next() {
        let mut passing = test_bytes(round, 0, first_place);
        passing = _mm256_and_si256(passing, test_bytes(round, 1, second_place));
        if PLACES > 2 {
            passing = _mm256_and_si256(passing, test_bytes(round, 2, third_place));
        }
        if PLACES > 3 {
            passing = _mm256_and_si256(passing, test_bytes(round, 3, fourth_place));
        }
        let failing = _mm256_movemask_epi8(_mm256_cmpeq_epi8(passing, nothing)) as u32;
        let mut lanes = !failing & there;
        if lanes == 0 {
            continue;
        }
        let mut sets = [0u8; STEP];
        // SAFETY: 32 bytes are written to an array of as many; the store needs no alignment.
        unsafe { _mm256_storeu_si256(sets.as_mut_ptr().cast(), passing) };
        while lanes != 0 {
            let lane = lanes.trailing_zeros() as usize;
            lanes &= lanes - 1;
            let word = round.get(lane..).and_then(|r| r.first_chunk::<4>());
            let word = word.map_or(0, |word| u32::from_le_bytes(*word));
            if few.may_hold(word, sets[lane]) {
                candidate(position + lane, sets[lane]);
            }
        }
    }
}

/// Sixteen bytes in both lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn twice(sets: &[u8; 16]) -> __m256i {
    // SAFETY: the load reads 16 bytes of an array of as many, and needs no alignment.
    _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(sets.as_ptr().cast()) })
}

/// The sets of the 32 bytes from `place` (0 to 3) on, by their lower and upper halves.
#[target_feature(enable = "avx2")]
#[inline]
fn test_bytes(round: &[u8; REACH], place: usize, halves: [__m256i; 2]) -> __m256i {
    debug_assert!(place + STEP <= REACH);
    // SAFETY: 32 bytes are read from `place`, at most 3, of an array of 35; the load needs no alignment.
    let bytes = unsafe { _mm256_loadu_si256(round.as_ptr().add(place).cast()) };
    let half = _mm256_set1_epi8(0x0f);
    let lower = _mm256_and_si256(bytes, half);
    let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), half);
    _mm256_and_si256(
        _mm256_shuffle_epi8(halves[0], lower),
        _mm256_shuffle_epi8(halves[1], upper),
    )
}

#[target_feature(enable = "avx2")]
fn scan<const STRIDE: usize>(
    table: &Table,
    haystack: &[u8],
    first: usize,
    candidate: &mut impl FnMut(usize, Gram),
) {
    let (bitmap, shift) = table.bitmap.parts();
    let shift = _mm_cvtsi32_si128(shift as i32);
    let mask = _mm256_set1_epi32(table.mask as i32);
    let mut rounds = Rounds::new(haystack, first);
    while let Some((position, there, round)) = rounds.next() {
        let mut hits = [_mm256_setzero_si256(); 4];
        let mut any = _mm256_setzero_si256();
        for at in (0..4).step_by(STRIDE) {
            hits[at] = test((bitmap, shift), mask, round, at);
            any = _mm256_or_si256(any, hits[at]);
        }
        if sign_bits(any) == 0 {
            continue;
        }
        for at in (0..4).step_by(STRIDE) {
            let mut lanes = sign_bits(hits[at]);
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let here = 4 * lane + at;
                if there >> here & 1 == 0 {
                    continue;
                }
                if let Some(&word) = round.get(here..).and_then(|r| r.first_chunk::<4>()) {
                    let gram = Gram::of_word(u32::from_le_bytes(word), table.mask);
                    if table.bitmap.confirms(gram) {
                        candidate(position + here, gram);
                    }
                }
            }
        }
    }
}

/// Eight grams, four bytes apart, the first at `at` (0 to 3): the sign bit of each lane is the
/// bitmap's bit of that lane's gram. `bitmap` is what `Bitmap::parts` gives.
#[target_feature(enable = "avx2")]
#[inline]
fn test(bitmap: (&[u32], __m128i), mask: __m256i, round: &[u8; REACH], at: usize) -> __m256i {
    debug_assert!(at + STEP <= REACH);
    // SAFETY: 32 bytes are read from `at`, at most 3, of an array of 35; the load needs no alignment.
    let words = unsafe { _mm256_loadu_si256(round.as_ptr().add(at).cast()) };
    let letters = _mm256_and_si256(words, _mm256_set1_epi32(LETTERS as i32));
    let folded = _mm256_or_si256(words, _mm256_srli_epi32::<1>(letters));
    let grams = _mm256_and_si256(folded, mask);
    let product = _mm256_mullo_epi32(grams, _mm256_set1_epi32(SPREAD as i32));
    let hash = _mm256_srl_epi32(product, bitmap.1);
    let index = _mm256_srli_epi32::<5>(hash);
    // SAFETY: a bitmap has as many bits as there are products after its shift, at most 2^20, and so
    // a word for each index.
    let words = unsafe { _mm256_i32gather_epi32::<4>(bitmap.0.as_ptr().cast(), index) };
    let bit = _mm256_and_si256(hash, _mm256_set1_epi32(31));
    let left = _mm256_xor_si256(bit, _mm256_set1_epi32(31));
    _mm256_sllv_epi32(words, left)
}

#[target_feature(enable = "avx2")]
#[inline]
fn sign_bits(lanes: __m256i) -> u32 {
    _mm256_movemask_ps(_mm256_castsi256_ps(lanes)) as u32
}
