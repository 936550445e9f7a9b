//! A firewall's tables, on the way of packets.

use super::*;

const HTTP: &str = "\
accept:hook tcp:all any any <> any 80 (sid:1;)
accept:hook http1:request_started any any -> any any (sid:2;)
drop:flow http1:request_line any any -> any any (http.uri; content:\"/evil\"; alert; sid:3;)
accept:hook http1:request_line any any -> any any (http.method; content:\"GET\"; sid:4;)
accept:tx http1:<request_complete any any -> any any (http.host; content:\"a\"; alert; sid:5;)
";

fn denied(reason: DropReason) -> Verdict {
    Verdict::Drop(reason)
}

#[test]
fn what_no_rule_accepts_is_dropped_and_leaves_no_flow() {
    let mut lab = Lab::new("accept:packet tcp:all any any <> any 443 (sid:1;)\n");
    let verdict = lab.segment(0, "S", b"");
    assert_eq!(verdict, denied(DropReason::FirewallPacketPolicy));
    assert_eq!(lab.worker.active_flows(), 0);
    assert_eq!(lab.seen.drops, [DropReason::FirewallPacketPolicy]);
}

#[test]
fn each_state_of_a_transaction_is_to_be_accepted() {
    let mut lab = Lab::new(HTTP);
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
    // The transaction is accepted, its response too.
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(lab.segment(1, "A", response), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [5]);
    let verdict = lab.segment(0, "A", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(verdict, Verdict::Forward, "`<` accepts the states before");
    let verdict = lab.segment(0, "A", b"POST / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_eq!(verdict, denied(DropReason::FirewallAppPolicy));
    assert_eq!(lab.request("/good"), denied(DropReason::FirewallFlowDrop));
}

#[test]
fn an_ssh_session_is_accepted_by_its_banner() {
    let rules = "\
accept:hook tcp:all any any <> any 80 (sid:1;)
accept:hook ssh:request_started any any -> any any (alert; sid:2;)
accept:hook ssh:request_banner_wait_eol any any -> any any (alert; sid:3;)
accept:hook ssh:request_banner_done any any -> any any (ssh.software; content:\"Good\"; alert; sid:4;)
";
    for (banner, expected, alerts) in [
        ("SSH-2.0-Good_1\r\n", Verdict::Forward, &[2, 3, 4][..]),
        (
            "SSH-2.0-Bad_1\r\n",
            denied(DropReason::FirewallAppPolicy),
            &[2, 3],
        ),
    ] {
        let mut lab = Lab::new(rules);
        lab.open();
        assert_eq!(lab.segment(0, "A", banner.as_bytes()), expected);
        assert_eq!(lab.seen.alerts, alerts);
    }
}

/// A rule for the sender matched again with each recipient, told so, and kept the rule for
/// recipients from being asked.
#[test]
fn what_comes_later_in_a_state_is_asked_about_by_the_other_rules() {
    let rules = "\
accept:hook tcp:all any any <> any 80 (sid:1;)
accept:hook,alert smtp:request_started any any -> any any (smtp.mail_from; content:\"<a@\"; sid:2;)
drop:flow smtp:request_started any any -> any any (smtp.rcpt_to; content:\"<evil@\"; sid:3;)
accept:hook,alert smtp:request_started any any -> any any (smtp.rcpt_to; content:\"<b@\"; xbits:set,known,track tx; sid:4;)
accept:hook smtp:request_started any any -> any any (sid:5;)
accept:hook smtp:response_started any any -> any any (sid:6;)
accept:hook smtp:request_data any any -> any any (xbits:isset,known,track tx; sid:7;)
";
    let said = |last: &str| {
        let mut lab = Lab::new(rules);
        lab.open();
        lab.segment(1, "A", b"220 a\r\n");
        for line in ["EHLO a", "MAIL FROM:<a@a.example>", "RCPT TO:<c@a.example>"] {
            let verdict = lab.segment(0, "A", format!("{line}\r\n").as_bytes());
            assert_eq!(verdict, Verdict::Forward, "{line}");
        }
        let recipient = lab.segment(0, "A", format!("RCPT TO:<{last}>\r\n").as_bytes());
        let data = lab.segment(0, "A", b"DATA\r\n");
        (recipient, data, lab.seen.alerts)
    };
    let policy = denied(DropReason::FirewallAppPolicy);
    let (go, flow) = (Verdict::Forward, denied(DropReason::FirewallFlowDrop));
    assert_eq!(said("b@a.example"), (go, go, vec![2, 4]));
    assert_eq!(said("d@a.example"), (go, policy, vec![2]));
    let evil = denied(DropReason::FirewallRules);
    assert_eq!(said("evil@a.example"), (evil, flow, vec![2]));
}

#[test]
fn the_first_rule_that_matches_decides_on_the_packet_that_completes_it() {
    let mut lab = Lab::new(HTTP);
    lab.open();
    assert_eq!(lab.segment(0, "A", b"GET /ev"), Verdict::Forward);
    let verdict = lab.segment(0, "A", b"il HTTP/1.1\r\n");
    assert_eq!(verdict, denied(DropReason::FirewallRules));
    assert_eq!(lab.seen.alerts, [3]);
}

#[test]
fn an_accepted_flow_is_not_asked_about_again_and_other_rules_still_see_it() {
    let firewall = "\
accept:packet tcp:all any any <> any 80 (flow:not_established; alert; sid:1;)
accept:flow tcp:all any any <> any 80 (flow:established; alert; sid:2;)
";
    let mut lab = Lab::new(firewall);
    let mut both = ruleset(2, DROP_EVIL).layers.clone();
    both.extend(ruleset(2, firewall).layers.clone());
    lab.worker.set_ruleset(Arc::new(Ruleset::with_kept(
        2,
        both,
        Arc::default(),
        Arc::default(),
    )));
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [1, 1, 1, 2]);
    assert_eq!(lab.request("/evil"), denied(DropReason::Rules));
}

#[test]
fn pass_is_for_other_rules_only() {
    let rules = "\
accept:hook,pass:flow tcp:all any any <> any 80 (sid:1;)
accept:hook http1:request_started any any -> any any (sid:2;)
";
    let mut lab = Lab::new(rules);
    lab.open();
    let verdict = lab.request("/good");
    assert_eq!(verdict, denied(DropReason::FirewallAppPolicy));
}

#[test]
fn early_hooks_come_before_flow_and_stream() {
    let accept = "accept:packet tcp:all any any <> any 80 (sid:1;)\n";
    let early = format!("{accept}drop:packet tcp:pre_flow any any -> any 80 (alert; sid:2;)\n");
    let mut lab = Lab::new(&early);
    assert_eq!(
        lab.segment(0, "S", b""),
        denied(DropReason::FirewallPreFlow)
    );
    assert_eq!(
        (lab.worker.active_flows(), &lab.seen.alerts[..]),
        (0, &[2][..])
    );

    let early =
        format!("{accept}drop:packet tcp:pre_stream any any -> any 80 (dsize:>0; sid:2;)\n");
    let mut lab = Lab::new(&early);
    lab.open();
    let verdict = lab.request("/good");
    assert_eq!(verdict, denied(DropReason::FirewallPreStream));
    // The stream does not know what was denied: the same bytes are asked about again.
    lab.next[0] -= "GET /good HTTP/1.1\r\nHost: a\r\n\r\n".len() as u32;
    assert_eq!(lab.request("/good"), denied(DropReason::FirewallPreStream));
}

/// Rules asked before the flow took every packet for one of the year 1970, when no mark had run out.
#[test]
fn what_ran_out_does_not_count_before_the_flow_either() {
    let mut lab = Lab::new(
        "\
drop:packet tcp:pre_flow any any -> any 80 (xbits:isset,met,track ip_src; sid:1;)
accept:packet tcp:all any any <> any 80 (xbits:set,met,track ip_src,expire 5; sid:2;)
",
    );
    assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
    let again = lab.segment(0, "S", b"");
    assert_eq!(again, denied(DropReason::FirewallPreFlow));
    lab.now = lab.now + Duration::from_secs(10);
    assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
}

#[test]
fn a_flow_denied_at_its_start_stays_denied() {
    let mut lab = Lab::new("drop:flow tcp:flow_start any any -> any any (tcp.flags:S; sid:1;)\n");
    assert_eq!(lab.segment(0, "S", b""), denied(DropReason::FirewallRules));
    assert_eq!(
        lab.segment(1, "SA", b""),
        denied(DropReason::FirewallFlowDrop)
    );
}

#[test]
fn in_detect_mode_a_firewall_denies_nothing() {
    let mut lab = Lab::new(HTTP);
    let layers = ruleset(2, HTTP).layers.clone();
    lab.worker.set_ruleset(Arc::new(Ruleset::with_kept(
        2,
        layers,
        Arc::new(Policy {
            ceiling: crate::verdict::Mode::Detect,
            ..Policy::default()
        }),
        Arc::default(),
    )));
    lab.open();
    assert_eq!(lab.request("/evil"), Verdict::Forward);
    assert!(lab.seen.alerts.contains(&3) && lab.seen.drops.is_empty());
}

#[test]
fn a_hook_says_when_any_rule_is_asked() {
    let mut lab = Lab::new(
        "alert tcp:flow_start any any -> any any (dsize:0; sid:1;)\n\
         alert http1:request_headers any any -> any any (sid:2;)\n",
    );
    lab.open();
    assert_eq!(lab.seen.alerts, [1, 1]);
    lab.segment(0, "A", b"GET / HTTP/1.1\r\n");
    assert_eq!(lab.seen.alerts.len(), 2);
    lab.segment(0, "A", b"Host: a\r\n\r\n");
    assert_eq!(lab.seen.alerts, [1, 1, 2]);
}

#[test]
fn a_rule_over_a_whole_transaction_waits_for_the_response() {
    let rule = "drop http 10.0.0.0/8 any => any 80 (http.uri; content:\"/a\"; http.stat_code; content:\"500\"; sid:1;)\n";
    for (status, expected) in [
        ("500", Verdict::Drop(DropReason::Rules)),
        ("200", Verdict::Forward),
    ] {
        let mut lab = Lab::new(rule);
        lab.open();
        assert_eq!(lab.request("/a"), Verdict::Forward);
        let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(lab.segment(1, "A", response.as_bytes()), expected);
    }
}

#[test]
fn a_pass_rule_about_a_state_passes_packets_and_not_the_flow() {
    let mut lab = Lab::new(&format!(
        "pass tcp any any -> any any (flow:not_established; alert; sid:9;)\n{DROP_EVIL}"
    ));
    lab.open();
    assert_eq!(lab.seen.alerts, [9, 9, 9]);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}
