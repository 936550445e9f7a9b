//! Header games, by their numbers in the catalogue of evasions (sections A and B): what a Linux
//! receiver takes is read as it reads it, what it ignores is refused.

use super::*;

fn udp_v4(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
        .udp(5, 6)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

fn payload_of(bytes: &[u8]) -> Result<Vec<u8>, DropReason> {
    decode_ip(bytes, ChecksumTrust::Unverified)
        .map(|p| p.payload.to_vec())
        .map_err(|m| m.reason)
}

fn event_of(bytes: &[u8]) -> DecodeEvents {
    match decode_ip(bytes, ChecksumTrust::Unverified) {
        Ok(packet) => packet.events,
        Err(malformed) => malformed.events,
    }
}

fn v4_options(options: &[u8]) -> Result<Vec<u8>, DropReason> {
    payload_of(&with_v4_options(options))
}

/// TCP over IPv6 behind extension headers, checksum and all.
fn tcp_v6(first: u8, extensions: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64)
        .tcp(4000, 80, 77, 1024)
        .write(&mut bytes, b"payload")
        .unwrap();
    let tcp = bytes.split_off(40);
    bytes[6] = first;
    let length = (extensions.len() + tcp.len()) as u16;
    bytes[4..6].copy_from_slice(&length.to_be_bytes());
    [&bytes, extensions, &tcp[..]].concat()
}

const TCP: u8 = protocol::TCP;

/// A destination options or hop-by-hop header of 8 bytes, padded.
const fn padded(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

#[test]
fn a23_a_wrong_header_checksum_is_refused() {
    let mut bytes = tcp_v4(b"payload");
    bytes[11] ^= 1;
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeIpChecksum));
}

#[test]
fn a24_version_header_length_and_total_length_must_hold() {
    let mut version = tcp_v4(b"payload");
    version[0] = 0x55;
    assert_eq!(payload_of(&version), Err(DropReason::DecodeIpHeader));
    assert!(event_of(&version).has(DecodeEvent::RawVersion));
    let mut header = tcp_v4(b"payload");
    header[0] = 0x44;
    fix_v4(&mut header);
    assert_eq!(payload_of(&header), Err(DropReason::DecodeIpHeader));
    assert!(event_of(&header).has(DecodeEvent::Ipv4HeaderLength));
    let mut total = tcp_v4(b"payload");
    total[3] += 1;
    fix_v4(&mut total);
    assert_eq!(payload_of(&total), Err(DropReason::DecodeTruncated));
    assert!(event_of(&total).has(DecodeEvent::Ipv4Truncated));
    total[2..4].copy_from_slice(&[0, 19]);
    assert!(event_of(&total).has(DecodeEvent::Ipv4TotalLength));
}

#[test]
fn a25_what_follows_the_total_length_is_no_payload() {
    let mut bytes = tcp_v4(b"payload");
    bytes.extend(b"evil");
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    let mut bytes = tcp_v6(TCP, &[]);
    bytes.extend(b"evil");
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
}

#[test]
fn a26_the_reserved_flag_does_not_matter() {
    let mut bytes = tcp_v4(b"payload");
    bytes[6] |= 0x80;
    fix_v4(&mut bytes);
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
}

#[test]
fn a27_a28_nops_and_a_recorded_route_are_taken() {
    assert!(v4_options(&[1; 40]).is_ok());
    assert!(v4_options(&[7, 7, 4, 0, 0, 0, 0, 0]).is_ok());
}

#[test]
fn a29_source_routes_are_refused() {
    for kind in [131, 137] {
        let options = [kind, 7, 4, 0, 0, 0, 0, 0];
        assert_eq!(v4_options(&options), Err(DropReason::DecodeIpOptions));
        let events = event_of(&with_v4_options(&options));
        assert!(events.has(DecodeEvent::Ipv4OptionInvalid));
    }
}

#[test]
fn a30_options_of_impossible_lengths_and_pointers_are_refused() {
    use DecodeEvent as E;
    for (options, event) in [
        (&[0x44, 0, 0, 0][..], E::Ipv4OptionLength),
        (&[0x44, 1, 0, 0], E::Ipv4OptionLength),
        (&[0x44, 9, 0, 0], E::Ipv4OptionLength),
        (&[1, 1, 1, 0x5e], E::Ipv4OptionEndMissing),
        (&[7, 7, 3, 0, 0, 0, 0, 0], E::Ipv4OptionMalformed),
        (&[7, 7, 5, 0, 0, 0, 0, 0], E::Ipv4OptionMalformed),
        // A timestamp with addresses needs 8 bytes an entry; hops without room run over at 15.
        (&[68, 8, 5, 1, 0, 0, 0, 0], E::Ipv4OptionMalformed),
        (&[68, 8, 9, 0xf0, 0, 0, 0, 0], E::Ipv4OptionMalformed),
        (&[148, 2, 0, 0], E::Ipv4OptionLength),
        (&[7, 3, 4, 7, 3, 4, 0, 0], E::Ipv4OptionDuplicate),
    ] {
        let bytes = with_v4_options(options);
        assert_eq!(
            payload_of(&bytes),
            Err(DropReason::DecodeIpOptions),
            "{options:?}"
        );
        assert!(event_of(&bytes).has(event), "{options:?}");
    }
    assert!(
        v4_options(&[68, 8, 9, 0xe0, 0, 0, 0, 0]).is_ok(),
        "room for a last hop"
    );
    assert!(v4_options(&[68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0]).is_ok());
}

#[test]
fn a31_unknown_options_and_garbage_behind_the_end_are_taken() {
    let unknown = with_v4_options(&[0x5e, 4, 1, 2]);
    assert!(payload_of(&unknown).is_ok());
    assert!(event_of(&unknown).has(DecodeEvent::Ipv4OptionUnknown));
    assert!(v4_options(&[0, 131, 0, 9]).is_ok());
}

/// A23, A32 and A33 are told by the receiver's path; what decode adds is the value itself.
#[test]
fn a32_a33_the_ttl_and_the_length_are_told_as_they_are() {
    for ttl in [0, 1, 255] {
        let mut bytes = tcp_v4(b"payload");
        bytes[8] = ttl;
        fix_v4(&mut bytes);
        let packet = decode_ip(&bytes, ChecksumTrust::Unverified).unwrap();
        assert_eq!((packet.ip.ttl, packet.datagram.len()), (ttl, 47));
    }
}

#[test]
fn a34_service_class_and_congestion_bits_do_not_matter() {
    for tos in [0x00, 0x03, 0xb8, 0xff] {
        let mut bytes = tcp_v4(b"payload");
        bytes[1] = tos;
        fix_v4(&mut bytes);
        assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    }
}

#[test]
fn a36_a_udp_checksum_of_zero_is_none() {
    let mut bytes = udp_v4(b"abcdef");
    bytes[26..28].fill(0);
    assert_eq!(payload_of(&bytes), Ok(b"abcdef".to_vec()));
}

#[test]
fn a37_a_wrong_udp_checksum_is_refused() {
    let mut bytes = udp_v4(b"abcdef");
    bytes[27] ^= 1;
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeL4Checksum));
}

#[test]
fn a38_a39_the_udp_length_is_the_receivers() {
    let mut bytes = udp_v4(b"abcdef");
    bytes[26..28].fill(0);
    bytes[25] = 11;
    assert_eq!(payload_of(&bytes), Ok(b"abc".to_vec()));
    assert!(event_of(&bytes).has(DecodeEvent::UdpLengthDiffers));
    bytes[25] = 15;
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeL4Header));
    bytes[25] = 7;
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeL4Header));
    assert!(event_of(&bytes).has(DecodeEvent::UdpLengthInvalid));
}

#[test]
fn b01_b02_options_before_tcp_are_walked() {
    for first in [protocol::IPV6_DESTINATION, protocol::HOP_BY_HOP] {
        let bytes = tcp_v6(first, &padded(TCP));
        assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    }
}

#[test]
fn b03_many_destination_options_are_walked_up_to_a_bound() {
    let chain = |n: usize| {
        let mut headers = padded(protocol::IPV6_DESTINATION).repeat(n - 1);
        headers.extend(padded(TCP));
        payload_of(&tcp_v6(protocol::IPV6_DESTINATION, &headers))
    };
    assert!(chain(8).is_ok() && chain(21).is_ok() && chain(31).is_ok());
    assert_eq!(chain(33), Err(DropReason::DecodeExtensionHeaders));
}

#[test]
fn b04_b05_a_routing_header_is_taken_when_its_way_is_done() {
    let routed = |kind, left| {
        let header = [TCP, 0, kind, left, 0, 0, 0, 0];
        payload_of(&tcp_v6(protocol::IPV6_ROUTING, &header))
    };
    assert!(routed(0, 0).is_ok());
    assert_eq!(routed(0, 1), Err(DropReason::DecodeExtensionHeaders));
    assert!(routed(200, 0).is_ok());
    assert_eq!(routed(200, 1), Err(DropReason::DecodeExtensionHeaders));
    let header = [TCP, 0, 0, 0, 0, 0, 0, 0];
    let events = event_of(&tcp_v6(protocol::IPV6_ROUTING, &header));
    assert!(events.has(DecodeEvent::Ipv6RoutingType0));
}

#[test]
fn b06_hop_by_hop_options_come_first() {
    let headers = [padded(protocol::HOP_BY_HOP), padded(TCP)].concat();
    let bytes = tcp_v6(protocol::IPV6_DESTINATION, &headers);
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeExtensionHeaders));
    assert!(event_of(&bytes).has(DecodeEvent::Ipv6DuplicateHopByHop));
}

#[test]
fn b07_an_atomic_fragment_is_whole_and_the_only_one() {
    let atomic = |next| [next, 0, 0, 0, 0, 0, 0, 9];
    let bytes = tcp_v6(protocol::IPV6_FRAGMENT, &atomic(TCP));
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    assert!(event_of(&bytes).has(DecodeEvent::Ipv6UselessFragment));
    let twice = [atomic(protocol::IPV6_FRAGMENT), atomic(TCP)].concat();
    let bytes = tcp_v6(protocol::IPV6_FRAGMENT, &twice);
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeExtensionHeaders));
    assert!(event_of(&bytes).has(DecodeEvent::Ipv6DuplicateFragment));
}

#[test]
fn b15_over_ipv6_udp_has_a_checksum() {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 9)
        .udp(5, 6)
        .write(&mut bytes, b"abc")
        .unwrap();
    assert!(payload_of(&bytes).is_ok());
    bytes[46..48].fill(0);
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeL4Checksum));
}

/// As Linux reads options (RFC 8200 section 4.2, RFC 4942 section 2.1.9.5).
#[test]
fn ipv6_options_that_a_receiver_drops_are_refused() {
    use DecodeEvent as E;
    let taken = |options: &[u8]| {
        let header = [&[TCP, (options.len() / 8) as u8], options].concat();
        let bytes = tcp_v6(protocol::IPV6_DESTINATION, &header);
        (payload_of(&bytes).is_ok(), event_of(&bytes))
    };
    let (fine, events) = taken(&[1, 4, 0, 0, 0, 0]);
    assert!(fine && events.has(E::Ipv6DestinationPadding), "padding");
    let (fine, events) = taken(&[0x1e, 4, 9, 9, 9, 9]);
    assert!(fine && events.has(E::Ipv6DestinationUnknown), "skipped");
    for action in [0x40, 0x80, 0xc0] {
        let (fine, events) = taken(&[action | 0x1e, 4, 9, 9, 9, 9]);
        assert!(!fine && events.has(E::Ipv6DestinationUnknown), "discarded");
    }
    let (fine, events) = taken(&[0x1e, 5, 9, 9, 9, 9]);
    assert!(!fine && events.has(E::Ipv6OptionLength), "over the header");
    assert!(!taken(&[1, 4, 0, 0, 0, 1]).0, "padding that says something");
    assert!(
        !taken(&[0, 0, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0]).0,
        "too much padding"
    );
    let (fine, events) = taken(&[0x1e, 2, 9, 9, 1, 0]);
    assert!(fine && events.has(E::Ipv6ZeroPadding));
    let mut options = [0x1e, 0].repeat(8);
    options.extend([1, 4, 0, 0, 0, 0]);
    assert!(taken(&options).0, "8 options");
    let options = [0x1e, 0].repeat(11);
    assert!(!taken(&options).0, "11 options");
}

#[test]
fn hop_by_hop_options_have_their_sizes() {
    let taken = |option: &[u8; 6]| {
        let header = [&[TCP, 0], &option[..]].concat();
        payload_of(&tcp_v6(protocol::HOP_BY_HOP, &header)).is_ok()
    };
    assert!(taken(&[5, 2, 0, 0, 1, 0]), "router alert");
    assert!(!taken(&[5, 4, 0, 0, 0, 0]), "a long one");
    assert!(!taken(&[0xc2, 4, 0, 1, 0, 0]), "jumbo beside a length");
}

/// What an authentication header protects is in the clear, and is read.
#[test]
fn authentication_headers_are_walked() {
    let header = |next| {
        [
            next, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
        ]
    };
    let bytes = tcp_v6(protocol::AUTHENTICATION, &header(TCP));
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    let plain = tcp_v4(b"payload");
    let mut bytes = [&plain[..20], &header(TCP), &plain[20..]].concat();
    bytes[9] = protocol::AUTHENTICATION;
    bytes[3] += 24;
    fix_v4(&mut bytes);
    assert_eq!(payload_of(&bytes), Ok(b"payload".to_vec()));
    bytes[21] = 200;
    assert_eq!(payload_of(&bytes), Err(DropReason::DecodeExtensionHeaders));
}

#[test]
fn fragments_out_of_bounds_are_told() {
    let mut bytes = tcp_v4(b"payload");
    bytes[6..8].copy_from_slice(&[0x1f, 0xff]);
    fix_v4(&mut bytes);
    assert!(event_of(&bytes).has(DecodeEvent::Ipv4FragmentTooLarge));
    let odd = tcp_v6(protocol::IPV6_FRAGMENT, &[TCP, 0, 0, 1, 0, 0, 0, 9]);
    assert!(event_of(&odd).has(DecodeEvent::Ipv6FragmentLength));
    let last = tcp_v6(protocol::IPV6_FRAGMENT, &[TCP, 0, 0, 8, 0, 0, 0, 9]);
    assert!(event_of(&last).is_empty());
    let far = tcp_v6(protocol::IPV6_FRAGMENT, &[TCP, 7, 0xff, 0xf8, 0, 0, 0, 9]);
    assert!(event_of(&far).has(DecodeEvent::Ipv6FragmentTooLarge));
    assert!(event_of(&far).has(DecodeEvent::Ipv6FragmentReserved));
}
