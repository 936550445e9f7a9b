//! `threshold`: how often a signature that matches makes a record.

use std::hash::Hash;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::compile::CompiledSignature;
use crate::signature::Rates;
use crate::signature::ast::{SignatureId, Threshold, ThresholdKind, Track};
use crate::time::Timestamp;
use crate::verdict::Action;

/// What becomes of one match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thresholded {
    /// Act and record.
    Alert,
    /// Act; the record is held back.
    Silent,
    /// As if it had not matched: the count is not reached yet.
    NoMatch,
}

/// Counts of one worker. Keyed by `gid:sid`, so that they outlive a reload. Bounded: where it is
/// full, the count of some other key starts again.
#[derive(Debug)]
pub struct ThresholdTable {
    counts: HashMap<Key, Count, ahash::RandomState>,
    capacity: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    signature: SignatureId,
    tracked: Tracked,
    /// Of a `rate_filter`, which counts for itself.
    filter: bool,
}

/// Who a match is about.
#[derive(Clone, Copy, Debug)]
pub struct Parties {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub flow_id: u64,
}

impl Parties {
    const fn tracked(&self, track: Track) -> Tracked {
        match track {
            Track::BySrc => Tracked::One(self.src),
            Track::ByDst => Tracked::One(self.dst),
            Track::ByBoth => Tracked::Pair(self.src, self.dst),
            Track::ByRule => Tracked::Rule,
            Track::ByFlow => Tracked::Flow(self.flow_id),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tracked {
    Rule,
    One(IpAddr),
    Pair(IpAddr, IpAddr),
    Flow(u64),
}

#[derive(Clone, Copy, Debug)]
struct Count {
    since: Timestamp,
    seconds: u32,
    matches: u32,
    /// `backoff`: alerts on this match.
    due: u32,
}

impl Count {
    fn is_over(&self, now: Timestamp) -> bool {
        self.seconds > 0 && now.since(self.since).as_secs() >= u64::from(self.seconds)
    }
}

/// Entries looked at to make room for one.
const EVICTION_SAMPLE: usize = 16;

impl Default for ThresholdTable {
    fn default() -> Self {
        Self::new(64 * 1024)
    }
}

impl ThresholdTable {
    /// `capacity`: at most so many counts are kept; the room for them is taken at once.
    pub fn new(capacity: usize) -> Self {
        Self {
            counts: HashMap::with_capacity_and_hasher(capacity, ahash::RandomState::new()),
            capacity: capacity.max(1),
        }
    }

    /// Bytes of the room for so many counts: as many places as hash tables have for them, a power of
    /// two and at most seven eighths full, and a byte of each for the table's own use.
    pub fn bytes_for(capacity: usize) -> usize {
        let places = capacity.saturating_mul(8).div_ceil(7).next_power_of_two();
        places.saturating_mul(size_of::<(Key, Count)>() + 1)
    }

    /// Counts a match of `signature`, by its own threshold or by the one of the operator's file.
    pub fn check(
        &mut self,
        signature: &CompiledSignature,
        rates: &Rates,
        parties: &Parties,
        now: Timestamp,
    ) -> Thresholded {
        let id = signature.id();
        let threshold = signature.signature.threshold;
        let Some(threshold) = threshold.or_else(|| rates.threshold(id)) else {
            return Thresholded::Alert;
        };
        let key = Key {
            signature: id,
            tracked: parties.tracked(threshold.track),
            filter: false,
        };
        self.count(threshold, key, now)
    }

    /// Counts a match for the rule's `rate_filter`; the action that is in force instead.
    pub fn filtered(
        &mut self,
        id: SignatureId,
        rates: &Rates,
        parties: &Parties,
        now: Timestamp,
    ) -> Option<Action> {
        let filter = rates.filter(id)?;
        let key = Key {
            signature: id,
            tracked: parties.tracked(filter.track),
            filter: true,
        };
        let lasts = |since: Timestamp| {
            filter.timeout == 0 || now.since(since).as_secs() < u64::from(filter.timeout)
        };
        // Once there were too many, the count stands still until the action has had its time.
        if let Some(count) = self.counts.get(&key)
            && count.matches > filter.count
        {
            if lasts(count.since) {
                return Some(filter.action);
            }
            self.counts.remove(&key);
        }
        let threshold = Threshold {
            kind: ThresholdKind::Filter,
            track: filter.track,
            count: filter.count,
            seconds: filter.seconds,
            multiplier: 0,
        };
        if self.count(threshold, key, now) != Thresholded::Alert {
            return None;
        }
        if let Some(count) = self.counts.get_mut(&key) {
            count.since = now;
        }
        Some(filter.action)
    }

    fn count(&mut self, threshold: Threshold, key: Key, now: Timestamp) -> Thresholded {
        if self.counts.len() >= self.capacity && !self.counts.contains_key(&key) {
            self.make_room(now);
        }
        let fresh = Count {
            since: now,
            seconds: threshold.seconds,
            matches: 0,
            due: threshold.count,
        };
        let count = self.counts.entry(key).or_insert(fresh);
        if count.is_over(now) {
            *count = fresh;
        }
        count.matches = count.matches.saturating_add(1);
        match threshold.kind {
            ThresholdKind::Limit if count.matches <= threshold.count => Thresholded::Alert,
            ThresholdKind::Limit => Thresholded::Silent,
            ThresholdKind::Threshold if count.matches >= threshold.count => {
                *count = fresh;
                Thresholded::Alert
            }
            ThresholdKind::Both if count.matches == threshold.count => Thresholded::Alert,
            ThresholdKind::Both if count.matches > threshold.count => Thresholded::Silent,
            ThresholdKind::Threshold | ThresholdKind::Both => Thresholded::NoMatch,
            ThresholdKind::Backoff if count.matches == count.due => {
                count.due = count.due.saturating_mul(threshold.multiplier);
                Thresholded::Alert
            }
            ThresholdKind::Backoff if count.matches < threshold.count => Thresholded::NoMatch,
            ThresholdKind::Backoff => Thresholded::Silent,
            ThresholdKind::Filter if count.matches > threshold.count => Thresholded::Alert,
            ThresholdKind::Filter => Thresholded::NoMatch,
        }
    }

    /// Removes the first count found that is over, else the oldest of a few.
    fn make_room(&mut self, now: Timestamp) {
        let sample = self.counts.iter().take(EVICTION_SAMPLE);
        let victim = sample
            .min_by_key(|(_, c)| (!c.is_over(now), c.since))
            .map(|(k, _)| *k);
        if let Some(key) = victim {
            self.counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: ThresholdKind, at: &[u64]) -> String {
        let mut table = ThresholdTable::new(8);
        let threshold = Threshold {
            kind,
            track: Track::ByRule,
            count: 2,
            seconds: 10,
            multiplier: 3,
        };
        let key = Key {
            signature: SignatureId { gid: 1, sid: 1 },
            tracked: Tracked::Rule,
            filter: false,
        };
        at.iter()
            .map(
                |&s| match table.count(threshold, key, Timestamp::from_secs(s)) {
                    Thresholded::Alert => 'A',
                    Thresholded::Silent => 's',
                    Thresholded::NoMatch => '-',
                },
            )
            .collect()
    }

    #[test]
    fn each_kind_counts_in_its_own_way() {
        let at = [0, 1, 2, 3, 10, 11];
        assert_eq!(run(ThresholdKind::Limit, &at), "AAssAA");
        assert_eq!(run(ThresholdKind::Both, &at), "-Ass-A");
        assert_eq!(
            run(ThresholdKind::Threshold, &[0, 1, 2, 3, 13, 14]),
            "-A-A-A"
        );
        assert_eq!(run(ThresholdKind::Threshold, &[0, 10, 11]), "--A");
        assert_eq!(
            run(ThresholdKind::Filter, &[0, 1, 2, 3, 10, 11, 12]),
            "--AA--A"
        );
        assert_eq!(run(ThresholdKind::Backoff, &[0; 19]), "-AsssAsssssssssssAs");
    }

    #[test]
    fn the_table_stays_bounded_and_lets_go_of_what_is_over() {
        let mut table = ThresholdTable::new(8);
        let threshold = Threshold {
            kind: ThresholdKind::Limit,
            track: Track::ByFlow,
            count: 1,
            seconds: 5,
            multiplier: 0,
        };
        for flow in 0..1000 {
            let key = Key {
                signature: SignatureId { gid: 1, sid: 1 },
                tracked: Tracked::Flow(flow),
                filter: false,
            };
            table.count(threshold, key, Timestamp::from_secs(flow));
            assert!(table.counts.len() <= 8);
        }
    }

    #[test]
    fn a_rate_filter_changes_the_action_for_its_time() {
        let line = "rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 10, \
                    new_action drop, timeout 5";
        let rates = Rates::parse("f", line, &crate::signature::Variables::default()).unwrap();
        let mut table = ThresholdTable::new(8);
        let id = SignatureId { gid: 1, sid: 1 };
        let parties = Parties {
            src: "192.0.2.1".parse().unwrap(),
            dst: "192.0.2.2".parse().unwrap(),
            flow_id: 1,
        };
        let mut at = |seconds| {
            table
                .filtered(id, &rates, &parties, Timestamp::from_secs(seconds))
                .is_some()
        };
        let filtered: Vec<bool> = [0, 1, 2, 3, 6, 7, 8, 9, 30].map(&mut at).to_vec();
        assert_eq!(
            filtered,
            [false, false, true, true, true, false, false, true, false]
        );
    }
}
