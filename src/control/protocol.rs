//! What is said on the socket: one JSON object a line, one answer a request.

use serde::{Deserialize, Serialize};

use crate::latency::{LatencySnapshot, Percentiles};
use crate::reload::{Exception, Holds, RulesetSummary};
use crate::verdict::Mode;

/// A request longer than this is refused.
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    Status,
    /// Answers when the new ruleset is in force, or says why it is not.
    Reload {
        /// Keep the previous version of each failing file or patch and take the rest.
        #[serde(default)]
        partial: bool,
    },
    /// Back to the ruleset before.
    Rollback,
    /// Holds one patch at a mode; `None` lifts the hold.
    Mode {
        patch: String,
        mode: Option<Mode>,
    },
    ExceptAdd {
        exception: Exception,
    },
    ExceptRemove {
        exception: Exception,
    },
    Stats,
    Flows {
        /// At most this many.
        limit: usize,
    },
    /// Removes the kernel rules and ends the daemon.
    Detach,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Response {
    Status(Box<Status>),
    Reloaded(RulesetSummary),
    Changed {
        holds: Holds,
        epoch: u64,
    },
    Stats(Stats),
    Flows {
        flows: Vec<FlowRow>,
        total: u64,
    },
    Detaching,
    /// What was in force stays in force.
    Failed {
        message: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub uptime_secs: u64,
    pub mode: Mode,
    pub queues: Vec<u16>,
    pub ruleset: RulesetSummary,
    pub previous_epoch: Option<u64>,
    pub holds: Holds,
    /// How the kernel rules stand, in words.
    pub kernel_rules: String,
    pub log: LogStatus,
    pub active_flows: u64,
    pub blocked_flows: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStatus {
    pub path: String,
    pub written: u64,
    pub lost: u64,
    /// The last failure, while it lasts.
    pub trouble: Option<String>,
}

/// Counters by name, and what stands beside the accounting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    pub counters: std::collections::BTreeMap<String, u64>,
    pub dropped_packets: std::collections::BTreeMap<String, u64>,
    pub in_hand: u64,
    /// received = forwarded + dropped + in hand.
    pub accounts: bool,
    /// The kernel's own drop counters.
    pub lost_before_us: u64,
    /// Packets the kernel rule counted that never reached us; meaningful at rest.
    pub passed_unseen: i64,
    pub active_flows: u64,
    pub latency_us: LatencyStats,
}

/// From the arrival of packets to their verdicts, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyStats {
    #[serde(flatten)]
    pub percentiles: Percentiles,
    pub sum: u64,
    /// Pairs: a time, and the packets that stayed below it but not below the one before.
    pub buckets: Vec<(u64, u64)>,
}

impl LatencyStats {
    pub fn of(snapshot: &LatencySnapshot) -> Self {
        Self {
            percentiles: snapshot.percentiles(),
            sum: snapshot.sum_us(),
            buckets: snapshot.filled().collect(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRow {
    pub flow_id: u64,
    pub protocol: String,
    pub client: String,
    pub server: String,
    pub app: String,
    pub state: String,
    pub packets: [u64; 2],
    pub bytes: [u64; 2],
    pub age_secs: u64,
}
