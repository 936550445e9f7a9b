//! What inspection could not do, and what it cost.

use super::{Engine, Passage};
use crate::counters::{Counter, Counters};
use crate::detect::Ruleset;
use crate::direction::Direction;
use crate::pipeline::event::{Event, EventSink, SuspendedEvent};

/// What inspection left to settle.
pub(super) struct Settled {
    /// Units of work.
    pub work: u64,
    /// A rule could not decide, or was not asked.
    pub undecided: bool,
}

impl Engine {
    /// Counts what inspection did and could not do since the last call.
    pub(super) fn settle(&mut self, counters: &Counters) -> Settled {
        let scratch = &mut self.scratch;
        let work = scratch.take_work();
        if work > 0 {
            counters.add(Counter::RuleWork, work);
        }
        let (errors, skipped) = (scratch.take_match_errors(), scratch.take_skipped());
        let suspended = scratch.take_suspended();
        let undecided = errors + skipped + suspended > 0;
        if undecided {
            counters.add(Counter::MatchErrors, errors);
            counters.add(Counter::RulesSkipped, skipped);
            counters.add(Counter::RulesSuspended, suspended);
        }
        Settled { work, undecided }
    }

    /// Tells of the rules that were suspended with the flow in hand.
    pub(super) fn tell_suspended(
        &mut self,
        ruleset: &Ruleset,
        flow_id: u64,
        direction: Direction,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) {
        while let Some(suspension) = self.scratch.next_suspension() {
            let Some(signature) = suspension.signature(ruleset) else {
                continue;
            };
            sink.event(Event::Suspended(SuspendedEvent {
                at: passage.now,
                flow_id,
                ends: passage.ends,
                direction,
                signature,
                spent_us: suspension.spent_us,
                secs: suspension.secs,
            }));
        }
    }
}
