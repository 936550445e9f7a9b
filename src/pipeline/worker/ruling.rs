//! What becomes of a packet, and of its flow, by what inspection found.

use super::{
    Counter, Direction, DropReason, EventSink, ExceptionPolicy, FlowId, Passage, Refused, Standing,
    Verdict, Worker, context,
};
use crate::buffer::Buffer;
use crate::detect::Evidence;
use crate::pipeline::judge::{self, Case, Ruling};
use crate::verdict::{RejectTarget, Scope};

/// What inspection of a packet could not do.
#[derive(Clone, Copy)]
pub(super) struct Lacks {
    /// What rules keep is full.
    pub full: bool,
    /// A rule could not decide.
    pub undecided: bool,
    /// The parser gave up.
    pub failed: bool,
}

impl Worker {
    /// Rules on what was found, or could not be found out. Few packets come to this.
    #[inline(never)]
    pub(super) fn carry_out(
        &mut self,
        id: FlowId,
        dir: Direction,
        lacks: Lacks,
        refused: Option<&Refused<'_>>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let now = passage.now;
        let Some(flow) = self.flows.get_mut(id) else {
            return Verdict::Forward;
        };
        let alerts_before = self.counters.get(Counter::Alerts);
        let number = self.counters.get(Counter::Received);
        let most = self.config.alert_payload_bytes;
        flow.state.show(most, &mut self.engine.shown_streams);
        let case = Case {
            ctx: context(flow, now),
            flow_id: Some(flow.id),
            ends: Some(passage.ends),
            direction: dir,
            app: &flow.state.app,
            payload: Some(Evidence::new(
                Buffer::Payload,
                refused.map_or(0, |r| r.stream_offset),
                passage.packet.payload,
            )),
            shown: self.config.shown(passage.packet, passage.frame, number),
            streams: Some(&self.engine.shown_streams).filter(|_| most > 0),
        };
        judge::tell_gate(
            &self.ruleset,
            &self.engine.gate,
            &mut self.engine.thresholds,
            &self.counters,
            &case,
            sink,
        );
        let (ruling, tags) = match self.engine.gate.denial {
            Some(denial) => (Ruling::Deny(denial), Vec::new()),
            None => {
                let judged = judge::rule(
                    &self.ruleset,
                    &self.engine.hits,
                    &mut self.engine.thresholds,
                    &self.counters,
                    &case,
                    sink,
                );
                (judged.ruling, judged.tags)
            }
        };
        flow.state.accepted |= self.engine.gate.flow_accepted;
        if self.engine.gate.pass == Some(Scope::Flow) {
            flow.state.standing = Standing::Passed;
        }
        flow.state.alerted |= self.counters.get(Counter::Alerts) != alerts_before;
        self.engine.hits.clear();
        flow.state.app.take_finished();
        for (tag, parties) in tags {
            let ends = (parties.src, parties.dst);
            self.engine
                .tagged
                .begin(tag, ends, &mut flow.state.tags, now);
        }
        match ruling {
            Ruling::Deny(denial) => self.deny_flow(id, dir, denial, refused, passage, sink),
            Ruling::Continue | Ruling::Bypass
                if lacks.full && self.config.exceptions.kept_full != ExceptionPolicy::Pass =>
            {
                let policy = self.config.exceptions.kept_full;
                self.except_flow(
                    id,
                    dir,
                    (policy, DropReason::KeptFull),
                    refused,
                    passage,
                    sink,
                )
            }
            // Who only looks on goes on looking.
            Ruling::Continue | Ruling::Bypass if lacks.undecided && !self.config.passive => {
                let policy = self.config.exceptions.time_budget;
                let failure = (policy, DropReason::TimeBudget);
                self.except_flow(id, dir, failure, refused, passage, sink)
            }
            Ruling::Continue if lacks.failed => {
                self.counters.add(Counter::AppLayerErrors, 1);
                let policy = self.config.exceptions.parser_error;
                self.except_flow(
                    id,
                    dir,
                    (policy, DropReason::AppLayerError),
                    refused,
                    passage,
                    sink,
                )
            }
            Ruling::Continue | Ruling::Pass(Scope::Packet) => Verdict::Forward,
            // Who only looks on has no time to save.
            Ruling::Bypass if self.config.passive => Verdict::Forward,
            Ruling::Bypass | Ruling::Pass(Scope::Flow) => {
                let bypassed = u64::from(ruling == Ruling::Bypass);
                self.counters.add(Counter::FlowsBypassed, bypassed);
                flow.state.standing = Standing::Passed;
                Verdict::Forward
            }
            Ruling::Refuse { scope, reject, hit } => {
                let ruleset = self.ruleset.clone();
                let signature = ruleset.signature(&hit);
                let reason = DropReason::Rules;
                self.note_drop(Some(id), Some(dir), reason, signature, passage, sink);
                if scope == Scope::Flow {
                    self.refuse(id, reason, reject, now);
                }
                self.send_resets(reject, refused, now, sink);
                Verdict::Drop(reason)
            }
        }
    }

    /// What follows cannot be inspected, or not as a rule wants it.
    pub(super) fn except_flow(
        &mut self,
        id: FlowId,
        dir: Direction,
        (policy, reason): (ExceptionPolicy, DropReason),
        refused: Option<&Refused<'_>>,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let reject = match policy {
            ExceptionPolicy::Pass => {
                self.counters.add(Counter::ExceptionPass, 1);
                return Verdict::Forward;
            }
            ExceptionPolicy::Drop => None,
            ExceptionPolicy::Reject => Some(RejectTarget::Both),
        };
        self.note_drop(Some(id), Some(dir), reason, None, passage, sink);
        self.refuse(id, reason, reject, passage.now);
        self.send_resets(reject, refused, passage.now, sink);
        Verdict::Drop(reason)
    }
}
