//! `[log]`: what is written, and where.

use std::path::PathBuf;

use serde::Deserialize;

use super::field::{absolute, within};

/// `[log]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The folder of `eve.json`.
    #[serde(deserialize_with = "absolute")]
    pub dir: PathBuf,
    /// Bytes after which the file is set aside as `eve.json.1`. 0: never, `logrotate` does it.
    #[serde(deserialize_with = "within::<_, _, 0, 1_099_511_627_776>")]
    pub rotate_bytes: u64,
    /// Files set aside that are kept.
    #[serde(deserialize_with = "within::<_, _, 1, 1_000>")]
    pub rotate_keep: u32,
    /// Records that wait to be written; those beyond are lost and counted.
    #[serde(deserialize_with = "within::<_, _, 64, 1_048_576>")]
    pub queue_records: usize,
    /// Whether each flow gets a record at its end.
    pub flows: bool,
    /// Bytes of payload that an alert shows at most. 0: none.
    #[serde(deserialize_with = "within::<_, _, 0, 65_536>")]
    pub alert_payload_bytes: usize,
    /// Whether an alert shows its packet.
    pub alert_packet: bool,
    /// Seconds between two `stats` records. 0: none but the last.
    #[serde(deserialize_with = "within::<_, _, 0, 86_400>")]
    pub stats_secs: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/var/log/stopgap"),
            rotate_bytes: 256 << 20,
            rotate_keep: 8,
            queue_records: 16_384,
            flows: true,
            alert_payload_bytes: 0,
            alert_packet: false,
            stats_secs: 10,
        }
    }
}
