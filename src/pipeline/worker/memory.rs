//! What flows hold beside their place in the table, and what a full table costs them.

use std::time::Duration;

use super::{Engine, FlowEndReason, FlowId, Passage, Standing, Timestamp, Worker};
use crate::counters::{Counter, Counters};
use crate::flow::{Gone, TimeoutClass};
use crate::pipeline::event::EventSink;
use crate::pipeline::flow_state::FlowState;
use crate::stream::TcpSession;
use crate::verdict::{DropReason, ExceptionPolicy, Verdict};

impl Engine {
    /// Nothing of the flow is looked at any more: what was kept for that goes.
    pub(super) fn release(&mut self, state: &mut FlowState) {
        state.release(&mut self.scratch, &mut self.held_bytes);
    }

    /// Counts the flow among those whose server has not confirmed the handshake, or not any more.
    pub(super) fn count_awaiting(&mut self, state: &mut FlowState) {
        let awaits = state.tcp.as_ref().is_some_and(TcpSession::awaits_server);
        let before = std::mem::replace(&mut state.awaits_server, awaits);
        self.awaiting = (self.awaiting + usize::from(awaits)).saturating_sub(usize::from(before));
    }

    /// The flow goes, and with it what was counted of it.
    pub(in crate::pipeline) fn forget_counted(&mut self, state: &FlowState) {
        self.awaiting = self
            .awaiting
            .saturating_sub(usize::from(state.awaits_server));
        self.held_bytes = self.held_bytes.saturating_sub(state.held_bytes as u64);
    }
}

/// So long after its last packet a connection lies idle.
pub(super) const IDLE_AFTER: Duration = Duration::from_secs(5);
/// Connections made small in one [`Worker::tick`]: no packet waits long for it.
const REST_PER_TICK: usize = 1024;

impl Worker {
    /// Makes connections small that lie idle.
    pub(super) fn rest(&mut self, now: Timestamp, idle_after: Duration) {
        let (pool, engine) = (&mut self.pool, &mut self.engine);
        self.flows
            .rest(now, idle_after, REST_PER_TICK, &mut |state| {
                state.give_back(pool, &mut engine.scratch, &mut engine.held_bytes);
            });
    }

    /// Whether a flow's bytes may not be parsed, since all flows together hold too much already. The
    /// last eighth is for flows that have begun: as they end, they make room.
    pub(super) fn lacks_memory(&self, id: FlowId) -> bool {
        let most = self.config.app_layer_memory_bytes;
        let has_begun = self.flows.get(id).is_some_and(|f| f.state.held_bytes > 0);
        self.engine.held_bytes >= if has_begun { most } else { most / 8 * 7 }
    }

    pub(super) fn except_memory(
        &mut self,
        id: FlowId,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let policy = self.config.exceptions.app_layer_memory;
        if policy == ExceptionPolicy::Pass
            && let Some(flow) = self.flows.get_mut(id)
        {
            // Behind bytes that were not seen, nothing can be read.
            flow.state.standing = Standing::Passed;
            self.engine.release(&mut flow.state);
        }
        self.except_packet(policy, DropReason::AppLayerMemory, passage, sink)
    }
}

/// Counts a flow that the table let go; how its record names that.
pub(super) fn let_go(why: Gone, counters: &Counters) -> FlowEndReason {
    match why {
        Gone::Timeout => return FlowEndReason::Timeout,
        Gone::Pressure => {
            counters.add(Counter::FlowsPressed, 1);
            return FlowEndReason::Timeout;
        }
        Gone::Evicted(TimeoutClass::Established) => {
            counters.add(Counter::FlowsEstablishedEvicted, 1);
        }
        Gone::Evicted(_) => {}
    }
    counters.add(Counter::FlowsEvicted, 1);
    FlowEndReason::Evicted
}
