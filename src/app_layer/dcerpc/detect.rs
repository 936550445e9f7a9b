//! Whether bytes are DCE/RPC.

use super::datagram;
use super::pdu::Header;
use crate::app_layer::message::Length;

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(bytes: &[u8]) -> Option<bool> {
    match Header::read(bytes) {
        Ok(_) => Some(true),
        Err(Length::Open) => None,
        Err(_) => Some(false),
    }
}

/// Whether a datagram is one of the connectionless protocol.
pub(in crate::app_layer) fn is_datagram(bytes: &[u8]) -> bool {
    let Some(&[version, kind, _, _, representation, floats, _, _]) = bytes.first_chunk::<8>()
    else {
        return false;
    };
    version == datagram::VERSION
        && kind <= datagram::LAST_KIND
        && representation & 0xee == 0
        && floats <= 3
        && bytes.len() >= datagram::HEADER_BYTES
}
