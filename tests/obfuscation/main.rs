//! Attacks in disguise past the shipped packs, item by item of what is known of such disguises, and with each
//! attack a harmless twin in the same disguise.
//!
//! The share of attacks that are told is printed for each item. Judged is what the engine tells, in
//! prevent and for rules of any mode: no twin may be told at all.

mod delivery;
mod encode;
mod injection;
mod lookups;
mod request;
mod wrapped;

use delivery::{Delivery, Gateway};
use request::Request;

/// Of all attacks, at least so many in a hundred are told.
const SHARE: usize = 95;

/// One attack and its twin, delivered alike.
pub struct Case {
    pub attack: Request,
    pub twin: Request,
    pub delivery: Delivery,
}

impl Case {
    pub fn new(attack: Request, twin: Request) -> Self {
        Self {
            attack,
            twin,
            delivery: Delivery::Whole,
        }
    }
}

/// Name of an item, and its cases.
pub type Item = (&'static str, Vec<Case>);

#[test]
fn attacks_in_disguise_are_told_and_their_twins_are_not() {
    let gateway = Gateway::new();
    let items = lookups::items()
        .into_iter()
        .chain(injection::items())
        .chain(wrapped::items());
    let (mut told, mut all, mut twins, mut report) = (0, 0, Vec::new(), Vec::new());
    for (name, cases) in items {
        let mut missed = Vec::new();
        for case in &cases {
            if gateway.alerts(&case.attack, case.delivery).is_empty() {
                missed.push(format!("{:?} {}", case.delivery, case.attack));
            }
            let alerts = gateway.alerts(&case.twin, case.delivery);
            if !alerts.is_empty() {
                twins.push(format!(
                    "{name}: {alerts:?} {:?} {}",
                    case.delivery, case.twin
                ));
            }
        }
        all += cases.len();
        told += cases.len() - missed.len();
        report.push(format!(
            "{name}: {} of {}",
            cases.len() - missed.len(),
            cases.len()
        ));
        report.extend(missed.into_iter().map(|m| format!("    missed: {m}")));
    }
    println!("{}", report.join("\n"));
    println!(
        "{told} of {all} attacks told, {} of {all} twins told",
        twins.len()
    );
    assert!(twins.is_empty(), "{}", twins.join("\n"));
    assert!(told * 100 >= all * SHARE, "{told} of {all}");
}
