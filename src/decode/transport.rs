//! UDP (RFC 768) and ICMP (RFC 792, RFC 4443) headers, and the choice among transports.

use super::checksum::Sum;
use super::{
    ChecksumTrust, DecodeEvent, DecodeEvents, IpHeader, TcpHeader, Transport, icmp, protocol,
};
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

impl UdpHeader<'_> {
    pub(super) fn has_checksum(&self) -> bool {
        self.bytes[6..8] != [0, 0]
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
    events: &mut DecodeEvents,
) -> Result<(Transport<'a>, &'a [u8]), DropReason> {
    let verify = trust.verifies_transport();
    match ip.protocol {
        protocol::TCP => {
            let (tcp, payload) = TcpHeader::parse(body, events)?;
            if verify && !sum(ip, body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            Ok((Transport::Tcp(tcp), payload))
        }
        protocol::UDP => parse_udp(ip, body, verify, events),
        protocol::ICMP if !ip.is_v6() => {
            let Some(bytes) = body.first_chunk() else {
                events.add(DecodeEvent::Icmpv4TooSmall);
                return Err(DropReason::DecodeL4Header);
            };
            if verify && !Sum::default().add(body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            icmp::note_v4(bytes[0], bytes[1], &body[8..], events);
            Ok((Transport::Icmp4(IcmpHeader { bytes }), &body[8..]))
        }
        protocol::ICMPV6 if ip.is_v6() => {
            let Some(bytes) = body.first_chunk() else {
                events.add(DecodeEvent::Icmpv6TooSmall);
                return Err(DropReason::DecodeL4Header);
            };
            if verify && !sum(ip, body).is_valid() {
                return Err(DropReason::DecodeL4Checksum);
            }
            icmp::note_v6(ip, bytes[0], bytes[1], &body[8..], events);
            Ok((Transport::Icmp6(IcmpHeader { bytes }), &body[8..]))
        }
        // No host takes the other version's ICMP.
        protocol::ICMPV6 => {
            events.add(DecodeEvent::Ipv4WithIcmpv6);
            Ok((Transport::Other, body))
        }
        _ => Ok((Transport::Other, body)),
    }
}

fn parse_udp<'a>(
    ip: &IpHeader<'a>,
    body: &'a [u8],
    verify: bool,
    events: &mut DecodeEvents,
) -> Result<(Transport<'a>, &'a [u8]), DropReason> {
    let Some(bytes) = body.first_chunk::<8>() else {
        events.add(DecodeEvent::UdpTooSmall);
        return Err(DropReason::DecodeL4Header);
    };
    // RFC 2675 section 4, and GSO packets over 64 KiB: zero means to the end.
    let length = match usize::from(u16::from_be_bytes([bytes[4], bytes[5]])) {
        0 if !verify => body.len(),
        length => length,
    };
    if length < 8 {
        events.add(DecodeEvent::UdpLengthInvalid);
        return Err(DropReason::DecodeL4Header);
    }
    // What the receiver gets is what the UDP length says, not what the datagram holds.
    let Some(datagram) = body.get(..length) else {
        events.add(DecodeEvent::UdpTooSmall);
        return Err(DropReason::DecodeL4Header);
    };
    if length < body.len() {
        events.add(DecodeEvent::UdpLengthDiffers);
    }
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
