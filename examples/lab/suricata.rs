//! The peer: Suricata on the same queue, set up to do the same work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::eve::{self, find};
use crate::support::netns::Lab;
use crate::support::process::{self, Running, command_in};
use crate::support::{Fallible, wait_for};

const QUEUE: &str = "0";
/// Loading a thousand rules takes it a second or two.
const START: Duration = Duration::from_secs(90);

/// The shipped configuration, but: it writes what Stopgap writes and no more, inspects streams to the
/// same depth, and never lets a packet by unseen.
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
        - drop
        - flow
        - stats:
            totals: yes
";

#[derive(Debug)]
pub struct Suricata {
    process: Running,
    logs: PathBuf,
}

impl Suricata {
    /// Inspects so many bytes of each stream; all of them where that is 0.
    pub fn start(lab: &Lab, rules: &Path, depth_bytes: u64, cpu: usize) -> Fallible<Self> {
        let logs = lab.folder().join("suricata");
        fs::create_dir_all(&logs)?;
        let config = logs.join("suricata.yaml");
        fs::write(&config, CONFIG)?;
        for tool in ["iptables", "ip6tables"] {
            let rule = ["-I", "FORWARD", "-j", "NFQUEUE", "--queue-num", QUEUE];
            let done = lab.gateway_runs(tool, &rule, Duration::from_secs(5))?;
            if done.code() != 0 {
                return Err(format!("{tool}: {}", done.text()).into());
            }
        }
        let mut command = command_in(&lab.gateway(), "taskset");
        command
            .args(["-c", &cpu.to_string(), "suricata", "-q", QUEUE])
            .args(["--runmode", "workers", "-k", "none"])
            .args(["--set", &format!("stream.reassembly.depth={depth_bytes}")])
            .args(["--set", "stream.bypass=no", "--set", "nfq.fail-open=no"])
            .arg("-c")
            .arg(&config)
            .arg("-S")
            .arg(rules)
            .arg("-l")
            .arg(&logs);
        let mut process = Running::start(&mut command, lab.folder(), "suricata")?;
        let started = wait_for(START, || {
            let log = fs::read_to_string(logs.join("suricata.log")).unwrap_or_default();
            let up = log.contains("Engine started") || process.stdout().contains("Engine started");
            match up {
                true => Some(true),
                false => process.exit_status().map(|_| false),
            }
        });
        match started {
            Some(true) => Ok(Self { process, logs }),
            _ => Err(format!(
                "suricata did not start: {}{}",
                process.stdout(),
                process.stderr()
            )
            .into()),
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A clean end; what it says it has scanned, and its alerts.
    pub fn stop(mut self, lab: &Lab) -> Fallible<(String, f64)> {
        self.process.signal(libc::SIGINT);
        self.process.wait(Duration::from_secs(30));
        for tool in ["iptables", "ip6tables"] {
            lab.gateway_runs(tool, &["-F", "FORWARD"], Duration::from_secs(5))?;
        }
        let events = eve::read(&self.logs.join("eve.json"));
        let last = events.iter().rev().find(|e| e.kind() == "stats");
        let stats = &last.ok_or("suricata wrote no statistics")?.0;
        let number = |pointer: &str| {
            stats
                .pointer(pointer)
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0)
        };
        let alerts = number("/stats/detect/alert");
        let said = format!(
            "{} packets, {} bytes decoded, {} streams reached the depth, {} reassembly gaps, rules loaded {}, \
             failed {}, alerts {}",
            number("/stats/decoder/pkts"),
            number("/stats/decoder/bytes"),
            number("/stats/tcp/stream_depth_reached"),
            number("/stats/tcp/reassembly_gap"),
            find(stats, "rules_loaded")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0),
            find(stats, "rules_failed")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or(0),
            alerts,
        );
        Ok((said, alerts as f64))
    }
}

/// Its version, as it says it.
pub fn version() -> Fallible<String> {
    let said = process::run(Command::new("suricata").arg("-V"), Duration::from_secs(5))?;
    Ok(said.stdout.trim().to_owned())
}
