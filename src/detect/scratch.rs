//! What a worker reuses from packet to packet.

use std::sync::Arc;

use super::flow_state::{RuleRef, TxState};
use super::keywords::{Limits, Variables};
use super::prefilter;
use super::ruleset::Ruleset;

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
