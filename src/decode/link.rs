//! Link headers: where the IP datagram begins, and in which VLAN.

use crate::verdict::DropReason;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q, 802.1ad, and the older tag for stacked VLANs.
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags beyond the second are skipped up to this depth.
const MAX_VLAN_TAGS: usize = 4;

/// What a captured frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    Ethernet,
    /// The IP header itself.
    RawIp,
    /// Linux "cooked" captures, versions 1 and 2.
    LinuxSll,
    LinuxSll2,
    /// BSD loopback: a protocol family in either byte order.
    Null,
}

impl LinkType {
    /// From the link type number of a capture file.
    pub const fn from_pcap(number: i32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    pub const fn to_pcap(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::RawIp => 101,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
        }
    }
}

/// VLAN ids, outermost first, and the datagram with whatever follows it.
type Tagged<'a> = ([u16; 2], &'a [u8]);

/// `None`: not IP.
pub(super) fn strip(link: LinkType, frame: &[u8]) -> Result<Option<Tagged<'_>>, DropReason> {
    match link {
        LinkType::RawIp => Ok(Some(([0, 0], frame))),
        LinkType::Ethernet => from_ethertype(frame, 12),
        LinkType::LinuxSll => from_ethertype(frame, 14),
        LinkType::LinuxSll2 => {
            let ethertype = word(frame, 0)?;
            let rest = frame.get(20..).ok_or(DropReason::DecodeTruncated)?;
            Ok(is_ip(ethertype).then_some(([0, 0], rest)))
        }
        LinkType::Null => {
            let rest = frame.get(4..).ok_or(DropReason::DecodeTruncated)?;
            let version = rest.first().map_or(0, |b| b >> 4);
            Ok(matches!(version, 4 | 6).then_some(([0, 0], rest)))
        }
    }
}

fn from_ethertype(frame: &[u8], mut at: usize) -> Result<Option<Tagged<'_>>, DropReason> {
    let mut vlan = [0, 0];
    let mut ethertype = word(frame, at)?;
    for tag in 0..MAX_VLAN_TAGS {
        if !ETHERTYPES_VLAN.contains(&ethertype) {
            break;
        }
        if let Some(id) = vlan.get_mut(tag) {
            *id = word(frame, at + 2)? & 0x0fff;
        }
        at += 4;
        ethertype = word(frame, at)?;
    }
    if ETHERTYPES_VLAN.contains(&ethertype) {
        // There may be an IP header behind them that nobody would look at.
        return Err(DropReason::DecodeIpHeader);
    }
    let datagram = frame.get(at + 2..).ok_or(DropReason::DecodeTruncated)?;
    Ok(is_ip(ethertype).then_some((vlan, datagram)))
}

const fn is_ip(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_IPV4 | ETHERTYPE_IPV6)
}

fn word(frame: &[u8], at: usize) -> Result<u16, DropReason> {
    match frame.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(DropReason::DecodeTruncated),
    }
}
