//! The firewall's part of a packet's way: its tables are asked before the packet's flow, stream and
//! transactions are, and what they deny goes no further.

use super::{
    Case, Counter, DropReason, EventSink, FlowId, FlowState, Passage, Refused, TcpFlags, Transport,
    Verdict, Worker, answer, context, judge,
};
use crate::app_layer::AppLayer;
use crate::detect::{Denial, FlowContext, FlowDetect, PacketTable};
use crate::direction::Direction;
use crate::flow::FlowKey;
use crate::stream::StreamEvents;
use crate::verdict::Scope;

impl Worker {
    /// Rules that are asked before the packet's flow is looked up; a verdict if one denies it.
    pub(super) fn before_flow(
        &mut self,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let engine = &mut self.engine;
        engine.gate.close();
        if !self.ruleset.has_firewall() {
            return None;
        }
        engine.gate.asks_hooks = true;
        let ctx = FlowContext::without_flow(passage.packet, Direction::ToServer, passage.now);
        let ruled = self.ruleset.firewall_on_packet(
            PacketTable::PreFlow,
            &mut engine.scratch,
            &ctx,
            None,
            Direction::ToServer,
            true,
            passage.packet,
            &mut engine.gate.hits,
        );
        engine.gate.take(ruled);
        let denial = engine.gate.denial?;
        self.tell_gate(ctx, None, Direction::ToServer, passage, sink);
        let reason = DropReason::FirewallPreFlow;
        Some(self.deny_packet(reason, denial, None, Direction::ToServer, passage, sink))
    }

    /// The tables about packets; the reason if one denies this one. `first`: of its direction of
    /// the flow.
    fn filter(
        &mut self,
        ctx: &FlowContext,
        detect: &mut FlowDetect,
        direction: Direction,
        first: bool,
        passage: &Passage<'_>,
    ) -> Option<DropReason> {
        let tables = match passage.packet.transport {
            Transport::Tcp(_) => &[PacketTable::PreStream, PacketTable::Filter][..],
            _ => &[PacketTable::Filter],
        };
        for &table in tables {
            let ruled = self.ruleset.firewall_on_packet(
                table,
                &mut self.engine.scratch,
                ctx,
                Some(&mut *detect),
                direction,
                first,
                passage.packet,
                &mut self.engine.gate.hits,
            );
            if !self.engine.gate.take(ruled) {
                let denial = self.engine.gate.denial?;
                return Some(match (denial.by, table) {
                    (None, _) => DropReason::FirewallPacketPolicy,
                    (Some(_), PacketTable::PreStream) => DropReason::FirewallPreStream,
                    (Some(_), _) => DropReason::FirewallRules,
                });
            }
        }
        None
    }

    /// Asks about the first packet of a flow that is not in the table yet: what is denied takes
    /// no place there, unless the flow is denied with it.
    pub(super) fn filter_opening(
        &mut self,
        key: FlowKey,
        from_server: bool,
        state: &mut FlowState,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        if !self.engine.gate.asks_hooks {
            return None;
        }
        let direction = if from_server {
            Direction::ToClient
        } else {
            Direction::ToServer
        };
        let ctx = FlowContext {
            stream: state.tcp.is_some(),
            established: state.established,
            ..FlowContext::without_flow(passage.packet, direction, passage.now)
        };
        let reason = self.filter(&ctx, &mut state.detect, direction, true, passage)?;
        let denial = self.engine.gate.denial?;
        self.tell_gate(ctx, None, direction, passage, sink);
        let id = match denial.scope {
            Scope::Packet => None,
            Scope::Flow => {
                let state = std::mem::take(state);
                match self.open(key, from_server, state, passage, sink) {
                    Ok(id) => {
                        self.enter(id, passage);
                        Some(id)
                    }
                    Err(verdict) => return Some(verdict),
                }
            }
        };
        Some(self.deny_packet(reason, denial, id, direction, passage, sink))
    }

    /// The same for a later packet of a flow.
    pub(super) fn filter_known(
        &mut self,
        id: FlowId,
        direction: Direction,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        if !self.engine.gate.asks_hooks {
            return None;
        }
        let flow = self.flows.get_mut(id)?;
        if flow.state.accepted {
            self.engine.gate.asks_hooks = false;
            return None;
        }
        let first = flow.packets[direction.index()] == 1;
        flow.state.stream_events = StreamEvents::NONE;
        let ctx = context(flow, passage.now);
        let mut detect = std::mem::take(&mut flow.state.detect);
        let reason = self.filter(&ctx, &mut detect, direction, first, passage);
        if let Some(flow) = self.flows.get_mut(id) {
            flow.state.detect = detect;
        }
        let reason = reason?;
        let denial = self.engine.gate.denial?;
        self.tell_gate(ctx, Some(id), direction, passage, sink);
        Some(self.deny_packet(reason, denial, Some(id), direction, passage, sink))
    }

    /// Records of a firewall's rules about a packet that none of the others see.
    fn tell_gate(
        &mut self,
        ctx: FlowContext,
        id: Option<FlowId>,
        direction: Direction,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) {
        if self.engine.gate.hits.is_empty() {
            return;
        }
        let flow = id.and_then(|id| self.flows.get(id));
        let none = AppLayer::default();
        let number = self.counters.get(Counter::Received);
        let case = Case {
            ctx,
            flow_id: flow.map(|flow| flow.id),
            ends: Some(passage.ends),
            direction,
            app: flow.map_or(&none, |flow| &flow.state.app),
            payload: None,
            shown: self.config.shown(passage.packet, passage.frame, number),
            streams: None,
        };
        judge::tell_gate(
            &self.ruleset,
            &self.engine.gate,
            &mut self.engine.thresholds,
            &self.counters,
            &case,
            sink,
        );
        if let Some(flow) = id.and_then(|id| self.flows.get_mut(id)) {
            flow.state.alerted = true;
        }
    }

    fn deny_packet(
        &mut self,
        reason: DropReason,
        denial: Denial,
        id: Option<FlowId>,
        direction: Direction,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        self.engine.gate.close();
        let ruleset = self.ruleset.clone();
        let signature = denial.by.as_ref().and_then(|hit| ruleset.signature(hit));
        self.note_drop(id, Some(direction), reason, signature, passage, sink);
        if let (Scope::Flow, Some(id)) = (denial.scope, id) {
            self.refuse(id, reason, denial.reject, passage.now);
        }
        if let (Some(_), Transport::Tcp(tcp)) = (denial.reject, &passage.packet.transport)
            && !tcp.flags().has(TcpFlags::RST)
        {
            let length = passage.packet.payload.len();
            sink.reset(answer(passage.ends, tcp, length, passage.now));
        }
        Verdict::Drop(reason)
    }

    /// A firewall denied what a packet brought to a transaction: its flow goes.
    pub(super) fn deny_flow(
        &mut self,
        id: FlowId,
        direction: Direction,
        denial: Denial,
        refused: Option<&Refused<'_>>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        self.engine.gate.close();
        let reason = if denial.by.is_some() {
            DropReason::FirewallRules
        } else {
            DropReason::FirewallAppPolicy
        };
        let ruleset = self.ruleset.clone();
        let signature = denial.by.as_ref().and_then(|hit| ruleset.signature(hit));
        self.note_drop(Some(id), Some(direction), reason, signature, passage, sink);
        self.refuse(id, reason, denial.reject, passage.now);
        self.send_resets(denial.reject, refused, passage.now, sink);
        Verdict::Drop(reason)
    }
}
