//! `stopgap blocks`: the block log as a table that a person reads at a glance.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::style::{ERROR, FAINT, STRONG, WARNING};
use super::{Failure, Outcome, Result, report};
use crate::config::Config;

/// A longer line is not one of ours; it is skipped.
const MAX_LINE_BYTES: u64 = 1024 * 1024;
const POLL: Duration = Duration::from_millis(200);

/// Show who was blocked, by which patch, and why.
///
/// One line for each flow that a patch or rule blocked, or would have blocked
/// were it not in detect mode or under an exception.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on and print new blocks as they come.
    #[arg(long, short)]
    follow: bool,
    /// Only blocks since then: 10m, 2h, 1d, or a time such as 2026-01-31T08:00:00Z.
    #[arg(long, value_name = "T", value_parser = since)]
    since: Option<Timestamp>,
    /// Only blocks by this patch.
    #[arg(long, value_name = "ID")]
    patch: Option<String>,
    /// One JSON object a line, as in the event log.
    #[arg(long)]
    json: bool,
    /// Where the event log is.
    #[arg(long, value_name = "DIR", default_value_os_t = Config::default().log.dir)]
    log_dir: PathBuf,
}

fn since(text: &str) -> std::result::Result<Timestamp, String> {
    let wrong = || {
        format!("`{text}` is neither a span such as 10m nor a time such as 2026-01-31T08:00:00Z")
    };
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let unit_at = text.len().checked_sub(1).ok_or_else(wrong)?;
    let (count, unit) = text.split_at_checked(unit_at).ok_or_else(wrong)?;
    let count: i64 = count.parse().map_err(|_| wrong())?;
    let secs = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let span = count.checked_mul(secs).ok_or_else(wrong)?;
    Timestamp::now()
        .checked_sub(SignedDuration::from_secs(span))
        .map_err(|_| wrong())
}

pub fn run(args: Args) -> Result {
    let path = args.log_dir.join("eve.json");
    let mut printer = Printer::new(&args);
    let mut log = Log::open(&path).map_err(|e| Failure(format!("{}: {e}", path.display())))?;
    log.read(|line| printer.line(line))
        .map_err(|e| Failure(format!("{}: {e}", path.display())))?;
    printer.end_of_past();
    if !args.follow {
        return Ok(Outcome::Holds);
    }
    loop {
        sleep(POLL);
        let rotated = log.rotated(&path);
        log.read(|line| printer.line(line))
            .map_err(|e| Failure(format!("{}: {e}", path.display())))?;
        if let Some(fresh) = rotated {
            log = fresh;
        }
    }
}

/// The event log, read line by line across rotations.
struct Log {
    reader: BufReader<File>,
    inode: u64,
    /// A line whose end is not written yet.
    partial: Vec<u8>,
}

impl Log {
    fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let inode = file.metadata()?.ino();
        Ok(Self {
            reader: BufReader::new(file),
            inode,
            partial: Vec::new(),
        })
    }

    fn read(&mut self, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
        loop {
            let room = MAX_LINE_BYTES.saturating_sub(self.partial.len() as u64);
            let n = (&mut self.reader)
                .take(room)
                .read_until(b'\n', &mut self.partial)?;
            if self.partial.ends_with(b"\n") {
                each(&self.partial);
                self.partial.clear();
            } else if self.partial.len() as u64 >= MAX_LINE_BYTES {
                self.partial.clear();
            } else if n == 0 {
                return Ok(());
            }
        }
    }

    /// The new file, where another stands under the name; the old one may still have lines.
    fn rotated(&mut self, path: &Path) -> Option<Self> {
        let now = std::fs::metadata(path).ok()?;
        let read = self.reader.stream_position().ok()?;
        if now.ino() != self.inode || now.len() < read {
            Self::open(path).ok()
        } else {
            None
        }
    }
}

struct Printer<'a> {
    args: &'a Args,
    /// Flow and rule already shown: one row for each.
    shown: HashSet<(u64, u64)>,
    rows: Vec<Row>,
    live: bool,
}

impl<'a> Printer<'a> {
    fn new(args: &'a Args) -> Self {
        Self {
            args,
            shown: HashSet::new(),
            rows: Vec::new(),
            live: args.follow && !args.json,
        }
    }

    fn line(&mut self, line: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let Some(row) = Row::of(&event) else {
            return;
        };
        let wanted = self.args.patch.as_ref().is_none_or(|p| *p == row.patch)
            && self
                .args
                .since
                .is_none_or(|since| row.at.is_some_and(|at| at >= since));
        if !wanted || !self.shown.insert((row.flow_id, row.sid)) {
            return;
        }
        if self.args.json {
            println!("{event}");
        } else if self.live {
            row.print_line();
        } else {
            self.rows.push(row);
        }
    }

    fn end_of_past(&mut self) {
        if self.args.json || self.live {
            return;
        }
        if self.rows.is_empty() {
            anstream::println!("{FAINT}no blocks{FAINT:#}");
            return;
        }
        let mut table = report::table(["when", "what was done", "patch", "from → to", "why"]);
        for row in &self.rows {
            table.add_row([
                row.when.clone(),
                row.done.to_owned(),
                row.patch_and_cve(),
                format!("{}\n→ {}", row.client, row.server),
                row.why(),
            ]);
        }
        anstream::println!("{table}");
        let blocked = self.rows.iter().filter(|r| r.blocked).count();
        anstream::println!(
            "{STRONG}{blocked} blocked{STRONG:#}, {} logged only",
            self.rows.len() - blocked
        );
    }
}

/// One block, as read back from the event log.
#[derive(Debug)]
struct Row {
    at: Option<Timestamp>,
    when: String,
    flow_id: u64,
    sid: u64,
    blocked: bool,
    done: &'static str,
    patch: String,
    cve: String,
    message: String,
    client: String,
    server: String,
    evidence: String,
}

impl Row {
    /// `None`: not an alert of something that blocks.
    fn of(event: &Value) -> Option<Self> {
        let alert = event.get("alert")?;
        let text = |v: &Value, key: &str| {
            v.get(key)
                .and_then(Value::as_str)
                .map(printable)
                .unwrap_or_default()
        };
        let blocked = alert.get("action").and_then(Value::as_str) == Some("blocked");
        let held_back = event.pointer("/verdict/reason").is_some();
        if !blocked && !held_back {
            return None;
        }
        let resets = event.pointer("/verdict/reject").is_some();
        let none = Value::Null;
        let patch = event.get("patch").unwrap_or(&none);
        let evidence = event.get("evidence").unwrap_or(&none);
        let timestamp = text(event, "timestamp");
        let end = |ip: &str, port: &str| {
            let ip = text(event, ip);
            match event.get(port).and_then(Value::as_u64) {
                Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
                Some(port) => format!("{ip}:{port}"),
                None => ip,
            }
        };
        let (src, dst) = (end("src_ip", "src_port"), end("dest_ip", "dest_port"));
        let to_client = event.get("direction").and_then(Value::as_str) == Some("to_client");
        let (client, server) = if to_client { (dst, src) } else { (src, dst) };
        let buffer = text(evidence, "buffer");
        Some(Self {
            at: timestamp.parse().ok(),
            when: timestamp
                .get(..19)
                .unwrap_or(&timestamp)
                .replacen('T', " ", 1),
            flow_id: event.get("flow_id").and_then(Value::as_u64).unwrap_or(0),
            sid: alert
                .get("signature_id")
                .and_then(Value::as_u64)
                .unwrap_or(0),
            blocked,
            done: match (blocked, resets) {
                (true, true) => "reset",
                (true, false) => "dropped",
                (false, _) => "logged only",
            },
            patch: text(patch, "id"),
            cve: patch
                .get("cve")
                .and_then(Value::as_array)
                .map(|ids| {
                    let ids: Vec<_> = ids
                        .iter()
                        .filter_map(Value::as_str)
                        .map(printable)
                        .collect();
                    ids.join(" ")
                })
                .unwrap_or_default(),
            message: text(alert, "signature"),
            client,
            server,
            evidence: match text(evidence, "bytes") {
                bytes if bytes.is_empty() => buffer,
                bytes => format!("{buffer}: {bytes}"),
            },
        })
    }

    fn patch_and_cve(&self) -> String {
        if self.patch.is_empty() {
            format!("rule {}", self.sid)
        } else if self.cve.is_empty() {
            self.patch.clone()
        } else {
            format!("{}\n{}", self.patch, self.cve)
        }
    }

    fn why(&self) -> String {
        if self.evidence.is_empty() {
            self.message.clone()
        } else {
            format!("{}\n{}", self.message, self.evidence)
        }
    }

    fn print_line(&self) {
        let style = if self.blocked { ERROR } else { WARNING };
        anstream::println!(
            "{FAINT}{}{FAINT:#} {style}{:<11}{style:#} {STRONG}{}{STRONG:#} {} → {}  {}  {FAINT}{}{FAINT:#}",
            self.when,
            self.done,
            self.patch_and_cve().replace('\n', " "),
            self.client,
            self.server,
            self.message,
            self.evidence,
        );
    }
}

/// The log may have been written by anyone: nothing of it reaches the terminal raw.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str) -> Value {
        serde_json::json!({
            "timestamp": "2026-01-02T03:04:05.000000+0000",
            "flow_id": 7, "event_type": "alert", "direction": "to_client",
            "src_ip": "2001:db8::1", "src_port": 443, "dest_ip": "192.0.2.1", "dest_port": 5,
            "alert": {"action": action, "signature_id": 9, "signature": "a\u{1b}[31mb"},
            "verdict": {"action": "drop", "reject": ["tcp-reset"]},
            "patch": {"id": "p", "cve": ["CVE-2014-0160"]},
            "evidence": {"buffer": "payload", "bytes": "x"},
        })
    }

    #[test]
    fn a_row_names_client_and_server_and_what_was_done() {
        let row = Row::of(&event("blocked")).unwrap();
        assert_eq!(row.client, "192.0.2.1:5");
        assert_eq!(row.server, "[2001:db8::1]:443");
        assert_eq!(row.done, "reset");
        assert_eq!(row.when, "2026-01-02 03:04:05");
        assert!(!row.message.contains('\u{1b}'));
    }

    #[test]
    fn a_plain_alert_is_no_block() {
        assert!(Row::of(&event("allowed")).is_none());
    }

    #[test]
    fn since_reads_spans_and_times() {
        assert!(since("10m").unwrap() < Timestamp::now());
        assert!(since("2026-01-31T08:00:00Z").is_ok());
        for text in ["", "m", "10", "10w", "é", "99999999999999999999d"] {
            assert!(since(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_log_is_followed_across_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eve.json");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut log = Log::open(&path).unwrap();
        let mut lines = Vec::new();
        log.read(|l| lines.push(l.to_vec())).unwrap();
        assert_eq!(lines, [b"one\n".to_vec()]);
        std::fs::rename(&path, dir.path().join("eve.json.1")).unwrap();
        std::fs::write(&path, "three\n").unwrap();
        let mut log = log.rotated(&path).unwrap();
        assert!(log.rotated(&path).is_none());
        log.read(|l| lines.push(l.to_vec())).unwrap();
        assert_eq!(lines.last().unwrap(), b"three\n");
    }
}
