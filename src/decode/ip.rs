//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::extension;
use super::{ChecksumTrust, DecodeEvent, DecodeEvents, protocol};
use crate::verdict::DropReason;

/// Longest datagram once its fragments are put together: what its length field can say.
const MAX_DATAGRAM: usize = 65_535;

/// What both IP versions have in common, extension headers already walked.
#[derive(Clone, Copy, Debug)]
pub struct IpHeader<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// The protocol of the payload, behind all extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The fixed header with options or extension headers.
    pub bytes: &'a [u8],
    pub fragment: Option<Fragment>,
}

impl IpHeader<'_> {
    pub const fn is_v6(&self) -> bool {
        matches!(self.src, IpAddr::V6(_))
    }

    /// Identification of IPv4; zero for IPv6.
    pub fn id(&self) -> u16 {
        if self.is_v6() {
            0
        } else {
            u16::from_be_bytes([self.bytes[4], self.bytes[5]])
        }
    }

    /// Type of service or traffic class.
    pub fn tos(&self) -> u8 {
        if self.is_v6() {
            (self.bytes[0] << 4) | (self.bytes[1] >> 4)
        } else {
            self.bytes[1]
        }
    }
}

/// Where a fragment belongs (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub id: u32,
    pub offset_bytes: u32,
    pub more: bool,
}

/// What the layer around a datagram says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    V4,
    V6,
    /// Nothing is said: the version field tells.
    Either,
}

/// Why a datagram is refused, with its header where that could be read and its options are at fault.
pub(super) struct Fault<'a> {
    pub reason: DropReason,
    pub ip: Option<IpHeader<'a>>,
}

impl From<DropReason> for Fault<'_> {
    fn from(reason: DropReason) -> Self {
        Self { reason, ip: None }
    }
}

/// The header, and the datagram without what the link added behind it.
pub(super) fn parse<'a>(
    bytes: &'a [u8],
    expected: Expected,
    trust: ChecksumTrust,
    events: &mut DecodeEvents,
) -> Result<(IpHeader<'a>, &'a [u8]), Fault<'a>> {
    match (bytes.first().map(|b| b >> 4), expected) {
        (Some(4), Expected::V4 | Expected::Either) => parse_v4(bytes, trust, events),
        (Some(6), Expected::V6 | Expected::Either) => Ok(parse_v6(bytes, trust, events)?),
        (None, _) => {
            events.add(match expected {
                Expected::V6 => DecodeEvent::Ipv6TooSmall,
                Expected::V4 | Expected::Either => DecodeEvent::Ipv4TooSmall,
            });
            Err(DropReason::DecodeTruncated.into())
        }
        // A receiver gives the frame to the protocol that the layer around names.
        (Some(_), _) => {
            events.add(match expected {
                Expected::V4 => DecodeEvent::Ipv4WrongVersion,
                Expected::V6 => DecodeEvent::Ipv6WrongVersion,
                Expected::Either => DecodeEvent::RawVersion,
            });
            Err(DropReason::DecodeIpHeader.into())
        }
    }
}

fn parse_v4<'a>(
    bytes: &'a [u8],
    trust: ChecksumTrust,
    events: &mut DecodeEvents,
) -> Result<(IpHeader<'a>, &'a [u8]), Fault<'a>> {
    let mut refuse = |event, reason: DropReason| {
        events.add(event);
        Err(reason.into())
    };
    let Some(fixed) = bytes.first_chunk::<20>() else {
        return refuse(DecodeEvent::Ipv4TooSmall, DropReason::DecodeTruncated);
    };
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    // A length of zero is what the kernel writes for a GSO packet over 64 KiB, and what a
    // recording holds of a segment that the network card had yet to split.
    let total = match usize::from(u16::from_be_bytes([fixed[2], fixed[3]])) {
        0 if !trust.verifies_transport() => bytes.len(),
        total => total,
    };
    if header_length < 20 {
        return refuse(DecodeEvent::Ipv4HeaderLength, DropReason::DecodeIpHeader);
    }
    if total < header_length {
        return refuse(DecodeEvent::Ipv4TotalLength, DropReason::DecodeIpHeader);
    }
    let Some(datagram) = bytes.get(..total) else {
        return refuse(DecodeEvent::Ipv4Truncated, DropReason::DecodeTruncated);
    };
    let header = &datagram[..header_length];
    if trust == ChecksumTrust::Unverified && !Sum::default().add(header).is_valid() {
        return Err(DropReason::DecodeIpChecksum.into());
    }
    let flags_and_offset = u16::from_be_bytes([fixed[6], fixed[7]]);
    let offset_bytes = u32::from(flags_and_offset & 0x1fff) * 8;
    let more = flags_and_offset & 0x2000 != 0;
    let fragment = (more || offset_bytes > 0).then(|| Fragment {
        id: u32::from(u16::from_be_bytes([fixed[4], fixed[5]])),
        offset_bytes,
        more,
    });
    let mut ip = IpHeader {
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
        protocol: fixed[9],
        ttl: fixed[8],
        bytes: header,
        fragment,
    };
    if header_length > 20 {
        check_v4_options(&header[20..], events).map_err(|reason| Fault {
            reason,
            ip: Some(ip),
        })?;
    }
    if fragment.is_some() {
        if offset_bytes as usize + total > MAX_DATAGRAM {
            events.add(DecodeEvent::Ipv4FragmentTooLarge);
        }
    } else if ip.protocol == protocol::AUTHENTICATION {
        // What it protects is in the clear.
        let (next, length) = extension::skip_authentication(datagram, header_length, events)?;
        ip.protocol = next;
        ip.bytes = &datagram[..header_length + length];
    }
    Ok((ip, datagram))
}

/// RFC 791 section 3.1: an option is one byte, or has its length. Linux drops
/// what is malformed, and source routes (`accept_source_route` is off).
fn check_v4_options(mut options: &[u8], events: &mut DecodeEvents) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    const SECURITY: u8 = 130;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const EXTENDED_SECURITY: u8 = 133;
    const COMMERCIAL_SECURITY: u8 = 134;
    const STREAM_ID: u8 = 136;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    const ROUTER_ALERT: u8 = 148;
    let mut refuse = |event| {
        events.add(event);
        Err(DropReason::DecodeIpOptions)
    };
    let (mut routes, mut timestamps) = (0, 0);
    let mut unknown = false;
    while let Some(&kind) = options.first() {
        let length = match (kind, options.get(1)) {
            (END, _) => break,
            (NOP, _) => 1,
            (_, None) => return refuse(DecodeEvent::Ipv4OptionEndMissing),
            (_, Some(0 | 1)) => return refuse(DecodeEvent::Ipv4OptionLength),
            (_, Some(&length)) => usize::from(length),
        };
        let Some((option, rest)) = options.split_at_checked(length) else {
            return refuse(DecodeEvent::Ipv4OptionLength);
        };
        match kind {
            NOP | SECURITY | EXTENDED_SECURITY | COMMERCIAL_SECURITY | STREAM_ID => {}
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => {
                return refuse(DecodeEvent::Ipv4OptionInvalid);
            }
            RECORD_ROUTE => routes += 1,
            TIMESTAMP => timestamps += 1,
            ROUTER_ALERT if option.len() < 4 => return refuse(DecodeEvent::Ipv4OptionLength),
            ROUTER_ALERT => {}
            _ => unknown = true,
        }
        if routes > 1 || timestamps > 1 {
            return refuse(DecodeEvent::Ipv4OptionDuplicate);
        }
        let sound = match kind {
            RECORD_ROUTE => points_within(option, 4, 4),
            TIMESTAMP => timestamp_has_room(option),
            _ => true,
        };
        if !sound {
            return refuse(DecodeEvent::Ipv4OptionMalformed);
        }
        options = rest;
    }
    if unknown {
        events.add(DecodeEvent::Ipv4OptionUnknown);
    }
    Ok(())
}

/// RFC 791 section 3.1: the pointer counts from 1 at the option's kind. Beyond the option it says
/// "full"; else there is room for an entry.
fn points_within(option: &[u8], first: usize, entry: usize) -> bool {
    option.get(2).is_some_and(|&pointer| {
        let pointer = usize::from(pointer);
        pointer >= first && (pointer > option.len() || pointer + entry - 1 <= option.len())
    })
}

/// RFC 791 section 3.1, as Linux reads it: entries of 4 or 8 bytes by the flag, and a counter of
/// hops without room that must not run over, unless the stations are prespecified.
fn timestamp_has_room(option: &[u8]) -> bool {
    const WITH_ADDRESS: u8 = 1;
    const PRESPECIFIED: u8 = 3;
    let &[_, _, pointer, overflow_and_flag, ..] = option else {
        return false;
    };
    let flag = overflow_and_flag & 0x0f;
    let full = usize::from(pointer) > option.len();
    let overflown = full && flag != PRESPECIFIED && overflow_and_flag >> 4 == 15;
    let entry = match flag {
        WITH_ADDRESS | PRESPECIFIED => 8,
        _ => 4,
    };
    points_within(option, 5, entry) && !overflown
}

fn parse_v6<'a>(
    bytes: &'a [u8],
    trust: ChecksumTrust,
    events: &mut DecodeEvents,
) -> Result<(IpHeader<'a>, &'a [u8]), DropReason> {
    let Some(fixed) = bytes.first_chunk::<40>() else {
        events.add(DecodeEvent::Ipv6TooSmall);
        return Err(DropReason::DecodeTruncated);
    };
    let payload = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    // A jumbo payload, or a GSO packet over 64 KiB: the length is in an option or unset.
    let total = if payload == 0 && !trust.verifies_transport() {
        bytes.len()
    } else {
        40 + payload
    };
    let Some(datagram) = bytes.get(..total) else {
        events.add(DecodeEvent::Ipv6Truncated);
        return Err(DropReason::DecodeTruncated);
    };
    let chain = extension::walk(fixed[6], datagram, payload == 0, events)?;
    if let Some(fragment) = &chain.fragment {
        let length = total - chain.length;
        // RFC 8200 section 4.5. Whether it is refused is for whoever puts fragments together.
        if fragment.more && !length.is_multiple_of(8) {
            events.add(DecodeEvent::Ipv6FragmentLength);
        }
        let unfragmented = chain.length - 40 - 8;
        if unfragmented + fragment.offset_bytes as usize + length > MAX_DATAGRAM {
            events.add(DecodeEvent::Ipv6FragmentTooLarge);
        }
    }
    let address = |at: usize| -> IpAddr {
        let octets: [u8; 16] = fixed[at..at + 16].try_into().unwrap_or_default();
        Ipv6Addr::from(octets).into()
    };
    let ip = IpHeader {
        src: address(8),
        dst: address(24),
        protocol: chain.protocol,
        ttl: fixed[7],
        bytes: &datagram[..chain.length],
        fragment: chain.fragment,
    };
    Ok((ip, datagram))
}
