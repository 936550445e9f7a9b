//! TCP: which connection a segment belongs to, and its way through state, parser and signatures.

use std::ops::RangeInclusive;

use super::{
    Counter, Direction, Edit, EventSink, ExceptionPolicy, FlowEndReason, FlowId, FlowKey,
    FlowState, Inspection, Midstream, Passage, Refused, SegmentOutcome, Shared, TcpFlags,
    TcpHeader, TcpSession, TimeoutClass, Verdict, Worker, answer, context,
};
use crate::stream::Delivery;
use crate::verdict::DropReason;

/// With so many flows half open, or completed and never answered, servers may use SYN cookies, and lose
/// what completes a handshake: the listen queue that web servers ask for (nginx and Apache: 511).
pub(super) const MANY_HALF_OPEN: usize = 511;

impl Worker {
    pub(super) fn judge_tcp(
        &mut self,
        tcp: &TcpHeader<'_>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let key = FlowKey::of(passage.packet);
        let opens = tcp.flags().0 & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN)
            == TcpFlags::SYN;
        let mut found = self.flows.find(&key);
        let mut replaces_refused = false;
        if let Some(id) = found
            && opens
            && self.gives_way_to_syn(id, tcp)
            && let Some(flow) = self.flows.remove(id)
        {
            replaces_refused = flow.state.is_refused();
            let (_, mut ending) = self.ending();
            ending.end(flow, FlowEndReason::Reused, passage.now, sink);
            found = None;
        }
        let id = match found {
            Some(id) => id,
            None => {
                let (from_server, mut state) = if opens {
                    let syn = passage.segment(Direction::ToServer, tcp);
                    (false, FlowState::opened_by(&syn, replaces_refused))
                } else {
                    match self.pick_up(tcp, passage) {
                        Ok(picked) => picked,
                        Err(policy) => {
                            let reason = DropReason::StreamMidstream;
                            return self.except_packet(policy, reason, passage, sink);
                        }
                    }
                };
                let denied = self.filter_opening(key, from_server, &mut state, passage, sink);
                if let Some(verdict) = denied {
                    return verdict;
                }
                match self.open(key, from_server, state, passage, sink) {
                    Ok(id) => id,
                    Err(verdict) => return verdict,
                }
            }
        };
        let Some(dir) = self.enter(id, passage) else {
            return self.recover(passage.now);
        };
        if let Some(verdict) = self.left_to_kernel(id, dir, tcp, passage) {
            return verdict;
        }
        if let Some(verdict) = self.settled(id, dir, Some(tcp), passage, sink) {
            if verdict == Verdict::Forward {
                self.consider_leaving(id, passage);
            }
            return verdict;
        }
        if found.is_some()
            && let Some(verdict) = self.filter_known(id, dir, passage, sink)
        {
            return verdict;
        }
        let unconfirmed = self
            .flows
            .len_of(TimeoutClass::New)
            .max(self.engine.awaiting);
        if unconfirmed >= MANY_HALF_OPEN
            && let Some(session) = self.flows.get(id).and_then(|f| f.state.tcp.as_ref())
            && session.begins_beside(&passage.segment(dir, tcp))
        {
            let reason = DropReason::StreamCookieStart;
            self.note_drop(Some(id), Some(dir), reason, None, passage, sink);
            return Verdict::Drop(reason);
        }
        if !passage.packet.payload.is_empty() && self.lacks_memory(id) {
            return self.except_memory(id, passage, sink);
        }
        let session = self.flows.get(id).and_then(|f| f.state.tcp.as_ref());
        let (expected, stream_offset) = session.map_or((tcp.seq(), 0), |session| {
            (session.next_sequence(dir), session.offset_of(dir, tcp))
        });
        let was_established = self.flows.get(id).is_some_and(|f| f.state.established);
        let outcome = self.segment(id, dir, tcp, passage);
        if let Some(reason) = outcome.refused
            && !self.config.passive
        {
            self.engine.hits.clear();
            self.engine.gate.close();
            let policy = self.policy_for(reason);
            if policy == ExceptionPolicy::Pass {
                self.counters.add(Counter::ExceptionPass, 1);
            } else {
                if policy == ExceptionPolicy::Reject {
                    let length = passage.packet.payload.len();
                    sink.reset(answer(passage.ends, tcp, length, passage.now));
                }
                self.note_drop(Some(id), Some(dir), reason, None, passage, sink);
                return Verdict::Drop(reason);
            }
        }
        if self.config.number_packets && !passage.packet.payload.is_empty() {
            let number = self.counters.get(Counter::Received);
            if let Some(flow) = self.flows.get_mut(id) {
                flow.state.newest_data[dir.index()] = u32::try_from(number).unwrap_or(0);
            }
        }
        // The segment that completes a handshake comes before the connection is established.
        self.packet_signatures(id, dir, was_established, passage);
        let refused = Refused {
            ends: passage.ends,
            tcp,
            payload_length: passage.packet.payload.len(),
            receiver_expects: expected,
            stream_offset,
        };
        let class = match self.flows.get(id).and_then(|f| f.state.tcp.as_ref()) {
            Some(session) if session.is_closed() => TimeoutClass::Closed,
            Some(session) if session.is_established() => TimeoutClass::Established,
            _ => TimeoutClass::New,
        };
        match self.conclude(id, dir, class, Some(&refused), passage, sink) {
            Verdict::Forward if !outcome.edit.is_empty() => Verdict::Rewrite(Edit {
                ip_at: passage.ip_at,
                ..outcome.edit
            }),
            Verdict::Forward => {
                self.consider_leaving(id, passage);
                Verdict::Forward
            }
            verdict => verdict,
        }
    }

    /// What is done with a segment that the stream did not take.
    const fn policy_for(&self, reason: DropReason) -> ExceptionPolicy {
        match reason {
            DropReason::StreamReassemblyMemory => self.config.exceptions.reassembly_memory,
            DropReason::StreamAsymmetric => self.config.exceptions.asymmetric,
            _ => ExceptionPolicy::Drop,
        }
    }

    /// Through state and reassembly, parser and signatures.
    fn segment(
        &mut self,
        id: FlowId,
        dir: Direction,
        tcp: &TcpHeader<'_>,
        passage: &Passage<'_>,
    ) -> SegmentOutcome {
        let Some(flow) = self.flows.get_mut(id) else {
            return SegmentOutcome::default();
        };
        let ctx = context(flow, passage.now);
        let is_new_ruleset =
            std::mem::replace(&mut flow.state.epoch, self.ruleset.epoch) != self.ruleset.epoch;
        let (session, mut inspection) = Inspection::of(
            &mut flow.state,
            ctx,
            &self.ruleset,
            &mut self.engine,
            &self.config,
            &self.counters,
        );
        let Some(session) = session else {
            return SegmentOutcome::default();
        };
        if is_new_ruleset {
            inspection.again();
        }
        let had_ended = session.has_ended(dir);
        let outcome = session.on_segment(
            &passage.segment(dir, tcp),
            &mut Shared {
                pool: &mut self.pool,
                config: &self.config.stream,
                counters: &self.counters,
            },
            &mut |dir, delivery| {
                // The handshake is over where data is delivered.
                inspection.ctx.established = true;
                inspection.is_whole_packet = matches!(
                    delivery,
                    Delivery::Bytes(bytes) if std::ptr::eq(bytes, passage.packet.payload)
                );
                inspection.deliver(dir, delivery);
            },
        );
        if !had_ended && session.has_ended(dir) {
            inspection.eof(dir);
        }
        let established = session.is_established();
        flow.state.established = established;
        if !passage.packet.payload.is_empty() {
            flow.state.count_held(&mut self.engine.held_bytes);
        }
        self.engine.count_awaiting(&mut flow.state);
        flow.state.stream_events = outcome.events;
        outcome
    }

    /// Whether a SYN opens a new connection in place of this flow: it was left to the kernel, which
    /// does so no more, or it was refused, and the SYN is
    /// not a late copy of the one that opened it. Of a flow that seems closed the server decides,
    /// by its answer: it may have ignored what closed it.
    fn gives_way_to_syn(&self, id: FlowId, tcp: &TcpHeader<'_>) -> bool {
        self.flows.get(id).is_some_and(|flow| {
            let session = flow.state.tcp.as_ref();
            let over = flow.state.is_refused() || session.is_none();
            flow.state.left_to_kernel || over && session.is_none_or(|s| !s.was_opened_by(tcp))
        })
    }

    /// State for a flow whose handshake was not seen, and whether its first packet came from the server.
    fn pick_up(
        &self,
        tcp: &TcpHeader<'_>,
        passage: &Passage<'_>,
    ) -> Result<(bool, FlowState), ExceptionPolicy> {
        let from_server =
            tcp.flags().has(TcpFlags::SYN) || is_from_service(tcp.src_port(), tcp.dst_port());
        let within_grace = match self.config.midstream {
            // A firewall wants to know how a connection began.
            Midstream::PacketsOnly if self.engine.gate.asks_hooks => false,
            Midstream::PacketsOnly => return Ok((from_server, FlowState::default())),
            // Behind a segment that its receiver ignores (RFC 9293 section 3.10.7.4) there is no stream.
            Midstream::PickUp
                if tcp.flags().0 & (TcpFlags::ACK | TcpFlags::SYN | TcpFlags::RST) == 0 =>
            {
                return Ok((from_server, FlowState::default()));
            }
            Midstream::PickUp => true,
            Midstream::PickUpFor(grace) => self
                .started
                .is_none_or(|started| passage.now.since(started) < grace),
        };
        // A reset opens nothing, and ends nothing that we know. A SYN-ACK without its SYN may have
        // the roles the wrong way round; an honest client sends its SYN again.
        let opens_nothing = tcp.flags().has(TcpFlags::RST)
            || tcp.flags().has(TcpFlags::SYN) && self.config.midstream != Midstream::PickUp;
        if !(within_grace || self.returned) || opens_nothing {
            return Err(self.config.exceptions.midstream);
        }
        self.counters.add(Counter::FlowsMidstream, 1);
        let dir = if from_server {
            Direction::ToClient
        } else {
            Direction::ToServer
        };
        let state = FlowState {
            tcp: Some(TcpSession::midstream(dir, tcp)),
            established: true,
            ..FlowState::default()
        };
        Ok((from_server, state))
    }
}

/// Whether a segment seems to come from the end that was connected to: by its ports, where they
/// tell. Of two well-known ports neither does, and who is heard first is the client.
fn is_from_service(from: u16, to: u16) -> bool {
    const FIRST_UNPRIVILEGED: u16 = 1024;
    /// NFS is no well-known port, and its clients come from one: of those that `bindresvport` gives out.
    const NFS: u16 = 2049;
    const OF_ITS_CLIENTS: RangeInclusive<u16> = 512..=1023;
    match (from, to) {
        (NFS, to) if OF_ITS_CLIENTS.contains(&to) => true,
        (from, NFS) if OF_ITS_CLIENTS.contains(&from) => false,
        (from, to) => from < to && to >= FIRST_UNPRIVILEGED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_tell_who_serves_where_they_can() {
        for (from, to, expected) in [
            (40_000, 80, false),
            (80, 40_000, true),
            (443, 80, false),
            (2049, 939, true),
            (939, 2049, false),
            (2049, 40_000, true),
            (80, 2049, true),
        ] {
            assert_eq!(is_from_service(from, to), expected, "{from} to {to}");
        }
    }
}
