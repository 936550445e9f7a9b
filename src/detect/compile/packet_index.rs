//! Rules without payload that are asked on every packet, found by TCP flags and addresses.
//!
//! Most of them are about the flags that open or end a connection, which few packets have.

use super::address_index::AddressIndex;
use super::addresses::AddressSet;
use super::rule::Rule;
use crate::decode::{Packet, TcpFlags, Transport};
use crate::signature::ast::{PacketTest, Proto};

/// Sets of flags with an index of their own; the rules of further ones share one that any packet meets.
const MOST_SETS: usize = 16;

/// Values of a TCP header's flags byte.
type FlagSet = [u64; 4];

const ALL_FLAGS: FlagSet = [u64::MAX; 4];

/// The packets that a rule can concern, by what is seen first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concerned {
    Any,
    NotTcp,
    /// Segments with such flags.
    Tcp(FlagSet),
}

/// As [`AddressIndex::build`] takes it.
type Entry = (u32, u32, u32, bool);

#[derive(Debug, Default)]
pub(crate) struct PacketIndex {
    indexes: Vec<(Concerned, AddressIndex)>,
    /// Of all rules.
    flags: FlagSet,
}

impl PacketIndex {
    pub(crate) fn build(numbers: &[u32], rules: &[Rule], sets: &[AddressSet]) -> Self {
        let mut grouped: Vec<(Concerned, Vec<Entry>)> = Vec::new();
        for &number in numbers {
            let Some(rule) = rules.get(number as usize) else {
                continue;
            };
            let h = &rule.header;
            let entry = (number, h.src, h.dst, h.bidirectional);
            let mut concerned = concerned(rule);
            if grouped.len() >= MOST_SETS && !grouped.iter().any(|(known, _)| *known == concerned) {
                concerned = Concerned::Any;
            }
            match grouped.iter_mut().find(|(known, _)| *known == concerned) {
                Some((_, entries)) => entries.push(entry),
                None => grouped.push((concerned, vec![entry])),
            }
        }
        let mut flags = FlagSet::default();
        for (concerned, _) in &grouped {
            let these = match concerned {
                Concerned::Any => ALL_FLAGS,
                Concerned::NotTcp => FlagSet::default(),
                Concerned::Tcp(set) => *set,
            };
            flags
                .iter_mut()
                .zip(these)
                .for_each(|(all, one)| *all |= one);
        }
        let indexes = grouped
            .into_iter()
            .map(|(concerned, entries)| (concerned, AddressIndex::build(&entries, sets)))
            .collect();
        Self { indexes, flags }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Whether any rule can concern segments with these flags.
    pub(crate) const fn concerns_segment(&self, flags: TcpFlags) -> bool {
        holds(&self.flags, flags)
    }

    /// Adds to `found` the rules that the packet may concern.
    pub(crate) fn lookup(&self, packet: &Packet<'_>, found: &mut Vec<u32>) {
        let flags = match &packet.transport {
            Transport::Tcp(tcp) => Some(tcp.flags()),
            _ => None,
        };
        for (concerned, index) in &self.indexes {
            let concerns = match (concerned, flags) {
                (Concerned::Any, _) | (Concerned::NotTcp, None) => true,
                (Concerned::Tcp(set), Some(flags)) => holds(set, flags),
                (Concerned::NotTcp, Some(_)) | (Concerned::Tcp(_), None) => false,
            };
            if concerns {
                index.lookup(packet.src(), packet.dst(), found);
            }
        }
    }
}

fn concerned(rule: &Rule) -> Concerned {
    if let Some(flags) = flags_tested(rule) {
        return Concerned::Tcp(flags);
    }
    match rule.header.protocol {
        Proto::Tcp | Proto::TcpPacket => Concerned::Tcp(ALL_FLAGS),
        Proto::Udp | Proto::Icmp | Proto::Icmp4 | Proto::Icmp6 => Concerned::NotTcp,
        Proto::App(app) if !app.carrier().has_streams() => Concerned::NotTcp,
        _ => Concerned::Any,
    }
}

/// The flags that a rule's tests let through. `None`: it has no such test.
fn flags_tested(rule: &Rule) -> Option<FlagSet> {
    let tests = || {
        rule.packet.iter().filter_map(|test| match test {
            PacketTest::TcpFlags(test) => Some(test),
            _ => None,
        })
    };
    tests().next()?;
    let mut set = FlagSet::default();
    for flags in 0..=u8::MAX {
        if tests().all(|test| test.matches(flags)) {
            set[usize::from(flags / 64)] |= 1 << (flags % 64);
        }
    }
    Some(set)
}

const fn holds(set: &FlagSet, flags: TcpFlags) -> bool {
    set[(flags.0 / 64) as usize] >> (flags.0 % 64) & 1 != 0
}
