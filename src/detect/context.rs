//! What the caller knows of the traffic it asks about.

use std::net::IpAddr;

use crate::app_layer::Protocol;
use crate::decode::Packet;
use crate::direction::Direction;
use crate::signature::ast::{FlowCount, FlowCountTest, FlowEnds};
use crate::stream::StreamEvents;
use crate::time::Timestamp;

/// A flow as far as rules can ask about it.
#[derive(Clone, Copy, Debug)]
pub struct FlowContext {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    /// IANA protocol number.
    pub protocol: u8,
    pub app: Protocol,
    /// What the flow spoke before, if it changed.
    pub original_app: Option<Protocol>,
    /// For TCP: the handshake is over. For others: both ends have spoken.
    pub established: bool,
    /// Payload of this flow also comes as a stream ([`super::Ruleset::on_stream`]). Where it does
    /// not (UDP, TCP without its handshake), stream rules are held against single packets.
    pub stream: bool,
    /// Sequence numbers used so far, by direction of who sent them; zero where there is no stream.
    pub stream_sizes: [u64; 2],
    pub counts: FlowCounts,
    /// What was odd about the segment in hand; none where there is no segment.
    pub stream_events: StreamEvents,
    /// A number that stays the same for the flow's life; picks the canary slice.
    pub flow_id: u64,
    pub now: Timestamp,
}

/// What was counted of a flow, the packet in hand included. By direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounts {
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    pub packets: [u64; 2],
    pub bytes: [u64; 2],
}

impl FlowCounts {
    pub(crate) fn fulfil(&self, test: &FlowCountTest) -> bool {
        let holds = |n| test.range.contains(n);
        let both = |counted: &[u64; 2], ends| match ends {
            FlowEnds::One(direction) => holds(counted[direction.index()]),
            FlowEnds::Either => counted.iter().any(|&n| holds(n)),
            FlowEnds::Both => counted.iter().all(|&n| holds(n)),
        };
        match test.count {
            FlowCount::Age => holds(self.last_seen.since(self.first_seen).as_secs()),
            FlowCount::Packets(ends) => both(&self.packets, ends),
            FlowCount::Bytes(ends) => both(&self.bytes, ends),
        }
    }
}

impl FlowContext {
    /// What a rule that needs no flow may ask about.
    pub(crate) fn without_flow(packet: &Packet<'_>, direction: Direction, now: Timestamp) -> Self {
        let ends = Endpoints::of(packet);
        let (client, server) = match direction {
            Direction::ToServer => (ends.src, ends.dst),
            Direction::ToClient => (ends.dst, ends.src),
        };
        Self {
            client,
            server,
            protocol: packet.ip.protocol,
            app: Protocol::Undetermined,
            original_app: None,
            established: false,
            stream: false,
            stream_sizes: [0; 2],
            counts: FlowCounts::default(),
            stream_events: StreamEvents::NONE,
            flow_id: 0,
            now,
        }
    }

    pub(crate) fn endpoints(&self, direction: Direction) -> Endpoints {
        let (src, dst) = match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        };
        Endpoints { src, dst }
    }
}

/// Sender and receiver of the bytes in question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoints {
    pub(crate) src: (IpAddr, u16),
    pub(crate) dst: (IpAddr, u16),
}

impl Endpoints {
    pub(crate) fn of(packet: &Packet<'_>) -> Self {
        let (src_port, dst_port) = packet.ports();
        Self {
            src: (packet.src(), src_port),
            dst: (packet.dst(), dst_port),
        }
    }
}

/// The newest bytes of one direction of a stream, with what was kept before them.
#[derive(Clone, Copy, Debug)]
pub struct StreamWindow<'a> {
    /// The kept window; it ends with the new bytes.
    pub bytes: &'a [u8],
    /// Stream offset of `bytes[0]`.
    pub start_offset: u64,
    /// Index in `bytes` of the first byte not shown before.
    pub new_from: usize,
    pub rules: StreamRules,
}

/// Which rules look at a window. Bytes may be shown to some rules before they are to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRules {
    All,
    /// Those that others wait for, or that wait for others: with transactions, with flowbits.
    Prompt,
    /// The rest.
    Patient,
}

impl StreamRules {
    pub(crate) const fn take(self, patient: bool) -> bool {
        match self {
            Self::All => true,
            Self::Prompt => !patient,
            Self::Patient => patient,
        }
    }
}
