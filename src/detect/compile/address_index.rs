//! Rules that test addresses only, found by the address instead of one after the other.
//!
//! Reputation lists are hundreds of rules with thousands of addresses each; a
//! packet must not cost a search in each of them.

use std::net::IpAddr;

use super::addresses::{ANY_ADDRESS, AddressSet};

/// A set that names more IPv4 addresses than this tells rules apart no better than trying them.
const NARROW: u64 = 1 << 28;

#[derive(Debug, Default)]
pub(crate) struct AddressIndex {
    by_src: Intervals,
    by_dst: Intervals,
    /// Rules that neither side makes rare.
    wide: Vec<u32>,
}

impl AddressIndex {
    /// `rules`: number, source set, destination set, and whether either order will do.
    pub(crate) fn build(rules: &[(u32, u32, u32, bool)], sets: &[AddressSet]) -> Self {
        let mut index = Self::default();
        let (mut by_src, mut by_dst) = (Vec::new(), Vec::new());
        for &(rule, src, dst, bidirectional) in rules {
            let breadth = |id: u32| match sets.get(id as usize) {
                Some(set) if id != ANY_ADDRESS => set.breadth(),
                _ => u64::MAX,
            };
            let (src_breadth, dst_breadth) = (breadth(src), breadth(dst));
            if bidirectional || src_breadth.min(dst_breadth) > NARROW {
                index.wide.push(rule);
            } else if src_breadth <= dst_breadth {
                by_src.extend(sets[src as usize].v4.iter().map(|&(a, b)| (a, b, rule)));
            } else {
                by_dst.extend(sets[dst as usize].v4.iter().map(|&(a, b)| (a, b, rule)));
            }
        }
        index.by_src = Intervals::build(by_src);
        index.by_dst = Intervals::build(by_dst);
        index
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.wide.is_empty() && self.by_src.rules.is_empty() && self.by_dst.rules.is_empty()
    }

    /// Adds to `found` the rules that these addresses may concern.
    pub(crate) fn lookup(&self, src: IpAddr, dst: IpAddr, found: &mut Vec<u32>) {
        found.extend_from_slice(&self.wide);
        if let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) {
            found.extend_from_slice(self.by_src.at(src.to_bits()));
            found.extend_from_slice(self.by_dst.at(dst.to_bits()));
        }
    }
}

/// Elementary intervals: between two starts, the same rules hold.
#[derive(Debug, Default)]
struct Intervals {
    starts: Vec<u32>,
    /// Rules of interval `i`: `rules[ends[i - 1]..ends[i]]`.
    ends: Vec<u32>,
    rules: Vec<u32>,
}

impl Intervals {
    fn build(ranges: Vec<(u32, u32, u32)>) -> Self {
        let mut edges: Vec<(u64, bool, u32)> = Vec::with_capacity(ranges.len() * 2);
        for (first, last, rule) in ranges {
            edges.push((u64::from(first), true, rule));
            edges.push((u64::from(last) + 1, false, rule));
        }
        edges.sort_unstable();
        let mut out = Self::default();
        let mut active: Vec<u32> = Vec::new();
        let mut edges = edges.into_iter().peekable();
        while let Some(&(at, _, _)) = edges.peek() {
            while let Some((_, opens, rule)) = edges.next_if(|e| e.0 == at) {
                if opens {
                    active.push(rule);
                } else if let Some(i) = active.iter().position(|&r| r == rule) {
                    active.swap_remove(i);
                }
            }
            if let Ok(start) = u32::try_from(at) {
                out.starts.push(start);
                out.rules.extend_from_slice(&active);
                out.ends.push(out.rules.len() as u32);
            }
        }
        out
    }

    fn at(&self, n: u32) -> &[u32] {
        let after = self.starts.partition_point(|&s| s <= n);
        let Some(i) = after.checked_sub(1) else {
            return &[];
        };
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.rules[from as usize..self.ends[i] as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_interval_knows_exactly_the_ranges_around_a_number(
            ranges in proptest::collection::vec((0u32..60, 0u32..60), 0..12),
            n in 0u32..70,
        ) {
            let ranges: Vec<_> = ranges
                .into_iter()
                .enumerate()
                .map(|(i, (a, b))| (a.min(b), a.max(b), i as u32))
                .collect();
            let mut expected: Vec<u32> =
                ranges.iter().filter(|r| r.0 <= n && n <= r.1).map(|r| r.2).collect();
            let mut found = Intervals::build(ranges).at(n).to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_last_address_has_no_end_behind_it() {
        let i = Intervals::build(vec![(u32::MAX, u32::MAX, 7)]);
        assert_eq!(i.at(u32::MAX), [7]);
        assert!(i.at(5).is_empty());
    }
}
