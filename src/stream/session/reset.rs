//! Resets: which of them their receiver takes. None ends inspection.

use super::{
    Direction, DropReason, Judgement, Segment, State, StreamEvent, StreamEvents, TcpFlags,
    TcpSession,
};

impl TcpSession {
    /// RFC 5961 section 3: a reset counts at exactly the next sequence number. Linux also takes
    /// one at the right edge of what was selectively acknowledged, and one behind the last byte
    /// of an end that has sent its FIN; it looks neither at the acknowledgement nor at the
    /// timestamp. What may have been lost behind us makes several numbers possible.
    pub(super) fn on_reset(
        &mut self,
        segment: &Segment<'_>,
        events: &mut StreamEvents,
    ) -> Judgement {
        let tcp = segment.tcp;
        let answers_a_syn = segment.dir == Direction::ToClient && segment.has(TcpFlags::ACK);
        if self.state == State::SynSent {
            // RFC 9293 section 3.10.7.3: only one that acknowledges the SYN.
            let client = &self.halves[0];
            let behind_syn = client.isn().unwrap_or(0).wrapping_add(1);
            let taken = u64::from(tcp.ack().wrapping_sub(behind_syn));
            if answers_a_syn && taken <= client.syn_bytes {
                self.reset = Some(segment.dir);
                return Ok(());
            }
            // One from the client answers a SYN-ACK that was not meant for it.
            if segment.dir == Direction::ToServer {
                return Ok(());
            }
        }
        // The server has no connection, and refuses a new one on the same ports.
        if answers_a_syn && self.other_syns.answered_by(tcp.ack()) {
            return Ok(());
        }
        let half = &self.halves[segment.dir.index()];
        let offset = half.offset(tcp.seq());
        let is_taken = half.unsynced
            || u64::try_from(offset).is_ok_and(|offset| {
                (half.acked()..=half.next()).contains(&offset)
                    || half.buffer.island_ends_at(offset)
                    || half.fin.is_some_and(|fin| offset == fin + 1)
            });
        if is_taken && self.state != State::SynSent {
            self.reset = Some(segment.dir);
            Ok(())
        } else {
            events.note(StreamEvent::RstInvalidAck);
            Err(DropReason::StreamBadReset)
        }
    }
}
