//! Whether the first bytes of a flow are DNS.

use super::message::{HEADER_BYTES, Header, entry};
use super::name::Name;

/// The port of name servers (RFC 1035 section 4.2).
const PORT: u16 = 53;
/// Protocols of the same shape that are not DNS: NetBIOS names (RFC 1002), mDNS (RFC 6762), LLMNR
/// (RFC 4795).
const OTHERS: [u16; 3] = [137, 5353, 5355];
/// A first message over TCP on another port is not longer than this.
const LONGEST_STRANGER: u16 = 4095;

/// A stream: messages behind their lengths (RFC 1035 section 4.2.2). `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(bytes: &[u8], server_port: u16) -> Option<bool> {
    let Some((length, message)) = bytes.split_first_chunk::<2>() else {
        let may_be = server_port == PORT || bytes.first().is_none_or(|&b| b <= 0x0f);
        return (!may_be).then_some(false);
    };
    let length = u16::from_be_bytes(*length);
    let message = &message[..message.len().min(usize::from(length))];
    if server_port == PORT {
        if usize::from(length) < HEADER_BYTES {
            return Some(false);
        }
        return Header::read(message).map(|header| may_be(header, length.into()));
    }
    if OTHERS.contains(&server_port) || length > LONGEST_STRANGER || begins_otherwise(message) {
        return Some(false);
    }
    if message.len() < usize::from(length) {
        // Its header has been looked at by now, or will be.
        return None;
    }
    Some(is_message(message))
}

pub(in crate::app_layer) fn is_datagram(bytes: &[u8], server_port: u16) -> bool {
    match server_port {
        PORT => Header::read(bytes).is_some_and(|header| may_be(header, bytes.len())),
        port => !OTHERS.contains(&port) && !begins_otherwise(bytes) && is_message(bytes),
    }
}

/// Where DNS is expected, something has to be counted, and not much more than can be there: a
/// message that is cut short is malformed, and still for DNS to judge.
fn may_be(header: Header, length: usize) -> bool {
    let counted: usize = header.counts.map(usize::from).iter().sum();
    counted > 0 && counted <= length
}

/// Elsewhere a header has to look like those that are in use, as far as it is there.
fn begins_otherwise(message: &[u8]) -> bool {
    let Some(flags) = message.get(2) else {
        return false;
    };
    // Queries, notifications and updates (RFC 1035 section 4.1.1, RFC 1996, RFC 2136).
    let opcode = flags >> 3 & 0xf;
    let reserved = message.get(3).is_some_and(|b| b & 0x40 != 0);
    let question = [0, 1];
    let several = message
        .get(4..)
        .is_some_and(|counts| !counts.iter().zip(question).all(|(a, b)| *a == b));
    !matches!(opcode, 0 | 4 | 5) || reserved || several
}

/// Elsewhere a message has to be one from its first to its last byte.
fn is_message(message: &[u8]) -> bool {
    let Some(header) = Header::read(message) else {
        return false;
    };
    let [questions, records @ ..] = header.counts.map(usize::from);
    let records: usize = records.iter().sum();
    if !header.fits(message.len()) {
        return false;
    }
    let mut name = Name::new();
    let mut at = HEADER_BYTES;
    for number in 0..questions + records {
        let Some((entry, None)) = entry(&mut name, message, at, number >= questions) else {
            return false;
        };
        if number < questions && !(is_class(entry.class) && is_host(name.as_bytes())) {
            return false;
        }
        at = entry.end();
    }
    at == message.len()
}

/// Internet, CHAOS, none and any (RFC 6895 section 3.2).
const fn is_class(class: u16) -> bool {
    matches!(class, 1 | 3 | 254 | 255)
}

fn is_host(name: &[u8]) -> bool {
    name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";

    #[test]
    fn a_whole_message_tells_on_any_port_and_a_header_on_its_own() {
        assert!(is_datagram(QUERY, 4000) && is_datagram(QUERY, 53));
        for port in OTHERS {
            assert!(!is_datagram(QUERY, port), "{port}");
        }
        let longer = [QUERY, b"x"].concat();
        assert!(!is_datagram(&longer, 4000) && is_datagram(&longer, 53));
        let cut = &QUERY[..QUERY.len() - 1];
        assert!(!is_datagram(cut, 4000) && is_datagram(cut, 53));
        let mut odd = QUERY.to_vec();
        odd[2] = 0x49;
        assert!(!is_datagram(&odd, 4000) && is_datagram(&odd, 53));
        let mut empty = QUERY.to_vec();
        empty[5] = 0;
        assert!(!is_datagram(&empty, 4000) && !is_datagram(&empty, 53));
        let short = &QUERY[..16];
        assert!(!is_datagram(short, 4000) && is_datagram(short, 53));
        assert!(!is_datagram(b"", 53) && !is_datagram(b"any words at all, of some length", 4000));
    }

    #[test]
    fn a_stream_is_known_however_cut() {
        let stream = [&[0, QUERY.len() as u8][..], QUERY, b"\x00"].concat();
        for (port, needed) in [(53, 14), (4000, QUERY.len() + 2)] {
            for length in 1..stream.len() {
                let expected = (length >= needed).then_some(true);
                assert_eq!(detect(&stream[..length], port), expected, "{port} {length}");
            }
        }
        for other in [
            &b"E"[..],
            b"EHLO x\r\n",
            b"\x16\x03",
            b"\x00\x01",
            b"\x00\x20ab\x38",
        ] {
            assert_eq!(
                detect(other, 4000),
                if other[0] == 0 && other.len() == 2 {
                    None
                } else {
                    Some(false)
                },
                "{other:?}"
            );
        }
        assert_eq!(detect(b"\x00\x05", 53), Some(false));
    }
}
