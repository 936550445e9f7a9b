//! Whether the first bytes of a flow are HTTP/2 without TLS.

use super::frame::{HEAD_BYTES, Head, Kind};
use crate::direction::Direction;

/// What a client begins with (RFC 9113 section 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Settings that are known number less; a first frame with more is something else.
const MOST_SETTINGS: u32 = 64;

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(direction: Direction, bytes: &[u8]) -> Option<bool> {
    match direction {
        Direction::ToServer => {
            let length = PREFACE.len().min(bytes.len());
            let same = bytes.get(..length) == PREFACE.get(..length);
            (!same || length == PREFACE.len()).then_some(same)
        }
        // The server's preface is a SETTINGS frame, no acknowledgement.
        Direction::ToClient => {
            // Most other protocols differ in the first byte already.
            let shape = [0, 0, 0xff, 4, 0, 0, 0, 0, 0];
            let like = bytes.iter().zip(shape).all(|(b, s)| *b == s || s == 0xff);
            if !like {
                return Some(false);
            }
            let head = Head::read(*bytes.first_chunk::<HEAD_BYTES>()?);
            let sized = head.length.is_multiple_of(6) && head.length <= 6 * MOST_SETTINGS;
            Some(head.kind == Kind::Settings && sized)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn prefaces_tell() {
        for (direction, bytes, expected) in [
            (ToServer, PREFACE, Some(true)),
            (ToServer, &PREFACE[..23], None),
            (ToServer, b"PRI * HTTP/2.0\r\n\r\nXX", Some(false)),
            (ToServer, b"GET / HTTP/1.1\r\n", Some(false)),
            (ToClient, b"\0\0\x12\x04\0\0\0\0\0\0\x03", Some(true)),
            (ToClient, b"\0\0\x12\x04\0\0", None),
            (ToClient, b"\0\0\0\x04\0\0\0\0\0", Some(true)),
            (ToClient, b"\0\0\x05\x04\0\0\0\0\0", Some(false)),
            (ToClient, b"\0\0\x12\x04\x01", Some(false)),
            (ToClient, b"HTTP/1.1 101", Some(false)),
        ] {
            assert_eq!(detect(direction, bytes), expected, "{bytes:?}");
        }
    }
}
