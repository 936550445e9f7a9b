//! What an independent library builds is read back the same; what a receiver
//! ignores is refused with its reason.

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;

mod evasion;
mod tunnels;

fn tcp_v4(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .tcp(4000, 80, 77, 1024)
        .ack(5)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

const LINKS: [LinkType; 9] = [
    LinkType::Ethernet,
    LinkType::RawIp,
    LinkType::RawIpv4,
    LinkType::RawIpv6,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Null,
    LinkType::Ppp,
    LinkType::CiscoHdlc,
];

fn refused(bytes: &[u8]) -> DropReason {
    decode_ip(bytes, ChecksumTrust::Unverified)
        .unwrap_err()
        .reason
}

/// Writes the IPv4 header checksum anew.
fn fix_v4(bytes: &mut [u8]) {
    let length = usize::from(bytes[0] & 15) * 4;
    bytes[10..12].fill(0);
    let mut sum = 0_u32;
    for pair in bytes[..length].chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair[1]]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

fn with_v4_options(options: &[u8]) -> Vec<u8> {
    let plain = tcp_v4(b"");
    let mut bytes = plain[..20].to_vec();
    bytes.extend_from_slice(options);
    bytes.extend_from_slice(&plain[20..]);
    bytes[0] = 0x40 | ((bytes[0] & 15) + (options.len() / 4) as u8);
    let total = (bytes.len() as u16).to_be_bytes();
    bytes[2..4].copy_from_slice(&total);
    fix_v4(&mut bytes);
    bytes
}

/// An IPv6 packet with the given extension headers in front of 4 bytes of protocol 253.
fn v6(first: u8, extensions: &[u8]) -> Vec<u8> {
    let length = (extensions.len() + 4) as u16;
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&[first, 64]);
    bytes.extend_from_slice(&[0xfd; 32]);
    bytes.extend_from_slice(extensions);
    bytes.extend_from_slice(b"data");
    bytes
}

proptest! {
    #[test]
    fn tcp_reads_back(src: [u8; 4], dst: [u8; 4], ports: (u16, u16), seq: u32, ack: u32,
                      window: u16, payload in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = Vec::new();
        PacketBuilder::ipv4(src, dst, 9).tcp(ports.0, ports.1, seq, window).ack(ack).psh()
            .write(&mut bytes, &payload).unwrap();
        bytes.extend_from_slice(b"trailer of the link");
        let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
        prop_assert_eq!(packet.src(), IpAddr::from(src));
        prop_assert_eq!(packet.dst(), IpAddr::from(dst));
        prop_assert_eq!(packet.ports(), ports);
        prop_assert_eq!(packet.ip.ttl, 9);
        prop_assert_eq!(packet.payload, &payload[..]);
        let Transport::Tcp(tcp) = packet.transport else { panic!("not TCP") };
        prop_assert_eq!((tcp.seq(), tcp.ack(), tcp.window()), (seq, ack, window));
        prop_assert_eq!(tcp.flags().0, TcpFlags::ACK | TcpFlags::PSH);
    }

    #[test]
    fn udp_over_ipv6_reads_back(src: [u8; 16], dst: [u8; 16], ports: (u16, u16),
                                payload in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = Vec::new();
        PacketBuilder::ipv6(src, dst, 9).udp(ports.0, ports.1).write(&mut bytes, &payload).unwrap();
        let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
        prop_assert_eq!(packet.ports(), ports);
        prop_assert_eq!(packet.payload, &payload[..]);
        prop_assert!(packet.ip.is_v6());
    }

    #[test]
    fn one_flipped_bit_does_not_pass(bit in 0_usize..(20 + 20 + 8) * 8) {
        // That bit makes version 6 of version 4: another packet altogether.
        prop_assume!(bit != 5);
        let mut bytes = tcp_v4(b"payload!");
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decode_ip(&bytes, ChecksumTrust::Unverified).is_err());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), first: u8) {
        let mut bytes = bytes;
        for link in LINKS {
            let _ = decode_frame(link, &bytes, ChecksumTrust::Ignored);
        }
        if let Some(b) = bytes.first_mut() { *b = first; }
        let _ = decode_ip(&bytes, ChecksumTrust::Trusted);
    }
}

#[test]
fn vlan_tags_are_kept_outermost_first() {
    let mut frame = vec![0; 12];
    frame.extend_from_slice(&[0x88, 0xa8, 0, 7, 0x81, 0, 0x20, 9, 0x08, 0]);
    frame.extend_from_slice(&tcp_v4(b"x"));
    let packet = decode_frame(LinkType::Ethernet, &frame, ChecksumTrust::Unverified);
    assert_eq!(packet.unwrap().unwrap().vlan, [7, 9, 0]);
    let arp = [&[0; 12][..], &[0x08, 0x06, 0, 0]].concat();
    let packet = decode_frame(LinkType::Ethernet, &arp, ChecksumTrust::Unverified);
    assert!(packet.unwrap().is_none());
}

#[test]
fn what_the_receiver_ignores_is_refused() {
    let good = tcp_v4(b"payload");
    let mut bytes = good.clone();
    bytes[10] ^= 1;
    assert_eq!(refused(&bytes), DropReason::DecodeIpChecksum);
    assert_eq!(refused(&good[..30]), DropReason::DecodeTruncated);
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(refused(&bytes), DropReason::DecodeL4Checksum);
    assert!(decode_ip(&bytes, ChecksumTrust::Trusted).is_ok());
    assert!(decode_ip(&bytes, ChecksumTrust::Ignored).is_ok());
    let mut bytes = good.clone();
    bytes[0] = 0x54;
    assert_eq!(refused(&bytes), DropReason::DecodeIpHeader);
    let mut bytes = good;
    bytes[32] = 0xf0; // data offset beyond the segment
    assert_eq!(refused(&bytes), DropReason::DecodeL4Header);
    assert_eq!(refused(&[]), DropReason::DecodeTruncated);
}

#[test]
fn ipv4_options_as_linux_takes_them() {
    let taken =
        |options: &[u8]| decode_ip(&with_v4_options(options), ChecksumTrust::Unverified).is_ok();
    assert!(taken(&[1; 40]), "NOPs");
    assert!(taken(&[7, 7, 4, 0, 0, 0, 0, 0]), "record route");
    assert!(taken(&[0, 9, 9, 9]), "garbage behind the end");
    assert!(taken(&[0x5e, 4, 1, 2]), "an unknown option");
    assert!(!taken(&[131, 7, 4, 0, 0, 0, 0, 0]), "loose source route");
    assert!(!taken(&[0x44, 0, 0, 0]), "length 0");
    assert!(!taken(&[0x44, 9, 0, 0]), "length beyond the header");
    assert!(
        !taken(&[7, 7, 3, 0, 0, 0, 0, 0]),
        "pointer into the option's head"
    );
    assert!(
        !taken(&[7, 7, 5, 0, 0, 0, 0, 0]),
        "no room behind the pointer"
    );
    assert!(taken(&[7, 7, 8, 1, 2, 3, 4, 0]), "full");
    assert!(
        !taken(&[68, 8, 4, 0, 0, 0, 0, 0]),
        "timestamp over its head"
    );
    assert!(taken(&[68, 8, 5, 0, 0, 0, 0, 0]), "timestamp");
}

#[test]
fn ipv6_extension_headers_are_walked_with_a_bound() {
    let protocol_of = |first, extensions: &[u8]| {
        decode_ip(&v6(first, extensions), ChecksumTrust::Unverified)
            .map(|p| p.ip.protocol)
            .map_err(|m| m.reason)
    };
    let refused = Err(DropReason::DecodeExtensionHeaders);
    let destination = |next: u8| [next, 0, 1, 4, 0, 0, 0, 0];
    assert_eq!(protocol_of(253, &[]), Ok(253));
    assert_eq!(protocol_of(60, &destination(253)), Ok(253));
    let mut chain = destination(60).repeat(20);
    chain.extend_from_slice(&destination(253));
    assert_eq!(protocol_of(60, &chain), Ok(253), "21 headers");
    let mut chain = destination(60).repeat(40);
    chain.extend_from_slice(&destination(253));
    assert_eq!(protocol_of(60, &chain), refused, "41 headers");
    let hop_second = [destination(0), destination(253)].concat();
    assert_eq!(
        protocol_of(60, &hop_second),
        refused,
        "hop-by-hop not first"
    );
    assert_eq!(protocol_of(43, &[253, 0, 0, 0, 0, 0, 0, 0]), Ok(253));
    assert_eq!(
        protocol_of(43, &[253, 0, 0, 1, 0, 0, 0, 0]),
        refused,
        "segments left"
    );
    assert_eq!(
        protocol_of(60, &[253, 9, 0, 0]),
        refused,
        "longer than the packet"
    );
    assert_eq!(
        protocol_of(44, &[253, 0, 0, 0, 0, 0, 0, 1]),
        Ok(253),
        "atomic fragment"
    );
}

#[test]
fn fragments_say_where_they_belong() {
    let mut bytes = tcp_v4(b"payload");
    bytes[6..8].copy_from_slice(&[0x20, 0x03]);
    fix_v4(&mut bytes);
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    assert!(matches!(packet.transport, Transport::Fragment));
    let fragment = packet.ip.fragment.unwrap();
    assert_eq!((fragment.offset_bytes, fragment.more), (24, true));

    let bytes = v6(44, &[6, 0, 0, 9, 0, 0, 0, 5]);
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    let fragment = packet.ip.fragment.unwrap();
    assert_eq!(
        (fragment.id, fragment.offset_bytes, fragment.more),
        (5, 8, true)
    );
}

#[test]
fn udp_lengths_are_the_receivers() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9)
        .udp(5, 6)
        .write(&mut bytes, b"abcdef")
        .unwrap();
    bytes[26..28].fill(0);
    bytes[24..26].copy_from_slice(&11_u16.to_be_bytes());
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    assert_eq!(packet.payload, b"abc", "shorter than the datagram");
    bytes[24..26].copy_from_slice(&99_u16.to_be_bytes());
    assert_eq!(refused(&bytes), DropReason::DecodeL4Header, "longer");

    let mut bytes = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 9)
        .udp(5, 6)
        .write(&mut bytes, b"abc")
        .unwrap();
    bytes[46..48].fill(0);
    assert_eq!(
        refused(&bytes),
        DropReason::DecodeL4Checksum,
        "checksum 0 over IPv6"
    );
}

#[test]
fn lengths_of_zero_are_for_offload_only() {
    let mut v4 = tcp_v4(b"payload");
    v4[2..4].fill(0);
    fix_v4(&mut v4);
    let mut v6 = v6(253, &[]);
    v6[4..6].fill(0);
    for trust in [ChecksumTrust::Trusted, ChecksumTrust::Ignored] {
        assert_eq!(decode_ip(&v4, trust).unwrap().payload, b"payload");
        assert_eq!(decode_ip(&v6, trust).unwrap().payload, b"data");
    }
    assert_eq!(refused(&v4), DropReason::DecodeIpHeader);
    let bare = decode_ip(&v6, ChecksumTrust::Unverified).unwrap();
    assert_eq!(bare.payload, b"", "what follows is a trailer");
}

#[test]
fn endless_vlan_tags_hide_nothing() {
    let mut frame = vec![0; 12];
    for _ in 0..9 {
        frame.extend([0x81, 0, 0, 1]);
    }
    frame.extend([0x08, 0x00]);
    frame.extend(tcp_v4(b"payload"));
    assert_eq!(
        decode_frame(LinkType::Ethernet, &frame, ChecksumTrust::Ignored)
            .unwrap_err()
            .reason,
        DropReason::DecodeIpHeader
    );
}

#[test]
fn icmp_data_starts_behind_its_eight_bytes() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9)
        .icmpv4_echo_request(7, 9)
        .write(&mut bytes, b"ping")
        .unwrap();
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    assert!(matches!(packet.transport, Transport::Icmp4(icmp) if icmp.kind() == 8));
    assert_eq!(packet.payload, b"ping");
    bytes.truncate(27);
    bytes[3] = 27;
    fix_v4(&mut bytes);
    assert_eq!(refused(&bytes), DropReason::DecodeL4Header);
}

#[test]
fn every_link_type_is_found_again_by_its_number() {
    for link in LINKS {
        let number = i32::try_from(link.to_pcap()).unwrap();
        assert_eq!(LinkType::from_pcap(number), Some(link));
    }
    assert_eq!(LinkType::from_pcap(147), None);
}

#[test]
fn ip_is_found_behind_every_link_header() {
    let v4 = tcp_v4(b"payload");
    let found = |link, header: &[u8]| {
        let frame = [header, &v4].concat();
        let packet = decode_frame(link, &frame, ChecksumTrust::Unverified);
        packet.unwrap().map(|p| p.payload.to_vec())
    };
    let whole = Some(b"payload".to_vec());
    assert_eq!(found(LinkType::Ppp, &[0xff, 3, 0, 0x21]), whole);
    assert_eq!(found(LinkType::Ppp, &[0, 0x21]), whole, "no address");
    assert_eq!(found(LinkType::Ppp, &[0x21]), whole, "short protocol");
    assert_eq!(found(LinkType::Ppp, &[0xc0, 0x21]), None, "LCP");
    assert_eq!(found(LinkType::CiscoHdlc, &[0x0f, 0, 8, 0]), whole);
    assert_eq!(found(LinkType::CiscoHdlc, &[0x8f, 0, 0x80, 0x35]), None);
    assert_eq!(found(LinkType::RawIpv4, &[]), whole);
    let wrong = decode_frame(LinkType::RawIpv6, &v4, ChecksumTrust::Unverified).unwrap_err();
    assert!(wrong.events.has(DecodeEvent::Ipv6WrongVersion));
}

#[test]
fn a_receiver_goes_by_the_ethertype() {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd]);
    frame.extend(tcp_v4(b"payload"));
    let refused = decode_frame(LinkType::Ethernet, &frame, ChecksumTrust::Unverified).unwrap_err();
    assert_eq!(refused.reason, DropReason::DecodeIpHeader);
    assert!(refused.events.has(DecodeEvent::Ipv6WrongVersion));
}

/// ICMP over the other version of IP reaches no ICMP stack.
#[test]
fn icmp_belongs_to_its_version_of_ip() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 9)
        .icmpv4_echo_request(7, 9)
        .write(&mut bytes, b"ping")
        .unwrap();
    bytes[9] = protocol::ICMPV6;
    fix_v4(&mut bytes);
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    assert!(matches!(packet.transport, Transport::Other));
    assert!(packet.events.has(DecodeEvent::Ipv4WithIcmpv6));
    let bytes = v6(protocol::ICMP, &[]);
    let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
    assert!(matches!(packet.transport, Transport::Other));
    assert!(packet.events.has(DecodeEvent::Ipv6WithIcmpv4));
}

#[test]
fn an_icmp_error_says_what_it_speaks_of() {
    let error = |kind: u8, embedded: &[u8]| {
        let mut bytes = Vec::new();
        let builder = PacketBuilder::ipv4([1; 4], [2; 4], 9);
        builder
            .icmpv4_raw(kind, 4, [0; 4])
            .write(&mut bytes, embedded)
            .unwrap();
        decode_ip(&bytes, ChecksumTrust::Unverified).unwrap().events
    };
    assert!(error(3, &tcp_v4(b"")).is_empty());
    assert!(error(3, &tcp_v4(b"")[..19]).has(DecodeEvent::Icmpv4EmbeddedTruncated));
    assert!(error(3, &v6(6, &[])).has(DecodeEvent::Icmpv4EmbeddedVersion));
    assert!(error(11, &tcp_v4(b"")).has(DecodeEvent::Icmpv4UnknownCode));
    assert!(error(77, b"").has(DecodeEvent::Icmpv4UnknownType));
}

#[test]
fn tcp_options_that_make_no_sense_are_told() {
    let events = |options: &[u8]| {
        let mut segment = vec![0; 20];
        segment[12] = ((20 + options.len()) / 4 * 16) as u8;
        segment.extend_from_slice(options);
        let mut events = DecodeEvents::NONE;
        TcpHeader::parse(&segment, &mut events).unwrap();
        events
    };
    assert!(events(&[1, 1, 1, 0]).is_empty());
    assert!(events(&[2, 4, 5, 0xb4]).is_empty());
    assert!(events(&[2, 3, 5, 0]).has(DecodeEvent::TcpOptionLength));
    assert!(events(&[1, 1, 2, 9]).has(DecodeEvent::TcpOptionLength));
    let twice = events(&[3, 3, 7, 1, 3, 3, 8, 0]);
    assert!(twice.has(DecodeEvent::TcpOptionDuplicate) && !twice.has(DecodeEvent::TcpOptionLength));
}

/// Linux has advanced a record route's pointer by the time a forwarded packet is queued, and not yet summed
/// the header anew (case A28 of the evasion catalogue, without connection tracking).
#[test]
fn a_header_that_the_kernel_changed_on_arrival_is_no_malformed_one() {
    let mut bytes = tcp_v4(b"payload");
    bytes[10] ^= 1;
    assert!(decode_ip(&bytes, ChecksumTrust::HeaderTrusted).is_ok());
    *bytes.last_mut().unwrap() ^= 1;
    let refused = decode_ip(&bytes, ChecksumTrust::HeaderTrusted).unwrap_err();
    assert_eq!(refused.reason, DropReason::DecodeL4Checksum);
}
