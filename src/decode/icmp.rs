//! What is odd about ICMP (RFC 792, RFC 4443) messages. None of it is refused: a receiver
//! ignores what it does not know, and a message changes no flow.

use super::{DecodeEvent, DecodeEvents, IpHeader};

/// Notes oddities of an ICMP message of IPv4; `rest` is behind its 8 bytes.
pub(super) fn note_v4(kind: u8, code: u8, rest: &[u8], events: &mut DecodeEvents) {
    // Types of RFC 792, 950, 1256, 1393, 2002 and 4884 by their highest code.
    let highest = match kind {
        3 => 15,
        5 => 3,
        11 => 1,
        12 => 2,
        9 => 16,
        40 => 5,
        42 => 0,
        43 => 4,
        0 | 4 | 8 | 10 | 13..=18 | 30..=39 => 0,
        _ => {
            events.add(DecodeEvent::Icmpv4UnknownType);
            return;
        }
    };
    if code > highest {
        events.add(DecodeEvent::Icmpv4UnknownCode);
    }
    if matches!(kind, 3 | 4 | 5 | 11 | 12) {
        match rest.first().map(|b| b >> 4) {
            Some(4) if rest.len() >= 20 => {}
            Some(4) | None => events.add(DecodeEvent::Icmpv4EmbeddedTruncated),
            Some(_) => events.add(DecodeEvent::Icmpv4EmbeddedVersion),
        }
    }
}

/// Notes oddities of an ICMPv6 message; `rest` is behind its 8 bytes.
pub(super) fn note_v6(
    ip: &IpHeader<'_>,
    kind: u8,
    code: u8,
    rest: &[u8],
    events: &mut DecodeEvents,
) {
    let highest = match kind {
        1 => 8,
        2 => 0,
        3 => 1,
        4 => 10,
        100 | 101 | 200 | 201 => {
            events.add(DecodeEvent::Icmpv6ExperimentalType);
            return;
        }
        127 | 255 => {
            events.add(DecodeEvent::Icmpv6UnknownType);
            return;
        }
        138 => 255,
        139 | 140 => 2,
        128..=137 | 141..=161 => 0,
        _ => {
            events.add(DecodeEvent::Icmpv6UnassignedType);
            return;
        }
    };
    if code > highest {
        events.add(DecodeEvent::Icmpv6UnknownCode);
    }
    // RFC 2710 section 3, RFC 3810 section 5.
    if matches!(kind, 130..=132 | 143) && ip.ttl != 1 {
        events.add(DecodeEvent::Icmpv6MldHopLimit);
    }
    if kind < 128 {
        match rest.first().map(|b| b >> 4) {
            Some(6) if rest.len() >= 40 => {}
            Some(6) | None => events.add(DecodeEvent::Icmpv6EmbeddedTruncated),
            Some(_) => events.add(DecodeEvent::Icmpv6EmbeddedVersion),
        }
    }
}
