//! Differences that are understood, as data. Each holds for the counts it names and for no others.

use std::fmt;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::engines::Sid;
use crate::support::Fallible;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanations {
    #[serde(default)]
    explained: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// File name of the capture.
    capture: String,
    /// Variables that were set, in the order given.
    #[serde(default)]
    vars: Vec<String>,
    #[serde(default = "first_group")]
    gid: u64,
    sid: u64,
    suricata: usize,
    stopgap: usize,
    reason: String,
}

const fn first_group() -> u64 {
    1
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sid, suricata, stopgap) = (self.sid, self.suricata, self.stopgap);
        write!(
            f,
            "sid {sid}, {suricata} of Suricata's and {stopgap} of ours: {}",
            self.reason
        )
    }
}

impl Explanations {
    pub fn load(path: &Path) -> Fallible<Self> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        toml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()).into())
    }

    /// Those for one run.
    pub fn of(&self, capture: &str, vars: &[String]) -> Known<'_> {
        let of_run = |e: &&Entry| e.capture == capture && e.vars == vars;
        Known(self.explained.iter().filter(of_run).collect())
    }
}

/// Explanations not asked for yet.
pub struct Known<'a>(Vec<&'a Entry>);

impl<'a> Known<'a> {
    /// Why a rule's counts differ, if they are those that were explained.
    pub fn take(&mut self, sid: Sid, counts: (usize, usize)) -> Option<&'a str> {
        let at = self.0.iter().position(|e| {
            (e.gid, e.sid) == (sid.gid, sid.sid) && (e.suricata, e.stopgap) == counts
        })?;
        Some(&self.0.remove(at).reason)
    }

    /// Those that no difference needed.
    pub fn rest(self) -> Vec<&'a Entry> {
        self.0
    }
}
