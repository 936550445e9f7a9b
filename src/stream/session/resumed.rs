//! A connection that goes on behind bytes that nobody saw, and that did pass.
//!
//! Where its receivers stand is not known before they say so. Until then all that comes is handed
//! over at once, whatever is missing before it: each stretch of contiguous bytes whole, again when
//! it has grown at its front. So neither a hole that is none to the receiver nor an order turned
//! round hides anything.

use super::{
    Deliver, Delivery, Direction, DropReason, Half, Judgement, Shared, StreamEvent, StreamEvents,
    TcpSession,
};
use crate::decode::TcpHeader;

/// Bytes before the first one that is seen for which there is room in the numbering.
const HEADROOM: u64 = 1024 * 1024;

impl TcpSession {
    /// From any segment of a connection that was followed once.
    pub fn resumed(dir: Direction, tcp: &TcpHeader<'_>) -> Self {
        let mut session = Self::midstream(dir, tcp);
        for half in &mut session.halves {
            half.ahead = true;
        }
        session
    }

    /// Keeps bytes and hands over the stretch that they are part of, or what they add to it.
    pub(super) fn take_ahead(
        &mut self,
        dir: Direction,
        start: u64,
        payload: &[u8],
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let mine = &mut self.halves[dir.index()];
        let end = start + payload.len() as u64;
        let known = |r: std::ops::Range<u64>| r.start <= start && end <= r.end;
        if payload.is_empty() || mine.buffer.ranges().any(known) {
            events.note(StreamEvent::PktRetransmission);
            return Ok(());
        }
        let kept = mine.buffer.island_bytes() + mine.buffer.retained_bytes() + payload.len() as u64;
        if kept > shared.config.max_out_of_order_bytes || !shared.pool.has_room_behind_holes() {
            events.note(StreamEvent::ReassemblyInsertMemcap);
            return Err(DropReason::StreamReassemblyMemory);
        }
        let stored = mine.buffer.store(start, payload, shared.pool);
        stored.map_err(|_| DropReason::StreamReassemblyMemory)?;
        mine.buffer.join_islands();
        let Some(stretch) = mine.buffer.ranges().find(|r| known(r.clone())) else {
            return Ok(());
        };
        let handed_to = std::mem::replace(&mut mine.claimed, stretch.end);
        let from = if handed_to == start {
            start
        } else {
            deliver(dir, Delivery::Resume);
            stretch.start
        };
        for slice in mine.buffer.slices(from..stretch.end) {
            deliver(dir, Delivery::Bytes(slice));
        }
        Ok(())
    }
}

impl Half {
    /// The stream stands somewhere near this sequence number.
    pub(super) fn sync_near(&mut self, seq: u32) {
        self.sync(seq.wrapping_sub(HEADROOM as u32));
    }

    /// The receiver has everything below `offset`; what of it was not seen never will be. Once it
    /// has all that was handed over, its stream is known.
    pub(super) fn heard_by_receiver(&mut self, offset: u64, shared: &mut Shared<'_>) {
        while self.next() < offset {
            self.skip_hole(offset, shared.pool);
            self.buffer.join_islands();
        }
        let all_seen = self.buffer.first_island().is_none();
        if all_seen && self.claimed > 0 && offset >= self.claimed {
            self.ahead = false;
            self.claimed = 0;
        }
    }
}
