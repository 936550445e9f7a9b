//! `./dev worst RULES CAPTURE`: the worst payload that a search finds against rules, beside ordinary traffic.

mod search;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use search::{Cost, Genome, Material, Rig, climb};
use stopgap::capture::pcap::CaptureReader;
use stopgap::decode::LinkType;
use stopgap::pipeline::{Midstream, WorkerConfig};
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::signature::{Classes, Variables, parse_bytes};
use stopgap::time::Timestamp;

/// At most so many times what ordinary traffic costs for each byte.
const MOST_TIMES: f64 = 10.0;

/// Of each measurement the fastest counts: others have the processor in between.
const TRIES: usize = 3;

const USAGE: &str = "usage: ./dev worst RULES CAPTURE [STEPS [SEED [free]]]

Searches for payloads whose bytes cost the engine the most, over HTTP and raw TCP, and compares them with
CAPTURE. Exits 1 where the worst costs more than ten times as much for each byte.

  STEPS  changes tried from each of four starts (400)
  SEED   of the search (1)
  free   without the budgets of rules and flows: what the engine alone makes of it";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (Some(rules), Some(capture)) = (args.first(), args.get(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |n| n.parse());
    let (Ok(steps), Ok(seed)) = (number(2, 400), number(3, 1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(
        rules,
        capture,
        steps,
        seed,
        args.iter().any(|a| a == "free"),
    ) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(
    rules: &str,
    capture: &str,
    steps: u64,
    seed: u64,
    free: bool,
) -> Result<bool, Box<dyn std::error::Error>> {
    let text = std::fs::read(rules)?;
    let parsed = parse_bytes(rules, &text, &Variables::default(), &Classes::default());
    let material = Material::of(parsed.signatures.iter().map(AsRef::as_ref));
    let sources = Sources {
        rules: vec![RulesFile::whole(PathBuf::from(rules))],
        ..Sources::default()
    };
    let built = Builder::new(sources, Holds::default())
        .build(Strictness::Start)
        .map_err(|_| "the rules cannot be loaded")?;
    let mut config = WorkerConfig {
        midstream: Midstream::PacketsOnly,
        ..WorkerConfig::default()
    };
    if free {
        config.rule_budget.us_per_second = 0;
        config.flow_budget_us = 0;
    }
    let started = Instant::now();
    let clock = move || started.elapsed();

    let packets = read(capture)?;
    let usual = (0..TRIES)
        .map(|_| Rig::new(config.clone(), built.ruleset.clone()).packets(&packets, &clock))
        .min_by_key(|cost| cost.time)
        .ok_or("nothing was measured")?;
    println!(
        "{:<10} {:>9} {:>9} {:>12} {:>12} {:>8}",
        "", "bytes", "packets", "ns/byte", "units/byte", "times"
    );
    row("usual", &usual, &usual);

    let mut holds = true;
    for (name, http) in [("HTTP", true), ("raw TCP", false)] {
        let mut rig = Rig::new(config.clone(), built.ruleset.clone());
        let mut measured = |genome: &Genome| {
            (0..TRIES)
                .map(|_| rig.flow(genome, &clock))
                .min_by_key(|cost| cost.time)
                .unwrap_or_default()
        };
        let steps = usize::try_from(steps)?;
        let (worst, _) = climb(&material, http, 4, steps, seed, &mut |genome| {
            measured(genome).nanos_per_byte()
        });
        let cost = measured(&worst);
        holds &= row(name, &cost, &usual) <= MOST_TIMES;
        let payload = worst.payload();
        println!(
            "  segments of {} bytes: {}",
            worst.segment,
            payload[..payload.len().min(300)].escape_ascii()
        );
        println!("  rules' part in it:");
        let mut rig = Rig::new(config.clone(), built.ruleset.clone());
        for line in rig.dearest(&worst, Box::new(clock)) {
            println!("    {line}");
        }
    }
    Ok(holds)
}

/// How many times as much as usual each byte costs.
fn row(name: &str, cost: &Cost, usual: &Cost) -> f64 {
    let times = cost.nanos_per_byte() / usual.nanos_per_byte();
    println!(
        "{name:<10} {:>9} {:>9} {:>12.2} {:>12.2} {times:>8.2}",
        cost.bytes,
        cost.packets,
        cost.nanos_per_byte(),
        cost.units_per_byte(),
    );
    times
}

type Packets = Vec<(Timestamp, LinkType, Vec<u8>)>;

fn read(capture: &str) -> Result<Packets, Box<dyn std::error::Error>> {
    let mut reader = CaptureReader::open(&PathBuf::from(capture))?;
    let mut packets = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        packets.push((frame.at, frame.link, frame.data.to_vec()));
    }
    Ok(packets)
}
