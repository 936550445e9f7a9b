//! One rule, compiled: what an inspection asks, cheapest first.

use super::addresses::{ANY_ADDRESS, AddressSet, port_in};
use super::kept::KeptRules;
use crate::app_layer::{Event, Protocol};
use crate::buffer::Buffer;
use crate::decode::{DecodeEvents, protocol};
use crate::detect::context::{Endpoints, FlowContext};
use crate::detect::flowbits::{BitId, Bits};
use crate::detect::keywords::Program;
use crate::direction::Direction;
use crate::signature::ast::{
    Absent, AppHook, FlowCountTest, Flowbit, FlowbitCommand, NumberTest, PacketTest, Proto,
    ProtocolMode, ProtocolTest, StreamSize,
};
use crate::signature::header_number::HeaderNumber;

/// Addresses and ports, by the numbers of the layer's sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeaderTest {
    pub(crate) protocol: Proto,
    pub(crate) src: u32,
    pub(crate) dst: u32,
    pub(crate) src_ports: u32,
    pub(crate) dst_ports: u32,
    pub(crate) bidirectional: bool,
}

/// The layer's address and port sets.
#[derive(Debug, Default)]
pub(crate) struct Sets {
    pub(crate) addresses: Vec<AddressSet>,
    pub(crate) ports: Vec<Box<[(u16, u16)]>>,
}

impl Sets {
    pub(crate) fn ports(&self, id: u32) -> &[(u16, u16)] {
        self.ports.get(id as usize).map_or(&[], |p| p)
    }

    /// Whether a packet without addresses and ports will do.
    pub(crate) fn asks_nothing(&self, header: &HeaderTest) -> bool {
        let any_port = |id| port_in(self.ports(id), 0);
        header.src == ANY_ADDRESS
            && header.dst == ANY_ADDRESS
            && any_port(header.src_ports)
            && any_port(header.dst_ports)
    }

    fn has_address(&self, id: u32, ip: std::net::IpAddr) -> bool {
        id == ANY_ADDRESS
            || self
                .addresses
                .get(id as usize)
                .is_some_and(|s| s.contains(ip))
    }

    fn side(&self, addresses: u32, ports: u32, end: (std::net::IpAddr, u16)) -> bool {
        port_in(self.ports(ports), end.1) && self.has_address(addresses, end.0)
    }
}

impl HeaderTest {
    /// Addresses and ports; the protocol is told apart by where the rule is kept.
    pub(crate) fn endpoints_match(&self, sets: &Sets, ends: &Endpoints) -> bool {
        let one_way = |src, dst| {
            sets.side(self.src, self.src_ports, src) && sets.side(self.dst, self.dst_ports, dst)
        };
        one_way(ends.src, ends.dst) || (self.bidirectional && one_way(ends.dst, ends.src))
    }

    /// Whether it is for TCP streams, by protocol and IP version.
    pub(crate) fn is_for_stream(&self, is_v6: bool) -> bool {
        let packets_only = matches!(
            self.protocol,
            Proto::Udp
                | Proto::Icmp
                | Proto::Icmp4
                | Proto::Icmp6
                | Proto::TcpPacket
                | Proto::PacketHeader
        );
        !packets_only && self.ip_version_matches(is_v6)
    }

    /// Whether it is for transactions of flows of an IP protocol.
    pub(crate) fn is_for_transaction(&self, ip_protocol: u8, is_v6: bool) -> bool {
        let carrier = match self.protocol {
            Proto::Ip | Proto::Ipv4 | Proto::Ipv6 | Proto::App(_) => true,
            Proto::Tcp | Proto::TcpStream => ip_protocol == protocol::TCP,
            Proto::Udp => ip_protocol == protocol::UDP,
            Proto::TcpPacket | Proto::Icmp | Proto::Icmp4 | Proto::Icmp6 | Proto::PacketHeader => {
                false
            }
        };
        carrier && self.ip_version_matches(is_v6)
    }

    pub(crate) fn ip_version_matches(&self, is_v6: bool) -> bool {
        match self.protocol {
            Proto::Ipv4 | Proto::Icmp4 => !is_v6,
            Proto::Ipv6 | Proto::Icmp6 => is_v6,
            _ => true,
        }
    }
}

/// `flow`.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlowTest {
    pub(crate) direction: Option<Direction>,
    pub(crate) established: Option<bool>,
    pub(crate) only_fragments: Option<bool>,
    /// `stream_size`
    pub(crate) stream_sizes: Box<[StreamSize]>,
    /// `flow.pkts` and the like.
    pub(crate) counts: Box<[FlowCountTest]>,
    /// Anything is asked that only a flow can answer.
    pub(crate) needs_flow: bool,
}

impl FlowTest {
    pub(crate) fn matches(&self, ctx: &FlowContext, direction: Direction) -> bool {
        self.direction.is_none_or(|d| d == direction)
            && self.established.is_none_or(|e| e == ctx.established)
            && self
                .stream_sizes
                .iter()
                .all(|s| ctx.stream && s.matches(ctx.stream_sizes))
            && self.counts.iter().all(|t| ctx.counts.fulfil(t))
    }
}

/// `flowbits`, asking.
#[derive(Debug)]
pub(crate) struct BitTest {
    any_of: Box<[BitId]>,
    set: bool,
}

/// `flowbits`, acting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BitAction {
    Set(BitId),
    Unset(BitId),
    Toggle(BitId),
}

#[derive(Debug, Default)]
pub(crate) struct BitRules {
    tests: Box<[BitTest]>,
    actions: Box<[BitAction]>,
}

impl BitRules {
    pub(crate) fn new(flowbits: &[Flowbit]) -> Self {
        let mut tests = Vec::new();
        let mut actions = Vec::new();
        for bit in flowbits {
            let ids = bit.names.iter().map(|n| BitId::of(n));
            match bit.command {
                FlowbitCommand::IsSet => tests.push(BitTest {
                    any_of: ids.collect(),
                    set: true,
                }),
                FlowbitCommand::IsNotSet => {
                    tests.push(BitTest {
                        any_of: ids.collect(),
                        set: false,
                    });
                }
                FlowbitCommand::Set => actions.extend(ids.map(BitAction::Set)),
                FlowbitCommand::Unset => actions.extend(ids.map(BitAction::Unset)),
                FlowbitCommand::Toggle => actions.extend(ids.map(BitAction::Toggle)),
            }
        }
        Self {
            tests: tests.into(),
            actions: actions.into(),
        }
    }

    pub(crate) fn asks(&self) -> bool {
        !self.tests.is_empty()
    }

    pub(crate) fn acts(&self) -> bool {
        !self.actions.is_empty()
    }

    pub(crate) fn matches(&self, bits: &Bits) -> bool {
        self.tests
            .iter()
            .all(|t| t.any_of.iter().any(|&b| bits.has(b)) == t.set)
    }

    /// Whether that changed anything.
    pub(crate) fn act(&self, bits: &mut Bits) -> bool {
        let mut changed = false;
        for action in &self.actions {
            changed |= match *action {
                BitAction::Set(b) => bits.set(b),
                BitAction::Unset(b) => bits.unset(b),
                BitAction::Toggle(b) => {
                    bits.toggle(b);
                    true
                }
            };
        }
        changed
    }
}

/// Which application protocols a rule is for.
#[derive(Debug, Default)]
pub(crate) struct AppTest {
    pub(crate) protocol: Option<Protocol>,
    pub(crate) tests: Box<[ProtocolTest]>,
}

impl AppTest {
    pub(crate) fn is_some(&self) -> bool {
        self.protocol.is_some() || !self.tests.is_empty()
    }

    /// Whether it asks for packets that come before the protocol is known.
    pub(crate) fn is_early(&self) -> bool {
        let early = |t: &ProtocolTest| {
            t.protocol == Protocol::Undetermined && !t.negated && t.mode == ProtocolMode::Final
        };
        self.tests.iter().any(early)
    }

    /// `original`: what the flow spoke before `app`, if it changed.
    pub(crate) fn matches(&self, app: Protocol, original: Option<Protocol>) -> bool {
        if !self.is_some() {
            return true;
        }
        (app != Protocol::Undetermined || self.is_early())
            && self.protocol.is_none_or(|p| p.covers(app))
            && self.tests.iter().all(|t| {
                let asked = match t.mode {
                    ProtocolMode::Final => Some(app),
                    ProtocolMode::Original => original,
                };
                asked.is_some_and(|of| t.protocol.covers(of) != t.negated)
            })
    }
}

/// The payload part of a rule.
#[derive(Debug)]
pub(crate) struct PayloadTests {
    pub(crate) program: Program,
    /// A match lies within this many bytes; zero: one content alone, its place tells all.
    pub(crate) span: u32,
    /// May be held against the stream.
    pub(crate) on_stream: bool,
    /// May be held against single packets even where there is a stream.
    pub(crate) on_packet: bool,
    /// Whether a scan of the stream also tells of packets in which the rule's pattern stands.
    pub(crate) packet_by_stream: bool,
    /// May be held against single packets where there is no stream.
    pub(crate) on_loose_packet: bool,
}

/// The tests behind one buffer of a transaction.
#[derive(Debug)]
pub(crate) struct BufferGroup {
    /// The layer's slot, by the direction in which the rule is evaluated.
    pub(crate) slots: [u32; 2],
    pub(crate) program: Program,
    pub(crate) absent: Option<Absent>,
    /// Evaluated when the buffer is complete only.
    pub(crate) needs_whole: bool,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) header: HeaderTest,
    pub(crate) flow: FlowTest,
    pub(crate) app: AppTest,
    pub(crate) bits: BitRules,
    pub(crate) kept: KeptRules,
    /// Of the packet itself.
    pub(crate) packet: Box<[PacketTest]>,
    /// Of the packet's headers, by their buffer.
    pub(crate) headers: Box<[(Buffer, Program)]>,
    pub(crate) payload: Option<PayloadTests>,
    /// Of the transaction; all must match.
    pub(crate) buffers: Box<[BufferGroup]>,
    pub(crate) events: Box<[Event]>,
    /// Of the transaction; all must hold.
    pub(crate) numbers: Box<[NumberTest]>,
    /// `decode-event`: all must be seen. Such a rule tests nothing else but its header.
    pub(crate) decode_events: DecodeEvents,
    /// In which directions the transaction part is evaluated.
    pub(crate) directions: [bool; 2],
    /// The state of a transaction from which on it is evaluated.
    pub(crate) hook: Option<AppHook>,
    /// Held against the first packet of each direction of a flow only.
    pub(crate) first_only: bool,
    /// A byte variable may go from one buffer to the next: all are evaluated together.
    pub(crate) has_variables: bool,
    pub(crate) noalert: bool,
}

impl Rule {
    /// Whether it asks about a packet's headers, length or place what another packet of the flow
    /// may answer differently. The protocol of the IP payload is the flow's.
    pub(crate) fn asks_each_packet(&self) -> bool {
        let of_flow = |t: &PacketTest| matches!(t, PacketTest::Number(HeaderNumber::IpProtocol, _));
        !self.packet.iter().all(of_flow) || !self.headers.is_empty() || self.app.is_early()
    }

    /// Whether it looks at a transaction.
    pub(crate) fn has_transaction_part(&self) -> bool {
        self.asks_transaction() || self.hook.is_some()
    }

    /// Whether it looks at what is in a transaction, not only at how far it has come.
    pub(crate) fn asks_transaction(&self) -> bool {
        !self.buffers.is_empty() || !self.events.is_empty() || !self.numbers.is_empty()
    }

    /// Whether nothing else waits for its match on a stream, nor it for anything else.
    pub(crate) fn is_patient(&self) -> bool {
        !self.is_mixed() && !self.asks() && !self.bits.acts() && !self.kept.acts()
    }

    /// Whether what is kept between packets decides about it.
    pub(crate) fn asks(&self) -> bool {
        self.bits.asks() || self.kept.asks()
    }

    /// Whether it needs both a transaction and raw payload.
    pub(crate) fn is_mixed(&self) -> bool {
        self.payload.is_some() && self.has_transaction_part()
    }
}
