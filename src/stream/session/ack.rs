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
    /// can use it, so nothing honest ends beyond, but for the one byte that probes a closed window.
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
        let limit = half
            .limit()
            .max(half.next().saturating_add(1))
            .saturating_add(slack);
        let end = start + segment.payload.len() as i64;
        let beyond = u64::try_from(end).is_ok_and(|end| end > limit);
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

    /// Whether its receiver does not even look at the acknowledgement: the segment ends below what
    /// was acknowledged, or begins beyond what was offered and a FIN.
    pub(super) fn is_outside_window(&self, segment: &Segment<'_>) -> bool {
        let half = &self.halves[segment.dir.index()];
        let start = half.offset(segment.tcp.seq());
        let fin = i64::from(segment.has(TcpFlags::FIN));
        let end = start + segment.payload.len() as i64 + fin;
        let limit = half.limit().saturating_add(1);
        let below = end < half.acked() as i64 + i64::from(half.fin_acked);
        let beyond = u64::try_from(start).is_ok_and(|start| start > limit);
        !half.unsynced && (below || beyond)
    }

    /// RFC 9293 section 3.10.7.4, fifth step, and RFC 5961 section 5: what acknowledges bytes that
    /// were never sent is ignored, and what is older than any window could be.
    pub(super) fn check_ack(
        &self,
        segment: &Segment<'_>,
        config: &StreamConfig,
        events: &mut StreamEvents,
    ) -> Judgement {
        let other = &self.halves[segment.dir.opposite().index()];
        if other.unsynced {
            return Ok(());
        }
        let ack = other.offset(segment.tcp.ack());
        if self.is_too_old(segment) {
            return if segment.is_bare() || self.midstream {
                Ok(())
            } else {
                Err(self.invalid_ack(segment, events))
            };
        }
        let unsent = u64::try_from(ack).is_ok_and(|ack| ack > other.sent_end());
        if unsent && !config.tolerate_gaps && !self.midstream {
            return Err(self.invalid_ack(segment, events));
        }
        Ok(())
    }

    /// Its receiver does nothing with it but to answer (RFC 5961 section 5.2).
    pub(super) fn is_too_old(&self, segment: &Segment<'_>) -> bool {
        let mine = &self.halves[segment.dir.index()];
        let other = &self.halves[segment.dir.opposite().index()];
        let oldest = other.acked().saturating_sub(mine.largest_window());
        !other.unsynced && other.offset(segment.tcp.ack()) < oldest as i64
    }

    /// After [`Self::check_ack`].
    pub(super) fn on_ack(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) {
        let dir = segment.dir;
        let [mine, other] = self.pair(dir);
        if other.unsynced && !other.ahead {
            mine.offers(segment.tcp.window());
            return;
        }
        if other.unsynced {
            other.sync_near(segment.tcp.ack());
        }
        let ack = u64::try_from(other.offset(segment.tcp.ack())).unwrap_or(0);
        if other.ahead {
            other.heard_by_receiver(ack, shared);
        }
        if ack > self.halves[dir.opposite().index()].sent_end() {
            self.note_unseen(dir.opposite(), ack, shared, events, deliver);
        }
        let [mine, other] = self.pair(dir);
        mine.offers(segment.tcp.window());
        other.may_reach(ack.saturating_add(mine.window_bytes()));
        other.fin_acked |= other.fin.is_some_and(|fin| ack > fin);
        let acknowledged = ack.min(other.next());
        other.acknowledged(acknowledged, shared.pool);
        if self.state == State::SynReceived && dir == Direction::ToServer {
            self.state = State::Established;
        } else if self.state == State::SynReceived && !segment.payload.is_empty() {
            events.note(StreamEvent::ThreeWhsAckDataInject);
        }
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
