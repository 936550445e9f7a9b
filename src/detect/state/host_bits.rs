//! Named bits of hosts and of pairs of hosts, each for a time.

use std::net::IpAddr;

use hashbrown::HashMap;

use super::{SHARDS, Sharded};
use crate::detect::flowbits::BitId;
use crate::signature::ast::{BitCommand, BitTrack};
use crate::time::Timestamp;

/// Whose bit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tracked {
    Host(IpAddr),
    /// The lower address first: a pair has no direction.
    Pair(IpAddr, IpAddr),
}

impl Tracked {
    /// `None`: a transaction's bits are not kept here.
    pub(crate) fn of(track: BitTrack, src: IpAddr, dst: IpAddr) -> Option<Self> {
        Some(match track {
            BitTrack::Source => Self::Host(src),
            BitTrack::Destination => Self::Host(dst),
            BitTrack::Pair => Self::Pair(src.min(dst), src.max(dst)),
            BitTrack::Transaction => return None,
        })
    }
}

type Shard = HashMap<(BitId, Tracked), Timestamp, ahash::RandomState>;

/// What became of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitChange {
    Changed,
    Same,
    /// There is no room for another one.
    Full,
}

#[derive(Debug)]
pub(crate) struct HostBits {
    shards: Sharded<Shard>,
    /// Of each shard.
    most: usize,
}

impl HostBits {
    pub(super) fn new(max_bits: usize) -> Self {
        Self {
            shards: Sharded::new(),
            most: max_bits.div_ceil(SHARDS).max(1),
        }
    }

    pub(crate) fn has(&self, bit: BitId, whose: Tracked, now: Timestamp) -> bool {
        let key = (bit, whose);
        self.shards.of(&key).get(&key).is_some_and(|&end| now < end)
    }

    pub(crate) fn act(
        &self,
        command: BitCommand,
        bit: BitId,
        whose: Tracked,
        now: Timestamp,
        end: Timestamp,
    ) -> BitChange {
        let key = (bit, whose);
        let mut shard = self.shards.of(&key);
        let was_set = shard.get(&key).is_some_and(|&end| now < end);
        match (command, was_set) {
            (BitCommand::Unset | BitCommand::Toggle, true) => {
                shard.remove(&key);
                BitChange::Changed
            }
            (BitCommand::Unset, false) => BitChange::Same,
            (BitCommand::Set, true) => {
                shard.insert(key, end);
                BitChange::Same
            }
            (BitCommand::Set | BitCommand::Toggle, false) => {
                if shard.len() >= self.most && !shard.contains_key(&key) {
                    shard.retain(|_, end| now < *end);
                }
                if shard.len() >= self.most && !shard.contains_key(&key) {
                    return BitChange::Full;
                }
                shard.insert(key, end);
                BitChange::Changed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn bits_end_with_their_time() {
        let bits = HostBits::new(100);
        let bit = BitId::of("host_bits.test");
        let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let host = Tracked::of(BitTrack::Source, a, b).unwrap();
        let change = bits.act(BitCommand::Set, bit, host, at(0), at(30));
        assert_eq!(change, BitChange::Changed);
        assert!(bits.has(bit, host, at(29)) && !bits.has(bit, host, at(30)));
        let pair = Tracked::of(BitTrack::Pair, a, b).unwrap();
        assert_eq!(Some(pair), Tracked::of(BitTrack::Pair, b, a));
        assert!(!bits.has(bit, pair, at(1)));
        bits.act(BitCommand::Toggle, bit, pair, at(0), at(30));
        assert!(bits.has(bit, pair, at(1)));
        bits.act(BitCommand::Toggle, bit, pair, at(1), at(30));
        assert!(!bits.has(bit, pair, at(1)));
    }

    #[test]
    fn a_full_table_takes_a_bit_only_once_others_are_over() {
        let bits = HostBits::new(SHARDS);
        let bit = BitId::of("host_bits.full");
        let host = |n: u32| Tracked::Host(IpAddr::V4(n.into()));
        let set = |n, now: u64| bits.act(BitCommand::Set, bit, host(n), at(now), at(now + 10));
        let full = (0..1000).filter(|&n| set(n, 0) == BitChange::Full).count();
        assert!(full >= 1000 - SHARDS, "{full}");
        assert_eq!(set(2000, 11), BitChange::Changed);
    }
}
