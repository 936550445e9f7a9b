//! What a worker reuses from packet to packet.

use std::sync::Arc;
use std::time::Duration;

use super::budget::{Ledger, RuleBudget, Suspension};
use super::flow_state::{RuleRef, TxState};
use super::keywords::{Limits, Variables};
use super::prefilter;
use super::profile::{Profile, ProfileClock, RuleProfile};
use super::ruleset::Ruleset;
use crate::time::Timestamp;

/// Per-worker working space. After warming up, inspection allocates nothing but in here, and here
/// only to grow.
#[derive(Debug)]
pub struct Scratch {
    /// Rules that a scan found, by their index in the layer.
    pub(crate) found: Vec<u32>,
    pub(crate) by_stream: ByStream,
    pub(crate) prefilter: prefilter::Scratch,
    pub(crate) variables: Box<Variables>,
    pub(crate) limits: Limits,
    pub(crate) transformed: Transformed,
    /// States of ended transactions, for new ones.
    pub(crate) spare: Vec<TxState>,
    /// What rules took of their budgets.
    pub(crate) ledger: Ledger,
    /// What rules cost, where somebody wants to know.
    pub(crate) profile: Option<Box<Profile>>,
}

/// A rule being tried.
#[derive(Debug)]
#[must_use]
pub(crate) struct Trial {
    began: Option<Duration>,
    evaluations: u64,
    work: u64,
}

/// Spare states kept for reuse.
const SPARE_STATES: usize = 256;

impl Default for Scratch {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            by_stream: ByStream::default(),
            prefilter: prefilter::Scratch::new(),
            variables: Box::default(),
            limits: Limits::default(),
            transformed: Transformed::default(),
            spare: Vec::new(),
            ledger: Ledger::new(RuleBudget::default()),
            profile: None,
        }
    }
}

impl Scratch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Evaluations that hit a limit since the last call; for `Counter::MatchErrors`.
    pub fn take_match_errors(&mut self) -> u64 {
        std::mem::take(&mut self.limits.exhausted)
    }

    /// Whether something that rules keep has found no room since the last call.
    pub fn take_full(&mut self) -> bool {
        std::mem::take(&mut self.variables.full)
    }

    /// From now on, what each rule costs is noted.
    pub fn profile(&mut self, clock: ProfileClock) {
        self.profile = Some(Box::new(Profile::new(clock)));
    }

    /// What the rules cost that were brought up since; none where nothing was noted.
    pub fn profiled(&self, ruleset: &Ruleset) -> Vec<RuleProfile> {
        let profile = self.profile.as_deref();
        profile.map_or_else(Vec::new, |profile| profile.report(ruleset))
    }

    /// The same as new, but for what is known of rules' costs.
    pub fn restart(&mut self) {
        let profile = self.profile.take();
        let ledger = std::mem::take(&mut self.ledger);
        *self = Self {
            ledger,
            profile,
            ..Self::default()
        };
    }

    /// What each rule may take from now on.
    pub fn set_budget(&mut self, budget: RuleBudget) {
        self.ledger = Ledger::new(budget);
    }

    /// Units of work since the last call.
    pub fn take_work(&mut self) -> u64 {
        std::mem::take(&mut self.limits.work)
    }

    /// How often rules were suspended since the last call.
    pub fn take_suspended(&mut self) -> u64 {
        self.ledger.take_suspended()
    }

    /// A suspension that was not told of yet.
    pub fn next_suspension(&mut self) -> Option<Suspension> {
        self.ledger.next_news()
    }

    /// How often suspended rules were not asked since the last call.
    pub fn take_skipped(&mut self) -> u64 {
        self.ledger.take_skipped()
    }

    /// A rule is about to be tried.
    #[inline]
    pub(crate) fn begin_trial(&self) -> Trial {
        Trial {
            began: self.profile.as_ref().map(|profile| profile.now()),
            evaluations: self.limits.evaluations,
            work: self.limits.work,
        }
    }

    /// It was.
    #[inline]
    pub(crate) fn end_trial(&mut self, trial: Trial, rule: RuleRef, now: Timestamp) {
        let work = self.limits.work.saturating_sub(trial.work);
        if work > 0 {
            self.ledger.charge(rule, work, now);
        }
        if let (Some(profile), Some(began)) = (&mut self.profile, trial.began) {
            let tried = self.limits.evaluations != trial.evaluations;
            profile.spent(rule, began, tried);
        }
    }

    /// Another packet comes; its stream may be shown its payload before [`Ruleset::on_packet`] is
    /// shown the packet.
    pub fn begin_packet(&mut self) {
        self.by_stream.rules.clear();
        self.by_stream.is_complete = false;
    }

    /// The stream was shown all bytes of the packet in hand.
    pub fn packet_was_shown(&mut self) {
        self.by_stream.is_complete = true;
    }

    /// What follows is asked of this ruleset.
    pub(crate) fn enter(&mut self, ruleset: &Ruleset) {
        if !Arc::ptr_eq(&self.variables.kept, &ruleset.kept) {
            self.variables.kept = Arc::clone(&ruleset.kept);
        }
        self.ledger.enter(ruleset);
        if let Some(profile) = &mut self.profile {
            profile.enter(ruleset);
        }
    }

    pub(crate) fn recycle(&mut self, state: TxState) {
        if self.spare.len() < SPARE_STATES {
            self.spare.push(state);
        }
    }
}

/// What scans of a stream found for the packet in hand, so that its payload need not be scanned
/// once more as a packet's.
#[derive(Debug, Default)]
pub(crate) struct ByStream {
    /// Rules whose pattern may stand in the packet; others than these do not match it.
    pub(crate) rules: Vec<RuleRef>,
    /// Whether all of the payload was scanned.
    pub(crate) is_complete: bool,
}

/// Transformed buffers of the transaction in hand, each made once for one inspection.
#[derive(Debug, Default)]
pub(crate) struct Transformed {
    round: u64,
    slots: Vec<Entry>,
    /// Room for transforms to work in.
    spare: Vec<u8>,
}

#[derive(Debug, Default)]
struct Entry {
    round: u64,
    instance: usize,
    bytes: Vec<u8>,
}

impl Transformed {
    /// What was made before is out of date.
    pub(crate) fn next_round(&mut self) {
        self.round += 1;
    }

    /// The bytes for a slot, made by `make` where they are not there yet.
    pub(crate) fn get(
        &mut self,
        slot: u32,
        instance: usize,
        make: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>),
    ) -> &[u8] {
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Entry::default);
        }
        let entry = &mut self.slots[slot];
        if entry.round != self.round || entry.instance != instance {
            make(&mut entry.bytes, &mut self.spare);
            entry.round = self.round;
            entry.instance = instance;
        }
        &entry.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transformed_buffer_is_made_once_a_round() {
        let mut t = Transformed::default();
        t.next_round();
        assert_eq!(t.get(3, 0, |v, _| *v = vec![1]), [1]);
        assert_eq!(t.get(3, 0, |v, _| *v = vec![2]), [1]);
        assert_eq!(t.get(3, 1, |v, _| *v = vec![3]), [3]);
        t.next_round();
        assert_eq!(t.get(3, 1, |v, _| *v = vec![4]), [4]);
    }
}
