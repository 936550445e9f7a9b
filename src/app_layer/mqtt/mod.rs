//! MQTT 3.1, 3.1.1 and 5 (OASIS standards).
//!
//! A request and what answers it are one transaction: CONNECT and CONNACK, a
//! publication and its acknowledgements, SUBSCRIBE and SUBACK, UNSUBSCRIBE and
//! UNSUBACK. Every other message is one of its own.

mod detect;
mod events;
mod message;
mod parser;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
