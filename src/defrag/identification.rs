//! Identifications for the fragments that we send.

use std::net::IpAddr;

use ahash::RandomState;

/// Pairs of hosts share a counter where their hashes meet.
const COUNTERS: usize = 1024;

/// Counters by source and destination, each begun at a secret number: an identification comes again
/// for the same pair only after all others (RFC 6864 section 4.3, RFC 7739 section 5.3).
#[derive(Debug)]
pub(super) struct Identifications(Vec<u32>);

impl Identifications {
    pub fn new(hasher: &RandomState) -> Self {
        let first = |n: usize| hasher.hash_one(n) as u32;
        Self((0..COUNTERS).map(first).collect())
    }

    /// Never zero in its lower half, which the kernel would replace.
    pub fn next(&mut self, hasher: &RandomState, src: IpAddr, dst: IpAddr) -> u32 {
        let at = hasher.hash_one((src, dst)) as usize % COUNTERS;
        let Some(counter) = self.0.get_mut(at) else {
            return 1;
        };
        *counter = counter.wrapping_add(1);
        if *counter as u16 == 0 {
            *counter = counter.wrapping_add(1);
        }
        *counter
    }
}
