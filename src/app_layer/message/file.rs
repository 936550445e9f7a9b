//! A file that a transaction carries.

use crate::direction::Direction;
use crate::reuse::List;

/// A file, or as much of it as was kept.
#[derive(Debug)]
pub struct File {
    direction: Direction,
    name: List<u8>,
    data: List<u8>,
    size: u64,
    missing: bool,
    closed: bool,
}

impl File {
    pub(super) fn new(direction: Direction, name: &[u8]) -> Self {
        Self {
            direction,
            name: List::from(name),
            data: List::new(),
            size: 0,
            missing: false,
            closed: false,
        }
    }

    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Empty where it has none.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its first bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Its bytes so far, those that were not kept included.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Nothing more will come.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Bytes of it were missing in the stream.
    pub const fn has_gap(&self) -> bool {
        self.missing
    }

    /// All of it is there.
    pub fn is_whole(&self) -> bool {
        self.closed && !self.missing && self.size == self.data.len() as u64
    }

    pub(super) fn add(&mut self, bytes: &[u8], room: usize) -> usize {
        self.size += bytes.len() as u64;
        // What lies behind bytes that were not kept is no continuation.
        let continues = !self.missing && self.size == (self.data.len() + bytes.len()) as u64;
        let kept = bytes.get(..room).unwrap_or(bytes);
        if !continues {
            return 0;
        }
        self.data.extend_from_slice(kept);
        kept.len()
    }

    pub(super) fn miss(&mut self, length: u64) {
        self.size += length;
        self.missing = true;
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.name.capacity() + self.data.capacity()
    }
}
