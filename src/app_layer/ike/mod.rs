//! IKE of version 1 (RFC 2408, RFC 2409) and 2 (RFC 7296): each datagram is a transaction.

mod attributes;
mod detect;
mod events;
mod message;
mod proposal;

pub(super) use detect::is_datagram;
pub use events::Event;
pub(super) use message::read;

#[cfg(test)]
mod tests;
