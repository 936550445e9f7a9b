//! Measurements that need a process of their own: what was allocated before would blur them.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use stopgap::reload::{Builder, Holds, Strictness};

use crate::Fallible;
use crate::engine::{self, Engine};
use crate::traffic;

/// What a flow has done before it lies idle.
pub const LIVES: [(&str, &str); 2] = [
    ("handshake", "handshake only"),
    ("exchange", "a request and its response"),
];

/// So long after its last packet every flow of a million has come to rest.
const IDLE_SECS: u64 = 120;

/// Runs one measurement in a process of its own: the numbers that it prints.
pub fn ask(what: &[&str]) -> Fallible<Vec<f64>> {
    let said = Command::new(std::env::current_exe()?)
        .arg("--alone")
        .args(what)
        // What is freed goes back to the kernel now, and not with one of the next packets.
        .env("MIMALLOC_PURGE_DELAY", "0")
        .output()?;
    let text = String::from_utf8_lossy(&said.stdout);
    if !said.status.success() {
        let error = String::from_utf8_lossy(&said.stderr);
        return Err(format!("{}: {text}{error}", what.join(" ")).into());
    }
    let numbers = text.split_whitespace().map(str::parse);
    Ok(numbers.collect::<Result<_, _>>()?)
}

pub fn measure(what: &[String]) -> Fallible<()> {
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    let numbers = match what[..] {
        ["load", rules] => load(Path::new(rules), None)?,
        ["load", rules, cache] => load(Path::new(rules), Some(Path::new(cache)))?,
        ["reload", rules, patch] => reload(Path::new(rules), Path::new(patch))?,
        ["flows", flows, life] => vec![bytes_per_flow(flows.parse()?, life)?],
        _ => return Err(format!("nothing is measured by `{}`", what.join(" ")).into()),
    };
    let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
    println!("{}", numbers.join(" "));
    Ok(())
}

/// Bytes of memory that the kernel counts for this process: now, or at most so far.
fn resident(field: &str) -> Fallible<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
    Ok(kib
        .ok_or("no such field in /proc/self/status")?
        .parse::<f64>()?
        * 1024.0)
}

/// Seconds, bytes at most, bytes that stay, and signatures.
fn load(rules: &Path, cache: Option<&Path>) -> Fallible<Vec<f64>> {
    let started = Instant::now();
    let mut builder = Builder::new(engine::sources(Some(rules), cache), Holds::default());
    let built = builder.build(Strictness::Start)?;
    let seconds = started.elapsed().as_secs_f64();
    let peak = resident("VmHWM")?;
    // A worker takes it up: what compiling needed can go by then.
    let signatures = built.summary.signatures as f64;
    let _engine = Engine::new(built.ruleset, 1024);
    Ok(vec![seconds, peak, resident("VmRSS")?, signatures])
}

/// Seconds until a patch is in a ruleset on top of the rules, and by how much the peak of memory rose.
fn reload(rules: &Path, patch: &Path) -> Fallible<Vec<f64>> {
    let mut sources = engine::sources(Some(rules), None);
    sources.rules.push(stopgap::reload::RulesFile::whole(patch));
    std::fs::write(patch, "")?;
    let mut builder = Builder::new(sources, Holds::default());
    let built = builder.build(Strictness::Start)?;
    let before = resident("VmHWM")?;
    std::fs::write(
        patch,
        "drop http any any -> any any (http.uri; content:\"/pushed/by/bench\"; sid:1999999999;)\n",
    )?;
    let started = Instant::now();
    let pushed = builder.build(Strictness::Whole)?;
    let seconds = started.elapsed().as_secs_f64();
    if pushed.summary.signatures != built.summary.signatures + 1 {
        return Err("the pushed patch is not in the ruleset".into());
    }
    Ok(vec![seconds, resident("VmHWM")? / before])
}

/// Bytes that an idle flow costs, by what the kernel gave: table, index and all that it owns.
fn bytes_per_flow(flows: u32, life: &str) -> Fallible<f64> {
    let mut engine = Engine::new(engine::ruleset(None)?, flows as usize);
    let connection = traffic::keep_alive();
    // So that what a worker needs whatever it does is there before.
    engine.open(&connection, 80, 64);
    engine.exchange(&connection, 80, 64, 0..64);
    let before = resident("VmRSS")?;
    engine.open(&connection, 81, flows - 64);
    if life == "exchange" {
        engine.exchange(&connection, 81, flows - 64, 0..u64::from(flows - 64));
    }
    engine.wait(IDLE_SECS);
    if engine.flows() != flows as usize || engine.dropped() > 0 {
        return Err("flows were lost, or packets dropped".into());
    }
    Ok((resident("VmRSS")? - before) / f64::from(flows - 64))
}
