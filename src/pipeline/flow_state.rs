//! What a worker keeps for each flow.

use super::passive::Unanswered;
use super::tagging::FlowTags;
use crate::app_layer::AppLayer;
use crate::detect::{Debt, FlowContext, FlowCounts, FlowDetect, Scratch};
use crate::direction::Direction;
use crate::flow::Flow;
use crate::stream::{ChunkPool, Segment, StreamEvents, TcpSession, Window};
use crate::time::Timestamp;
use crate::verdict::DropReason;

#[derive(Debug, Default)]
pub(super) struct FlowState {
    /// `None`: not TCP, or inspected packet by packet only.
    pub tcp: Option<TcpSession>,
    /// Of the segment in hand.
    pub stream_events: StreamEvents,
    pub app: AppLayer,
    pub detect: FlowDetect,
    /// Work of rules that its bytes did not pay for.
    pub debt: Debt,
    /// Of the ruleset that last saw the flow.
    pub epoch: u64,
    /// The bytes raw stream signatures look back on, by direction.
    pub windows: [Window; 2],
    /// Bytes given to raw stream signatures since the transaction began, by direction.
    pub raw_bytes: [u64; 2],
    /// One more than the id of the newest transaction seen.
    pub next_tx: u64,
    /// Parser errors counted already.
    pub failed: [bool; 2],
    /// A hole in a stream was let through.
    pub has_gap: bool,
    pub standing: Standing,
    /// A firewall's rule accepted all of the flow. That holds when the rules change: the flow is known.
    pub accepted: bool,
    /// Bytes of the heap that parser and detection held when last counted.
    pub held_bytes: usize,
    /// Counted as one whose server has not confirmed the handshake.
    pub awaits_server: bool,
    pub established: bool,
    /// No rule could concern it any more; its packets do not come.
    pub left_to_kernel: bool,
    /// It was, at some time.
    pub was_left: bool,
    /// The power of two that its packets must have come to before it is asked about.
    pub asked_at_bits: u8,
    pub alerted: bool,
    pub tags: FlowTags,
    /// Numbers of the last packets with data, by direction, where packets have numbers.
    pub newest_data: [u32; 2],
    /// Of a worker that only looks on.
    pub unanswered: Option<Box<[Unanswered; 2]>>,
}

/// How a flow's further packets are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Inspected,
    /// A `pass` signature matched, or an exception policy said so.
    Passed,
    Refused(Refusal),
}

/// Why a flow is refused, and how that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub reason: DropReason,
    /// Answer each end's packets with an RST.
    pub resets: bool,
    /// When each end was last answered; zero: never.
    pub answered: [Timestamp; 2],
}

impl FlowState {
    /// What a refused connection still sends must not pass for data of the new one.
    pub fn opened_by(syn: &Segment<'_>, replaces_refused: bool) -> Self {
        let session = TcpSession::from_syn(syn);
        Self {
            tcp: Some(if replaces_refused {
                session.must_be_answered()
            } else {
                session
            }),
            ..Self::default()
        }
    }

    /// Counts anew what parser and detection hold; `total` is that of all flows.
    pub fn count_held(&mut self, total: &mut u64) {
        let windows = self.windows.iter().map(Window::held_bytes).sum::<usize>();
        let unanswered = self.unanswered.iter().flat_map(|both| both.iter());
        let unanswered = unanswered.map(|u| u.window.held_bytes() + u.pending.capacity());
        let held =
            self.app.held_bytes() + self.detect.held_bytes() + windows + unanswered.sum::<usize>();
        let before = std::mem::replace(&mut self.held_bytes, held);
        *total = (*total + held as u64).saturating_sub(before as u64);
    }

    /// Nothing of the flow is looked at any more: what was kept for that goes.
    pub fn release(&mut self, scratch: &mut Scratch, total: &mut u64) {
        self.app.release();
        self.detect.reset(scratch);
        self.detect = FlowDetect::default();
        self.windows = [Window::default(), Window::default()];
        self.unanswered = None;
        self.count_held(total);
    }

    /// Gives back what is not needed while no packet comes.
    pub fn give_back(&mut self, pool: &mut ChunkPool, scratch: &mut Scratch, total: &mut u64) {
        if let Some(session) = &mut self.tcp {
            session.give_back(pool);
        }
        self.app.give_back();
        self.detect.give_back(scratch);
        self.count_held(total);
    }

    /// No more packets are expected for now. What rules keep stays, and where the parser stands.
    pub fn lie_idle(&mut self, scratch: &mut Scratch, total: &mut u64) {
        self.app.take_finished();
        self.detect.await_rules(scratch);
        self.windows = [Window::default(), Window::default()];
        self.count_held(total);
    }

    /// Bytes that raw stream rules have yet to see.
    pub fn unanswered_bytes(&self, dir: Direction) -> usize {
        let both = self.unanswered.as_ref();
        both.map_or(0, |both| both[dir.index()].pending.len())
    }

    /// Writes what is kept of each direction's bytes into `out`, about `most` bytes each.
    pub fn show(&self, most: usize, out: &mut [Vec<u8>; 2]) {
        for (dir, out) in Direction::BOTH.into_iter().zip(out) {
            out.clear();
            let Some(session) = self.tcp.as_ref().filter(|_| most > 0) else {
                continue;
            };
            let unanswered = self.unanswered.as_ref().map(|both| &both[dir.index()]);
            let newest = [
                self.windows[dir.index()].bytes(),
                unanswered.map_or(&[], |u| u.window.bytes()),
                unanswered.map_or(&[], |u| &u.pending),
            ];
            let newest = newest.into_iter().max_by_key(|bytes| bytes.len());
            session.show(dir, newest.unwrap_or_default(), most, out);
        }
    }

    pub const fn is_refused(&self) -> bool {
        matches!(self.standing, Standing::Refused(_))
    }
}

/// The part of a flow that signatures are held against.
#[inline]
pub(super) fn context(flow: &Flow<FlowState>, now: Timestamp) -> FlowContext {
    let [client, server] = flow.ends();
    FlowContext {
        client,
        server,
        protocol: flow.key.protocol(),
        app: flow.state.app.protocol(),
        original_app: flow.state.app.original(),
        established: flow.state.established,
        stream: flow.state.tcp.is_some(),
        stream_sizes: flow
            .state
            .tcp
            .as_ref()
            .map_or([0; 2], TcpSession::sequence_spans),
        counts: FlowCounts {
            first_seen: flow.first_seen,
            last_seen: now,
            packets: flow.packets,
            bytes: flow.bytes,
        },
        stream_events: flow.state.stream_events,
        flow_id: flow.id,
        now,
    }
}
