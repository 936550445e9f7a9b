//! Kerberos version 5 (RFC 4120), over UDP and TCP: each message is a transaction.

mod detect;
mod encryption;
mod events;
mod message;

pub(super) use detect::{detect, is_datagram};
pub use events::Event;

use super::message::{Framing, Length, Separate};
use crate::app_layer;
use crate::protocol::Protocol;

/// The parser of one flow.
pub fn parser() -> Separate {
    let framing = Framing {
        head_bytes: 4,
        length,
        bad: Some(app_layer::Event::Krb5(Event::MalformedData)),
    };
    Separate::streams(Protocol::Krb5, framing, message::read)
}

/// RFC 4120 section 7.2.2; the highest bit is reserved.
fn length(bytes: &[u8]) -> Length {
    match bytes
        .first_chunk()
        .map(|length| u32::from_be_bytes(*length))
    {
        None => Length::Open,
        Some(length) if length >> 31 != 0 => Length::Bad,
        Some(length) => Length::Known(4 + u64::from(length)),
    }
}

#[cfg(test)]
mod tests;
