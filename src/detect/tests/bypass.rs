use super::fixture::{Rig, tcp, ways};
use crate::app_layer::Protocol;
use crate::detect::{Claim, Legible};
use crate::direction::Direction::{ToClient, ToServer};

/// What one rule wants of a flow from 10.0.0.1:40000 to 192.0.2.1:80.
fn claim(rule: &str, app: Protocol, legible: Legible) -> Option<Claim> {
    let mut rig = Rig::new(rule, &ways()[0]);
    rig.ctx.app = app;
    rig.ruleset.claim(&rig.ctx, &rig.flow, legible)
}

#[test]
fn what_no_rule_can_match_on_is_told_from_what_one_might() {
    use Claim::{Addresses, Events, Packets, Transactions};
    // Of a flow of no known protocol, of TLS behind its handshake, of HTTP.
    for (rule, bytes, records, everything) in [
        (
            r#"tcp any any -> any 80 (content:"x";"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (r#"tcp any any -> any 9999 (content:"x";"#, None, None, None),
        (r#"tcp any any <> any 9999 (content:"x";"#, None, None, None),
        (
            r#"tcp any 80 -> any any (content:"x";"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any 80 -> any any (flow:to_server; content:"x";"#,
            None,
            None,
            None,
        ),
        (
            r#"tcp any any -> any 80 (flow:to_client; content:"x";"#,
            None,
            None,
            None,
        ),
        (
            r#"tcp any any -> 192.0.2.2 any (content:"x";"#,
            None,
            None,
            None,
        ),
        (
            r#"ip any any -> any any (content:"x";"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (r#"udp any any -> any any (content:"x";"#, None, None, None),
        (r#"icmp any any -> any any (itype:8;"#, None, None, None),
        (
            r#"tcp-pkt any any -> any any (content:"x";"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any any -> any any (flow:not_established; content:"x";"#,
            None,
            None,
            None,
        ),
        // Whether flowbits will ever be set is not asked.
        (
            r#"tcp any any -> any any (flowbits:isset,never; content:"x";"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any any -> any any (flags:U;"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any any -> any any (flow.pkts:either,>9;"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any any -> any any (stream_size:both,>,9;"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"tcp any any -> any any (stream-event:pkt_retransmission;"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"pkthdr any any -> any any (decode-event:ipv4.trunc_pkt;"#,
            Some(Packets),
            Some(Packets),
            Some(Packets),
        ),
        (
            r#"ip any any -> 192.0.2.1 any ("#,
            Some(Addresses),
            Some(Addresses),
            Some(Addresses),
        ),
        (r#"ip any any -> 192.0.2.2 any ("#, None, None, None),
        (
            r#"http any any -> any any (content:"x";"#,
            None,
            None,
            Some(Packets),
        ),
        (
            r#"http any any -> any any (http.uri; content:"x";"#,
            None,
            None,
            Some(Transactions),
        ),
        (
            r#"http any any -> any 9999 (http.uri; content:"x";"#,
            None,
            None,
            None,
        ),
        (
            r#"tcp any any -> any 80 (http.uri; content:"x";"#,
            None,
            None,
            Some(Transactions),
        ),
        // What follows an upgrade may be anything.
        (
            r#"smtp any any -> any any (content:"x";"#,
            None,
            None,
            Some(Packets),
        ),
        (
            r#"dns any any -> any any (dns.query; content:"x";"#,
            None,
            None,
            Some(Transactions),
        ),
        (
            r#"ntp any any -> any any (ntp.version:1;"#,
            None,
            None,
            None,
        ),
        // Encrypted records are frames as well.
        (
            r#"tls any any -> any any (frame:tls.hdr; content:"x";"#,
            None,
            Some(Events),
            Some(Events),
        ),
        (
            r#"tls any any -> any any (tls.sni; content:"x";"#,
            None,
            None,
            Some(Transactions),
        ),
        // Records still have lengths.
        (
            r#"tls any any -> any any (app-layer-event:tls.overflow_heartbeat_message;"#,
            None,
            Some(Events),
            Some(Events),
        ),
    ] {
        let rule = format!("alert {rule} msg:\"t\"; sid:1;)");
        let of = |app, legible| claim(&rule, app, legible);
        assert_eq!(
            of(Protocol::Unknown, Legible::Bytes),
            bytes,
            "bytes: {rule}"
        );
        assert_eq!(
            of(Protocol::Tls, Legible::Records),
            records,
            "records: {rule}"
        );
        assert_eq!(
            of(Protocol::Http1, Legible::Everything),
            everything,
            "HTTP: {rule}"
        );
    }
}

#[test]
fn rules_about_ends_are_asked_once_under_each_ruleset() {
    let rule = r#"alert ip any any <> 192.0.2.1 any (msg:"t"; sid:1;)"#;
    let mut rig = Rig::new(rule, &ways()[0]);
    let of = |rig: &Rig| rig.ruleset.claim(&rig.ctx, &rig.flow, Legible::Bytes);
    assert_eq!(of(&rig), Some(Claim::Addresses));
    rig.packet(ToServer, &tcp(b""));
    assert_eq!(of(&rig), Some(Claim::Addresses), "the other direction");
    rig.packet(ToClient, &tcp(b""));
    assert_eq!(of(&rig), None);
    rig.ruleset.epoch = 2;
    assert_eq!(of(&rig), Some(Claim::Addresses));
}
