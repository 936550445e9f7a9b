//! Both engines over one capture, and what they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::eve::{self, Event};
use crate::support::{Fallible, process};

/// Suricata takes ten seconds or so to load a large set.
const WITHIN: Duration = Duration::from_secs(600);

/// The shipped configuration, but that only alerts are written.
const CONFIG: &str = "%YAML 1.1
---
include: /etc/suricata/suricata.yaml
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types:
        - alert
";

/// What both are given.
pub struct Setup<'a> {
    pub capture: &'a Path,
    pub rules: &'a Path,
    pub variables: &'a [String],
    pub settings: &'a [String],
}

/// Group and number of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sid {
    pub gid: u64,
    pub sid: u64,
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gid {
            1 => write!(f, "{}", self.sid),
            gid => write!(f, "{gid}:{}", self.sid),
        }
    }
}

#[derive(Debug, Default)]
struct Told {
    message: String,
    count: usize,
    /// Both ends, the lesser one first.
    flows: BTreeSet<[String; 2]>,
}

/// The alerts of one run, by rule.
#[derive(Debug, Default)]
pub struct Alerts(BTreeMap<Sid, Told>);

impl Alerts {
    fn read(log: &Path) -> Self {
        let mut alerts = Self::default();
        for event in eve::read(log).iter().filter(|e| e.kind() == "alert") {
            let Some(sid) = event.number("/alert/signature_id") else {
                continue;
            };
            let gid = event.number("/alert/gid").unwrap_or(1);
            let told = alerts.0.entry(Sid { gid, sid }).or_default();
            event.text("/alert/signature").clone_into(&mut told.message);
            told.count += 1;
            let mut ends = [end(event, "src"), end(event, "dest")];
            ends.sort_unstable();
            told.flows.insert(ends);
        }
        alerts
    }

    pub fn sids(&self) -> impl Iterator<Item = Sid> {
        self.0.keys().copied()
    }

    pub fn total(&self) -> usize {
        self.0.values().map(|told| told.count).sum()
    }

    pub fn count(&self, sid: Sid) -> usize {
        self.0.get(&sid).map_or(0, |told| told.count)
    }

    pub fn flows(&self, sid: Sid) -> usize {
        self.0.get(&sid).map_or(0, |told| told.flows.len())
    }

    pub fn message(&self, sid: Sid) -> Option<&str> {
        self.0.get(&sid).map(|told| told.message.as_str())
    }
}

fn end(event: &Event, which: &str) -> String {
    let address = event.text(&format!("/{which}_ip"));
    let port = event.number(&format!("/{which}_port")).unwrap_or(0);
    format!("{address} {port}")
}

pub fn suricata(setup: &Setup<'_>) -> Fallible<Alerts> {
    let logs = tempfile::tempdir()?;
    let config = logs.path().join("suricata.yaml");
    std::fs::write(&config, CONFIG)?;
    let mut command = Command::new("suricata");
    command
        .args(["-k", "none", "--runmode=single"])
        .args(["--set", "stream.reassembly.randomize-chunk-size=no"])
        .arg("-c")
        .arg(&config)
        .arg("-r")
        .arg(setup.capture)
        .arg("-S")
        .arg(setup.rules)
        .arg("-l")
        .arg(logs.path());
    for variable in setup.variables {
        let group = match variable.split_once('=') {
            Some((name, _)) if name.ends_with("_PORTS") => "port-groups",
            Some(_) => "address-groups",
            None => return Err(format!("{variable}: write NAME=VALUE").into()),
        };
        command.arg("--set").arg(format!("vars.{group}.{variable}"));
    }
    for setting in setup.settings {
        command.arg("--set").arg(setting);
    }
    let done = process::run(&mut command, WITHIN)?;
    if done.code() != 0 {
        return Err(format!("suricata: {}", done.text()).into());
    }
    Ok(Alerts::read(&logs.path().join("eve.json")))
}

pub fn stopgap(setup: &Setup<'_>) -> Fallible<Alerts> {
    let logs = tempfile::tempdir()?;
    let mut command = program();
    command
        .arg("replay")
        .arg(setup.capture)
        .arg("--rules")
        .arg(setup.rules)
        .args(["--mode", "detect", "--log-dir"])
        .arg(logs.path());
    variables(&mut command, setup);
    let done = process::run(&mut command, WITHIN)?;
    if done.code() != 0 {
        return Err(format!("stopgap replay: {}", done.text()).into());
    }
    Ok(Alerts::read(&logs.path().join("eve.json")))
}

/// The rules that Stopgap loads.
pub fn loaded(setup: &Setup<'_>) -> Fallible<BTreeSet<Sid>> {
    let mut command = program();
    command
        .args(["check", "--json", "--rules"])
        .arg(setup.rules);
    variables(&mut command, setup);
    let done = process::run(&mut command, WITHIN)?;
    let findings: Value = serde_json::from_str(&done.stdout)
        .map_err(|e| format!("stopgap check: {e}: {}", done.stderr))?;
    let ids = findings["loaded"]
        .as_array()
        .ok_or("stopgap check lists nothing")?;
    let id = |value: &Value| {
        Some(Sid {
            gid: value["gid"].as_u64()?,
            sid: value["sid"].as_u64()?,
        })
    };
    Ok(ids.iter().filter_map(id).collect())
}

fn program() -> Command {
    let path =
        std::env::var_os("STOPGAP_BIN").map_or("target/release/stopgap".into(), PathBuf::from);
    Command::new(path)
}

fn variables(command: &mut Command, setup: &Setup<'_>) {
    for variable in setup.variables {
        command.arg("--var").arg(variable);
    }
}
