//! The Prometheus text page (exposition format 0.0.4).

use std::fmt::Write;

use super::protocol::LogStatus;
use crate::counters::{Counter, Snapshot};
use crate::latency::LatencySnapshot;
use crate::reload::RulesetSummary;
use crate::verdict::{DropReason, Mode};

/// What one page is made of.
#[derive(Debug)]
pub struct Metrics<'a> {
    pub snapshot: &'a Snapshot,
    pub latency: &'a LatencySnapshot,
    pub active_flows: u64,
    pub ruleset: &'a RulesetSummary,
    pub log: &'a LogStatus,
}

impl Metrics<'_> {
    pub fn page(&self) -> String {
        let mut page = String::with_capacity(8 * 1024);
        for &counter in Counter::ALL {
            let name = format!("stopgap_{}_total", counter.as_str());
            metric(&mut page, &name, counter.help(), "counter");
            let _ = writeln!(page, "{name} {}", self.snapshot.get(counter));
        }
        let name = "stopgap_dropped_packets_total";
        metric(
            &mut page,
            name,
            "Packets not forwarded, by reason.",
            "counter",
        );
        for &reason in DropReason::ALL {
            let n = self.snapshot.dropped(reason);
            let _ = writeln!(page, "{name}{{reason=\"{reason}\"}} {n}");
        }
        for (name, help, value) in [
            (
                "stopgap_in_hand_packets",
                "Packets received that have no verdict yet.",
                self.snapshot.in_hand(),
            ),
            (
                "stopgap_active_flows",
                "Flows in the flow table.",
                self.active_flows,
            ),
            (
                "stopgap_ruleset_epoch",
                "Grows with each change of the ruleset.",
                self.ruleset.epoch,
            ),
            (
                "stopgap_signatures",
                "Signatures loaded.",
                self.ruleset.signatures as u64,
            ),
            (
                "stopgap_signatures_failed",
                "Signatures that were not loaded.",
                self.ruleset.failed as u64,
            ),
            (
                "stopgap_cache_refused",
                "Files of the cache that could not be trusted since the start.",
                self.ruleset.cache_refused,
            ),
            (
                "stopgap_log_lost_records",
                "Log records that were not written.",
                self.log.lost,
            ),
        ] {
            metric(&mut page, name, help, "gauge");
            let _ = writeln!(page, "{name} {value}");
        }
        latency(&mut page, self.latency);
        let name = "stopgap_patch_mode";
        metric(
            &mut page,
            name,
            "Effective mode of each patch: 0 off, 1 detect, 2 canary, 3 prevent, -1 not loaded.",
            "gauge",
        );
        for patch in &self.ruleset.patches {
            let mode = match (&patch.refused, patch.effective_mode) {
                (Some(_), _) => -1,
                (None, Mode::Off) => 0,
                (None, Mode::Detect) => 1,
                (None, Mode::Canary) => 2,
                (None, Mode::Prevent) => 3,
            };
            let _ = writeln!(page, "{name}{{patch=\"{}\"}} {mode}", escaped(&patch.id));
        }
        page
    }
}

/// Bounds of the buckets shown: the powers of two from 8 us to 4.2 s.
const LATENCY_BOUNDS: std::ops::RangeInclusive<u32> = 3..=22;

fn latency(page: &mut String, latency: &LatencySnapshot) {
    let name = "stopgap_verdict_latency_seconds";
    metric(
        page,
        name,
        "From a packet's arrival to its verdict, where the kernel stamped the arrival.",
        "histogram",
    );
    let seconds = |us: u64| us as f64 / 1e6;
    for power in LATENCY_BOUNDS {
        let bound = 1 << power;
        let n = latency.below(bound);
        let _ = writeln!(page, "{name}_bucket{{le=\"{}\"}} {n}", seconds(bound));
    }
    let count = latency.count();
    let _ = writeln!(page, "{name}_bucket{{le=\"+Inf\"}} {count}");
    let _ = writeln!(page, "{name}_sum {}", seconds(latency.sum_us()));
    let _ = writeln!(page, "{name}_count {count}");
}

fn metric(page: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label value: backslash, quote and line feed are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_comment_or_a_sample() {
        let ruleset = RulesetSummary {
            epoch: 7,
            patches: vec![crate::reload::PatchRow {
                id: "a\"b".to_owned(),
                title: String::new(),
                cve: Vec::new(),
                pack: String::new(),
                pack_version: String::new(),
                mode: Mode::Prevent,
                effective_mode: Mode::Detect,
                signatures: 1,
                refused: None,
            }],
            ..RulesetSummary::default()
        };
        let waited = crate::latency::Latency::default();
        waited.record(std::time::Duration::from_micros(20));
        let page = Metrics {
            snapshot: &Snapshot::default(),
            latency: &waited.snapshot(),
            active_flows: 3,
            ruleset: &ruleset,
            log: &LogStatus::default(),
        }
        .page();
        for line in page.lines() {
            let sample = line
                .rsplit_once(' ')
                .and_then(|(_, v)| v.parse::<f64>().ok());
            assert!(line.starts_with("# ") || sample.is_some(), "{line}");
        }
        assert!(page.contains("stopgap_verdict_latency_seconds_bucket{le=\"0.000016\"} 0\n"));
        assert!(page.contains("stopgap_verdict_latency_seconds_bucket{le=\"0.000032\"} 1\n"));
        assert!(page.contains("stopgap_ruleset_epoch 7\n"));
        assert!(page.contains("stopgap_patch_mode{patch=\"a\\\"b\"} 1\n"));
    }
}
