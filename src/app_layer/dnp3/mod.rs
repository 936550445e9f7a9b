//! DNP3 (IEEE 1815) over TCP.
//!
//! Three layers lie inside each other: frames of the link with a checksum for every sixteen bytes, segments
//! that are put together, and the application's messages. Each message is a transaction.

mod application;
mod detect;
mod events;
mod frame;
mod objects;
mod parser;
mod transport;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
