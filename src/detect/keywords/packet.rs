//! Tests of single packets, and the header buffers that contents are looked for in.

use std::net::IpAddr;
use std::ops::Range;

use crate::buffer::Buffer;
use crate::decode::{IcmpHeader, Packet, Transport};
use crate::detect::context::FlowContext;
use crate::signature::ast::{PacketTest, VlanLayers};
use crate::signature::header_number::HeaderNumber;

/// Whether the packet fulfils the test. What it does not have fulfils nothing, negated or not.
pub(crate) fn packet_matches(test: &PacketTest, packet: &Packet<'_>, ctx: &FlowContext) -> bool {
    match test {
        PacketTest::PayloadLength(range) => range.contains(packet.payload.len() as u64),
        PacketTest::Number(number, range) => {
            header_number(*number, packet).is_some_and(|n| range.contains(n))
        }
        PacketTest::TcpFlags(test) => match &packet.transport {
            Transport::Tcp(tcp) => test.matches(tcp.flags().0),
            _ => false,
        },
        PacketTest::FragmentBits(test) => {
            let bits = packet.ip.bytes.get(6).filter(|_| !packet.ip.is_v6());
            bits.is_some_and(|b| test.matches(b & 0xe0))
        }
        PacketTest::IpOption(kind) => {
            let options = packet.ip.bytes.get(20..).filter(|_| !packet.ip.is_v6());
            options.is_some_and(|options| has_option(options, *kind))
        }
        PacketTest::VlanId(test) => {
            let id = |id: u16| test.range.contains(id.into());
            match test.layers {
                VlanLayers::Any => packet.vlan_ids().any(id),
                VlanLayers::All => packet.vlan_ids().next().is_some() && packet.vlan_ids().all(id),
                VlanLayers::One(at) => packet.vlan_ids().nth(at.into()).is_some_and(id),
                VlanLayers::FromLast(back) => {
                    let at = packet.vlan_ids().count().checked_sub(usize::from(back) + 1);
                    at.and_then(|at| packet.vlan_ids().nth(at)).is_some_and(id)
                }
            }
        }
        PacketTest::SameAddress => packet.src() == packet.dst(),
        PacketTest::StreamEvent(event) => ctx.stream_events.has(*event),
    }
}

/// RFC 791 section 3.1: the first two types are one byte, all others have a length.
fn has_option(mut options: &[u8], wanted: Option<u8>) -> bool {
    while let Some(&kind) = options.first() {
        if wanted.is_none_or(|w| w == kind) {
            return true;
        }
        let length = match kind {
            0 => return false,
            1 => 1,
            _ => options.get(1).map_or(0, |&n| usize::from(n)),
        };
        match options.get(length..) {
            Some(rest) if length > 0 => options = rest,
            _ => return false,
        }
    }
    false
}

/// The bytes of a flow's address, and how many they are.
pub(crate) fn address_bytes(address: IpAddr) -> ([u8; 16], usize) {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            (bytes, 4)
        }
        IpAddr::V6(address) => (address.octets(), 16),
    }
}

fn header_number(number: HeaderNumber, packet: &Packet<'_>) -> Option<u64> {
    let ip = &packet.ip;
    Some(match number {
        HeaderNumber::Ttl => ip.ttl.into(),
        HeaderNumber::Tos => ip.tos().into(),
        HeaderNumber::IpId if ip.is_v6() => return None,
        HeaderNumber::IpId => ip.id().into(),
        HeaderNumber::IpProtocol => ip.protocol.into(),
        HeaderNumber::FragmentOffset => (ip.fragment?.offset_bytes / 8).into(),
        HeaderNumber::VlanLayers => packet.vlan_ids().count() as u64,
        HeaderNumber::TcpSequence
        | HeaderNumber::TcpAck
        | HeaderNumber::TcpWindow
        | HeaderNumber::TcpMss
        | HeaderNumber::TcpWindowScale => return tcp_number(number, packet),
        HeaderNumber::IcmpType
        | HeaderNumber::IcmpCode
        | HeaderNumber::IcmpId
        | HeaderNumber::IcmpSequence
        | HeaderNumber::Icmp6Mtu => return icmp_number(number, packet),
    })
}

fn tcp_number(number: HeaderNumber, packet: &Packet<'_>) -> Option<u64> {
    let Transport::Tcp(tcp) = &packet.transport else {
        return None;
    };
    Some(match number {
        HeaderNumber::TcpSequence => tcp.seq().into(),
        HeaderNumber::TcpAck => tcp.ack().into(),
        HeaderNumber::TcpWindow => tcp.window().into(),
        HeaderNumber::TcpWindowScale => tcp.options.window_scale?.into(),
        _ => tcp.options.mss?.into(),
    })
}

fn icmp_number(number: HeaderNumber, packet: &Packet<'_>) -> Option<u64> {
    let (v6, header) = match &packet.transport {
        Transport::Icmp4(header) => (false, header),
        Transport::Icmp6(header) => (true, header),
        _ => return None,
    };
    let [_, _, _, _, a, b, c, d] = *header.bytes();
    // RFC 792 and RFC 4443 section 4: echo, timestamp, information and address mask have the two.
    let query = if v6 {
        matches!(header.kind(), 128 | 129)
    } else {
        matches!(header.kind(), 0 | 8 | 13..=18)
    };
    match number {
        HeaderNumber::IcmpType => Some(header.kind().into()),
        HeaderNumber::IcmpCode => Some(header.code().into()),
        HeaderNumber::IcmpId => query.then(|| u16::from_be_bytes([a, b]).into()),
        HeaderNumber::IcmpSequence => query.then(|| u16::from_be_bytes([c, d]).into()),
        // RFC 4443 section 3.2.
        _ => (v6 && header.kind() == 2).then(|| u32::from_be_bytes([a, b, c, d]).into()),
    }
}

/// The bytes of a header; `None` where the packet has none of the kind.
pub(crate) fn header_bytes<'a>(buffer: Buffer, packet: &Packet<'a>) -> Option<&'a [u8]> {
    let icmp = |header: &IcmpHeader<'a>| header.bytes().as_slice();
    let address =
        |v4: Range<usize>, v6| packet.ip.bytes.get(if packet.ip.is_v6() { v6 } else { v4 });
    match (buffer, &packet.transport) {
        (Buffer::IpSource, _) => address(12..16, 8..24),
        (Buffer::IpDestination, _) => address(16..20, 24..40),
        (Buffer::Ipv4Header, _) => (!packet.ip.is_v6()).then_some(packet.ip.bytes),
        (Buffer::Ipv6Header, _) => packet.ip.is_v6().then_some(packet.ip.bytes),
        (Buffer::TcpHeader, Transport::Tcp(tcp)) => Some(tcp.bytes()),
        (Buffer::UdpHeader, Transport::Udp(udp)) => Some(udp.bytes()),
        (Buffer::Icmp4Header, Transport::Icmp4(header))
        | (Buffer::Icmp6Header, Transport::Icmp6(header)) => Some(icmp(header)),
        _ => None,
    }
}
