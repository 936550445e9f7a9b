//! DNS (RFC 1035 and its successors), over UDP and TCP.
//!
//! Each message is a transaction of its own, of the direction it came from:
//! a request has all that its receiver acts on, and so has a response, which
//! repeats the question. [`read`] reads one message, whatever carried it.

mod detect;
mod events;
mod message;
mod name;
mod parser;
mod rdata;

pub(super) use detect::{detect, is_datagram};
pub use events::Event;
pub(super) use message::read;
pub use parser::Parser;

#[cfg(test)]
mod tests;
