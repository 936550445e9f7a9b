//! Tunnels built by hand around packets that an independent library builds.

use super::*;

const ETHERNET: [u8; 14] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(src, dst)
        .write(&mut bytes, payload)
        .unwrap();
    bytes
}

/// A datagram of any protocol around `payload`.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = tcp_v4(b"")[..20].to_vec();
    bytes[9] = protocol;
    bytes.extend_from_slice(payload);
    let total = (bytes.len() as u16).to_be_bytes();
    bytes[2..4].copy_from_slice(&total);
    fix_v4(&mut bytes);
    bytes
}

fn ipv6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = v6(protocol, &[])[..40].to_vec();
    bytes[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn tcp_v6() -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([0x20; 16], [0x21; 16], 64)
        .tcp(4000, 80, 77, 1024)
        .write(&mut bytes, b"inner")
        .unwrap();
    bytes
}

/// What is found in one tunnel: its kind and identifier, the payload, VLAN.
type Found = (TunnelKind, Option<u32>, Vec<u8>, [u16; 3]);

fn look(outer: &[u8]) -> Result<Option<Found>, DropReason> {
    let trust = ChecksumTrust::Unverified;
    let packet = decode_ip(outer, trust).map_err(|m| m.reason)?;
    let inside = Tunnels::default().inside(&packet, trust, &mut DecodeEvents::NONE.clone())?;
    let Some(inner) = inside else {
        return Ok(None);
    };
    let packet = inner.decode(trust).map_err(|m| m.reason)?;
    Ok(packet.map(|p| (inner.kind, inner.id, p.payload.to_vec(), p.vlan)))
}

fn found(kind: TunnelKind, id: impl Into<Option<u32>>) -> Result<Option<Found>, DropReason> {
    Ok(Some((kind, id.into(), b"inner".to_vec(), [0; 3])))
}

fn inner() -> Vec<u8> {
    tcp_v4(b"inner")
}

fn frame() -> Vec<u8> {
    [&ETHERNET[..], &inner()].concat()
}

#[test]
fn vxlan_carries_ethernet_under_a_network_identifier() {
    let packet = |flags| {
        let header = [flags, 0, 0, 0, 0x12, 0x34, 0x56, 0];
        udp(50_000, 4789, &[&header[..], &frame()].concat())
    };
    assert_eq!(look(&packet(8)), found(TunnelKind::Vxlan, 0x12_3456));
    assert_eq!(look(&packet(0x88)), found(TunnelKind::Vxlan, 0x12_3456));
    assert_eq!(look(&packet(0)), Ok(None), "no identifier");
    assert_eq!(look(&udp(50_000, 4789, b"short")), Ok(None));
    let mut tagged = [&[8, 0, 0, 0, 0, 0, 7, 0], &ETHERNET[..12]].concat();
    tagged.extend([0x81, 0, 0, 9, 8, 0]);
    tagged.extend(inner());
    let (.., vlan) = look(&udp(1, 4789, &tagged)).unwrap().unwrap();
    assert_eq!(vlan, [9, 0, 0]);
    let reply = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &frame()].concat();
    assert_eq!(look(&udp(4789, 50_000, &reply)), Ok(None), "by destination");
}

#[test]
fn geneve_options_of_any_length_are_skipped() {
    let packet = |words: u8, kind: [u8; 2], options: &[u8], inner: &[u8]| {
        let header = [words, 0x40, kind[0], kind[1], 0, 0, 5, 0];
        udp(50_000, 6081, &[&header[..], options, inner].concat())
    };
    let geneve = found(TunnelKind::Geneve, 5);
    assert_eq!(look(&packet(0, [0x65, 0x58], &[], &frame())), geneve);
    assert_eq!(look(&packet(0, [8, 0], &[], &inner())), geneve);
    // One option of 5 bytes, which is no multiple of 4 words; one that is critical.
    let critical = [0, 1, 0x80, 1, 9, 9, 9, 9, 0, 1, 2, 0];
    assert_eq!(look(&packet(3, [8, 0], &critical, &inner())), geneve);
    let overrun = [0, 1, 0x80, 31];
    assert_eq!(look(&packet(1, [8, 0], &overrun, &inner())), geneve);
    assert_eq!(look(&packet(63, [8, 0], &[], &inner())), Ok(None));
    assert_eq!(
        look(&packet(0x40, [8, 0], &[], &inner())),
        Ok(None),
        "version 1"
    );
    assert_eq!(look(&packet(0, [0x88, 0x47], &[], &inner())), Ok(None));
}

#[test]
fn gre_has_its_optional_fields_in_order() {
    let packet = |flags: [u8; 2], kind: [u8; 2], fields: &[u8], inner: &[u8]| {
        ipv4(47, &[&flags, &kind, fields, inner].concat())
    };
    let ip = [8, 0];
    let gre = |id| found(TunnelKind::Gre, id);
    assert_eq!(look(&packet([0, 0], ip, &[], &inner())), gre(None));
    let key = [0, 0, 0, 7];
    assert_eq!(look(&packet([0x20, 0], ip, &key, &inner())), gre(Some(7)));
    let key_and_sequence = [0, 0, 0, 7, 0, 0, 0, 1];
    let numbered = packet([0x30, 0], ip, &key_and_sequence, &inner());
    assert_eq!(look(&numbered), gre(Some(7)));
    assert_eq!(
        look(&packet([0, 0], [0x65, 0x58], &[], &frame())),
        gre(None)
    );
    let ppp = [&[0xff, 3, 0, 0x21][..], &inner()].concat();
    assert_eq!(look(&packet([0, 0], [0x88, 0x0b], &[], &ppp)), gre(None));
    let wccp = [&[0, 0, 0, 0][..], &inner()].concat();
    assert_eq!(look(&packet([0, 0], [0x88, 0x3e], &[], &wccp)), gre(None));
    assert_eq!(
        look(&packet([0, 0], [0x88, 0x3e], &[], &inner())),
        gre(None)
    );
    assert_eq!(look(&packet([0, 0], [0x88, 0x47], &[], b"mpls")), Ok(None));
    let wrong = Err(DropReason::DecodeTunnel);
    assert_eq!(look(&packet([0x20, 0], ip, &[], &[])), wrong, "cut short");
    assert_eq!(
        look(&packet([0x40, 0], ip, &[0; 4], &inner())),
        wrong,
        "routing"
    );
    assert_eq!(look(&packet([0, 2], ip, &[], &inner())), wrong, "version 2");
}

#[test]
fn gre_checksums_are_verified_unless_ignored() {
    let mut body = [&[0x80, 0, 8, 0, 0, 0, 0, 0][..], &inner()].concat();
    let sum = (0..body.len()).step_by(2).fold(0_u32, |sum, at| {
        let low = body.get(at + 1).copied().unwrap_or(0);
        let sum = sum + u32::from(u16::from_be_bytes([body[at], low]));
        (sum & 0xffff) + (sum >> 16)
    });
    body[4..6].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    assert_eq!(look(&ipv4(47, &body)), found(TunnelKind::Gre, None));
    body[4] ^= 1;
    assert_eq!(look(&ipv4(47, &body)), Err(DropReason::DecodeL4Checksum));
}

#[test]
fn pptp_carries_ppp_of_the_length_it_says() {
    let ppp = [&[0xff, 3, 0, 0x21][..], &inner()].concat();
    let packet = |flags: u8, length: u16, fields: &[u8]| {
        let mut body = vec![flags, 0x81, 0x88, 0x0b];
        body.extend(length.to_be_bytes());
        body.extend([0, 3]);
        body.extend_from_slice(fields);
        body.extend_from_slice(&ppp);
        ipv4(47, &body)
    };
    let length = ppp.len() as u16;
    let both = [0, 0, 0, 1, 0, 0, 0, 1];
    assert_eq!(
        look(&packet(0x30, length, &both)),
        found(TunnelKind::Gre, None)
    );
    let wrong = Err(DropReason::DecodeTunnel);
    assert_eq!(look(&packet(0x30, length + 1, &both)), wrong);
    assert_eq!(look(&packet(0x10, length, &both)), wrong, "no key");
    assert_eq!(
        look(&packet(0x20, 0, &both[..4])),
        Ok(None),
        "acknowledgement"
    );
}

#[test]
fn erspan_tells_the_vlan_and_session_of_the_mirror() {
    let packet = |kind: [u8; 2], header: &[u8]| {
        let fields = [0x10, 0, kind[0], kind[1], 0, 0, 0, 1];
        ipv4(47, &[&fields[..], header, &frame()].concat())
    };
    let mirrored = Ok(Some((
        TunnelKind::Erspan,
        Some(100),
        b"inner".to_vec(),
        [23, 0, 0],
    )));
    let two = [0x10, 23, 0x08, 100, 0, 0, 0, 0];
    assert_eq!(look(&packet([0x88, 0xbe], &two)), mirrored);
    let three = [0x20, 23, 0x08, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(look(&packet([0x22, 0xeb], &three)), mirrored);
    let longer = [
        0x20, 23, 0x08, 100, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(look(&packet([0x22, 0xeb], &longer)), mirrored);
    let unknown = [0x70, 23, 0x08, 100, 0, 0, 0, 0];
    assert_eq!(look(&packet([0x88, 0xbe], &unknown)), Ok(None));
    let one = ipv4(47, &[&[0, 0, 0x88, 0xbe][..], &frame()].concat());
    assert_eq!(look(&one), found(TunnelKind::Erspan, None));
}

#[test]
fn ip_in_ip_goes_by_the_protocol_number() {
    use TunnelKind as K;
    assert_eq!(look(&ipv4(4, &inner())), found(K::Ipv4InIpv4, None));
    assert_eq!(look(&ipv4(41, &tcp_v6())), found(K::Ipv6InIpv4, None));
    assert_eq!(look(&ipv6(4, &inner())), found(K::Ipv4InIpv6, None));
    assert_eq!(look(&ipv6(41, &tcp_v6())), found(K::Ipv6InIpv6, None));
    assert_eq!(look(&ipv4(4, &tcp_v6())), Err(DropReason::DecodeIpHeader));
    assert_eq!(look(&ipv4(41, &[])), Err(DropReason::DecodeTruncated));
    let mut wrong = inner();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(look(&ipv4(4, &wrong)), Err(DropReason::DecodeL4Checksum));
}

#[test]
fn the_kernel_vouches_for_the_outer_checksum_only() {
    let mut wrong = inner();
    *wrong.last_mut().unwrap() ^= 1;
    let outer = ipv4(4, &wrong);
    let look = |trust| {
        let packet = decode_ip(&outer, trust).unwrap();
        let mut events = DecodeEvents::NONE;
        let inner = Tunnels::default().inside(&packet, trust, &mut events);
        inner.unwrap().unwrap().decode(trust).is_ok()
    };
    assert!(!look(ChecksumTrust::Trusted));
    assert!(!look(ChecksumTrust::Unverified));
    assert!(look(ChecksumTrust::Partial), "offload completes it");
    assert!(look(ChecksumTrust::Ignored));
}

#[test]
fn teredo_is_believed_only_where_all_of_it_fits() {
    let teredo = found(TunnelKind::Teredo, 0);
    let plain = tcp_v6();
    assert_eq!(look(&udp(3544, 40_000, &plain)), teredo);
    assert_eq!(look(&udp(40_000, 3544, &plain)), teredo);
    let origin = [&[0, 0, 1, 2, 3, 4, 5, 6][..], &plain].concat();
    assert_eq!(look(&udp(40_000, 3544, &origin)), teredo);
    let mut both = vec![0, 1, 2, 3];
    both.extend([7; 2 + 3 + 9]);
    both.extend(origin);
    assert_eq!(look(&udp(40_000, 3544, &both)), teredo);
    let trailer = [&plain[..], &[1, 2, 9, 9]].concat();
    assert_eq!(look(&udp(40_000, 3544, &trailer)), teredo);
    let cut = &plain[..plain.len() - 1];
    assert_eq!(look(&udp(40_000, 3544, cut)), Ok(None));
    let more = [&plain[..], &[1, 9, 9]].concat();
    assert_eq!(look(&udp(40_000, 3544, &more)), Ok(None));
    assert_eq!(look(&udp(40_000, 3544, &inner())), Ok(None), "IPv4");
    assert_eq!(look(&udp(40_000, 3545, &plain)), Ok(None), "another port");
}

#[test]
fn a_kind_that_is_off_is_payload() {
    let outer = ipv4(4, &inner());
    let packet = decode_ip(&outer, ChecksumTrust::Unverified).unwrap();
    let off = Tunnels::new([TunnelKind::Gre], vec![], vec![], vec![]);
    let mut events = DecodeEvents::NONE;
    let inside = off.inside(&packet, ChecksumTrust::Unverified, &mut events);
    assert!(inside.unwrap().is_none());
}

/// Each wrapper around a packet, by number.
fn wrap(kind: u8, v4: bool, packet: &[u8]) -> Vec<u8> {
    let ethertype = if v4 { [8, 0] } else { [0x86, 0xdd] };
    let framed = [&ETHERNET[..12], &ethertype[..], packet].concat();
    let next = if v4 { 4 } else { 41 };
    match kind % 6 {
        0 => ipv4(next, packet),
        1 => ipv6(next, packet),
        2 => ipv4(47, &[&[0, 0], &ethertype[..], packet].concat()),
        3 => ipv6(
            47,
            &[&[0x20, 0, 0x65, 0x58, 0, 0, 0, 9], &framed[..]].concat(),
        ),
        4 => udp(7, 4789, &[&[8, 0, 0, 0, 0, 0, 9, 0], &framed[..]].concat()),
        _ => udp(
            7,
            6081,
            &[&[0, 0, ethertype[0], ethertype[1], 0, 0, 9, 0], packet].concat(),
        ),
    }
}

proptest! {
    /// However tunnels are nested, the innermost packet is found behind as many as there are.
    #[test]
    fn tunnels_nest(kinds in proptest::collection::vec(any::<u8>(), 0..12)) {
        let mut packet = inner();
        for &kind in &kinds {
            let is_v4 = packet[0] >> 4 == 4;
            packet = wrap(kind, is_v4, &packet);
        }
        let tunnels = Tunnels::default();
        let mut trust = ChecksumTrust::Unverified;
        let mut at = decode_ip(&packet, trust).unwrap();
        let mut depth = 0;
        while let Some(inner) = tunnels.inside(&at, trust, &mut DecodeEvents::NONE.clone()).unwrap() {
            at = inner.decode(trust).unwrap().unwrap();
            trust = trust.inside();
            depth += 1;
        }
        prop_assert_eq!(depth, kinds.len());
        prop_assert_eq!(at.payload, b"inner");
    }

    #[test]
    fn arbitrary_tunnels_never_panic(
        kinds in proptest::collection::vec(any::<u8>(), 1..4),
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        port in proptest::sample::select(vec![4789, 6081, 3544]),
        gre: bool,
    ) {
        let mut packet = if gre { ipv4(47, &bytes) } else { udp(3, port, &bytes) };
        for &kind in &kinds {
            let is_v4 = packet[0] >> 4 == 4;
            packet = wrap(kind, is_v4, &packet);
        }
        let tunnels = Tunnels::default();
        let mut events = DecodeEvents::NONE;
        let mut at = decode_ip(&packet, ChecksumTrust::Ignored).unwrap();
        while let Ok(Some(inner)) = tunnels.inside(&at, ChecksumTrust::Ignored, &mut events) {
            match inner.decode(ChecksumTrust::Ignored) {
                Ok(Some(packet)) => at = packet,
                _ => break,
            }
        }
    }
}
