//! A few short patterns at once, by sets of bytes (the algorithm known as Teddy).
//!
//! Each pattern stands in one of eight buckets with three bytes of it, the rarest in a row. A
//! position passes for a bucket where each of its three bytes is one that some pattern of the bucket
//! has in that place. No position of a true occurrence fails; what passes is confirmed.

use super::gram::{Gram, fold_byte};
use super::rarity::commonness;
use super::store::{Scan, Store};
use super::{Pattern, PatternId, Scratch};

/// Bytes of a pattern that are looked at.
pub(super) const WIDTH: usize = 3;
/// One bit each of a mask.
const BUCKETS: usize = 8;
/// More patterns than this fill the buckets so that most positions pass.
pub(super) const MOST: usize = 96;

/// For each place the buckets that have a byte there, by the byte, folded to one case.
type ByBytes = [[u8; 256]; WIDTH];

/// The same by the byte's lower and upper half: both must agree. Says yes where [`ByBytes`] does,
/// and sometimes more.
#[derive(Debug)]
pub(super) struct Halves {
    pub(super) low: [[u8; 16]; WIDTH],
    pub(super) high: [[u8; 16]; WIDTH],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    pattern: u32,
    /// Of the three bytes in the pattern.
    offset: u32,
}

#[derive(Debug)]
pub(super) struct Teddy {
    by_bytes: ByBytes,
    pub(super) halves: Halves,
    buckets: [Vec<Entry>; BUCKETS],
    longest: usize,
}

impl Teddy {
    /// A table of those `patterns` that `ids` names, each of two bytes or more. `None` of none.
    pub(super) fn build(patterns: &[Pattern], ids: &[u32]) -> Option<Self> {
        let mut placed: Vec<(Trio, Entry)> = ids
            .iter()
            .filter_map(|&pattern| {
                let (offset, trio) = rarest(&patterns.get(pattern as usize)?.bytes)?;
                Some((trio, Entry { pattern, offset }))
            })
            .collect();
        if placed.is_empty() {
            return None;
        }
        // Patterns that share halves of bytes share a bucket: then its sets stay small. Those of two
        // bytes stand last.
        placed.sort_by_key(|(trio, _)| trio.map(|byte| byte.map_or(u8::MAX, |b| b.rotate_left(4))));
        placed.sort_by_key(|(trio, _)| trio.last() == Some(&None));
        let mut table = Self {
            by_bytes: [[0; 256]; WIDTH],
            halves: Halves {
                low: [[0; 16]; WIDTH],
                high: [[0; 16]; WIDTH],
            },
            buckets: Default::default(),
            longest: 0,
        };
        let of_two = placed.iter().filter(|(t, _)| t.last() == Some(&None));
        let of_three = placed.len() - of_two.count();
        // A bucket of their own for those of two bytes, which take any third.
        let shared = if of_three < placed.len() && of_three > 0 {
            BUCKETS - 1
        } else {
            BUCKETS
        };
        for (at, (trio, entry)) in placed.iter().enumerate() {
            let bucket = if at < of_three {
                at * shared / of_three
            } else if of_three == 0 {
                at * BUCKETS / placed.len()
            } else {
                BUCKETS - 1
            };
            table.place(bucket, *trio, *entry);
            let pattern = patterns.get(entry.pattern as usize);
            let length = pattern.map_or(0, |p| p.bytes.len());
            table.longest = table.longest.max(length);
        }
        Some(table)
    }

    fn place(&mut self, bucket: usize, trio: Trio, entry: Entry) {
        let bit = 1 << bucket;
        for (place, byte) in trio.into_iter().enumerate() {
            match byte {
                Some(byte) => {
                    self.by_bytes[place][usize::from(byte)] |= bit;
                    self.halves.low[place][usize::from(byte & 15)] |= bit;
                    self.halves.high[place][usize::from(byte >> 4)] |= bit;
                }
                None => {
                    self.by_bytes[place].iter_mut().for_each(|set| *set |= bit);
                    self.halves.low[place].iter_mut().for_each(|s| *s |= bit);
                    self.halves.high[place].iter_mut().for_each(|s| *s |= bit);
                }
            }
        }
        self.buckets[bucket].push(entry);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries = self.buckets.iter().map(Vec::capacity).sum::<usize>();
        size_of::<Self>() + entries * size_of::<Entry>()
    }

    /// The first position whose bytes can belong to an occurrence that ends after `from`.
    pub(super) fn first_position(&self, from: usize) -> usize {
        (from + 1).saturating_sub(self.longest)
    }

    /// Looks at every position from `first` on, in portable code.
    pub(super) fn scan(
        &self,
        haystack: &[u8],
        first: usize,
        candidate: &mut impl FnMut(usize, u8),
    ) {
        let [one, two, three] = &self.by_bytes;
        let rest = haystack.get(first..).unwrap_or_default();
        let sets = |table: &[u8; 256], byte: u8| table[usize::from(fold_byte(byte))];
        for (position, window) in (first..).zip(rest.windows(WIDTH)) {
            if let &[a, b, c] = window {
                let passing = sets(one, a) & sets(two, b) & sets(three, c);
                if passing != 0 {
                    candidate(position, passing);
                }
            }
        }
        // Two bytes may end the haystack.
        let last = rest.len().saturating_sub(WIDTH - 1);
        if let Some(&[a, b]) = rest.get(last..) {
            let passing = sets(one, a) & sets(two, b);
            if passing != 0 {
                candidate(first + last, passing);
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
        while passing != 0 {
            let bucket = passing.trailing_zeros() as usize;
            passing &= passing - 1;
            for entry in &self.buckets[bucket] {
                if let Some(start) = position.checked_sub(entry.offset as usize) {
                    store.confirm(scan, entry.pattern, start, scratch, found);
                }
            }
        }
    }
}

/// Three bytes in a row, folded; of a pattern of two the last is whatever comes.
type Trio = [Option<u8>; WIDTH];

/// The bytes of a pattern that are least often met, and where they stand.
fn rarest(bytes: &[u8]) -> Option<(u32, Trio)> {
    if let &[a, b] = bytes {
        return Some((0, [Some(fold_byte(a)), Some(fold_byte(b)), None]));
    }
    let trios = bytes.windows(WIDTH).enumerate();
    let rarity = |window: &[u8]| Gram::of(window, WIDTH).map(|gram| commonness(gram, WIDTH));
    let (at, window) = trios.min_by_key(|(_, window)| rarity(window))?;
    let trio = <[u8; WIDTH]>::try_from(window).ok()?;
    Some((u32::try_from(at).ok()?, trio.map(|b| Some(fold_byte(b)))))
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
                let exact = teddy.by_bytes[place][usize::from(byte)];
                assert_eq!(halves & exact, exact, "{place} {byte}");
            }
        }
        assert!(Teddy::build(&patterns, &[]).is_none());
    }
}
