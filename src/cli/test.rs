//! `stopgap test`: plays every patch's scenarios past the engine.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::style::{ERROR, FAINT, GOOD, STRONG};
use super::{Outcome, Result, report};
use crate::detect::CompileOptions;
use crate::pack::{self, LoadedPack, Refusal, ScenarioReport, TestReport, find_packs, test_patch};
use crate::reload::patch_engines;
use crate::signature::{Classes, Diagnostic, Variables};

/// Play every patch's attack and benign scenarios.
///
/// Each scenario is sent in many ways: whole, byte by byte, cut around each content, reversed,
/// retransmitted. Every attack must be stopped and every look-alike pass, each time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pack, or a folder of packs.
    #[arg(required = true, value_name = "PACK")]
    packs: Vec<PathBuf>,
    /// One JSON object with every scenario's result.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct Results {
    held: bool,
    variants: usize,
    patches: Vec<TestReport>,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    patch: String,
    reason: String,
    diagnostics: Vec<Diagnostic>,
}

pub fn run(args: Args) -> Result {
    let mut results = Results::default();
    for folder in &args.packs {
        for folder in find_packs(folder).map_err(|d| super::failure_of(&d))? {
            let limits = pack::Limits::default();
            let (variables, classes) = (Variables::default(), Classes::default());
            let loaded = pack::load(&folder, &limits, &variables, &classes)
                .map_err(|d| super::failure_of(&d))?;
            results.play(loaded, args.json);
        }
    }
    results.held = results.refused.is_empty() && results.patches.iter().all(|p| p.held);
    results.variants = results.patches.iter().map(TestReport::variants).sum();
    if args.json {
        println!("{}", serde_json::to_string(&results)?);
    } else {
        results.print_end();
    }
    Ok(if results.held {
        Outcome::Holds
    } else {
        Outcome::DoesNotHold
    })
}

impl Results {
    fn play(&mut self, pack: LoadedPack, json: bool) {
        let bar = progress(pack.patches.len());
        for patch in &pack.patches {
            bar.set_message(patch.id().to_owned());
            let engines = patch_engines(patch, &pack.manifest, &CompileOptions::default());
            let report = test_patch(patch, &engines);
            if !json {
                bar.suspend(|| print_report(&report));
            }
            self.patches.push(report);
            bar.inc(1);
        }
        bar.finish_and_clear();
        for refusal in pack.refused {
            self.refuse(refusal, json);
        }
    }

    fn refuse(&mut self, refusal: Refusal, json: bool) {
        if !json {
            let colour = std::io::stderr().is_terminal();
            for diagnostic in &refusal.diagnostics {
                anstream::eprintln!("{}\n", diagnostic.render(colour));
            }
            anstream::eprintln!(
                "{ERROR}patch {} is refused:{ERROR:#} {}",
                refusal.patch,
                refusal.reason
            );
        }
        self.refused.push(Refused {
            patch: refusal.patch,
            reason: refusal.reason,
            diagnostics: refusal.diagnostics,
        });
    }

    fn print_end(&self) {
        let scenarios = self.patches.iter().flat_map(|p| &p.scenarios);
        let failed = scenarios.clone().filter(|s| !s.held).count();
        let style = if self.held { GOOD } else { ERROR };
        anstream::println!(
            "{style}{} patches, {} scenarios, {} variants: {failed} scenarios do not hold, {} patches refused{style:#}",
            self.patches.len(),
            scenarios.count(),
            self.variants,
            self.refused.len()
        );
    }
}

/// Shown where standard error is a terminal.
fn progress(patches: usize) -> ProgressBar {
    let bar = ProgressBar::new(patches as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn print_report(report: &TestReport) {
    let style = if report.held { GOOD } else { ERROR };
    let word = if report.held {
        "holds"
    } else {
        "does not hold"
    };
    anstream::println!(
        "{STRONG}{}{STRONG:#} {style}{word}{style:#} {FAINT}{} variants, {} ms{FAINT:#}",
        report.patch,
        report.variants(),
        report.micros / 1000
    );
    let mut table = report::table(ScenarioReport::COLUMNS);
    for scenario in &report.scenarios {
        table.add_row(scenario.row());
    }
    println!("{table}");
    for scenario in report.scenarios.iter().filter(|s| !s.held) {
        for failure in &scenario.failures {
            anstream::println!(
                "{ERROR}{}{ERROR:#} {}: {}",
                scenario.name,
                failure.variant,
                failure.reason
            );
        }
    }
}
