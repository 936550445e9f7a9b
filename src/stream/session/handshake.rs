//! SYNs and SYN-ACKs: which of them make the connection (RFC 9293 section 3.5).

use super::{
    Deliver, Delivery, Direction, DropReason, Half, Judgement, Segment, Shared, State, StreamEvent,
    StreamEvents, TcpFlags, TcpSession, Treatment,
};
use crate::stream::normalise::Rule;

/// SYNs with other initial sequence numbers that are remembered.
const MAX_OTHER_SYNS: usize = 10;

/// What a SYN or a SYN-ACK announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syn {
    pub isn: u32,
    window: u16,
    scale: Option<u8>,
    timestamp: Option<u32>,
    pub md5: bool,
    ttl: u8,
}

impl Syn {
    pub fn of(segment: &Segment<'_>) -> Self {
        let tcp = segment.tcp;
        Self {
            isn: tcp.seq(),
            window: tcp.window(),
            scale: tcp.options.window_scale,
            timestamp: segment.timestamp().map(|(value, _)| value),
            md5: tcp.options.md5,
            ttl: segment.ttl,
        }
    }

    pub fn half(&self) -> Half {
        let mut half = Half::open(self.isn, self.scale, self.window);
        half.clock.starts_at(self.timestamp);
        half.ttl_floor = self.ttl;
        half
    }
}

/// SYNs on the connection's ports with another initial sequence number than its own: if the
/// server answers one, that is the connection. The newest are kept. Few flows have any, and each
/// flow pays for the room.
#[derive(Debug, Default)]
pub(super) struct OtherSyns(Option<Box<[Option<Syn>; MAX_OTHER_SYNS]>>);

impl OtherSyns {
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// False where there are as many as are remembered already.
    fn remember(&mut self, syn: Syn) -> bool {
        let kept = self.0.get_or_insert_default();
        let had_room = kept[MAX_OTHER_SYNS - 1].is_none();
        if let Some(same) = kept.iter_mut().flatten().find(|s| s.isn == syn.isn) {
            *same = syn;
            return had_room;
        }
        kept.rotate_right(1);
        kept[0] = Some(syn);
        had_room
    }

    fn with_isn(&self, isn: u32) -> Option<Syn> {
        self.all().copied().find(|syn| syn.isn == isn)
    }

    fn any(&self, test: impl Fn(u32) -> bool) -> bool {
        self.all().any(|syn| test(syn.isn))
    }

    fn all(&self) -> impl Iterator<Item = &Syn> {
        self.0.iter().flat_map(|kept| kept.iter()).flatten()
    }

    /// Whether this acknowledges one of them.
    pub fn answered_by(&self, ack: u32) -> bool {
        self.with_isn(ack.wrapping_sub(1)).is_some()
    }
}

impl TcpSession {
    pub(super) fn on_syn(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let ack = segment.has(TcpFlags::ACK);
        // Linux opens and closes nothing on these; a SYN-ACK with a FIN is a SYN-ACK to it.
        if segment.has(TcpFlags::RST) {
            return Err(DropReason::StreamInvalidFlags);
        }
        if segment.has(TcpFlags::FIN) {
            events.note(StreamEvent::FinSyn);
            if !ack {
                return Err(DropReason::StreamInvalidFlags);
            }
        }
        match (segment.dir, ack) {
            (Direction::ToServer, false) => self.on_client_syn(segment, shared, events, deliver),
            (Direction::ToClient, true) => self.on_syn_ack(segment, shared, events, deliver),
            (Direction::ToClient, false) => self.on_server_syn(segment, shared, events),
            (Direction::ToServer, true) => self.on_client_syn_ack(segment, events),
        }
    }

    fn on_client_syn(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        if self.halves[0].isn() != Some(segment.tcp.seq()) {
            match self.state {
                State::SynSent | State::SynReceived => {
                    events.note(StreamEvent::ThreeWhsSynResendDiffSeqOnSynRecv);
                }
                State::Established => events.note(StreamEvent::EstSynResendDiffSeq),
            }
            // Its data would have to be inspected beside what goes on; a client sends it without.
            let reach = self.halves[0].syn_bytes;
            if !segment.payload.is_empty() || self.is_within_syn_data(segment.tcp.seq(), reach) {
                return Err(DropReason::StreamHandshakeData);
            }
            if !self.other_syns.remember(Syn::of(segment)) {
                events.note(StreamEvent::ThreeWhsSynFlood);
            }
            return Ok(());
        }
        if self.state == State::SynSent {
            let half = &mut self.halves[0];
            half.ttl_floor = half.ttl_floor.max(segment.ttl);
            half.may_scale_by(segment.tcp.options.window_scale);
            if !half.clock.is_told() {
                half.clock
                    .starts_at(segment.timestamp().map(|(value, _)| value));
            }
            self.client_md5 |= segment.tcp.options.md5;
            let reach = segment.payload.len() as u64;
            if self
                .other_syns
                .any(|isn| self.is_within_syn_data(isn, reach))
            {
                return Err(DropReason::StreamHandshakeData);
            }
            return self.take_syn_data(segment, shared, events, deliver);
        }
        if self.state == State::Established {
            events.note(StreamEvent::EstSynResend);
        }
        // A client that was reset may begin again with the same number.
        if self.reset.is_some() && segment.payload.is_empty() {
            self.other_syns.remember(Syn::of(segment));
        }
        // The server has chosen; only a copy of what it took is harmless.
        if self.halves[0].buffer.holds(0, segment.payload) {
            Ok(())
        } else {
            Err(DropReason::StreamHandshakeData)
        }
    }

    /// Whether an acknowledgement of this initial sequence number could as well be one of so many
    /// bytes that came with the SYN that is followed.
    fn is_within_syn_data(&self, isn: u32, bytes: u64) -> bool {
        let ours = self.halves[0].isn().unwrap_or(isn);
        u64::from(isn.wrapping_sub(ours)) <= bytes && isn != ours
    }

    /// RFC 7413: whether the other end takes it is told by its acknowledgement.
    fn take_syn_data(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        if segment.payload.is_empty() {
            return Ok(());
        }
        if !self.halves[segment.dir.index()]
            .buffer
            .agrees(0, segment.payload)
        {
            events.note(StreamEvent::ReassemblyOverlapDifferentData);
            return Err(DropReason::StreamRetransmitDiffers);
        }
        self.take_bytes(segment.dir, 0, segment.payload, shared, events, deliver)?;
        let half = &mut self.halves[segment.dir.index()];
        half.syn_bytes = half.next();
        Ok(())
    }

    fn on_syn_ack(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let tcp = segment.tcp;
        let client = &self.halves[0];
        let taken = u64::from(
            tcp.ack()
                .wrapping_sub(client.isn().unwrap_or(0).wrapping_add(1)),
        );
        let same_server = self.halves[1].isn() == Some(tcp.seq());
        // A server takes all data of a SYN or none; between the two lies another SYN.
        let answers_another = self.other_syns.answered_by(tcp.ack());
        let is_another = (taken != 0 && taken != client.syn_bytes) || answers_another;
        let is_copy = same_server && (taken <= client.syn_bytes || !answers_another);
        if is_another && !(is_copy && self.state != State::SynSent) {
            return self.on_answer_to_another_syn(segment, shared, events, deliver);
        }
        match self.state {
            State::SynSent => self.on_answer(segment, taken, shared, events, deliver),
            _ if same_server => {
                if self.state == State::Established {
                    events.note(StreamEvent::EstSynackResend);
                }
                let half = &mut self.halves[1];
                half.ttl_floor = half.ttl_floor.max(segment.ttl);
                half.clock
                    .started_by(segment.timestamp().map(|(value, _)| value));
                if self.halves[1].buffer.holds(0, segment.payload) {
                    Ok(())
                } else {
                    Err(DropReason::StreamHandshakeData)
                }
            }
            State::SynReceived if segment.payload.is_empty() && self.halves[0].syn_bytes == 0 => {
                events.note(StreamEvent::ThreeWhsSynackResendWithDiffSeq);
                // The client's acknowledgement would fit both.
                let server = &self.halves[1];
                let first = server.offset(tcp.seq().wrapping_add(1));
                if (0..=server.next() as i64).contains(&first) {
                    return Err(DropReason::StreamHandshakeData);
                }
                if self
                    .other_syn_ack
                    .replace(Box::new(Syn::of(segment)))
                    .is_some()
                {
                    events.note(StreamEvent::ThreeWhsSynackFlood);
                }
                Ok(())
            }
            _ => {
                events.note(StreamEvent::EstSynackResendWithDiffSeq);
                Err(DropReason::StreamInvalidFlags)
            }
        }
    }

    /// The server took up another SYN than the one followed so far: nothing of the old counts.
    fn on_answer_to_another_syn(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let isn = segment.tcp.ack().wrapping_sub(1);
        if let Some(syn) = self.other_syns.with_isn(isn) {
            if segment.tcp.options.md5 && !syn.md5 {
                return Err(DropReason::StreamUnexpectedMd5);
            }
            self.release(shared.pool);
            *self = Self::opened_by(&syn);
            deliver(segment.dir, Delivery::Restart);
            return self.on_answer(segment, 0, shared, events, deliver);
        }
        events.note(match self.state {
            State::SynSent => StreamEvent::ThreeWhsSynackWithWrongAck,
            State::SynReceived => StreamEvent::ThreeWhsSynackResendWithDifferentAck,
            State::Established => StreamEvent::EstSynackResendWithDifferentAck,
        });
        // A client that waits for its answer resets this one, and goes on waiting.
        let harmless = self.state == State::SynSent || self.midstream;
        if harmless && segment.payload.is_empty() {
            Ok(())
        } else {
            Err(DropReason::StreamInvalidFlags)
        }
    }

    /// The server's SYN, which acknowledges the client's and `taken` bytes of its data.
    fn on_answer(
        &mut self,
        segment: &Segment<'_>,
        taken: u64,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        let syn = Syn::of(segment);
        if syn.md5 && !self.client_md5 {
            return Err(DropReason::StreamUnexpectedMd5);
        }
        // Where both SYNs carry data, forgetting the one would forget the other.
        if !segment.payload.is_empty() && taken > 0 {
            return Err(DropReason::StreamHandshakeData);
        }
        self.hear_server(&syn);
        self.md5 = syn.md5;
        let client = &mut self.halves[0];
        if let Some((_, echo)) = segment.timestamp() {
            client.clock.is_echoed(echo);
        }
        if taken > 0 {
            client.acknowledged(taken, shared.pool);
        } else if client.syn_bytes > 0 {
            events.note(StreamEvent::ThreeWhsSynackTfoDataIgnored);
            client.begin_again(shared.pool);
            deliver(segment.dir, Delivery::Restart);
        }
        self.halves[0].may_reach(taken + u64::from(syn.window));
        self.take_syn_data(segment, shared, events, deliver)
    }

    fn hear_server(&mut self, syn: &Syn) {
        self.state = State::SynReceived;
        self.reset = None;
        self.reset_is_certain = false;
        self.halves[1] = syn.half();
        let [client, server] = &mut self.halves;
        server.may_reach(client.window_bytes());
        self.timestamps = client.clock.is_told() && server.clock.is_told();
        // RFC 7323 section 2.2: both ends scale or none.
        if !(client.scales() && server.scales()) {
            client.scales_not();
            server.scales_not();
        }
    }

    /// A bare SYN from the server: the client answers it with a SYN-ACK (RFC 9293 section 3.5,
    /// figure 8), also where the server is none and only splits the handshake.
    fn on_server_syn(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
    ) -> Judgement {
        events.note(if self.state == State::Established {
            StreamEvent::EstSynToclient
        } else {
            StreamEvent::ThreeWhsSynToclientOnSynRecv
        });
        if !segment.payload.is_empty() {
            return Err(DropReason::StreamHandshakeData);
        }
        let syn = Syn::of(segment);
        match self.state {
            State::SynSent if syn.md5 && !self.client_md5 => Err(DropReason::StreamUnexpectedMd5),
            State::SynSent => {
                let rule = Rule::SplitHandshake;
                if shared.config.normalise.treatment(rule) == Treatment::Drop {
                    shared.counters.add(rule.counter(), 1);
                    return Err(rule.drop_reason());
                }
                self.hear_server(&syn);
                self.md5 = syn.md5;
                self.simultaneous = true;
                Ok(())
            }
            _ if self.halves[1].isn() == Some(syn.isn) => Ok(()),
            _ => Err(DropReason::StreamInvalidFlags),
        }
    }

    /// Only an answer to the server's bare SYN; else the roles are the wrong way round.
    fn on_client_syn_ack(&mut self, segment: &Segment<'_>, events: &mut StreamEvents) -> Judgement {
        let tcp = segment.tcp;
        let answers = self.halves[0].isn() == Some(tcp.seq())
            && self.halves[1].isn() == Some(tcp.ack().wrapping_sub(1));
        if self.simultaneous && answers && segment.payload.is_empty() {
            self.state = State::Established;
            return Ok(());
        }
        events.note(match self.state {
            State::SynSent => StreamEvent::ThreeWhsSynackInWrongDirection,
            State::SynReceived => StreamEvent::ThreeWhsSynackToserverOnSynRecv,
            State::Established => StreamEvent::EstSynackToserver,
        });
        Err(DropReason::StreamInvalidFlags)
    }

    /// The client's first acknowledgement says which SYN-ACK it took, and whether its data.
    pub(super) fn settle_handshake(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        deliver: &mut Deliver<'_>,
    ) {
        let ack = segment.tcp.ack();
        let server = &self.halves[1];
        let fits = u64::try_from(server.offset(ack)).is_ok_and(|a| a <= server.next());
        let first = server.isn() == Some(ack.wrapping_sub(1));
        if let Some(other) = self.other_syn_ack.take()
            && !fits
            && other.isn == ack.wrapping_sub(1)
        {
            self.release(shared.pool);
            self.hear_server(&other);
            deliver(segment.dir, Delivery::Restart);
        } else if first && self.halves[1].syn_bytes > 0 {
            self.halves[1].begin_again(shared.pool);
            deliver(segment.dir, Delivery::Restart);
        }
    }
}
