//! Stopgap beside Suricata: same namespaces, same core, same rules, one run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::Fallible;
use crate::support::daemon::{self, Daemon, Setup};
use crate::support::eve::find;
use crate::support::load::{self, Wrk};
use crate::support::netns::{ClientSide, Family, Lab};
use crate::support::nginx::{self, Nginx, Purpose};
use crate::support::process;
use crate::suricata::{self, Suricata};

/// Both inspectors run here and nowhere else; clients and servers go where the kernel puts them.
const INSPECTOR_CPU: usize = 1;

const MEASURES: [(&str, Better); 7] = [
    ("iperf3, Gbit/s", Better::Higher),
    ("keep-alive 100 B, requests/s", Better::Higher),
    ("keep-alive 100 B, p99 ms", Better::Lower),
    ("new connections, requests/s", Better::Higher),
    ("new connections, p99 ms", Better::Lower),
    ("133 KB, requests/s", Better::Higher),
    ("133 KB, p99 ms", Better::Lower),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    Lower,
}

type Figures = [f64; MEASURES.len()];

pub fn run(rules: &Path, seconds: u32, rounds: u32, only: &[String]) -> Fallible<()> {
    if std::thread::available_parallelism()?.get() <= INSPECTOR_CPU {
        return Err("this needs at least two cores".into());
    }
    let folder = tempfile::tempdir()?;
    let wants = |name: &str| only.iter().any(|o| o == name);
    let subset = match wants("stopgap") {
        true => loaded_subset(rules, folder.path())?,
        false => rules.to_owned(),
    };
    if wants("suricata") {
        println!("peer: {}", suricata::version()?);
    }
    println!(
        "NFQUEUE, one inspecting core (CPU {INSPECTOR_CPU}), {} rules for both, no bypass, streams inspected to \
         their end, client outside HOME_NET; median of {rounds} rounds of {seconds} s\n",
        rule_lines(&subset)?
    );

    let mut results: Vec<(&str, Vec<Figures>)> = Vec::new();
    for round in 1..=rounds {
        for name in ["none", "suricata", "stopgap"] {
            if !wants(name) {
                continue;
            }
            let figures = one_round(name, &subset, seconds)?;
            println!(
                "round {round}, {name}: {}",
                figures.map(|f| format!("{f:.2}")).join(" ")
            );
            match results.iter_mut().find(|(n, _)| *n == name) {
                Some((_, all)) => all.push(figures),
                None => results.push((name, vec![figures])),
            }
        }
    }
    print_table(&results);
    Ok(())
}

fn one_round(name: &str, rules: &Path, seconds: u32) -> Fallible<Figures> {
    // A fresh path for each, so that none inherits another's state.
    let lab = Lab::with_client(ClientSide::Benchmark)?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    match name {
        "suricata" => {
            let inspector = Suricata::start(&lab, rules, INSPECTOR_CPU)?;
            let figures = measure(&lab, seconds)?;
            println!("  suricata: {}", inspector.stop(&lab)?);
            Ok(figures)
        }
        "stopgap" => {
            let setup = Setup {
                queues: 1,
                wrapper: ["taskset", "-c", &INSPECTOR_CPU.to_string()]
                    .map(str::to_owned)
                    .into(),
                ..Setup::with_rules(rules)
            };
            let inspector = Daemon::start(&lab, &setup)?;
            let figures = measure(&lab, seconds)?;
            let stats = inspector.stats()?;
            let number = |name: &str| find(&stats, name).and_then(Value::as_u64).unwrap_or(0);
            println!(
                "  stopgap: {} packets, {} bytes received, {} bytes inspected, {} beyond the depth, alerts {}",
                number("received_packets"),
                number("received_bytes"),
                number("inspected_bytes"),
                number("beyond_depth_bytes"),
                number("alerts"),
            );
            inspector.stop()?;
            Ok(figures)
        }
        _ => measure(&lab, seconds),
    }
}

fn measure(lab: &Lab, seconds: u32) -> Fallible<Figures> {
    let iperf = load::iperf3(lab, Family::V4, seconds, None)?;
    let wrk = |page: &str, connections: u32, new_connections: bool| -> Fallible<_> {
        let result = Wrk {
            url: format!("http://{}/{page}", lab.authority(Family::V4, nginx::PORT)),
            connections,
            seconds,
            new_connections,
            cpu: None,
        }
        .run(lab)?;
        if result.failed > 0 {
            println!("  {} requests failed ({page})", result.failed);
        }
        Ok(result)
    };
    let keep_alive = wrk("", 32, false)?;
    let new = wrk("", 32, true)?;
    let big = wrk("big", 16, false)?;
    Ok([
        iperf,
        keep_alive.requests_per_second,
        keep_alive.p99_ms,
        new.requests_per_second,
        new.p99_ms,
        big.requests_per_second,
        big.p99_ms,
    ])
}

/// Writes the rules whose sids `stopgap check` loads to a file of their own.
fn loaded_subset(rules: &Path, folder: &Path) -> Fallible<PathBuf> {
    let said = process::run(
        Command::new(daemon::binary())
            .args(["check", "--json", "--rules"])
            .arg(rules),
        Duration::from_secs(120),
    )?;
    let report: Value = serde_json::from_str(&said.stdout)
        .map_err(|e| format!("`stopgap check --json`: {e}: {}", said.text()))?;
    let loaded = loaded_sids(&report);
    let text = fs::read_to_string(rules)?;
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| rule_sid(line).is_some_and(|sid| loaded.contains(&sid)))
        .collect();
    if kept.is_empty() {
        return Err("`stopgap check` loads none of the rules".into());
    }
    let subset = folder.join("subset.rules");
    fs::write(&subset, kept.join("\n") + "\n")?;
    Ok(subset)
}

/// The report's `loaded` list: sids, or objects that have one.
fn loaded_sids(report: &Value) -> BTreeSet<u64> {
    let list = find(report, "loaded").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|item| item.as_u64().or_else(|| find(item, "sid")?.as_u64()))
        .collect()
}

fn rule_sid(line: &str) -> Option<u64> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let (_, rest) = line.rsplit_once("sid:")?;
    rest.split(';').next()?.trim().parse().ok()
}

fn rule_lines(file: &Path) -> Fallible<usize> {
    let text = fs::read_to_string(file)?;
    Ok(text.lines().filter(|line| rule_sid(line).is_some()).count())
}

fn median(all: &[Figures], at: usize) -> f64 {
    let mut values: Vec<f64> = all.iter().map(|figures| figures[at]).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print_table(results: &[(&str, Vec<Figures>)]) {
    print!("\n{:32}", "");
    for (name, _) in results {
        let title = if *name == "none" {
            "plain forwarding"
        } else {
            name
        };
        print!("{title:>18}");
    }
    println!("{:>20}", "stopgap : suricata");
    for (at, (measure, better)) in MEASURES.iter().enumerate() {
        print!("{measure:32}");
        for (_, all) in results {
            print!("{:>18.2}", median(all, at));
        }
        let of = |name: &str| {
            let (_, all) = results.iter().find(|(n, _)| *n == name)?;
            Some(median(all, at))
        };
        match (of("stopgap"), of("suricata")) {
            (Some(ours), Some(theirs)) if *better == Better::Higher => {
                println!("{:>19.2}x", ours / theirs);
            }
            (Some(ours), Some(theirs)) => println!("{:>19.2}x", theirs / ours),
            _ => println!("{:>20}", "-"),
        }
    }
    println!("\nA ratio above 1 is in Stopgap's favour; for latencies it is turned over.");
}
