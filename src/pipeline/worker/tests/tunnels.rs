//! What is inside a tunnel is judged, and the outer packet shares the verdict.

use super::fragments::{DROP_UDP, fragments, udp};
use super::*;
use crate::decode::Tunnels;

const VTEPS: [[u8; 4]; 2] = [[172, 16, 0, 1], [172, 16, 0, 2]];

type Wrap = fn(&[u8]) -> Vec<u8>;

fn vxlan(id: u8, packet: &[u8]) -> Vec<u8> {
    let mut payload = vec![8, 0, 0, 0, 0, 0, id, 0];
    payload.extend([0; 12]);
    payload.extend([8, 0]);
    payload.extend_from_slice(packet);
    let mut outer = Vec::new();
    PacketBuilder::ipv4(VTEPS[0], VTEPS[1], 64)
        .udp(50_000, 4789)
        .write(&mut outer, &payload)
        .unwrap();
    outer
}

fn ipip(src: u8, packet: &[u8]) -> Vec<u8> {
    let mut outer = Vec::new();
    PacketBuilder::ipv4([172, 16, 0, src], VTEPS[1], 64)
        .write(&mut outer, etherparse::IpNumber::IPV4, packet)
        .unwrap();
    outer
}

fn in_vxlan(packet: &[u8]) -> Vec<u8> {
    vxlan(7, packet)
}

#[test]
fn a_rule_refuses_what_a_tunnel_carries() {
    let wraps: [Wrap; 3] = [
        in_vxlan,
        |packet| ipip(1, packet),
        |packet| vxlan(1, &ipip(1, &vxlan(2, packet))),
    ];
    for (n, wrap) in wraps.into_iter().enumerate() {
        let mut lab = Lab::new(DROP_EVIL);
        lab.wrap = wrap;
        lab.open();
        assert_eq!(lab.request("/good"), Verdict::Forward, "{n}");
        assert_eq!(
            lab.request("/evil"),
            Verdict::Drop(DropReason::Rules),
            "{n}"
        );
        assert_eq!(lab.seen.alerts, [1], "{n}");
        let outer = lab.seen.outer.expect("the alert tells the tunnel");
        assert_eq!(outer.depth, [1, 1, 3][n]);
        assert_eq!(outer.dst.0, Ipv4Addr::from(VTEPS[1]));
    }
}

#[test]
fn a_tunnel_that_is_not_looked_into_is_payload() {
    let config = WorkerConfig {
        tunnels: Tunnels::new([], vec![], vec![], vec![]),
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, DROP_EVIL);
    lab.wrap = in_vxlan;
    lab.open();
    assert_eq!(lab.request("/evil"), Verdict::Forward);
    assert_eq!(lab.counters.get(Counter::TunnelPackets), 0);
}

/// A reset would not go through the tunnel.
#[test]
fn a_refused_flow_in_a_tunnel_gets_no_reset() {
    let rule = DROP_EVIL.replace("drop", "rejectboth");
    let mut lab = Lab::new(&rule);
    lab.wrap = in_vxlan;
    lab.open();
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    assert!(lab.seen.resets.is_empty());
    assert_eq!(lab.counters.get(Counter::ResetsInTunnel), 2);
    assert_eq!(lab.request("/good"), Verdict::Drop(DropReason::FlowDrop));
    assert!(lab.seen.resets.is_empty());
}

#[test]
fn equal_addresses_in_two_tunnels_are_two_flows() {
    type Numbered = fn(u8, &[u8]) -> Vec<u8>;
    // The outer flow of two VXLAN networks is one.
    let pairs: [(Numbered, Numbered, usize); 3] =
        [(vxlan, vxlan, 1), (ipip, ipip, 2), (vxlan, ipip, 2)];
    for (one, other, new_flows) in pairs {
        let mut lab = Lab::new(DROP_EVIL);
        let syn = |seq| {
            let mut packet = Vec::new();
            PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
                .tcp(CLIENT.1, SERVER.1, seq, 60_000)
                .syn()
                .write(&mut packet, b"")
                .unwrap();
            packet
        };
        lab.send(&one(3, &syn(1000)));
        let flows = lab.worker.active_flows();
        lab.send(&other(4, &syn(5_000_000)));
        assert_eq!(lab.worker.active_flows(), flows + new_flows);
        assert!(lab.seen.drops.is_empty());
    }
}

/// A network that routes between two of its networks: the answers come under another identifier.
#[test]
fn two_directions_under_two_identifiers_are_one_flow() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.wrap = in_vxlan;
    assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
    lab.wrap = |packet| vxlan(9, packet);
    assert_eq!(lab.segment(1, "SA", b""), Verdict::Forward);
    lab.wrap = in_vxlan;
    assert_eq!(lab.segment(0, "A", b""), Verdict::Forward);
    assert_eq!(lab.request("/good"), Verdict::Forward);
    lab.wrap = |packet| vxlan(9, packet);
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(lab.segment(1, "A", response), Verdict::Forward);
    assert_eq!(lab.worker.active_flows(), 2, "one inside, one outside");
    lab.wrap = in_vxlan;
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}

#[test]
fn rules_still_see_the_outer_packet() {
    let mut lab =
        Lab::new("alert udp any any -> any 4789 (msg:\"outer\"; content:\"/good\"; sid:2;)\n");
    lab.wrap = in_vxlan;
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [2]);
    assert_eq!(lab.seen.outer, None);
}

#[test]
fn what_is_wrong_inside_is_dropped_by_its_own_reason() {
    let mut lab = Lab::new("");
    let mut inner = Vec::new();
    PacketBuilder::ipv4([1; 4], [2; 4], 64)
        .udp(1, 2)
        .write(&mut inner, b"payload")
        .unwrap();
    assert_eq!(lab.send(&in_vxlan(&inner)), Verdict::Forward);
    *inner.last_mut().unwrap() ^= 1;
    let verdict = lab.send(&in_vxlan(&inner));
    assert_eq!(verdict, Verdict::Drop(DropReason::DecodeL4Checksum));
    let verdict = lab.send(&ipip(1, &[0x45, 0]));
    assert_eq!(verdict, Verdict::Drop(DropReason::DecodeTruncated));
}

#[test]
fn what_is_no_tunnel_is_udp() {
    let mut lab = Lab::new("");
    for port in [4789, 6081, 3544] {
        for payload in [&b""[..], b"\x08short", &[0x60; 60], &[0xff; 60]] {
            let mut packet = Vec::new();
            PacketBuilder::ipv4([1; 4], [2; 4], 64)
                .udp(5000, port)
                .write(&mut packet, payload)
                .unwrap();
            assert_eq!(lab.send(&packet), Verdict::Forward, "{port} {payload:?}");
        }
    }
}

#[test]
fn tunnels_nested_too_deep_are_for_the_policy() {
    let nested = |n: usize| {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([1; 4], [2; 4], 64)
            .udp(1, 2)
            .write(&mut packet, b"payload")
            .unwrap();
        for _ in 0..n {
            packet = ipip(1, &packet);
        }
        packet
    };
    let rule =
        "alert pkthdr any any -> any any (msg:\"deep\"; decode-event:too_many_layers; sid:5;)\n";
    let mut lab = Lab::new(rule);
    assert_eq!(lab.send(&nested(4)), Verdict::Forward);
    assert!(lab.seen.alerts.is_empty());
    let refused = Verdict::Drop(DropReason::TunnelDepth);
    assert_eq!(lab.send(&nested(5)), refused);
    assert_eq!(lab.send(&nested(60)), refused);
    assert_eq!(lab.seen.alerts, [5, 5]);
    let mut config = WorkerConfig::default();
    config.exceptions.tunnel_depth = ExceptionPolicy::Pass;
    let mut lab = Lab::with(config, "");
    assert_eq!(lab.send(&nested(5)), Verdict::Forward);
    assert_eq!(lab.counters.get(Counter::ExceptionPass), 1);
}

/// A35: fragments inside a tunnel are put together by tunnel, and go on inside it.
#[test]
fn a35_fragments_inside_a_tunnel_are_judged_whole() {
    let wraps: [Wrap; 3] = [
        in_vxlan,
        |packet| ipip(1, packet),
        |packet| vxlan(1, &ipip(1, &vxlan(2, packet))),
    ];
    for wrap in wraps {
        let mut lab = Lab::new(DROP_UDP);
        let evil = fragments(&udp(b"an evil-payload, cut so that no piece has it"), 7, 8);
        let verdicts: Vec<_> = evil.iter().map(|packet| lab.send(&wrap(packet))).collect();
        let (last, before) = verdicts.split_last().unwrap();
        assert_eq!(*last, Verdict::Drop(DropReason::Rules));
        assert!(before.iter().all(|v| *v == Verdict::Held));

        let payload = b"nothing that anybody would mind, and long enough";
        let good = fragments(&udp(payload), 8, 16);
        let mut shortest_last = good.clone();
        shortest_last.rotate_left(1);
        for packet in &shortest_last {
            assert_eq!(lab.send(&wrap(packet)), Verdict::Held);
        }
        assert_eq!(lab.counters.snapshot().in_hand(), 0);
        // What goes on is sound from the outermost header on, and is found whole again.
        let sent = std::mem::take(&mut lab.seen.sent_on);
        assert_eq!(sent.len(), good.len());
        let mut receiver = Lab::new(
            "alert udp any any -> any 2000 (msg:\"a\"; content:\"anybody would mind\"; sid:9;)\n",
        );
        for frame in &sent {
            assert_eq!(receiver.send(frame), Verdict::Held);
        }
        assert!(receiver.seen.drops.is_empty());
        assert_eq!(receiver.seen.alerts, [9]);
        assert_eq!(receiver.seen.reassembled.len(), 1);
    }
}

#[test]
fn fragments_in_two_tunnels_are_no_datagram() {
    let mut lab = Lab::new("");
    let packets = fragments(&udp(b"nothing that anybody would mind"), 7, 16);
    for (n, packet) in packets.iter().enumerate() {
        assert_eq!(lab.send(&vxlan(n as u8, packet)), Verdict::Held);
    }
    assert!(lab.seen.reassembled.is_empty());
}

#[test]
fn a_tunnel_that_comes_in_fragments_is_looked_into() {
    let mut lab = Lab::new(DROP_UDP);
    let whole = in_vxlan(&udp(b"an evil-payload, cut so that no piece has it"));
    let packets = fragments(&whole, 7, 24);
    let verdicts = lab.send_all(&packets);
    assert_eq!(verdicts.last(), Some(&Verdict::Drop(DropReason::Rules)));
    // But what comes in pieces twice is not taken.
    let pieces = fragments(&udp(b"nothing that anybody would mind"), 8, 16);
    let packets = fragments(&in_vxlan(&pieces[0]), 9, 24);
    let verdicts = lab.send_all(&packets);
    let nested = Verdict::Drop(DropReason::DefragNested);
    assert_eq!(verdicts.last(), Some(&nested));
}

#[test]
fn overlapping_fragments_alert() {
    let rule = "alert pkthdr any any -> any any (msg:\"overlap\"; decode-event:ipv4.frag_overlap; sid:5;)\n";
    let mut lab = Lab::new(rule);
    let packets = fragments(&udp(b"nothing that anybody would mind"), 7, 16);
    let mut other = packets[0].clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(lab.send(&packets[0]), Verdict::Held);
    assert_eq!(lab.send(&other), Verdict::Drop(DropReason::DefragOverlap));
    assert_eq!(
        lab.send(&packets[1]),
        Verdict::Drop(DropReason::DefragOverlap)
    );
    assert_eq!(lab.seen.alerts, [5]);
}

/// A low TTL is raised inside of a tunnel too, and the outer checksum still holds.
#[test]
fn a_change_inside_a_tunnel_leaves_the_outer_packet_sound() {
    let mut lab = Lab::new("");
    lab.wrap = in_vxlan;
    lab.open();
    let mut packet = Vec::new();
    PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 40)
        .tcp(CLIENT.1, SERVER.1, lab.next[0], 60_000)
        .ack(lab.next[1])
        .write(&mut packet, b"data")
        .unwrap();
    let mut frame = in_vxlan(&packet);
    let Verdict::Rewrite(edit) = lab.send(&frame) else {
        panic!("the TTL is below that of the handshake");
    };
    assert!(crate::decode::apply_edit(&edit, &mut frame));
    let outer = crate::decode::decode_ip(&frame, ChecksumTrust::Unverified).unwrap();
    assert_eq!(outer.payload[8 + 14 + 8], 64);
}
