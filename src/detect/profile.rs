//! What each rule costs, for those who write rules. Nothing is kept and no clock is read unless
//! somebody asks for it.

use std::time::Duration;

use super::flow_state::RuleRef;
use super::ruleset::Ruleset;
use crate::buffer::Buffer;
use crate::signature::ast::SignatureId;

/// Time that goes by, from any beginning. The engine itself has no clock.
pub type ProfileClock = Box<dyn Fn() -> Duration + Send>;

/// How often the clock is read to find out what reading it costs.
const CLOCK_TRIALS: usize = 64;

/// What one rule cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCost {
    /// Times that it was brought up: by its fast pattern, an event, or since it has neither.
    pub candidates: u64,
    /// Times that its tests were run on bytes.
    pub tried: u64,
    pub matched: u64,
    /// All that it took, from being brought up to the answer.
    pub total: Duration,
    /// The most that it took at once.
    pub longest: Duration,
}

/// A rule with its cost.
#[derive(Clone, Debug)]
pub struct RuleProfile {
    pub id: SignatureId,
    pub message: String,
    pub called_by: CalledBy,
    pub cost: RuleCost,
}

/// What brings a rule up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalledBy {
    FastPattern {
        buffer: Buffer,
        bytes: Vec<u8>,
    },
    Event,
    /// Whatever may concern it: it has no content worth looking for.
    Everything,
}

/// What all rules cost so far.
pub(crate) struct Profile {
    clock: ProfileClock,
    /// What reading the clock takes by itself.
    clock_cost: Duration,
    epoch: u64,
    /// By layer and rule.
    costs: Vec<Vec<RuleCost>>,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Profile").finish_non_exhaustive()
    }
}

impl Profile {
    pub(crate) fn new(clock: ProfileClock) -> Self {
        let readings = (0..CLOCK_TRIALS).map(|_| {
            let began = clock();
            clock().saturating_sub(began)
        });
        Self {
            clock_cost: readings.min().unwrap_or_default(),
            clock,
            epoch: 0,
            costs: Vec::new(),
        }
    }

    /// Rules of another ruleset have other numbers: what is known of the one before goes.
    pub(crate) fn enter(&mut self, ruleset: &Ruleset) {
        if self.epoch != ruleset.epoch {
            self.epoch = ruleset.epoch;
            let of_layer = |rules| vec![RuleCost::default(); rules];
            let layers = ruleset.layers.iter();
            self.costs = layers.map(|layer| of_layer(layer.rules.len())).collect();
        }
    }

    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    fn cost(&mut self, rule: RuleRef) -> Option<&mut RuleCost> {
        let of_layer = self.costs.get_mut(usize::from(rule.layer))?;
        of_layer.get_mut(rule.rule as usize)
    }

    pub(crate) fn called(&mut self, rule: RuleRef) {
        if let Some(cost) = self.cost(rule) {
            cost.candidates += 1;
        }
    }

    pub(crate) fn matched(&mut self, rule: RuleRef) {
        if let Some(cost) = self.cost(rule) {
            cost.matched += 1;
        }
    }

    /// A trial is over that began at `began`. `tried`: its tests were run.
    pub(crate) fn spent(&mut self, rule: RuleRef, began: Duration, tried: bool) {
        let took = self.now().saturating_sub(began);
        let took = took.saturating_sub(self.clock_cost);
        if let Some(cost) = self.cost(rule) {
            cost.tried += u64::from(tried);
            cost.total += took;
            cost.longest = cost.longest.max(took);
        }
    }

    /// The rules of `ruleset` that were brought up, the most expensive first.
    pub(crate) fn report(&self, ruleset: &Ruleset) -> Vec<RuleProfile> {
        if self.epoch != ruleset.epoch {
            return Vec::new();
        }
        let mut rows: Vec<RuleProfile> = Vec::new();
        for (layer, costs) in ruleset.layers.iter().zip(&self.costs) {
            for ((rule, signature), cost) in layer.rules.iter().zip(layer.signatures()).zip(costs) {
                if *cost == RuleCost::default() {
                    continue;
                }
                rows.push(RuleProfile {
                    id: signature.id(),
                    message: signature.signature.message.to_string(),
                    called_by: rule.called_by(),
                    cost: *cost,
                });
            }
        }
        let key = |row: &RuleProfile| (row.cost.total, row.cost.candidates);
        rows.sort_by(|a, b| key(b).cmp(&key(a)).then(a.id.sid.cmp(&b.id.sid)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::detect::CompileOptions;
    use crate::detect::tests::fixture::Rig;
    use crate::direction::Direction;

    /// Each reading is a microsecond after the one before.
    fn steady() -> ProfileClock {
        let read = AtomicU64::new(0);
        Box::new(move || Duration::from_micros(read.fetch_add(1, Ordering::Relaxed)))
    }

    #[test]
    fn a_rule_is_charged_with_what_it_was_brought_up_for() {
        let rules = r#"
            alert tcp any any -> any any (msg:"common"; content:"common"; content:"rare"; sid:1;)
            alert tcp any any -> any any (msg:"port"; content:"common"; sid:2;)
            alert tcp any any -> any any (msg:"never"; content:"never"; sid:3;)
        "#;
        let mut rig = Rig::new(rules, &CompileOptions::default());
        rig.scratch.profile(steady());
        for _ in 0..3 {
            rig.stream(Direction::ToServer, b"common ground ");
        }
        rig.stream(Direction::ToServer, b"rare common");
        let report = rig.scratch.profiled(&rig.ruleset);
        let of = |sid| report.iter().find(|row| row.id.sid == sid);
        let (one, two) = (of(1).unwrap(), of(2).unwrap());
        assert!(of(3).is_none());
        assert_eq!((two.cost.candidates, two.cost.matched), (4, 4));
        assert_eq!(one.cost.matched, 1);
        // What it needs besides is looked for alone, until it comes.
        assert_eq!((one.cost.candidates, one.cost.tried), (4, 2));
        assert_eq!(
            two.called_by,
            CalledBy::FastPattern {
                buffer: Buffer::Payload,
                bytes: b"common".to_vec()
            }
        );
        // What reading the clock takes is none of the rule's.
        assert_eq!(two.cost.total, Duration::ZERO);
    }
}
