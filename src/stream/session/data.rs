//! Bytes: each is decided once. A later copy passes where it is equal, or where the receiver has
//! acknowledged the first.

use super::{
    Deliver, Delivery, Direction, DropReason, Half, Judgement, Segment, Shared, State, StreamEvent,
    StreamEvents, TcpFlags, TcpSession,
};
use crate::counters::Counter;
use crate::stream::buffer::NoRoom;
use crate::stream::chunk::ChunkPool;

impl TcpSession {
    /// Whether the segment contradicts what was forwarded before. Asked before anything is done
    /// with it, so that a refused segment changes nothing.
    pub(super) fn check_data(&self, segment: &Segment<'_>, events: &mut StreamEvents) -> Judgement {
        let mine = &self.halves[segment.dir.index()];
        if segment.is_bare() || mine.unsynced {
            return Ok(());
        }
        // Which SYN-ACK the client took, and whether its data, is not known before it says so.
        let undecided = mine.syn_bytes > 0 || self.other_syn_ack.is_some();
        if self.state == State::SynReceived && segment.dir == Direction::ToClient && undecided {
            return Err(DropReason::StreamHandshakeData);
        }
        let fin = segment.has(TcpFlags::FIN);
        let start = mine.offset(segment.tcp.seq());
        if let Ok(start) = u64::try_from(start)
            && mine.is_unseen(&(start..start + segment.payload.len() as u64))
        {
            // What the receiver is said to have need not be sent again; it may be a lie.
            return Err(DropReason::StreamOutOfWindow);
        }
        let Some((start, payload)) = mine.unsettled(segment) else {
            return Ok(());
        };
        let end = start + payload.len() as u64;
        if let Some(last) = mine.fin
            && (end > last || (fin && end < last))
        {
            return Err(DropReason::StreamAfterClose);
        }
        if fin && end < mine.forwarded_end() {
            // It contradicts bytes that went before it: Linux ignores it.
            events.note(StreamEvent::FinOutOfWindow);
            return Err(DropReason::StreamOutOfWindow);
        }
        if !mine.buffer.agrees(start, payload) {
            events.note(StreamEvent::ReassemblyOverlapDifferentData);
            return Err(DropReason::StreamRetransmitDiffers);
        }
        Ok(())
    }

    /// After [`Self::check_data`].
    pub(super) fn on_data(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        if segment.is_bare() {
            return Ok(());
        }
        let mine = &mut self.halves[segment.dir.index()];
        if mine.unsynced && !segment.payload.is_empty() {
            if mine.ahead {
                mine.sync_near(segment.tcp.seq());
            } else {
                mine.sync(segment.tcp.seq());
            }
        }
        let ahead = mine.ahead;
        let Some((start, payload)) = mine.unsettled(segment) else {
            events.note(StreamEvent::EstPktBeforeLastAck);
            events.note(StreamEvent::ReassemblySegmentBeforeBaseSeq);
            shared.counters.add(Counter::RetransmittedSegments, 1);
            return Ok(());
        };
        if ahead {
            self.take_ahead(segment.dir, start, payload, shared, events, deliver)?;
        } else {
            self.take_bytes(segment.dir, start, payload, shared, events, deliver)?;
        }
        if segment.has(TcpFlags::FIN) {
            self.halves[segment.dir.index()].fin = Some(start + payload.len() as u64);
        }
        Ok(())
    }

    /// Keeps the bytes at a stream offset and delivers what became contiguous; nothing of them
    /// lies below what was acknowledged, and they agree with what is kept.
    pub(super) fn take_bytes(
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
        if start > mine.next() && mine.claimed > mine.next() {
            // The sender has gone on, so what is missing here is not missing there.
            let missing = mine.claimed.min(start);
            give_up(mine, dir, missing, shared, events, deliver);
        }
        let next = mine.next();
        if payload.is_empty() {
            return Ok(());
        }
        if end <= next {
            events.note(StreamEvent::PktRetransmission);
            shared.counters.add(Counter::RetransmittedSegments, 1);
            return Ok(());
        }
        if start > next {
            let waiting = mine.buffer.island_bytes() + payload.len() as u64;
            if waiting > shared.config.max_out_of_order_bytes
                || !shared.pool.has_room_behind_holes()
            {
                events.note(StreamEvent::ReassemblyInsertMemcap);
                return Err(DropReason::StreamReassemblyMemory);
            }
            shared.counters.add(Counter::OutOfOrderSegments, 1);
            return store(mine, start, payload, shared.pool, events);
        }
        let retained = mine.buffer.retained_bytes() + payload.len() as u64;
        if retained > shared.config.max_retained_bytes {
            events.note(StreamEvent::ReassemblyInsertMemcap);
            return Err(DropReason::StreamReassemblyMemory);
        }
        store(mine, start, payload, shared.pool, events)?;
        let fresh = payload.get((next - start) as usize..).unwrap_or_default();
        deliver(dir, Delivery::Bytes(fresh));
        let joined = mine.buffer.join_islands();
        for slice in mine.buffer.slices(end..joined) {
            deliver(dir, Delivery::Bytes(slice));
        }
        Ok(())
    }

    /// Whether the segment brings only bytes that were forwarded before, equal to them: then it
    /// may pass, whatever else is wrong with it.
    pub(super) fn repeats_what_is_known(&self, segment: &Segment<'_>) -> bool {
        let half = &self.halves[segment.dir.index()];
        u64::try_from(half.offset(segment.tcp.seq()))
            .is_ok_and(|start| half.buffer.holds(start, segment.payload))
            && !segment.has(TcpFlags::FIN)
    }
}

impl Half {
    /// The part of a segment that is not acknowledged yet, with its stream offset. The rest is
    /// decided: the receiver keeps its copy.
    fn unsettled<'a>(&self, segment: &Segment<'a>) -> Option<(u64, &'a [u8])> {
        let fin = segment.has(TcpFlags::FIN);
        let start = self.offset(segment.tcp.seq());
        let end = start + segment.payload.len() as i64;
        let settled = self.acked() as i64;
        if end <= settled && !(fin && end == settled) {
            return None;
        }
        let skipped = usize::try_from(settled - start).unwrap_or(0);
        let payload = segment.payload.get(skipped..).unwrap_or_default();
        Some((start.max(settled) as u64, payload))
    }
}

/// Hands over what the receiver got behind bytes that never passed here, up to `offset`.
pub(super) fn give_up(
    half: &mut Half,
    dir: Direction,
    offset: u64,
    shared: &mut Shared<'_>,
    events: &mut StreamEvents,
    deliver: &mut Deliver<'_>,
) {
    while half.next() < offset {
        let missed = half.skip_hole(offset, shared.pool);
        events.note(StreamEvent::ReassemblySeqGap);
        shared.counters.add(Counter::StreamGaps, 1);
        deliver(dir, Delivery::Gap(missed));
        let from = half.next();
        let joined = half.buffer.join_islands();
        for slice in half.buffer.slices(from..joined) {
            deliver(dir, Delivery::Bytes(slice));
        }
    }
}

fn store(
    half: &mut Half,
    offset: u64,
    payload: &[u8],
    pool: &mut ChunkPool,
    events: &mut StreamEvents,
) -> Judgement {
    half.buffer.store(offset, payload, pool).map_err(|NoRoom| {
        events.note(StreamEvent::ReassemblyNoSegment);
        DropReason::StreamReassemblyMemory
    })
}
