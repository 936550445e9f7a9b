//! DHCP (RFC 2131): each datagram is a transaction.

mod detect;
mod events;
mod message;

pub(super) use detect::is_datagram;
pub use events::Event;
pub(super) use message::read;

#[cfg(test)]
mod tests;
