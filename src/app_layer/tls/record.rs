//! The record layer (RFC 8446 section 5, RFC 5246 section 6.2).

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;

/// The longest record: 2^14 bytes and what encryption may add (RFC 5246 section 6.2.3).
pub(super) const MAX_RECORD: usize = (1 << 14) + 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
}

impl ContentType {
    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            22 => Self::Handshake,
            23 => Self::ApplicationData,
            24 => Self::Heartbeat,
            _ => return None,
        })
    }
}
