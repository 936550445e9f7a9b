//! Flows whose two directions come under different network identifiers.
//!
//! An overlay network may route between two of its networks: requests then come under the
//! identifier of the one, answers under that of the other, between the same two tunnel ends. What
//! answers a flow is joined to it. Flows with equal addresses in two networks still do not mix:
//! only a packet whose own network has no such flow is taken for an answer, and only where one
//! is waited for.

use std::collections::HashMap;

use ahash::RandomState;

use crate::flow::FlowKey;

/// Flows of each of the two generations; beyond, the oldest are forgotten.
const GENERATION: usize = 32_768;

/// A bounded map that forgets what was not asked for in a long time.
#[derive(Debug, Default)]
struct Recent {
    young: HashMap<FlowKey, u64, RandomState>,
    old: HashMap<FlowKey, u64, RandomState>,
}

impl Recent {
    fn get(&mut self, key: &FlowKey) -> Option<u64> {
        if let Some(&name) = self.young.get(key) {
            return Some(name);
        }
        let name = *self.old.get(key)?;
        self.insert(*key, name);
        Some(name)
    }

    fn insert(&mut self, key: FlowKey, name: u64) {
        if self.young.len() >= GENERATION {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, name);
    }
}

#[derive(Debug, Default)]
pub(super) struct Twins {
    /// By the flow's ends and the tunnel's ends: the network in which the flow began.
    opened: Recent,
    /// By the flow as its answers have it: the network in which it began.
    joined: Recent,
}

impl Twins {
    pub fn opened(&mut self, between: &FlowKey) -> Option<u64> {
        self.opened.get(between)
    }

    pub fn open(&mut self, between: FlowKey, network: u64) {
        self.opened.insert(between, network);
    }

    pub fn joined(&mut self, answer: &FlowKey) -> Option<u64> {
        self.joined.get(answer)
    }

    pub fn join(&mut self, answer: FlowKey, network: u64) {
        self.joined.insert(answer, network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> FlowKey {
        let end = |n: u32| (std::net::Ipv4Addr::from_bits(n).into(), 1);
        FlowKey::new(end(n), end(0), 6, [0; 3])
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_asked_for_are_kept() {
        let mut recent = Recent::default();
        for n in 1..=5 * GENERATION as u32 {
            recent.insert(key(n), u64::from(n));
            assert_eq!(recent.get(&key(1)), Some(1), "asked for all the time");
        }
        assert_eq!(recent.get(&key(2)), None);
        assert!(recent.young.len() + recent.old.len() <= 2 * GENERATION);
    }
}
