//! Link headers: where the IP datagram begins, and in which VLAN.

use super::ip::Expected;
use super::{DecodeEvent, DecodeEvents};
use crate::verdict::DropReason;

pub(super) const ETHERTYPE_IPV4: u16 = 0x0800;
pub(super) const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Tags beyond the third are skipped up to this depth.
const MAX_VLAN_TAGS: usize = 4;

/// What a captured frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    Ethernet,
    /// The IP header itself.
    RawIp,
    /// The same, of one version.
    RawIpv4,
    RawIpv6,
    /// Linux "cooked" captures, versions 1 and 2.
    LinuxSll,
    LinuxSll2,
    /// BSD loopback: a protocol family in either byte order.
    Null,
    /// The point-to-point protocol (RFC 1661), with or without HDLC's address and control bytes.
    Ppp,
    /// Cisco's HDLC: address, control, ethertype.
    CiscoHdlc,
}

impl LinkType {
    /// From the link type number of a capture file.
    pub const fn from_pcap(number: i32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 14 | 101 => Self::RawIp,
            104 => Self::CiscoHdlc,
            113 => Self::LinuxSll,
            228 => Self::RawIpv4,
            229 => Self::RawIpv6,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    pub const fn to_pcap(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::RawIp => 101,
            Self::CiscoHdlc => 104,
            Self::LinuxSll => 113,
            Self::RawIpv4 => 228,
            Self::RawIpv6 => 229,
            Self::LinuxSll2 => 276,
        }
    }

    /// The name in event records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Ethernet => "EN10MB",
            Self::Ppp => "PPP",
            Self::RawIp => "RAW",
            Self::CiscoHdlc => "C_HDLC",
            Self::LinuxSll => "LINUX_SLL",
            Self::RawIpv4 => "IPv4",
            Self::RawIpv6 => "IPv6",
            Self::LinuxSll2 => "LINUX_SLL2",
        }
    }
}

/// What is behind a link header: VLAN ids, outermost first, and the datagram with whatever
/// follows it.
pub(super) struct Stripped<'a> {
    pub vlan: [u16; 3],
    pub expected: Expected,
    pub datagram: &'a [u8],
}

impl<'a> Stripped<'a> {
    const fn untagged(expected: Expected, datagram: &'a [u8]) -> Self {
        Self {
            vlan: [0; 3],
            expected,
            datagram,
        }
    }
}

/// `None`: not IP.
pub(super) fn strip<'a>(
    link: LinkType,
    frame: &'a [u8],
    events: &mut DecodeEvents,
) -> Result<Option<Stripped<'a>>, DropReason> {
    match link {
        LinkType::RawIp => Ok(Some(Stripped::untagged(Expected::Either, frame))),
        LinkType::RawIpv4 => Ok(Some(Stripped::untagged(Expected::V4, frame))),
        LinkType::RawIpv6 => Ok(Some(Stripped::untagged(Expected::V6, frame))),
        LinkType::Ethernet => from_ethertype(frame, 12, DecodeEvent::EthernetTooSmall, events),
        LinkType::LinuxSll => from_ethertype(frame, 14, DecodeEvent::SllTooSmall, events),
        LinkType::CiscoHdlc => from_ethertype(frame, 2, DecodeEvent::HdlcTooSmall, events),
        LinkType::LinuxSll2 => {
            let Some(rest) = frame.get(20..) else {
                return truncated(DecodeEvent::Sll2TooSmall, events);
            };
            let ethertype = u16::from_be_bytes([frame[0], frame[1]]);
            Ok(version_of(ethertype).map(|v| Stripped::untagged(v, rest)))
        }
        LinkType::Null => {
            let Some(rest) = frame.get(4..) else {
                return truncated(DecodeEvent::NullTooSmall, events);
            };
            let expected = match rest.first().map_or(0, |b| b >> 4) {
                4 => Expected::V4,
                6 => Expected::V6,
                _ => {
                    events.add(DecodeEvent::NullUnsupported);
                    return Ok(None);
                }
            };
            Ok(Some(Stripped::untagged(expected, rest)))
        }
        LinkType::Ppp => strip_ppp(frame, events),
    }
}

fn truncated<T>(event: DecodeEvent, events: &mut DecodeEvents) -> Result<T, DropReason> {
    events.add(event);
    Err(DropReason::DecodeTruncated)
}

/// RFC 1661 and RFC 1662: address and control may be left out, and so may the first byte of a
/// protocol number below 256.
pub(super) fn strip_ppp<'a>(
    frame: &'a [u8],
    events: &mut DecodeEvents,
) -> Result<Option<Stripped<'a>>, DropReason> {
    const IPV4: u16 = 0x0021;
    const IPV6: u16 = 0x0057;
    let rest = frame.strip_prefix(&[0xff, 0x03]).unwrap_or(frame);
    let (number, datagram) = match *rest {
        // The last byte of a protocol number is odd, every other is even.
        [low, ref datagram @ ..] if low & 1 == 1 => (u16::from(low), datagram),
        [high, low, ref datagram @ ..] => (u16::from_be_bytes([high, low]), datagram),
        _ => return truncated(DecodeEvent::PppTooSmall, events),
    };
    let (expected, shortest, too_small) = match number {
        IPV4 => (Expected::V4, 20, DecodeEvent::PppIpv4TooSmall),
        IPV6 => (Expected::V6, 40, DecodeEvent::PppIpv6TooSmall),
        _ => {
            events.add(DecodeEvent::PppUnsupported);
            return Ok(None);
        }
    };
    if datagram.len() < shortest {
        return truncated(too_small, events);
    }
    Ok(Some(Stripped::untagged(expected, datagram)))
}

fn from_ethertype<'a>(
    frame: &'a [u8],
    mut at: usize,
    too_small: DecodeEvent,
    events: &mut DecodeEvents,
) -> Result<Option<Stripped<'a>>, DropReason> {
    let mut vlan = [0; 3];
    let Some(mut ethertype) = word(frame, at) else {
        return truncated(too_small, events);
    };
    let mut tags = 0;
    while is_vlan(ethertype) {
        if tags == MAX_VLAN_TAGS {
            // There may be an IP header behind them that nobody would look at.
            events.add(DecodeEvent::VlanTooMany);
            return Err(DropReason::DecodeIpHeader);
        }
        let (Some(control), Some(following)) = (word(frame, at + 2), word(frame, at + 4)) else {
            return truncated(DecodeEvent::VlanTooSmall, events);
        };
        if let Some(id) = vlan.get_mut(tags) {
            *id = control & 0x0fff;
        }
        tags += 1;
        at += 4;
        ethertype = following;
    }
    let datagram = &frame[at + 2..];
    let expected = version_of(ethertype);
    if expected.is_none() && tags > 0 {
        events.add(DecodeEvent::VlanUnknownType);
    }
    Ok(expected.map(|expected| Stripped {
        vlan,
        expected,
        datagram,
    }))
}

/// IEEE 802.1Q, 802.1ad, and the older tag for stacked VLANs.
const fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// The IP version that an ethertype names.
pub(super) const fn version_of(ethertype: u16) -> Option<Expected> {
    match ethertype {
        ETHERTYPE_IPV4 => Some(Expected::V4),
        ETHERTYPE_IPV6 => Some(Expected::V6),
        _ => None,
    }
}

fn word(frame: &[u8], at: usize) -> Option<u16> {
    match frame.get(at..at + 2) {
        Some(&[high, low]) => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}
