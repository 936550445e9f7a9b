//! A ruleset and the traffic it is held against.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::app_layer::{Event, Protocol};
use crate::buffer::Buffer;
use crate::decode::{ChecksumTrust, decode_ip};
use crate::detect::buffers::{Transaction, View};
use crate::detect::prefilter::VARIANTS;
use crate::detect::{
    CompileOptions, FlowContext, FlowCounts, FlowDetect, Hit, Hits, Layer, Policy, RuleInput,
    Ruleset, Scratch, State, StreamWindow,
};
use crate::direction::Direction;
use crate::number::{Number, Place};
use crate::signature::{Classes, Variables, parse_file};
use crate::stream::StreamEvents;
use crate::time::Timestamp;

pub(in crate::detect) const CLIENT: (IpAddr, u16) =
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_000);
pub(in crate::detect) const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 80);

/// Every way to find candidates; all must give the same hits.
pub(in crate::detect) fn ways() -> [CompileOptions; VARIANTS.len()] {
    VARIANTS.each_ref().map(|variant| CompileOptions {
        prefilter: variant.kind,
        ..CompileOptions::default()
    })
}

pub(in crate::detect) fn inputs(rules: &str) -> Vec<RuleInput> {
    let parsed = parse_file(
        "test.rules",
        rules,
        &Variables::default(),
        &Classes::default(),
    );
    assert!(parsed.failures.is_empty(), "{:?}", parsed.failures);
    let input = |signature| RuleInput {
        signature,
        patch: None,
    };
    parsed.signatures.into_iter().map(input).collect()
}

/// One flow under one ruleset.
pub(in crate::detect) struct Rig {
    pub(in crate::detect) ruleset: Ruleset,
    pub(in crate::detect) scratch: Scratch,
    pub(in crate::detect) flow: FlowDetect,
    pub(in crate::detect) ctx: FlowContext,
    pub(in crate::detect) hits: Hits,
    /// All of each direction's stream so far.
    sent: [Vec<u8>; 2],
}

impl Rig {
    pub(in crate::detect) fn new(rules: &str, options: &CompileOptions) -> Self {
        let layer = Layer::compile(inputs(rules), options);
        Self {
            ruleset: Ruleset::new(
                1,
                vec![Arc::new(layer)],
                Arc::new(Policy::default()),
                &State::default(),
                Arc::default(),
            ),
            scratch: Scratch::new(),
            flow: FlowDetect::new(),
            ctx: FlowContext {
                client: CLIENT,
                server: SERVER,
                protocol: 6,
                app: Protocol::Unknown,
                original_app: None,
                established: true,
                stream: true,
                stream_sizes: [0; 2],
                counts: FlowCounts::default(),
                stream_events: StreamEvents::NONE,
                flow_id: 1,
                now: Timestamp::from_secs(1),
            },
            hits: Hits::new(),
            sent: Default::default(),
        }
    }

    fn sids_of(&self, hits: &[Hit]) -> Vec<u32> {
        let sid = |h: &Hit| {
            let layer = &self.ruleset.layers[usize::from(h.layer)];
            layer.signatures()[h.signature as usize].id().sid
        };
        hits.iter().map(sid).collect()
    }

    /// Sids of the hits so far, sorted; hits are cleared.
    pub(in crate::detect) fn take(&mut self) -> Vec<u32> {
        let mut sids = self.sids_of(self.hits.as_slice());
        sids.sort_unstable();
        self.hits.clear();
        sids
    }

    /// Shows the next bytes of a stream, with no more before them than the ruleset asks for.
    pub(in crate::detect) fn stream(&mut self, direction: Direction, bytes: &[u8]) -> Vec<u32> {
        let keep = self.ruleset.stream_window_bytes(&self.ctx, direction);
        let sent = &mut self.sent[direction.index()];
        let Some(keep) = keep else {
            sent.extend_from_slice(bytes);
            return Vec::new();
        };
        let start = sent.len().saturating_sub(keep);
        let new_from = sent.len() - start;
        sent.extend_from_slice(bytes);
        let window = StreamWindow {
            bytes: &sent[start..],
            start_offset: start as u64,
            new_from,
            rules: crate::detect::StreamRules::All,
        };
        self.ruleset.on_stream(
            &mut self.scratch,
            &self.ctx,
            &mut self.flow,
            direction,
            window,
            &mut self.hits,
        );
        self.take()
    }

    pub(in crate::detect) fn tx(&mut self, direction: Direction, tx: &FakeTx) -> Vec<u32> {
        self.ctx.app = tx.protocol;
        self.ruleset.inspect_transaction(
            &mut self.scratch,
            &self.ctx,
            &mut self.flow,
            direction,
            tx,
            &mut self.hits,
        );
        self.take()
    }

    /// A packet of the flow.
    pub(in crate::detect) fn packet(&mut self, direction: Direction, datagram: &[u8]) -> Vec<u32> {
        let packet = decode_ip(datagram, ChecksumTrust::Ignored).unwrap();
        let asks = self
            .ruleset
            .asks_of_packet(&packet, self.ctx.stream, &self.flow, direction);
        self.ruleset.on_packet(
            &mut self.scratch,
            &self.ctx,
            Some(&mut self.flow),
            direction,
            &packet,
            &mut self.hits,
        );
        let found = self.take();
        // Whom nobody asks about must have nothing to be found.
        assert!(found.is_empty() || asks);
        found
    }

    /// A packet that belongs to no flow.
    pub(in crate::detect) fn lone_packet(&mut self, datagram: &[u8]) -> Vec<u32> {
        let packet = decode_ip(datagram, ChecksumTrust::Ignored).unwrap();
        let to_server = Direction::ToServer;
        let ctx = FlowContext::without_flow(&packet, to_server, self.ctx.now);
        let (scratch, hits) = (&mut self.scratch, &mut self.hits);
        self.ruleset
            .on_packet(scratch, &ctx, None, to_server, &packet, hits);
        self.take()
    }
}

pub(in crate::detect) fn tcp(payload: &[u8]) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [192, 0, 2, 1], 64)
        .tcp(CLIENT.1, SERVER.1, 1, 1000)
        .ack(1);
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

pub(in crate::detect) fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [192, 0, 2, 1], 64).udp(src, dst);
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

pub(in crate::detect) fn icmp(payload: &[u8]) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [192, 0, 2, 1], 64)
        .icmpv4_echo_request(1, 2);
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

/// A transaction whose buffers a test sets.
#[derive(Clone)]
pub(in crate::detect) struct FakeTx {
    pub(in crate::detect) protocol: Protocol,
    pub(in crate::detect) id: u64,
    pub(in crate::detect) revisions: [u32; 2],
    pub(in crate::detect) complete: [bool; 2],
    pub(in crate::detect) events: Vec<Event>,
    /// Buffer, direction, bytes, and whether that is all.
    pub(in crate::detect) buffers: Vec<(Buffer, Direction, Vec<u8>, bool)>,
    pub(in crate::detect) numbers: Vec<(Number, Direction, u64)>,
}

impl FakeTx {
    pub(in crate::detect) fn http(id: u64) -> Self {
        Self {
            protocol: Protocol::Http1,
            id,
            revisions: [0; 2],
            complete: [false; 2],
            events: Vec::new(),
            buffers: Vec::new(),
            numbers: Vec::new(),
        }
    }

    pub(in crate::detect) fn tls(id: u64) -> Self {
        Self {
            protocol: Protocol::Tls,
            ..Self::http(id)
        }
    }

    /// Sets a buffer, or another instance of one that may have many.
    pub(in crate::detect) fn set(&mut self, buffer: Buffer, bytes: &[u8]) -> &mut Self {
        let direction = buffer.direction().unwrap_or(Direction::ToServer);
        self.grow(buffer, direction, bytes, true)
    }

    pub(in crate::detect) fn grow(
        &mut self,
        buffer: Buffer,
        direction: Direction,
        bytes: &[u8],
        complete: bool,
    ) -> &mut Self {
        if !buffer.has_instances() {
            self.buffers.retain(|b| (b.0, b.1) != (buffer, direction));
        }
        self.buffers
            .push((buffer, direction, bytes.to_vec(), complete));
        self.touch(direction)
    }

    pub(in crate::detect) fn touch(&mut self, direction: Direction) -> &mut Self {
        self.revisions[direction.index()] += 1;
        self
    }

    pub(in crate::detect) fn end(&mut self, direction: Direction) -> &mut Self {
        self.complete[direction.index()] = true;
        self.touch(direction)
    }

    fn of(
        &self,
        buffer: Buffer,
        direction: Direction,
    ) -> impl Iterator<Item = &(Buffer, Direction, Vec<u8>, bool)> {
        self.buffers
            .iter()
            .filter(move |b| b.0 == buffer && b.1 == direction)
    }
}

impl Transaction for FakeTx {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn id(&self) -> u64 {
        self.id
    }

    fn revision(&self, direction: Direction) -> u32 {
        self.revisions[direction.index()]
    }

    fn progress(&self, direction: Direction) -> u8 {
        if self.complete[direction.index()] {
            4
        } else {
            0
        }
    }

    fn is_complete(&self, direction: Direction) -> bool {
        self.complete[direction.index()]
    }

    fn events(&self) -> &[Event] {
        &self.events
    }

    fn amendable_bytes(&self, direction: Direction) -> usize {
        self.of(Buffer::HttpHeaderRaw, direction)
            .map(|b| b.2.len())
            .sum()
    }

    fn instances(&self, buffer: Buffer, direction: Direction) -> usize {
        self.of(buffer, direction).count()
    }

    fn may_come(&self, buffer: Buffer) -> bool {
        buffer.has_instances()
    }

    fn is_settled(&self, _: Buffer, direction: Direction) -> bool {
        self.is_complete(direction)
    }

    fn has_number(
        &self,
        number: Number,
        direction: Direction,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool {
        let of = |(n, d, _): &&(Number, Direction, u64)| (*n, *d) == (number, direction);
        self.numbers.iter().filter(of).any(|(_, _, n)| will_do(*n))
    }

    fn has_number_at(
        &self,
        number: Number,
        direction: Direction,
        place: Place,
        will_do: &dyn Fn(u64) -> bool,
    ) -> bool {
        let of = |(n, d, _): &&(Number, Direction, u64)| (*n, *d) == (number, direction);
        let numbers = self.numbers.iter().filter(of).map(|(_, _, n)| Some(*n));
        place.holds(numbers, will_do)
    }

    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>> {
        let (_, _, bytes, complete) = self.of(buffer, direction).nth(instance)?;
        Some(View {
            bytes,
            complete: *complete,
        })
    }
}
