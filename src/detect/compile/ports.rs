//! Payload rules by port, so that a flow meets only the rules that can concern it.
//!
//! The ports are cut at every boundary that a rule uses; between two cuts the
//! same rules hold. Stretches with the same rules share one group.

use std::collections::HashMap;

use super::rule::Rule;
use super::screen::Screen;
use crate::detect::prefilter::{Kind, Pattern};
use crate::direction::Direction;

/// A payload rule on its way into a group.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: u32,
    /// `None`: it must be tried always.
    pub(crate) pattern: Option<Pattern>,
    /// The pattern needs to be looked for in this many first bytes only.
    pub(crate) head: Option<u32>,
    /// Bytes before the newest one that a match may reach back to.
    pub(crate) lookback: u32,
}

/// The payload rules that one port can concern.
#[derive(Debug)]
pub(crate) struct Group {
    /// For patterns that stand near the start.
    pub(crate) head: Option<Screen>,
    pub(crate) head_bytes: u32,
    pub(crate) whole: Option<Screen>,
    /// Rules without a pattern.
    pub(crate) always: Box<[u32]>,
    /// Bytes before the newest one that any of the rules may need.
    pub(crate) lookback: u32,
}

impl Group {
    fn build(entries: &[&Entry], kind: Kind) -> Self {
        let screen = |of_head: bool| {
            let wanted = entries.iter().filter(|e| e.head.is_some() == of_head);
            Screen::build(
                wanted.filter_map(|e| Some((e.pattern.as_ref()?, e.rule))),
                kind,
            )
        };
        Self {
            head: screen(true),
            head_bytes: entries.iter().filter_map(|e| e.head).max().unwrap_or(0),
            whole: screen(false),
            always: entries
                .iter()
                .filter(|e| e.pattern.is_none())
                .map(|e| e.rule)
                .collect(),
            lookback: entries.iter().map(|e| e.lookback).max().unwrap_or(0),
        }
    }

    fn screens(&self) -> impl Iterator<Item = &Screen> {
        self.head.iter().chain(&self.whole)
    }
}

/// Groups by one port.
#[derive(Debug, Default)]
struct Partition {
    /// Stretch `i` begins at port `starts[i]` and has group `groups[i]`.
    starts: Vec<u16>,
    groups: Vec<u32>,
}

impl Partition {
    fn at(&self, port: u16) -> Option<u32> {
        let after = self.starts.partition_point(|&s| s <= port);
        self.groups.get(after.checked_sub(1)?).copied()
    }
}

/// One direction of one kind of traffic.
#[derive(Debug, Default)]
pub(crate) struct PortGroups {
    by_server: Partition,
    /// For rules that name the client's port and not the server's.
    by_client: Partition,
    groups: Vec<Group>,
}

impl PortGroups {
    /// `ports`: gives the port ranges of a set.
    pub(crate) fn build<'a>(
        entries: &[Entry],
        direction: Direction,
        rules: &[Rule],
        ports: impl Fn(u32) -> &'a [(u16, u16)],
        kind: Kind,
    ) -> Self {
        let mut by_server: Vec<Placed<'_, 'a>> = Vec::new();
        let mut by_client: Vec<Placed<'_, 'a>> = Vec::new();
        for entry in entries {
            let Some(rule) = rules.get(entry.rule as usize) else {
                continue;
            };
            let header = &rule.header;
            let (src, dst) = (ports(header.src_ports), ports(header.dst_ports));
            let (server, client) = match direction {
                Direction::ToServer => (dst, src),
                Direction::ToClient => (src, dst),
            };
            if header.bidirectional {
                by_server.push((entry, [server, client]));
            } else if is_any(server) && !is_any(client) {
                by_client.push((entry, [client, &[]]));
            } else {
                by_server.push((entry, [server, &[]]));
            }
        }
        let mut shared = Shared::default();
        let by_server = shared.partition(&by_server, kind);
        let by_client = shared.partition(&by_client, kind);
        Self {
            by_server,
            by_client,
            groups: shared.groups,
        }
    }

    /// The groups that a flow between these ports meets.
    pub(crate) fn of(&self, client: u16, server: u16) -> impl Iterator<Item = &Group> {
        let ids = [self.by_server.at(server), self.by_client.at(client)];
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.groups.get(id as usize))
    }

    pub(crate) fn screens(&self) -> impl Iterator<Item = &Screen> {
        self.groups.iter().flat_map(Group::screens)
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

fn is_any(ports: &[(u16, u16)]) -> bool {
    ports == [(0, u16::MAX)]
}

/// An entry with the ports it stands at, in up to two sets.
type Placed<'e, 'p> = (&'e Entry, [&'p [(u16, u16)]; 2]);

#[derive(Debug, Default)]
struct Shared {
    groups: Vec<Group>,
    ids: HashMap<Vec<u32>, u32>,
}

impl Shared {
    fn partition(&mut self, entries: &[Placed<'_, '_>], kind: Kind) -> Partition {
        if entries.is_empty() {
            return Partition::default();
        }
        let mut cuts = vec![0u16];
        for (_, sets) in entries {
            for &(first, last) in sets.iter().copied().flatten() {
                cuts.push(first);
                cuts.extend(last.checked_add(1));
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let mut partition = Partition::default();
        for start in cuts {
            let here: Vec<&Entry> = entries
                .iter()
                .filter(|(_, sets)| sets.iter().any(|s| super::addresses::port_in(s, start)))
                .map(|&(entry, _)| entry)
                .collect();
            let key = here.iter().map(|e| e.rule).collect();
            let id = *self.ids.entry(key).or_insert_with(|| {
                self.groups.push(Group::build(&here, kind));
                self.groups.len() as u32 - 1
            });
            if partition.groups.last() != Some(&id) {
                partition.starts.push(start);
                partition.groups.push(id);
            }
        }
        partition
    }
}
