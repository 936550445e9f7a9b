//! One queue's engine: decode, flow, stream, signatures, verdict.

mod bypass;
mod connection;
mod datagram;
mod firewall;
mod fragments;
mod memory;
mod odd;
mod ruling;
mod settle;
mod tunnel;
mod twins;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ahash::RandomState;

use self::fragments::Fragments;
use self::ruling::Lacks;
use self::settle::Settled;
use self::twins::Twins;
use super::ending::{Ending, flow_event};
use super::event::{
    DropEvent, Ends, Event, EventSink, FlowEndReason, FlowEvent, Frame, Outer, TaggedEvent,
};
use super::expected::ExpectedFlows;
use super::flow_state::{FlowState, Refusal, Standing, context};
use super::gate::Gate;
use super::inspect::Inspection;
use super::judge::{self, Case, Ruling};
use super::passive::Onlooker;
use super::policy::{Midstream, WorkerConfig};
use super::reset::{Refused, answer};
use super::tagging::TaggedHosts;
use crate::counters::{Counter, Counters};
use crate::decode::{
    ChecksumTrust, LinkType, Packet, TcpFlags, TcpHeader, Transport, decode_frame,
};
use crate::detect::{
    CompiledSignature, FlowContext, Hits, ProfileClock, RuleProfile, Ruleset, Scratch,
    ThresholdTable,
};
use crate::direction::Direction;
use crate::flow::{Flow, FlowId, FlowKey, FlowTable, NewFlow, TimeoutClass};
use crate::stream::{ChunkPool, Segment, SegmentOutcome, Shared, TcpSession};
use crate::time::Timestamp;
use crate::verdict::{DropReason, Edit, ExceptionPolicy, RejectTarget, Verdict};

/// Flows looked at for their timeout in one [`Worker::tick`].
const EXPIRE_PER_TICK: usize = 4096;

/// A packet as the capture backend got it.
#[derive(Debug)]
pub struct RawPacket<'a> {
    pub data: &'a [u8],
    pub link: LinkType,
    pub trust: ChecksumTrust,
    /// Its connection was left to the kernel once ([`Worker::leaves_flow`]).
    pub returned: bool,
}

/// Runs to completion on one thread: owns its flows and its scratch space.
#[derive(Debug)]
pub struct Worker {
    config: WorkerConfig,
    ruleset: Arc<Ruleset>,
    counters: Arc<Counters>,
    fragments: Fragments,
    flows: FlowTable<FlowState>,
    pool: ChunkPool,
    engine: Engine,
    /// When the first packet came; the grace for midstream flows counts from here.
    started: Option<Timestamp>,
    /// The packet in hand is of a connection that was left to the kernel.
    returned: bool,
    leaves_flow: bool,
    /// The flow in hand, for when a panic must cost it.
    current: Option<FlowId>,
    /// Names tunnels; nobody outside can find two of one name.
    tunnel_names: RandomState,
    twins: Twins,
}

/// What is shared by all flows of a worker and lent out for each packet.
#[derive(Debug)]
pub(super) struct Engine {
    pub scratch: Scratch,
    pub hits: Hits,
    pub gate: Gate,
    pub thresholds: ThresholdTable,
    /// Bytes that the parsers and the detection state of all flows hold.
    pub held_bytes: u64,
    /// Flows whose server has not confirmed the handshake.
    pub awaiting: usize,
    /// Flows that others have announced.
    pub expected: ExpectedFlows,
    /// What is kept of a flow's streams, for alerts.
    pub shown_streams: [Vec<u8>; 2],
    pub tagged: TaggedHosts,
}

/// One packet on its way through.
struct Passage<'a> {
    packet: &'a Packet<'a>,
    /// With its own link header; inside a tunnel, as the tunnel carries it.
    frame: Frame<'a>,
    /// What was received, of which the packet is a part; or a datagram that we put together.
    base: &'a [u8],
    /// Where the packet's IP header begins in it.
    ip_at: u16,
    ends: Ends,
    /// The packet that this one is inside of.
    around: Option<&'a Passage<'a>>,
    now: Timestamp,
}

impl<'a> Passage<'a> {
    /// `base` is what the packet is a part of.
    fn new(
        packet: &'a Packet<'a>,
        frame: Frame<'a>,
        base: &'a [u8],
        around: Option<&'a Passage<'a>>,
        now: Timestamp,
    ) -> Self {
        let ip_at = packet.datagram.as_ptr().addr() - base.as_ptr().addr();
        let (src_port, dst_port) = packet.ports();
        Self {
            packet,
            frame,
            base,
            ip_at: ip_at as u16,
            ends: Ends {
                src: (packet.src(), src_port),
                dst: (packet.dst(), dst_port),
                protocol: packet.ip.protocol,
                vlan: packet.vlan,
                icmp: packet.icmp(),
                tunnel: around.map(Outer::of),
            },
            around,
            now,
        }
    }

    fn segment(&self, dir: Direction, tcp: &'a TcpHeader<'a>) -> Segment<'a> {
        Segment {
            dir,
            tcp,
            payload: self.packet.payload,
            ttl: self.packet.ip.ttl,
        }
    }
}

impl Worker {
    pub fn new(config: WorkerConfig, ruleset: Arc<Ruleset>, counters: Arc<Counters>) -> Self {
        let mut scratch = Scratch::default();
        scratch.set_budget(config.rule_budget);
        Self {
            fragments: Fragments::new(&config),
            flows: FlowTable::new(config.flow.clone()),
            pool: ChunkPool::new(&config.stream),
            engine: Engine {
                scratch,
                hits: Hits::default(),
                gate: Gate::default(),
                thresholds: ThresholdTable::new(config.threshold_entries),
                held_bytes: 0,
                awaiting: 0,
                expected: ExpectedFlows::default(),
                shown_streams: Default::default(),
                tagged: TaggedHosts::default(),
            },
            config,
            ruleset,
            counters,
            started: None,
            returned: false,
            leaves_flow: false,
            current: None,
            tunnel_names: RandomState::new(),
            twins: Twins::default(),
        }
    }

    /// Takes up a new ruleset between two packets; gives the old one back, so
    /// that another thread may free it.
    pub fn set_ruleset(&mut self, ruleset: Arc<Ruleset>) -> Arc<Ruleset> {
        self.counters.add(Counter::RulesetSwaps, 1);
        std::mem::replace(&mut self.ruleset, ruleset)
    }

    /// From now on, what each rule costs is noted, by this clock.
    pub fn profile_rules(&mut self, clock: ProfileClock) {
        self.engine.scratch.profile(clock);
    }

    /// The rules that were brought up since, the most expensive first.
    pub fn rule_profile(&self) -> Vec<RuleProfile> {
        self.engine.scratch.profiled(&self.ruleset)
    }

    pub fn active_flows(&self) -> usize {
        self.flows.len()
    }

    /// At most so many flows of the table, as their end records would have them now.
    pub fn flows(&mut self, now: Timestamp, limit: usize) -> Vec<FlowEvent> {
        let mut shown = Vec::new();
        self.flows.show(limit, &mut |flow| {
            shown.push(flow_event(flow, FlowEndReason::Timeout, now));
        });
        shown
    }

    /// Judges one packet. A panic costs this packet's flow, not the worker.
    pub fn process(
        &mut self,
        raw: &RawPacket<'_>,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        self.counters.received(raw.data.len() as u64);
        self.started.get_or_insert(now);
        self.returned = raw.returned;
        self.leaves_flow = false;
        self.current = None;
        // What flows cost that have ended is not the next one's.
        self.engine.settle(&self.counters);
        let passive = self.config.passive;
        let mut onlooker = Onlooker(sink);
        let verdict = catch_unwind(AssertUnwindSafe(|| {
            if passive {
                self.judge(raw, now, &mut onlooker)
            } else {
                self.judge(raw, now, onlooker.0)
            }
        }))
        .unwrap_or_else(|_| self.recover(now));
        self.leaves_flow &= verdict == Verdict::Forward;
        let verdict = match verdict {
            Verdict::Drop(_) | Verdict::Rewrite(_) if passive => Verdict::Forward,
            verdict => verdict,
        };
        self.counters.decided(verdict);
        verdict
    }

    /// Lets go of flows and fragments whose time is over, and has silent connections take less room.
    /// Call about ten times a second.
    pub fn tick(&mut self, now: Timestamp, sink: &mut dyn EventSink) {
        self.expire_fragments(now, sink);
        self.rest(now, memory::IDLE_AFTER);
        let (flows, mut ending) = self.ending();
        flows.expire(now, EXPIRE_PER_TICK, &mut |flow, why| {
            let reason = memory::let_go(why, ending.counters);
            ending.end(flow, reason, now, sink);
        });
    }

    /// Ends all flows, so that each has its record, and drops what is held.
    pub fn finish(&mut self, now: Timestamp, sink: &mut dyn EventSink) {
        self.drop_fragments(now, sink);
        let (flows, mut ending) = self.ending();
        flows.drain(&mut |flow| ending.end(flow, FlowEndReason::Shutdown, now, sink));
    }

    /// The flows, and what one that ends needs.
    fn ending(&mut self) -> (&mut FlowTable<FlowState>, Ending<'_>) {
        let ending = Ending {
            config: &self.config,
            ruleset: &self.ruleset,
            counters: &self.counters,
            pool: &mut self.pool,
            engine: &mut self.engine,
        };
        (&mut self.flows, ending)
    }

    fn judge(&mut self, raw: &RawPacket<'_>, now: Timestamp, sink: &mut dyn EventSink) -> Verdict {
        let frame = Frame::received(raw.link, raw.data);
        // By reference: a packet is large, and each move of it costs.
        match &decode_frame(raw.link, raw.data, raw.trust) {
            Ok(Some(packet)) => {
                let passage = Passage::new(packet, frame, raw.data, None, now);
                self.judge_packet(&passage, raw.trust, sink)
            }
            Ok(None) => {
                self.counters.add(Counter::NotInspectedPackets, 1);
                Verdict::Forward
            }
            Err(malformed) => self.refuse_malformed(malformed, frame, None, now, sink),
        }
    }

    /// A packet as it came, one put together from fragments, or one found inside another.
    fn judge_packet(
        &mut self,
        passage: &Passage<'_>,
        trust: ChecksumTrust,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        self.engine.scratch.begin_packet();
        let packet = passage.packet;
        if !packet.events.is_empty()
            && let Some(verdict) = self.judge_oddities(packet.events, passage, sink)
        {
            return verdict;
        }
        match &packet.transport {
            Transport::Fragment => self.judge_fragment(trust, passage, sink),
            _ if let Some(verdict) = self.before_flow(passage, sink) => verdict,
            Transport::Tcp(tcp) => self.judge_tcp(tcp, passage, sink),
            _ => match self.judge_datagram(passage, sink) {
                Verdict::Forward => self.judge_inside(trust, passage, sink),
                refused => refused,
            },
        }
    }

    /// Signatures that look at the packet itself.
    fn packet_signatures(
        &mut self,
        id: FlowId,
        dir: Direction,
        established: bool,
        passage: &Passage<'_>,
    ) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let in_stream = flow.state.tcp.is_some();
        if !in_stream {
            self.counters
                .add(Counter::InspectedBytes, passage.packet.payload.len() as u64);
        }
        let packet = passage.packet;
        if !self
            .ruleset
            .asks_of_packet(packet, in_stream, &flow.state.detect, dir)
        {
            return;
        }
        let ctx = FlowContext {
            established,
            ..context(flow, passage.now)
        };
        self.ruleset.on_packet(
            &mut self.engine.scratch,
            &ctx,
            Some(&mut flow.state.detect),
            dir,
            packet,
            &mut self.engine.hits,
        );
    }

    /// The ruling on what was found, carried out.
    fn conclude(
        &mut self,
        id: FlowId,
        dir: Direction,
        class: TimeoutClass,
        refused: Option<&Refused<'_>>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let now = passage.now;
        self.flows.touch(id, class, now);
        let Settled {
            work,
            mut undecided,
        } = self.engine.settle(&self.counters);
        let Some(flow) = self.flows.get_mut(id) else {
            return Verdict::Forward;
        };
        let ends = (passage.ends.src.0, passage.ends.dst.0);
        let length = passage.packet.datagram.len() as u64;
        let most = self.config.flow_budget_us;
        if flow.state.debt.charge(work, length, most) {
            self.counters.add(Counter::FlowsOverBudget, 1);
            undecided = true;
        }
        self.engine
            .tell_suspended(&self.ruleset, flow.id, dir, passage, sink);
        if self
            .engine
            .tagged
            .takes(ends, &mut flow.state.tags, now, length)
        {
            self.counters.add(Counter::Tagged, 1);
            let number = self.counters.get(Counter::Received);
            sink.event(Event::Tagged(TaggedEvent {
                at: now,
                flow_id: flow.id,
                ends: passage.ends,
                direction: dir,
                packet_number: self.config.number_packets.then_some(number),
                frame: passage.frame,
            }));
        }
        let full = self.engine.scratch.take_full();
        if full {
            self.counters.add(Counter::KeptFull, 1);
        }
        let failed = dir_failed(flow, dir);
        // A firewall is asked all the same about what other rules let pass.
        if flow.state.standing == Standing::Passed || self.engine.gate.pass.is_some() {
            self.engine.hits.clear();
        }
        let quiet = !failed && !full && !undecided;
        if self.engine.hits.is_empty() && !self.engine.gate.has_news() && quiet {
            self.engine.hits.clear();
            return Verdict::Forward;
        }
        let lacks = Lacks {
            full,
            undecided,
            failed,
        };
        self.carry_out(id, dir, lacks, refused, passage, sink)
    }

    fn refuse(
        &mut self,
        id: FlowId,
        reason: DropReason,
        reject: Option<RejectTarget>,
        now: Timestamp,
    ) {
        self.counters.add(Counter::FlowsRefused, 1);
        self.flows.touch(id, TimeoutClass::Refused, now);
        if let Some(flow) = self.flows.get_mut(id) {
            flow.state.standing = Standing::Refused(Refusal {
                reason,
                resets: reject.is_some(),
                answered: [Timestamp::ZERO; 2],
            });
            // The session keeps its numbers; bytes are of no use any more.
            if let Some(session) = flow.state.tcp.as_mut() {
                session.release(&mut self.pool);
            }
            self.engine.release(&mut flow.state);
        }
    }

    fn send_resets(
        &self,
        reject: Option<RejectTarget>,
        refused: Option<&Refused<'_>>,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) {
        if let (Some(target), Some(refused)) = (reject, refused) {
            for reset in refused.resets(target, now) {
                sink.reset(reset);
            }
        }
    }

    /// The verdict of a flow that is refused or passed already.
    fn settled(
        &mut self,
        id: FlowId,
        dir: Direction,
        tcp: Option<&TcpHeader<'_>>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let now = passage.now;
        let interval = self.config.reset_interval;
        let flow = self.flows.get_mut(id)?;
        match &mut flow.state.standing {
            Standing::Inspected => None,
            Standing::Passed if self.engine.gate.asks_hooks && !flow.state.accepted => None,
            Standing::Passed => {
                self.flows.touch(id, TimeoutClass::Established, now);
                Some(Verdict::Forward)
            }
            Standing::Refused(refusal) => {
                let answered = &mut refusal.answered[dir.index()];
                let due = *answered == Timestamp::ZERO || now.since(*answered) >= interval;
                if let Some(tcp) = tcp
                    && refusal.resets
                    && !tcp.flags().has(TcpFlags::RST)
                {
                    if due {
                        *answered = now;
                        let length = passage.packet.payload.len();
                        sink.reset(answer(passage.ends, tcp, length, now));
                    } else {
                        self.counters.add(Counter::ResetsLimited, 1);
                    }
                }
                let reason = refusal.reason.of_later_packets();
                self.flows.touch(id, TimeoutClass::Refused, now);
                if self.config.drop_event_per_packet {
                    self.note_drop(Some(id), Some(dir), reason, None, passage, sink);
                }
                Some(Verdict::Drop(reason))
            }
        }
    }

    fn open(
        &mut self,
        key: FlowKey,
        from_server: bool,
        state: FlowState,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Result<FlowId, Verdict> {
        let now = passage.now;
        let (client, server) = if from_server {
            (passage.ends.dst, passage.ends.src)
        } else {
            (passage.ends.src, passage.ends.dst)
        };
        let new = NewFlow {
            key,
            client,
            server,
            class: TimeoutClass::New,
        };
        let (flows, mut ending) = self.ending();
        let opened = flows.insert(new, now, state, &mut |flow, why| {
            let reason = memory::let_go(why, ending.counters);
            ending.end(flow, reason, now, sink);
        });
        self.engine.settle(&self.counters);
        match opened {
            Ok(id) => {
                self.counters.add(Counter::FlowsCreated, 1);
                Ok(id)
            }
            Err(_) => {
                let policy = self.config.exceptions.flow_table_full;
                Err(self.except_packet(policy, DropReason::FlowTableFull, passage, sink))
            }
        }
    }

    /// Counts the packet into its flow; which way it goes.
    fn enter(&mut self, id: FlowId, passage: &Passage<'_>) -> Option<Direction> {
        self.current = Some(id);
        let flow = self.flows.get_mut(id)?;
        let dir = flow.direction_of(passage.packet);
        flow.count(dir, passage.frame.bytes());
        Some(dir)
    }

    fn except_packet(
        &self,
        policy: ExceptionPolicy,
        reason: DropReason,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        if policy == ExceptionPolicy::Pass {
            self.counters.add(Counter::ExceptionPass, 1);
            return Verdict::Forward;
        }
        if policy == ExceptionPolicy::Reject
            && let Transport::Tcp(tcp) = &passage.packet.transport
            && !tcp.flags().has(TcpFlags::RST)
        {
            let length = passage.packet.payload.len();
            sink.reset(answer(passage.ends, tcp, length, passage.now));
        }
        self.note_drop(None, None, reason, None, passage, sink);
        Verdict::Drop(reason)
    }

    fn note_drop(
        &self,
        id: Option<FlowId>,
        direction: Option<Direction>,
        reason: DropReason,
        signature: Option<&CompiledSignature>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) {
        sink.event(Event::Drop(DropEvent {
            at: passage.now,
            flow_id: id.and_then(|id| self.flows.get(id)).map(|flow| flow.id),
            ends: Some(passage.ends),
            direction,
            reason,
            packet: Some(passage.packet),
            packet_number: self.packet_number(),
            signature,
        }));
    }

    /// Of the packet in hand, where packets have numbers.
    fn packet_number(&self) -> Option<u64> {
        let number = self.counters.get(Counter::Received);
        self.config.number_packets.then_some(number)
    }

    /// Something of ours went wrong: the flow in hand goes, the worker stays.
    fn recover(&mut self, now: Timestamp) -> Verdict {
        self.counters.add(Counter::Panics, 1);
        self.engine.scratch.restart();
        self.engine.hits.clear();
        self.engine.gate.close();
        let in_fragments = self.drop_fragments_in_hand();
        let pass = self.config.exceptions.internal_error == ExceptionPolicy::Pass;
        if let Some(flow) = self.current.take().and_then(|id| {
            self.flows.touch(id, TimeoutClass::Refused, now);
            self.flows.get_mut(id)
        }) {
            let state = FlowState {
                standing: if pass {
                    Standing::Passed
                } else {
                    Standing::Refused(Refusal {
                        reason: DropReason::InternalError,
                        resets: false,
                        answered: [Timestamp::ZERO; 2],
                    })
                },
                ..FlowState::default()
            };
            if let Some(session) = flow.state.tcp.as_mut() {
                session.release(&mut self.pool);
            }
            self.engine.forget_counted(&flow.state);
            flow.state = state;
        }
        // Of a datagram in fragments, the last alone is of no use to anybody.
        if pass && !in_fragments {
            self.counters.add(Counter::ExceptionPass, 1);
            Verdict::Forward
        } else {
            Verdict::Drop(DropReason::InternalError)
        }
    }
}

/// Whether the parser of this direction has just given up. Where holes are let through, no
/// parser is to blame for what lies behind one.
fn dir_failed(flow: &mut Flow<FlowState>, dir: Direction) -> bool {
    let failed = flow.state.app.failed(dir) && !flow.state.has_gap;
    failed && !std::mem::replace(&mut flow.state.failed[dir.index()], true)
}

#[cfg(test)]
mod tests;
