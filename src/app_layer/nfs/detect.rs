//! Whether a direction, or a datagram, is NFS.

use super::record::LAST;
use super::rpc::NFS;
use crate::app_layer::candidates::Opening;
use crate::direction::Direction;

/// IANA: nfs.
const PORT: u16 = 2049;
/// Fragments that the head of a message may come in.
const MOST_FRAGMENTS: usize = 8;
/// No receiver takes more in one fragment.
const LONGEST_FRAGMENT: u32 = (1 << 24) - 1;
/// Kind, version of RPC and program, behind the identifier.
const CALL: [u8; 12] = {
    let program = NFS.to_be_bytes();
    [
        0, 0, 0, 0, 0, 0, 0, 2, program[0], program[1], program[2], program[3],
    ]
};
/// Kind, behind the identifier, and all of the status but its lowest bit.
const REPLY: [u8; 7] = [0, 0, 0, 1, 0, 0, 0];
const IDENTIFIER: usize = 4;
const HEAD: usize = IDENTIFIER + CALL.len();

/// `None`: more bytes are needed. Calls name their program; a reply names nothing, so it tells on the protocol's own
/// port alone.
pub(in crate::app_layer) fn detect(opening: &Opening<'_>) -> Option<bool> {
    let mut head = [0; HEAD];
    match join_head(opening.bytes, &mut head) {
        Some(length) => is_message(opening, head.get(..length)?),
        None => Some(false),
    }
}

/// Puts the fragments of a message's head together (RFC 5531 section 11), and gives how much of it is there. `None`:
/// there are no such fragments.
fn join_head(bytes: &[u8], head: &mut [u8; HEAD]) -> Option<usize> {
    let (mut length, mut rest) = (0, bytes);
    for _ in 0..MOST_FRAGMENTS {
        let Some((mark, behind)) = rest.split_first_chunk() else {
            // The highest byte of a length, and whether it is that of the last fragment.
            let may_be_mark = rest.first().is_none_or(|first| first & 0x7f == 0);
            return may_be_mark.then_some(length);
        };
        let mark = u32::from_be_bytes(*mark);
        let whole = Some(mark & !LAST).filter(|whole| *whole <= LONGEST_FRAGMENT)?;
        let whole = usize::try_from(whole).ok()?;
        let there = behind.get(..whole).unwrap_or(behind);
        for (place, byte) in head.iter_mut().skip(length).zip(there) {
            *place = *byte;
            length += 1;
        }
        if length == HEAD || there.len() < whole {
            return Some(length);
        }
        if mark & LAST != 0 {
            return None;
        }
        rest = behind.get(whole..).unwrap_or_default();
    }
    None
}

pub(in crate::app_layer) fn is_datagram(opening: &Opening<'_>) -> bool {
    is_message(opening, opening.bytes) == Some(true)
}

fn is_message(opening: &Opening<'_>, message: &[u8]) -> Option<bool> {
    let expected: &[u8] = match opening.direction {
        Direction::ToServer => &CALL,
        Direction::ToClient if opening.server_port == PORT => &REPLY,
        Direction::ToClient => return Some(false),
    };
    let head = message.get(IDENTIFIER..).unwrap_or_default();
    if !head.iter().zip(expected).all(|(a, b)| a == b) {
        return Some(false);
    }
    (head.len() >= expected.len()).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::Limits;
    use Direction::{ToClient, ToServer};

    fn opening(direction: Direction, bytes: &[u8], server_port: u16) -> Option<bool> {
        detect(&Opening {
            direction,
            bytes,
            server_port,
            limits: &Limits::default(),
        })
    }

    #[test]
    fn the_program_tells_anywhere_and_replies_on_the_port() {
        let call = b"\x80\0\0\x28\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x03";
        let portmap = b"\x80\0\0\x28\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa0\0\0\0\x03";
        let reply = b"\x80\0\0\x18\x12\x34\x56\x78\0\0\0\x01\0\0\0\0";
        for (direction, bytes, port, expected) in [
            (ToServer, &call[..], 9999, Some(true)),
            (ToServer, &call[..19], 9999, None),
            (ToServer, &call[..2], 9999, None),
            (ToServer, portmap, PORT, Some(false)),
            (ToServer, b"GET /", PORT, Some(false)),
            (ToServer, b"\x80\0\0\x04\x12\x34\x56\x78", PORT, Some(false)),
            (ToClient, reply, PORT, Some(true)),
            (ToClient, reply, 9999, Some(false)),
        ] {
            let found = opening(direction, bytes, port);
            assert_eq!(found, expected, "{bytes:?} on {port}");
        }
    }

    #[test]
    fn a_head_in_fragments_tells_as_well() {
        let call =
            b"\0\0\0\x05\x12\x34\x56\x78\0\0\0\0\0\x80\0\0\x28\0\0\0\0\0\0\x02\0\x01\x86\xa3\0";
        for length in 0..call.len() {
            let expected = (length >= call.len() - 1).then_some(true);
            let found = opening(ToServer, &call[..length], 9999);
            assert_eq!(found, expected, "{length}");
        }
        assert_eq!(opening(ToServer, &[0; 31], 9999), None);
        assert_eq!(opening(ToServer, &[0; 32], 9999), Some(false));
    }

    #[test]
    fn a_datagram_is_a_message() {
        let call = b"\x12\x34\x56\x78\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x03";
        for (bytes, expected) in [(&call[..], true), (&call[..15], false), (&call[4..], false)] {
            let opening = Opening {
                direction: ToServer,
                bytes,
                server_port: 9999,
                limits: &Limits::default(),
            };
            assert_eq!(is_datagram(&opening), expected, "{bytes:?}");
        }
    }
}
