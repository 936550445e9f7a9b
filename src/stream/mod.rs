//! TCP state and reassembly: what the receiver gets, in order, each byte decided once.
//!
//! An out-of-order segment is copied and forwarded at once; the segment that
//! fills the hole hands over all that became contiguous, before it is itself
//! forwarded. Bytes are kept until the other end acknowledges them, so that a
//! later copy that differs is refused. Nothing is held back.

mod buffer;
mod chunk;
mod events;
mod half;
mod normalise;
mod session;
mod window;

pub use chunk::ChunkPool;
pub use events::{StreamEvent, StreamEvents};
pub use normalise::{Normaliser, Rule, Treatment};
pub use session::{Delivery, RestingSession, Segment, SegmentOutcome, TcpSession};
pub use window::Window;

use crate::counters::Counters;

/// What the sessions of one worker share.
#[derive(Debug)]
pub struct Shared<'a> {
    pub pool: &'a mut ChunkPool,
    pub config: &'a StreamConfig,
    pub counters: &'a Counters,
}

/// Bounds of one worker's reassembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Bytes waiting behind a hole, for one direction of one flow.
    pub max_out_of_order_bytes: u64,
    /// Bytes forwarded and not acknowledged, for one direction of one flow.
    pub max_retained_bytes: u64,
    /// Bytes kept by all flows of a worker together.
    pub pool_bytes: u64,
    /// Packets may pass us unseen (fail-open): what the receiver acknowledges without our having
    /// seen it is a gap, not an error.
    pub tolerate_gaps: bool,
    pub normalise: Normaliser,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            max_out_of_order_bytes: 1024 * 1024,
            max_retained_bytes: 4 * 1024 * 1024,
            pool_bytes: 256 * 1024 * 1024,
            tolerate_gaps: false,
            normalise: Normaliser::NORMAL,
        }
    }
}
