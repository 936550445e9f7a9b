use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

fn line(record: &Record) -> String {
    let mut out = Vec::new();
    record.write_line(&mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn envelope() -> Envelope {
    Envelope {
        // 2026-01-02T03:04:05.123456Z
        at: Timestamp::from_micros(1_767_323_045_123_456),
        flow_id: Some(1_234_567_890_123),
        in_iface: None,
        vlan: [0; 3],
        src: Some((IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), 40_000)),
        dst: Some((IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 80)),
        protocol: Some(6),
        icmp: None,
        tunnel: None,
        app_proto: Some("http"),
        direction: Some(Direction::ToServer),
    }
}

fn alert() -> Alert {
    Alert {
        action: AlertAction::Blocked,
        gid: 1,
        signature_id: 9_000_001,
        rev: 2,
        signature: "Log4Shell lookup".into(),
        category: "Attempted Administrator Privilege Gain".into(),
        severity: 1,
        metadata: BTreeMap::from([("cve".to_owned(), vec!["CVE_2021_44228".into()])]),
        references: vec!["cve,2021-44228".into()],
        context: BTreeMap::new(),
    }
}

fn verdict() -> Verdict {
    Verdict {
        action: VerdictAction::Drop,
        reject_target: Some(RejectedEnd::Both),
        reject: vec![Reject::TcpReset],
        reason: Some("rules".into()),
    }
}

fn patch() -> PatchRef {
    PatchRef {
        id: "log4shell".into(),
        cve: vec!["CVE-2021-44228".into()],
        mode: Mode::Prevent,
        pack: "core".into(),
        version: "1.0.0".into(),
    }
}

#[test]
fn an_alert_is_written_as_eve() {
    let record = Record::Alert(Box::new(AlertRecord {
        flow: None,
        envelope: envelope(),
        tx_id: Some(0),
        alert: alert(),
        verdict: verdict(),
        patch: Some(patch()),
        evidence: Some(Evidence::new("http.uri", 5, 8, b"${jndi:\xff")),
        frame: None,
        http: Some(Http {
            hostname: Some("shop.example".into()),
            url: Some(Text::from_bytes(b"/?x=${jndi:ldap://a}", 100)),
            http_method: Some("GET".into()),
            protocol: Some("HTTP/1.1".into()),
            ..Http::default()
        }),
        tls: None,
        app: None,
        variables: Variables::default(),
        traffic: Traffic::default(),
    }));
    let expected = concat!(
        r#"{"timestamp":"2026-01-02T03:04:05.123456+0000","flow_id":1234567890123,"event_type":"alert","#,
        r#""src_ip":"192.0.2.7","src_port":40000,"dest_ip":"10.0.0.1","dest_port":80,"ip_v":4,"proto":"TCP","#,
        r#""app_proto":"http","direction":"to_server","tx_id":0,"#,
        r#""alert":{"action":"blocked","gid":1,"signature_id":9000001,"rev":2,"signature":"Log4Shell lookup","#,
        r#""category":"Attempted Administrator Privilege Gain","severity":1,"#,
        r#""metadata":{"cve":["CVE_2021_44228"]}},"#,
        r#""verdict":{"action":"drop","reject-target":"both","reject":["tcp-reset"],"reason":"rules"},"references":["cve,2021-44228"],"#,
        r#""patch":{"id":"log4shell","cve":["CVE-2021-44228"],"mode":"prevent","pack":"core","version":"1.0.0"},"#,
        r#""evidence":{"buffer":"http.uri","stream_offset":5,"length":8,"bytes":"${jndi:\\xff","hex":"247b6a6e64693aff"},"#,
        r#""http":{"hostname":"shop.example","url":"/?x=${jndi:ldap://a}","http_method":"GET","protocol":"HTTP/1.1","length":0}}"#,
        "\n"
    );
    assert_eq!(line(&record), expected);
}

#[test]
fn an_alert_over_tls_and_ipv6_is_written_as_eve() {
    let record = Record::Alert(Box::new(AlertRecord {
        flow: None,
        envelope: Envelope {
            in_iface: Some("eth0".into()),
            vlan: [7, 0, 0],
            src: Some((IpAddr::V6(Ipv6Addr::LOCALHOST), 1)),
            app_proto: Some("tls"),
            flow_id: None,
            ..envelope()
        },
        tx_id: None,
        alert: Alert {
            action: AlertAction::Allowed,
            metadata: BTreeMap::new(),
            references: Vec::new(),
            context: BTreeMap::new(),
            ..alert()
        },
        verdict: Verdict {
            action: VerdictAction::Alert,
            reject_target: None,
            reject: Vec::new(),
            reason: None,
        },
        patch: None,
        evidence: None,
        frame: Some(Box::new(FrameFacts {
            kind: "hdr",
            id: 2,
            direction: "toserver",
            length: Some(5),
            complete: true,
            payload: Text::base64(b"GOOD"),
            payload_printable: Text::printable(b"GOOD"),
        })),
        http: None,
        tls: Some(Tls {
            sni: Some("shop.example".into()),
            version: Some("TLS 1.2".into()),
            subject: Some("CN=a".into()),
            issuerdn: Some("CN=b".into()),
            serial: Some("01:02".into()),
            ..Tls::default()
        }),
        app: None,
        variables: Variables::default(),
        traffic: Traffic {
            pcap_cnt: Some(7),
            pkt_src: Some("wire/pcap"),
            payload: Some(Text::base64(b"GOOD")),
            payload_printable: Some(Text::printable(b"GOOD")),
            stream: Some(1),
            packet: Some(Text::base64(b"EGOOD")),
            packet_info: Some(PacketInfo {
                linktype: 1,
                linktype_name: "EN10MB",
            }),
            ether: None,
        },
    }));
    let expected = concat!(
        r#"{"timestamp":"2026-01-02T03:04:05.123456+0000","in_iface":"eth0","event_type":"alert","vlan":[7],"#,
        r#""src_ip":"0000:0000:0000:0000:0000:0000:0000:0001","src_port":1,"dest_ip":"10.0.0.1","dest_port":80,"ip_v":6,"proto":"TCP","#,
        r#""app_proto":"tls","direction":"to_server","#,
        r#""alert":{"action":"allowed","gid":1,"signature_id":9000001,"rev":2,"signature":"Log4Shell lookup","#,
        r#""category":"Attempted Administrator Privilege Gain","severity":1},"verdict":{"action":"alert"},"#,
        r#""frame":{"type":"hdr","id":2,"direction":"toserver","length":5,"complete":true,"payload":"R09PRA==","payload_printable":"GOOD"},"#,
        r#""tls":{"subject":"CN=a","issuerdn":"CN=b","serial":"01:02","sni":"shop.example","version":"TLS 1.2"},"#,
        r#""pcap_cnt":7,"pkt_src":"wire/pcap","payload":"R09PRA==","payload_printable":"GOOD","stream":1,"#,
        r#""packet":"RUdPT0Q=","packet_info":{"linktype":1,"linktype_name":"EN10MB"}}"#,
        "\n"
    );
    assert_eq!(line(&record), expected);
}

#[test]
fn a_drop_is_written_as_eve() {
    let record = Record::Drop(Box::new(DropRecord {
        envelope: Envelope {
            app_proto: None,
            ..envelope()
        },
        packet: PacketFacts {
            len: 60,
            tos: 0,
            ttl: 63,
            ipid: 4_242,
            tcp: Some(TcpFacts {
                tcpseq: 1,
                tcpack: 2,
                tcpwin: 512,
                ack: true,
                psh: true,
                ..TcpFacts::default()
            }),
            udplen: None,
        },
        reason: DropReason::StreamRetransmitDiffers,
        verdict: None,
        alert: None,
        patch: None,
        traffic: Traffic::default(),
    }));
    let expected = concat!(
        r#"{"timestamp":"2026-01-02T03:04:05.123456+0000","flow_id":1234567890123,"event_type":"drop","#,
        r#""src_ip":"192.0.2.7","src_port":40000,"dest_ip":"10.0.0.1","dest_port":80,"ip_v":4,"proto":"TCP","#,
        r#""direction":"to_server","drop":{"len":60,"tos":0,"ttl":63,"ipid":4242,"tcpseq":1,"tcpack":2,"#,
        r#""tcpwin":512,"syn":false,"ack":true,"psh":true,"rst":false,"urg":false,"fin":false,"#,
        r#""reason":"stream_retransmit_differs"}}"#,
        "\n"
    );
    assert_eq!(line(&record), expected);
}

#[test]
fn a_suspended_rule_is_told_with_the_flow_that_did_it() {
    let record = Record::Suspension(Box::new(SuspensionRecord {
        envelope: envelope(),
        gid: 1,
        signature_id: 7,
        signature: "dear \u{1b}[2J".to_owned(),
        spent_us: 123_456,
        secs: 10,
    }));
    let written = line(&record);
    let told: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(told["event_type"], "rule_suspended");
    assert_eq!(told["flow_id"], 1_234_567_890_123_u64);
    assert_eq!(told["rule_suspended"]["signature_id"], 7);
    assert_eq!(told["rule_suspended"]["spent_us"], 123_456);
    assert!(!written.trim_end().contains(char::is_control), "{written}");
}

#[test]
fn a_flow_is_written_as_eve() {
    let record = Record::Flow(Box::new(FlowRecord {
        envelope: Envelope {
            direction: None,
            app_proto: None,
            protocol: Some(1),
            icmp: Some((8, 0)),
            ..envelope()
        },
        packets: [3, 2],
        bytes: [300, 200],
        start: Timestamp::from_secs(1_767_323_000),
        end: Timestamp::from_micros(1_767_323_045_123_456),
        state: "established",
        reason: "timeout",
        alerted: true,
        action: Some("drop"),
    }));
    let expected = concat!(
        r#"{"timestamp":"2026-01-02T03:04:05.123456+0000","flow_id":1234567890123,"event_type":"flow","#,
        r#""src_ip":"192.0.2.7","dest_ip":"10.0.0.1","ip_v":4,"proto":"ICMP","icmp_type":8,"icmp_code":0,"#,
        r#""flow":{"pkts_toserver":3,"pkts_toclient":2,"bytes_toserver":300,"bytes_toclient":200,"#,
        r#""start":"2026-01-02T03:03:20.000000+0000","end":"2026-01-02T03:04:05.123456+0000","age":45,"#,
        r#""state":"established","reason":"timeout","alerted":true,"action":"drop"}}"#,
        "\n"
    );
    assert_eq!(line(&record), expected);
}

#[test]
fn stats_hold_every_counter_and_reason() {
    let record = Record::Stats(Box::new(StatsRecord {
        at: Timestamp::ZERO,
        uptime: 8,
        epoch: 3,
        flows_active: 4,
        counters: Snapshot::default(),
        lost_before_us: 5,
        passed_unseen: Some(6),
        latency_us: Some(Percentiles {
            p50: 7,
            p99: 8,
            p999: 9,
        }),
    }));
    let text = line(&record);
    assert!(
        text.starts_with(
            r#"{"timestamp":"1970-01-01T00:00:00.000000+0000","event_type":"stats","stats":{"uptime":8,"#
        ),
        "{text}"
    );
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let stats = &value["stats"];
    for counter in Counter::ALL {
        assert_eq!(stats[counter.as_str()], 0);
    }
    for reason in DropReason::ALL {
        assert_eq!(stats["dropped_packets"][reason.as_str()], 0);
    }
    assert_eq!(stats["in_hand"], 0);
    assert_eq!(stats["latency_us"]["p99"], 8);
    assert_eq!(
        (&stats["lost_before_us"], &stats["passed_unseen"]),
        (&5.into(), &6.into())
    );
}

#[test]
fn an_unknown_protocol_is_its_number_and_the_last_of_times_is_no_panic() {
    let mut envelope = envelope();
    envelope.protocol = Some(47);
    envelope.at = Timestamp::from_micros(u64::MAX);
    let record = Record::Flow(Box::new(FlowRecord {
        envelope,
        packets: [0; 2],
        bytes: [0; 2],
        start: Timestamp::ZERO,
        end: Timestamp::ZERO,
        state: "new",
        reason: "shutdown",
        alerted: false,
        action: None,
    }));
    assert!(line(&record).contains(r#""proto":"GRE","#));
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_a_line(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
        let text = Text::from_bytes(&bytes, 60);
        let record = Record::Alert(Box::new(AlertRecord {
        flow: None,
            envelope: envelope(),
            tx_id: None,
            alert: Alert { signature: text.clone(), ..alert() },
            verdict: verdict(),
            patch: None,
            evidence: Some(Evidence::new("payload", 0, 80, &bytes)),
            frame: None,
            http: Some(Http { url: Some(text), ..Http::default() }),
            tls: None,
            app: None,
        variables: Variables::default(),
        traffic: Traffic::default(),
        }));
        let line = line(&record);
        proptest::prop_assert_eq!(line.matches('\n').count(), 1);
        proptest::prop_assert!(!line.trim_end().chars().any(char::is_control));
        proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
    }
}
