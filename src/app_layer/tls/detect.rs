//! Whether the first bytes of a flow are TLS.

use super::record::MAX_RECORD;
use crate::direction::Direction;

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(direction: Direction, bytes: &[u8]) -> Option<bool> {
    if direction == Direction::ToServer && bytes.first().is_some_and(|b| b & 0x80 != 0) {
        return detect_ssl2(bytes);
    }
    let &[content_type, ref rest @ ..] = bytes else {
        return None;
    };
    if !(20..=24).contains(&content_type) {
        return Some(false);
    }
    let &[major, ref rest @ ..] = rest else {
        return None;
    };
    if major != 3 {
        return Some(false);
    }
    let &[minor, ref rest @ ..] = rest else {
        return None;
    };
    if minor > 4 {
        return Some(false);
    }
    let &[high, low, ..] = rest else {
        return None;
    };
    Some(usize::from(u16::from_be_bytes([high, low])) <= MAX_RECORD)
}

/// An SSLv2 client hello (RFC 5246 appendix E.2): length, type 1, version, and
/// the lengths of its three parts, which fill it.
fn detect_ssl2(bytes: &[u8]) -> Option<bool> {
    match bytes.get(2) {
        Some(1) => {}
        Some(_) => return Some(false),
        None => return None,
    }
    match (bytes.get(3), bytes.get(4)) {
        (Some(3), Some(0..=4)) | (Some(0), Some(2)) => {}
        (None, _) | (Some(0 | 3), None) => return None,
        _ => return Some(false),
    }
    let lengths = bytes.get(5..11)?;
    let total: usize = lengths
        .chunks_exact(2)
        .map(|pair| pair.iter().fold(0, |n, &b| (n << 8) | usize::from(b)))
        .sum();
    let announced = bytes
        .get(..2)?
        .iter()
        .fold(0, |n, &b| (n << 8) | usize::from(b))
        & 0x7fff;
    Some(total + 9 == announced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_tls_from_its_neighbours() {
        use Direction::{ToClient, ToServer};
        let ssl2 = [0x80, 0x1c, 1, 3, 1, 0, 3, 0, 0, 0, 16];
        let cases: &[(Direction, &[u8], Option<bool>)] = &[
            (ToServer, &[], None),
            (ToServer, &[0x16], None),
            (ToServer, &[0x16, 3, 1, 0], None),
            (ToServer, &[0x16, 3, 1, 2, 0], Some(true)),
            (ToClient, &[0x15, 3, 3, 0, 2], Some(true)),
            (ToServer, &[0x18, 3, 2, 0, 3], Some(true)),
            (ToServer, &[0x16, 3, 1, 0xff, 0xff], Some(false)),
            (ToServer, &[0x16, 2], Some(false)),
            (ToServer, b"GET", Some(false)),
            (ToServer, &ssl2, Some(true)),
            (ToServer, &ssl2[..7], None),
            (ToClient, &ssl2, Some(false)),
            (
                ToServer,
                &[0x80, 0x1d, 1, 3, 1, 0, 3, 0, 0, 0, 16],
                Some(false),
            ),
            (ToServer, &[0x80, 0x1c, 2], Some(false)),
        ];
        for (direction, bytes, expected) in cases {
            assert_eq!(detect(*direction, bytes), *expected, "{bytes:?}");
        }
    }
}
