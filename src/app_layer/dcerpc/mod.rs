//! DCE/RPC (C706, MS-RPCE), over TCP, in single datagrams, and in the pipes of SMB.
//!
//! A call is one transaction: the fragments of its request and those of its
//! response. Binding is another.

mod association;
mod datagram;
mod detect;
mod events;
mod parser;
mod pdu;

pub(super) use association::Association;
pub(super) use detect::{detect, is_datagram};
pub use events::Event;
pub use parser::Parser;
pub(super) use pdu::length;

#[cfg(test)]
mod tests;
