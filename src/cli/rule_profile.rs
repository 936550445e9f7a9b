//! What rules cost, as a table that a rule author can read, and for programs.

use std::time::Duration;

use comfy_table::CellAlignment;
use serde::Serialize;

use super::report;
use super::style::{FAINT, STRONG};
use crate::detect::{CalledBy, RuleProfile};

/// Characters of a fast pattern, or of a message, that a row of the table shows.
const SHOWN: usize = 40;

/// One rule.
#[derive(Debug, Serialize)]
struct Row {
    gid: u32,
    sid: u32,
    message: String,
    candidates: u64,
    tried: u64,
    matched: u64,
    total_us: f64,
    /// Each time that it was brought up.
    mean_us: f64,
    max_us: f64,
    /// Of the time of all rules.
    share_percent: f64,
    /// `content`, `event`, or `everything` where nothing keeps the rule from being tried.
    called_by: &'static str,
    buffer: Option<&'static str>,
    /// As a rule writes it.
    fast_pattern: Option<String>,
}

/// All rules that were brought up, the most expensive first.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Of all rules, those not listed included.
    rules_us: f64,
    rules: usize,
    rows: Vec<Row>,
}

impl Report {
    /// At most `most` rows; 0: all.
    pub fn new(rules: &[RuleProfile], most: usize) -> Self {
        let all: Duration = rules.iter().map(|rule| rule.cost.total).sum();
        let shown = if most == 0 { rules.len() } else { most };
        Self {
            rules_us: micros(all),
            rules: rules.len(),
            rows: rules
                .iter()
                .take(shown)
                .map(|rule| row(rule, all))
                .collect(),
        }
    }

    /// `elapsed`: of the whole replay.
    pub fn print(&self, elapsed: Duration) {
        let mut table = report::table([
            "sid",
            "candidate",
            "tried",
            "matched",
            "total µs",
            "mean µs",
            "max µs",
            "share",
            "brought up by",
            "message",
        ]);
        for column in 0..8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for row in &self.rows {
            let sid = match row.gid {
                1 => row.sid.to_string(),
                gid => format!("{gid}:{}", row.sid),
            };
            let called_by = match (row.buffer, &row.fast_pattern) {
                (Some(buffer), Some(pattern)) => format!("{buffer} \"{}\"", cut(pattern)),
                _ => row.called_by.to_owned(),
            };
            table.add_row([
                sid,
                row.candidates.to_string(),
                row.tried.to_string(),
                row.matched.to_string(),
                format!("{:.0}", row.total_us),
                format!("{:.2}", row.mean_us),
                format!("{:.1}", row.max_us),
                format!("{:.1} %", row.share_percent),
                called_by,
                cut(&row.message),
            ]);
        }
        anstream::println!("{table}");
        anstream::println!(
            "{STRONG}{} of {} rules brought up{STRONG:#}; all of them took {:.0} µs, {:.1} % of the replay",
            self.rows.len(),
            self.rules,
            self.rules_us,
            100.0 * self.rules_us / micros(elapsed).max(1.0),
        );
        anstream::println!(
            "{FAINT}candidate: its fast pattern was seen; tried: its tests were run. Many candidates and few matches: \
             the fast pattern is too common.{FAINT:#}"
        );
    }
}

fn row(rule: &RuleProfile, all: Duration) -> Row {
    let cost = &rule.cost;
    let times = cost.candidates.max(cost.tried).max(1);
    let (called_by, buffer, fast_pattern) = match &rule.called_by {
        CalledBy::FastPattern { buffer, bytes } => {
            ("content", Some(buffer.as_str()), Some(as_written(bytes)))
        }
        CalledBy::Event => ("event", None, None),
        CalledBy::Everything => ("everything", None, None),
    };
    Row {
        gid: rule.id.gid,
        sid: rule.id.sid,
        message: rule.message.clone(),
        candidates: cost.candidates,
        tried: cost.tried,
        matched: cost.matched,
        total_us: micros(cost.total),
        mean_us: micros(cost.total) / times as f64,
        max_us: micros(cost.longest),
        share_percent: 100.0 * micros(cost.total) / micros(all).max(f64::MIN_POSITIVE),
        called_by,
        buffer,
        fast_pattern,
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let kept: String = text.chars().take(SHOWN - 1).collect();
    format!("{kept}…")
}

/// Bytes as `content` has them: what is not plain text stands in hexadecimal between bars.
fn as_written(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut in_hex = false;
    for &b in bytes {
        let plain = matches!(b, b' '..=b'~') && !matches!(b, b'"' | b';' | b':' | b'|' | b'\\');
        if plain == in_hex {
            text.push('|');
            in_hex = !in_hex;
        } else if in_hex {
            text.push(' ');
        }
        match plain {
            true => text.push(char::from(b)),
            false => text.push_str(&format!("{b:02x}")),
        }
    }
    if in_hex {
        text.push('|');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffer;
    use crate::detect::RuleCost;
    use crate::signature::ast::SignatureId;

    #[test]
    fn a_pattern_is_shown_as_a_rule_writes_it() {
        assert_eq!(as_written(b"GET /a"), "GET /a");
        assert_eq!(as_written(b"\r\nHost: x"), "|0d 0a|Host|3a| x");
        assert_eq!(as_written(b"\x00"), "|00|");
    }

    #[test]
    fn shares_are_of_all_rules_though_few_are_shown() {
        let rule = |sid, micros| RuleProfile {
            id: SignatureId { gid: 1, sid },
            message: "m".to_owned(),
            called_by: CalledBy::FastPattern {
                buffer: Buffer::Payload,
                bytes: b"x".to_vec(),
            },
            cost: RuleCost {
                candidates: 2,
                tried: 1,
                matched: 0,
                total: Duration::from_micros(micros),
                longest: Duration::from_micros(micros),
            },
        };
        let report = Report::new(&[rule(1, 30), rule(2, 10)], 1);
        assert_eq!((report.rows.len(), report.rules), (1, 2));
        let row = &report.rows[0];
        assert!((row.share_percent - 75.0).abs() < 0.01 && (row.mean_us - 15.0).abs() < 0.01);
        assert_eq!(Report::new(&[rule(1, 30), rule(2, 10)], 0).rows.len(), 2);
    }
}
