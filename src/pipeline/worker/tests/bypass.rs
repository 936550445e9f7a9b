//! Flows that are left to the kernel, and what comes of them afterwards.

use super::*;

const ELSEWHERE: &str =
    "drop http any any -> any 9999 (msg:\"t\"; http.uri; content:\"/evil\"; sid:1;)\n";

fn lab(rules: &str) -> Lab {
    let config = WorkerConfig {
        bypass: true,
        ..WorkerConfig::default()
    };
    Lab::with(config, rules)
}

impl Lab {
    fn exchange(&mut self) {
        assert_eq!(self.request("/good"), Verdict::Forward);
        self.answer();
    }

    fn answer(&mut self) {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(self.segment(1, "A", answer), Verdict::Forward);
    }

    /// Until the worker needs no more packets of the flow.
    fn until_left(&mut self) -> bool {
        for _ in 0..8 {
            self.exchange();
            if self.worker.leaves_flow() {
                return true;
            }
        }
        false
    }

    /// What goes by unseen.
    fn unseen(&mut self, to_server: u32, to_client: u32) {
        self.next[0] = self.next[0].wrapping_add(to_server);
        self.next[1] = self.next[1].wrapping_add(to_client);
    }

    fn push(&mut self, epoch: u64, rules: &str) {
        self.worker.set_ruleset(ruleset(epoch, rules));
    }

    fn left(&self) -> u64 {
        self.counters.get(Counter::FlowsLeftToKernel)
    }

    fn resynchronised(&self) -> u64 {
        self.counters.get(Counter::FlowsResynchronised)
    }
}

#[test]
fn a_flow_that_no_rule_concerns_is_left_and_a_pushed_rule_blocks_its_next_request() {
    let mut lab = lab(ELSEWHERE);
    lab.open();
    assert!(lab.until_left());
    assert_eq!((lab.left(), lab.resynchronised()), (1, 0));
    // What was under way says so again.
    lab.exchange();
    assert!(lab.worker.leaves_flow());
    lab.unseen(123_456, 3_000_000_000);
    lab.push(2, DROP_EVIL);
    let verdict = lab.request("/evil");
    assert_eq!(verdict, Verdict::Drop(DropReason::Rules));
    assert_eq!((lab.left(), lab.resynchronised()), (1, 1));
    assert_eq!(lab.seen.alerts, [1]);
}

#[test]
fn a_benign_flow_goes_on_after_it_came_back() {
    let mut lab = lab(ELSEWHERE);
    lab.open();
    assert!(lab.until_left());
    lab.unseen(2_000_000_000, 777);
    lab.push(2, DROP_EVIL);
    for _ in 0..20 {
        lab.exchange();
        assert!(!lab.worker.leaves_flow());
    }
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    assert_eq!(lab.resynchronised(), 1);
}

#[test]
fn what_comes_back_in_the_middle_of_messages_is_read_from_the_next_request_on() {
    for middle in [
        "rest of a body",
        "a=b\r\n",
        "GET",
        "\r\n\r\n",
        "a{b}\n\n\x01",
    ] {
        for from in [0, 1] {
            let mut lab = lab(ELSEWHERE);
            lab.open();
            assert!(lab.until_left());
            lab.unseen(1000, 1000);
            lab.push(2, DROP_EVIL);
            assert_eq!(
                lab.segment(from, "A", middle.as_bytes()),
                Verdict::Forward,
                "{middle:?}"
            );
            if middle == "GET" {
                lab.segment(0, "A", b" /first HTTP/1.1\r\nHost: a\r\n\r\n");
            }
            lab.answer();
            lab.exchange();
            assert_eq!(
                lab.request("/evil"),
                Verdict::Drop(DropReason::Rules),
                "{middle:?} from {from}"
            );
        }
    }
}

#[test]
fn bare_acknowledgements_may_come_first() {
    for from in [0, 1] {
        let mut lab = lab(ELSEWHERE);
        lab.open();
        assert!(lab.until_left());
        lab.unseen(1 << 20, 1 << 21);
        lab.push(2, DROP_EVIL);
        assert_eq!(lab.segment(from, "A", b""), Verdict::Forward);
        assert_eq!(lab.segment(1 - from, "A", b""), Verdict::Forward);
        lab.exchange();
        assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    }
}

#[test]
fn rules_that_concern_the_flow_keep_it_here() {
    for rules in [
        DROP_EVIL,
        "alert tcp any any -> any any (msg:\"t\"; content:\"never\"; sid:1;)\n",
        "alert tcp any any -> any any (msg:\"t\"; flags:U; sid:1;)\n",
        "alert dns any any -> any any (msg:\"t\"; dns.query; content:\"x\"; sid:1;)\n",
    ] {
        let mut lab = lab(rules);
        lab.open();
        assert!(!lab.until_left(), "{rules}");
        // Until the rules change.
        lab.push(2, ELSEWHERE);
        for _ in 0..3 {
            assert!(lab.until_left() || lab.left() == 0);
        }
        assert_eq!(lab.left(), 1, "{rules}");
    }
}

#[test]
fn a_reload_that_does_not_concern_the_flow_leaves_it_left() {
    let mut lab = lab(ELSEWHERE);
    lab.open();
    assert!(lab.until_left());
    lab.unseen(5000, 5000);
    lab.push(2, &ELSEWHERE.replace("evil", "worse"));
    assert_eq!(lab.segment(0, "A", b"whatever"), Verdict::Forward);
    assert!(lab.worker.leaves_flow());
    assert_eq!(lab.resynchronised(), 0);
}

#[test]
fn a_flow_that_a_rule_lets_pass_is_left_for_good() {
    let pass = "pass http any any -> any any (msg:\"t\"; http.uri; content:\"/good\"; sid:2;)\n";
    let mut lab = lab(&format!("{pass}{DROP_EVIL}"));
    lab.open();
    assert!(lab.until_left());
    lab.push(2, DROP_EVIL);
    assert_eq!(lab.request("/evil"), Verdict::Forward);
    assert!(lab.worker.leaves_flow());
}

#[test]
fn one_that_only_talks_to_itself_is_left_behind_the_depth() {
    let http = "drop http any any -> any any (msg:\"t\"; http.uri; content:\"/evil\"; sid:1;)\n";
    let mut lab = lab(http);
    lab.open();
    let chunk = [0u8; 1400];
    let mut sent = 0;
    while !lab.worker.leaves_flow() {
        assert_eq!(lab.segment(0, "A", &chunk), Verdict::Forward);
        assert_eq!(lab.segment(1, "A", b""), Verdict::Forward);
        sent += chunk.len() as u64;
        assert!(sent < 3 << 20, "never left");
    }
    assert!(sent > WorkerConfig::default().stream_depth_bytes);
}

#[test]
fn a_flow_ends_and_its_record_says_that_it_was_left() {
    let mut lab = lab(ELSEWHERE);
    lab.open();
    assert!(lab.until_left());
    for from in [0, 1] {
        assert_eq!(lab.segment(from, "FA", b""), Verdict::Forward);
        assert!(!lab.worker.leaves_flow());
    }
    lab.now = lab.now + Duration::from_secs(60);
    lab.worker.tick(lab.now, &mut lab.seen);
    assert!(lab.seen.flows[0].bypassed);
    // The ports may be used again.
    lab.next = [500_000, 700_000];
    lab.open();
    assert!(lab.until_left());
    lab.next = [900_000, 100_000];
    lab.open();
    lab.exchange();
}

#[test]
fn only_who_was_left_may_come_back_unknown() {
    let segment = |returned| {
        let mut lab = lab(DROP_EVIL);
        lab.open();
        lab.now = lab.now + Duration::from_secs(3600);
        lab.returned = returned;
        lab.worker.finish(lab.now, &mut lab.seen);
        lab.request("/evil")
    };
    assert_eq!(segment(false), Verdict::Drop(DropReason::StreamMidstream));
    assert_eq!(segment(true), Verdict::Drop(DropReason::Rules));
}

/// A flow that has come back, with a rule that refuses `/evil`.
fn come_back() -> Lab {
    let mut lab = lab(ELSEWHERE);
    lab.open();
    assert!(lab.until_left());
    lab.unseen(100_000, 100_000);
    lab.push(2, DROP_EVIL);
    lab
}

const EVIL: &[u8] = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_order_turned_round_hides_nothing() {
    let mut lab = come_back();
    let start = lab.next[0];
    let (first, second) = EVIL.split_at(8);
    lab.next[0] = start + first.len() as u32;
    assert_eq!(lab.segment(0, "A", second), Verdict::Forward);
    lab.next[0] = start;
    assert_eq!(lab.segment(0, "A", first), Verdict::Drop(DropReason::Rules));
}

#[test]
fn a_hole_that_the_receiver_does_not_have_hides_nothing() {
    for with_ack in [false, true] {
        let mut lab = come_back();
        let start = lab.next[0];
        // An old segment again: the server has it.
        lab.next[0] = start - 5000;
        assert_eq!(lab.segment(0, "A", b"old"), Verdict::Forward);
        lab.next[0] = start;
        if with_ack {
            assert_eq!(lab.segment(1, "A", b""), Verdict::Forward);
        }
        assert_eq!(
            lab.segment(0, "A", EVIL),
            Verdict::Drop(DropReason::Rules),
            "{with_ack}"
        );
    }
}

#[test]
fn an_old_segment_with_other_bytes_hides_nothing() {
    let lie = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
    for with_ack in [false, true] {
        let mut lab = come_back();
        let start = lab.next[0];
        lab.next[0] = start - lie.len() as u32;
        assert_eq!(lab.segment(0, "A", lie), Verdict::Forward);
        assert_eq!(lab.next[0], start);
        if with_ack {
            assert_eq!(lab.segment(1, "A", b""), Verdict::Forward);
        }
        assert_eq!(
            lab.segment(0, "A", EVIL),
            Verdict::Drop(DropReason::Rules),
            "{with_ack}"
        );
    }
}

#[test]
fn honest_losses_at_the_moment_of_return_are_mended() {
    let mut lab = come_back();
    let request = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n";
    let start = lab.next[0];
    // The first half was lost behind us; the server says so, and it comes again.
    lab.next[0] = start + 10;
    assert_eq!(lab.segment(0, "A", &request[10..]), Verdict::Forward);
    let end = lab.next[0];
    lab.next[0] = start;
    for _ in 0..3 {
        assert_eq!(lab.segment(1, "A", b""), Verdict::Forward);
    }
    assert_eq!(lab.segment(0, "A", &request[..10]), Verdict::Forward);
    lab.next[0] = end;
    lab.answer();
    for _ in 0..5 {
        lab.exchange();
    }
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}
