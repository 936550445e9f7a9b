//! `./dev evade`: what the harness of `tests/support/evade` does, asked from the command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::support::Fallible;
use crate::support::evade::case::{Case, Kind, catalogue, parse_rows};
use crate::support::evade::layered::{self, Miss};
use crate::support::evade::overlaps::{self, Field};
use crate::support::evade::place::Tracking;
use crate::support::evade::trial::{self, Guard, Tally};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
    /// JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Whether the gateway's kernel puts fragments together first
    #[arg(long, global = true, value_enum, default_value_t = Mode::Both)]
    mode: Mode,
    /// Rows of this file instead of the catalogue's, for example one that `layered` printed
    #[arg(long, global = true)]
    rows: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Conntrack,
    Notrack,
    Both,
}

impl Mode {
    fn trackings(self) -> Vec<Tracking> {
        match self {
            Self::Conntrack => vec![Tracking::Conntrack],
            Self::Notrack => vec![Tracking::None],
            Self::Both => Tracking::BOTH.to_vec(),
        }
    }
}

#[derive(Args)]
struct Selection {
    /// Only cases whose number begins with one of these
    cases: Vec<String>,
    /// Also cases that wait longer than ten seconds
    #[arg(long)]
    slow: bool,
}

#[derive(Subcommand)]
enum What {
    /// The cases, as the catalogue has them
    List { cases: Vec<String> },
    /// Without Stopgap: each case must do what the catalogue says
    Control(Selection),
    /// With Stopgap: no marker may arrive, and the benign twins must
    Stopgap(Selection),
    /// With Stopgap weakened on purpose: the harness must find losses
    Weak(Selection),
    /// All overlaps of up to three pieces on a grid of six: nothing is read that was not inspected
    Overlaps {
        /// Pieces at most
        #[arg(long, default_value_t = 3)]
        most: usize,
        /// Only these: stream, queued, streamlost, queuedlost, fragments4, fragments6
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// With rules that see packets instead of streams: the harness must find misses
        #[arg(long)]
        weak: bool,
    },
    /// Cases drawn from seeds, an IP trick over TCP tricks
    Layered {
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
        #[arg(long, default_value_t = 1)]
        first_seed: u64,
        /// Against the weakened Stopgap, to see misses shrink
        #[arg(long)]
        weak: bool,
    },
}

pub fn run(arguments: &Arguments) -> Fallible<()> {
    let cases = match &arguments.rows {
        Some(file) => parse_rows(&fs::read_to_string(file)?)?,
        None => catalogue()?,
    };
    match &arguments.what {
        What::List { cases: only } => list(&cases, only),
        What::Control(selection) => run_catalogue(arguments, &cases, selection, None),
        What::Stopgap(selection) => {
            run_catalogue(arguments, &cases, selection, Some(Guard::Stopgap))
        }
        What::Weak(selection) => run_catalogue(arguments, &cases, selection, Some(Guard::Weak)),
        What::Overlaps { most, only, weak } => {
            let guard = if *weak { Guard::Weak } else { Guard::Stopgap };
            run_overlaps(arguments, *most, only, guard)
        }
        What::Layered {
            seeds,
            first_seed,
            weak,
        } => {
            let guard = if *weak { Guard::Weak } else { Guard::Stopgap };
            run_layered(arguments, *first_seed, *seeds, guard)
        }
    }
}

fn list(cases: &[Case], only: &[String]) -> Fallible<()> {
    let wanted = cases
        .iter()
        .filter(|case| only.is_empty() || only.iter().any(|word| case.number.starts_with(word)));
    for case in wanted {
        println!("{}", case.row());
    }
    Ok(())
}

fn run_catalogue(
    arguments: &Arguments,
    cases: &[Case],
    selection: &Selection,
    guard: Option<Guard>,
) -> Fallible<()> {
    let selected = trial::select(cases, &selection.cases, selection.slow);
    if selected.is_empty() {
        return Err("no case of the catalogue begins so".into());
    }
    let mut found: BTreeMap<&str, Value> = BTreeMap::new();
    let mut wrong = Vec::new();
    for tracking in arguments.mode.trackings() {
        let rows = trial::run(&selected, tracking, guard)?;
        let tally = Tally::of(&rows);
        if arguments.json {
            found.insert(
                tracking.name(),
                json!({"rows": trial::json_rows(&rows), "lost": tally.lost,
                       "twins_blocked": tally.blocked, "differ": tally.differ}),
            );
        } else {
            print!("{}", trial::table(&rows));
            println!("{}: {}", tracking.name(), tally.summary(guard.is_some()));
        }
        match guard {
            None if !tally.differ.is_empty() => {
                wrong.push(format!("{}: {}", tracking.name(), tally.differ.join(", ")));
            }
            Some(Guard::Stopgap) if !tally.lost.is_empty() || !tally.blocked.is_empty() => {
                wrong.push(format!(
                    "{}: lost {:?}, twins blocked {:?}",
                    tracking.name(),
                    tally.lost,
                    tally.blocked
                ));
            }
            Some(Guard::Weak) if tally.lost.is_empty() => {
                wrong.push(format!("{}: the harness saw no loss", tracking.name()));
            }
            _ => {}
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        for case in cases.iter().filter(|case| case.kind == Kind::None) {
            println!("{:6} not run: {}", case.number, case.title);
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

fn run_overlaps(arguments: &Arguments, most: usize, only: &[String], guard: Guard) -> Fallible<()> {
    let fields: Vec<Field> = Field::ALL
        .into_iter()
        .filter(|field| only.is_empty() || only.contains(&format!("{field:?}").to_lowercase()))
        .collect();
    let mut found: BTreeMap<&str, Value> = BTreeMap::new();
    let mut missed = 0;
    for tracking in arguments.mode.trackings() {
        let report = overlaps::run(&fields, most, tracking, guard)?;
        missed += report.misses.len();
        if arguments.json {
            found.insert(
                tracking.name(),
                json!({"cases": report.cases, "whole_alone": report.whole_alone,
                       "whole_with_stopgap": report.whole_guarded, "changed": report.changed,
                       "misses": report.misses}),
            );
            continue;
        }
        for miss in report.misses.iter().take(50) {
            println!("{miss}");
        }
        for (field, misses) in &report.missed_by_field {
            println!("{field}: {misses} misses");
        }
        println!(
            "{}: {} cases: in {} the server read what was not inspected; it read all of the grid in {} without \
             Stopgap and in {} with it, other bytes than without it in {}",
            tracking.name(),
            report.cases,
            report.misses.len(),
            report.whole_alone,
            report.whole_guarded,
            report.changed
        );
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    }
    match missed {
        0 => Ok(()),
        n => Err(format!("{n} overlaps were not inspected as they were read").into()),
    }
}

fn run_layered(arguments: &Arguments, first: u64, count: u64, guard: Guard) -> Fallible<()> {
    let mut found: BTreeMap<&str, Value> = BTreeMap::new();
    let mut missed = 0;
    for tracking in arguments.mode.trackings() {
        let report = layered::run(first, count, tracking, guard)?;
        missed += report.missed.len();
        let rows = |misses: &[(Miss, Case)]| -> Vec<String> {
            misses
                .iter()
                .map(|(miss, case)| format!("{miss:?} {}", case.row()))
                .collect()
        };
        if arguments.json {
            found.insert(
                tracking.name(),
                json!({"seeds": report.seeds, "landed_alone": report.landed_alone,
                       "missed": rows(&report.missed), "shrunk": rows(&report.shrunk)}),
            );
            continue;
        }
        for (miss, case) in &report.missed {
            println!("{miss:?}: {} ({})", case.title, case.families[0].name());
        }
        for row in rows(&report.shrunk) {
            println!("\nsmallest form: {row}");
        }
        let of = |kind| {
            report
                .missed
                .iter()
                .filter(|(miss, _)| *miss == kind)
                .count()
        };
        println!(
            "{}: {} seeds: {} lost, {} twins blocked; without Stopgap {} attacks landed, {} twins arrived whole",
            tracking.name(),
            report.seeds,
            of(Miss::Lost),
            of(Miss::TwinBlocked),
            report.landed_alone,
            report.twins_alone
        );
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    }
    match missed {
        0 => Ok(()),
        n => Err(format!("{n} seeds missed").into()),
    }
}
