//! What a worker does where it cannot decide, and its bounds.

use std::time::Duration;

use super::event::{Frame, Shown};
use crate::app_layer;
use crate::decode::{Packet, Tunnels};
use crate::defrag::DefragConfig;
use crate::detect::RuleBudget;
use crate::flow::FlowTableConfig;
use crate::stream::StreamConfig;
use crate::verdict::ExceptionPolicy;

/// One policy for each thing that can go wrong; each has its drop reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceptions {
    pub flow_table_full: ExceptionPolicy,
    pub reassembly_memory: ExceptionPolicy,
    pub parser_error: ExceptionPolicy,
    /// Parsers and signatures hold all that [`WorkerConfig::app_layer_memory_bytes`] allows.
    pub app_layer_memory: ExceptionPolicy,
    /// Something that a rule wants to keep beyond the flow finds no room.
    pub kept_full: ExceptionPolicy,
    /// Rules could not decide in time.
    pub time_budget: ExceptionPolicy,
    pub midstream: ExceptionPolicy,
    /// Tunnels nested deeper than is looked into.
    pub tunnel_depth: ExceptionPolicy,
    /// Only one direction of a connection passes here.
    pub asymmetric: ExceptionPolicy,
    /// A fragment for which there is no room: let through as it is, or kept in place of the oldest.
    pub defrag_memory: ExceptionPolicy,
    /// The worker panicked.
    pub internal_error: ExceptionPolicy,
}

impl Default for Exceptions {
    fn default() -> Self {
        Self {
            flow_table_full: ExceptionPolicy::Drop,
            reassembly_memory: ExceptionPolicy::Drop,
            parser_error: ExceptionPolicy::Drop,
            app_layer_memory: ExceptionPolicy::Drop,
            kept_full: ExceptionPolicy::Pass,
            time_budget: ExceptionPolicy::Drop,
            midstream: ExceptionPolicy::Drop,
            tunnel_depth: ExceptionPolicy::Drop,
            asymmetric: ExceptionPolicy::Drop,
            defrag_memory: ExceptionPolicy::Drop,
            internal_error: ExceptionPolicy::Drop,
        }
    }
}

/// What becomes of a TCP flow that is first seen without its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Midstream {
    /// Picked up and inspected from there on, for this long after the first
    /// packet; then [`Exceptions::midstream`] holds.
    PickUpFor(Duration),
    /// Always picked up.
    PickUp,
    /// Inspected packet by packet, and passed.
    PacketsOnly,
}

#[derive(Clone, Debug)]
pub struct WorkerConfig {
    pub exceptions: Exceptions,
    pub midstream: Midstream,
    pub tunnels: Tunnels,
    /// Tunnels inside each other that are looked into.
    pub tunnel_depth: u8,
    pub defrag: DefragConfig,
    pub flow: FlowTableConfig,
    pub stream: StreamConfig,
    pub app_layer: app_layer::Limits,
    /// Held by the parsers and detection state of all flows of a worker together.
    pub app_layer_memory_bytes: u64,
    /// What each rule may take.
    pub rule_budget: RuleBudget,
    /// Microseconds that rules may take for one flow beyond what its bytes pay for; 0: all they want.
    pub flow_budget_us: u32,
    /// Bytes of one direction given to raw stream signatures; begins anew with each transaction.
    pub stream_depth_bytes: u64,
    /// Emit a `drop` event for each packet of a refused flow, not for the first alone.
    pub drop_event_per_packet: bool,
    /// Bytes of payload that an alert shows at most. 0: none.
    pub alert_payload_bytes: usize,
    /// Whether an alert shows its packet.
    pub alert_packet: bool,
    /// Whether alerts tell the number of their packet: packets come from a capture.
    pub number_packets: bool,
    /// Leave TCP flows to the kernel on which no rule can match any more.
    pub bypass: bool,
    /// Only look on: whatever is found, every packet is forwarded.
    pub passive: bool,
    /// Counts that `threshold` keeps at once.
    pub threshold_entries: usize,
    /// At least this long between two resets that answer one refused flow.
    pub reset_interval: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            exceptions: Exceptions::default(),
            midstream: Midstream::PickUpFor(Duration::from_secs(60)),
            tunnels: Tunnels::default(),
            tunnel_depth: 4,
            defrag: DefragConfig::default(),
            flow: FlowTableConfig::default(),
            stream: StreamConfig::default(),
            app_layer: app_layer::Limits::default(),
            app_layer_memory_bytes: 256 * 1024 * 1024,
            rule_budget: RuleBudget::default(),
            flow_budget_us: 50_000,
            stream_depth_bytes: 1024 * 1024,
            drop_event_per_packet: false,
            alert_payload_bytes: 0,
            alert_packet: false,
            number_packets: false,
            bypass: false,
            passive: false,
            threshold_entries: 64 * 1024,
            reset_interval: Duration::from_millis(100),
        }
    }
}

impl WorkerConfig {
    /// Rules take as much time as they want, and what one cannot decide does not match: where each is
    /// tried on everything, neither is a sign of a payload made for it.
    pub const fn without_budgets(mut self) -> Self {
        self.exceptions.time_budget = ExceptionPolicy::Pass;
        self.rule_budget.us_per_second = 0;
        self.flow_budget_us = 0;
        self
    }

    /// The same of a packet that cannot be read.
    pub(super) fn shown_unread<'a>(&self, frame: Frame<'a>, number: u64) -> Shown<'a> {
        Shown {
            packet_number: self.number_packets.then_some(number),
            packet: self.alert_packet.then_some(frame),
            ..Shown::default()
        }
    }

    /// Of a packet, what alerts are to show.
    pub(super) fn shown<'a>(
        &self,
        packet: &Packet<'a>,
        frame: Frame<'a>,
        number: u64,
    ) -> Shown<'a> {
        let payload = packet.payload;
        let most = payload.len().min(self.alert_payload_bytes);
        Shown {
            packet_number: self.number_packets.then_some(number),
            packet: self.alert_packet.then_some(frame),
            payload: (self.alert_payload_bytes > 0).then_some(&payload[..most]),
            of_stream: false,
            at_flow_end: false,
        }
    }
}
