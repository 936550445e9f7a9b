//! `./dev parity`: the same capture and rules through Suricata and through Stopgap, and which alerts differ.
//!
//! Both see a flow's packets in the capture's order, ignore checksums and do not pick up flows midstream;
//! Stopgap only looks on, as Suricata does. Suricata's chunk sizes are not randomised, so that its counts
//! are the same each time.

#[path = "../../tests/support/mod.rs"]
mod support;

mod engines;
mod explained;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use comfy_table::{ContentArrangement, Table, presets};

use engines::{Alerts, Setup, Sid};
use explained::Explanations;
use support::Fallible;

#[derive(Parser)]
#[command(
    name = "./dev parity",
    about = "Which alerts differ between Suricata and Stopgap"
)]
struct Arguments {
    /// A pcap file
    capture: PathBuf,
    /// A rules file; both load what they can
    rules: PathBuf,
    /// An address or port variable of both, such as HOME_NET=any. Repeatable
    #[arg(long = "var", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// A setting of Suricata's alone, to find out what a difference comes from. Repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Differences that are understood
    #[arg(
        long,
        value_name = "FILE",
        default_value = "examples/parity/explained.toml"
    )]
    explained: PathBuf,
    /// Show rules that do not differ, too
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("parity: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether every difference is explained, and every explanation still needed.
fn run(arguments: &Arguments) -> Fallible<bool> {
    let explanations = Explanations::load(&arguments.explained)?;
    let setup = Setup {
        capture: &arguments.capture,
        rules: &arguments.rules,
        variables: &arguments.variables,
        settings: &arguments.settings,
    };
    let suricata = engines::suricata(&setup)?;
    let stopgap = engines::stopgap(&setup)?;
    let loaded = engines::loaded(&setup)?;

    let sids: BTreeSet<Sid> = suricata.sids().chain(stopgap.sids()).collect();
    let capture = arguments.capture.file_name().unwrap_or_default();
    let mut known = explanations.of(&capture.to_string_lossy(), &arguments.variables);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "sid",
            "message",
            "Suricata",
            "Stopgap",
            "flows",
            "flows",
            "explanation",
        ]);
    let (mut alike, mut unexplained) = (0, 0);
    for &sid in &sids {
        let counts = (suricata.count(sid), stopgap.count(sid));
        let differs = counts.0 != counts.1;
        let reason = match known.take(sid, counts) {
            _ if !differs => String::new(),
            Some(reason) => reason.to_owned(),
            None => {
                unexplained += 1;
                match loaded.contains(&sid) {
                    true => "NOT EXPLAINED".to_owned(),
                    false => "NOT LOADED by Stopgap".to_owned(),
                }
            }
        };
        alike += usize::from(!differs);
        if differs || arguments.all {
            table.add_row([
                sid.to_string(),
                suricata
                    .message(sid)
                    .or(stopgap.message(sid))
                    .unwrap_or_default()
                    .to_owned(),
                counts.0.to_string(),
                counts.1.to_string(),
                suricata.flows(sid).to_string(),
                stopgap.flows(sid).to_string(),
                reason,
            ]);
        }
    }
    println!("{table}");
    let stale = known.rest();
    for entry in &stale {
        println!("no longer so: {entry}");
    }
    println!(
        "Suricata: {}; Stopgap: {}; {alike} of {} rules alike, {} differ, {unexplained} of them unexplained",
        total(&suricata),
        total(&stopgap),
        sids.len(),
        sids.len() - alike,
    );
    Ok(unexplained == 0 && stale.is_empty())
}

fn total(alerts: &Alerts) -> String {
    format!(
        "{} alerts of {} rules",
        alerts.total(),
        alerts.sids().count()
    )
}
