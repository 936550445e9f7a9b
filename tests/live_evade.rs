//! The evasion catalogue against a real Linux receiver: without Stopgap, with it, and with it weakened on
//! purpose. `./dev evade` runs the same, and longer.

mod support;

use support::Fallible;
use support::evade::case::{Case, catalogue};
use support::evade::place::Tracking;
use support::evade::trial::{self, Guard, Tally};
use support::netns;
use support::requirements::{live, live_with_daemon};

#[test]
fn every_row_of_the_catalogue_parses_and_prints_itself() -> Fallible<()> {
    for case in catalogue()? {
        let row = case.row();
        let (head, steps) = row.split_once('\n').unwrap_or((&row, ""));
        let again = Case::parse(head, steps).map_err(|e| format!("{row}: {e}"))?;
        assert_eq!(again.steps.len(), case.steps.len(), "{row}");
        assert_eq!(again.number, case.number);
    }
    Ok(())
}

#[test]
fn without_stopgap_linux_does_what_the_catalogue_says() -> Fallible<()> {
    let Some(_turn) = live("the evasion control", &["nft"]) else {
        return Ok(());
    };
    netns::sweep();
    let cases = catalogue()?;
    let selected = trial::select(&cases, &[], false);
    for tracking in Tracking::BOTH {
        let rows = trial::run(&selected, tracking, None)?;
        let tally = Tally::of(&rows);
        println!("{}: {}", tracking.name(), tally.summary(false));
        assert!(tally.differ.is_empty(), "{:?}", tally.differ);
    }
    Ok(())
}

#[test]
fn no_case_gets_its_marker_past_stopgap_and_the_twins_arrive() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the evasion catalogue", &["nft"]) else {
        return Ok(());
    };
    let cases = catalogue()?;
    let selected = trial::select(&cases, &[], false);
    let mut wrong = Vec::new();
    for tracking in Tracking::BOTH {
        let rows = trial::run(&selected, tracking, Some(Guard::Stopgap))?;
        let tally = Tally::of(&rows);
        println!("{}: {}", tracking.name(), tally.summary(true));
        for name in &tally.lost {
            wrong.push(format!("{}: {name} lost", tracking.name()));
        }
        for name in &tally.blocked {
            wrong.push(format!("{}: {name} twin blocked", tracking.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_harness_notices_a_weakened_stopgap() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the weakened control", &["nft"]) else {
        return Ok(());
    };
    let cases = catalogue()?;
    let only = ["A0", "B0", "E0"].map(str::to_owned);
    let selected = trial::select(&cases, &only, false);
    let rows = trial::run(&selected, Tracking::None, Some(Guard::Weak))?;
    let tally = Tally::of(&rows);
    println!("{}", tally.summary(true));
    for family in ["A01 IPv4", "B08a IPv6", "E01 IPv4", "E02 IPv6"] {
        assert!(tally.lost.iter().any(|name| name == family), "{family}");
    }
    Ok(())
}
