//! Looking on: what a worker does where nothing it finds can be held back.
//!
//! Such a worker forwards every packet, also what its stream tracker refuses. Bytes were taken by
//! their receiver only when it has answered them, so raw stream rules that nothing else waits for
//! look at them then, in larger pieces; what nobody answered is looked at when its flow ends. In a
//! flow of no known protocol nothing waits for raw rules at all, and an answer ends no piece.

use super::event::{Event, EventSink, Reassembled, Reset};
use crate::stream::Window;

/// So many bytes without an answer are looked at all the same.
pub(super) const CHUNK_BYTES: usize = 2560;

/// One direction's bytes that wait for an answer, and those before them.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    pub window: Window,
    pub pending: Vec<u8>,
    /// Of the pending bytes, those that prompt rules have seen.
    pub shown: usize,
}

/// Passes on what was seen, and nothing of what would have been done.
pub(super) struct Onlooker<'a>(pub &'a mut dyn EventSink);

impl EventSink for Onlooker<'_> {
    fn event(&mut self, event: Event<'_>) {
        if !matches!(event, Event::Drop(_)) {
            self.0.event(event);
        }
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, datagram: Reassembled<'_>) {
        self.0.reassembled(datagram);
    }
}
