//! Whether the first bytes of a flow are LDAP.

use super::message::{INTEGER, SEQUENCE, behind_length, length};
use super::operation::Operation;
use crate::app_layer::message::{Bytes, Length};
use crate::direction::Direction;

/// A message has a mark of its own: a sequence, a message ID, an operation that goes in this
/// direction and has room in the sequence (RFC 4511 section 4.1.1). `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(direction: Direction, bytes: &[u8]) -> Option<bool> {
    match begins(direction, bytes) {
        Ok(begins) => Some(begins),
        Err(Length::Open) => None,
        Err(_) => Some(false),
    }
}

pub(in crate::app_layer) fn is_datagram(direction: Direction, bytes: &[u8]) -> bool {
    let there = bytes.len() as u64;
    detect(direction, bytes) == Some(true)
        && matches!(length(bytes), Length::Known(whole) if whole <= there)
}

fn begins(direction: Direction, bytes: &[u8]) -> Result<bool, Length> {
    let mut left = Bytes(bytes);
    if byte(&mut left)? != SEQUENCE {
        return Ok(false);
    }
    let whole = behind_length(&mut left)?;
    let before_id = left.0.len();
    if byte(&mut left)? != INTEGER {
        return Ok(false);
    }
    // From 0 to 2^31 - 1 (RFC 4511 section 4.1.1.1).
    let id_bytes = byte(&mut left)?;
    let id = match id_bytes {
        1..=4 => left.take(id_bytes.into()).ok_or(Length::Open)?,
        _ => return Ok(false),
    };
    if id.first().is_some_and(|b| b & 0x80 != 0) {
        return Ok(false);
    }
    let Some(operation) = Operation::of_first_byte(byte(&mut left)?) else {
        return Ok(false);
    };
    let inner = behind_length(&mut left)?;
    let head = (before_id - left.0.len()) as u64;
    Ok(operation.direction() == direction && head + inner <= whole)
}

fn byte(left: &mut Bytes<'_>) -> Result<u8, Length> {
    left.u8().ok_or(Length::Open)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn an_operation_tells() {
        for (direction, bytes, expected) in [
            (ToServer, &b"\x30\x0c\x02\x01\x01\x60\x07"[..], Some(true)),
            (
                ToServer,
                b"\x30\x84\0\0\0\x10\x02\x01\x01\x60\x84\0\0\0\x07",
                Some(true),
            ),
            (ToServer, b"\x30\x05\x02\x01\x01\x42\x00", Some(true)),
            (ToServer, b"\x30\x0c\x02\x01\x01\x60", None),
            (ToServer, b"\x30", None),
            (ToServer, b"", None),
            (ToClient, b"\x30\x0c\x02\x01\x01\x60\x07", Some(false)),
            (ToClient, b"\x30\x0c\x02\x01\x01\x61\x07", Some(true)),
            (ToServer, b"\x30\x0c\x02\x01\x01\x60\x08", Some(false)),
            (ToServer, b"\x30\x0c\x02\x01\x01\x62\x07", Some(false)),
            (ToServer, b"\x30\x0c\x02\x01\x81\x60\x07", Some(false)),
            (ToServer, b"\x30\x0c\x02\x05\x01", Some(false)),
            (ToServer, b"\x30\x80\x02\x01\x01\x60\x07", Some(false)),
            // SNMP.
            (ToServer, b"\x30\x21\x02\x01\x00\x04\x06public", Some(false)),
            (ToServer, b"0 day\r\n", Some(false)),
        ] {
            assert_eq!(detect(direction, bytes), expected, "{bytes:?}");
        }
        assert!(!is_datagram(ToServer, b"\x30\x0c\x02\x01\x01\x60\x07"));
        assert!(is_datagram(ToServer, b"\x30\x05\x02\x01\x01\x42\x00"));
    }
}
