//! Protocols that are known only once the other end has spoken.

use super::*;

/// No request by its first line (RFC 9112 section 3): the answer tells that it was one. Found in a
/// recorded conversation with a web server.
#[test]
fn what_was_said_before_the_protocol_was_known_is_looked_at_then() {
    let rules = concat!(
        "alert http any any -> any any (msg:\"t\"; http.method; content:\"TRACK\"; sid:1;)\n",
        "alert http any any -> any any (msg:\"t\"; content:\"Host: a\"; sid:2;)\n",
        "alert tcp any any -> any any (msg:\"t\"; content:\"Host: a\"; sid:3;)\n",
        "alert http any any -> any any (msg:\"t\"; http.stat_code; content:\"400\"; sid:4;)\n",
    );
    for passive in [false, true] {
        let config = WorkerConfig {
            passive,
            ..WorkerConfig::default()
        };
        let mut lab = Lab::with(config, rules);
        lab.open();
        lab.segment(0, "A", b"TRACK /x\r\nHost: a\r\n\r\n");
        let answer = b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        lab.segment(1, "A", answer);
        lab.segment(0, "A", b"x");
        lab.seen.alerts.sort_unstable();
        assert_eq!(lab.seen.alerts, [1, 2, 3, 4], "passive: {passive}");
    }
}

#[test]
fn raw_rules_about_other_protocols_are_asked_once_none_is_found() {
    let mut lab = Lab::new(
        "drop tcp any any -> any any (msg:\"t\"; flow:to_server; content:\"EHLO\"; app-layer-protocol:!http; sid:1;)\n",
    );
    lab.open();
    assert_eq!(lab.segment(0, "A", b"\x01\x02EHLO x\r\n"), Verdict::Forward);
    let verdict = lab.segment(1, "A", b"\x03\x04 what?\r\n");
    assert_eq!(verdict, Verdict::Drop(DropReason::Rules));
}
