//! However a conversation is cut into segments, the same rules find it.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Rules whose answer the whole conversation gives. On raw bytes only tests that more bytes do not undo:
/// what a stream ends with is known at its end alone.
const RULES: &[&str] = &[
    // Raw bytes.
    "tcp-stream X flow:to_server; content:\"abc\"; content:\"de\"; distance:1; within:6;",
    "tcp-stream X flow:to_server; content:\"ab\"; nocase; content:\"CD\"; nocase; distance:-1; within:9;",
    "tcp-stream X flow:to_server; pcre:\"/a[bc]{1,4}d(?:e|%65)/\";",
    "tcp-stream X flow:to_server; content:\"de\"; isdataat:30,relative;",
    "tcp-stream X flow:to_server; content:\"GET\"; depth:3; content:\"abc\"; distance:0; within:20;",
    "tcp-stream X flow:to_server; content:\"abcabc\"; fast_pattern; content:\"de\"; distance:0;",
    "tcp-stream X flow:to_client; content:\"200 OK\"; content:\"ab\"; distance:0;",
    "http X flow:to_server; content:\"abcd\"; flowbits:set,raw;",
    // Requests.
    "http X http.uri; content:\"abc\"; content:\"de\"; distance:0; within:4;",
    "http X http.uri; content:\"abc\"; endswith;",
    "http X http.uri; content:!\"abc\"; content:\"/\"; startswith;",
    "http X http.uri; bsize:<12; content:\"ab\";",
    "http X http.uri; pcre:\"/^\\/(?:abc|de)+$/\";",
    "http X http.uri.raw; url_decode; content:\"abe\";",
    "http X http.uri.raw; decode_escapes; normalise_sql; content:\" de\";",
    "http X http.uri.raw; to_uppercase; content:\"ABCABC\"; isdataat:3,relative;",
    "http X http.cookie; content:\"abc\"; content:!\"de\"; distance:0; within:5;",
    "http X http.header; content:\"|0d 0a|X-A: abc\"; pcre:\"/X-A: (?:abc)+\\r\\n/\";",
    "http X http.header_names; content:\"|0d 0a|Cookie|0d 0a|\";",
    // Bodies, which grow.
    "http X http.request_body; content:\"abc\"; content:\"de\"; distance:1; within:8;",
    "http X http.request_body; content:\"de\"; endswith;",
    "http X http.request_body; content:!\"abc\"; content:\"de\";",
    "http X http.request_body; bsize:>40; content:\"abc\";",
    "http X http.request_body; content:\"abc\"; isdataat:!4,relative;",
    "http X http.request_body; pcre:\"/(?:abc){2}[^d]*de$/\";",
    "http X http.request_body; pcre:\"/abc\\s?de/R\";",
    "http X http.request_body; url_decode; content:\"abe\";",
    "http X http.request_body; strip_whitespace; content:\"cde\"; content:\"abc\"; distance:0;",
    "http X http.request_body; decode_base64_runs; content:\"abcabcabcabc\";",
    "http X http.response_body; content:\"abc\"; content:\"de\"; distance:1; within:8;",
    "http X file.data; content:\"abcabc\"; content:\"de\"; distance:0; within:12;",
    "http X file.data; content:\"abc\"; endswith;",
    "http X file.data; content:!\"de\"; content:\"abc\";",
    "http X file.data; bsize:30<>80;",
    "http X file.data; pcre:\"/^(?:abc|de|%65| )*$/\";",
    "http X file.data; url_decode; content:\"cde\";",
    "http X file.data; to_uppercase; content:\"ABC\"; content:\"DE\"; distance:0; within:3;",
    // One waits for another.
    "http X http.uri; content:\"abc\"; http.request_body; content:\"de\";",
    "http X http.uri; content:\"abc\"; flowbits:set,uri;",
    "http X flowbits:isset,uri; file.data; content:\"de\";",
    "http X flowbits:isset,raw; http.stat_code; content:\"200\";",
    "http X flowbits:isnotset,uri; http.stat_code; content:\"200\";",
    MIXED,
];

/// A raw match counts for the transactions that its segment touches: of several requests in one segment, for
/// the others too.
const MIXED: &str = "http X flow:to_server; content:\"abc\"; http.uri; content:\"de\";";

fn rules() -> String {
    let line = |(sid, rule): (usize, &&str)| {
        let rule = rule.replace('X', "any any -> any any (msg:\"t\";");
        // The letter stands for the header alone.
        let rule = rule.replace("any any -> any any (msg:\"t\";-A", "X-A");
        format!("alert {rule} sid:{};)\n", sid + 1)
    };
    RULES.iter().enumerate().map(line).collect()
}

/// One exchange.
#[derive(Clone, Debug)]
struct Exchange {
    uri: String,
    cookie: Option<String>,
    header: String,
    body: String,
    chunked: bool,
    answer: String,
    packed: bool,
}

fn words(most: usize) -> impl Strategy<Value = String> {
    let word = proptest::sample::select(vec![
        "abc",
        "de",
        "%65",
        "ab",
        "c",
        "abcabc",
        "+",
        "YWJjYWJjYWJjYWJj",
    ]);
    proptest::collection::vec(word, 0..most).prop_map(|w| w.concat())
}

fn text(most: usize) -> impl Strategy<Value = String> {
    let word = proptest::sample::select(vec!["abc", "de", "%65", " ", "ab", "abcabc", "zzzzzzz"]);
    proptest::collection::vec(word, 0..most).prop_map(|w| w.concat())
}

fn exchange() -> impl Strategy<Value = Exchange> {
    (
        words(6),
        proptest::option::of(words(4)),
        words(4),
        text(14),
        any::<bool>(),
        text(20),
        any::<bool>(),
    )
        .prop_map(
            |(uri, cookie, header, body, chunked, answer, packed)| Exchange {
                uri,
                cookie,
                header,
                body,
                chunked,
                answer,
                packed,
            },
        )
}

impl Exchange {
    fn request(&self) -> Vec<u8> {
        let method = if self.body.is_empty() { "GET" } else { "POST" };
        let mut head = format!(
            "{method} /{} HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n",
            self.uri, self.header
        );
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {cookie}\r\n");
        }
        let body = self.body.as_bytes();
        if self.chunked {
            [
                head.as_bytes(),
                b"Transfer-Encoding: chunked\r\n\r\n",
                &chunks(body),
            ]
            .concat()
        } else {
            head += &format!("Content-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        }
    }

    fn response(&self) -> Vec<u8> {
        let mut body = self.answer.as_bytes().to_vec();
        let mut head = "HTTP/1.1 200 OK\r\n".to_owned();
        if self.packed {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&body).unwrap();
            body = encoder.finish().unwrap();
            head += "Content-Encoding: gzip\r\n";
        }
        if self.chunked {
            [
                head.as_bytes(),
                b"Transfer-Encoding: chunked\r\n\r\n",
                &chunks(&body),
            ]
            .concat()
        } else {
            head += &format!("Content-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), &body].concat()
        }
    }
}

fn chunks(body: &[u8]) -> Vec<u8> {
    let chunk = |c: &[u8]| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat();
    let mut out: Vec<u8> = body.chunks(11).flat_map(chunk).collect();
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Sids of the rules that found the conversation, each message cut where `cuts` say.
fn found(exchanges: &[Exchange], cuts: &[Index], backwards: bool) -> Vec<u32> {
    let mut lab = Lab::new(&rules());
    lab.open();
    let requests: Vec<u8> = exchanges.iter().flat_map(Exchange::request).collect();
    let responses: Vec<u8> = exchanges.iter().flat_map(Exchange::response).collect();
    for (from, bytes) in [(0, requests), (1, responses)] {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.dedup();
        let start = lab.next[from];
        let mut pieces: Vec<&[usize]> = at.windows(2).collect();
        if backwards {
            pieces.reverse();
        }
        for piece in pieces {
            lab.next[from] = start.wrapping_add(piece[0] as u32);
            assert_eq!(
                lab.segment(from, "A", &bytes[piece[0]..piece[1]]),
                Verdict::Forward
            );
        }
        lab.next[from] = start.wrapping_add(bytes.len() as u32);
    }
    lab.segment(0, "FA", b"");
    lab.segment(1, "FA", b"");
    lab.seen.alerts.sort_unstable();
    lab.seen.alerts.dedup();
    if exchanges.len() > 1 {
        lab.seen
            .alerts
            .retain(|&sid| RULES[sid as usize - 1] != MIXED);
    }
    lab.seen.alerts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_rules_fire_however_a_conversation_is_cut(
        exchanges in proptest::collection::vec(exchange(), 1..3),
        cuts in proptest::collection::vec(any::<Index>(), 1..12),
    ) {
        let whole = found(&exchanges, &[], false);
        prop_assert_eq!(&found(&exchanges, &cuts, false), &whole, "cut");
        prop_assert_eq!(&found(&exchanges, &cuts, true), &whole, "cut, backwards");
    }
}

/// So that the property is about something: each rule fires on some conversation.
#[test]
fn each_of_the_rules_finds_some_conversation() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut silent: std::collections::BTreeSet<u32> = (1..=RULES.len() as u32).collect();
    for _ in 0..400 {
        let conversation = proptest::collection::vec(exchange(), 1..3)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        for sid in found(&conversation, &[], false) {
            silent.remove(&sid);
        }
    }
    let rule = |sid: &u32| RULES[*sid as usize - 1];
    assert!(
        silent.is_empty(),
        "{:?}",
        silent.iter().map(rule).collect::<Vec<_>>()
    );
}
