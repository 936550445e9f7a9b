//! TLS: records, the part of the handshake that is in the clear, heartbeats.
//!
//! What is encrypted is not seen: from ChangeCipherSpec on (TLS 1.3: from the
//! first application data) only record types and lengths are.

mod detect;
mod events;
mod handshake;
mod heartbeat;
mod parser;
mod record;
mod transaction;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;
pub use transaction::{Transaction, Version, progress};

#[cfg(test)]
mod tests;
