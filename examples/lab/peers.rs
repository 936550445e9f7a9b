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
pub const INSPECTOR_CPU: usize = 1;

/// How long, and how often, everything is measured.
#[derive(Clone, Copy)]
pub struct Pace {
    pub seconds: u32,
    pub rounds: u32,
}

const MEASURES: [(&str, Better); 12] = [
    ("iperf3, Gbit/s", Better::Higher),
    ("  inspector, ms of CPU a Gbit", Better::Cheaper),
    ("keep-alive 100 B, requests/s", Better::Higher),
    ("  p99 ms", Better::Lower),
    ("  inspector, us of CPU a request", Better::Cheaper),
    ("new connections, requests/s", Better::Higher),
    ("  p99 ms", Better::Lower),
    ("  inspector, us of CPU a request", Better::Cheaper),
    ("133 KB, requests/s", Better::Higher),
    ("  p99 ms", Better::Lower),
    ("  inspector, us of CPU a request", Better::Cheaper),
    ("alerts", Better::Same),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Higher,
    /// What counts is how much is added to plain forwarding.
    Lower,
    /// What the inspector's process takes, in the kernel too: where clients and servers are at their
    /// limit, its speed shows here alone.
    Cheaper,
    Same,
}

type Figures = [f64; MEASURES.len()];

pub fn need_cores() -> Fallible<()> {
    match std::thread::available_parallelism()?.get() {
        cores if cores > INSPECTOR_CPU => Ok(()),
        _ => Err("this needs at least two cores".into()),
    }
}

pub fn run(rules: &Path, depth_bytes: u64, pace: Pace, only: &[String]) -> Fallible<()> {
    need_cores()?;
    let Pace { seconds, rounds } = pace;
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
        "NFQUEUE, one inspecting core (CPU {INSPECTOR_CPU}), {} rules of {} for both, no bypass, {}, client outside \
         HOME_NET; median of {rounds} rounds of {seconds} s\n",
        rule_lines(&subset)?,
        rules.file_name().unwrap_or_default().display(),
        match depth_bytes {
            0 => "streams inspected to their end".to_owned(),
            bytes => format!("{bytes} bytes of each stream inspected"),
        },
    );

    let mut results: Vec<(&str, Vec<Figures>)> = Vec::new();
    for round in 1..=rounds {
        for name in ["none", "suricata", "stopgap"] {
            if !wants(name) {
                continue;
            }
            let figures = one_round(name, &subset, depth_bytes, seconds)?;
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

fn one_round(name: &str, rules: &Path, depth_bytes: u64, seconds: u32) -> Fallible<Figures> {
    // A fresh path for each, so that none inherits another's state.
    let lab = Lab::with_client(ClientSide::Benchmark)?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    match name {
        "suricata" => {
            let inspector = Suricata::start(&lab, rules, depth_bytes, INSPECTOR_CPU)?;
            let figures = measure(&lab, seconds, Some(inspector.pid()))?;
            let (said, alerts) = inspector.stop(&lab)?;
            println!("  suricata: {said}");
            Ok(with_alerts(figures, alerts))
        }
        "stopgap" => {
            let setup = Setup {
                extra_config: depth(depth_bytes),
                ..on_one_core(Setup::with_rules(rules))
            };
            let inspector = Daemon::start(&lab, &setup)?;
            let figures = measure(&lab, seconds, Some(inspector.pid()))?;
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
            Ok(with_alerts(figures, number("alerts") as f64))
        }
        _ => measure(&lab, seconds, None),
    }
}

pub fn on_one_core(setup: Setup) -> Setup {
    Setup {
        queues: 1,
        wrapper: ["taskset", "-c", &INSPECTOR_CPU.to_string()]
            .map(str::to_owned)
            .into(),
        ..setup
    }
}

/// The setting for so many bytes of each stream; all of them where that is 0.
pub fn depth(bytes: u64) -> String {
    // The most that can be set.
    let bytes = if bytes == 0 { 1 << 40 } else { bytes };
    format!("\n[stream]\ndepth_bytes = {bytes}\n")
}

fn with_alerts(mut figures: Figures, alerts: f64) -> Figures {
    if let Some(last) = figures.last_mut() {
        *last = alerts;
    }
    figures
}

fn measure(lab: &Lab, seconds: u32, inspector: Option<u32>) -> Fallible<Figures> {
    let taken = || inspector.map_or(Ok(0.0), process::cpu_seconds);
    let before = taken()?;
    let gbits = load::iperf3(lab, Family::V4, seconds, None)?;
    let ms_a_gbit = (taken()? - before) * 1e3 / (gbits * f64::from(seconds));
    let wrk = |page: &str, connections: u32, new_connections: bool| -> Fallible<[f64; 3]> {
        let before = taken()?;
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
        let rate = result.requests_per_second;
        let us_a_request = (taken()? - before) * 1e6 / (rate * f64::from(seconds));
        Ok([rate, result.p99_ms, us_a_request])
    };
    let [keep_alive, keep_alive_p99, keep_alive_cpu] = wrk("", 32, false)?;
    let [new, new_p99, new_cpu] = wrk("", 32, true)?;
    let [big, big_p99, big_cpu] = wrk("big", 16, false)?;
    Ok([
        gbits,
        ms_a_gbit,
        keep_alive,
        keep_alive_p99,
        keep_alive_cpu,
        new,
        new_p99,
        new_cpu,
        big,
        big_p99,
        big_cpu,
        0.0,
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
    print!("\n{:36}", "");
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
        print!("{measure:36}");
        for (_, all) in results {
            print!("{:>18.2}", median(all, at));
        }
        let of = |name: &str| {
            let (_, all) = results.iter().find(|(n, _)| *n == name)?;
            Some(median(all, at))
        };
        match (of("stopgap"), of("suricata"), of("none"), better) {
            (Some(ours), Some(theirs), _, Better::Higher) => {
                println!("{:>19.2}x", ours / theirs);
            }
            (Some(ours), Some(theirs), Some(none), Better::Lower) => {
                println!(
                    "{:>20}",
                    format!("+{:.2} : +{:.2}", ours - none, theirs - none)
                );
            }
            (Some(ours), Some(theirs), _, Better::Cheaper) => {
                println!("{:>19.2}x", theirs / ours);
            }
            (Some(ours), Some(theirs), _, Better::Same) => {
                println!("{:>20}", if ours == theirs { "equal" } else { "differ" });
            }
            _ => println!("{:>20}", "-"),
        }
    }
    println!(
        "\nThroughput and CPU: above 1 is in Stopgap's favour. Latency: what each adds to plain forwarding."
    );
}
