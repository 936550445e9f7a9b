//! The order in which rules are evaluated: who sets a flowbit comes before who asks for it.

use std::collections::HashMap;

use crate::signature::ast::{FlowbitCommand, Signature};

/// Chains of flowbits longer than this, and circles, are left as written.
const LONGEST_CHAIN: usize = 16;

/// Permutes `items` so that within one inspection a flowbit is set before it is asked for.
/// Rules that have nothing to do with each other keep the order written.
pub(crate) fn sort<T>(items: &mut [T], signature: impl Fn(&T) -> &Signature) {
    let rank = ranks(items.iter().map(&signature));
    // Names do not change while sorting, so each item finds its rank by where it stood.
    let mut keyed: Vec<(usize, usize)> =
        rank.into_iter().enumerate().map(|(i, r)| (r, i)).collect();
    keyed.sort_unstable();
    permute(items, keyed.into_iter().map(|(_, from)| from).collect());
}

fn ranks<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Vec<usize> {
    let signatures: Vec<&Signature> = signatures.collect();
    let users: Vec<usize> = (0..signatures.len())
        .filter(|&i| !signatures[i].flowbits.is_empty())
        .collect();
    let mut rank = vec![0; signatures.len()];
    let mut set_at: HashMap<&str, usize> = HashMap::new();
    for _ in 0..LONGEST_CHAIN {
        for &i in &users {
            for name in names(signatures[i], true) {
                let level = set_at.entry(name).or_insert(rank[i]);
                *level = (*level).max(rank[i]);
            }
        }
        let mut changed = false;
        for &i in &users {
            let after = names(signatures[i], false)
                .filter_map(|n| set_at.get(n))
                .max();
            let own: Vec<&str> = names(signatures[i], true).collect();
            // A rule that sets what it asks for does not come behind itself.
            let circular = names(signatures[i], false).any(|n| own.contains(&n));
            if let Some(&level) = after
                && !circular
                && rank[i] <= level
            {
                rank[i] = level + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    rank
}

/// Names of the bits that a rule changes, or asks for.
fn names(signature: &Signature, changes: bool) -> impl Iterator<Item = &str> {
    signature
        .flowbits
        .iter()
        .filter(move |f| {
            let asks = matches!(f.command, FlowbitCommand::IsSet | FlowbitCommand::IsNotSet);
            asks != changes
        })
        .flat_map(|f| f.names.iter().map(String::as_str))
}

/// Brings the item that stands at `from[i]` to `i`.
fn permute<T>(items: &mut [T], mut from: Vec<usize>) {
    for i in 0..items.len() {
        let mut source = from[i];
        while source < i {
            source = from[source];
        }
        items.swap(i, source);
        from[i] = source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permute_brings_each_to_its_place() {
        let mut items = ["a", "b", "c", "d", "e"];
        permute(&mut items, vec![3, 0, 4, 1, 2]);
        assert_eq!(items, ["d", "a", "e", "b", "c"]);
    }
}
