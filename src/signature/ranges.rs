//! Sets of numbers as sorted, disjoint, inclusive ranges.

/// Ports, or the addresses of one family as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RangeSet(Vec<(u128, u128)>);

impl RangeSet {
    pub fn one(first: u128, last: u128) -> Self {
        Self(vec![(first, last)])
    }

    pub fn full(max: u128) -> Self {
        Self::one(0, max)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn ranges(&self) -> &[(u128, u128)] {
        &self.0
    }

    /// Adds all of `other`; neighbours are merged.
    pub fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
        self.0.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(self.0.len());
        for &(first, last) in &self.0 {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        self.0 = merged;
    }

    /// Everything from 0 to `max` that is not in the set.
    pub fn complement(&self, max: u128) -> Self {
        let mut rest = Vec::with_capacity(self.0.len() + 1);
        let mut next = Some(0);
        for &(first, last) in &self.0 {
            if let Some(start) = next
                && start < first
            {
                rest.push((start, first - 1));
            }
            next = last.checked_add(1);
        }
        if let Some(start) = next
            && start <= max
        {
            rest.push((start, max));
        }
        Self(rest)
    }

    /// What is in both.
    pub fn intersect(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&a), Some(&&b)) = (left.peek(), right.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push((first, last));
            }
            if a.1 < b.1 {
                left.next()
            } else {
                right.next()
            };
        }
        Self(both)
    }

    pub fn subtract(&self, other: &Self, max: u128) -> Self {
        self.intersect(&other.complement(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: u128 = 40;

    fn set(parts: &[(u128, u128)]) -> RangeSet {
        let mut all = RangeSet::default();
        for &(a, b) in parts {
            all.add(&RangeSet::one(a.min(b), a.max(b)));
        }
        all
    }

    fn has(set: &RangeSet, n: u128) -> bool {
        set.ranges().iter().any(|&(a, b)| a <= n && n <= b)
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_membership(
            a in proptest::collection::vec((0..=MAX, 0..=MAX), 0..6),
            b in proptest::collection::vec((0..=MAX, 0..=MAX), 0..6),
        ) {
            let (left, right) = (set(&a), set(&b));
            let mut both = left.clone();
            both.add(&right);
            for n in 0..=MAX {
                prop_assert_eq!(has(&both, n), has(&left, n) || has(&right, n));
                prop_assert_eq!(has(&left.complement(MAX), n), !has(&left, n));
                prop_assert_eq!(has(&left.intersect(&right), n), has(&left, n) && has(&right, n));
                prop_assert_eq!(has(&left.subtract(&right, MAX), n), has(&left, n) && !has(&right, n));
            }
            for pair in both.ranges().windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "sorted, disjoint, merged");
            }
        }
    }

    #[test]
    fn the_whole_space_has_no_complement() {
        assert!(RangeSet::full(u128::MAX).complement(u128::MAX).is_empty());
    }
}
