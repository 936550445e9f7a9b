//! Each keyword of the table, on traffic: one case at least in which its rule fires, and a near
//! miss in which it must not.
//!
//! The cases stand in `cases/*.cases`, a file for each protocol or chapter; CONTRIBUTING.md tells
//! how they are written. A keyword without cases fails here.

mod case;
mod play;
mod traffic;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use case::{Case, Expectation};
use stopgap::signature::keywords::KEYWORDS;

/// Keywords that have yet to get their cases: to be empty.
const PENDING: &[&str] = &[
    "dns.additionals.rrname",
    "dns.answers.rrname",
    "dns.authorities.rrname",
    "dns.opcode",
    "dns.queries.rrname",
    "dns.query",
    "dns.rcode",
    "dns.response.rrname",
    "dns.rrtype",
    "file.name",
    "http.request_header",
    "http.response_header",
];

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keywords/cases");

fn cases() -> Vec<Case> {
    let mut files: Vec<_> = fs::read_dir(CASES)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "cases"))
        .collect();
    files.sort();
    let read = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        case::read(&name, &fs::read_to_string(path).unwrap())
    };
    files.iter().flat_map(|path| read(path)).collect()
}

#[test]
fn rules_fire_where_they_should_and_nowhere_else() {
    let mut wrong = Vec::new();
    for case in cases() {
        for (place, expectation, traffic) in &case.lines {
            let alerts = match play::alerts(&case.rules, traffic) {
                Ok(alerts) => alerts,
                Err(why) => {
                    wrong.push(format!("{place}: {why}"));
                    continue;
                }
            };
            let holds = match expectation {
                Expectation::Fires(None) => alerts > 0,
                Expectation::Fires(Some(times)) => alerts == *times,
                Expectation::Quiet => alerts == 0,
            };
            if !holds {
                wrong.push(format!(
                    "{place}: {expectation:?} expected, {alerts} alerts: {}",
                    case.rules.last().map_or("", String::as_str)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_keyword_has_a_firing_case_and_a_near_miss() {
    let mut seen: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in cases() {
        for keyword in &case.keywords {
            let known = KEYWORDS.iter().find(|k| k.name == keyword);
            let Some(known) = known else {
                wrong.push(format!("{}: `{keyword}` is no keyword", case.place));
                continue;
            };
            if !case
                .rules
                .iter()
                .any(|rule| uses(rule, known.name, known.aliases))
            {
                wrong.push(format!("{}: no rule uses `{keyword}`", case.place));
            }
            let sides = seen.entry(keyword.clone()).or_default();
            for (_, expectation, _) in &case.lines {
                sides[usize::from(*expectation == Expectation::Quiet)] = true;
            }
        }
    }
    for keyword in KEYWORDS.iter().filter(|k| !PENDING.contains(&k.name)) {
        match seen.get(keyword.name) {
            Some([true, true]) => {}
            Some([fires, _]) => wrong.push(format!(
                "`{}` has no case in which it {}",
                keyword.name,
                if *fires { "stays quiet" } else { "fires" }
            )),
            None => wrong.push(format!("`{}` has no case", keyword.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the rule's options hold the keyword, under one of its names.
fn uses(rule: &str, name: &str, aliases: &[&str]) -> bool {
    [name].iter().chain(aliases).any(|name| {
        let ends = [";", ":"].map(|end| format!("{name}{end}"));
        ends.iter().any(|written| {
            rule.match_indices(written.as_str()).any(|(at, _)| {
                let before = rule.get(..at).and_then(|r| r.chars().next_back());
                before.is_some_and(|c| matches!(c, '(' | ';' | ' '))
            })
        })
    })
}
