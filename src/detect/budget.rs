//! How much of a worker's time one rule may take, and what becomes of one that takes more.
//!
//! What is counted is work, in units of about a nanosecond ([`crate::detect::keywords`] has what
//! costs how many): the same traffic suspends the same rules on every machine, and no clock is
//! read. A rule that has used up its budget of a second is not asked for a while; what it would have
//! been asked about cannot be decided, and meets the exception policy `time_budget`.

use super::compile::CompiledSignature;
use super::flow_state::RuleRef;
use super::ruleset::Ruleset;
use crate::time::Timestamp;

/// Units of work that are about a microsecond.
pub const UNITS_PER_US: u64 = 1_000;

/// What a trial costs besides its tests.
const TRIAL_UNITS: u64 = 50;

/// Suspensions that wait to be told of; more are counted, and not told.
const MOST_NEWS: usize = 16;

/// What one rule may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleBudget {
    /// Of each second of a worker. Zero: as much as it wants.
    pub us_per_second: u32,
    /// A rule that took more is not asked for so long.
    pub suspended_secs: u32,
}

impl Default for RuleBudget {
    fn default() -> Self {
        Self {
            us_per_second: 200_000,
            suspended_secs: 10,
        }
    }
}

/// Work on a flow's rules, in units, that each of its bytes pays for.
pub const UNITS_PAID_PER_BYTE: u64 = 100;

/// Units in which a debt is kept: what is less is let off.
const TICK_UNITS: u64 = 1_024;

/// The work on one flow that its bytes did not pay for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt(u16);

impl Debt {
    /// So much work was done for a packet of so many bytes. Whether that makes more than `most_us`
    /// beyond what the flow's bytes pay for; then the count begins anew. Zero: any work will do.
    pub fn charge(&mut self, units: u64, bytes: u64, most_us: u32) -> bool {
        if units == 0 && self.0 == 0 {
            return false;
        }
        let owed = (u64::from(self.0) * TICK_UNITS).saturating_add(units);
        let owed = owed.saturating_sub(bytes.saturating_mul(UNITS_PAID_PER_BYTE));
        let over = most_us > 0 && owed > u64::from(most_us) * UNITS_PER_US;
        self.0 = match over {
            true => 0,
            false => u16::try_from(owed / TICK_UNITS).unwrap_or(u16::MAX),
        };
        over
    }
}

/// A rule was suspended.
#[derive(Clone, Copy, Debug)]
pub struct Suspension {
    rule: RuleRef,
    /// What it took in one second.
    pub spent_us: u64,
    pub secs: u32,
}

impl Suspension {
    /// `None`: of another ruleset.
    pub fn signature(self, ruleset: &Ruleset) -> Option<&CompiledSignature> {
        let layer = ruleset.layers.get(usize::from(self.rule.layer))?;
        layer.signatures().get(self.rule.rule as usize)
    }
}

/// What one rule has taken.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    second: u32,
    /// Units, in that second.
    spent: u32,
    /// The second from which on it is asked again.
    until: u32,
}

/// The accounts of all rules of a ruleset.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    budget: RuleBudget,
    epoch: u64,
    /// By layer and rule.
    accounts: Vec<Box<[Account]>>,
    /// The last second in which any rule is suspended, and one more.
    until: u32,
    news: Vec<Suspension>,
    suspended: u64,
    skipped: u64,
}

fn second(now: Timestamp) -> u32 {
    now.as_secs() as u32
}

impl Ledger {
    pub(crate) fn new(budget: RuleBudget) -> Self {
        Self {
            budget,
            news: Vec::with_capacity(MOST_NEWS),
            ..Self::default()
        }
    }

    /// Rules of another ruleset begin with what is theirs.
    pub(crate) fn enter(&mut self, ruleset: &Ruleset) {
        if self.epoch == ruleset.epoch || self.budget.us_per_second == 0 {
            return;
        }
        self.epoch = ruleset.epoch;
        self.until = 0;
        self.news.clear();
        let layers = ruleset.layers.iter();
        self.accounts = layers
            .map(|layer| vec![Account::default(); layer.rules.len()].into())
            .collect();
    }

    fn account(&mut self, rule: RuleRef) -> Option<&mut Account> {
        let of_layer = self.accounts.get_mut(usize::from(rule.layer))?;
        of_layer.get_mut(rule.rule as usize)
    }

    /// Whether a rule must not be asked now. Counts that it was not.
    #[inline]
    pub(crate) fn skips(&mut self, rule: RuleRef, now: Timestamp) -> bool {
        self.until != 0 && self.is_suspended(rule, second(now))
    }

    #[cold]
    fn is_suspended(&mut self, rule: RuleRef, now: u32) -> bool {
        if now >= self.until {
            self.until = 0;
            return false;
        }
        let suspended = self.account(rule).is_some_and(|a| now < a.until);
        self.skipped += u64::from(suspended);
        suspended
    }

    /// A trial of a rule took so many units.
    #[inline]
    pub(crate) fn charge(&mut self, rule: RuleRef, units: u64, now: Timestamp) {
        let RuleBudget {
            us_per_second,
            suspended_secs,
        } = self.budget;
        let now = second(now);
        let Some(account) = self.account(rule) else {
            return;
        };
        if account.second != now {
            account.second = now;
            account.spent = 0;
        }
        let units = u32::try_from(units.saturating_add(TRIAL_UNITS)).unwrap_or(u32::MAX);
        account.spent = account.spent.saturating_add(units);
        let spent_us = u64::from(account.spent) / UNITS_PER_US;
        if spent_us <= u64::from(us_per_second) {
            return;
        }
        let until = now.saturating_add(suspended_secs);
        (account.until, account.spent) = (until, 0);
        self.until = self.until.max(until);
        self.suspended += 1;
        if self.news.len() < MOST_NEWS {
            self.news.push(Suspension {
                rule,
                spent_us,
                secs: suspended_secs,
            });
        }
    }

    /// Rules suspended since the last call, how often.
    pub(crate) fn take_suspended(&mut self) -> u64 {
        std::mem::take(&mut self.suspended)
    }

    /// The next suspension to tell of.
    pub(crate) fn next_news(&mut self) -> Option<Suspension> {
        self.news.pop()
    }

    /// How often suspended rules were not asked since the last call.
    pub(crate) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: RuleRef = RuleRef { layer: 0, rule: 1 };
    const OTHER: RuleRef = RuleRef { layer: 0, rule: 0 };

    fn ledger(us_per_second: u32) -> Ledger {
        Ledger {
            accounts: vec![vec![Account::default(); 2].into()],
            ..Ledger::new(RuleBudget {
                us_per_second,
                suspended_secs: 3,
            })
        }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn a_rule_over_its_budget_is_suspended_alone_and_asked_again_later() {
        let mut ledger = ledger(10);
        ledger.charge(RULE, 5_000, at(1));
        // Another second: what was taken before does not count.
        ledger.charge(RULE, 9_000, at(2));
        assert!(!ledger.skips(RULE, at(2)));
        ledger.charge(RULE, 9_000, at(2));
        assert!(ledger.skips(RULE, at(2)) && ledger.skips(RULE, at(4)));
        assert!(!ledger.skips(OTHER, at(2)));
        assert!(!ledger.skips(RULE, at(5)));
        assert_eq!((ledger.take_suspended(), ledger.take_skipped()), (1, 2));
        let told = ledger.next_news().unwrap();
        assert_eq!((told.rule, told.spent_us, told.secs), (RULE, 18, 3));
        assert!(ledger.next_news().is_none());
    }

    #[test]
    fn tests_that_cost_nothing_are_paid_for_when_they_are_many() {
        let mut ledger = ledger(10);
        for _ in 0..=10_000 / TRIAL_UNITS + 20 {
            ledger.charge(RULE, 0, at(1));
        }
        assert!(ledger.skips(RULE, at(1)));
    }

    #[test]
    fn bytes_pay_for_work_and_save_nothing() {
        let mut debt = Debt::default();
        assert!(!debt.charge(0, 1 << 40, 10));
        let dear = 100 * UNITS_PAID_PER_BYTE + 7 * UNITS_PER_US;
        assert!(!debt.charge(dear, 100, 10));
        // Bytes that cost nothing pay for those before.
        assert!(!debt.charge(0, 7 * UNITS_PER_US / UNITS_PAID_PER_BYTE, 10));
        assert!(!debt.charge(dear, 100, 10));
        assert!(!debt.charge(dear, 100, 0));
        assert!(debt.charge(dear, 100, 10));
        assert!(!debt.charge(dear, 100, 10));
    }

    #[test]
    fn no_more_news_are_kept_than_there_is_room_for() {
        let mut ledger = ledger(1);
        for n in 0..100 {
            ledger.charge(RULE, 10_000, at(n * 100));
        }
        assert_eq!(ledger.take_suspended(), 100);
        assert_eq!(ledger.news.len(), MOST_NEWS);
        assert_eq!(ledger.news.capacity(), MOST_NEWS);
    }
}
