use proptest::prelude::*;

use super::fixture::{FakeTx, Rig, ways};
use crate::app_layer::{Event, Protocol};
use crate::buffer::Buffer;
use crate::direction::Direction::{ToClient, ToServer};
use crate::number::Number;

const NONE: [u32; 0] = [];

fn http(options: &str) -> String {
    format!("alert http any any -> any any (msg:\"t\"; {options} sid:1;)")
}

fn request(uri: &[u8]) -> FakeTx {
    let mut tx = FakeTx::http(0);
    tx.set(Buffer::HttpMethod, b"GET")
        .set(Buffer::HttpUri, uri)
        .set(Buffer::HttpHost, b"example.org");
    tx
}

/// Options, uri of a complete GET request, and whether the rule fires.
const TABLE: &[(&str, &[u8], bool)] = &[
    (r#"http.uri; content:"/evil";"#, b"/evil", true),
    (r#"http.uri; content:"/evil";"#, b"/EVIL", false),
    (r#"http.uri; content:"/evil"; nocase;"#, b"/EVIL", true),
    (r#"http.uri; content:"/evil"; bsize:5;"#, b"/evil", true),
    (r#"http.uri; content:"/evil"; bsize:5;"#, b"/evil2", false),
    (r#"http.uri; bsize:>5;"#, b"/evil2", true),
    (
        r#"http.uri; content:"/evil"; startswith; endswith;"#,
        b"/evil",
        true,
    ),
    (r#"http.uri; content:"/evil"; endswith;"#, b"/evil2", false),
    (r#"http.uri; content:!"/good";"#, b"/evil", true),
    (r#"http.uri; content:!"/good";"#, b"/good", false),
    (
        r#"http.uri; content:"/evil"; http.method; content:"GET";"#,
        b"/evil",
        true,
    ),
    (
        r#"http.uri; content:"/evil"; http.method; content:"POST";"#,
        b"/evil",
        false,
    ),
    (
        r#"http.uri; content:"/evil"; http.cookie; content:!"x";"#,
        b"/evil",
        false,
    ),
    (
        r#"http.uri; content:"/e"; http.method; content:"GET"; http.uri; content:"vil"; distance:0;"#,
        b"/evil",
        true,
    ),
    (
        r#"http.uri; content:"/e"; http.method; content:"GET"; http.uri; content:"/e"; distance:0;"#,
        b"/evil",
        false,
    ),
    (
        r#"http.uri; to_lowercase; content:"/evil";"#,
        b"/EVIL",
        true,
    ),
    (
        r#"http.host; dotprefix; content:".example.org"; endswith;"#,
        b"/",
        true,
    ),
    (r#"http.uri; pcre:"/ev[i1]l$/";"#, b"/ev1l", true),
    (r#"http.uri; pcre:"/ev[i1]l$/";"#, b"/ev1l2", false),
    (
        r#"flow:to_client; http.uri; content:"/evil";"#,
        b"/evil",
        false,
    ),
    (
        r#"flow:to_server; http.uri; content:"/evil";"#,
        b"/evil",
        true,
    ),
];

#[test]
fn the_table_holds_whatever_finds_the_candidates() {
    for way in ways() {
        for (options, uri, fires) in TABLE.iter().filter(|t| !t.0.contains("to_client")) {
            let mut rig = Rig::new(&http(options), &way);
            let mut tx = request(uri);
            let fired = rig.tx(ToServer, tx.end(ToServer));
            let expected: &[u32] = if *fires { &[1] } else { &[] };
            assert_eq!(
                fired,
                expected,
                "{options} on {:?}, {way:?}",
                uri.escape_ascii()
            );
        }
    }
}

#[test]
fn a_rule_fires_once_for_a_transaction_and_again_for_the_next() {
    let mut rig = Rig::new(&http(r#"http.uri; content:"/evil";"#), &ways()[0]);
    let mut tx = request(b"/evil");
    assert_eq!(rig.tx(ToServer, &tx), [1]);
    assert_eq!(rig.tx(ToServer, &tx), NONE);
    tx.set(Buffer::HttpHeaderRaw, b"a: b\r\n");
    assert_eq!(rig.tx(ToServer, &tx), NONE);
    tx.end(ToServer).end(ToClient);
    assert_eq!(rig.tx(ToServer, &tx), NONE);
    assert_eq!(rig.tx(ToClient, &tx), NONE);
    let next = FakeTx {
        id: 1,
        ..request(b"/evil")
    };
    assert_eq!(rig.tx(ToServer, &next), [1]);
    assert_eq!(rig.tx(ToServer, &tx), NONE);
}

#[test]
fn pipelined_requests_are_each_inspected() {
    let mut rig = Rig::new(&http(r#"http.uri; content:"/evil";"#), &ways()[0]);
    let first = request(b"/good");
    let second = FakeTx {
        id: 1,
        ..request(b"/evil")
    };
    for _ in 0..2 {
        assert_eq!(rig.tx(ToServer, &first), NONE);
        let fired = rig.tx(ToServer, &second);
        assert!(fired == [1] || rig.flow.txs.len() == 2);
    }
}

#[test]
fn buffers_of_one_rule_may_come_one_after_the_other() {
    let options =
        r#"http.method; content:"POST"; http.request_body; content:"evil"; content:"deed";"#;
    for way in ways() {
        let mut rig = Rig::new(&http(options), &way);
        let mut tx = FakeTx::http(0);
        assert_eq!(rig.tx(ToServer, tx.set(Buffer::HttpMethod, b"POST")), NONE);
        let grown = [&b"-ev"[..], b"-evil-", b"-evil-de", b"-evil-deed"];
        let fired: Vec<Vec<u32>> = grown
            .iter()
            .map(|body| {
                tx.grow(Buffer::HttpRequestBody, ToServer, body, false);
                rig.tx(ToServer, &tx)
            })
            .collect();
        assert_eq!(fired, [vec![], vec![], vec![], vec![1]], "{way:?}");
    }
}

#[test]
fn what_more_bytes_could_undo_waits_for_the_whole_body() {
    let options = r#"http.request_body; content:"evil"; content:!"benign";"#;
    for way in ways() {
        let mut rig = Rig::new(&http(options), &way);
        let mut tx = FakeTx::http(0);
        tx.grow(Buffer::HttpRequestBody, ToServer, b"evil", false);
        assert_eq!(rig.tx(ToServer, &tx), NONE, "{way:?}");
        let mut benign = FakeTx {
            id: 1,
            ..tx.clone()
        };
        tx.grow(Buffer::HttpRequestBody, ToServer, b"evil!", true);
        assert_eq!(rig.tx(ToServer, &tx), [1], "{way:?}");
        assert_eq!(rig.tx(ToServer, &benign), NONE);
        benign.grow(Buffer::HttpRequestBody, ToServer, b"evil benign", true);
        assert_eq!(rig.tx(ToServer, &benign), NONE);
    }
}

#[test]
fn trailers_are_looked_at_too() {
    let mut rig = Rig::new(
        &http(r#"http.header.raw; content:"evil"; content:"deed";"#),
        &ways()[0],
    );
    let mut tx = FakeTx::http(0);
    assert_eq!(
        rig.tx(ToServer, tx.set(Buffer::HttpHeaderRaw, b"a: evil\r\n")),
        NONE
    );
    assert_eq!(rig.tx(ToServer, tx.touch(ToServer)), NONE);
    assert_eq!(
        rig.tx(
            ToServer,
            tx.set(Buffer::HttpHeaderRaw, b"a: evil\r\nb: deed\r\n")
        ),
        [1]
    );
}

#[test]
fn any_certificate_of_the_chain_will_do_but_one_must_match_whole() {
    let rules =
        r#"alert tls any any -> any any (msg:"t"; tls.certs; content:"ab"; content:"cd"; sid:1;)"#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        let mut tx = FakeTx::tls(0);
        assert_eq!(
            rig.tx(ToClient, tx.grow(Buffer::TlsCerts, ToClient, b"-ab-", true)),
            NONE
        );
        assert_eq!(
            rig.tx(ToClient, tx.grow(Buffer::TlsCerts, ToClient, b"-cd-", true)),
            NONE
        );
        assert_eq!(
            rig.tx(
                ToClient,
                tx.grow(Buffer::TlsCerts, ToClient, b"ab-cd", true)
            ),
            [1],
            "{way:?}"
        );
    }
}

#[test]
fn events_fire_when_they_happen() {
    let event = Event::from_name("tls.overflow_heartbeat_message").unwrap();
    let rules = r#"
        drop tls any any -> any any (msg:"t"; flow:to_server; app-layer-event:tls.overflow_heartbeat_message; sid:1;)
        drop tls any any -> any any (msg:"t"; flow:to_server; app-layer-event:tls.heartbeat_message; sid:2;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        let mut tx = FakeTx::tls(0);
        assert_eq!(
            rig.tx(ToServer, tx.set(Buffer::TlsSni, b"example.org")),
            NONE
        );
        tx.events.push(event);
        assert_eq!(rig.tx(ToServer, tx.touch(ToServer)), [1]);
        assert_eq!(rig.tx(ToServer, tx.touch(ToServer)), NONE);
    }
}

#[test]
fn payload_and_buffer_of_one_rule_may_come_in_either_order() {
    let options = r#"flow:to_server; content:"raw-bytes"; http.uri; content:"/evil";"#;
    for way in ways() {
        let mut rig = Rig::new(&http(options), &way);
        rig.ctx.app = Protocol::Http1;
        assert_eq!(rig.stream(ToServer, b"GET /evil raw-bytes"), NONE);
        assert_eq!(rig.tx(ToServer, &request(b"/evil")), [1], "{way:?}");

        let mut rig = Rig::new(&http(options), &way);
        assert_eq!(rig.tx(ToServer, &request(b"/evil")), NONE);
        assert_eq!(rig.stream(ToServer, b"raw-bytes"), NONE);
        assert_eq!(rig.tx(ToServer, &request(b"/evil")), [1], "{way:?}");

        let mut rig = Rig::new(&http(options), &way);
        rig.stream(ToServer, b"raw-bytes");
        assert_eq!(rig.tx(ToServer, request(b"/good").end(ToServer)), NONE);
        let next = FakeTx {
            id: 1,
            ..request(b"/evil")
        };
        assert_eq!(
            rig.tx(ToServer, &next),
            NONE,
            "the payload came with another request"
        );
    }
}

#[test]
fn flowbits_connect_request_and_response() {
    let rules = r#"
        alert http any any -> any any (msg:"t"; flow:to_client; http.stat_code; content:"200"; flowbits:isset,tx.asked; sid:2;)
        alert http any any -> any any (msg:"t"; flow:to_server; http.uri; content:"/evil"; flowbits:set,tx.asked; noalert; sid:1;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        let mut tx = request(b"/evil");
        assert_eq!(rig.tx(ToServer, &tx), NONE);
        assert_eq!(
            rig.tx(ToClient, tx.set(Buffer::HttpStatusCode, b"200")),
            [2]
        );
        let mut other = FakeTx {
            id: 1,
            ..FakeTx::http(1)
        };
        other
            .set(Buffer::HttpUri, b"/good")
            .set(Buffer::HttpStatusCode, b"200");
        let mut rig = Rig::new(rules, &way);
        assert_eq!(rig.tx(ToServer, &other), NONE);
        assert_eq!(rig.tx(ToClient, &other), NONE);
    }
}

#[test]
fn a_new_epoch_inspects_the_transaction_in_hand_again() {
    let mut rig = Rig::new(&http(r#"http.uri; content:"/evil";"#), &ways()[0]);
    let tx = request(b"/evil");
    assert_eq!(rig.tx(ToServer, &tx), [1]);
    rig.ruleset.epoch = 2;
    assert_eq!(rig.tx(ToServer, &tx), [1]);
}

/// Without a prefilter the rule is tried when there is a method alone; with one, when the host is there too.
#[test]
fn evidence_does_not_depend_on_when_the_rule_is_called_for() {
    for way in ways() {
        let options = r#"http.method; content:"GET"; http.host; content:"example";"#;
        let mut rig = Rig::new(&http(options), &way);
        let mut tx = FakeTx::http(0);
        tx.set(Buffer::HttpMethod, b"GET");
        assert_eq!(rig.tx(ToServer, &tx), NONE);
        tx.set(Buffer::HttpHost, b"example.org");
        rig.ruleset.inspect_transaction(
            &mut rig.scratch,
            &rig.ctx,
            &mut rig.flow,
            ToServer,
            &tx,
            &mut rig.hits,
        );
        let evidence = rig.hits.as_slice()[0].evidence.unwrap();
        assert_eq!(evidence.buffer, Buffer::HttpMethod, "{way:?}");
    }
}

#[test]
fn evidence_names_the_buffer_of_the_first_match() {
    let mut rig = Rig::new(&http(r#"http.uri; content:"/evil";"#), &ways()[0]);
    let tx = request(b"/a/evil");
    rig.ruleset.inspect_transaction(
        &mut rig.scratch,
        &rig.ctx,
        &mut rig.flow,
        ToServer,
        &tx,
        &mut rig.hits,
    );
    let hit = rig.hits.as_slice()[0];
    let evidence = hit.evidence.unwrap();
    assert_eq!(hit.tx, Some(0));
    assert_eq!(
        (evidence.buffer, evidence.offset, evidence.bytes()),
        (Buffer::HttpUri, 2, &b"/evil"[..])
    );
}

proptest! {
    #[test]
    fn prefilter_or_not_the_same_rules_fire(
        uri in proptest::collection::vec(proptest::sample::select(b"/eviL12g".to_vec()), 1..12),
        body in proptest::collection::vec(proptest::sample::select(b"/evil".to_vec()), 1..40),
        cut in 0usize..40,
    ) {
        let mut rules: String = TABLE
            .iter()
            .filter(|t| !t.0.contains("to_client"))
            .enumerate()
            .map(|(i, (options, _, _))| http(options).replace("sid:1;", &format!("sid:{};", i + 1)) + "\n")
            .collect();
        for (i, options) in [r#"content:"/evil";"#, r#"content:"ev"; content:"il"; within:4;"#, r#"strip_whitespace; content:"vile";"#].iter().enumerate() {
            rules += &(http(&format!("http.request_body; {options}")).replace("sid:1;", &format!("sid:{};", i + 100)) + "\n");
        }
        let cut = cut.min(body.len());
        let mut results = ways().into_iter().map(|way| {
            let mut rig = Rig::new(&rules, &way);
            let mut tx = request(&uri);
            let mut fired = rig.tx(ToServer, &tx);
            fired.extend(rig.tx(ToServer, tx.grow(Buffer::HttpRequestBody, ToServer, &body[..cut], false)));
            tx.grow(Buffer::HttpRequestBody, ToServer, &body, true);
            fired.extend(rig.tx(ToServer, tx.end(ToServer)));
            fired.sort_unstable();
            fired
        });
        let expected = results.next().unwrap();
        for got in results {
            prop_assert_eq!(&got, &expected);
        }
    }
}

#[test]
fn base64_is_decoded_where_the_rule_says_and_its_bytes_are_looked_at() {
    let rules = r#"
        alert http any any -> any any (msg:"t"; http.uri; content:"x="; base64_decode:relative; base64_data; content:"GOOD"; startswith; sid:1;)
        alert http any any -> any any (msg:"t"; http.uri; content:"x="; base64_decode:bytes 4, relative; base64_data; content:"GOOD"; sid:2;)
        alert http any any -> any any (msg:"t"; http.uri; base64_decode; base64_data; content:"GOOD"; sid:3;)
        alert http any any -> any any (msg:"t"; http.uri; content:"x="; base64_decode:offset 1, relative; base64_data; content:!"GOOD"; sid:4;)
        alert http any any -> any any (msg:"t"; http.uri; content:"x="; base64_decode:offset 40, relative; sid:5;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        let mut tx = FakeTx::http(0);
        tx.set(Buffer::HttpUri, b"/a?x=!&x=R09PRCBkYXRh")
            .end(ToServer);
        assert_eq!(rig.tx(ToServer, &tx), [1, 4], "{way:?}");
    }
}

#[test]
fn a_rule_on_messages_is_for_flows_of_its_own_carrier() {
    let rules = r#"
        alert sip any any -> any any (msg:"t"; sip.method; content:"REGISTER"; sid:1;)
        alert udp any any -> any any (msg:"t"; sip.method; content:"REGISTER"; sid:2;)
        alert tcp any any -> any any (msg:"t"; sip.method; content:"REGISTER"; sid:3;)
        alert sip any any -> any any (msg:"t"; sip.via; content:"one"; startswith; content:"two"; endswith; sid:4;)
        alert sip any any -> any any (msg:"t"; flow:to_client; sip.method; content:"REGISTER"; sid:5;)
    "#;
    for way in ways() {
        let mut tx = FakeTx::http(0);
        tx.protocol = Protocol::Sip;
        tx.set(Buffer::SipMethod, b"REGISTER")
            .set(Buffer::SipVia, b"one")
            .set(Buffer::SipVia, b"two")
            .end(ToServer);
        let mut rig = Rig::new(rules, &way);
        assert_eq!(rig.tx(ToServer, &tx), [1, 3], "{way:?}");
        let mut rig = Rig::new(rules, &way);
        rig.ctx.protocol = 17;
        assert_eq!(rig.tx(ToServer, &tx), [1, 2]);
    }
}

#[test]
fn a_number_is_asked_for_among_all_that_came() {
    let rules = "alert tls any any -> any any (msg:\"m\"; tls.cert_chain_len:>2; sid:1;)
alert tls any any -> any any (msg:\"m\"; tls.cert_chain_len:2; tls.sni; content:\"a\"; sid:2;)
alert tcp any any -> any any (msg:\"m\"; tls.cert_chain_len:!3; sid:3;)";
    for options in ways() {
        let mut rig = Rig::new(rules, &options);
        let mut tx = FakeTx::tls(0);
        assert_eq!(rig.tx(ToClient, tx.touch(ToClient)), NONE);
        tx.numbers.push((Number::TlsChainLength, ToClient, 3));
        assert_eq!(rig.tx(ToClient, tx.touch(ToClient)), [1]);
        assert_eq!(rig.tx(ToServer, tx.end(ToServer)), NONE);
        tx.numbers.push((Number::TlsChainLength, ToClient, 2));
        assert_eq!(rig.tx(ToClient, tx.end(ToClient)), [3]);
    }
}

/// Found with two packs in force: the second was shown what the first had made of another buffer.
#[test]
fn layers_do_not_share_what_transforms_have_made() {
    let layer = |options: &str| {
        let inputs = super::fixture::inputs(&http(options));
        std::sync::Arc::new(crate::detect::Layer::compile(inputs, &ways()[0]))
    };
    let mut rig = Rig::new("", &ways()[0]);
    rig.ruleset.layers = vec![
        layer(r#"http.uri; to_uppercase; content:"/EVIL";"#),
        layer(r#"http.uri; to_lowercase; content:"/evil";"#),
    ];
    assert_eq!(rig.tx(ToServer, request(b"/Evil").end(ToServer)), [1, 1]);
}
