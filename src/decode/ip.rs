//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::{ChecksumTrust, protocol};
use crate::verdict::DropReason;

/// A chain of more extension headers is not walked; no sender needs one.
const MAX_EXTENSION_HEADERS: usize = 32;

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

/// The header, and the datagram without what the link added behind it.
pub(super) fn parse(
    bytes: &[u8],
    trust: ChecksumTrust,
) -> Result<(IpHeader<'_>, &[u8]), DropReason> {
    match bytes.first().map(|b| b >> 4) {
        None => Err(DropReason::DecodeTruncated),
        Some(4) => parse_v4(bytes, trust),
        Some(6) => parse_v6(bytes, trust),
        Some(_) => Err(DropReason::DecodeIpHeader),
    }
}

fn parse_v4(bytes: &[u8], trust: ChecksumTrust) -> Result<(IpHeader<'_>, &[u8]), DropReason> {
    let fixed = bytes
        .first_chunk::<20>()
        .ok_or(DropReason::DecodeTruncated)?;
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    // A length of zero is what the kernel writes for a GSO packet over 64 KiB, and what a
    // recording holds of a segment that the network card had yet to split.
    let total = match usize::from(u16::from_be_bytes([fixed[2], fixed[3]])) {
        0 if trust != ChecksumTrust::Unverified => bytes.len(),
        total => total,
    };
    if header_length < 20 || total < header_length {
        return Err(DropReason::DecodeIpHeader);
    }
    let datagram = bytes.get(..total).ok_or(DropReason::DecodeTruncated)?;
    let header = &datagram[..header_length];
    if trust == ChecksumTrust::Unverified && !Sum::default().add(header).is_valid() {
        return Err(DropReason::DecodeIpChecksum);
    }
    check_v4_options(&header[20..])?;
    let flags_and_offset = u16::from_be_bytes([fixed[6], fixed[7]]);
    let offset_bytes = u32::from(flags_and_offset & 0x1fff) * 8;
    let more = flags_and_offset & 0x2000 != 0;
    let fragment = (more || offset_bytes > 0).then(|| Fragment {
        id: u32::from(u16::from_be_bytes([fixed[4], fixed[5]])),
        offset_bytes,
        more,
    });
    let ip = IpHeader {
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
        protocol: fixed[9],
        ttl: fixed[8],
        bytes: header,
        fragment,
    };
    Ok((ip, datagram))
}

/// RFC 791 section 3.1: an option is one byte, or has its length. Linux drops
/// what is malformed, and source routes (`accept_source_route` is off).
fn check_v4_options(mut options: &[u8]) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const RECORD_ROUTE: u8 = 7;
    const TIMESTAMP: u8 = 68;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let Some(&kind) = options.first() {
        let length = match (kind, options.get(1)) {
            (END, _) => return Ok(()),
            (NOP, _) => 1,
            (LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, _) | (_, None | Some(0 | 1)) => {
                return Err(DropReason::DecodeIpOptions);
            }
            (_, Some(&length)) => usize::from(length),
        };
        let option = options.get(..length).ok_or(DropReason::DecodeIpOptions)?;
        let sound = match kind {
            RECORD_ROUTE => points_within(option, 4),
            TIMESTAMP => option.len() >= 4 && points_within(option, 5),
            _ => true,
        };
        if !sound {
            return Err(DropReason::DecodeIpOptions);
        }
        options = &options[length..];
    }
    Ok(())
}

/// RFC 791 section 3.1: the pointer counts from 1 at the option's kind. Beyond the option it says
/// "full"; else there is room for a word.
fn points_within(option: &[u8], first: usize) -> bool {
    option.get(2).is_some_and(|&pointer| {
        let pointer = usize::from(pointer);
        pointer >= first && (pointer > option.len() || pointer + 3 <= option.len())
    })
}

fn parse_v6(bytes: &[u8], trust: ChecksumTrust) -> Result<(IpHeader<'_>, &[u8]), DropReason> {
    let fixed = bytes
        .first_chunk::<40>()
        .ok_or(DropReason::DecodeTruncated)?;
    let payload = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    // A jumbo payload, or a GSO packet over 64 KiB: the length is in an option or unset.
    let total = if payload == 0 && trust != ChecksumTrust::Unverified {
        bytes.len()
    } else {
        40 + payload
    };
    let datagram = bytes.get(..total).ok_or(DropReason::DecodeTruncated)?;
    let chain = walk_extensions(fixed[6], datagram)?;
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

struct Chain {
    protocol: u8,
    length: usize,
    fragment: Option<Fragment>,
}

/// RFC 8200 section 4: follows the chain to the upper-layer header.
fn walk_extensions(first: u8, datagram: &[u8]) -> Result<Chain, DropReason> {
    let wrong = DropReason::DecodeExtensionHeaders;
    let mut next = first;
    let mut at = 40;
    for n in 0..MAX_EXTENSION_HEADERS {
        let header = &datagram[at..];
        match next {
            // Section 4.3: only directly behind the fixed header.
            protocol::HOP_BY_HOP if n > 0 => return Err(wrong),
            protocol::HOP_BY_HOP | protocol::IPV6_DESTINATION | protocol::IPV6_ROUTING => {
                let [following, units, kind, segments_left] =
                    *header.first_chunk::<4>().ok_or(wrong)?;
                // RFC 5095: type 0 with segments left is not processed.
                if next == protocol::IPV6_ROUTING && kind == 0 && segments_left > 0 {
                    return Err(wrong);
                }
                let length = (usize::from(units) + 1) * 8;
                if header.len() < length {
                    return Err(wrong);
                }
                next = following;
                at += length;
            }
            protocol::IPV6_FRAGMENT => {
                let f = *header.first_chunk::<8>().ok_or(wrong)?;
                let offset_and_more = u16::from_be_bytes([f[2], f[3]]);
                next = f[0];
                at += 8;
                let fragment = Fragment {
                    id: u32::from_be_bytes([f[4], f[5], f[6], f[7]]),
                    offset_bytes: u32::from(offset_and_more & 0xfff8),
                    more: offset_and_more & 1 != 0,
                };
                // RFC 6946: an atomic fragment is a whole datagram.
                if fragment.more || fragment.offset_bytes > 0 {
                    return Ok(Chain {
                        protocol: next,
                        length: at,
                        fragment: Some(fragment),
                    });
                }
            }
            _ => {
                return Ok(Chain {
                    protocol: next,
                    length: at,
                    fragment: None,
                });
            }
        }
    }
    Err(wrong)
}
