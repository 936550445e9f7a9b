//! A model test of the TCP tracker: two hosts as Linux has them, a bad path, someone who means
//! harm, and the engine between them, in steps from a seed.
//!
//! A difference matters if an application reads what was not inspected, or if an honest
//! connection suffers. `./dev model` runs ten million steps.

mod catalogue;
mod episode;
mod host;
mod hostile;
mod middle;
mod queue;
mod random;
mod receive;
mod regressions;
mod segment;
mod world;

use std::collections::BTreeMap;

use episode::{Finding, Tally, play};
use middle::{BelievesResets, CutsOff, FirstCopy, Middle, Stopgap};
use world::{Difference, Hostility};

/// A few seconds in a debug build.
const DEFAULT_STEPS: u64 = 300_000;
/// Findings that are shown in full.
const SHOWN: usize = 3;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")),
    )
}

/// Episodes from `seed` on until `steps` steps are done.
fn search<M: Middle>(
    hostility: Hostility,
    seed: u64,
    steps: u64,
    most: usize,
) -> (Tally, Vec<Finding>) {
    let mut tally = Tally::default();
    let mut findings = Vec::new();
    while tally.steps < steps && findings.len() < most {
        let seed = seed + tally.episodes;
        if let Err(finding) = play::<M>(hostility, seed, &mut tally) {
            findings.push(*finding);
        }
    }
    (tally, findings)
}

fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut shown = BTreeMap::<String, usize>::new();
    for finding in findings {
        let Finding {
            hostility,
            seed,
            step,
            difference,
            trace,
        } = finding;
        let kind = format!("{hostility:?} {difference:?}");
        let kind = kind.split("offset").next().unwrap_or_default().to_owned();
        let times = shown.entry(kind).or_default();
        *times += 1;
        if *times <= SHOWN {
            text += &format!("\n{hostility:?} seed {seed} step {step}: {difference:?}\n  ");
            text += &trace.join("\n  ");
            text.push('\n');
        }
    }
    for (kind, times) in shown {
        text += &format!("{times:6} x {kind}\n");
    }
    text
}

/// A quarter of the steps, against the engine.
fn no_difference_matters(hostility: Hostility) {
    let steps = number("STOPGAP_MODEL_STEPS").unwrap_or(DEFAULT_STEPS) / 4;
    let seed = number("STOPGAP_MODEL_SEED").unwrap_or(1);
    let most = number("STOPGAP_MODEL_FINDINGS").unwrap_or(20) as usize;
    let (tally, findings) = search::<Stopgap>(hostility, seed, steps, most);
    println!(
        "{hostility:?} means harm: {} steps, {} segments ({} refused), {} bytes read, {} seeds from {seed} on: \
         {} differences",
        tally.steps,
        tally.segments,
        tally.refused,
        tally.read,
        tally.episodes,
        findings.len(),
    );
    assert!(findings.is_empty(), "{}", report(&findings));
}

#[test]
fn honest_ends_over_a_bad_path() {
    no_difference_matters(Hostility::Nobody);
}

#[test]
fn a_stranger_who_sends_what_is_ignored() {
    no_difference_matters(Hostility::Stranger);
}

#[test]
fn a_hostile_client() {
    no_difference_matters(Hostility::Client);
}

#[test]
fn a_hostile_server() {
    no_difference_matters(Hostility::Server);
}

/// The test's test: what it must find in a worse engine.
fn first_finding<M: Middle>(hostility: Hostility) -> Difference {
    let (_, findings) = search::<M>(hostility, 1, 100_000, 1);
    let found = findings.into_iter().next();
    found.expect("a worse engine is noticed").difference
}

#[test]
fn an_engine_that_believes_the_first_copy_is_noticed() {
    for hostility in [Hostility::Client, Hostility::Server] {
        let found = first_finding::<FirstCopy>(hostility);
        assert!(
            matches!(found, Difference::NotInspected { .. }),
            "{found:?}"
        );
    }
}

#[test]
fn an_engine_that_believes_resets_is_noticed() {
    let found = first_finding::<BelievesResets>(Hostility::Client);
    assert!(
        matches!(found, Difference::NotInspected { .. }),
        "{found:?}"
    );
}

#[test]
fn an_engine_that_cuts_off_is_noticed() {
    let found = first_finding::<CutsOff>(Hostility::Stranger);
    let honest = matches!(found, Difference::HonestRefused { .. } | Difference::Stuck);
    assert!(honest, "{found:?}");
}
