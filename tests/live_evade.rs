//! The evasion catalogue against a real Linux receiver: without Stopgap, with it, and with it weakened on
//! purpose. `./dev evade` runs the same, and longer.

mod support;

use support::Fallible;
use support::evade::case::{Case, catalogue};
use support::evade::layered;
use support::evade::overlaps::{self, Field};
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
fn the_overlaps_are_all_of_a_grid_of_six() {
    // 21 spans, so 21 + 21^2 + 21^3 lists of them.
    assert_eq!(overlaps::combinations(3).len(), 9_723);
}

#[test]
fn a_seed_draws_one_case_for_ever() -> Fallible<()> {
    let drawn: Fallible<Vec<_>> = (0..300).map(layered::draw).collect();
    let again: Fallible<Vec<_>> = (0..300).map(layered::draw).collect();
    let (drawn, again) = (drawn?, again?);
    assert!(drawn.iter().zip(&again).all(|(a, b)| a.row() == b.row()));
    let unambiguous = drawn.iter().filter(|case| !case.twin_may_fail).count();
    assert!(unambiguous > 100, "{unambiguous} of 300 twins are held");
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

#[test]
fn no_overlap_of_two_pieces_is_read_as_it_was_not_inspected() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the overlaps", &["nft"]) else {
        return Ok(());
    };
    let report = overlaps::run(&Field::ALL, 2, Tracking::None, Guard::Stopgap)?;
    println!("{} overlaps, {} misses", report.cases, report.misses.len());
    assert!(report.misses.is_empty(), "{}", report.misses.join("\n"));
    assert!(report.whole_alone > 1_000 && report.whole_guarded > 1_000);

    let weak = overlaps::run(&Field::ALL, 2, Tracking::None, Guard::Weak)?;
    for (field, misses) in &weak.missed_by_field {
        println!("{field}: {misses} misses of a weakened Stopgap");
        assert!(*misses > 0, "{field}: the harness is blind");
    }
    Ok(())
}

#[test]
fn layered_cases_of_a_few_hundred_seeds_hold() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the layered cases", &["nft"]) else {
        return Ok(());
    };
    let report = layered::run(1, 300, Tracking::None, Guard::Stopgap)?;
    println!(
        "{} seeds, {} attacks land without Stopgap, {} misses",
        report.seeds,
        report.landed_alone,
        report.missed.len()
    );
    let rows: Vec<String> = report
        .shrunk
        .iter()
        .map(|(miss, case)| format!("{miss:?} {}", case.row()))
        .collect();
    assert!(report.missed.is_empty(), "{}", rows.join("\n"));
    assert!(report.landed_alone > 200 && report.twins_alone > 200);
    Ok(())
}
