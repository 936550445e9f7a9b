//! The bytes of one direction that are kept, by stream offset.

use std::ops::Range;

use super::chunk::{CHUNK_BYTES, Chunk, ChunkPool};
use crate::reuse::{List, Queue, reused};

reused!(Option<Chunk>);

/// More separate islands behind holes than any honest path makes.
const MAX_ISLANDS: usize = 1024;

/// The worker's memory, or the number of islands, is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Contiguous bytes `kept.start..kept.end`, and islands of bytes beyond.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    chunks: Queue<Option<Chunk>>,
    /// Stream offset of `chunks[0]`, in chunks.
    first_chunk: u64,
    kept: Range<u64>,
    /// Sorted, separate, all beyond `kept.end`.
    islands: List<Range<u64>>,
    /// Bytes of these lists, as the pool has them.
    booked: usize,
}

impl Buffer {
    /// Below this, nothing is kept.
    pub fn start(&self) -> u64 {
        self.kept.start
    }

    /// End of what is contiguous.
    pub fn end(&self) -> u64 {
        self.kept.end
    }

    /// Whether no byte is kept, in order or not.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.islands.is_empty()
    }

    /// Whether it owns no memory, so that [`Self::end`] is all that is to be known of it.
    pub fn is_bare(&self) -> bool {
        self.is_empty() && self.booked == 0
    }

    /// Without a byte kept; the next one is at `end`.
    pub fn bare(end: u64) -> Self {
        Self {
            kept: end..end,
            ..Self::default()
        }
    }

    pub fn retained_bytes(&self) -> u64 {
        self.kept.end - self.kept.start
    }

    pub fn island_bytes(&self) -> u64 {
        self.islands.iter().map(|i| i.end - i.start).sum()
    }

    /// Whether an island ends here (the right edge of a SACK block).
    pub fn island_ends_at(&self, offset: u64) -> bool {
        self.islands.iter().any(|i| i.end == offset)
    }

    /// Where the first island begins.
    pub fn first_island(&self) -> Option<u64> {
        self.islands.first().map(|i| i.start)
    }

    /// Where the last island ends.
    pub fn last_island_end(&self) -> Option<u64> {
        self.islands.last().map(|i| i.end)
    }

    /// Whether every byte of `bytes` that is kept equals the kept copy.
    pub fn agrees(&self, offset: u64, bytes: &[u8]) -> bool {
        let segment = offset..offset + bytes.len() as u64;
        std::iter::once(&self.kept)
            .chain(&self.islands)
            .map(|known| known.start.max(segment.start)..known.end.min(segment.end))
            .filter(|common| common.start < common.end)
            .all(|common| {
                let from = (common.start - offset) as usize;
                let to = (common.end - offset) as usize;
                self.equals(common.start, &bytes[from..to])
            })
    }

    /// Whether all of `bytes` is kept here, and equal.
    pub fn holds(&self, offset: u64, bytes: &[u8]) -> bool {
        let segment = offset..offset + bytes.len() as u64;
        let within = |known: &Range<u64>| known.start <= segment.start && segment.end <= known.end;
        bytes.is_empty()
            || std::iter::once(&self.kept).chain(&self.islands).any(within)
                && self.equals(offset, bytes)
    }

    /// Keeps `bytes`. They must agree with what is kept ([`Self::agrees`]) and
    /// not begin below what is kept.
    pub fn store(&mut self, offset: u64, bytes: &[u8], pool: &mut ChunkPool) -> Result<(), NoRoom> {
        let end = offset + bytes.len() as u64;
        let in_order = offset <= self.kept.end;
        if !in_order && self.islands.len() >= MAX_ISLANDS {
            return Err(NoRoom);
        }
        self.write(offset, bytes, pool)?;
        if in_order {
            self.kept.end = self.kept.end.max(end);
        } else {
            self.add_island(offset..end);
        }
        self.book(pool);
        Ok(())
    }

    fn book(&mut self, pool: &mut ChunkPool) {
        let now = self.islands.capacity() * size_of::<Range<u64>>()
            + self.chunks.capacity() * size_of::<Option<Chunk>>();
        pool.book(self.booked, now);
        self.booked = now;
    }

    /// Joins the islands that the contiguous bytes have reached; the new end.
    pub fn join_islands(&mut self) -> u64 {
        let mut joined = 0;
        for island in &self.islands {
            if island.start > self.kept.end {
                break;
            }
            self.kept.end = self.kept.end.max(island.end);
            joined += 1;
        }
        self.islands.drain(..joined);
        self.kept.end
    }

    /// What is kept, in order: the contiguous bytes, then the islands.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        std::iter::once(&self.kept).chain(&self.islands).cloned()
    }

    /// Slices of the kept bytes of `range`, in order.
    pub fn slices(&self, range: Range<u64>) -> impl Iterator<Item = &[u8]> {
        let mut at = range.start;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let (index, within) = self.place(at)?;
            let chunk = self.chunks.get(index)?.as_ref()?;
            let length = (CHUNK_BYTES - within).min((range.end - at) as usize);
            at += length as u64;
            chunk.get(within..within + length)
        })
    }

    /// Forgets what is below `offset`.
    pub fn forget_below(&mut self, offset: u64, pool: &mut ChunkPool) {
        let offset = offset.min(self.kept.end);
        self.kept.start = self.kept.start.max(offset);
        let mut whole = self.kept.start / CHUNK_BYTES as u64;
        if self.kept.start == self.kept.end && self.islands.is_empty() {
            // Nothing is kept: the last chunk may go too.
            whole = u64::MAX;
        }
        while self.first_chunk < whole {
            match self.chunks.pop_front() {
                None => break,
                Some(chunk) => {
                    if let Some(chunk) = chunk {
                        pool.give(chunk);
                    }
                    self.first_chunk += 1;
                }
            }
        }
    }

    /// Gives up the hole before `offset`, which no island reaches: contiguity goes on from there.
    pub fn skip_to(&mut self, offset: u64, pool: &mut ChunkPool) {
        self.kept = offset..offset;
        self.forget_below(offset, pool);
    }

    pub fn clear(&mut self, pool: &mut ChunkPool) {
        self.islands.free();
        self.kept.start = self.kept.end;
        for chunk in self.chunks.drain().flatten() {
            pool.give(chunk);
        }
        self.chunks.free();
        self.first_chunk = 0;
        self.book(pool);
    }

    fn add_island(&mut self, mut new: Range<u64>) {
        let from = self.islands.partition_point(|i| i.end < new.start);
        let to = self.islands.partition_point(|i| i.start <= new.end);
        if let Some(touched) = self.islands.get(from..to)
            && let (Some(first), Some(last)) = (touched.first(), touched.last())
        {
            new.start = new.start.min(first.start);
            new.end = new.end.max(last.end);
        }
        self.islands.drain(from..to);
        self.islands.insert(from, new);
    }

    fn write(&mut self, offset: u64, bytes: &[u8], pool: &mut ChunkPool) -> Result<(), NoRoom> {
        if self.chunks.is_empty() {
            self.first_chunk = self.kept.start.min(offset) / CHUNK_BYTES as u64;
        }
        let last = (offset + bytes.len() as u64).div_ceil(CHUNK_BYTES as u64);
        let first = offset / CHUNK_BYTES as u64;
        if !pool.has_room_for((last - first) as usize) {
            return Err(NoRoom);
        }
        let needed = (last - self.first_chunk) as usize;
        if self.chunks.len() < needed {
            self.chunks.resize_with(needed, || None);
        }
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (index, within) = self.place(at).ok_or(NoRoom)?;
            let slot = self.chunks.get_mut(index).ok_or(NoRoom)?;
            if slot.is_none() {
                *slot = Some(pool.take().ok_or(NoRoom)?);
            }
            let length = rest.len().min(CHUNK_BYTES - within);
            if let Some(chunk) = slot {
                chunk[within..within + length].copy_from_slice(&rest[..length]);
            }
            rest = &rest[length..];
            at += length as u64;
        }
        Ok(())
    }

    fn equals(&self, offset: u64, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        for slice in self.slices(offset..offset + bytes.len() as u64) {
            let Some((head, tail)) = rest.split_at_checked(slice.len()) else {
                return false;
            };
            if head != slice {
                return false;
            }
            rest = tail;
        }
        rest.is_empty()
    }

    fn place(&self, offset: u64) -> Option<(usize, usize)> {
        let chunk = (offset / CHUNK_BYTES as u64).checked_sub(self.first_chunk)?;
        let index = usize::try_from(chunk).ok()?;
        Some((index, (offset % CHUNK_BYTES as u64) as usize))
    }
}
