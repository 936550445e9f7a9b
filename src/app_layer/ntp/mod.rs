//! NTP (RFC 5905 and the versions before it): each datagram is a transaction.

mod detect;
mod events;
mod packet;

pub(super) use detect::is_datagram;
pub use events::Event;
pub(super) use packet::read;

#[cfg(test)]
mod tests;
