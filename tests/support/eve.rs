//! The event log as a test reads it.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// One event.
#[derive(Clone, Debug)]
pub struct Event(pub Value);

impl Event {
    pub fn kind(&self) -> &str {
        self.text("/event_type")
    }

    /// A field by its JSON pointer; empty when it is not there.
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    pub fn number(&self, pointer: &str) -> Option<u64> {
        self.0.pointer(pointer).and_then(Value::as_u64)
    }

    pub fn patch(&self) -> &str {
        self.text("/patch/id")
    }
}

/// All events of a log. A last line without its end is still being written and left out; any other
/// line that is no JSON object is an error in the log, and this panics.
pub fn read(log: &Path) -> Vec<Event> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(value @ Value::Object(_)) => Event(value),
            _ => panic!("a line of {} is no event: {line}", log.display()),
        })
        .collect()
}

/// The packet counts of a `stats` record, wherever they stand in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    pub received: u64,
    pub forwarded: u64,
    pub dropped: u64,
    pub in_hand: u64,
    pub lost_before_us: u64,
    /// Negative where more was received than the kernel rules counted.
    pub passed_unseen: i64,
}

impl Accounting {
    /// `None` when the record lacks one of the identity's terms.
    pub fn of(record: &Value) -> Option<Self> {
        Some(Self {
            received: find(record, "received_packets")?.as_u64()?,
            forwarded: find(record, "forwarded_packets")?.as_u64()?,
            dropped: total(find(record, "dropped_packets").or_else(|| find(record, "dropped"))?),
            in_hand: find(record, "in_hand")?.as_u64()?,
            lost_before_us: find(record, "lost_before_us").map_or(0, total),
            passed_unseen: find(record, "passed_unseen")
                .and_then(Value::as_i64)
                .unwrap_or(0),
        })
    }

    /// received = forwarded + dropped + in hand, exactly.
    pub fn holds(&self) -> bool {
        self.received == self.forwarded + self.dropped + self.in_hand
    }
}

/// The first field of that name at any depth.
pub fn find<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    match record {
        Value::Object(fields) => fields
            .get(name)
            .or_else(|| fields.values().find_map(|inner| find(inner, name))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, name)),
        _ => None,
    }
}

/// A number, or the sum of an object of numbers (one for each reason).
fn total(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields.values().map(total).sum(),
        other => other.as_u64().unwrap_or(0),
    }
}

/// The counts of an object that are not zero, as text.
pub fn nonzero(counts: &Value) -> String {
    let Some(counts) = counts.as_object() else {
        return counts.to_string();
    };
    let counted = counts.iter().filter(|(_, n)| n.as_u64() != Some(0));
    counted
        .map(|(name, n)| format!("{name} {n}"))
        .collect::<Vec<_>>()
        .join(", ")
}
