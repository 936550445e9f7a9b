use proptest::prelude::*;

use super::fixture::{Rig, ways};
use crate::direction::Direction::{ToClient, ToServer};

/// Options of a rule on the stream to the server, the stream, and whether it fires.
const TABLE: &[(&str, &[u8], bool)] = &[
    (r#"content:"abc";"#, b"xxabcxx", true),
    (r#"content:"abc";"#, b"xxABCxx", false),
    (r#"content:"abc"; nocase;"#, b"xxABCxx", true),
    (r#"content:"|00 ff|";"#, b"a\x00\xffb", true),
    // offset and depth
    (r#"content:"abc"; depth:3;"#, b"abc", true),
    (r#"content:"abc"; depth:3;"#, b"xabc", false),
    (r#"content:"abc"; offset:1; depth:3;"#, b"xabc", true),
    (r#"content:"abc"; offset:1; depth:3;"#, b"xxabc", false),
    (r#"content:"abc"; offset:2;"#, b"xabc", false),
    (r#"content:"abc"; startswith;"#, b"abcx", true),
    (r#"content:"abc"; startswith;"#, b"xabc", false),
    (r#"content:"abc"; endswith;"#, b"xabc", true),
    (r#"content:"abc"; endswith;"#, b"abcx", false),
    // distance and within
    (
        r#"content:"ab"; content:"cd"; distance:0;"#,
        b"ab--cd",
        true,
    ),
    (
        r#"content:"ab"; content:"cd"; distance:0;"#,
        b"cd--ab",
        false,
    ),
    (
        r#"content:"ab"; content:"cd"; distance:3;"#,
        b"ab--cd",
        false,
    ),
    (
        r#"content:"ab"; content:"cd"; distance:-2; within:2;"#,
        b"ab",
        false,
    ),
    (
        r#"content:"abcd"; content:"cd"; distance:-2; within:2;"#,
        b"abcd",
        true,
    ),
    (r#"content:"ab"; content:"cd"; within:4;"#, b"ab--cd", true),
    (r#"content:"ab"; content:"cd"; within:3;"#, b"ab--cd", false),
    (
        r#"content:"ab"; content:"cd"; distance:2; within:2;"#,
        b"ab--cd",
        true,
    ),
    // a later occurrence does what the first could not
    (
        r#"content:"ab"; content:"cd"; within:2;"#,
        b"ab--ab--abcd",
        true,
    ),
    (
        r#"content:"a"; content:"b"; within:2; content:"cc"; within:2;"#,
        b"axbx-ab-abcc",
        true,
    ),
    (
        r#"content:"ab"; content:"cd"; distance:0; content:"ef"; within:2;"#,
        b"ab-cd--cdef",
        true,
    ),
    (r#"content:"ab"; content:!"cd"; within:2;"#, b"abcd", false),
    (
        r#"content:"ab"; content:!"cd"; within:2;"#,
        b"abcd-abxx",
        true,
    ),
    // negation
    (r#"content:"ab"; content:!"zz";"#, b"ab", true),
    (r#"content:"ab"; content:!"zz";"#, b"zzab", false),
    (r#"content:"ab"; content:!"zz"; depth:2;"#, b"abzz", true),
    // isdataat
    (r#"content:"ab"; isdataat:2,relative;"#, b"abxx", true),
    (r#"content:"ab"; isdataat:3,relative;"#, b"abxx", false),
    (r#"content:"ab"; isdataat:!1,relative;"#, b"xab", true),
    (r#"content:"ab"; isdataat:!1,relative;"#, b"abx", false),
    (r#"content:"ab"; isdataat:4;"#, b"abxx", false),
    (r#"content:"ab"; isdataat:3;"#, b"abxx", true),
    // numbers
    (
        r#"content:"ab"; byte_test:2,>,256,0,relative;"#,
        b"ab\x01\x01",
        true,
    ),
    (
        r#"content:"ab"; byte_test:2,>,257,0,relative;"#,
        b"ab\x01\x01",
        false,
    ),
    (
        r#"content:"ab"; byte_test:2,=,258,0,relative,little;"#,
        b"ab\x02\x01",
        true,
    ),
    (r#"content:"ab"; byte_test:1,&,4,0;"#, b"dab", true),
    (r#"content:"ab"; byte_test:1,!&,4,0;"#, b"dab", false),
    (
        r#"content:"ab"; byte_test:4,=,1234,0,relative,string,dec;"#,
        b"ab1234",
        true,
    ),
    (
        r#"content:"ab"; byte_test:8,>,1,0,relative;"#,
        b"ab\x01",
        false,
    ),
    (
        r#"content:"ab"; byte_jump:1,0,relative; content:"cd"; within:2;"#,
        b"ab\x03---cd",
        true,
    ),
    (
        r#"content:"ab"; byte_jump:1,0,relative; content:"cd"; within:2;"#,
        b"ab\x02---cd",
        false,
    ),
    (
        r#"content:"ab"; byte_jump:1,0,relative; isdataat:1,relative;"#,
        b"ab\x09---cd",
        false,
    ),
    (
        r#"content:"ab"; byte_jump:1,0,relative,post_offset -1; content:"cd"; within:2;"#,
        b"ab\x04---cd",
        true,
    ),
    (
        r#"content:"ab"; byte_jump:1,0,relative,from_beginning; content:"cd"; within:2;"#,
        b"cd-ab\x00",
        true,
    ),
    (
        r#"content:"ab"; byte_extract:1,0,len,relative; content:"cd"; distance:len; within:2;"#,
        b"ab\x03---cd",
        true,
    ),
    (
        r#"content:"ab"; byte_extract:1,0,len,relative; content:"cd"; distance:len; within:2;"#,
        b"ab\x01---cd",
        false,
    ),
    (
        r#"content:"ab"; byte_extract:1,0,n,relative; byte_test:1,=,n,0,relative;"#,
        b"ab\x01\x02ab\x05\x05",
        true,
    ),
    // pcre
    (r#"content:"ab"; pcre:"/c[0-9]+d/";"#, b"ab c12d", true),
    (r#"content:"ab"; pcre:"/c[0-9]+d/";"#, b"ab cd", false),
    (r#"content:"ab"; pcre:"/^c/R";"#, b"abxabc", true),
    (r#"content:"ab"; pcre:"/^c/R";"#, b"abxc", false),
    (r#"content:"ab"; pcre:!"/zz/";"#, b"abzz", false),
    (r#"pcre:"/a(b)\1/";"#, b"xabb", true),
    (
        r#"content:"x"; pcre:"/a./R"; content:"q"; within:1;"#,
        b"x-ab-aq-acq",
        true,
    ),
    // nothing that a multi-pattern matcher could look for
    (r#"content:"a";"#, b"xxaxx", true),
    (r#"content:"|00 00 00|";"#, b"x\0\0\0x", true),
    (r#"content:"|00 00 00|";"#, b"x\0\0x", false),
];

fn rule(options: &str) -> String {
    format!("alert tcp any any -> any any (msg:\"t\"; flow:to_server; {options} sid:1;)")
}

#[test]
fn the_table_holds_whatever_finds_the_candidates() {
    for way in ways() {
        for (options, stream, fires) in TABLE {
            let fired = Rig::new(&rule(options), &way).stream(ToServer, stream);
            let expected: &[u32] = if *fires { &[1] } else { &[] };
            assert_eq!(
                fired,
                expected,
                "{options} on {:?}, {way:?}",
                stream.escape_ascii()
            );
        }
    }
}

/// Rules on which cutting the stream makes no difference: nothing they ask for is "not there (yet)".
fn is_monotone(options: &str) -> bool {
    !["!", "endswith"].iter().any(|word| options.contains(word))
}

#[test]
fn a_stream_cut_anywhere_fires_the_same_rules() {
    for way in ways() {
        for (options, stream, fires) in TABLE.iter().filter(|t| is_monotone(t.0)) {
            for cut in 1..stream.len() {
                let mut rig = Rig::new(&rule(options), &way);
                let mut fired = rig.stream(ToServer, &stream[..cut]);
                fired.extend(rig.stream(ToServer, &stream[cut..]));
                assert_eq!(!fired.is_empty(), *fires, "{options} cut at {cut}, {way:?}");
            }
            let mut rig = Rig::new(&rule(options), &way);
            let fired: Vec<u32> = stream
                .chunks(1)
                .flat_map(|byte| rig.stream(ToServer, byte))
                .collect();
            assert_eq!(!fired.is_empty(), *fires, "{options} byte by byte, {way:?}");
        }
    }
}

proptest! {
    #[test]
    fn prefilter_or_not_the_same_rules_fire(
        stream in proptest::collection::vec(proptest::sample::select(b"abcd-x\x00\x01\x02z".to_vec()), 1..60),
        cuts in proptest::collection::vec(1usize..60, 0..4),
    ) {
        let rules: String = TABLE
            .iter()
            .enumerate()
            .map(|(i, (options, _, _))| rule(options).replace("sid:1;", &format!("sid:{};\n", i + 1)))
            .map(|r| r.replace('\n', "") + "\n")
            .collect();
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|&c| c < stream.len()).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut results = ways().into_iter().map(|way| {
            let mut rig = Rig::new(&rules, &way);
            let mut from = 0;
            cuts.iter().map(|&to| {
                let fired = rig.stream(ToServer, &stream[from..to]);
                from = to;
                fired
            }).collect::<Vec<_>>()
        });
        let expected = results.next().unwrap();
        for got in results {
            prop_assert_eq!(&got, &expected);
        }
    }
}

#[test]
fn one_place_fires_once_and_the_next_place_again() {
    let mut rig = Rig::new(
        &rule(r#"content:"ab"; content:"cd"; distance:0;"#),
        &ways()[0],
    );
    assert_eq!(rig.stream(ToServer, b"ab--"), [] as [u32; 0]);
    assert_eq!(rig.stream(ToServer, b"cd"), [1]);
    assert_eq!(rig.stream(ToServer, b"cd--"), [] as [u32; 0]);
    assert_eq!(rig.stream(ToServer, b"ab"), [] as [u32; 0]);
    assert_eq!(rig.stream(ToServer, b"-cd"), [1]);
}

#[test]
fn several_places_in_one_piece_fire_once() {
    let mut rig = Rig::new(&rule(r#"content:"abab";"#), &ways()[0]);
    assert_eq!(rig.stream(ToServer, &b"abab".repeat(50)), [1]);
    assert_eq!(rig.stream(ToServer, b"x"), [] as [u32; 0]);
    assert_eq!(rig.stream(ToServer, b"abab"), [1]);
}

#[test]
fn direction_ports_and_addresses_are_honoured() {
    let fires = |header: &str, direction| {
        let rules = format!("alert {header} (msg:\"t\"; content:\"abcd\"; sid:1;)");
        let results: Vec<bool> = ways()
            .iter()
            .map(|way| !Rig::new(&rules, way).stream(direction, b"abcd").is_empty())
            .collect();
        assert!(results.iter().all(|&r| r == results[0]));
        results[0]
    };
    assert!(fires("tcp any any -> any 80", ToServer));
    assert!(!fires("tcp any any -> any 80", ToClient));
    assert!(fires("tcp any 80 -> any any", ToClient));
    assert!(fires("tcp any 40000 -> any any", ToServer));
    assert!(fires("tcp any any -> any 40000", ToClient));
    assert!(!fires("tcp any any -> any !80", ToServer));
    assert!(fires("tcp any any -> any [1:100,!81]", ToServer));
    assert!(fires("tcp any 80 <> any 40000", ToServer));
    assert!(fires("tcp any 40000 <> any 80", ToServer));
    assert!(fires("tcp 10.0.0.0/8 any -> 192.0.2.1 any", ToServer));
    assert!(!fires("tcp !10.0.0.0/8 any -> any any", ToServer));
    assert!(!fires("udp any any -> any any", ToServer));
    assert!(fires("ip any any -> any any", ToServer));
    assert!(fires("tcp-stream any any -> any any", ToServer));
    assert!(!fires("tcp-pkt any any -> any any", ToServer));
}

#[test]
fn a_flow_meets_only_the_rules_of_its_port() {
    let rules = r#"
        alert tcp any any -> any 80 (msg:"t"; flow:to_server; content:"abcd"; content:"ef"; sid:1;)
        alert tcp any any -> any 25 (msg:"t"; flow:to_server; content:"long-pattern"; sid:2;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    let window = |rig: &Rig, d| rig.ruleset.stream_window_bytes(&rig.ctx, d);
    assert_eq!(window(&rig, ToServer), Some(8192));
    assert_eq!(window(&rig, ToClient), None);
    rig.ctx.server.1 = 25;
    assert_eq!(window(&rig, ToServer), Some(b"long-pattern".len()));
    rig.ctx.server.1 = 5201;
    assert_eq!(window(&rig, ToServer), None);
}

#[test]
fn flowbits_are_set_before_they_are_asked_for() {
    let rules = r#"
        alert tcp any any -> any any (msg:"t"; content:"two"; flowbits:isset,test.one; flowbits:set,test.two; sid:2;)
        alert tcp any any -> any any (msg:"t"; content:"three"; flowbits:isset,test.two; sid:3;)
        alert tcp any any -> any any (msg:"t"; content:"one"; flowbits:set,test.one; noalert; sid:1;)
        alert tcp any any -> any any (msg:"t"; content:"four"; flowbits:isnotset,test.one; sid:4;)
    "#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        assert_eq!(rig.stream(ToServer, b"three four"), [4]);
        assert_eq!(rig.stream(ToServer, b"one two"), [2, 3], "{way:?}");
        assert_eq!(rig.stream(ToServer, b"four three"), [3]);
    }
}

#[test]
fn established_is_asked_of_the_flow() {
    let rules = r#"
        alert tcp any any -> any any (msg:"t"; flow:established; content:"abcd"; sid:1;)
        alert tcp any any -> any any (msg:"t"; flow:not_established; content:"abcd"; sid:2;)
        alert tcp any any -> any any (msg:"t"; flow:stateless; content:"abcd"; sid:3;)
    "#;
    let mut rig = Rig::new(rules, &ways()[0]);
    assert_eq!(rig.stream(ToServer, b"abcd"), [1, 3]);
    rig.ctx.established = false;
    assert_eq!(rig.stream(ToServer, b"abcd"), [2, 3]);
}

#[test]
fn a_rule_for_a_protocol_waits_until_the_protocol_is_known() {
    use crate::app_layer::Protocol;
    let rules = r#"alert tls any any -> any any (msg:"t"; content:"abcd"; sid:1;)"#;
    for way in ways() {
        let mut rig = Rig::new(rules, &way);
        rig.ctx.app = Protocol::Undetermined;
        assert!(rig.stream(ToServer, b"abcd").is_empty());
        rig.ctx.app = Protocol::Tls;
        assert_eq!(rig.stream(ToServer, b"-"), [1]);
        assert!(rig.stream(ToServer, b"-").is_empty());
        rig.ctx.app = Protocol::Http1;
        assert!(rig.stream(ToServer, b"abcd").is_empty());
    }
}

#[test]
fn evidence_tells_the_place_in_the_stream() {
    let mut rig = Rig::new(
        &rule(r#"content:"ab"; content:"rare~one"; distance:0;"#),
        &ways()[0],
    );
    rig.stream(ToServer, b"0123456789");
    let keep = b"0123456789ab rare~one-";
    let window = crate::detect::StreamWindow {
        bytes: &keep[8..],
        start_offset: 8,
        new_from: 2,
        rules: crate::detect::StreamRules::All,
    };
    rig.ruleset.on_stream(
        &mut rig.scratch,
        &rig.ctx,
        &mut rig.flow,
        ToServer,
        window,
        &mut rig.hits,
    );
    let evidence = rig.hits.as_slice()[0].evidence.unwrap();
    assert_eq!(
        (evidence.offset, evidence.length, evidence.bytes()),
        (13, 8, &b"rare~one"[..])
    );
}

#[test]
fn a_new_epoch_looks_at_what_is_shown_again() {
    let mut rig = Rig::new(&rule(r#"content:"abcd";"#), &ways()[0]);
    assert_eq!(rig.stream(ToServer, b"abcd"), [1]);
    rig.ruleset.epoch = 2;
    let window = crate::detect::StreamWindow {
        bytes: b"abcd",
        start_offset: 0,
        new_from: 0,
        rules: crate::detect::StreamRules::All,
    };
    rig.ruleset.on_stream(
        &mut rig.scratch,
        &rig.ctx,
        &mut rig.flow,
        ToServer,
        window,
        &mut rig.hits,
    );
    assert_eq!(rig.take(), [1]);
}

#[test]
fn a_rule_stops_waiting_when_its_window_has_passed() {
    let mut rig = Rig::new(
        &rule(r#"content:"first"; fast_pattern; content:"second"; within:20;"#),
        &ways()[0],
    );
    rig.stream(ToServer, b"first");
    assert_eq!(rig.flow.stream[0].len(), 1);
    for _ in 0..30 {
        rig.stream(ToServer, b"-");
    }
    assert!(rig.flow.stream[0].is_empty());
    rig.stream(ToServer, b"first");
    assert_eq!(rig.stream(ToServer, b"--second"), [1]);
}
