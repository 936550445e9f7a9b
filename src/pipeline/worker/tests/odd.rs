//! Odd headers: rules about them, and messages that must not change a flow.

use super::*;

fn udp() -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut packet, b"payload")
        .unwrap();
    packet
}

fn event_rule(action: &str, header: &str, event: &str, sid: u32) -> String {
    format!("{action} {header} (msg:\"odd\"; decode-event:{event}; sid:{sid};)\n")
}

const ANY: &str = "pkthdr any any -> any any";

#[test]
fn a_packet_that_decode_refuses_alerts_all_the_same() {
    let rules = [
        event_rule("alert", ANY, "ipv4.trunc_pkt", 1),
        event_rule("alert", ANY, "udp.pkt_too_small", 2),
        event_rule("alert", "ip any any -> any any", "ipv4.trunc_pkt", 3),
        event_rule(
            "alert",
            "udp any any -> 10.0.0.2 any",
            "udp.pkt_too_small",
            4,
        ),
        event_rule(
            "alert",
            "udp any any -> 10.0.0.3 any",
            "udp.pkt_too_small",
            5,
        ),
        event_rule("alert", "tcp any any -> any any", "udp.pkt_too_small", 6),
        event_rule("pass", ANY, "icmpv4.unknown_type", 7),
    ];
    let mut lab = Lab::new(&rules.concat());
    let truncated = &udp()[..30];
    assert_eq!(
        lab.send(truncated),
        Verdict::Drop(DropReason::DecodeTruncated)
    );
    // Where the header cannot be read, only a rule about any packet can match.
    assert_eq!(lab.seen.alerts, [1]);
    lab.seen.alerts.clear();
    let mut short = udp();
    short[25] = 99;
    assert_eq!(lab.send(&short), Verdict::Drop(DropReason::DecodeL4Header));
    assert_eq!(lab.seen.alerts, [2, 4]);
    assert_eq!(
        lab.seen.drops,
        [DropReason::DecodeTruncated, DropReason::DecodeL4Header]
    );
}

#[test]
fn a_rule_may_drop_a_sound_packet_for_its_oddity() {
    let rule = event_rule("drop", ANY, "udp.hlen_invalid", 1);
    let mut lab = Lab::new(&rule);
    assert_eq!(lab.send(&udp()), Verdict::Forward);
    let mut short = udp();
    short[25] = 11;
    short[26..28].fill(0);
    assert_eq!(lab.send(&short), Verdict::Drop(DropReason::Rules));
    assert_eq!((lab.seen.alerts.len(), lab.seen.drops.len()), (1, 1));
    assert_eq!(lab.send(&udp()), Verdict::Forward, "the packet alone");
}

/// C24: an ICMP error about a connection, before it or within it, changes nothing of it.
#[test]
fn c24_icmp_errors_do_not_touch_the_flow_they_speak_of() {
    let mut lab = Lab::new(DROP_EVIL);
    let mut embedded = Vec::new();
    PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
        .tcp(CLIENT.1, SERVER.1, 1000, 60_000)
        .write(&mut embedded, b"")
        .unwrap();
    let errors: Vec<Vec<u8>> = [(3, 4), (3, 1), (11, 0), (5, 1)]
        .into_iter()
        .flat_map(|(kind, code)| {
            [SERVER.0, Ipv4Addr::new(198, 51, 100, 1)].map(|from| {
                let mut packet = Vec::new();
                PacketBuilder::ipv4(from.octets(), CLIENT.0.octets(), 64)
                    .icmpv4_raw(kind, code, [0, 0, 5, 0])
                    .write(&mut packet, &embedded)
                    .unwrap();
                packet
            })
        })
        .collect();
    for error in &errors {
        assert_eq!(lab.send(error), Verdict::Forward);
    }
    lab.open();
    for error in &errors {
        assert_eq!(lab.send(error), Verdict::Forward);
    }
    assert_eq!(lab.request("/good"), Verdict::Forward);
    for error in &errors {
        assert_eq!(lab.send(error), Verdict::Forward);
    }
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    assert_eq!(lab.seen.alerts, [1]);
    assert!(lab.seen.resets.is_empty());
}
