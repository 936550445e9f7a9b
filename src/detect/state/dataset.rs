//! One set of values.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;

use super::{Budget, Sharded};
use crate::signature::ast::SetDefinition;
use crate::signature::set::{SetContent, SetFact, SetKind, entry_bytes};

type Shard = HashMap<Box<[u8]>, SetFact, ahash::RandomState>;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Changed,
    Same,
    /// There is no room for another one.
    Full,
}

#[derive(Debug)]
pub(crate) struct Dataset {
    kind: SetKind,
    kept_in: Option<String>,
    made_of: Option<Arc<SetContent>>,
    shards: Sharded<Shard>,
    bytes: AtomicUsize,
    most_bytes: usize,
    budget: Arc<Budget>,
}

impl Dataset {
    pub(super) fn new(
        definition: &SetDefinition,
        kept_in: Option<String>,
        content: Option<&Arc<SetContent>>,
        budget: &Arc<Budget>,
    ) -> Self {
        let set = Self {
            kind: definition.kind,
            kept_in,
            made_of: content.cloned(),
            shards: Sharded::new(),
            bytes: AtomicUsize::new(0),
            most_bytes: definition.memory_bytes,
            budget: Arc::clone(budget),
        };
        for (value, fact) in content.iter().flat_map(|c| &c.entries) {
            set.put(value, fact.clone());
        }
        set
    }

    pub(super) fn was_made_of(&self, content: Option<&Arc<SetContent>>) -> bool {
        match (&self.made_of, content) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
            (None, None) => true,
            _ => false,
        }
    }

    pub(super) fn kept_in(&self) -> Option<&str> {
        self.kept_in.as_deref()
    }

    /// As files of sets are written, sorted.
    pub(super) fn text(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for shard in self.shards.each() {
            lines.extend(shard.keys().map(|value| self.kind.line_of(value)));
        }
        lines.sort_unstable();
        lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    /// What is known of the bytes of a buffer; `None`: they are not in the set.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<SetFact> {
        let mut room = [0; 16];
        let value = self.kind.of_buffer(bytes, &mut room)?;
        self.shards.of(value).get(value).cloned()
    }

    pub(crate) fn insert(&self, bytes: &[u8]) -> Change {
        let mut room = [0; 16];
        match self.kind.of_buffer(bytes, &mut room) {
            Some(value) => self.put(value, SetFact::Nothing),
            None => Change::Same,
        }
    }

    fn put(&self, value: &[u8], fact: SetFact) -> Change {
        let mut shard = self.shards.of(value);
        if shard.contains_key(value) {
            return Change::Same;
        }
        let needed = entry_bytes(value, &fact);
        // Workers that add at the same moment may go over by one value each.
        if self.bytes.load(Ordering::Relaxed).saturating_add(needed) > self.most_bytes
            || !self.budget.take(needed)
        {
            return Change::Full;
        }
        self.bytes.fetch_add(needed, Ordering::Relaxed);
        shard.insert(value.into(), fact);
        Change::Changed
    }

    pub(crate) fn remove(&self, bytes: &[u8]) -> Change {
        let mut room = [0; 16];
        let Some(value) = self.kind.of_buffer(bytes, &mut room) else {
            return Change::Same;
        };
        match self.shards.of(value).remove(value) {
            None => Change::Same,
            Some(fact) => {
                let freed = entry_bytes(value, &fact);
                self.bytes.fetch_sub(freed, Ordering::Relaxed);
                self.budget.give(freed);
                Change::Changed
            }
        }
    }
}

impl Drop for Dataset {
    fn drop(&mut self) {
        self.budget.give(self.bytes.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn set(kind: SetKind, memory_bytes: usize, budget: &Arc<Budget>) -> Dataset {
        let definition = SetDefinition {
            name: "s".into(),
            kind,
            content: None,
            memory_bytes,
            kept_in: None,
        };
        Dataset::new(&definition, None, None, budget)
    }

    fn budget(most: u64) -> Arc<Budget> {
        Arc::new(Budget {
            used: AtomicU64::new(0),
            most,
        })
    }

    #[test]
    fn values_come_and_go() {
        let set = set(SetKind::Ip, 10_000, &budget(10_000));
        assert_eq!(set.insert(&[192, 0, 2, 1]), Change::Changed);
        assert_eq!(set.insert(&[192, 0, 2, 1]), Change::Same);
        let mapped = "::ffff:192.0.2.1".parse::<std::net::Ipv6Addr>().unwrap();
        assert_eq!(set.find(&mapped.octets()), Some(SetFact::Nothing));
        assert_eq!(set.text(), "192.0.2.1\n");
        assert_eq!(set.insert(b"no address"), Change::Same);
        assert_eq!(set.remove(&[192, 0, 2, 1]), Change::Changed);
        assert_eq!(set.find(&[192, 0, 2, 1]), None);
    }

    #[test]
    fn a_set_and_all_sets_together_are_bounded() {
        let budget = budget(300);
        let (small, large) = (
            set(SetKind::String, 150, &budget),
            set(SetKind::String, 10_000, &budget),
        );
        let fill = |set: &Dataset| {
            (0..10_u8)
                .filter(|&n| set.insert(&[n]) == Change::Changed)
                .count()
        };
        assert_eq!(fill(&small), 2);
        assert_eq!(fill(&large), 2);
        drop(small);
        assert_eq!(large.insert(b"x"), Change::Changed);
    }
}
