//! MIME (RFC 2045 to 2047, 2183, 2231): the parts of a message, their names and their contents.
//!
//! Lines go in as they come; headers, files and addresses of the text go into the transaction that
//! carries the message. What lies in parts of parts is found within bounds.

mod decode;
mod header;
mod message;
mod urls;

pub use message::{Anomaly, Bounds, Message};

#[cfg(test)]
mod tests;
