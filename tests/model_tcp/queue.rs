//! What waits behind a hole, by the overlap rules of Linux (`tcp_data_queue_ofo`, `tcp_ofo_queue`).

use super::segment::{after, before};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    pub seq: u32,
    pub payload: Vec<u8>,
    pub fin: bool,
}

impl Queued {
    pub fn end(&self) -> u32 {
        self.seq
            .wrapping_add(self.payload.len() as u32)
            .wrapping_add(u32::from(self.fin))
    }
}

/// Sorted by sequence number; entries may overlap.
#[derive(Clone, Debug, Default)]
pub struct OutOfOrder(Vec<Queued>);

impl OutOfOrder {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The right edge of what a SACK option would tell of.
    pub fn highest_end(&self) -> Option<u32> {
        let ends = self.0.iter().map(Queued::end);
        ends.reduce(|a, b| if after(b, a) { b } else { a })
    }

    /// Edges of all entries.
    pub fn edges(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|q| [q.seq, q.end()])
    }

    /// The receiver ran out of memory and forgets its last entry (`tcp_prune_ofo_queue`).
    pub fn forget_last(&mut self) {
        self.0.pop();
    }

    /// Whether anything was kept of it.
    pub fn insert(&mut self, new: Queued) -> bool {
        let mut at = 0;
        let mut replaces = false;
        for (index, old) in self.0.iter().enumerate() {
            if before(new.seq, old.seq) {
                break;
            }
            at = index + 1;
            if !before(new.seq, old.end()) {
                continue;
            }
            // All of it is there already: the older copy stays.
            if !after(new.end(), old.end()) {
                return false;
            }
            // It covers one that begins with it: the newer copy stays.
            if new.seq == old.seq {
                at = index;
                replaces = true;
                break;
            }
        }
        if replaces {
            self.0.remove(at);
        }
        // What lies wholly under it to the right goes.
        while self
            .0
            .get(at)
            .is_some_and(|right| after(new.end(), right.seq) && !before(new.end(), right.end()))
        {
            self.0.remove(at);
        }
        self.0.insert(at, new);
        true
    }

    /// The next entry that reaches `next`; what lies wholly below it is forgotten.
    pub fn take_reached(&mut self, next: u32) -> Option<Queued> {
        while let Some(first) = self.0.first() {
            if after(first.seq, next) {
                return None;
            }
            let first = self.0.remove(0);
            if after(first.end(), next) {
                return Some(first);
            }
        }
        None
    }
}
