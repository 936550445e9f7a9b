//! Signatures compiled, and held against packets, streams and transactions.
//!
//! [`Layer::compile`] turns parsed signatures into flat tables; a [`Ruleset`]
//! is an ordered list of layers with the operator's [`Policy`]. A worker asks
//! a ruleset three questions: [`Ruleset::on_packet`], [`Ruleset::on_stream`]
//! and [`Ruleset::on_transaction`]; the answers are [`Hits`]. A layer of a firewall's rules is
//! asked before that, by [`Ruleset::firewall_on_packet`] and [`Ruleset::firewall_on_transaction`],
//! and decides at once. What is
//! remembered of a flow between questions is its [`FlowDetect`]; what is
//! reused from packet to packet is the worker's [`Scratch`].

pub mod prefilter;

mod buffers;
mod bypass;
mod compile;
mod context;
mod flow_state;
mod flowbits;
mod growth;
mod hit;
mod inspect;
mod keywords;
mod policy;
mod ruleset;
mod scratch;
mod state;
mod threshold;
mod variables;

#[cfg(test)]
mod tests;

pub use crate::signature::ast::CaptureScope;
pub use bypass::Legible;
pub use compile::{
    Claim, CompileOptions, CompiledSignature, Layer, PacketTable, RuleInput, Summary, Told,
    share_names,
};
pub use context::{FlowContext, FlowCounts, StreamRules, StreamWindow};
pub use flow_state::{FlowDetect, RestingDetect};
pub use hit::{EVIDENCE_BYTES, Evidence, Hit, Hits};
pub use inspect::{Denial, OddPacket, Ruled};
pub use policy::{Decision, Except, Leniency, PatchInfo, Policy, Response, Side};
pub use ruleset::Ruleset;
pub use scratch::Scratch;
pub use state::{Kept, Reputation, State, StateLimits};
pub use threshold::{Parties, ThresholdTable, Thresholded};
pub use variables::{Captured, CapturedValue};
