//! Instructions for each packet, of four workloads: a slowdown shows on any machine, however busy.
//!
//! The program as it ships (`STOPGAP_BIN`, a release build) replays each workload under valgrind's
//! callgrind, which counts only inside of `Worker::process`; once short and once three times as
//! long. What the two runs differ in is steady work: loading, first packets of a kind and room that
//! is taken once fall out of it. The counts are held against `expected.toml`, which belongs to the
//! release profile of `Cargo.toml`, its compiler, and processors with AVX2. `./dev counts --bless`
//! writes it anew.

// Of the generator, this uses its own part.
#[allow(dead_code)]
#[path = "../support/random.rs"]
mod random;
mod rules;
mod workloads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use workloads::{WORKLOADS, Workload};

/// More instructions than expected, in percent, that are no slowdown: keys of hash tables are
/// drawn anew at each start.
const TOLERANCE_PERCENT: f64 = 3.0;

const FUNCTION: &str = "*Worker::process";

fn expected_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counts/expected.toml")
}

/// The program to count, and why there is none.
fn program() -> Result<PathBuf, String> {
    if cfg!(not(target_arch = "x86_64")) {
        return Err("the expected counts are of x86-64".to_owned());
    }
    #[cfg(target_arch = "x86_64")]
    if !std::is_x86_feature_detected!("avx2") {
        return Err("the expected counts are of processors with AVX2".to_owned());
    }
    let program = std::env::var_os("STOPGAP_BIN")
        .ok_or("STOPGAP_BIN names no release build of the program")?;
    let valgrind = Command::new("valgrind").arg("--version").output();
    if !valgrind.is_ok_and(|said| said.status.success()) {
        return Err("valgrind is not installed".to_owned());
    }
    Ok(program.into())
}

/// Instructions inside of `Worker::process` while `packets` are replayed.
fn instructions(program: &Path, folder: &Path, packets: &[Vec<u8>]) -> u64 {
    let capture = folder.join("traffic.pcap");
    workloads::write(&capture, packets);
    let said = Command::new("valgrind")
        .args(["--tool=callgrind", "--error-exitcode=99"])
        .arg(format!("--toggle-collect={FUNCTION}"))
        .arg(format!(
            "--callgrind-out-file={}",
            folder.join("out").display()
        ))
        .arg(program)
        .arg("replay")
        .arg(&capture)
        .arg("--packs")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures"))
        .arg("--rules")
        .arg(folder.join("seed.rules"))
        .arg("--log-dir")
        .arg(folder.join("log"))
        .output()
        .expect("valgrind starts");
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}");
    // Traffic that was blocked would be counted as if it cost nothing.
    let summary = format!("{} packets, ", packets.len());
    assert!(
        out.contains(&summary) && out.contains(" 0 alerts, 0 drops, "),
        "all of it is forwarded without an alert: {out}{err}"
    );
    err.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind tells no count: {err}"))
}

/// Instructions for each packet of the rounds that the longer run has more.
fn per_packet(program: &Path, workload: &Workload) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the run");
    std::fs::write(folder.path().join("seed.rules"), rules::text()).expect("the folder is ours");
    let [short, long] = [1, 3].map(|times| {
        let packets = workload.packets(times * workload.rounds);
        let count = instructions(program, folder.path(), &packets);
        assert!(count > 0, "{FUNCTION} is a function of the program");
        (count, packets.len() as u64)
    });
    (long.0 - short.0) as f64 / (long.1 - short.1) as f64
}

fn bless(counts: &BTreeMap<&str, u64>) {
    let mut text = String::from(
        "# Instructions for each packet in Worker::process. Written by `./dev counts --bless`.\n",
    );
    for (name, count) in counts {
        text.push_str(&format!("{name} = {count}\n"));
    }
    std::fs::write(expected_path(), text).expect("the file of the expected counts can be written");
}

#[test]
fn no_packet_costs_more_instructions_than_it_did() {
    let program = match program() {
        Ok(program) => program,
        Err(reason) => {
            let required = std::env::var_os("STOPGAP_REQUIRE_LIVE").is_some_and(|v| v == "1")
                && cfg!(target_arch = "x86_64");
            assert!(!required || reason.contains("AVX2"), "{reason}");
            println!("skipped: {reason}");
            return;
        }
    };
    let text = std::fs::read_to_string(expected_path()).unwrap_or_default();
    let expected: BTreeMap<String, u64> =
        toml::from_str(&text).expect("expected.toml has a count for each workload");
    // Two at a time: each run has one thread that works.
    let counts: BTreeMap<&str, u64> = WORKLOADS
        .chunks(2)
        .flat_map(|two| {
            std::thread::scope(|scope| {
                let runs = two.iter().map(|workload| {
                    let program = &program;
                    scope.spawn(move || {
                        (workload.name, per_packet(program, workload).round() as u64)
                    })
                });
                let runs: Vec<_> = runs.collect();
                runs.into_iter()
                    .map(|run| run.join().expect("the workload is counted"))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut slower = Vec::new();
    println!("instructions for each packet  expected   change");
    for workload in WORKLOADS {
        let count = counts[workload.name];
        let (before, change) = match expected.get(workload.name) {
            Some(&before) => (
                before.to_string(),
                100.0 * (count as f64 / before as f64 - 1.0),
            ),
            None => ("-".to_owned(), f64::INFINITY),
        };
        println!(
            "{:<16}{count:>13}{before:>10}{change:>+8.1} %  {}",
            workload.name, workload.title
        );
        if change > TOLERANCE_PERCENT {
            slower.push(workload.name);
        } else if change < -TOLERANCE_PERCENT {
            println!(
                "{}: cheaper; `./dev counts --bless` keeps it so",
                workload.name
            );
        }
    }
    if std::env::var_os("STOPGAP_BLESS").is_some() {
        bless(&counts);
        return;
    }
    assert!(
        slower.is_empty(),
        "a packet of {slower:?} costs over {TOLERANCE_PERCENT} % more than expected; \
         if that is wanted, `./dev counts --bless` writes {}",
        expected_path().display()
    );
}
