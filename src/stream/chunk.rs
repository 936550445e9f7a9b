//! Memory for stream bytes: fixed-size chunks, recycled, bounded per worker.

use super::StreamConfig;

pub(super) const CHUNK_BYTES: usize = 4096;

pub(super) type Chunk = Box<[u8; CHUNK_BYTES]>;

/// Chunks of one worker. Taking one allocates only while the pool grows to its peak.
#[derive(Debug)]
pub struct ChunkPool {
    free: Vec<Chunk>,
    lent: usize,
    most: usize,
}

impl ChunkPool {
    pub fn new(config: &StreamConfig) -> Self {
        let most = config.pool_bytes / CHUNK_BYTES as u64;
        Self {
            free: Vec::new(),
            lent: 0,
            most: usize::try_from(most).unwrap_or(usize::MAX),
        }
    }

    /// Bytes of the chunks that flows hold.
    #[cfg(test)]
    pub(super) fn lent_bytes(&self) -> u64 {
        (self.lent * CHUNK_BYTES) as u64
    }

    /// `None`: the worker's bound is reached.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        if self.lent >= self.most {
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
        self.lent.saturating_add(chunks) <= self.most
    }
}
