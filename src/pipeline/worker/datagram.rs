//! UDP, ICMP and everything else that comes in single packets.

use super::{
    Direction, EventSink, FlowId, FlowKey, FlowState, Inspection, Passage, TimeoutClass, Transport,
    Verdict, Worker, context,
};

impl Worker {
    /// UDP, ICMP and everything else that comes in single packets.
    pub(super) fn judge_datagram(
        &mut self,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let key = FlowKey::of(passage.packet);
        let found = self.flows.find(&key);
        let id = match found {
            Some(id) => id,
            None => {
                let mut state = FlowState::default();
                let denied = self.filter_opening(key, false, &mut state, passage, sink);
                if let Some(verdict) = denied {
                    return verdict;
                }
                match self.open(key, false, state, passage, sink) {
                    Ok(id) => id,
                    Err(verdict) => return verdict,
                }
            }
        };
        let Some(dir) = self.enter(id, passage) else {
            return self.recover(passage.now);
        };
        if let Some(flow) = self.flows.get_mut(id) {
            flow.state.established |= flow.packets[dir.opposite().index()] > 0;
            if let Some(verdict) = self.settled(id, dir, None, passage, sink) {
                return verdict;
            }
        }
        if found.is_some()
            && let Some(verdict) = self.filter_known(id, dir, passage, sink)
        {
            return verdict;
        }
        if self.lacks_memory(id) {
            return self.except_memory(id, passage, sink);
        }
        self.datagram(id, dir, passage);
        let established = self.flows.get(id).is_some_and(|f| f.state.established);
        self.packet_signatures(id, dir, established, passage);
        let class = match self.flows.get(id) {
            Some(flow) if flow.state.established => TimeoutClass::Datagram,
            _ => TimeoutClass::New,
        };
        self.conclude(id, dir, class, None, passage, sink)
    }

    /// Through the parser, if there is one for it, and signatures.
    fn datagram(&mut self, id: FlowId, dir: Direction, passage: &Passage<'_>) {
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        if !matches!(passage.packet.transport, Transport::Udp(_)) {
            return;
        }
        let ctx = context(flow, passage.now);
        let (_, mut inspection) = Inspection::of(
            &mut flow.state,
            ctx,
            &self.ruleset,
            &mut self.engine,
            &self.config,
            &self.counters,
        );
        inspection.datagram(dir, passage.packet.payload);
        flow.state.count_held(&mut self.engine.held_bytes);
    }
}
