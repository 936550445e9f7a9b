//! Rules and flows that take more time than they may.

use super::*;
use crate::detect::RuleBudget;

/// Each `xy` may begin a match that the next five bytes deny.
const RULES: &str = r#"
    alert tcp any any -> any any (msg:"dear"; content:"xy"; fast_pattern; content:"deny"; distance:0; within:5; sid:1;)
    alert tcp any any -> any any (msg:"cheap"; content:"evil"; sid:2;)
"#;

fn lab(change: impl FnOnce(&mut WorkerConfig)) -> Lab {
    let mut config = WorkerConfig {
        rule_budget: RuleBudget {
            us_per_second: 5,
            suspended_secs: 5,
        },
        ..WorkerConfig::default()
    };
    change(&mut config);
    Lab::with(config, RULES)
}

/// The rule has all that it needs, at no place where it wants it.
fn dear() -> Vec<u8> {
    [&b"xy".repeat(500)[..], b"------deny"].concat()
}

/// The connection before ends.
fn another_flow(lab: &mut Lab) {
    lab.next = [lab.next[0] + 100_000, lab.next[1] + 100_000];
    lab.worker.finish(lab.now, &mut lab.seen);
    lab.open();
}

#[test]
fn a_rule_over_its_budget_is_suspended_alone_and_costs_the_flow() {
    let mut lab = lab(|_| {});
    lab.open();
    assert_eq!(lab.segment(0, "A", b"one xy and evil"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [2]);
    let refused = lab.segment(0, "A", &dear());
    assert_eq!(refused, Verdict::Drop(DropReason::TimeBudget));
    assert_eq!(lab.seen.suspended, [1]);
    assert_eq!(lab.counters.get(Counter::RulesSuspended), 1);

    // What it would have been asked about cannot be decided; other rules go on.
    another_flow(&mut lab);
    assert_eq!(lab.segment(0, "A", b"evil, nothing dear"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [2, 2]);
    let refused = lab.segment(0, "A", b"one xy");
    assert_eq!(refused, Verdict::Drop(DropReason::TimeBudget));
    assert_eq!(lab.counters.get(Counter::RulesSkipped), 1);

    lab.now = lab.now + Duration::from_secs(6);
    another_flow(&mut lab);
    assert_eq!(lab.segment(0, "A", b"one xy"), Verdict::Forward);
    assert_eq!(lab.seen.suspended, [1]);
}

#[test]
fn the_policy_may_let_pass_what_a_suspended_rule_does_not_see() {
    let mut lab = lab(|config| config.exceptions.time_budget = ExceptionPolicy::Pass);
    lab.open();
    assert_eq!(lab.segment(0, "A", &dear()), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", b"xy deny"), Verdict::Forward);
    assert!(lab.seen.alerts.is_empty());
    assert_eq!(lab.counters.get(Counter::ExceptionPass), 2);
    assert_eq!(lab.segment(0, "A", b"evil"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [2]);
}

#[test]
fn without_a_budget_no_rule_is_suspended() {
    let mut lab = lab(|config| config.rule_budget.us_per_second = 0);
    lab.open();
    assert_eq!(lab.segment(0, "A", &dear()), Verdict::Forward);
    assert!(lab.seen.suspended.is_empty());
}

/// Each `x` may go with each of the next twenty `y`, and the last content stands behind none of them.
const NESTED: &str = r#"
    alert tcp any any -> any any (msg:"nested"; content:"x"; content:"y"; distance:0; within:40; content:"deny"; distance:0; within:5; sid:1;)
    alert tcp any any -> any any (msg:"cheap"; content:"evil"; sid:2;)
"#;

fn lab_of_flows(policy: ExceptionPolicy, flow_budget_us: u32) -> Lab {
    let mut config = WorkerConfig {
        flow_budget_us,
        ..WorkerConfig::default()
    };
    config.exceptions.time_budget = policy;
    let mut lab = Lab::with(config, NESTED);
    lab.open();
    lab
}

#[test]
fn a_flow_over_its_budget_is_refused_and_told_of() {
    let mut lab = lab_of_flows(ExceptionPolicy::Drop, 10);
    let refused = lab.segment(0, "A", &dear());
    assert_eq!(refused, Verdict::Drop(DropReason::TimeBudget));
    assert_eq!(lab.seen.drops, [DropReason::TimeBudget]);
    assert_eq!(lab.counters.get(Counter::FlowsOverBudget), 1);
    // The rule decided, and is asked of other flows.
    assert_eq!(lab.counters.get(Counter::MatchErrors), 0);
    assert_eq!(lab.counters.get(Counter::RulesSuspended), 0);
    another_flow(&mut lab);
    assert_eq!(lab.segment(0, "A", b"evil xy"), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [2]);
}

#[test]
fn the_policy_may_let_a_flow_over_its_budget_go_on() {
    let mut lab = lab_of_flows(ExceptionPolicy::Pass, 10);
    assert_eq!(lab.segment(0, "A", &dear()), Verdict::Forward);
    assert_eq!(lab.counters.get(Counter::FlowsOverBudget), 1);
    assert_eq!(lab.counters.get(Counter::ExceptionPass), 1);
    assert!(lab.seen.drops.is_empty());
}

#[test]
fn by_default_one_dear_packet_is_within_the_budget_of_a_flow() {
    let budget = WorkerConfig::default().flow_budget_us;
    let mut lab = lab_of_flows(ExceptionPolicy::Drop, budget);
    assert_eq!(lab.segment(0, "A", &dear()), Verdict::Forward);
    assert_eq!(lab.counters.get(Counter::FlowsOverBudget), 0);
    assert!(lab.counters.get(Counter::RuleWork) > 50_000);
}
