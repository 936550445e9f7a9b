//! Packets' headers, up to where protection begins (RFC 8999 section 5, RFC 9000 section 17).

use super::version::{Family, Salt, Version};

/// Longest connection ID of the versions that are read (RFC 9000 section 17.2).
const MAX_ID: usize = 20;

/// What a long header's packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The packet number begins at this byte of the packet, under protection.
    Initial { salt: Salt, number_at: usize },
    /// Google's in the clear: its frames begin at this byte.
    Clear { frames_at: usize },
    /// Nothing more of it can be read, or needs to be.
    Other,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Long<'a> {
    pub kind: Kind,
    pub version: Version,
    /// Of whom it goes to, as that end chose it; of a first Initial what the client made up.
    pub destination: &'a [u8],
    pub source: &'a [u8],
    /// The whole packet, first byte to last.
    pub packet: &'a [u8],
    /// Whether its version is all that it tells: version negotiation, retry, an unknown version.
    pub bare: bool,
}

/// What stands at the start of bytes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A packet, and what is coalesced behind it (RFC 9000 section 12.2).
    Long(Long<'a>, &'a [u8]),
    /// No long header: a packet whose keys only the ends know, or no packet at all.
    Opaque,
    /// A long header that is cut short.
    Broken,
}

pub(super) fn read(bytes: &[u8]) -> Read<'_> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => match long(bytes) {
            Some((packet, rest)) => Read::Long(packet, rest),
            None => Read::Broken,
        },
        Some(_) => public(bytes).map_or(Read::Opaque, |packet| Read::Long(packet, &[])),
        None => Read::Opaque,
    }
}

fn long(bytes: &[u8]) -> Option<(Long<'_>, &[u8])> {
    let mut cursor = Cursor { bytes, at: 0 };
    let first = cursor.byte()?;
    let version = Version(u32::from_be_bytes(*cursor.take(4)?.first_chunk()?));
    let family = version.family();
    if family == Family::Clear {
        return google(cursor, first, version).map(|packet| (packet, &[][..]));
    }
    let destination = cursor.id()?;
    let source = cursor.id()?;
    let packet = Long {
        kind: Kind::Other,
        version,
        destination,
        source,
        packet: bytes,
        bare: true,
    };
    let Family::Protected(salt) = family else {
        return Some((packet, &[]));
    };
    if destination.len() > MAX_ID || source.len() > MAX_ID {
        return None;
    }
    // RFC 9369 section 3.2 renumbers the types.
    let kind = match (version, (first & 0x30) >> 4) {
        (Version::V2, kind) => kind.wrapping_sub(1) & 3,
        (_, kind) => kind,
    };
    const INITIAL: u8 = 0;
    const RETRY: u8 = 3;
    if kind == RETRY {
        return Some((packet, &[]));
    }
    if kind == INITIAL {
        let token = cursor.number()?;
        cursor.take(usize::try_from(token).ok()?)?;
    }
    let length = usize::try_from(cursor.number()?).ok()?;
    let number_at = cursor.at;
    cursor.take(length)?;
    let (whole, rest) = bytes.split_at_checked(cursor.at)?;
    let kind = match kind {
        INITIAL => Kind::Initial { salt, number_at },
        _ => Kind::Other,
    };
    let packet = Long {
        kind,
        packet: whole,
        bare: false,
        ..packet
    };
    Some((packet, rest))
}

/// Bytes of the hash before Google's frames.
const GOOGLE_HASH: usize = 12;

/// Google's long header, of Q044 on: lengths of both IDs share a byte. It fills its datagram.
fn google<'a>(mut cursor: Cursor<'a>, first: u8, version: Version) -> Option<Long<'a>> {
    let lengths = cursor.byte()?;
    let length = |four_bits: u8| match four_bits {
        0 => 0,
        n => usize::from(n) + 3,
    };
    let destination = cursor.take(length(lengths >> 4))?;
    let source = cursor.take(length(lengths & 0x0f))?;
    let (is_initial, number_bytes) = match version {
        Version::Q046 => (first & 0x30 == 0, usize::from(first & 3) + 1),
        _ => (first & 0x7f == 0x7f, 4),
    };
    let packet = Long {
        kind: Kind::Other,
        version,
        destination,
        source,
        packet: cursor.bytes,
        bare: false,
    };
    if !is_initial {
        return Some(packet);
    }
    cursor.take(number_bytes + GOOGLE_HASH)?;
    Some(Long {
        kind: Kind::Clear {
            frames_at: cursor.at,
        },
        ..packet
    })
}

/// Google's public header, of Q043: flags, connection ID, version, packet number.
fn public(bytes: &[u8]) -> Option<Long<'_>> {
    const VERSION: u8 = 0x01;
    const CONNECTION_ID: u8 = 0x08;
    let mut cursor = Cursor { bytes, at: 0 };
    let flags = cursor.byte()?;
    if flags & (VERSION | CONNECTION_ID) != VERSION | CONNECTION_ID {
        return None;
    }
    let destination = cursor.take(8)?;
    let version = Version(u32::from_be_bytes(*cursor.take(4)?.first_chunk()?));
    if version != Version::Q043 {
        return None;
    }
    let number_bytes = match (flags & 0x30) >> 4 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => 6,
    };
    cursor.take(number_bytes + GOOGLE_HASH)?;
    Some(Long {
        kind: Kind::Clear {
            frames_at: cursor.at,
        },
        version,
        destination,
        source: &[],
        packet: bytes,
        bare: false,
    })
}

/// Reads on in bytes, and never beyond them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A connection ID behind its length (RFC 8999 section 5.1).
    fn id(&mut self) -> Option<&'a [u8]> {
        let length = self.byte()?;
        self.take(usize::from(length))
    }

    /// A variable-length integer (RFC 9000 section 16).
    pub fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        let more = self.take((1 << (first >> 6)) - 1)?;
        let start = u64::from(first & 0x3f);
        Some(more.iter().fold(start, |n, b| n << 8 | u64::from(*b)))
    }

    /// Goes behind a run of one byte.
    pub fn pass(&mut self, byte: u8) {
        let rest = self.rest();
        let run = rest.iter().position(|&b| b != byte);
        self.at += run.unwrap_or(rest.len());
    }

    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_long_as_they_say() {
        // The examples of RFC 9000 appendix A.1.
        for (bytes, expected) in [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            let mut cursor = Cursor { bytes, at: 0 };
            assert_eq!(cursor.number(), Some(expected));
            assert!(cursor.rest().is_empty());
            let mut cut = Cursor {
                bytes: &bytes[..bytes.len() - 1],
                at: 0,
            };
            assert_eq!(cut.number(), None);
        }
    }

    #[test]
    fn a_packet_ends_where_it_says_and_the_next_begins() {
        let initial = [0xc0, 0, 0, 0, 1, 1, 0xaa, 1, 0xbb, 2, 7, 7, 3, 1, 2, 3];
        let bytes = [&initial[..], &[0x40, 9]].concat();
        let Read::Long(packet, rest) = read(&bytes) else {
            panic!("a long header");
        };
        assert_eq!(
            (packet.destination, packet.source),
            (&[0xaa][..], &[0xbb][..])
        );
        assert!(matches!(packet.kind, Kind::Initial { number_at: 13, .. }));
        assert_eq!((packet.packet, rest), (&initial[..], &[0x40, 9][..]));
        assert_eq!(read(rest), Read::Opaque);
        for cut in 1..initial.len() {
            assert_eq!(read(&initial[..cut]), Read::Broken, "{cut}");
        }
    }

    #[test]
    fn the_second_version_numbers_its_types_differently() {
        let packet = |first| [first, 0x6b, 0x33, 0x43, 0xcf, 0, 0, 0, 1, 9];
        for (first, is_initial) in [(0xd0, true), (0xc0, false), (0xe0, false), (0xf0, false)] {
            let bytes = packet(first);
            let Read::Long(packet, _) = read(&bytes) else {
                panic!("a long header");
            };
            assert_eq!(matches!(packet.kind, Kind::Initial { .. }), is_initial);
        }
    }

    #[test]
    fn an_unknown_version_is_no_more_than_its_version() {
        let bytes = [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 1, 5, 0, 9, 9, 9];
        let Read::Long(packet, rest) = read(&bytes) else {
            panic!("a long header");
        };
        assert!(packet.bare && packet.version.is_reserved() && rest.is_empty());
    }
}
