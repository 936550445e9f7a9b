//! Whatever finds out which rules to try, the alerts are the same: over generated rules and traffic.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::detect::prefilter::VARIANTS;

/// Small, so that contents occur, overlap and nearly occur.
const ALPHABET: &[u8] = b"abAB@`./-";

/// Before the contents of a rule: header, and what else it asks for.
const FORMS: [&str; 16] = [
    "alert tcp any any -> any any (",
    "alert tcp any any -> any 80 (flow:to_server,established; ",
    "alert tcp any 80 -> any any (flow:to_client; ",
    "alert tcp-pkt any any -> any any (",
    "alert tcp-stream any any -> any any (",
    "alert ip any any <> any any (",
    "alert udp any any -> any any (",
    "alert udp any any -> any any (dsize:<60; ",
    "alert tcp any any -> any any (dsize:<300; ",
    "alert http any any -> any any (",
    "alert http any any -> any any (http.uri; ",
    "alert http any any -> any any (http.request_body; ",
    "alert http any any -> any any (file.data; ",
    "alert http any any -> any any (http.header; to_lowercase; ",
    "alert tcp any any -> any any (flowbits:set,seen; ",
    "alert tcp any any -> any any (flowbits:isset,seen; ",
];

/// Of a rule's first content, which nothing stands before, and of those behind it.
const FIRST: [&str; 6] = [
    "",
    "nocase;",
    "offset:3;",
    "depth:20;",
    "offset:1; depth:40; nocase;",
    "fast_pattern;",
];
const LATER: [&str; 7] = [
    "",
    "nocase;",
    "distance:0;",
    "within:20;",
    "distance:1; within:30; nocase;",
    "distance:-6;",
    "offset:2;",
];
/// Behind the contents.
const LAST: [&str; 5] = [
    "",
    "pcre:\"/[aA][bB@]+/\";",
    "pcre:\"/^.{0,9}\\x2e/R\";",
    "threshold:type limit, track by_src, count 1, seconds 60;",
    "isdataat:4,relative;",
];

fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(select(ALPHABET), 1..most)
}

fn content(modifiers: &'static [&'static str]) -> impl Strategy<Value = String> {
    (text(8), select(modifiers), proptest::bool::weighted(0.15)).prop_map(
        |(bytes, modifiers, negated)| {
            let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let negated = negated && modifiers != "fast_pattern;";
            format!(
                "content:{}\"|{}|\"; {modifiers} ",
                if negated { "!" } else { "" },
                hex.join(" ")
            )
        },
    )
}

/// A form's index, and the rule without its number.
fn rule() -> impl Strategy<Value = (usize, String)> {
    let later = proptest::collection::vec(content(&LATER), 0..3);
    (
        0..FORMS.len(),
        content(&FIRST),
        later,
        select(LAST.as_slice()),
    )
        .prop_map(|(form, first, later, last)| {
            (
                form,
                format!("{}{first}{}{last}", FORMS[form], later.concat()),
            )
        })
}

fn file_of(rules: &[(usize, String)]) -> String {
    let number = |(n, (_, rule)): (usize, &(usize, String))| format!("{rule} sid:{};)\n", n + 1);
    rules.iter().enumerate().map(number).collect()
}

/// What each end says, the client first.
#[derive(Clone, Debug)]
struct Talk {
    target: Vec<u8>,
    body: Vec<u8>,
    answer: Vec<u8>,
    /// As HTTP, or as it is.
    http: bool,
    cuts: Vec<Index>,
}

fn talk() -> impl Strategy<Value = Talk> {
    let cuts = proptest::collection::vec(any::<Index>(), 0..5);
    (text(40), text(80), text(80), any::<bool>(), cuts).prop_map(
        |(target, body, answer, http, cuts)| Talk {
            target,
            body,
            answer,
            http,
            cuts,
        },
    )
}

impl Talk {
    fn sides(&self) -> [Vec<u8>; 2] {
        if !self.http {
            return [[&*self.target, &*self.body].concat(), self.answer.clone()];
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let request = format!(
            "POST /{} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n{}",
            text(&self.target),
            text(&self.answer),
            self.body.len(),
            text(&self.body)
        );
        let response = format!(
            "HTTP/1.1 200 OK\r\nX-A: {}\r\nContent-Length: {}\r\n\r\n{}",
            text(&self.body),
            self.answer.len(),
            text(&self.answer)
        );
        [request.into_bytes(), response.into_bytes()]
    }
}

/// Alerts in their order, and what became of each packet.
fn seen(rules: &str, options: &CompileOptions, talk: &Talk) -> (Vec<u32>, Vec<Verdict>) {
    let mut lab = Lab::new("");
    lab.worker = Worker::new(
        WorkerConfig::default(),
        ruleset_with(1, rules, options),
        lab.counters.clone(),
    );
    let mut verdicts = Vec::new();
    lab.open();
    for (from, bytes) in talk.sides().iter().enumerate() {
        let mut cuts: Vec<usize> = talk.cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        for piece in cuts.windows(2) {
            verdicts.push(lab.segment(from, "A", &bytes[piece[0]..piece[1]]));
        }
        let mut datagram = Vec::new();
        PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
            .udp(5000, 6000)
            .write(&mut datagram, bytes)
            .unwrap();
        verdicts.push(lab.send(&datagram));
    }
    lab.segment(0, "FA", b"");
    lab.segment(1, "FA", b"");
    lab.worker.finish(lab.now, &mut lab.seen);
    (lab.seen.alerts, verdicts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_alerts_are_the_same_with_every_variant(
        rules in proptest::collection::vec(rule(), 1..40),
        talk in talk(),
    ) {
        let rules = file_of(&rules);
        let found = |variant: &crate::detect::prefilter::Variant| {
            let options = CompileOptions { prefilter: variant.kind, ..CompileOptions::default() };
            seen(&rules, &options, &talk)
        };
        let usual = found(&VARIANTS[0]);
        for variant in &VARIANTS[1..] {
            prop_assert_eq!(&found(variant), &usual, "{}", variant.name);
        }
    }
}

/// So that the property is about something: rules of each form alert on some traffic.
#[test]
fn rules_of_each_form_alert() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut silent: std::collections::BTreeSet<usize> = (0..FORMS.len()).collect();
    for _ in 0..40 {
        let mut draw = || {
            let rules = proptest::collection::vec(rule(), 80);
            (rules, talk()).new_tree(&mut runner).unwrap().current()
        };
        let (rules, talk) = draw();
        let (alerts, _) = seen(&file_of(&rules), &CompileOptions::default(), &talk);
        for sid in alerts {
            silent.remove(&rules[sid as usize - 1].0);
        }
    }
    let forms: Vec<&str> = silent.into_iter().map(|form| FORMS[form]).collect();
    assert!(forms.is_empty(), "{forms:#?}");
}
