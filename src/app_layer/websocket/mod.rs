//! WebSocket (RFC 6455), behind the `101` of an HTTP/1 connection.
//!
//! Each frame is a transaction of its own. The last frame of a message in
//! pieces shows the payload of the whole message, and that of a compressed one
//! (RFC 7692) is shown as it is without compression.

mod events;
mod frame;
pub(in crate::app_layer) mod frames;
mod inflate;
mod parser;

pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
