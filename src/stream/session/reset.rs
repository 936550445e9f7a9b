//! Resets: which of them their receiver takes. None ends inspection.

use super::{
    Direction, DropReason, Judgement, Segment, State, StreamEvent, StreamEvents, TcpFlags,
    TcpSession,
};

impl TcpSession {
    /// RFC 5961 section 3: a reset counts at exactly the next sequence number. Linux also takes
    /// one at the right edge of what was selectively acknowledged, and one behind the last byte
    /// of an end that has sent its FIN; it looks neither at the acknowledgement nor at the
    /// timestamp. What is on its way makes several numbers possible; none of those closes for sure.
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
                self.reset_is_certain = true;
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
        let place = u64::try_from(offset).ok();
        let behind_fin = place.is_some_and(|at| half.fin.is_some_and(|fin| at == fin + 1));
        let may_be_taken = half.unsynced
            || behind_fin
            || place.is_some_and(|at| {
                (half.acked()..=half.next()).contains(&at) || half.buffer.island_ends_at(at)
            });
        if !may_be_taken || self.state == State::SynSent {
            events.note(StreamEvent::RstInvalidAck);
            return Err(DropReason::StreamBadReset);
        }
        let nothing_on_the_way =
            half.acked() == half.next() && half.buffer.first_island().is_none();
        self.reset = Some(segment.dir);
        self.reset_is_news = true;
        self.reset_is_certain |= behind_fin || nothing_on_the_way;
        Ok(())
    }
}
