use super::*;
use crate::buffer::Buffer;
use crate::number::Number;
use crate::signature::ast::*;
use crate::verdict::Action;

fn read(text: &str) -> ParsedFile {
    parse_file("t.rules", text, &Variables::default(), &Classes::default())
}

fn rule(options: &str) -> Signature {
    let text = format!("alert tcp any any -> any any ({options} sid:1;)");
    parse_rule("t.rules", &text, &Variables::default(), &Classes::default())
        .unwrap_or_else(|d| panic!("{}", d.render(false)))
}

#[test]
fn reads_a_whole_rule() {
    let s = rule(
        r#"msg:"a \"b\"\; c"; flow:established,to_server; http.uri; content:"/x"; startswith; nocase; content:!"y"; distance:2; within:10; reference:cve,2014-0160; classtype:web-application-attack; metadata:cve CVE_1, tag x y; gid:7; rev:3; flowbits:isset,a|b; threshold:type limit, track by_src, count 1, seconds 60;"#,
    );
    assert_eq!(s.id, SignatureId { gid: 7, sid: 1 });
    assert_eq!((s.rev, s.priority, s.action), (3, 1, Action::Alert));
    assert_eq!(s.message, "a \"b\"; c");
    assert_eq!(s.buffers.len(), 1);
    assert_eq!(s.buffers[0].buffer, Buffer::HttpUri);
    let [Test::Content(first), Test::Content(second)] = &s.buffers[0].tests[..] else {
        panic!("{:?}", s.buffers);
    };
    assert!(first.startswith && first.nocase && !first.negated);
    assert!(second.negated && second.is_relative());
    assert_eq!(s.metadata.pairs().nth(1), Some(("tag", "x y")));
    assert_eq!(*s.references, ["cve,2014-0160".into()]);
    assert!(s.text.starts_with("alert tcp any") && s.text.ends_with("sid:1;)"));
    assert_eq!(s.flowbits[0].names, ["a", "b"]);
    assert_eq!(s.source.line, 1);
}

fn contents(group: &BufferTests) -> Vec<&Content> {
    group
        .tests
        .iter()
        .filter_map(|t| match t {
            Test::Content(c) => Some(c),
            _ => None,
        })
        .collect()
}

#[test]
fn older_modifiers_move_their_content_and_keep_its_place() {
    let s = rule(
        r#"content:"a1"; http_uri; content:"b2"; content:"c3"; distance:0; http_uri; nocase; pcre:"/d/U"; urilen:5; content:"e5"; offset:1; http_header;"#,
    );
    let shown: Vec<_> = s
        .buffers
        .iter()
        .map(|g| (g.buffer, g.tests.len()))
        .collect();
    assert_eq!(
        shown,
        [
            (Buffer::HttpUri, 4),
            (Buffer::Payload, 1),
            (Buffer::HttpHeader, 1)
        ]
    );
    let uri = contents(&s.buffers[0]);
    assert_eq!(uri[1].pattern, b"c3");
    assert!(uri[1].nocase && uri[1].is_relative());
    assert_eq!(contents(&s.buffers[2])[0].offset, Some(Value::Const(1)));
}

#[test]
fn a_buffer_named_again_goes_on_and_a_transformed_one_does_not() {
    let s = rule(
        r#"http.uri; content:"aa"; http.method; content:"bb"; http.uri; content:"cc"; distance:1; http.uri; to_lowercase; content:"dd"; pkt_data; content:"ee";"#,
    );
    let shown: Vec<_> = s
        .buffers
        .iter()
        .map(|g| (g.buffer, g.transforms.len(), g.tests.len()))
        .collect();
    assert_eq!(
        shown,
        [
            (Buffer::HttpUri, 0, 2),
            (Buffer::HttpMethod, 0, 1),
            (Buffer::HttpUri, 1, 1),
            (Buffer::Payload, 0, 1)
        ]
    );
}

#[test]
fn the_version_of_tls_is_a_number() {
    let s = rule("tls.version:1.2;");
    assert_eq!(s.numbers[0].number, Number::TlsVersion);
    assert!(s.numbers[0].condition.matches(0x0303, 0, [0; 4].into()));
    assert!(!s.numbers[0].condition.matches(0x0301, 0, [0; 4].into()));
}

#[test]
fn hexadecimal_buffers_are_looked_at_in_either_case() {
    let s = rule("ja3.hash; content:\"0AbC\"; tls.cert_issuer; content:\"Abc\";");
    assert!(contents(&s.buffers[0])[0].nocase);
    assert!(!contents(&s.buffers[1])[0].nocase);
}

#[test]
fn a_fault_is_found_on_its_continued_line() {
    let text =
        "# rules\r\nalert tcp any any -> any any (msg:\"a\"; \\\r\n    contnet:\"b\"; sid:1;)\r\n";
    let parsed = read(text);
    let failure = &parsed.failures[0];
    assert_eq!(
        (failure.line, failure.column, failure.end_column),
        (3, 5, 12)
    );
    let shown = failure.render(false);
    assert!(shown.contains("t.rules:3:5"), "{shown}");
    assert!(shown.contains("contnet:\"b\"; sid:1;)"), "{shown}");
}

#[test]
fn a_higher_revision_replaces_and_others_are_skipped() {
    let one = |rev: u32, gid: u32| {
        format!("alert tcp any any -> any any (msg:\"m\"; sid:9; gid:{gid}; rev:{rev};)\n")
    };
    let parsed = read(&[one(2, 1), one(2, 1), one(1, 1), one(3, 1), one(1, 2)].concat());
    let kept: Vec<_> = parsed
        .signatures
        .iter()
        .map(|s| (s.id.gid, s.rev))
        .collect();
    assert_eq!(kept, [(1, 3), (2, 1)]);
    let lines: Vec<_> = parsed.warnings.iter().map(|w| w.line).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert!(
        parsed.warnings[0]
            .message
            .contains("already stands in t.rules:1")
    );
    assert!(parsed.warnings[2].message.contains("replaces rev 2"));
}

#[test]
fn a_bad_rule_does_not_take_the_others_along() {
    let text =
        "alert tcp any any -> any any (sid:1;)\nnonsense\nalert tcp any any -> any any (sid:2;)\n";
    let parsed = read(text);
    assert_eq!(parsed.signatures.len(), 2);
    assert_eq!(parsed.failures.len(), 1);
    assert_eq!(parsed.failures[0].line, 2);
}

#[test]
fn a_rule_needs_a_sid() {
    let parsed = read("alert tcp any any -> any any (msg:\"x\";)");
    assert!(parsed.failures[0].message.contains("no `sid`"));
}

#[test]
fn bytes_that_are_no_text_fail_their_rule_only() {
    let mut bytes = b"# caf\xe9\nalert tcp any any -> any any (msg:\"".to_vec();
    bytes.extend(b"\xff\"; sid:1;)\nalert tcp any any -> any any (msg:\"m\"; sid:2;)\n");
    let parsed = parse_bytes("t", &bytes, &Variables::default(), &Classes::default());
    assert_eq!(parsed.signatures.len(), 1);
    assert!(parsed.failures[0].message.contains("not UTF-8"));
    assert_eq!(parsed.failures[0].line, 2);
}

#[test]
fn an_unknown_class_is_a_warning() {
    let parsed = read("alert tcp any any -> any any (msg:\"m\"; classtype:misc-atack; sid:1;)");
    assert_eq!(parsed.signatures[0].priority, 3);
    assert_eq!(
        parsed.warnings[0].help.as_deref(),
        Some("did you mean `misc-attack`?")
    );
}

#[test]
fn priority_wins_over_the_class() {
    assert_eq!(rule("classtype:misc-attack; priority:9;").priority, 9);
    assert_eq!(rule("classtype:misc-attack;").priority, 2);
    assert_eq!(rule("msg:\"m\";").priority, 3);
}

#[test]
fn what_can_never_match_is_warned_of() {
    for (options, needle) in [
        (
            "flow:to_client; http.uri; content:\"ab\";",
            "not in the direction",
        ),
        (
            "http.uri; content:\"ab\"; http.stat_code; content:\"200\";",
            "different directions",
        ),
        ("dsize:<2; content:\"abc\";", "`dsize` allows"),
        ("http.uri; bsize:2; content:\"abc\";", "buffer may have"),
        ("http.host; content:\"Abc\";", "no capital"),
        ("http.uri; to_lowercase; content:\"Abc\";", "no capital"),
        ("pcre:\"/a/\";", "look for first"),
        ("content:!\"abc\";", "look for first"),
        ("noalert; content:\"abc\";", "neither alerts"),
    ] {
        let text = format!("alert tcp any any -> any any (msg:\"m\"; {options} sid:1;)");
        let parsed = read(&text);
        assert!(
            parsed.failures.is_empty(),
            "{options}: {:?}",
            parsed.failures
        );
        assert!(
            parsed.warnings.iter().any(|w| w.message.contains(needle)),
            "{options}: {:?}",
            parsed.warnings
        );
    }
    let clean = read(
        "alert http any any -> any any (msg:\"m\"; flow:to_server; http.host; content:\"abc\"; bsize:3; sid:1;)",
    );
    assert!(clean.warnings.is_empty(), "{:?}", clean.warnings);
}

#[test]
fn a_protocol_without_the_buffer_is_refused() {
    let parsed = read("alert udp any any -> any any (http.uri; content:\"ab\"; sid:1;)");
    assert!(parsed.failures[0].message.contains("has no `http.uri`"));
    assert_eq!(parsed.failures[0].column, 31);
}

mod any_input {
    use super::*;
    use proptest::prelude::*;

    fn checked(bytes: &[u8]) {
        let parsed = parse_bytes("t", bytes, &Variables::default(), &Classes::default());
        let lines = bytes.split(|b| *b == b'\n').count();
        for d in parsed.failures.iter().chain(&parsed.warnings) {
            assert!(d.line >= 1 && usize::try_from(d.line).unwrap() <= lines);
            assert!(d.column >= 1 && d.column <= d.end_column);
            assert!(!d.render(false).is_empty());
        }
    }

    /// Options torn from real ones, so that most of the parser is reached.
    fn option() -> impl Strategy<Value = String> {
        let names: Vec<String> = keywords::KEYWORDS
            .iter()
            .map(|k| k.name.to_owned())
            .collect();
        let value = prop_oneof![
            Just(String::new()),
            "[!<>=a-z0-9,:|/\"\\\\ -]{0,12}".prop_map(|v| format!(":{v}")),
            "[ -~]{0,12}".prop_map(|v| format!(":\"{v}\"")),
            "\\PC{0,6}".prop_map(|v| format!(":{v}")),
        ];
        (proptest::sample::select(names), value).prop_map(|(n, v)| format!("{n}{v};"))
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            checked(&bytes);
        }

        #[test]
        fn any_options_are_read_or_refused(options in proptest::collection::vec(option(), 0..6)) {
            let text = format!("alert http any any -> any any ({} sid:1;)", options.concat());
            checked(text.as_bytes());
        }
    }
}

mod corpus;
mod diagnostics;

#[test]
fn a_file_that_many_threads_read_is_told_of_in_its_order() {
    let kinds = ["md5", "string"];
    let rules: String = (0..4 * RULES_AT_ONCE)
        .map(|n| match n % 4 {
            // Every second one of a set's rules says otherwise than the first of them.
            0 => format!(
                "alert http any any -> any any (http.uri; dataset:isset,s, type {}; sid:{};)\n",
                kinds[n / 4 % 2],
                n + 1
            ),
            1 => format!(
                "alert ip any any -> any any (contnet:\"a\"; sid:{};)\n",
                n + 1
            ),
            // Repeated, older each time.
            2 => format!("alert ip any any -> any any (rev:{}; sid:3;)\n", 9_000 - n),
            _ => format!("alert ip any any -> any any (sid:{};)\n", n + 1),
        })
        .collect();
    let parsed = read(&rules);
    let lines = |of: &[Diagnostic], told: &str| -> Vec<usize> {
        let of = of.iter().filter(|d| d.message.contains(told));
        of.map(|d| d.line as usize).collect()
    };
    let numbers = |n: &dyn Fn(usize) -> bool| -> Vec<usize> {
        let all = (0..4 * RULES_AT_ONCE).filter(|at| n(*at));
        all.map(|at| at + 1).collect()
    };
    let at_fault = numbers(&|n| n % 4 == 1 || n % 8 == 4);
    assert_eq!(lines(&parsed.failures, ""), at_fault);
    let repeated = numbers(&|n| n % 4 == 2 && n > 2);
    assert_eq!(lines(&parsed.warnings, "already stands"), repeated);
    let read = parsed.signatures.iter().map(|s| s.id.sid as usize);
    let sound = numbers(&|n| n % 4 == 3 || n % 8 == 0 || n == 2);
    assert_eq!(read.collect::<Vec<_>>(), sound);
}
