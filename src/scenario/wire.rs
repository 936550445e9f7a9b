//! Packets of a simulated client and server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, PacketBuilder, PacketBuilderStep,
    TcpHeader, TcpOptionElement,
};

use crate::direction::Direction;

// The client stands outside and the server inside a private range, so that
// signatures with EXTERNAL_NET and HOME_NET concern the flow too.
const CLIENT_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 23);
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 30, 40);
const CLIENT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x23);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0x40);
const CLIENT_PORT: u16 = 49_152;
const HOP_LIMIT: u8 = 64;
const WINDOW: u16 = 65_535;
const MSS: u16 = 1_460;

/// Addresses and ports of both ends.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
}

impl Path {
    pub fn new(ip_version: u8, server_port: u16) -> Self {
        let (client, server) = if ip_version == 6 {
            (CLIENT_V6.into(), SERVER_V6.into())
        } else {
            (CLIENT_V4.into(), SERVER_V4.into())
        };
        // A server may well listen on the port the client would have used.
        let client_port = if server_port == CLIENT_PORT {
            CLIENT_PORT + 1
        } else {
            CLIENT_PORT
        };
        Self {
            client: (client, client_port),
            server: (server, server_port),
        }
    }

    fn ends(&self, direction: Direction) -> ((IpAddr, u16), (IpAddr, u16)) {
        match direction {
            Direction::ToServer => (self.client, self.server),
            Direction::ToClient => (self.server, self.client),
        }
    }

    /// One TCP segment as an IP datagram.
    pub fn tcp(&self, direction: Direction, segment: &Segment<'_>) -> Vec<u8> {
        let (src, dst) = self.ends(direction);
        let mut header = TcpHeader::new(src.1, dst.1, segment.seq, WINDOW);
        header.acknowledgment_number = segment.ack.unwrap_or(0);
        header.ack = segment.ack.is_some();
        header.syn = segment.syn;
        header.fin = segment.fin;
        header.psh = !segment.payload.is_empty();
        if segment.syn {
            let mss = header.set_options(&[TcpOptionElement::MaximumSegmentSize(MSS)]);
            debug_assert!(mss.is_ok(), "one option of four bytes always fits");
        }
        let builder = self.ip(src.0, dst.0, IpNumber::TCP).tcp_header(header);
        let size = builder.size(segment.payload.len());
        finish(size, |out| builder.write(out, segment.payload))
    }

    /// One UDP datagram as an IP datagram.
    pub fn udp(&self, direction: Direction, payload: &[u8]) -> Vec<u8> {
        let (src, dst) = self.ends(direction);
        let builder = self.ip(src.0, dst.0, IpNumber::UDP).udp(src.1, dst.1);
        let size = builder.size(payload.len());
        finish(size, |out| builder.write(out, payload))
    }

    fn ip(&self, src: IpAddr, dst: IpAddr, protocol: IpNumber) -> PacketBuilderStep<IpHeaders> {
        let headers = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => IpHeaders::Ipv4(
                Ipv4Header {
                    time_to_live: HOP_LIMIT,
                    dont_fragment: true,
                    protocol,
                    source: src.octets(),
                    destination: dst.octets(),
                    ..Ipv4Header::default()
                },
                Default::default(),
            ),
            (src, dst) => IpHeaders::Ipv6(
                Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::ZERO,
                    payload_length: 0,
                    next_header: protocol,
                    hop_limit: HOP_LIMIT,
                    source: v6_octets(src),
                    destination: v6_octets(dst),
                },
                Default::default(),
            ),
        };
        PacketBuilder::ip(headers)
    }
}

const fn v6_octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
    }
}

/// Lengths are bounded by the scenario, so that writing into memory cannot fail.
fn finish<E>(size: usize, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Vec<u8> {
    let mut packet = Vec::with_capacity(size);
    let written = write(&mut packet);
    debug_assert!(written.is_ok(), "a bounded payload fits its datagram");
    packet
}

/// What varies between the segments of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Segment<'a> {
    pub seq: u32,
    /// `None`: without the ACK flag.
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub payload: &'a [u8],
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TransportSlice};

    #[test]
    fn both_versions_carry_the_segment() {
        for version in [4, 6] {
            let path = Path::new(version, 443);
            let packet = path.tcp(
                Direction::ToClient,
                &Segment {
                    seq: 7,
                    ack: Some(9),
                    payload: b"hello",
                    ..Segment::default()
                },
            );
            let sliced = SlicedPacket::from_ip(&packet).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
                panic!("no TCP in {packet:02x?}");
            };
            assert_eq!((tcp.source_port(), tcp.destination_port()), (443, 49_152));
            assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (7, 9));
            assert!(tcp.ack() && tcp.psh() && !tcp.syn() && !tcp.fin());
            assert_eq!(tcp.payload(), b"hello");
        }
    }

    #[test]
    fn checksums_are_right() {
        let packet = Path::new(4, 53).udp(Direction::ToServer, b"query");
        let sliced = SlicedPacket::from_ip(&packet).unwrap();
        let (Some(etherparse::NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) =
            (sliced.net, sliced.transport)
        else {
            panic!("no UDP in {packet:02x?}");
        };
        let header = udp.to_header();
        let ip = ip.header().to_header();
        assert_eq!(
            header.calc_checksum_ipv4(&ip, b"query").unwrap(),
            header.checksum
        );
        assert_eq!(ip.calc_header_checksum(), ip.header_checksum);
    }

    #[test]
    fn the_ends_never_share_a_port() {
        let path = Path::new(4, CLIENT_PORT);
        assert_ne!(path.client.1, path.server.1);
    }
}
