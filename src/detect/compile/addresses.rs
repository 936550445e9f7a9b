//! Address sets and port sets: sorted, shared between rules.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::signature::ast::{Addresses, IpRange, Ports};

/// Addresses with negation applied: sorted, disjoint, inclusive ranges of each family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AddressSet {
    pub(crate) v4: Vec<(u32, u32)>,
    pub(crate) v6: Vec<(u128, u128)>,
}

impl AddressSet {
    fn new(addresses: &Addresses) -> Self {
        Self {
            v4: difference(
                v4_ranges(&addresses.include),
                v4_ranges(&addresses.exclude),
                u32::MAX,
                addresses.include.is_empty(),
            ),
            v6: difference(
                v6_ranges(&addresses.include),
                v6_ranges(&addresses.exclude),
                u128::MAX,
                addresses.include.is_empty(),
            ),
        }
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => within(&self.v4, ip.to_bits()),
            IpAddr::V6(ip) => within(&self.v6, ip.to_bits()),
        }
    }

    /// How many IPv4 addresses it has; a set with IPv6 addresses counts as the whole Internet.
    pub(crate) fn breadth(&self) -> u64 {
        if self.v6.is_empty() {
            self.v4.iter().map(|&(a, b)| u64::from(b - a) + 1).sum()
        } else {
            u64::from(u32::MAX) + 1
        }
    }
}

fn v4_ranges(ranges: &[IpRange]) -> Vec<(u32, u32)> {
    let of = |r: &IpRange| match (r.first, r.last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits(), b.to_bits())),
        _ => None,
    };
    ranges.iter().filter_map(of).collect()
}

fn v6_ranges(ranges: &[IpRange]) -> Vec<(u128, u128)> {
    let of = |r: &IpRange| match (r.first, r.last) {
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits(), b.to_bits())),
        _ => None,
    };
    ranges.iter().filter_map(of).collect()
}

/// An integer of either address family, or a port.
trait Number: Copy + Ord {
    const ZERO: Self;
    fn next(self) -> Option<Self>;
    fn before(self) -> Option<Self>;
}

macro_rules! numbers {
    ($($t:ty)+) => { $(impl Number for $t {
        const ZERO: Self = 0;
        fn next(self) -> Option<Self> { self.checked_add(1) }
        fn before(self) -> Option<Self> { self.checked_sub(1) }
    })+ };
}

numbers! { u32 u128 }

fn merge<N: Number>(mut ranges: Vec<(N, N)>) -> Vec<(N, N)> {
    ranges.sort_unstable();
    let mut merged: Vec<(N, N)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(m) if m.1.next().is_none_or(|next| first <= next) => m.1 = m.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

/// `include` (or everything) less `exclude`.
fn difference<N: Number>(
    include: Vec<(N, N)>,
    exclude: Vec<(N, N)>,
    max: N,
    everything: bool,
) -> Vec<(N, N)> {
    let include = if everything {
        vec![(N::ZERO, max)]
    } else {
        merge(include)
    };
    let exclude = merge(exclude);
    let mut out = Vec::with_capacity(include.len());
    for (first, last) in include {
        let mut from = Some(first);
        for &(a, b) in exclude.iter().filter(|&&(a, b)| a <= last && b >= first) {
            if let (Some(from), Some(before)) = (from, a.before())
                && from <= before
            {
                out.push((from, before));
            }
            from = b.next();
        }
        if let Some(from) = from
            && from <= last
        {
            out.push((from, last));
        }
    }
    out
}

fn within<N: Ord + Copy>(ranges: &[(N, N)], n: N) -> bool {
    let after = ranges.partition_point(|&(first, _)| first <= n);
    after > 0 && ranges[after - 1].1 >= n
}

/// Whether a port is in sorted ranges.
pub(crate) fn port_in(ports: &[(u16, u16)], port: u16) -> bool {
    match ports {
        [(0, u16::MAX)] => true,
        [(first, last)] => (*first..=*last).contains(&port),
        _ => within(ports, port),
    }
}

/// Sets that several rules share are kept once.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    pub(crate) addresses: Vec<AddressSet>,
    pub(crate) ports: Vec<Box<[(u16, u16)]>>,
    address_ids: HashMap<Arc<Addresses>, u32, ahash::RandomState>,
    port_ids: HashMap<Arc<Ports>, u32, ahash::RandomState>,
}

/// The set of all addresses has this number: most rules name it, and it needs no search.
pub(crate) const ANY_ADDRESS: u32 = u32::MAX;

impl Interner {
    pub(crate) fn addresses(&mut self, addresses: &Arc<Addresses>) -> u32 {
        if addresses.include.is_empty() && addresses.exclude.is_empty() {
            return ANY_ADDRESS;
        }
        if let Some(&id) = self.address_ids.get(addresses) {
            return id;
        }
        let id = self.addresses.len() as u32;
        self.addresses.push(AddressSet::new(addresses));
        self.address_ids.insert(Arc::clone(addresses), id);
        id
    }

    pub(crate) fn ports(&mut self, ports: &Arc<Ports>) -> u32 {
        if let Some(&id) = self.port_ids.get(ports) {
            return id;
        }
        let id = self.ports.len() as u32;
        self.ports.push(ports.0.clone().into());
        self.port_ids.insert(Arc::clone(ports), id);
        id
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(a: u8, b: u8) -> IpRange {
        let ip = |n: u8| IpAddr::from([0, 0, 0, n]);
        IpRange {
            first: ip(a.min(b)),
            last: ip(a.max(b)),
        }
    }

    proptest! {
        #[test]
        fn a_set_is_include_less_exclude(
            include in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..4),
            exclude in proptest::collection::vec((any::<u8>(), any::<u8>()), 0..4),
            n: u8,
        ) {
            let ranges = |v: &[(u8, u8)]| v.iter().map(|&(a, b)| range(a, b)).collect::<Vec<_>>();
            let addresses = Addresses { include: ranges(&include), exclude: ranges(&exclude) };
            let has = |v: &[(u8, u8)]| v.iter().any(|&(a, b)| a.min(b) <= n && n <= a.max(b));
            let expected = (include.is_empty() || has(&include)) && !has(&exclude);
            let ip = IpAddr::from([0, 0, 0, n]);
            prop_assert_eq!(AddressSet::new(&addresses).contains(ip), expected);
        }
    }

    #[test]
    fn any_reaches_both_ends_of_both_families() {
        let all = AddressSet::new(&Addresses {
            include: vec![],
            exclude: vec![range(1, 1)],
        });
        for ip in ["0.0.0.0", "255.255.255.255", "::", "ffff::"] {
            assert!(all.contains(ip.parse().unwrap()), "{ip}");
        }
        assert!(!all.contains("0.0.0.1".parse().unwrap()));
    }

    #[test]
    fn equal_sets_are_one() {
        let mut sets = Interner::default();
        let a = Arc::new(Addresses {
            include: vec![range(1, 2)],
            exclude: vec![],
        });
        assert_eq!(sets.addresses(&a), sets.addresses(&a.clone()));
        assert_eq!(sets.addresses(&Arc::default()), ANY_ADDRESS);
    }
}
