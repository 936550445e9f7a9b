//! One worker's data path: bytes and `now` in, a verdict and events out.
//!
//! No I/O, no clock, no allocation per packet in steady state. `runtime` owns
//! a [`Worker`] per queue; `replay` and `scenario` drive the same type.

mod ending;
mod event;
mod expected;
mod flow_state;
mod gate;
mod inspect;
mod judge;
mod memory;
mod passive;
mod policy;
mod reset;
mod resting;
mod tagging;
mod worker;

pub use event::{
    AlertEvent, DropEvent, Ends, Event, EventSink, FlowEndReason, FlowEvent, Frame, Outer,
    Reassembled, Reset, Shown, TaggedEvent,
};
pub use memory::MemoryBound;
pub use policy::{Exceptions, Midstream, WorkerConfig};
pub use worker::{RawPacket, Worker};
