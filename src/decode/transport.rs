//! UDP (RFC 768) and ICMP (RFC 792, RFC 4443) headers, and the choice among transports.

use super::checksum::Sum;
use super::{ChecksumTrust, IpHeader, TcpHeader, Transport, protocol};
use crate::verdict::DropReason;

#[derive(Clone, Copy, Debug)]
pub struct UdpHeader<'a> {
    bytes: &'a [u8; 8],
}

impl<'a> UdpHeader<'a> {
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }
}

#[derive(Clone, Copy, Debug)]
pub struct IcmpHeader<'a> {
    /// Every message starts with 8 bytes; what they hold behind the checksum depends on its kind.
    bytes: &'a [u8; 8],
}

impl<'a> IcmpHeader<'a> {
    pub fn bytes(&self) -> &'a [u8; 8] {
        self.bytes
    }

    pub fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub fn code(&self) -> u8 {
        self.bytes[1]
    }
}

/// The transport header at the front of `body`, and the payload behind it.
pub(super) fn parse<'a>(
    ip: &IpHeader<'a>,
    body: &'a [u8],
    trust: ChecksumTrust,
) -> Result<(Transport<'a>, &'a [u8]), DropReason> {
    let verify = trust == ChecksumTrust::Unverified;
    match ip.protocol {
        protocol::TCP => {
            let (tcp, payload) = TcpHeader::parse(body)?;
            if verify && !sum(ip, body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            Ok((Transport::Tcp(tcp), payload))
        }
        protocol::UDP => parse_udp(ip, body, verify),
        protocol::ICMP => {
            let bytes = body.first_chunk().ok_or(DropReason::DecodeL4Header)?;
            if verify && !Sum::default().add(body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            Ok((Transport::Icmp4(IcmpHeader { bytes }), &body[8..]))
        }
        protocol::ICMPV6 => {
            let bytes = body.first_chunk().ok_or(DropReason::DecodeL4Header)?;
            if verify && !sum(ip, body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            Ok((Transport::Icmp6(IcmpHeader { bytes }), &body[8..]))
        }
        _ => Ok((Transport::Other, body)),
    }
}

fn parse_udp<'a>(
    ip: &IpHeader<'a>,
    body: &'a [u8],
    verify: bool,
) -> Result<(Transport<'a>, &'a [u8]), DropReason> {
    let bytes: &[u8; 8] = body.first_chunk().ok_or(DropReason::DecodeL4Header)?;
    // RFC 2675 section 4, and GSO packets over 64 KiB: zero means to the end.
    let length = match usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) {
        0 if !verify => body.len(),
        length => length,
    };
    // What the receiver gets is what the UDP length says, not what the datagram holds.
    let datagram = body
        .get(..length)
        .filter(|d| d.len() >= 8)
        .ok_or(DropReason::DecodeL4Header)?;
    let has_checksum = bytes[6..8] != [0, 0];
    // RFC 8200 section 8.1: over IPv6 the checksum is not optional.
    if verify && !has_checksum && ip.is_v6() {
        return Err(DropReason::DecodeL4Checksum);
    }
    if verify && has_checksum && !sum(ip, datagram).is_valid() {
        return Err(DropReason::DecodeL4Checksum);
    }
    Ok((Transport::Udp(UdpHeader { bytes }), &datagram[8..]))
}

fn sum(ip: &IpHeader<'_>, segment: &[u8]) -> Sum {
    Sum::pseudo_header(ip.src, ip.dst, ip.protocol, segment.len()).add(segment)
}
