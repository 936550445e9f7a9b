//! What a worker keeps of a connection that lies idle.

use super::flow_state::{FlowState, Standing};
use super::passive::Unanswered;
use super::tagging::FlowTags;
use crate::app_layer::{AppLayer, RestingApp};
use crate::detect::{FlowDetect, RestingDetect};
use crate::flow::FlowRest;
use crate::stream::{RestingSession, StreamEvents, TcpSession, Window};

#[derive(Debug)]
pub(super) struct Resting {
    tcp: Option<RestingSession>,
    app: RestingApp,
    detect: RestingDetect,
    epoch: u64,
    window_ends: [u64; 2],
    /// Bytes of both windows.
    tails: Box<[u8]>,
    /// How many of them are of the first one.
    first_tail: u32,
    raw_bytes: [u64; 2],
    next_tx: u64,
    newest_data: [u32; 2],
    held_bytes: usize,
    tags: FlowTags,
    unanswered: Option<Box<[Unanswered; 2]>>,
    asked_at_bits: u8,
    passed: bool,
    failed: [bool; 2],
    has_gap: bool,
    accepted: bool,
    awaits_server: bool,
    established: bool,
    left_to_kernel: bool,
    was_left: bool,
    alerted: bool,
}

impl FlowRest for FlowState {
    type Resting = Resting;

    fn lie_down(&mut self) -> Option<Resting> {
        // Refused flows hold nothing anyway; events are of a segment in hand.
        if self.is_refused() || !self.stream_events.is_empty() {
            return None;
        }
        let [first, second] = [0, 1].map(|at| self.windows[at].bytes());
        let first_tail = u32::try_from(first.len()).ok()?;
        let tails = [first, second].concat().into_boxed_slice();
        let Self {
            tcp,
            stream_events: _,
            app,
            detect,
            epoch,
            windows,
            raw_bytes,
            next_tx,
            failed,
            has_gap,
            standing,
            accepted,
            held_bytes,
            awaits_server,
            established,
            left_to_kernel,
            was_left,
            asked_at_bits,
            alerted,
            tags,
            newest_data,
            unanswered,
        } = std::mem::take(self);
        Some(Resting {
            tcp: tcp.map(TcpSession::lie_down),
            app: app.lie_down(),
            detect: detect.lie_down(),
            epoch,
            window_ends: windows.map(|window| window.end_offset()),
            tails,
            first_tail,
            raw_bytes,
            next_tx,
            newest_data,
            held_bytes,
            tags,
            unanswered,
            asked_at_bits,
            passed: standing == Standing::Passed,
            failed,
            has_gap,
            accepted,
            awaits_server,
            established,
            left_to_kernel,
            was_left,
            alerted,
        })
    }

    fn get_up(resting: Resting) -> Self {
        let tails = &resting.tails;
        let (first, second) = tails
            .split_at_checked(resting.first_tail as usize)
            .unwrap_or((tails, &[]));
        let [first_end, second_end] = resting.window_ends;
        Self {
            tcp: resting.tcp.map(RestingSession::get_up),
            stream_events: StreamEvents::NONE,
            app: AppLayer::get_up(resting.app),
            detect: FlowDetect::get_up(resting.detect),
            epoch: resting.epoch,
            windows: [Window::of(first, first_end), Window::of(second, second_end)],
            raw_bytes: resting.raw_bytes,
            next_tx: resting.next_tx,
            failed: resting.failed,
            has_gap: resting.has_gap,
            standing: if resting.passed {
                Standing::Passed
            } else {
                Standing::Inspected
            },
            accepted: resting.accepted,
            held_bytes: resting.held_bytes,
            awaits_server: resting.awaits_server,
            established: resting.established,
            left_to_kernel: resting.left_to_kernel,
            was_left: resting.was_left,
            asked_at_bits: resting.asked_at_bits,
            alerted: resting.alerted,
            tags: resting.tags,
            newest_data: resting.newest_data,
            unanswered: resting.unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Flow, FlowTable};

    /// ARCHITECTURE.md says so. What a flow keeps beyond this is its rules' alone.
    #[test]
    fn an_idle_connection_takes_under_half_a_kibibyte() {
        let (at_rest, awake) = FlowTable::<FlowState>::bytes_of_one();
        println!("{at_rest} bytes at rest, {awake} awake");
        println!(
            "flow {} session {} app {} detect {} resting {} session {} app {} detect {}",
            size_of::<Flow<FlowState>>(),
            size_of::<TcpSession>(),
            size_of::<AppLayer>(),
            size_of::<FlowDetect>(),
            size_of::<Resting>(),
            size_of::<RestingSession>(),
            size_of::<RestingApp>(),
            size_of::<RestingDetect>(),
        );
        assert!(at_rest < 512 && awake <= 1024);
    }
}
