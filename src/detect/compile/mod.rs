//! From parsed signatures to flat tables.

mod address_index;
mod addresses;
mod build;
mod claims;
mod fast_pattern;
mod firewall;
mod kept;
mod order;
mod packet_index;
mod ports;
mod program;
mod rule;
mod screen;
mod told;

use std::sync::Arc;

use super::buffers::Shaper;
use super::policy::PatchInfo;
use super::prefilter::Kind;
use crate::app_layer::{Event, FrameProtocols, Protocol};
use crate::buffer::Buffer;
use crate::decode::{Packet, Transport};
use crate::direction::Direction;
use crate::signature::ast::{SetDefinition, Signature, SignatureId, Transform};
use crate::verdict::Action;

use address_index::AddressIndex;
pub use claims::Claim;
pub(crate) use claims::Claimant;
pub use firewall::PacketTable;
pub(crate) use firewall::{Firewall, HookRule};
pub(crate) use kept::{Occasion, text_id};
pub use order::share_names;
use packet_index::PacketIndex;
pub(crate) use ports::PortGroups;
use rule::Sets;
pub(crate) use rule::{BufferGroup, PayloadTests, Rule};
use screen::Screen;
pub use told::Told;

/// What [`Layer::compile`] takes.
#[derive(Clone, Debug)]
pub struct RuleInput {
    pub signature: Arc<Signature>,
    /// `None` outside of packs.
    pub patch: Option<Arc<PatchInfo>>,
}

#[derive(Clone, Copy, Debug)]
pub struct CompileOptions {
    /// `None`: every rule is tried on everything. For comparison.
    pub prefilter: Option<Kind>,
    /// Bytes of a stream, before its newest ones, that a match may reach back to. A rule whose
    /// contents lie further apart than this is not found.
    pub stream_window: u32,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            prefilter: Some(Kind::Auto),
            stream_window: 8 * 1024,
        }
    }
}

/// A signature in force: what logs and verdicts need of it.
#[derive(Clone, Debug)]
pub struct CompiledSignature {
    pub signature: Told,
    pub patch: Option<Arc<PatchInfo>>,
}

impl CompiledSignature {
    pub const fn id(&self) -> SignatureId {
        self.signature.id
    }

    /// What it asks for, with the patch's response in place of a plain `drop`.
    pub fn action(&self) -> Action {
        match &self.patch {
            Some(patch) => patch.action(self.signature.action),
            None => self.signature.action,
        }
    }
}

/// Figures of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub signatures: usize,
    /// Of them, those that look at packet headers alone.
    pub header_only: usize,
    /// Those that look at raw payload.
    pub payload: usize,
    /// Those that look at transactions.
    pub transaction: usize,
    /// Those that no content lets skip.
    pub without_prefilter: usize,
    /// Distinct groups of payload rules by port.
    pub port_groups: usize,
    pub matchers: usize,
    /// Of all matchers; a pattern in several counts in each.
    pub patterns: usize,
    pub matcher_bytes: usize,
}

/// Signatures compiled together. Immutable; workers share it.
#[derive(Debug)]
pub struct Layer {
    signatures: Vec<CompiledSignature>,
    /// By the same index as `signatures`, which is the order of evaluation.
    pub(crate) rules: Vec<Rule>,
    pub(crate) sets: Sets,
    pub(crate) slots: Vec<Slot>,
    payload: [[PortGroups; 2]; Traffic::COUNT],
    /// Header-only rules asked on the first packet of each direction.
    pub(crate) first_packet: AddressIndex,
    /// Rules without payload asked on every packet.
    pub(crate) each_packet: PacketIndex,
    /// Rules that ask for the application protocol and nothing else.
    pub(crate) protocol_only: Vec<u32>,
    /// Rules that ask for `decode-event`.
    pub(crate) odd: Vec<u32>,
    /// Rules that ask for a fragment's place.
    pub(crate) fragments: Vec<u32>,
    transactions: Box<TransactionPlaces>,
    /// What rules may still want of a flow.
    pub(crate) claimants: Vec<Claimant>,
    /// Protocols whose frames rules ask for.
    frames_asked: FrameProtocols,
    /// Sets that rules name, and whether the rule changes them.
    pub(crate) sets_used: Vec<(SetDefinition, bool)>,
    /// Where its rules are a firewall's: all of them are, and stand in these tables alone.
    pub(crate) firewall: Option<Firewall>,
    summary: Summary,
}

/// Kinds of payload that have rules of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Traffic {
    TcpStream,
    TcpPacket,
    Udp,
    Icmp4,
    Icmp6,
    Other,
}

impl Traffic {
    pub(crate) const COUNT: usize = 6;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::TcpStream,
        Self::TcpPacket,
        Self::Udp,
        Self::Icmp4,
        Self::Icmp6,
        Self::Other,
    ];

    /// The kind that a packet by itself is.
    pub(crate) const fn of(packet: &Packet<'_>) -> Self {
        match packet.transport {
            Transport::Tcp(_) => Self::TcpPacket,
            Transport::Udp(_) => Self::Udp,
            Transport::Icmp4(_) => Self::Icmp4,
            Transport::Icmp6(_) => Self::Icmp6,
            Transport::Fragment | Transport::Other => Self::Other,
        }
    }
}

/// A buffer as rules want it: of one direction, transformed.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) buffer: Buffer,
    pub(crate) direction: Direction,
    /// As written: slots with the same ones are one.
    transforms: Vec<Transform>,
    pub(crate) shaper: Shaper,
}

/// The rules for one protocol's transactions in one direction.
#[derive(Debug, Default)]
pub(crate) struct TransactionRules {
    /// Slot, and the fast patterns looked for in it.
    pub(crate) screens: Vec<(u32, Arc<Screen>)>,
    /// Candidates from a transaction's beginning.
    pub(crate) always: Vec<u32>,
    /// Sorted by event.
    pub(crate) events: Vec<(Event, u32)>,
}

/// Of each protocol the rules for its transactions; behind them those for its units of frames.
type TransactionPlaces = [[TransactionRules; 2]; 2 * Protocol::COUNT];

/// The place of a protocol among them.
fn transaction_place(protocol: Protocol, of_units: bool) -> Option<usize> {
    let behind = if of_units { Protocol::COUNT } else { 0 };
    Some(protocol.index()? + behind)
}

impl TransactionRules {
    pub(crate) fn is_empty(&self) -> bool {
        self.screens.is_empty() && self.always.is_empty() && self.events.is_empty()
    }
}

impl Layer {
    /// Compiles signatures. Cannot fail: the parser has checked all that can be wrong.
    pub fn compile(inputs: Vec<RuleInput>, options: &CompileOptions) -> Self {
        build::Builder::new(*options).build(inputs)
    }

    /// In the order of evaluation; [`super::Hit::signature`] is an index into it.
    pub fn signatures(&self) -> &[CompiledSignature] {
        &self.signatures
    }

    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Whether a rule may be held against single packets with this kind of payload.
    pub(crate) fn asks_of_packets(&self, traffic: Traffic) -> bool {
        !self.first_packet.is_empty()
            || !self.each_packet.is_empty()
            || !self.protocol_only.is_empty()
            || Direction::BOTH
                .iter()
                .any(|&direction| !self.payload(traffic, direction).groups().is_empty())
    }

    pub(crate) fn payload(&self, traffic: Traffic, direction: Direction) -> &PortGroups {
        &self.payload[traffic as usize][direction.index()]
    }

    /// The rules for a protocol's transactions, or for its units of frames.
    pub(crate) fn transactions(
        &self,
        protocol: Protocol,
        of_units: bool,
        direction: Direction,
    ) -> Option<&TransactionRules> {
        let place = transaction_place(protocol, of_units)?;
        Some(&self.transactions[place][direction.index()])
    }

    pub(crate) const fn frames_asked(&self) -> FrameProtocols {
        self.frames_asked
    }
}
