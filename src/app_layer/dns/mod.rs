//! DNS (RFC 1035 and its successors), over UDP and TCP.
//!
//! Each message is a transaction of its own, of the direction it came from:
//! a request has all that its receiver acts on, and so has a response, which
//! repeats the question. [`read`] reads one message, whatever carried it.

mod detect;
mod events;
mod message;
mod name;
mod rdata;

pub(super) use detect::{detect, is_datagram};
pub use events::Event;
pub(super) use message::read;

use super::message::{Framing, Length, Separate};
use crate::protocol::Protocol;

/// The parser of one flow.
pub fn parser() -> Separate {
    let framing = Framing {
        head_bytes: 2,
        length,
        bad: None,
    };
    Separate::streams(Protocol::Dns, framing, read)
}

/// RFC 1035 section 4.2.2.
fn length(bytes: &[u8]) -> Length {
    match bytes.first_chunk() {
        Some(length) => Length::Known(2 + u64::from(u16::from_be_bytes(*length))),
        None => Length::Open,
    }
}

#[cfg(test)]
mod tests;
