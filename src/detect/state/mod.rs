//! What rules keep beyond a flow: bits of hosts, sets, reputation. Shared by all workers.
//!
//! Tables are cut into shards, each behind a lock of its own that is held for one look-up. They are
//! bounded: what finds no room is counted, and the exception policy says what becomes of the flow.

mod dataset;
mod host_bits;
mod reputation;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::compile::Layer;
use crate::signature::ast::SetDefinition;
use crate::signature::set::SetKind;

pub(crate) use dataset::{Change, Dataset};
pub(crate) use host_bits::{BitChange, HostBits, Tracked};
pub use reputation::Reputation;

/// Shards of a table.
const SHARDS: usize = 64;

/// Bounds of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLimits {
    /// Bits of hosts and pairs.
    pub max_bits: usize,
    /// What the sets may take together, in bytes.
    pub set_bytes: u64,
}

impl Default for StateLimits {
    fn default() -> Self {
        Self {
            max_bits: 256 * 1024,
            set_bytes: 512 << 20,
        }
    }
}

/// All that is kept, across rulesets.
#[derive(Debug)]
pub struct State {
    limits: StateLimits,
    bits: Arc<HostBits>,
    sets: Mutex<HashMap<SetName, Arc<Dataset>>>,
    budget: Arc<Budget>,
}

type SetName = (String, SetKind);

/// Bytes that sets take together.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicU64,
    most: u64,
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let after = self.used.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if after > self.most {
            self.give(bytes);
            return false;
        }
        true
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new(StateLimits::default())
    }
}

impl State {
    pub fn new(limits: StateLimits) -> Self {
        Self {
            limits,
            bits: Arc::new(HostBits::new(limits.max_bits)),
            sets: Mutex::default(),
            budget: Arc::new(Budget {
                used: AtomicU64::new(0),
                most: limits.set_bytes,
            }),
        }
    }

    /// What the rules of `layers` need of it. Sets that rules change, or that are kept in a file,
    /// stay as they are; others hold what the rules' files do.
    pub fn for_layers(&self, layers: &[Arc<Layer>], reputation: Arc<Reputation>) -> Kept {
        let mut sets = HashMap::new();
        let mut known = lock(&self.sets);
        let uses = layers.iter().flat_map(|layer| &layer.sets_used);
        for (definition, changes) in uses.clone() {
            let name = (definition.name.clone(), definition.kind);
            let all = || {
                let same = uses.clone().filter(|(d, _)| d.is(&name));
                same.map(|(d, changes)| (d, *changes))
            };
            let lives = *changes || all().any(|(d, changes)| changes || d.kept_in.is_some());
            let content = all().find_map(|(d, _)| d.content.as_ref());
            let before = known.get(&name);
            let set = match before {
                Some(before) if lives || before.was_made_of(content) => Arc::clone(before),
                _ => Arc::new(Dataset::new(
                    definition,
                    all().find_map(|(d, _)| d.kept_in.clone()),
                    content,
                    &self.budget,
                )),
            };
            known.insert(name.clone(), Arc::clone(&set));
            sets.insert(name, set);
        }
        Kept {
            bits: Arc::clone(&self.bits),
            sets,
            reputation,
        }
    }

    /// Sets that are kept in a file: its name and its new text.
    pub fn kept_files(&self) -> Vec<(String, String)> {
        let sets = lock(&self.sets);
        sets.values()
            .filter_map(|set| Some((set.kept_in()?.to_owned(), set.text())))
            .collect()
    }

    pub fn limits(&self) -> StateLimits {
        self.limits
    }
}

impl SetDefinition {
    fn is(&self, (name, kind): &SetName) -> bool {
        self.name == *name && self.kind == *kind
    }
}

/// What is kept, as one ruleset sees it.
#[derive(Debug)]
pub struct Kept {
    pub(crate) bits: Arc<HostBits>,
    sets: HashMap<SetName, Arc<Dataset>>,
    pub(crate) reputation: Arc<Reputation>,
}

impl Default for Kept {
    fn default() -> Self {
        State::default().for_layers(&[], Arc::default())
    }
}

impl Kept {
    pub(crate) fn set(&self, name: &SetName) -> Option<&Arc<Dataset>> {
        self.sets.get(name)
    }
}

/// What panicked while it held a lock left a table that is whole: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A table in shards, found by the hash of the key.
#[derive(Debug)]
struct Sharded<T> {
    shards: Box<[Mutex<T>]>,
    hasher: ahash::RandomState,
}

impl<T: Default> Sharded<T> {
    fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: ahash::RandomState::new(),
        }
    }

    fn of(&self, key: &(impl Hash + ?Sized)) -> MutexGuard<'_, T> {
        // Tables within the shards use other bits of their own hash.
        let at = (self.hasher.hash_one(key) >> 32) as usize % SHARDS;
        lock(&self.shards[at])
    }

    fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(lock)
    }
}
