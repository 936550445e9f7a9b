use std::sync::Arc;

use super::fixture::{Rig, icmp, inputs, tcp, udp, ways};
use crate::app_layer::Protocol;
use crate::decode::{ChecksumTrust, decode_ip};
use crate::detect::{CompileOptions, Except, Layer, PatchInfo, Policy, Response, RuleInput, Side};
use crate::direction::Direction::{ToClient, ToServer};
use crate::verdict::{Mode, Scope};

const NONE: [u32; 0] = [];

#[test]
fn datagrams_are_held_against_rules_of_their_protocol_and_port() {
    let rules = r#"
        alert udp any any -> any 53 (msg:"t"; content:"abcd"; sid:1;)
        alert udp any any -> any 54 (msg:"t"; content:"abcd"; sid:2;)
        alert ip any any -> any any (msg:"t"; content:"abcd"; sid:3;)
        alert tcp any any -> any any (msg:"t"; content:"abcd"; sid:4;)
        alert icmp any any -> any any (msg:"t"; content:"abcd"; sid:5;)
        alert udp any any -> any any (msg:"t"; content:"abcd"; dsize:4; sid:6;)
        alert udp any any -> any any (msg:"t"; dsize:>4; sid:7;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        (rig.ctx.protocol, rig.ctx.stream, rig.ctx.server.1) = (17, false, 53);
        assert_eq!(
            rig.packet(ToServer, &udp(40_000, 53, b"abcd")),
            [1, 3, 6],
            "{way:?}"
        );
        assert_eq!(rig.packet(ToServer, &udp(40_000, 53, b"abcdx")), [1, 3, 7]);
        assert_eq!(rig.packet(ToServer, &udp(40_000, 53, b"abc")), NONE);
        assert_eq!(rig.lone_packet(&icmp(b"abcd")), [3, 5]);
    }
}

/// More sets of flags than have an index of their own.
#[test]
fn rules_are_found_by_the_flags_of_their_segment() {
    let of_window = |n: u32| {
        let letters = |set: u32| {
            let all = "FSRPAUCE".chars().enumerate();
            all.filter(move |(bit, _)| set >> bit & 1 != 0)
                .map(|(_, letter)| letter)
                .collect::<String>()
        };
        // ACK alone is what `tcp` has.
        let flags = format!("*{}", letters(n | 0x10));
        format!("alert tcp any any -> any any (msg:\"t\"; tcp.flags:{flags}; sid:{n};)")
    };
    let mut rules: Vec<String> = (1..40).map(of_window).collect();
    rules.push(r#"alert tcp any any -> any any (msg:"t"; tcp.flags:F; sid:100;)"#.into());
    rules.push(r#"alert tcp any any -> any any (msg:"t"; ttl:64; sid:101;)"#.into());
    rules.push(r#"alert udp any any -> any any (msg:"t"; ttl:64; sid:102;)"#.into());
    let rules = rules.join("\n");
    for way in ways() {
        let mut rig = Rig::new(&rules, &way);
        let found = rig.packet(ToServer, &tcp(b""));
        let expected: Vec<u32> = (1..40).chain([101]).collect();
        assert_eq!(found, expected, "{way:?}");
        (rig.ctx.protocol, rig.ctx.stream, rig.ctx.server.1) = (17, false, 53);
        assert_eq!(rig.packet(ToServer, &udp(40_000, 53, b"")), [102]);
    }
}

#[test]
fn packets_that_no_rule_can_concern_are_not_asked_about() {
    let on_streams = r#"alert tcp any any -> any any (msg:"t"; content:"abcd"; sid:1;)"#;
    let on_udp = r#"alert udp any any -> any 53 (msg:"t"; content:"abcd"; sid:1;)"#;
    let on_ports = r#"alert tcp any any -> any 9 (msg:"t"; sid:1;)"#;
    let on_protocol = r#"alert http any any -> any any (msg:"t"; sid:1;)"#;
    // Asked about a segment of a stream, one of none, and a datagram.
    for (rules, asked) in [
        (on_streams, [false, true, false]),
        (on_udp, [false, false, true]),
        (on_ports, [true; 3]),
        (on_protocol, [true; 3]),
    ] {
        let rig = Rig::new(rules, &ways()[0]);
        let asks = |datagram: &[u8], in_stream| {
            let packet = decode_ip(datagram, ChecksumTrust::Ignored).unwrap();
            rig.ruleset
                .asks_of_packet(&packet, in_stream, &rig.flow, ToServer)
        };
        let segment = tcp(b"abcd");
        let datagram = udp(40_000, 53, b"abcd");
        assert_eq!(
            [
                asks(&segment, true),
                asks(&segment, false),
                asks(&datagram, false)
            ],
            asked,
            "{rules}"
        );
    }
}

#[test]
fn bare_segments_are_asked_about_until_no_rule_can_concern_them() {
    let resets = r#"alert tcp any any -> any any (msg:"t"; flags:R+; sid:1;)"#;
    let content = r#"alert tcp any any -> any any (msg:"t"; content:"abcd"; dsize:4; sid:1;)"#;
    let icmp = r#"alert icmp any any -> any any (msg:"t"; itype:8; sid:1;)"#;
    let sequences = r#"alert tcp any any -> any any (msg:"t"; seq:7; sid:1;)"#;
    // Whether a bare segment is asked about, and one that resets.
    for (rules, asked) in [
        (resets, [false, true]),
        (content, [false, false]),
        (icmp, [false, false]),
        (sequences, [true, true]),
    ] {
        let mut rig = Rig::new(rules, &ways()[0]);
        rig.ctx.app = Protocol::Unknown;
        let (bare, mut reset) = (tcp(b""), tcp(b""));
        reset[33] |= 4;
        let asks = |rig: &Rig, datagram: &[u8], direction| {
            let packet = decode_ip(datagram, ChecksumTrust::Ignored).unwrap();
            rig.ruleset
                .asks_of_packet(&packet, true, &rig.flow, direction)
        };
        assert!(asks(&rig, &bare, ToServer), "the first is: {rules}");
        rig.packet(ToServer, &bare);
        assert_eq!(
            [&bare, &reset].map(|p| asks(&rig, p, ToServer)),
            asked,
            "{rules}"
        );
        assert!(
            asks(&rig, &bare, ToClient),
            "the other end's first: {rules}"
        );
        rig.flow.expect_protocol();
        assert!(
            asks(&rig, &bare, ToServer),
            "the protocol is known now: {rules}"
        );
    }
}

#[test]
fn tcp_payload_is_looked_at_in_packets_where_rules_or_the_lack_of_a_stream_ask_for_it() {
    let rules = r#"
        alert tcp any any -> any any (msg:"t"; content:"abcd"; sid:1;)
        alert tcp-pkt any any -> any any (msg:"t"; content:"abcd"; sid:2;)
        alert tcp any any -> any any (msg:"t"; content:"abcd"; depth:4; sid:3;)
        alert tcp-stream any any -> any any (msg:"t"; content:"abcd"; sid:4;)
        alert tcp any any -> any any (msg:"t"; content:"abcd"; dsize:4; sid:5;)
        alert tcp any any -> any any (msg:"t"; flow:only_stream; content:"abcd"; sid:6;)
        alert tcp any any -> any any (msg:"t"; flow:no_stream; content:"abcd"; sid:7;)
        alert http any any -> any any (msg:"t"; content:"abcd"; sid:8;)
        alert http any any -> any any (msg:"t"; content:"abcd"; depth:4; dsize:4; sid:9;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        rig.ctx.app = Protocol::Http1;
        assert_eq!(rig.packet(ToServer, &tcp(b"abcd")), [2, 3, 5, 7, 9]);
        assert_eq!(rig.packet(ToServer, &tcp(b"abcde")), [2, 3, 7]);
        rig.ctx.app = Protocol::Unknown;
        assert_eq!(rig.packet(ToServer, &tcp(b"abcd")), [2, 3, 5, 7], "{way:?}");
        assert_eq!(rig.packet(ToServer, &tcp(b"xabcd")), [2, 7]);
        assert_eq!(rig.stream(ToServer, b"abcd"), [1, 3, 4, 6]);
        rig.ctx.stream = false;
        assert_eq!(rig.packet(ToServer, &tcp(b"abcd")), [1, 2, 3, 5, 7]);
        assert_eq!(rig.lone_packet(&tcp(b"abcd")), [1, 2, 3, 5, 7]);
    }
}

#[test]
fn a_rule_on_packet_and_stream_fires_once_for_one_packet() {
    let rules = r#"alert tcp any any -> any any (msg:"t"; content:"abcd"; depth:4; sid:1;)"#;
    let mut rig = Rig::new(rules, &ways()[0]);
    let datagram = tcp(b"abcd");
    let packet =
        crate::decode::decode_ip(&datagram, crate::decode::ChecksumTrust::Ignored).unwrap();
    let (scratch, flow) = (&mut rig.scratch, Some(&mut rig.flow));
    rig.ruleset
        .on_packet(scratch, &rig.ctx, flow, ToServer, &packet, &mut rig.hits);
    assert_eq!(rig.stream(ToServer, b"abcd"), [1]);
}

#[test]
fn rules_about_addresses_fire_once_for_each_direction_of_a_flow() {
    let rules = r#"
        alert ip 10.0.0.1 any -> any any (msg:"t"; sid:1;)
        alert tcp 10.0.0.0/8 any -> any any (msg:"t"; sid:2;)
        alert tcp any any -> [10.0.0.1,10.9.9.9] any (msg:"t"; sid:3;)
        alert ip !10.0.0.1 any -> any any (msg:"t"; sid:4;)
        alert udp 10.0.0.1 any -> any any (msg:"t"; sid:5;)
        alert tcp any any -> any any (msg:"t"; flow:established; flowbits:isset,packets.test; sid:6;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [1, 2]);
    assert_eq!(rig.packet(ToServer, &tcp(b"x")), NONE);
    assert_eq!(rig.lone_packet(&tcp(b"")), [1, 2]);
}

#[test]
fn header_rules_that_ask_the_flow_are_asked_each_time() {
    let rules = r#"
        alert tcp any any -> any 80 (msg:"t"; flow:established,to_server; sid:1;)
        alert tcp any any -> any 80 (msg:"t"; flow:to_client; sid:2;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [1]);
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [1]);
    rig.ctx.established = false;
    assert_eq!(rig.packet(ToServer, &tcp(b"")), NONE);
    assert_eq!(rig.lone_packet(&tcp(b"")), NONE);
}

#[test]
fn rules_about_the_protocol_fire_when_it_is_known() {
    let rules = r#"
        alert http any any -> any any (msg:"t"; sid:1;)
        alert tcp any any -> any any (msg:"t"; app-layer-protocol:tls; sid:2;)
        alert tcp any any -> any any (msg:"t"; app-layer-protocol:!tls; flow:to_server; sid:3;)
        alert tcp any any -> any any (msg:"t"; app-layer-protocol:unknown; sid:4;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    rig.ctx.app = Protocol::Undetermined;
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [4]);
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [4]);
    rig.ctx.app = Protocol::Http1;
    assert_eq!(rig.packet(ToServer, &tcp(b"")), [1, 3]);
    assert_eq!(rig.packet(ToServer, &tcp(b"")), NONE);
    assert_eq!(rig.packet(ToClient, &tcp(b"")), [1]);
}

#[test]
fn scope_is_the_packet_only_where_nothing_but_the_packet_matched() {
    let rules = r#"
        drop tcp any any -> any any (msg:"t"; content:"abcd"; dsize:4; sid:1;)
        drop ip 10.0.0.1 any -> any any (msg:"t"; sid:2;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    let datagram = tcp(b"abcd");
    let packet =
        crate::decode::decode_ip(&datagram, crate::decode::ChecksumTrust::Ignored).unwrap();
    let (scratch, flow) = (&mut rig.scratch, Some(&mut rig.flow));
    rig.ruleset
        .on_packet(scratch, &rig.ctx, flow, ToServer, &packet, &mut rig.hits);
    let scopes: Vec<_> = rig
        .hits
        .as_slice()
        .iter()
        .map(|h| (h.signature, h.scope))
        .collect();
    assert_eq!(scopes, [(0, Scope::Packet), (1, Scope::Flow)]);
}

#[test]
fn a_patch_that_is_off_neither_fires_nor_sets_flowbits() {
    let rules = r#"
        drop tcp any any -> any any (msg:"t"; content:"abcd"; flowbits:set,packets.off; sid:1;)
        alert tcp any any -> any any (msg:"t"; content:"efgh"; flowbits:isset,packets.off; sid:2;)
    "#;
    let patch = Arc::new(PatchInfo {
        id: "patch".into(),
        title: String::new(),
        cve: vec![],
        pack: "core".into(),
        pack_version: "1".into(),
        mode: Mode::Prevent,
        response: Response::Reset,
    });
    let mut with_patch = inputs(rules);
    with_patch[0].patch = Some(patch);
    let layer = Layer::compile(with_patch, &CompileOptions::default());
    let mut rig = Rig::new("", &ways()[0]);
    rig.ruleset.layers = vec![Arc::new(layer)];
    let hold = |mode| Policy {
        patch_modes: [("patch".to_owned(), mode)].into(),
        ..Policy::default()
    };
    rig.ruleset.policy = Arc::new(hold(Mode::Off));
    assert_eq!(rig.stream(ToServer, b"abcd efgh"), NONE);
    rig.ruleset.policy = Arc::new(hold(Mode::Detect));
    assert_eq!(rig.stream(ToServer, b"abcd efgh"), [1, 2]);
    let signature = &rig.ruleset.layers[0].signatures()[0];
    assert_eq!(signature.action().as_str(), "rejectboth");
    let except = Except {
        patch: None,
        network: crate::signature::ast::IpRange {
            first: "10.0.0.1".parse().unwrap(),
            last: "10.0.0.1".parse().unwrap(),
        },
        side: Side::Client,
    };
    let policy = Policy {
        exceptions: vec![except],
        ..Policy::default()
    };
    let decision = policy.decide(signature, &rig.ctx);
    assert_eq!(
        decision,
        crate::detect::Decision::DetectOnly(crate::detect::Leniency::Excepted)
    );
}

#[test]
fn rules_of_every_layer_fire() {
    let rules = |sid| -> Vec<RuleInput> {
        inputs(&format!(
            "alert tcp any any -> any any (msg:\"t\"; content:\"abcd\"; sid:{sid};)"
        ))
    };
    let mut rig = Rig::new("", &ways()[0]);
    let options = CompileOptions::default();
    rig.ruleset.layers = [1, 2]
        .map(|sid| Arc::new(Layer::compile(rules(sid), &options)))
        .to_vec();
    assert_eq!(rig.stream(ToServer, b"abcd"), [1, 2]);
    assert_eq!(rig.ruleset.signature_count(), 2);
}

#[test]
fn headers_are_tested_by_number_by_flag_and_by_content() {
    let rules = r#"
        alert tcp any any -> any any (msg:"t"; tcp.flags:A; ttl:64; seq:1; ack:1; window:1000; sid:1;)
        alert tcp any any -> any any (msg:"t"; tcp.flags:!A; sid:2;)
        alert tcp any any -> any any (msg:"t"; tcp.hdr; content:"|00 50|"; offset:2; depth:2; content:"|50 10|"; distance:8; within:2; sid:3;)
        alert tcp any any -> any any (msg:"t"; tcp.hdr; content:"|00 50|"; offset:2; depth:2; pkt_data; content:"xyz"; sid:4;)
        alert ip any any -> any any (msg:"t"; ipv4.hdr; content:"|40|"; offset:8; depth:1; ip_proto:1; sid:5;)
        alert icmp any any -> any any (msg:"t"; itype:8; icode:0; icmp_id:1; icmp_seq:2; sid:6;)
        alert icmp any any -> any any (msg:"t"; itype:!8; sid:7;)
        alert udp any any -> any any (msg:"t"; seq:1000; sid:8;)
        alert ip any any -> any any (msg:"t"; ipv6.hdr; content:"|60|"; sid:9;)
        alert ip any any -> any any (msg:"t"; tcp.mss:>0; sid:10;)
        alert ip any any -> any any (msg:"t"; sameip; sid:11;)
        alert udp any any -> any any (msg:"t"; udp.hdr; content:"|00 35|"; offset:2; depth:2; fragbits:!M; sid:12;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        assert_eq!(rig.packet(ToServer, &tcp(b"abc")), [1, 3], "{way:?}");
        assert_eq!(rig.packet(ToServer, &tcp(b"xyz")), [1, 3, 4]);
        (rig.ctx.protocol, rig.ctx.stream) = (1, false);
        assert_eq!(rig.packet(ToServer, &icmp(b"")), [5, 6]);
        assert_eq!(rig.lone_packet(&udp(40_000, 53, b"")), [12]);
    }
}

#[test]
fn a_rule_about_one_packet_is_no_rule_about_the_flow() {
    let rules = r#"drop tcp any any -> any any (msg:"t"; tcp.flags:A; sid:1;)"#;
    let mut rig = Rig::new(rules, &CompileOptions::default());
    let packet = tcp(b"");
    let packet = crate::decode::decode_ip(&packet, crate::decode::ChecksumTrust::Ignored).unwrap();
    let (scratch, flow) = (&mut rig.scratch, Some(&mut rig.flow));
    rig.ruleset
        .on_packet(scratch, &rig.ctx, flow, ToServer, &packet, &mut rig.hits);
    assert_eq!(rig.hits.as_slice()[0].scope, Scope::Packet);
}

#[test]
fn a_rule_about_the_protocol_of_the_ip_payload_is_asked_once_for_each_direction() {
    let rules = r#"
        drop ip any any -> any any (msg:"t"; ip_proto:1; sid:1;)
        alert ip any any -> any any (msg:"t"; ip_proto:1; ttl:>0; sid:2;)
        alert ip any any -> any any (msg:"t"; ip_proto:!1; sid:3;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        (rig.ctx.protocol, rig.ctx.stream) = (1, false);
        assert_eq!(rig.packet(ToServer, &icmp(b"")), [1, 2], "{way:?}");
        assert_eq!(rig.packet(ToServer, &icmp(b"")), [2]);
        assert_eq!(rig.packet(ToClient, &icmp(b"")), [1, 2]);
        assert_eq!(rig.lone_packet(&icmp(b"")), [1, 2]);
    }
}

#[test]
fn the_size_of_a_stream_is_asked_of_the_connection_not_of_the_packet() {
    let rules = r#"
        alert tcp any any -> any any (msg:"t"; stream_size:client,>,10; stream_size:server,=,5; content:"abcd"; sid:1;)
        alert tcp any any -> any any (msg:"t"; stream_size:either,>=,100; sid:2;)
        alert tcp any any -> any any (msg:"t"; stream_size:both,<,10; sid:3;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        rig.ctx.stream_sizes = [11, 5];
        assert_eq!(rig.stream(ToServer, b"abcd"), [1], "{way:?}");
        rig.ctx.stream_sizes = [3, 100];
        assert_eq!(rig.stream(ToServer, b"abcd"), NONE);
        assert_eq!(rig.packet(ToServer, &tcp(b"")), [2]);
        rig.ctx.stream_sizes = [3, 9];
        assert_eq!(rig.packet(ToServer, &tcp(b"")), [3]);
        rig.ctx.stream = false;
        assert_eq!(rig.packet(ToServer, &tcp(b"")), NONE);
    }
}
