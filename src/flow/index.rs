//! Which slot holds a key: chains of slots, by hash.
//!
//! All room is taken at the start (and touched as it is used), and nothing is ever moved: no packet
//! waits for a growth, and no number of comings and goings makes the table worse.

/// Beyond this many chains they grow longer instead.
const MAX_CHAINS: usize = 1 << 24;

/// Heads of the chains. The next slot of a chain stands in the slot before it.
#[derive(Debug)]
pub(super) struct Index {
    /// One more than the slot's number; zero: no slot. Zeroed memory costs nothing until it is used.
    heads: Vec<u32>,
}

impl Index {
    pub fn for_flows(flows: usize) -> Self {
        Self {
            heads: vec![0; chains(flows)],
        }
    }

    /// Bytes of the heads.
    pub fn bytes_for(flows: usize) -> usize {
        chains(flows) * size_of::<u32>()
    }

    pub fn first(&self, hash: u32) -> u32 {
        let head = self.heads.get(self.chain(hash)).copied();
        head.unwrap_or(0).wrapping_sub(1)
    }

    /// The slot becomes the first of its chain; the one that was is given back, as its next.
    pub fn push(&mut self, hash: u32, slot: u32) -> u32 {
        let first = self.first(hash);
        self.set_first(hash, slot);
        first
    }

    pub fn set_first(&mut self, hash: u32, slot: u32) {
        let chain = self.chain(hash);
        if let Some(head) = self.heads.get_mut(chain) {
            *head = slot.wrapping_add(1);
        }
    }

    fn chain(&self, hash: u32) -> usize {
        hash as usize & (self.heads.len() - 1)
    }
}

/// A power of two, never zero.
fn chains(flows: usize) -> usize {
    flows.clamp(1, MAX_CHAINS).next_power_of_two()
}
