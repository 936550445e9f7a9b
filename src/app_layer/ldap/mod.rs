//! LDAP version 3 (RFC 4511), over TCP and in datagrams (MS-ADTS section 3.1.1.3.1.10).
//!
//! A request and its responses are one transaction, by their message ID. What comes behind an
//! accepted StartTLS (RFC 4511 section 4.14) is of another protocol; what comes behind an accepted
//! SASL bind may be wrapped by its security layer (RFC 4422 section 3.7), which is not opened.

mod detect;
mod events;
mod message;
mod operation;
mod parser;
mod request;
mod response;

pub(super) use detect::{detect, is_datagram};
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
