//! What the data path tells the outside: borrowed, cheap to make, owned by no one.

use std::net::IpAddr;

use crate::app_layer::{self, Protocol, TxRef, Unit};
use crate::decode::{LinkType, Packet, Wrapping};
use crate::defrag::Cut;
use crate::detect::{Captured, CompiledSignature, Evidence, FlowCounts, Leniency};
use crate::direction::Direction;
use crate::time::Timestamp;
use crate::verdict::{Action, DropReason, Mode};

/// Takes what a worker emits. Called on the worker's thread: it must not block.
pub trait EventSink {
    fn event(&mut self, event: Event<'_>);

    /// Asks for an RST to be sent once every pending verdict is.
    fn reset(&mut self, reset: Reset);

    /// Asks for a datagram to be sent once every pending verdict is: its own fragments were held.
    fn reassembled(&mut self, datagram: Reassembled<'_>);
}

/// A datagram that came in fragments, was judged whole, and goes on cut anew.
#[derive(Clone, Copy, Debug)]
pub struct Reassembled<'a> {
    pub at: Timestamp,
    pub link: LinkType,
    /// The bytes before the IP header.
    pub link_header: &'a [u8],
    /// The headers of tunnels among them, to be made to fit each fragment.
    pub wrapping: Wrapping,
    pub datagram: &'a [u8],
    pub cut: Cut,
}

#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    Alert(AlertEvent<'a>),
    Drop(DropEvent<'a>),
    Flow(FlowEvent),
    Tagged(TaggedEvent<'a>),
    Suspended(SuspendedEvent<'a>),
}

/// A rule took more than its budget, and is not asked for a while.
#[derive(Clone, Copy, Debug)]
pub struct SuspendedEvent<'a> {
    pub at: Timestamp,
    /// The flow with which it took too much.
    pub flow_id: u64,
    pub ends: Ends,
    pub direction: Direction,
    pub signature: &'a CompiledSignature,
    /// What it took in one second.
    pub spent_us: u64,
    pub secs: u32,
}

/// A packet of a flow or a host that a rule has tagged.
#[derive(Clone, Copy, Debug)]
pub struct TaggedEvent<'a> {
    pub at: Timestamp,
    pub flow_id: u64,
    pub ends: Ends,
    pub direction: Direction,
    pub packet_number: Option<u64>,
    pub frame: Frame<'a>,
}

/// The two ends of a packet, in the direction it was going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    pub src: (IpAddr, u16),
    pub dst: (IpAddr, u16),
    /// IANA protocol number.
    pub protocol: u8,
    pub vlan: [u16; 3],
    /// Type and code of an ICMP message.
    pub icmp: Option<(u8, u8)>,
    /// The packet around it, where it is inside a tunnel.
    pub tunnel: Option<Outer>,
}

/// A packet that has another one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    pub src: (IpAddr, u16),
    pub dst: (IpAddr, u16),
    pub protocol: u8,
    /// How many tunnels the inner packet is inside.
    pub depth: u8,
}

/// A signature matched.
#[derive(Clone, Copy, Debug)]
pub struct AlertEvent<'a> {
    pub at: Timestamp,
    /// `None`: the packet belongs to no flow.
    pub flow_id: Option<u64>,
    /// `None`: a packet whose IP header cannot be read.
    pub ends: Option<Ends>,
    /// The flow so far, where there is one.
    pub flow: Option<FlowSoFar>,
    pub direction: Direction,
    pub app: Protocol,
    pub signature: &'a CompiledSignature,
    /// What the signature and its patch ask for.
    pub asked: Action,
    /// What was done for it.
    pub done: Action,
    /// What was done to the packet, all in all.
    pub outcome: Action,
    /// The mode that was in force for the signature's patch; `None`: not from a pack.
    pub mode: Option<Mode>,
    /// Why less was done than asked: a mode, an exception.
    pub held_back: Option<Leniency>,
    pub tx: Option<TxRef<'a>>,
    /// Of a rule that asks for frames: the one that matched, in its unit.
    pub frame: Option<(&'a Unit, &'a app_layer::Frame)>,
    pub evidence: Option<&'a Evidence>,
    pub shown: Shown<'a>,
    /// What expressions and sets have found out.
    pub captured: &'a [Captured],
}

/// A flow that goes on, the packet in hand counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowSoFar {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    pub counts: FlowCounts,
}

/// A packet with its link header.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub link: LinkType,
    /// What stands before `datagram`, where that is not one piece with it.
    pub header: &'a [u8],
    pub datagram: &'a [u8],
}

impl<'a> Frame<'a> {
    /// As it came from the capture.
    pub const fn received(link: LinkType, bytes: &'a [u8]) -> Self {
        Self {
            link,
            header: &[],
            datagram: bytes,
        }
    }

    /// Its length, the link header included where there is one.
    pub const fn bytes(&self) -> u64 {
        (self.header.len() + self.datagram.len()) as u64
    }
}

/// The traffic that an alert is about, as far as the log is to show it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// In its capture, from 1; at the end of a flow, of the last packet with data.
    pub packet_number: Option<u64>,
    pub packet: Option<Frame<'a>>,
    pub payload: Option<&'a [u8]>,
    /// The payload is what is kept of the stream, with its holes named.
    pub of_stream: bool,
    /// No packet completed the match: its flow ended.
    pub at_flow_end: bool,
}

/// A packet was not forwarded.
#[derive(Clone, Copy, Debug)]
pub struct DropEvent<'a> {
    pub at: Timestamp,
    pub flow_id: Option<u64>,
    pub ends: Option<Ends>,
    pub direction: Option<Direction>,
    pub reason: DropReason,
    /// `None`: the headers could not be read.
    pub packet: Option<&'a Packet<'a>>,
    /// In its capture, from 1.
    pub packet_number: Option<u64>,
    /// The signature that refused the flow, where one did.
    pub signature: Option<&'a CompiledSignature>,
}

/// A flow left the table.
#[derive(Clone, Copy, Debug)]
pub struct FlowEvent {
    pub at: Timestamp,
    pub flow_id: u64,
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    pub protocol: u8,
    pub vlan: [u16; 3],
    pub app: Protocol,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// By direction.
    pub packets: [u64; 2],
    /// By direction.
    pub bytes: [u64; 2],
    pub reason: FlowEndReason,
    pub established: bool,
    /// The kernel forwarded packets of it by itself, which are not counted here.
    pub bypassed: bool,
    pub alerted: bool,
    pub refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowEndReason {
    Timeout,
    Evicted,
    /// A new connection took the same ports.
    Reused,
    Shutdown,
}

impl FlowEndReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Evicted => "forced",
            Self::Reused => "tcp_reuse",
            Self::Shutdown => "shutdown",
        }
    }
}

/// An RST to be injected: it seems to come from `src` and goes to `dst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    pub at: Timestamp,
    pub src: (IpAddr, u16),
    pub dst: (IpAddr, u16),
    pub seq: u32,
    pub ack: Option<u32>,
}
