//! A few short patterns at once, by sets of bytes (the algorithm known as Teddy).
//!
//! Each pattern stands in one of eight buckets with a gram of four bytes, its rarest, or with all of
//! its bytes if they are fewer. A position passes for a bucket where each of its four bytes is one
//! that some pattern of the bucket has in that place. No position of a true occurrence fails; what
//! passes is looked up among all grams, held against those of the bucket, then confirmed.

use super::bitmap::Bitmap;
use super::gram::{self, Gram, fold_byte};
use super::rarity::{commonness, sampled_words};
use super::store::{Scan, Store};
use super::{Pattern, PatternId, Scratch};

/// Bytes of a pattern that are looked at.
pub(super) const WIDTH: usize = 4;
/// One bit each of a mask.
const BUCKETS: usize = 8;
/// More patterns than this fill the buckets so that most positions pass.
pub(super) const MOST: usize = 96;

/// For each place the buckets that have a byte there, by the byte, folded to one case.
type ByBytes = [[u8; 256]; WIDTH];

/// The same by the byte's lower and upper half, as it stands in the haystack: both must agree. Says
/// yes where [`ByBytes`] does, and sometimes more.
#[derive(Debug)]
pub(super) struct Halves {
    pub(super) low: [[u8; 16]; WIDTH],
    pub(super) high: [[u8; 16]; WIDTH],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: Gram,
    mask: u32,
    pattern: u32,
    /// Of the gram in the pattern.
    offset: u32,
}

#[derive(Debug)]
pub(super) struct Teddy {
    by_bytes: ByBytes,
    pub(super) halves: Halves,
    /// The grams by their width: two bytes, three, and all four.
    grams: [Bitmap; 3],
    /// For each width the buckets that have such grams.
    buckets_of_width: [u8; 3],
    buckets: [Vec<Entry>; BUCKETS],
    longest: usize,
    /// So many places are worth a test at every position: what the others would rule out is rare.
    pub(super) places: usize,
}

impl Teddy {
    /// A table of those `patterns` that `ids` names, each of two bytes or more. `None` of none.
    pub(super) fn build(patterns: &[Pattern], ids: &[u32]) -> Option<Self> {
        let mut entries: Vec<Entry> = ids
            .iter()
            .filter_map(|&pattern| rarest(&patterns.get(pattern as usize)?.bytes, pattern))
            .collect();
        if entries.is_empty() {
            return None;
        }
        // Grams that share halves of bytes share a bucket: then its sets stay small. Those with
        // fewer bytes stand last, where bytes that may be any spoil the fewest sets.
        entries.sort_by_key(|entry| {
            let bytes = entry.gram.0.to_le_bytes();
            (entry.mask != u32::MAX, bytes.map(|b| b.rotate_left(4)))
        });
        let whole = entries.iter().filter(|e| e.mask == u32::MAX).count();
        let mut table = Self {
            by_bytes: [[0; 256]; WIDTH],
            halves: Halves {
                low: [[0; 16]; WIDTH],
                high: [[0; 16]; WIDTH],
            },
            grams: [2, 3, 4].map(|width| grams_of(&entries, width)),
            buckets_of_width: [0; 3],
            buckets: Default::default(),
            longest: 0,
            places: WIDTH,
        };
        let shared = share_for_whole(whole, entries.len() - whole);
        for (at, entry) in entries.iter().enumerate() {
            let bucket = match at.checked_sub(whole) {
                None => at * shared / whole,
                Some(at) => shared + at * (BUCKETS - shared) / (entries.len() - whole),
            };
            table.place(bucket, *entry);
            let pattern = patterns.get(entry.pattern as usize);
            let length = pattern.map_or(0, |p| p.bytes.len());
            table.longest = table.longest.max(length);
        }
        table.places = table.worthy_places();
        Some(table)
    }

    /// With how many places a round of the widest registers costs the least, guessed in instructions.
    fn worthy_places(&self) -> usize {
        const OF_A_PLACE: f64 = 9.0;
        const OF_A_CANDIDATE: f64 = 70.0;
        const POSITIONS: f64 = 32.0;
        let cost = |places: usize| {
            let candidates = POSITIONS * self.passing_rate(places);
            (OF_A_PLACE * places as f64 + OF_A_CANDIDATE * candidates) as u32
        };
        (2..=WIDTH)
            .min_by_key(|&places| cost(places))
            .unwrap_or(WIDTH)
    }

    /// The share of positions that pass the first `places`: in a sample of traffic, and among bytes of
    /// which each is as likely as any other.
    fn passing_rate(&self, places: usize) -> f64 {
        let Halves { low, high } = &self.halves;
        let sets = |place: usize, byte: u8| {
            low[place][usize::from(byte & 15)] & high[place][usize::from(byte >> 4)]
        };
        let passes =
            |word: &[u8; 4]| (0..places).fold(u8::MAX, |all, at| all & sets(at, word[at])) != 0;
        let words = sampled_words().count().max(1) as f64;
        let in_sample = sampled_words().filter(passes).count() as f64 / words;
        let of_bucket = |bucket: usize| -> f64 {
            let halves = |of: &[u8; 16]| of.iter().filter(|&&set| set >> bucket & 1 != 0).count();
            let share = |at: usize| (halves(&low[at]) * halves(&high[at])) as f64 / 256.0;
            (0..places).map(share).product()
        };
        let in_noise = (0..BUCKETS).map(of_bucket).sum::<f64>().min(1.0);
        (in_sample + in_noise) / 2.0
    }

    fn place(&mut self, bucket: usize, entry: Entry) {
        let bit = 1 << bucket;
        for (width, buckets) in (2..).zip(&mut self.buckets_of_width) {
            if entry.mask == gram::mask(width) {
                *buckets |= bit;
            }
        }
        let (bytes, known) = (entry.gram.0.to_le_bytes(), entry.mask.to_le_bytes());
        for (place, (byte, known)) in bytes.into_iter().zip(known).enumerate() {
            if known != 0 {
                self.by_bytes[place][usize::from(byte)] |= bit;
                self.halves.low[place][usize::from(byte & 15)] |= bit;
                // Upper and lower case, and what else folds to one, differ in one bit of this half.
                let case = byte >> 1 & byte & 0x20;
                self.halves.high[place][usize::from(byte >> 4)] |= bit;
                self.halves.high[place][usize::from((byte ^ case) >> 4)] |= bit;
            } else {
                self.by_bytes[place].iter_mut().for_each(|set| *set |= bit);
                self.halves.low[place].iter_mut().for_each(|s| *s |= bit);
                self.halves.high[place].iter_mut().for_each(|s| *s |= bit);
            }
        }
        self.buckets[bucket].push(entry);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.buckets.iter().map(Vec::capacity).sum::<usize>();
        size_of::<Self>()
            + self.grams.iter().map(Bitmap::memory_bytes).sum::<usize>()
            + entries * size_of::<Entry>()
    }

    /// The first position whose bytes can belong to an occurrence that ends after `from`.
    pub(super) fn first_position(&self, from: usize) -> usize {
        (from + 1).saturating_sub(self.longest)
    }

    /// Whether a position that passes for these buckets, with this word of the haystack, can be one
    /// of a gram.
    #[inline]
    pub(super) fn may_hold(&self, word: u32, passing: u8) -> bool {
        let [of_two, of_three, of_four] = &self.grams;
        let [two, three, four] = self.buckets_of_width;
        let is_in = |grams: &Bitmap, width| grams.may_hold(Gram::of_word(word, gram::mask(width)));
        passing & four != 0 && is_in(of_four, 4)
            || passing & three != 0 && is_in(of_three, 3)
            || passing & two != 0 && is_in(of_two, 2)
    }

    /// Looks at every position from `first` on, in portable code.
    pub(super) fn scan(
        &self,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, u8),
    ) {
        let [one, two, three, four] = &self.by_bytes;
        let sets = |table: &[u8; 256], byte: u8| table[usize::from(fold_byte(byte))];
        let rest = haystack.get(first..).unwrap_or_default();
        for (position, window) in (first..).zip(rest.windows(WIDTH)) {
            if let &[a, b, c, d] = window {
                let passing = sets(one, a) & sets(two, b) & sets(three, c) & sets(four, d);
                if passing != 0 && self.may_hold(u32::from_le_bytes([a, b, c, d]), passing) {
                    candidate(position, passing);
                }
            }
        }
        // Grams of fewer bytes may end the haystack.
        for at in rest.len().saturating_sub(WIDTH - 1)..rest.len() {
            let known = rest
                .get(at..)
                .unwrap_or_default()
                .iter()
                .zip(&self.by_bytes);
            let passing = known.fold(u8::MAX, |all, (&byte, table)| all & sets(table, byte));
            if passing != 0 {
                candidate(first + at, passing);
            }
        }
    }

    /// Confirms the patterns of the buckets that pass at `position`.
    pub(super) fn confirm(
        &self,
        store: &Store,
        scan: Scan<'_>,
        position: usize,
        mut passing: u8,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        let rest = scan.haystack.get(position..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => *word,
            // What is missing is zero, and told from NULs when the pattern is confirmed.
            None => std::array::from_fn(|at| rest.get(at).copied().unwrap_or(0)),
        };
        let here = Gram::of_word(u32::from_le_bytes(word), u32::MAX);
        // Halves say yes to bytes of which no pattern has both.
        for (table, byte) in self.by_bytes.iter().zip(here.0.to_le_bytes()) {
            passing &= table[usize::from(byte)];
        }
        while passing != 0 {
            let bucket = passing.trailing_zeros() as usize;
            passing &= passing - 1;
            for entry in &self.buckets[bucket] {
                if here.0 & entry.mask != entry.gram.0 {
                    continue;
                }
                if let Some(start) = position.checked_sub(entry.offset as usize) {
                    store.confirm(scan, entry.pattern, start, scratch, found);
                }
            }
        }
    }
}

fn grams_of(entries: &[Entry], width: usize) -> Bitmap {
    let of_width = entries.iter().filter(|e| e.mask == gram::mask(width));
    let grams: Vec<Gram> = of_width.map(|e| e.gram).collect();
    Bitmap::of(grams.into_iter())
}

/// How many of the buckets are for so many grams with all four bytes, beside shorter ones. These
/// pass more often, and get the room of two.
fn share_for_whole(whole: usize, shorter: usize) -> usize {
    match (whole, shorter) {
        (0, _) => 0,
        (_, 0) => BUCKETS,
        _ => (BUCKETS * whole / (whole + 2 * shorter)).clamp(1, BUCKETS - 1),
    }
}

/// The gram of a pattern that is least often met, and where it stands.
fn rarest(bytes: &[u8], pattern: u32) -> Option<Entry> {
    let width = bytes.len().min(WIDTH);
    let grams = (0u32..).zip(bytes.windows(width.max(1)));
    let (offset, gram) = grams
        .filter_map(|(at, window)| Some((at, Gram::of(window, width)?)))
        .min_by_key(|(_, gram)| commonness(*gram, width))?;
    Some(Entry {
        gram,
        mask: gram::mask(width),
        pattern,
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_pass_whatever_bytes_pass() {
        let patterns: Vec<_> = (0..90u8)
            .map(|n| Pattern {
                bytes: vec![n.wrapping_mul(37), n, b'a' ^ n, 7][..2 + usize::from(n % 3)].to_vec(),
                nocase: n % 2 == 0,
            })
            .collect();
        let ids: Vec<u32> = (0..90).collect();
        let teddy = Teddy::build(&patterns, &ids).unwrap();
        for place in 0..WIDTH {
            for byte in 0..=255u8 {
                let Halves { low, high } = &teddy.halves;
                let halves =
                    low[place][usize::from(byte & 15)] & high[place][usize::from(byte >> 4)];
                let exact = teddy.by_bytes[place][usize::from(fold_byte(byte))];
                assert_eq!(halves & exact, exact, "{place} {byte}");
            }
        }
        assert!(Teddy::build(&patterns, &[]).is_none());
    }
}
