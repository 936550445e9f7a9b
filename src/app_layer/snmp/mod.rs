//! SNMP of versions 1 (RFC 1157), 2c (RFC 1901) and 3 (RFC 3412): each datagram is a transaction.

mod detect;
mod events;
mod message;

pub(super) use detect::is_datagram;
pub use events::Event;
pub(super) use message::read;

#[cfg(test)]
mod tests;
