//! A set of patterns known by some of their grams: a bitmap that rules out
//! nearly every position, and the candidates of those it does not.
//!
//! With a stride of S only every S-th position of the haystack is looked at.
//! Each pattern then stands in the table with S grams, one at an offset of
//! each remainder modulo S: wherever it occurs, one of them is met.

use std::collections::HashMap;

use super::bitmap::Bitmap;
use super::gram::{self, Gram};
use super::rarity;
use super::store::{Scan, Store};
use super::{Pattern, PatternId, Scratch};

/// What one more pattern on the same gram costs, in the units of [`rarity::commonness`].
const CROWDING: u32 = 6;

/// How a table looks at the haystack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes of a gram, 2 to 4.
    pub(super) width: usize,
    /// 1, 2 or 4.
    pub(super) stride: usize,
}

impl Shape {
    /// The shortest pattern that has a gram at an offset of each remainder.
    pub(super) const fn shortest(self) -> usize {
        self.width + self.stride - 1
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    gram: Gram,
    pattern: u32,
    /// Of the gram in the pattern.
    offset: u32,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) shape: Shape,
    pub(super) mask: u32,
    pub(super) bitmap: Bitmap,
    bucket_shift: u32,
    /// Where each bucket's entries begin; one more at the end.
    buckets: Vec<u32>,
    entries: Vec<Entry>,
    longest: usize,
}

impl Table {
    /// A table of those `patterns` that `ids` names, each no shorter than [`Shape::shortest`].
    pub(super) fn build(patterns: &[Pattern], ids: &[u32], shape: Shape) -> Self {
        let mut entries: Vec<Entry> = Vec::with_capacity(ids.len() * shape.stride);
        // How many patterns have each gram.
        let mut crowd: HashMap<Gram, u32, ahash::RandomState> =
            HashMap::with_capacity_and_hasher(entries.capacity(), Default::default());
        let mut longest = 0;
        for &id in ids {
            let Some(pattern) = patterns.get(id as usize) else {
                continue;
            };
            longest = longest.max(pattern.bytes.len());
            for remainder in 0..shape.stride {
                let others = |gram| crowd.get(&gram).copied().unwrap_or(0);
                if let Some((offset, gram)) = rarest(&pattern.bytes, shape, remainder, others) {
                    *crowd.entry(gram).or_insert(0) += 1;
                    entries.push(Entry {
                        gram,
                        pattern: id,
                        offset,
                    });
                }
            }
        }
        let size = entries.len().max(1).next_power_of_two().ilog2();
        let bitmap = Bitmap::of(entries.iter().map(|e| e.gram));
        let bucket_shift = 32 - (size + 1).min(20);
        let (buckets, entries) = sort_into_buckets(&entries, bucket_shift);
        Self {
            shape,
            mask: gram::mask(shape.width),
            bitmap,
            bucket_shift,
            buckets,
            entries,
            longest,
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.bitmap.memory_bytes()
            + self.buckets.capacity() * size_of::<u32>()
            + self.entries.capacity() * size_of::<Entry>()
    }

    /// The first position whose gram can belong to an occurrence that ends after `from`.
    pub(super) fn first_position(&self, from: usize) -> usize {
        (from + 1).saturating_sub(self.longest)
    }

    /// Confirms the patterns that have `gram`, met at `position`.
    pub(super) fn confirm(
        &self,
        store: &Store,
        scan: Scan<'_>,
        position: usize,
        gram: Gram,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        let bucket = gram.hash(self.bucket_shift);
        let (Some(&start), Some(&end)) = (self.buckets.get(bucket), self.buckets.get(bucket + 1))
        else {
            return;
        };
        let entries = self.entries.get(start as usize..end as usize);
        for entry in entries.unwrap_or_default() {
            if entry.gram != gram {
                continue;
            }
            if let Some(start) = position.checked_sub(entry.offset as usize) {
                store.confirm(scan, entry.pattern, start, scratch, found);
            }
        }
    }
}

/// Whether a pattern can stand in a table of this shape without grams that ordinary traffic is
/// full of.
pub(super) fn suits(bytes: &[u8], shape: Shape) -> bool {
    let model = rarity::model();
    bytes.len() >= shape.shortest()
        && (0..shape.stride).all(|remainder| {
            rarest(bytes, shape, remainder, |_| 0).is_some_and(|(_, gram)| !model.is_everyday(gram))
        })
}

/// The gram least often met among those at offsets of the remainder, shunning those that `others`
/// have. Asked for every pattern of every table: what a gram costs is found out only as far as it
/// may yet be the least.
fn rarest(
    bytes: &[u8],
    shape: Shape,
    remainder: usize,
    others: impl Fn(Gram) -> u32,
) -> Option<(u32, Gram)> {
    let model = rarity::model();
    let mut least = u32::MAX;
    let mut best = None;
    let mut at = remainder;
    let gram_at = |at| Gram::of(bytes.get(at..)?, shape.width);
    while let Some(gram) = gram_at(at) {
        if let Some(common) = model.commonness_below(least, gram, shape.width) {
            let cost = common.saturating_add(others(gram).saturating_mul(CROWDING));
            if cost < least {
                least = cost;
                best = Some((u32::try_from(at).ok()?, gram));
            }
        }
        at += shape.stride;
    }
    best
}

/// Where each bucket begins, and the entries sorted by bucket; those of one bucket stay in order.
fn sort_into_buckets(entries: &[Entry], shift: u32) -> (Vec<u32>, Vec<Entry>) {
    let mut buckets = vec![0u32; (1usize << (32 - shift)) + 1];
    for entry in entries {
        buckets[entry.gram.hash(shift)] += 1;
    }
    let mut sum = 0;
    for bucket in &mut buckets {
        sum += *bucket;
        *bucket = sum;
    }
    // From the last to the first, so that each end moves down to where its bucket begins.
    let mut sorted = entries.to_vec();
    for entry in entries.iter().rev() {
        let place = &mut buckets[entry.gram.hash(shift)];
        *place -= 1;
        sorted[*place as usize] = *entry;
    }
    (buckets, sorted)
}
