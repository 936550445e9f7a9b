//! TLS: records, the part of the handshake that is in the clear, heartbeats.
//!
//! What is encrypted is not seen: from ChangeCipherSpec on (TLS 1.3: from the
//! first application data) only record types and lengths are.

mod certificate;
mod detect;
mod events;
mod fingerprint;
pub(in crate::app_layer) mod frames;
mod handshake;
mod heartbeat;
mod hello;
mod known;
mod parser;
mod read;
mod record;
mod seek;
mod transaction;

pub use certificate::Chain;
pub(super) use detect::detect;
pub use events::Event;
pub(super) use fingerprint::{Carrier, ja3, ja4, md5_hex};
pub(super) use hello::{Hello, extension, server_name};
pub use parser::Parser;
pub(super) use seek::find_record;
pub use transaction::{HandshakeState, Transaction, Version, progress};

#[cfg(test)]
mod tests;
