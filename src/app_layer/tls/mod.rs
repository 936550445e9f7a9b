//! TLS: records, the part of the handshake that is in the clear, heartbeats.

mod events;
mod transaction;

pub use events::Event;
pub use transaction::{Transaction, Version, progress};
