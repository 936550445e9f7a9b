//! Rules without payload that are asked on every packet, found by TCP flags and addresses.
//!
//! Most of them are about the flags that open or end a connection, which few packets have.

use super::address_index::AddressIndex;
use super::addresses::AddressSet;
use super::rule::Rule;
use crate::decode::{Packet, Transport};
use crate::signature::ast::PacketTest;

/// Sets of flags with an index of their own; the rules of further ones share one that any packet meets.
const MOST_SETS: usize = 16;

/// The values of a TCP header's flags byte that a rule's tests let through; `None`: it has no such
/// test, and other packets are of interest as well.
type FlagSet = Option<[u64; 4]>;

/// As [`AddressIndex::build`] takes it.
type Entry = (u32, u32, u32, bool);

#[derive(Debug, Default)]
pub(crate) struct PacketIndex {
    by_flags: Vec<(FlagSet, AddressIndex)>,
}

impl PacketIndex {
    pub(crate) fn build(numbers: &[u32], rules: &[Rule], sets: &[AddressSet]) -> Self {
        let mut grouped: Vec<(FlagSet, Vec<Entry>)> = Vec::new();
        for &number in numbers {
            let Some(rule) = rules.get(number as usize) else {
                continue;
            };
            let h = &rule.header;
            let entry = (number, h.src, h.dst, h.bidirectional);
            let mut set = flag_set(rule);
            if grouped.len() >= MOST_SETS && !grouped.iter().any(|(known, _)| *known == set) {
                set = None;
            }
            match grouped.iter_mut().find(|(known, _)| *known == set) {
                Some((_, entries)) => entries.push(entry),
                None => grouped.push((set, vec![entry])),
            }
        }
        let by_flags = grouped
            .into_iter()
            .map(|(set, entries)| (set, AddressIndex::build(&entries, sets)))
            .collect();
        Self { by_flags }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.by_flags.is_empty()
    }

    /// Adds to `found` the rules that the packet may concern.
    pub(crate) fn lookup(&self, packet: &Packet<'_>, found: &mut Vec<u32>) {
        let flags = match &packet.transport {
            Transport::Tcp(tcp) => Some(tcp.flags().0),
            _ => None,
        };
        for (set, index) in &self.by_flags {
            let concerns = match (set, flags) {
                (None, _) => true,
                (Some(set), Some(flags)) => holds(set, flags),
                (Some(_), None) => false,
            };
            if concerns {
                index.lookup(packet.src(), packet.dst(), found);
            }
        }
    }
}

fn flag_set(rule: &Rule) -> FlagSet {
    let tests = || {
        rule.packet.iter().filter_map(|test| match test {
            PacketTest::TcpFlags(test) => Some(test),
            _ => None,
        })
    };
    tests().next()?;
    let mut set = [0; 4];
    for flags in 0..=u8::MAX {
        if tests().all(|test| test.matches(flags)) {
            set[usize::from(flags / 64)] |= 1 << (flags % 64);
        }
    }
    Some(set)
}

const fn holds(set: &[u64; 4], flags: u8) -> bool {
    set[(flags / 64) as usize] >> (flags % 64) & 1 != 0
}
