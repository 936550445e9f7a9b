//! What a patch's scenarios showed.

use serde::Serialize;

use crate::scenario::Expectation;

/// Variants that failed and are told one by one, in one scenario.
const MAX_FAILURES: usize = 8;

/// The trial of one patch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestReport {
    pub patch: String,
    /// Every scenario held in every variant.
    pub held: bool,
    pub scenarios: Vec<ScenarioReport>,
    pub micros: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioReport {
    /// The scenario's file.
    pub name: String,
    pub title: String,
    pub expectation: Expectation,
    pub held: bool,
    pub variants: usize,
    pub failed: usize,
    /// The first of those that failed.
    pub failures: Vec<Failure>,
    pub packets: u64,
    /// Edges of contents beyond the bound, around which nothing was cut.
    pub edges_left_out: usize,
    pub micros: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub variant: String,
    pub reason: String,
}

impl TestReport {
    pub fn variants(&self) -> usize {
        self.scenarios.iter().map(|s| s.variants).sum()
    }

    /// The first scenario that did not hold, in one line.
    pub fn first_failure(&self) -> Option<String> {
        let scenario = self.scenarios.iter().find(|scenario| !scenario.held)?;
        let failure = scenario.failures.first()?;
        Some(format!(
            "{}: {} ({})",
            scenario.name, failure.reason, failure.variant
        ))
    }
}

impl ScenarioReport {
    /// Headings of [`Self::row`].
    pub const COLUMNS: [&'static str; 6] =
        ["scenario", "must", "held", "variants", "packets", "ms"];

    /// One line of a table.
    pub fn row(&self) -> [String; 6] {
        let must = match self.expectation {
            Expectation::Stopped => "be stopped",
            Expectation::Untouched => "pass",
        };
        let held = match self.failed {
            0 => "yes".to_owned(),
            failed => format!("no, {failed} of {} failed", self.variants),
        };
        let variants = match self.edges_left_out {
            0 => self.variants.to_string(),
            n => format!("{} ({n} edges left out)", self.variants),
        };
        [
            self.name.clone(),
            must.to_owned(),
            held,
            variants,
            self.packets.to_string(),
            format!("{}.{}", self.micros / 1_000, self.micros % 1_000 / 100),
        ]
    }

    pub(super) fn fail(&mut self, variant: String, reason: String) {
        self.held = false;
        self.failed += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(Failure { variant, reason });
        }
    }
}
