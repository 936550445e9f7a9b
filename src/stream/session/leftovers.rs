//! What a connection leaves behind: bytes kept, and bytes behind holes that nobody filled.

use std::io::Write;

use super::data::give_up;
use super::{Delivery, TcpSession};
use crate::direction::Direction;
use crate::stream::{Shared, StreamEvents};

impl TcpSession {
    /// Whether bytes wait behind a hole.
    pub fn has_island(&self, dir: Direction) -> bool {
        self.halves[dir.index()].buffer.first_island().is_some()
    }

    /// Hands over what waits behind holes: the connection is over, nobody fills them.
    pub fn give_up_holes(
        &mut self,
        dir: Direction,
        shared: &mut Shared<'_>,
        deliver: &mut dyn FnMut(Direction, Delivery<'_>),
    ) {
        let half = &mut self.halves[dir.index()];
        let end = half.forwarded_end();
        let mut events = StreamEvents::NONE;
        give_up(half, dir, end, shared, &mut events, deliver);
    }

    /// Appends what is kept of a direction to `out`, about `most` bytes; a hole is named by its
    /// length. `newest` are the last contiguous bytes, kept elsewhere: they are shown where less
    /// than that waits for its acknowledgement.
    pub fn show(&self, dir: Direction, newest: &[u8], most: usize, out: &mut Vec<u8>) {
        let buffer = &self.halves[dir.index()].buffer;
        let mut at = buffer.start();
        for range in buffer.ranges() {
            if out.len() >= most {
                break;
            }
            if range.start > at {
                // Writing to memory does not fail.
                let _ = write!(out, "[{} bytes missing]", range.start - at);
            }
            at = range.end;
            let contiguous = range.end == buffer.end();
            if contiguous && range.end - range.start < newest.len() as u64 {
                let shown = newest.len().min(most);
                out.extend_from_slice(&newest[newest.len() - shown..]);
                continue;
            }
            for slice in buffer.slices(range) {
                let room = most.saturating_sub(out.len());
                out.extend_from_slice(&slice[..slice.len().min(room)]);
            }
        }
    }
}
