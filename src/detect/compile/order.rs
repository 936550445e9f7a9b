//! The order in which rules are evaluated: who sets a flowbit comes before who asks for it.

use std::collections::{HashMap, HashSet};

use crate::signature::ast::{FlowbitCommand, KeptAction, KeptTest, Signature, Test};

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

/// Whether rules of `these` and rules of `those` speak of the same name. Rules that do not may be
/// compiled apart: none of them waits for another.
pub fn share_names<'a>(
    these: impl Iterator<Item = &'a Signature>,
    those: impl Iterator<Item = &'a Signature>,
) -> bool {
    let all = |s: &'a Signature| names(s, true).chain(names(s, false)).chain(sets(s));
    let names: HashSet<_> = these.flat_map(all).collect();
    !names.is_empty() && those.flat_map(all).any(|name| names.contains(&name))
}

/// Sets of values that a rule asks or changes, in the order written.
fn sets(signature: &Signature) -> impl Iterator<Item = (Kind, &str)> {
    let tests = signature.buffers.iter().flat_map(|b| &b.tests);
    tests.filter_map(|test| match test {
        Test::Dataset(d) => Some((Kind::Set, d.set.name.as_str())),
        _ => None,
    })
}

fn ranks<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Vec<usize> {
    let signatures: Vec<&Signature> = signatures.collect();
    let users: Vec<usize> = (0..signatures.len())
        .filter(|&i| {
            names(signatures[i], true)
                .chain(names(signatures[i], false))
                .next()
                .is_some()
        })
        .collect();
    let mut rank = vec![0; signatures.len()];
    let mut set_at: HashMap<(Kind, &str), usize, ahash::RandomState> = HashMap::default();
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
                .filter_map(|n| set_at.get(&n))
                .max();
            let own: Vec<_> = names(signatures[i], true).collect();
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

/// What a rule changes, or asks for: kinds of names do not get into each other's way.
fn names(signature: &Signature, changes: bool) -> impl Iterator<Item = (Kind, &str)> {
    let flowbits = signature.flowbits.iter().filter(move |f| {
        let asks = matches!(f.command, FlowbitCommand::IsSet | FlowbitCommand::IsNotSet);
        asks != changes
    });
    let flowbits = flowbits.flat_map(|f| f.names.iter().map(|n| (Kind::Flowbit, n.as_str())));
    let tests = signature.kept_tests.iter().filter(move |_| !changes);
    let tests = tests.flat_map(|test| match test {
        KeptTest::Bit { names, .. } => names.iter().map(|n| (Kind::Bit, n.as_str())).collect(),
        KeptTest::Number { name, .. } | KeptTest::NumberIsSet { name, .. } => {
            vec![(Kind::Number, name.as_str())]
        }
        KeptTest::Text { name, .. } => vec![(Kind::Text, name.as_str())],
        KeptTest::Reputation { .. } => Vec::new(),
    });
    let actions = signature.kept_actions.iter().filter(move |_| changes);
    let actions = actions.map(|action| match action {
        KeptAction::Bit { name, .. } => (Kind::Bit, name.as_str()),
        KeptAction::Number { name, .. } => (Kind::Number, name.as_str()),
    });
    let tests_of_buffers = signature.buffers.iter().flat_map(|b| &b.tests);
    let captures = tests_of_buffers
        .filter(move |_| changes)
        .flat_map(|test| match test {
            Test::Pcre(p) => &p.captures[..],
            _ => &[],
        });
    let captures = captures.map(|c| (Kind::Text, c.name.as_str()));
    flowbits.chain(tests).chain(actions).chain(captures)
}

/// What a name is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Flowbit,
    Bit,
    Number,
    Text,
    Set,
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
