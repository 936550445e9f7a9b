//! What the engine remembers of a flow between two inspections.

use super::flowbits::Bits;
use super::growth::Growth;
use super::scratch::Scratch;
use super::variables::FlowVariables;
use crate::app_layer::FIRST_UNIT;
use crate::direction::Direction;
use crate::reuse::{List, reused};

reused!(TxState, StreamCandidate, RuleRef, Scanned, TxCandidate);

/// Detection state of one flow. Idle, it owns no heap memory; its lists keep their room when
/// [`FlowDetect::reset`] makes it ready for another flow.
#[derive(Debug, Default)]
pub struct FlowDetect {
    /// Of the ruleset that the rest belongs to; zero: none yet.
    epoch: u64,
    pub(crate) bits: Bits,
    pub(crate) variables: FlowVariables,
    /// Changes with flowbits and with payload matches that transactions wait for.
    pub(crate) generation: u32,
    pub(crate) txs: List<TxState>,
    /// Transactions below this id are over, unless they are in `txs`.
    pub(crate) retired_below: u64,
    pub(crate) stream: [List<StreamCandidate>; 2],
    /// Rules whose payload part matched and whose transaction part is awaited.
    pub(crate) payload_matched: List<RuleRef>,
    /// Rules about addresses only were asked, by direction.
    pub(crate) addresses_done: [bool; 2],
    /// Rules about the protocol only were asked, by direction.
    pub(crate) protocol_done: [bool; 2],
}

/// Detection state of a flow that lies idle: what rules keep, and which of them were asked.
#[derive(Debug)]
pub enum RestingDetect {
    #[doc(hidden)]
    Usual(Usual),
    /// Rules wait for more of the flow.
    #[doc(hidden)]
    Whole(Box<FlowDetect>),
}

#[derive(Debug)]
pub struct Usual {
    epoch: u64,
    bits: Bits,
    variables: FlowVariables,
    retired_below: u64,
    generation: u32,
    addresses_done: [bool; 2],
    protocol_done: [bool; 2],
}

/// A rule in a layer. Orders by layer, then in the order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RuleRef {
    pub(crate) layer: u16,
    pub(crate) rule: u32,
}

/// A rule that the stream's next bytes may complete, or that matched before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamCandidate {
    pub(crate) rule: RuleRef,
    /// Stream offset up to which new bytes may complete a match.
    pub(crate) until: u64,
    /// Stream offset behind the last match: bytes before it do not match again.
    pub(crate) floor: u64,
    /// What it needs and is not there: nothing else has to be looked at until that comes.
    pub(crate) lack: Option<Lack>,
}

/// A content that a match needs is not in a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lack {
    /// The test's place in the program.
    pub(crate) test: u32,
    /// Stream offset up to which it was looked for.
    pub(crate) looked_to: u64,
}

/// One transaction, both directions.
#[derive(Debug, Default)]
pub(crate) struct TxState {
    pub(crate) id: u64,
    /// `xbits` that track it.
    pub(crate) bits: Bits,
    /// A firewall's rule let all of it through.
    pub(crate) accepted: bool,
    pub(crate) sides: [TxSide; 2],
    /// Complete in both directions when last inspected. What ended the other one came from this
    /// one: it may never be shown in the other.
    pub(crate) over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct TxSide {
    /// Of the transaction and of the flow, when last inspected.
    pub(crate) seen: Option<(u32, u32)>,
    /// Inspected when complete: nothing is left to ask.
    pub(crate) done: bool,
    /// States that a firewall has let through.
    pub(crate) states_passed: u8,
    /// Its rules that did so for what is in the transaction: each is here once.
    pub(crate) let_through_by: List<RuleRef>,
    pub(crate) events_seen: usize,
    /// Bytes (or instances) scanned of each buffer that has a prefilter, layer after layer.
    pub(crate) scanned: List<u32>,
    /// The same of instances other than the first.
    pub(crate) scanned_further: List<Scanned>,
    /// Sorted by rule.
    pub(crate) candidates: List<TxCandidate>,
    /// Bytes of buffers that may have been added to since rules found them wanting.
    pub(crate) amendable: usize,
    pub(crate) growth: Growth,
}

/// How much was scanned of one instance of a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned {
    /// The buffer's place in [`TxSide::scanned`].
    pub(crate) place: usize,
    pub(crate) instance: usize,
    pub(crate) bytes: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TxCandidate {
    pub(crate) rule: RuleRef,
    pub(crate) state: CandidateState,
    /// Which of the rule's first 32 buffers matched already.
    pub(crate) matched: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CandidateState {
    Waiting,
    Fired,
    /// Cannot match in this transaction any more, unless what is there is added to.
    Dead,
    /// Cannot match whatever is added.
    Over,
}

impl TxCandidate {
    pub(crate) const fn new(layer: u16, rule: u32) -> Self {
        Self {
            rule: RuleRef { layer, rule },
            state: CandidateState::Waiting,
            matched: 0,
        }
    }
}

impl TxSide {
    /// A buffer that seemed whole has changed: what could not match before may do so now.
    pub(crate) fn look_again(&mut self) {
        for candidate in &mut self.candidates {
            if candidate.state == CandidateState::Dead {
                candidate.state = CandidateState::Waiting;
            }
        }
    }
}

impl TxState {
    fn restart(&mut self, id: u64) {
        self.id = id;
        self.bits.clear();
        self.accepted = false;
        self.over = false;
        for side in &mut self.sides {
            side.seen = None;
            side.done = false;
            side.states_passed = 0;
            side.let_through_by.clear();
            side.events_seen = 0;
            side.scanned.clear();
            side.scanned_further.clear();
            side.candidates.clear();
            side.amendable = 0;
            side.growth = Growth::default();
        }
    }
}

impl FlowDetect {
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        let sides = self.txs.iter().flat_map(|tx| &tx.sides);
        let of_side = |side: &TxSide| {
            side.scanned.capacity() * size_of::<u32>()
                + side.scanned_further.capacity() * size_of::<Scanned>()
                + side.candidates.capacity() * size_of::<TxCandidate>()
                + side.let_through_by.capacity() * size_of::<RuleRef>()
        };
        let candidates = self.stream.iter().map(List::capacity).sum::<usize>();
        self.txs.capacity() * size_of::<TxState>()
            + sides.map(of_side).sum::<usize>()
            + candidates * size_of::<StreamCandidate>()
            + self.payload_matched.capacity() * size_of::<RuleRef>()
            + self.bits.held_bytes()
            + self.variables.held_bytes()
            + self
                .txs
                .iter()
                .map(|tx| tx.bits.held_bytes())
                .sum::<usize>()
    }

    /// Makes the state ready for another flow, keeping its room.
    pub fn reset(&mut self, scratch: &mut Scratch) {
        self.forget(scratch);
        self.bits.clear();
        self.variables.clear();
        self.epoch = 0;
    }

    /// What rules have found so far is of no use; flowbits stay.
    pub fn await_rules(&mut self, scratch: &mut Scratch) {
        let asked = self.addresses_done;
        self.forget(scratch);
        self.addresses_done = asked;
    }

    /// Gives back what transactions that are over have left.
    pub fn give_back(&mut self, scratch: &mut Scratch) {
        for next in [FIRST_UNIT - 1, u64::MAX] {
            self.retire(next, scratch);
        }
        self.bits.shrink();
    }

    pub fn lie_down(self) -> RestingDetect {
        let waits = !self.txs.is_empty()
            || self.stream.iter().any(|candidates| !candidates.is_empty())
            || !self.payload_matched.is_empty();
        if waits {
            return RestingDetect::Whole(Box::new(self));
        }
        RestingDetect::Usual(Usual {
            epoch: self.epoch,
            bits: self.bits,
            variables: self.variables,
            retired_below: self.retired_below,
            generation: self.generation,
            addresses_done: self.addresses_done,
            protocol_done: self.protocol_done,
        })
    }

    pub fn get_up(resting: RestingDetect) -> Self {
        match resting {
            RestingDetect::Whole(state) => *state,
            RestingDetect::Usual(usual) => Self {
                epoch: usual.epoch,
                bits: usual.bits,
                variables: usual.variables,
                retired_below: usual.retired_below,
                generation: usual.generation,
                addresses_done: usual.addresses_done,
                protocol_done: usual.protocol_done,
                ..Self::default()
            },
        }
    }

    /// The flow's protocol was not known before, or another one follows.
    pub fn expect_protocol(&mut self) {
        self.protocol_done = [false; 2];
    }

    /// In which directions the rules of a ruleset that are about the flow's ends were asked.
    pub(crate) fn asked_about_ends(&self, epoch: u64) -> [bool; 2] {
        self.addresses_done.map(|done| done && self.epoch == epoch)
    }

    /// Whether the rules of a ruleset that ask once for each direction, about the flow's ends and about
    /// its protocol, were asked for this one.
    pub(crate) fn was_asked_about(&self, epoch: u64, direction: Direction) -> bool {
        let at = direction.index();
        self.epoch == epoch && self.addresses_done[at] && self.protocol_done[at]
    }

    /// Another ruleset: rule numbers mean something else now. Flowbits stay: their names do too.
    #[inline]
    pub(crate) fn sync(&mut self, epoch: u64, scratch: &mut Scratch) {
        if self.epoch != epoch {
            self.forget(scratch);
            self.epoch = epoch;
        }
    }

    fn forget(&mut self, scratch: &mut Scratch) {
        for state in self.txs.drain(..) {
            scratch.recycle(state);
        }
        self.retired_below = 0;
        self.stream.iter_mut().for_each(List::clear);
        self.payload_matched.clear();
        self.addresses_done = [false; 2];
        self.protocol_done = [false; 2];
        self.generation = self.generation.wrapping_add(1);
    }

    /// Index in `txs` of the state for a transaction; `None` where it is over.
    pub(crate) fn transaction(&mut self, id: u64, scratch: &mut Scratch) -> Option<usize> {
        if let Some(at) = self.txs.iter().position(|t| t.id == id) {
            return Some(at);
        }
        if id < self.retired_below {
            return None;
        }
        self.retire(id, scratch);
        let mut state = scratch.spare.pop().unwrap_or_default();
        state.restart(id);
        self.txs.push(state);
        Some(self.txs.len() - 1)
    }

    /// Nothing more will come of a transaction: its state goes when the next one begins.
    pub(crate) fn end_transaction(&mut self, id: u64) {
        if let Some(known) = self.txs.iter_mut().find(|tx| tx.id == id) {
            known.over = true;
        }
    }

    /// Lets go of states below `id` that have nothing left to ask.
    fn retire(&mut self, id: u64, scratch: &mut Scratch) {
        let mut at = 0;
        while at < self.txs.len() {
            let tx = &self.txs[at];
            if tx.id < id && tx.over && is_unit(tx.id) == is_unit(id) {
                // A unit that has ended is not shown again.
                if !is_unit(id) {
                    self.retired_below = self.retired_below.max(tx.id + 1);
                }
                scratch.recycle(self.txs.swap_remove(at));
            } else {
                at += 1;
            }
        }
    }
}

/// Transactions and units of frames have ids of their own.
const fn is_unit(id: u64) -> bool {
    id >= FIRST_UNIT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_is_over_does_not_start_again() {
        let (mut flow, mut scratch) = (FlowDetect::new(), Scratch::new());
        let at = flow.transaction(1, &mut scratch).unwrap();
        flow.txs[at].over = true;
        assert_eq!(flow.transaction(1, &mut scratch), Some(at));
        assert!(flow.transaction(2, &mut scratch).is_some());
        assert_eq!(flow.transaction(1, &mut scratch), None);
        assert_eq!(flow.txs.len(), 1);
    }

    #[test]
    fn an_older_transaction_that_is_not_over_stays() {
        let (mut flow, mut scratch) = (FlowDetect::new(), Scratch::new());
        flow.transaction(1, &mut scratch);
        flow.transaction(2, &mut scratch);
        assert_eq!(flow.transaction(1, &mut scratch), Some(0));
    }

    #[test]
    fn a_new_ruleset_forgets_all_but_the_flowbits() {
        let (mut flow, mut scratch) = (FlowDetect::new(), Scratch::new());
        let bit = super::super::flowbits::BitId::of("flow_state.test");
        flow.sync(1, &mut scratch);
        flow.bits.set(bit);
        flow.transaction(5, &mut scratch);
        flow.addresses_done[0] = true;
        flow.sync(1, &mut scratch);
        assert!(flow.addresses_done[0]);
        flow.sync(2, &mut scratch);
        assert!(flow.txs.is_empty() && !flow.addresses_done[0] && flow.bits.has(bit));
        flow.reset(&mut scratch);
        assert!(!flow.bits.has(bit));
    }
}
