//! Sequence and acknowledgement numbers: what the receiver accepts, and what it has by now.

use super::data::give_up;
use super::{
    Deliver, Direction, DropReason, Half, Judgement, Segment, Shared, State, StreamEvent,
    StreamEvents, TcpFlags, TcpSession,
};
use crate::stream::StreamConfig;

/// Beyond what was offered, where acknowledgements may pass unseen.
const UNSEEN_WINDOW_BYTES: u64 = 1024 * 1024;

impl TcpSession {
    /// RFC 9293 section 3.10.7.4, first step. The receiver's offer passes here before the sender
    /// can use it, so nothing honest lies beyond.
    pub(super) fn check_sequence(
        &self,
        segment: &Segment<'_>,
        config: &StreamConfig,
        events: &mut StreamEvents,
    ) -> Judgement {
        let half = &self.halves[segment.dir.index()];
        let start = half.offset(segment.tcp.seq());
        let slack = if config.tolerate_gaps {
            UNSEEN_WINDOW_BYTES
        } else {
            0
        };
        let limit = half.limit().saturating_add(slack);
        let beyond = u64::try_from(start).is_ok_and(|start| start > limit);
        // One byte below the first is a keep-alive.
        let below = start < -1 && !self.midstream;
        if !(beyond || below) || segment.is_bare() {
            return Ok(());
        }
        events.note(if segment.has(TcpFlags::FIN) {
            StreamEvent::FinOutOfWindow
        } else {
            StreamEvent::EstPacketOutOfWindow
        });
        Err(DropReason::StreamOutOfWindow)
    }

    /// RFC 9293 section 3.10.7.4, fifth step, and RFC 5961 section 5: what acknowledges bytes that
    /// were never sent is ignored, and what is older than any window could be.
    pub(super) fn on_ack(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let dir = segment.dir;
        if self.state == State::SynReceived && dir == Direction::ToServer {
            self.settle_handshake(segment, shared, deliver);
        }
        let [mine, other] = self.pair(dir);
        let ack = other.offset(segment.tcp.ack());
        let oldest = other.acked().saturating_sub(mine.largest_window()) as i64;
        if ack < oldest && !other.unsynced {
            return if segment.is_bare() || self.midstream {
                Ok(())
            } else {
                Err(self.invalid_ack(segment, events))
            };
        }
        let ack = u64::try_from(ack).unwrap_or(0);
        mine.offers(segment.tcp.window());
        if other.unsynced {
            return Ok(());
        }
        // The FIN takes one sequence number.
        let last = other.next() + u64::from(other.fin == Some(other.next()));
        if ack > last {
            if !shared.config.tolerate_gaps && !self.midstream {
                return Err(self.invalid_ack(segment, events));
            }
            self.note_unseen(dir.opposite(), ack, shared, events, deliver);
        }
        let [mine, other] = self.pair(dir);
        other.may_reach(ack.saturating_add(mine.window_bytes()));
        let acknowledged = ack.min(other.next());
        other.acknowledged(acknowledged, shared.pool);
        if self.state == State::SynReceived && dir == Direction::ToServer {
            self.state = State::Established;
        } else if self.state == State::SynReceived && !segment.payload.is_empty() {
            events.note(StreamEvent::ThreeWhsAckDataInject);
        }
        Ok(())
    }

    fn invalid_ack(&self, segment: &Segment<'_>, events: &mut StreamEvents) -> DropReason {
        events.note(StreamEvent::PktInvalidAck);
        events.note(match self.state {
            State::Established if segment.has(TcpFlags::FIN) => StreamEvent::FinInvalidAck,
            State::Established => StreamEvent::EstInvalidAck,
            _ => StreamEvent::ThreeWhsRightSeqWrongAckEvasion,
        });
        DropReason::StreamInvalidAck
    }

    /// Bytes are acknowledged that never passed here. Once may be an acknowledgement that overtook
    /// them; twice is not.
    fn note_unseen(
        &mut self,
        dir: Direction,
        ack: u64,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) {
        let half: &mut Half = &mut self.halves[dir.index()];
        if half.claimed > half.next() {
            let missing = half.claimed.min(ack);
            give_up(half, dir, missing, shared, events, deliver);
        }
        half.claimed = ack;
    }
}
