//! SIP (RFC 3261), over TCP and in single datagrams.
//!
//! Requests and responses go both ways. Each message is a transaction of its
//! own, of the direction it came from; its body is skipped.

mod detect;
mod events;
pub(in crate::app_layer) mod frames;
mod message;
mod parser;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
