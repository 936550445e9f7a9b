//! Memory for stream bytes: fixed-size chunks, recycled, bounded per worker.

use super::StreamConfig;

pub(super) const CHUNK_BYTES: usize = 4096;

pub(super) type Chunk = Box<[u8; CHUNK_BYTES]>;

/// Bytes behind holes are taken while this part of the pool is lent at most: what nobody fills must
/// not keep others' streams from going on.
const BEHIND_HOLES: (usize, usize) = (3, 4);

/// Chunks of one worker. Taking one allocates only while the pool grows to its peak.
#[derive(Debug)]
pub struct ChunkPool {
    free: Vec<Chunk>,
    lent: usize,
    most: usize,
    /// Bytes that flows take to find their chunks and islands.
    booked_bytes: usize,
}

impl ChunkPool {
    pub fn new(config: &StreamConfig) -> Self {
        let most = config.pool_bytes / CHUNK_BYTES as u64;
        Self {
            free: Vec::new(),
            lent: 0,
            most: usize::try_from(most).unwrap_or(usize::MAX),
            booked_bytes: 0,
        }
    }

    /// Bytes of the chunks that flows hold.
    #[cfg(test)]
    pub(super) fn lent_bytes(&self) -> u64 {
        (self.lent * CHUNK_BYTES) as u64
    }

    /// `None`: the worker's bound is reached.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        if !self.has_room_for(1) {
            return None;
        }
        self.lent += 1;
        Some(
            self.free
                .pop()
                .unwrap_or_else(|| Box::new([0; CHUNK_BYTES])),
        )
    }

    pub(super) fn give(&mut self, chunk: Chunk) {
        self.lent = self.lent.saturating_sub(1);
        self.free.push(chunk);
    }

    pub(super) const fn has_room_for(&self, chunks: usize) -> bool {
        self.used().saturating_add(chunks) <= self.most
    }

    /// Whether bytes may be taken that come before their turn.
    pub(super) const fn has_room_behind_holes(&self) -> bool {
        self.used() < self.most / BEHIND_HOLES.1 * BEHIND_HOLES.0
    }

    /// What a flow took for its books before, and what it takes now.
    pub(super) const fn book(&mut self, before: usize, now: usize) {
        self.booked_bytes = (self.booked_bytes + now).saturating_sub(before);
    }

    /// In chunks.
    const fn used(&self) -> usize {
        self.lent + self.booked_bytes / CHUNK_BYTES
    }
}
