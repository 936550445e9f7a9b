//! Whether a direction begins like PostgreSQL.

use super::message::{CANCEL, GSS, MAJOR_VERSION, SSL, opening_length};
use crate::app_layer::message::{Bytes, Length};
use crate::direction::Direction;

/// The first message of a client has a mark of its own. `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(direction: Direction, bytes: &[u8]) -> Option<bool> {
    // No opening is as long as that.
    if direction != Direction::ToServer || bytes.iter().take(2).any(|b| *b != 0) {
        return Some(false);
    }
    let length = match opening_length(bytes) {
        Ok(Length::Known(length)) => length,
        Ok(_) => return None,
        Err(_) => return Some(false),
    };
    let mut left = Bytes(bytes.get(4..)?);
    Some(match (left.u32()?, length) {
        (SSL | GSS, 8) => true,
        (CANCEL, 16..) => true,
        (code, 9..) => code >> 16 == MAJOR_VERSION && is_name(left.u8()?),
        _ => false,
    })
}

/// How the name of a parameter begins; zero: there is none.
const fn is_name(first: u8) -> bool {
    first.is_ascii_alphabetic() || matches!(first, b'_' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn a_client_tells() {
        for (direction, bytes, expected) in [
            (
                ToServer,
                &b"\0\0\0\x14\0\x03\0\0user\0me\0\0"[..],
                Some(true),
            ),
            (ToServer, b"\0\0\0\x14\0\x03\0\x02u", Some(true)),
            (ToServer, b"\0\0\0\x14\0\x03\0\x02", None),
            (ToServer, b"\0\0\0\x08\x04\xd2\x16\x2f", Some(true)),
            (ToServer, b"\0\0\0\x08\x04\xd2\x16\x30", Some(true)),
            (ToServer, b"\0\0\0\x10\x04\xd2\x16\x2e", Some(true)),
            (ToServer, b"\0\0\0\x09\x04\xd2\x16\x2f0", Some(false)),
            (ToServer, b"\0\0\0\x14\0\x02\0\0user", Some(false)),
            (ToServer, b"\0\0\0\x07", Some(false)),
            (ToServer, b"\0\0\xff\xff", Some(false)),
            (ToServer, b"\0\x01", Some(false)),
            (ToServer, b"\0\0\0", None),
            (ToServer, b"", None),
            (ToClient, b"\0\0\0\x08\x04\xd2\x16\x2f", Some(false)),
        ] {
            assert_eq!(detect(direction, bytes), expected, "{bytes:?}");
        }
    }
}
