//! `./dev evade`: what the harness of `tests/support/evade` does, asked from the command line.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::support::Fallible;
use crate::support::evade::case::{Case, Kind, catalogue};
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
}

pub fn run(arguments: &Arguments) -> Fallible<()> {
    let cases = catalogue()?;
    match &arguments.what {
        What::List { cases: only } => list(&cases, only),
        What::Control(selection) => run_catalogue(arguments, &cases, selection, None),
        What::Stopgap(selection) => {
            run_catalogue(arguments, &cases, selection, Some(Guard::Stopgap))
        }
        What::Weak(selection) => run_catalogue(arguments, &cases, selection, Some(Guard::Weak)),
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
