//! Whether a datagram is IKE.

use super::message::{HEADER_BYTES, Header, NO_ESP};
use crate::app_layer::message::Bytes;

/// The port that IKE shares with ESP (RFC 3948).
const SHARED_PORT: u16 = 4500;

/// A header whose length is the datagram's, and with nothing in it that no version has.
pub(in crate::app_layer) fn is_datagram(bytes: &[u8], server_port: u16) -> bool {
    let message = match bytes.strip_prefix(&NO_ESP) {
        Some(message) if server_port == SHARED_PORT => message,
        _ => bytes,
    };
    let Some(header) = Header::read(&mut Bytes(message)) else {
        return false;
    };
    let fits = match header.major {
        // RFC 2408 section 3.1, RFC 2409 section 5 and the registry of exchanges.
        1 => header.flags & !7 == 0 && matches!(header.exchange, 1..=6 | 32 | 33),
        // RFC 7296 section 3.1 and later exchanges.
        2 => header.flags & !0x38 == 0 && matches!(header.exchange, 34..=46),
        _ => false,
    };
    fits && header.minor == 0
        && header.initiator != 0
        && header.length as usize == message.len()
        && message.len() >= HEADER_BYTES
}
