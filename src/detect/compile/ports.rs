//! Payload rules by port, so that a flow meets only the rules that can concern it.
//!
//! The ports are cut at every boundary that a rule uses; between two cuts the
//! same rules hold. Stretches with the same rules share one group.

use std::collections::{HashMap, HashSet};

use super::addresses::port_in;
use super::rule::Rule;
use super::screen::Screen;
use crate::detect::prefilter::{Kind, Pattern};
use crate::direction::Direction;
use crate::parallel;

/// A payload rule on its way into a group.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) rule: u32,
    /// `None`: it must be tried always.
    pub(crate) pattern: Option<Pattern>,
    /// The pattern needs to be looked for in this many first bytes only.
    pub(crate) head: Option<u32>,
    /// Bytes before the newest one that a match may reach back to.
    pub(crate) lookback: u32,
    /// A packet with a longer payload is of no interest.
    pub(crate) longest_payload: u64,
}

/// Most packets that carry bulk data are longer.
pub(super) const SMALL_PAYLOAD: u64 = 512;

/// Where an entry's pattern needs to be looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Head,
    Whole,
    /// In packets with little payload.
    Small,
}

impl Entry {
    fn reach(&self) -> Reach {
        match self.head {
            Some(_) => Reach::Head,
            None if self.longest_payload <= SMALL_PAYLOAD => Reach::Small,
            None => Reach::Whole,
        }
    }
}

/// The payload rules that one port can concern.
#[derive(Debug)]
pub(crate) struct Group {
    /// For patterns that stand near the start.
    pub(crate) head: Option<Screen>,
    pub(crate) head_bytes: u32,
    pub(crate) whole: Option<Screen>,
    /// For packets with a payload no longer than so.
    pub(crate) small: Option<Screen>,
    pub(crate) small_bytes: u64,
    /// Rules without a pattern.
    pub(crate) always: Box<[u32]>,
    /// Bytes before the newest one that any of the rules may need.
    pub(crate) lookback: u32,
}

impl Group {
    fn build(entries: &[&Entry], kind: Kind) -> Self {
        let screen = |reach: Reach| {
            let wanted = entries.iter().filter(|e| e.reach() == reach);
            Screen::build(
                wanted.filter_map(|e| Some((e.pattern.as_ref()?, e.rule))),
                kind,
            )
        };
        let small = entries.iter().filter(|e| e.reach() == Reach::Small);
        Self {
            head: screen(Reach::Head),
            head_bytes: entries.iter().filter_map(|e| e.head).max().unwrap_or(0),
            whole: screen(Reach::Whole),
            small: screen(Reach::Small),
            small_bytes: small.map(|e| e.longest_payload).max().unwrap_or(0),
            always: entries
                .iter()
                .filter(|e| e.pattern.is_none())
                .map(|e| e.rule)
                .collect(),
            lookback: entries.iter().map(|e| e.lookback).max().unwrap_or(0),
        }
    }

    fn screens(&self) -> impl Iterator<Item = &Screen> {
        self.head.iter().chain(&self.whole).chain(&self.small)
    }
}

/// Groups by one port.
#[derive(Debug, Default)]
struct Partition {
    /// Stretch `i` begins at port `starts[i]` and has group `groups[i]`; none where no rule stands.
    starts: Vec<u16>,
    groups: Vec<Option<u32>>,
    /// By the upper byte of a port.
    pages: Vec<Page>,
}

/// The ports of one upper byte.
#[derive(Debug)]
enum Page {
    /// All of them lie in one stretch, with this group.
    Whole(Option<u32>),
    /// Stretches `from..to` begin here.
    Cut { from: u32, to: u32 },
}

impl Partition {
    fn push(&mut self, start: u16, group: Option<u32>) {
        self.starts.push(start);
        self.groups.push(group);
    }

    /// To be called when all stretches are there.
    fn index(&mut self) {
        let begun_below = |port: u32| {
            self.starts
                .partition_point(|&start| u32::from(start) < port) as u32
        };
        let page = |upper: u32| {
            let (from, to) = (begun_below(upper << 8), begun_below((upper + 1) << 8));
            match from == to {
                true => Page::Whole(self.of_stretch(from)),
                false => Page::Cut { from, to },
            }
        };
        self.pages = (0..=0xff).map(page).collect();
    }

    /// The group of the last of the first `begun` stretches.
    fn of_stretch(&self, begun: u32) -> Option<u32> {
        *self.groups.get((begun as usize).checked_sub(1)?)?
    }

    fn at(&self, port: u16) -> Option<u32> {
        match *self.pages.get(usize::from(port >> 8))? {
            Page::Whole(group) => group,
            Page::Cut { from, to } => {
                let of_page = self.starts.get(from as usize..to as usize)?;
                self.of_stretch(from + of_page.partition_point(|&start| start <= port) as u32)
            }
        }
    }
}

/// One direction of one kind of traffic.
#[derive(Debug, Default)]
pub(crate) struct PortGroups {
    by_server: Partition,
    /// For rules that name few ports of the client and none of the server.
    by_client: Partition,
    groups: Vec<Group>,
}

/// What groups there are to be, each of those rules.
pub(crate) struct Plan<'e> {
    by_server: Partition,
    by_client: Partition,
    groups: Vec<Vec<&'e Entry>>,
}

impl<'e> Plan<'e> {
    /// `ports`: gives the port ranges of a set.
    pub(crate) fn new<'a>(
        entries: &'e [Entry],
        direction: Direction,
        rules: &[Rule],
        ports: impl Fn(u32) -> &'a [(u16, u16)],
    ) -> Self {
        let mut by_server: Vec<Placed<'e, 'a>> = Vec::new();
        let mut by_client: Vec<Placed<'e, 'a>> = Vec::new();
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
            } else if is_any(server) && !is_broad(client) {
                by_client.push((entry, [client, &[]]));
            } else {
                by_server.push((entry, [server, &[]]));
            }
        }
        let mut shared = Shared::default();
        let by_server = shared.partition(&by_server);
        let by_client = shared.partition(&by_client);
        Self {
            by_server,
            by_client,
            groups: shared.groups,
        }
    }
}

impl PortGroups {
    /// Builds the groups of all plans at once: most of them are small, and a few are not.
    pub(crate) fn build(plans: Vec<Plan<'_>>, kind: Kind) -> impl Iterator<Item = Self> {
        let wanted: Vec<&[&Entry]> = plans
            .iter()
            .flat_map(|plan| plan.groups.iter().map(Vec::as_slice))
            .collect();
        let built = parallel::map(&wanted, 1, || (), |(), here| Group::build(here, kind));
        let built: Vec<Group> = built.collect();
        let mut built = built.into_iter();
        plans.into_iter().map(move |plan| Self {
            groups: built.by_ref().take(plan.groups.len()).collect(),
            by_server: plan.by_server,
            by_client: plan.by_client,
        })
    }

    /// The groups that a flow between these ports meets.
    pub(crate) fn of(&self, client: u16, server: u16) -> [Option<&Group>; 2] {
        let group = |id: Option<u32>| self.groups.get(id? as usize);
        [
            group(self.by_server.at(server)),
            group(self.by_client.at(client)),
        ]
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

/// Half of all ports or more, such as those that clients take: with a group of their own nearly
/// every flow would meet two.
fn is_broad(ports: &[(u16, u16)]) -> bool {
    let count = |&(first, last): &(u16, u16)| u32::from(last).saturating_sub(u32::from(first)) + 1;
    ports.iter().map(count).sum::<u32>() >= 1 << 15
}

/// An entry with the ports it stands at, in up to two sets.
type Placed<'e, 'p> = (&'e Entry, [&'p [(u16, u16)]; 2]);

/// Groups of one partition at most, besides the one that the rest share.
const OWN_BY_BREADTH: usize = 8;
const OWN_BY_RULES: usize = 24;

/// The rules that hold on some ports, by their indexes among the partition's entries.
struct Stretch {
    start: u16,
    entries: Vec<u32>,
}

#[derive(Debug, Default)]
struct Shared<'e> {
    /// What the groups are to be built of.
    groups: Vec<Vec<&'e Entry>>,
    ids: HashMap<Vec<u32>, u32, ahash::RandomState>,
}

impl<'e> Shared<'e> {
    fn partition(&mut self, entries: &[Placed<'e, '_>]) -> Partition {
        let mut stretches = stretches(entries);
        merge_rare(&mut stretches);
        let mut partition = Partition::default();
        for stretch in stretches {
            let here: Vec<&'e Entry> = stretch
                .entries
                .iter()
                .filter_map(|&i| entries.get(i as usize).map(|&(entry, _)| entry))
                .collect();
            let key: Vec<u32> = here.iter().map(|e| e.rule).collect();
            let id = (!here.is_empty()).then(|| {
                *self.ids.entry(key).or_insert_with(|| {
                    self.groups.push(here);
                    self.groups.len() as u32 - 1
                })
            });
            if partition.groups.last() != Some(&id) {
                partition.push(stretch.start, id);
            }
        }
        partition.index();
        partition
    }
}

fn stretches(entries: &[Placed<'_, '_>]) -> Vec<Stretch> {
    if entries.is_empty() {
        return Vec::new();
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
    let holds = |sets: &[&[(u16, u16)]; 2], port| sets.iter().any(|s| port_in(s, port));
    let at = |start| Stretch {
        start,
        entries: (0u32..)
            .zip(entries)
            .filter(|(_, (_, sets))| holds(sets, start))
            .map(|(i, _)| i)
            .collect(),
    };
    cuts.into_iter().map(at).collect()
}

/// Each group has a matcher of all its patterns, most of which are those of rules for any port.
/// So that memory does not grow with every odd port a rule names, only what most ports share and
/// what has the most rules stays apart; the rest becomes one group with the rules of all of them.
fn merge_rare(stretches: &mut [Stretch]) {
    let mut breadth: HashMap<&[u32], u32, ahash::RandomState> = HashMap::default();
    for (at, stretch) in stretches.iter().enumerate() {
        let end = stretches
            .get(at + 1)
            .map_or(1 << 16, |next| u32::from(next.start));
        *breadth.entry(&stretch.entries).or_default() += end - u32::from(stretch.start);
    }
    if breadth.len() <= OWN_BY_BREADTH + OWN_BY_RULES + 1 {
        return;
    }
    let mut sets: Vec<(&[u32], u32)> = breadth.into_iter().collect();
    sets.sort_unstable_by_key(|&(entries, ports)| (std::cmp::Reverse(ports), entries));
    let rest = sets.split_off(OWN_BY_BREADTH);
    let mut own: HashSet<Vec<u32>> = sets.iter().map(|(entries, _)| entries.to_vec()).collect();
    let mut rest: Vec<&[u32]> = rest.into_iter().map(|(entries, _)| entries).collect();
    rest.sort_unstable_by_key(|entries| (std::cmp::Reverse(entries.len()), *entries));
    let rare = rest.split_off(OWN_BY_RULES.min(rest.len()));
    own.extend(rest.into_iter().map(<[u32]>::to_vec));
    let mut union: Vec<u32> = rare.concat();
    union.sort_unstable();
    union.dedup();
    for stretch in stretches.iter_mut().filter(|s| !own.contains(&s.entries)) {
        stretch.entries.clone_from(&union);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_of_the_last_stretch_that_begins_at_or_below_it() {
        assert_eq!(Partition::default().at(80), None);
        let mut partition = Partition::default();
        let stretches = [
            (0u16, 7),
            (80, 1),
            (81, 2),
            (256, 3),
            (1024, 4),
            (65_535, 5),
        ];
        for (start, group) in stretches {
            partition.push(start, Some(group));
        }
        partition.index();
        for port in 0..=u16::MAX {
            let holds = stretches.iter().rev().find(|(start, _)| *start <= port);
            assert_eq!(partition.at(port), holds.map(|(_, group)| *group), "{port}");
        }
    }

    #[test]
    fn odd_ports_share_a_group_and_lose_no_rule() {
        let mut all: Vec<Stretch> = (0..200u16)
            .map(|i| Stretch {
                start: i,
                entries: vec![0, u32::from(i) + 1],
            })
            .collect();
        merge_rare(&mut all);
        for (i, s) in all.iter().enumerate() {
            assert!(s.entries.contains(&0) && s.entries.contains(&(i as u32 + 1)));
        }
        let distinct: HashSet<&[u32]> = all.iter().map(|s| s.entries.as_slice()).collect();
        assert_eq!(distinct.len(), OWN_BY_BREADTH + OWN_BY_RULES + 1);
        assert_eq!(
            all[199].entries,
            [0, 200],
            "what most ports share stays apart"
        );
    }
}
