//! Whose traffic rules may still say something about: each of their headers, once.

use std::collections::HashSet;

use super::Slot;
use super::rule::{BufferGroup, HeaderTest, Rule};
use crate::direction::Direction;

/// What it is about a flow's further packets that could make a rule match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// A firewall accepts or denies what comes.
    Firewall,
    /// The flow's ends, which the rules in force were not asked about in both directions.
    Addresses,
    /// Bytes, headers, sizes or numbers of packets.
    Packets,
    /// How transactions go on, whatever is in them: events, numbers, states.
    Events,
    /// What is in the buffers of transactions.
    Transactions,
}

/// A rule that stands for all with the same header and the same claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimant {
    pub(crate) rule: u32,
    pub(crate) claim: Claim,
}

/// All that may be told apart about a flow of a protocol.
type Seen = HashSet<(HeaderTest, Claim, Option<Direction>, Option<bool>), ahash::RandomState>;

/// `on_first`: rules that are asked on the first packet of each direction and never again.
pub(super) fn of_rules(rules: &[Rule], slots: &[Slot], on_first: &[u32]) -> Vec<Claimant> {
    let mut seen = Seen::default();
    let mut claimants = Vec::new();
    for (rule, number) in rules.iter().zip(0u32..) {
        let claim = match on_first.binary_search(&number) {
            Ok(_) => Claim::Addresses,
            Err(_) => claim_of(rule, slots),
        };
        let (direction, established) = (rule.flow.direction, rule.flow.established);
        // Tests of protocols are few, and cannot be told apart by less than all of them.
        if !rule.app.tests.is_empty() || seen.insert((rule.header, claim, direction, established)) {
            claimants.push(Claimant {
                rule: number,
                claim,
            });
        }
    }
    claimants
}

fn claim_of(rule: &Rule, slots: &[Slot]) -> Claim {
    if rule.payload.is_some() || !rule.has_transaction_part() {
        return Claim::Packets;
    }
    let of_buffers = rule.events.is_empty()
        && rule.numbers.is_empty()
        && rule.hook.is_none()
        && rule.buffers.iter().all(|group| group.absent.is_none())
        // Encrypted records are frames as well.
        && !rule.buffers.iter().any(|group| is_frame(group, slots));
    if of_buffers {
        Claim::Transactions
    } else {
        Claim::Events
    }
}

fn is_frame(group: &BufferGroup, slots: &[Slot]) -> bool {
    let mut slots = group.slots.iter().filter_map(|id| slots.get(*id as usize));
    slots.any(|slot| slot.buffer.is_frame())
}
