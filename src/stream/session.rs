//! One TCP connection, as far as its receivers' view can be told from outside.
//!
//! A segment that its receiver provably ignores is refused alone: it changes nothing here. What
//! the receiver takes is followed. Where that cannot be told, the bytes are taken as sent, and no
//! other copy of them passes.

mod ack;
mod cookie;
mod data;
mod handshake;
mod leftovers;
mod reset;
mod resting;
mod resumed;
mod timestamps;

use super::chunk::ChunkPool;
use super::events::{StreamEvent, StreamEvents};
use super::half::Half;
use super::normalise::{Rule, Treatment};
use super::{Shared, StreamConfig};
use crate::decode::{TcpFlags, TcpHeader};
use crate::direction::Direction;
use crate::verdict::{DropReason, Edit};
use handshake::{OtherSyns, Syn};

pub use resting::RestingSession;
pub(super) use timestamps::Clock;

/// Bytes handed over, in order and once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    Bytes(&'a [u8]),
    /// The receiver has this many bytes that never passed here.
    Gap(u64),
    /// Nothing that was delivered before counts, in either direction: the server took up another
    /// connection on the same ports, or did not take the data of a SYN.
    Restart,
    /// What follows begins anywhere: nobody knows what was before it.
    Resume,
}

/// One segment with its direction.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub dir: Direction,
    pub tcp: &'a TcpHeader<'a>,
    pub payload: &'a [u8],
    /// TTL or hop limit.
    pub ttl: u8,
}

impl Segment<'_> {
    fn has(&self, flags: u8) -> bool {
        self.tcp.flags().has(flags)
    }

    fn timestamp(&self) -> Option<(u32, u32)> {
        self.tcp.options.timestamps
    }

    /// Neither bytes nor a FIN: nothing that its receiver could take in.
    fn is_bare(&self) -> bool {
        self.payload.is_empty() && !self.has(TcpFlags::FIN)
    }
}

/// What a segment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentOutcome {
    /// The receiver ignores it, or it must not be let through.
    pub refused: Option<DropReason>,
    /// What must change in it before it is let through.
    pub edit: Edit,
    pub events: StreamEvents,
}

/// Takes what became contiguous.
type Deliver<'a> = dyn FnMut(Direction, Delivery<'_>) + 'a;

type Judgement = Result<(), DropReason>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    /// The server's SYN was seen; the client has not acknowledged it.
    SynReceived,
    Established,
}

#[derive(Debug)]
pub struct TcpSession {
    state: State,
    /// By direction of the bytes they send.
    halves: [Half; 2],
    midstream: bool,
    /// The client has sent a segment that completes the handshake where its stream begins.
    client_began: bool,
    /// The server has acknowledged something outside of its SYN.
    server_confirmed: bool,
    /// The server answered with a bare SYN: a split handshake or a simultaneous open.
    simultaneous: bool,
    /// The client signs its SYN; both ends sign their segments (RFC 2385).
    client_md5: bool,
    md5: bool,
    /// Both ends send timestamps (RFC 7323 section 3.2).
    timestamps: bool,
    /// Which way a reset went that its receiver may have taken.
    reset: Option<Direction>,
    reset_is_certain: bool,
    /// Who sent it has not been heard since.
    reset_is_news: bool,
    /// It stands in place of a refused flow, whose data must not pass for its own.
    needs_answer: bool,
    other_syns: OtherSyns,
    /// A SYN-ACK with another sequence number; the client's acknowledgement decides.
    other_syn_ack: Option<Box<Syn>>,
}

impl TcpSession {
    /// From the client's SYN, which is then given to [`Self::on_segment`] like any other.
    pub fn from_syn(segment: &Segment<'_>) -> Self {
        Self::opened_by(&Syn::of(segment))
    }

    fn opened_by(syn: &Syn) -> Self {
        Self {
            state: State::SynSent,
            halves: [syn.half(), Half::default()],
            midstream: false,
            client_began: false,
            server_confirmed: false,
            simultaneous: false,
            client_md5: syn.md5,
            md5: false,
            timestamps: false,
            reset: None,
            reset_is_certain: false,
            reset_is_news: false,
            needs_answer: false,
            other_syns: OtherSyns::default(),
            other_syn_ack: None,
        }
    }

    /// From any segment of a connection whose handshake was not seen.
    pub fn midstream(dir: Direction, tcp: &TcpHeader<'_>) -> Self {
        let mut halves = [Half::default(), Half::default()];
        // A SYN-ACK takes one sequence number.
        let first = u32::from(tcp.flags().has(TcpFlags::SYN));
        halves[dir.index()] = Half::picked_up(tcp.seq().wrapping_add(first));
        halves[dir.opposite().index()] = Half::picked_up(tcp.ack());
        Self {
            state: State::Established,
            halves,
            midstream: true,
            client_began: true,
            server_confirmed: true,
            simultaneous: false,
            client_md5: tcp.options.md5,
            md5: tcp.options.md5,
            timestamps: false,
            reset: None,
            reset_is_certain: false,
            reset_is_news: false,
            needs_answer: false,
            other_syns: OtherSyns::default(),
            other_syn_ack: None,
        }
    }

    /// The server's answer to this SYN must pass here, also where packets may pass unseen.
    pub fn must_be_answered(mut self) -> Self {
        self.needs_answer = true;
        self
    }

    /// Whether this very SYN opened the connection.
    pub fn was_opened_by(&self, syn: &TcpHeader<'_>) -> bool {
        self.halves[0].isn() == Some(syn.seq())
    }

    /// All bytes of this direction are known, up to its FIN.
    pub fn has_ended(&self, dir: Direction) -> bool {
        let half = &self.halves[dir.index()];
        half.fin == Some(half.next())
    }

    pub fn is_established(&self) -> bool {
        self.state == State::Established
    }

    /// A reset was taken, or both ends have sent their FIN and know it. What still
    /// comes is inspected.
    pub fn is_closed(&self) -> bool {
        self.reset_is_certain || self.fins_are_acknowledged()
    }

    fn fins_are_acknowledged(&self) -> bool {
        let ended = |half: &Half| half.fin.is_some_and(|fin| half.acked() >= fin);
        self.halves.iter().all(ended)
    }

    /// The sequence number that the receiver of this direction expects next.
    pub fn next_sequence(&self, dir: Direction) -> u32 {
        let half = &self.halves[dir.index()];
        half.sequence(half.next().max(half.handed_over()))
    }

    /// Sequence numbers that each end has used so far, by direction, the SYN's included.
    pub fn sequence_spans(&self) -> [u64; 2] {
        let [to_server, to_client] = &self.halves;
        [to_server.sequence_span(), to_client.sequence_span()]
    }

    /// Stream offset of a segment's first byte; zero for what lies before the stream.
    pub fn offset_of(&self, dir: Direction, tcp: &TcpHeader<'_>) -> u64 {
        let offset = self.halves[dir.index()].offset(tcp.seq());
        u64::try_from(offset).unwrap_or(0)
    }

    /// Bytes that wait for an acknowledgement, or behind a hole.
    pub fn retained_bytes(&self) -> u64 {
        self.halves
            .iter()
            .map(|h| h.buffer.retained_bytes() + h.buffer.island_bytes())
            .sum()
    }

    pub fn release(&mut self, pool: &mut ChunkPool) {
        for half in &mut self.halves {
            half.buffer.clear(pool);
        }
    }

    /// Takes in one segment. Bytes that became contiguous for the receiver are
    /// handed to `deliver`; then the segment may be forwarded, unless refused.
    pub fn on_segment(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        deliver: &mut Deliver<'_>,
    ) -> SegmentOutcome {
        let mut outcome = SegmentOutcome::default();
        let judged = self
            .normalise(segment, shared, &mut outcome.edit)
            .and_then(|()| self.judge(segment, shared, &mut outcome.events, deliver));
        outcome.refused = judged.err();
        outcome
    }

    /// The order of a Linux receiver: flags, timestamps, sequence number, acknowledgement, data.
    fn judge(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        events: &mut StreamEvents,
        deliver: &mut Deliver<'_>,
    ) -> Judgement {
        if segment.has(TcpFlags::SYN) {
            return self.on_syn(segment, shared, events, deliver);
        }
        self.check_signature(segment)?;
        if segment.has(TcpFlags::RST) {
            return self.on_reset(segment, events);
        }
        if !segment.has(TcpFlags::ACK) {
            events.note(if segment.tcp.ack() != 0 {
                StreamEvent::PktBrokenAck
            } else {
                StreamEvent::PktInvalidAck
            });
            return Err(DropReason::StreamNoAck);
        }
        if self.state == State::SynSent {
            self.before_the_answer(segment, shared.config, events)?;
            if self.state == State::SynSent {
                return Ok(());
            }
        }
        if self.reset_is_news && self.reset == Some(segment.dir) {
            self.reset_is_news = false;
            events.note(StreamEvent::SuspectedRstInject);
        }
        self.check_first(segment)?;
        if self.is_stale(segment) {
            events.note(StreamEvent::PktInvalidTimestamp);
            return if segment.is_bare() || self.repeats_what_is_known(segment) {
                Ok(())
            } else {
                Err(DropReason::StreamOldTimestamp)
            };
        }
        self.check_sequence(segment, shared.config, events)?;
        let outside = self.is_outside_window(segment);
        if self.state == State::SynReceived && segment.dir == Direction::ToServer && !outside {
            self.settle_handshake(segment, shared, deliver);
        }
        self.check_ack(segment, shared.config, events)?;
        self.check_data(segment, events)?;
        if !outside && !self.is_too_old(segment) {
            self.on_ack(segment, shared, events, deliver);
            self.hear_beginning(segment);
            self.hear_timestamp(segment);
        }
        self.on_data(segment, shared, events, deliver)
    }

    /// RFC 2385: where both ends sign, a segment without a signature is ignored, and where they
    /// do not, one that has it.
    fn check_signature(&self, segment: &Segment<'_>) -> Judgement {
        let signed = segment.tcp.options.md5;
        let expected = match self.state {
            State::SynSent => signed && self.client_md5,
            _ => self.md5,
        };
        if signed == expected {
            Ok(())
        } else if segment.has(TcpFlags::RST) {
            Err(DropReason::StreamBadReset)
        } else {
            Err(DropReason::StreamUnexpectedMd5)
        }
    }

    /// What the profile changes in a segment, or does not let through.
    fn normalise(
        &mut self,
        segment: &Segment<'_>,
        shared: &Shared<'_>,
        edit: &mut Edit,
    ) -> Judgement {
        let rules = &shared.config.normalise;
        let tcp = segment.tcp;
        let syn = segment.has(TcpFlags::SYN);
        let opens = syn && !segment.has(TcpFlags::ACK) && segment.payload.is_empty();
        let apply = |rule: Rule, set: &mut dyn FnMut()| match rules.treatment(rule) {
            Treatment::Forward => Ok(()),
            Treatment::Edit => {
                shared.counters.add(rule.counter(), 1);
                set();
                Ok(())
            }
            Treatment::Drop => {
                shared.counters.add(rule.counter(), 1);
                Err(rule.drop_reason())
            }
        };
        // The byte that the pointer names vanishes from the stream, from this segment or, where
        // it points ahead of it, from a later one that looks like any other.
        if segment.has(TcpFlags::URG) {
            if !opens || rules.treatment(Rule::Urgent) == Treatment::Edit {
                apply(Rule::Urgent, &mut || edit.clear_urgent = true)?;
            }
        } else if tcp.has_urgent_pointer() {
            apply(Rule::UrgentPointer, &mut || edit.clear_urgent = true)?;
        }
        if tcp.has_reserved_bits() {
            apply(Rule::ReservedBits, &mut || edit.clear_reserved = true)?;
        }
        if tcp.options.unread {
            apply(Rule::UnknownOptions, &mut || edit.blank_options = true)?;
        }
        if syn {
            return match segment.payload {
                [] => Ok(()),
                _ => apply(Rule::SynData, &mut || {}),
            };
        }
        let half = &mut self.halves[segment.dir.index()];
        if segment.ttl >= half.ttl_floor.min(DYING_TTL + 1) {
            half.dying = None;
        } else if !half.insists_on_dying(tcp.seq()) {
            apply(Rule::DyingTtl, &mut || {})?;
        }
        if segment.ttl < half.ttl_floor {
            let floor = half.ttl_floor;
            apply(Rule::LowTtl, &mut || edit.ttl = Some(floor))?;
        }
        if segment.has(TcpFlags::RST) {
            return match segment.payload {
                [] => Ok(()),
                _ => apply(Rule::ResetData, &mut || {}),
            };
        }
        if self.timestamps && segment.timestamp().is_none() {
            apply(Rule::MissingTimestamp, &mut || {})?;
        }
        Ok(())
    }

    /// The sending half and the other.
    fn pair(&mut self, dir: Direction) -> [&mut Half; 2] {
        let [to_server, to_client] = &mut self.halves;
        match dir {
            Direction::ToServer => [to_server, to_client],
            Direction::ToClient => [to_client, to_server],
        }
    }

    /// Before the server's SYN, its receiver has no connection (RFC 9293 section 3.10.7.3).
    fn before_the_answer(
        &mut self,
        segment: &Segment<'_>,
        config: &StreamConfig,
        events: &mut StreamEvents,
    ) -> Judgement {
        match segment.dir {
            // It may have passed unseen: what it said is not known.
            Direction::ToServer if config.tolerate_gaps && !self.needs_answer => {
                self.halves[0].may_reach(u64::MAX);
                self.halves[1] = Half::picked_up(segment.tcp.ack());
                self.state = State::Established;
                self.midstream = true;
                Ok(())
            }
            // The server's answer went another way.
            Direction::ToServer => Err(DropReason::StreamAsymmetric),
            // A server that still has an older connection says so; the client resets that.
            Direction::ToClient if segment.is_bare() => Ok(()),
            Direction::ToClient => {
                events.note(StreamEvent::ThreeWhsAckInWrongDir);
                Err(DropReason::StreamOutOfWindow)
            }
        }
    }
}

/// With a TTL below its floor and not above this, a segment is most likely meant to die between
/// here and its receiver. Honest paths do not become that long from one segment to the next.
const DYING_TTL: u8 = 10;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod linux;
#[cfg(test)]
mod tests;
