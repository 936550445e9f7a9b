//! Connections that are left to the kernel, and come back.
//!
//! A TCP flow on which no rule in force can match any more needs no look. The packet in hand says
//! so to the kernel ([`Worker::leaves_flow`]), and no more packets come, but for those that end the
//! connection. What comes all the same, since it was under way or since a reload called all
//! connections back, is asked about anew: it stays left, or is inspected from here on.

use super::{
    Counter, Direction, FlowId, FlowState, Inspection, Passage, Standing, TcpFlags, TcpHeader,
    TcpSession, TimeoutClass, Verdict, Worker, context,
};
use crate::app_layer::Protocol;
use crate::detect::{Claim, Legible};
use crate::flow::Flow;
use crate::time::Timestamp;

/// Packets of a flow before it is first asked about, as a power of two: most are over by then.
const FIRST_ASKED_BITS: u32 = 3;

/// Why a flow must go on coming here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// Its packets are inside others, which the kernel would have to tell apart.
    Tunnel,
    /// It is inspected packet by packet.
    NotFollowed,
    /// It is being opened.
    Handshake,
    /// It is about to end.
    Ending,
    /// Bytes wait behind a hole.
    Hole,
    /// Its packets are logged.
    Tagged,
    /// Its protocol is not known yet, or nobody could find the way back into it.
    Protocol,
    Rules(Claim),
}

impl Stay {
    /// Whether the next packet may change it.
    const fn is_passing(self) -> bool {
        matches!(self, Self::Handshake | Self::Hole | Self::Tagged)
    }
}

impl Worker {
    /// Whether no more packets of the flow need come of which the last one was.
    pub const fn leaves_flow(&self) -> bool {
        self.leaves_flow
    }

    /// The verdict on a packet of a flow that was left to the kernel. None: it is inspected again.
    pub(super) fn left_to_kernel(
        &mut self,
        id: FlowId,
        dir: Direction,
        tcp: &TcpHeader<'_>,
        passage: &Passage<'_>,
    ) -> Option<Verdict> {
        let now = passage.now;
        let flow = self.flows.get(id).filter(|f| f.state.left_to_kernel)?;
        let known = flow.state.epoch == self.ruleset.epoch;
        if !known && self.stays(flow, passage).is_some() {
            self.resynchronise(id, dir, tcp, now);
            return None;
        }
        let ends = tcp.flags().0 & (TcpFlags::FIN | TcpFlags::RST) != 0;
        let class = if ends {
            TimeoutClass::Closed
        } else {
            TimeoutClass::Established
        };
        self.flows.touch(id, class, now);
        let flow = self.flows.get_mut(id)?;
        flow.state.epoch = self.ruleset.epoch;
        self.leaves_flow = !ends;
        Some(Verdict::Forward)
    }

    /// Asks now and then whether a flow may be left to the kernel, a packet of which is forwarded.
    pub(super) fn consider_leaving(&mut self, id: FlowId, passage: &Passage<'_>) {
        if !self.config.bypass || self.config.passive {
            return;
        }
        let Some(flow) = self.flows.get(id) else {
            return;
        };
        let packets: u64 = flow.packets.iter().sum();
        let wanted = FIRST_ASKED_BITS.max(u32::from(flow.state.asked_at_bits));
        if packets.checked_ilog2().is_none_or(|bits| bits < wanted) {
            return;
        }
        let stays = self.stays(flow, passage);
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        match stays {
            None => {
                self.counters.add(Counter::FlowsLeftToKernel, 1);
                self.leaves_flow = true;
                flow.state.left_to_kernel = true;
                flow.state.was_left = true;
                flow.state.epoch = self.ruleset.epoch;
                if let Some(session) = flow.state.tcp.as_mut() {
                    session.release(&mut self.pool);
                }
                let engine = &mut self.engine;
                flow.state
                    .lie_idle(&mut engine.scratch, &mut engine.held_bytes);
            }
            Some(stay) if stay.is_passing() => {}
            // Ever more rarely, so that it costs a long flow nothing.
            Some(_) => flow.state.asked_at_bits = bits_behind(packets),
        }
    }

    /// Why a flow may not be left to the kernel, if so.
    fn stays(&self, flow: &Flow<FlowState>, passage: &Passage<'_>) -> Option<Stay> {
        let state = &flow.state;
        if passage.around.is_some() {
            return Some(Stay::Tunnel);
        }
        if state.tags.is_some() || self.engine.tagged.has_hosts() {
            return Some(Stay::Tagged);
        }
        if state.standing == Standing::Passed {
            return self
                .ruleset
                .has_firewall()
                .then_some(Stay::Rules(Claim::Firewall));
        }
        let Some(session) = state.tcp.as_ref() else {
            return Some(Stay::NotFollowed);
        };
        // Of a flow that was left, the session is as old as that.
        if !state.left_to_kernel {
            if !session.is_established() || state.awaits_server {
                return Some(Stay::Handshake);
            }
            if session.is_closed() || Direction::BOTH.into_iter().any(|d| session.has_ended(d)) {
                return Some(Stay::Ending);
            }
            if Direction::BOTH.into_iter().any(|d| session.has_island(d)) {
                return Some(Stay::Hole);
            }
        }
        let Some(legible) = self.legible(state) else {
            return Some(Stay::Protocol);
        };
        let mut ctx = context(flow, passage.now);
        if legible == Legible::Bytes {
            ctx.app = Protocol::Unknown;
        }
        let claim = self.ruleset.claim(&ctx, &state.detect, legible);
        claim.map(Stay::Rules)
    }

    /// What can be read of a flow from here on. None: it is not known, or its parser could not be
    /// brought back in step.
    fn legible(&self, state: &FlowState) -> Option<Legible> {
        let app = &state.app;
        match app.protocol() {
            Protocol::Unknown => Some(Legible::Bytes),
            // One end has sent more than is inspected, and none of it is of a protocol; the other
            // has said nothing.
            Protocol::Undetermined => {
                let speaker = app.only_stranger()?;
                let sent = state.raw_bytes[speaker.index()];
                (sent >= self.config.stream_depth_bytes).then_some(Legible::Bytes)
            }
            Protocol::Tls | Protocol::Ssh if app.encrypted() => Some(Legible::Records),
            Protocol::Http1 if !Direction::BOTH.into_iter().any(|d| app.failed(d)) => {
                Some(Legible::Everything)
            }
            _ => None,
        }
    }

    /// The flow goes on from this segment, behind a hole of unknown size in both directions.
    fn resynchronise(&mut self, id: FlowId, dir: Direction, tcp: &TcpHeader<'_>, now: Timestamp) {
        self.counters.add(Counter::FlowsResynchronised, 1);
        let Some(flow) = self.flows.get_mut(id) else {
            return;
        };
        let packets: u64 = flow.packets.iter().sum();
        flow.state.left_to_kernel = false;
        flow.state.asked_at_bits = bits_behind(packets);
        flow.state.tcp = Some(TcpSession::resumed(dir, tcp));
        let ctx = context(flow, now);
        let (_, mut inspection) = Inspection::of(
            &mut flow.state,
            ctx,
            &self.ruleset,
            &mut self.engine,
            &self.config,
            &self.counters,
        );
        inspection.resume();
    }
}

/// The next power of two.
fn bits_behind(packets: u64) -> u8 {
    packets.checked_ilog2().map_or(0, |bits| bits as u8 + 1)
}
