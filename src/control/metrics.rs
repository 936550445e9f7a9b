//! The Prometheus text page (exposition format 0.0.4).

use std::fmt::Write;

use super::protocol::LogStatus;
use crate::counters::{Counter, Snapshot};
use crate::reload::RulesetSummary;
use crate::verdict::{DropReason, Mode};

/// What one page is made of.
#[derive(Debug)]
pub struct Metrics<'a> {
    pub snapshot: &'a Snapshot,
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
                "stopgap_log_lost_records",
                "Log records that were not written.",
                self.log.lost,
            ),
        ] {
            metric(&mut page, name, help, "gauge");
            let _ = writeln!(page, "{name} {value}");
        }
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
        let page = Metrics {
            snapshot: &Snapshot::default(),
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
        assert!(page.contains("stopgap_ruleset_epoch 7\n"));
        assert!(page.contains("stopgap_patch_mode{patch=\"a\\\"b\"} 1\n"));
    }
}
