//! Flowbits: names to numbers, and the bits of one flow.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::reuse::{List, reused};

reused!(BitId);

/// One name. The same in every layer and after every reload, so that bits outlive a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BitId(u32);

static NAMES: Mutex<Option<HashMap<String, BitId>>> = Mutex::new(None);

impl BitId {
    /// Called while compiling only; the table grows by the names that rules use.
    pub(crate) fn of(name: &str) -> Self {
        let mut names = NAMES
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let names = names.get_or_insert_with(HashMap::new);
        if let Some(&id) = names.get(name) {
            return id;
        }
        let id = Self(names.len() as u32);
        names.insert(name.to_owned(), id);
        id
    }
}

/// The bits set in one flow, sorted.
#[derive(Debug, Default)]
pub(crate) struct Bits(List<BitId>);

impl Bits {
    /// Gives back room that bits set no more have left.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to(0);
    }

    pub(crate) fn has(&self, bit: BitId) -> bool {
        self.0.binary_search(&bit).is_ok()
    }

    /// Whether that changed anything.
    pub(crate) fn set(&mut self, bit: BitId) -> bool {
        match self.0.binary_search(&bit) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, bit);
                true
            }
        }
    }

    /// Whether that changed anything.
    pub(crate) fn unset(&mut self, bit: BitId) -> bool {
        match self.0.binary_search(&bit) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn toggle(&mut self, bit: BitId) {
        if !self.unset(bit) {
            self.set(bit);
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.0.capacity() * size_of::<BitId>()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let a = BitId::of("flowbits.test.a");
        let b = BitId::of("flowbits.test.b");
        assert_ne!(a, b);
        assert_eq!(a, BitId::of("flowbits.test.a"));
    }

    #[test]
    fn toggling_twice_changes_nothing() {
        let (a, b) = (BitId(7), BitId(3));
        let mut bits = Bits::default();
        assert!(bits.set(a) && bits.set(b) && !bits.set(a));
        bits.toggle(a);
        assert!(!bits.has(a) && bits.has(b));
        bits.toggle(a);
        assert!(bits.has(a));
    }
}
