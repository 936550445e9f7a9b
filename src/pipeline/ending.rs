//! The end of a flow: what of it was not looked at yet, and its record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::event::Event;
use super::event::{Ends, EventSink, FlowEndReason, FlowEvent, Shown};
use super::flow_state::{FlowState, Standing, context};
use super::inspect::Inspection;
use super::judge::{self, Case};
use super::policy::WorkerConfig;
use super::worker::Engine;
use crate::buffer::Buffer;
use crate::counters::{Counter, Counters};
use crate::detect::{Evidence, Ruleset, Scratch};
use crate::direction::Direction;
use crate::flow::Flow;
use crate::stream::{ChunkPool, Shared};
use crate::time::Timestamp;

/// What a flow that ends needs of its worker.
pub(super) struct Ending<'a> {
    pub config: &'a WorkerConfig,
    pub ruleset: &'a Ruleset,
    pub counters: &'a Counters,
    pub pool: &'a mut ChunkPool,
    pub engine: &'a mut Engine,
}

impl Ending<'_> {
    pub fn end(
        &mut self,
        mut flow: Flow<FlowState>,
        reason: FlowEndReason,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) {
        self.counters.add(Counter::FlowsEnded, 1);
        if flow.state.standing == Standing::Inspected {
            let looked = catch_unwind(AssertUnwindSafe(|| {
                for dir in Direction::BOTH {
                    self.leftovers(&mut flow, dir, now, sink);
                }
            }));
            if looked.is_err() {
                self.counters.add(Counter::Panics, 1);
                self.engine.scratch = Scratch::default();
                self.engine.hits.clear();
            }
        }
        if let Some(session) = flow.state.tcp.as_mut() {
            session.release(self.pool);
        }
        flow.state.detect.reset(&mut self.engine.scratch);
        self.engine.forget_counted(&flow.state);
        sink.event(Event::Flow(flow_event(&flow, reason, now)));
    }

    /// Bytes behind a hole that nobody filled, and bytes that nobody answered. Their packets went
    /// their way long ago: what is found is told, and no more.
    fn leftovers(
        &mut self,
        flow: &mut Flow<FlowState>,
        dir: Direction,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) {
        let waiting = flow.state.unanswered_bytes(dir) > 0;
        let session = flow.state.tcp.as_ref();
        if !waiting && !session.is_some_and(|s| s.has_island(dir)) {
            return;
        }
        self.engine.gate.close();
        let most = self.config.alert_payload_bytes;
        flow.state.show(most, &mut self.engine.shown_streams);
        let ctx = context(flow, now);
        let (session, mut inspection) = Inspection::of(
            &mut flow.state,
            ctx,
            self.ruleset,
            self.engine,
            self.config,
            self.counters,
        );
        if let Some(session) = session {
            let mut shared = Shared {
                pool: self.pool,
                config: &self.config.stream,
                counters: self.counters,
            };
            session.give_up_holes(dir, &mut shared, &mut |dir, delivery| {
                inspection.deliver(dir, delivery);
            });
        }
        inspection.flush(dir);
        if self.engine.hits.is_empty() {
            return;
        }
        let alerts_before = self.counters.get(Counter::Alerts);
        let [client, server] = flow.ends();
        let (src, dst) = match dir {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        let case = Case {
            ctx: context(flow, now),
            flow_id: Some(flow.id),
            ends: Some(Ends {
                src,
                dst,
                protocol: flow.key.protocol(),
                vlan: flow.key.vlan(),
                icmp: None,
                tunnel: None,
            }),
            direction: dir,
            app: &flow.state.app,
            payload: Some(Evidence::new(Buffer::Payload, 0, &[])),
            shown: Shown {
                packet_number: Some(u64::from(flow.state.newest_data[dir.index()]))
                    .filter(|&number| number > 0),
                at_flow_end: true,
                ..Shown::default()
            },
            streams: Some(&self.engine.shown_streams).filter(|_| most > 0),
        };
        judge::rule(
            self.ruleset,
            &self.engine.hits,
            &mut self.engine.thresholds,
            self.counters,
            &case,
            sink,
        );
        flow.state.alerted |= self.counters.get(Counter::Alerts) != alerts_before;
        self.engine.hits.clear();
    }
}

pub(super) fn flow_event(
    flow: &Flow<FlowState>,
    reason: FlowEndReason,
    now: Timestamp,
) -> FlowEvent {
    let [client, server] = flow.ends();
    FlowEvent {
        at: now,
        flow_id: flow.id,
        client,
        server,
        protocol: flow.key.protocol(),
        vlan: flow.key.vlan(),
        app: flow.state.app.protocol(),
        first_seen: flow.first_seen,
        last_seen: flow.last_seen,
        packets: flow.packets,
        bytes: flow.bytes,
        reason,
        established: flow.state.established,
        bypassed: flow.state.was_left,
        alerted: flow.state.alerted,
        refused: flow.state.is_refused(),
    }
}
