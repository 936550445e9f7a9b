//! Flows of one worker: found with one hash, let go when their time is over.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;

use super::index::Index;
use super::key::FlowKey;
use super::list::{Linked, Links, List, NONE};
use crate::decode::Packet;
use crate::direction::Direction;
use crate::time::Timestamp;

/// Slots come in chunks of this many, so that growth never copies the table.
const CHUNK: usize = 64;
/// In a full table, this part of a timeout is left ([`FlowTableConfig::pressure_percent`]).
const LEAST_PART: u32 = 16;
/// A flow that goes on keeps its place in the order of its list for so long: the order, and with it
/// when a timeout is noticed, is no more exact than this.
const ORDER_GRAIN: Duration = Duration::from_millis(100);
/// Silent flows let go for each that comes, while the table is under pressure: as many more go as
/// come, and no packet waits for many.
const EXPIRE_PER_INSERT: usize = 2;

#[derive(Clone, Debug)]
pub struct FlowTableConfig {
    /// Of one worker.
    pub max_flows: usize,
    /// From this part of `max_flows` on, flows that cost a sender little ([`TimeoutClass::shrinks`])
    /// time out sooner: the fuller the table, the sooner.
    pub pressure_percent: u8,
    pub timeouts: Timeouts,
}

impl Default for FlowTableConfig {
    fn default() -> Self {
        Self {
            max_flows: 262_144,
            pressure_percent: 70,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long a flow may be silent, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    pub new: Duration,
    pub datagram: Duration,
    pub established: Duration,
    pub closed: Duration,
    pub refused: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            new: Duration::from_secs(30),
            datagram: Duration::from_secs(60),
            established: Duration::from_secs(3600),
            closed: Duration::from_secs(10),
            refused: Duration::from_secs(120),
        }
    }
}

/// Flows of one class share a timeout and a list. In the order in which a full
/// table gives them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimeoutClass {
    Closed = 0,
    /// A handshake that is not over, or one end that has not spoken.
    New = 1,
    /// UDP and other flows without connection, both ends heard.
    Datagram = 2,
    Established = 3,
    /// Never given up for room: its verdict must hold.
    Refused = 4,
}

impl TimeoutClass {
    const COUNT: usize = 5;
    const EVICTABLE: [Self; 4] = [Self::Closed, Self::New, Self::Datagram, Self::Established];

    const ALL: [Self; Self::COUNT] = [
        Self::Closed,
        Self::New,
        Self::Datagram,
        Self::Established,
        Self::Refused,
    ];

    const fn index(self) -> usize {
        self as usize
    }

    /// Whether anybody can make such flows without ever being heard from again.
    const fn shrinks(self) -> bool {
        matches!(self, Self::Closed | Self::New | Self::Datagram)
    }
}

impl Timeouts {
    const fn of(&self, class: TimeoutClass) -> Duration {
        match class {
            TimeoutClass::Closed => self.closed,
            TimeoutClass::New => self.new,
            TimeoutClass::Datagram => self.datagram,
            TimeoutClass::Established => self.established,
            TimeoutClass::Refused => self.refused,
        }
    }
}

/// Why the table let a flow go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    Timeout,
    /// Sooner than its timeout, since the table is nearly full.
    Pressure,
    /// For a new flow, since the table is full.
    Evicted(TimeoutClass),
}

/// A flow's place in the table. A place that was given to another flow is not found by an old id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowId {
    slot: u32,
    generation: u32,
}

/// Every flow in the table is refused, so none could give way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

#[derive(Debug)]
pub struct Flow<S> {
    pub key: FlowKey,
    /// EVE's `flow_id`.
    pub id: u64,
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// By direction.
    pub packets: [u64; 2],
    /// By direction; of whole packets, as they were captured.
    pub bytes: [u64; 2],
    pub state: S,
}

impl<S> Flow<S> {
    /// Which way a packet of this flow goes.
    pub fn direction_of(&self, packet: &Packet<'_>) -> Direction {
        let (src_port, _) = packet.ports();
        if (packet.src(), src_port) == self.client {
            Direction::ToServer
        } else {
            Direction::ToClient
        }
    }

    pub fn count(&mut self, direction: Direction, bytes: u64) {
        self.packets[direction.index()] += 1;
        self.bytes[direction.index()] += bytes;
    }
}

/// Where a new flow stands.
#[derive(Clone, Copy, Debug)]
pub struct NewFlow {
    pub key: FlowKey,
    pub client: (IpAddr, u16),
    pub server: (IpAddr, u16),
    pub class: TimeoutClass,
}

#[derive(Debug)]
struct Slot<S> {
    links: Links,
    generation: u32,
    hash: u32,
    /// The next slot of its chain in the index.
    chained: u32,
    class: TimeoutClass,
    /// When it became the newest of its list.
    placed: Timestamp,
    flow: Option<Flow<S>>,
}

/// Slots in chunks; a slot's number never changes.
#[derive(Debug)]
struct Slab<S>(Vec<Vec<Slot<S>>>);

impl<S> Slab<S> {
    fn get(&self, slot: u32) -> Option<&Slot<S>> {
        let slot = slot as usize;
        self.0.get(slot / CHUNK)?.get(slot % CHUNK)
    }

    fn get_mut(&mut self, slot: u32) -> Option<&mut Slot<S>> {
        let slot = slot as usize;
        self.0.get_mut(slot / CHUNK)?.get_mut(slot % CHUNK)
    }
}

impl<S> Linked for Slab<S> {
    fn links(&mut self, slot: u32) -> Option<&mut Links> {
        self.get_mut(slot).map(|s| &mut s.links)
    }
}

#[derive(Debug)]
pub struct FlowTable<S> {
    config: FlowTableConfig,
    /// Keyed per start: nobody outside can choose colliding flows.
    hasher: RandomState,
    index: Index,
    slab: Slab<S>,
    lists: [List; TimeoutClass::COUNT],
    free: List,
    len: usize,
    next_id: u64,
}

impl<S> FlowTable<S> {
    /// Bytes that a full table takes, besides what its flows own elsewhere.
    pub fn bytes_for(flows: usize) -> usize {
        let chunks = flows.div_ceil(CHUNK);
        chunks * (CHUNK * size_of::<Slot<S>>() + size_of::<Vec<Slot<S>>>())
            + Index::bytes_for(flows)
    }

    pub fn new(config: FlowTableConfig) -> Self {
        let hasher = RandomState::new();
        let next_id = hasher.hash_one(0_u8) >> 16;
        Self {
            index: Index::for_flows(config.max_flows),
            slab: Slab(Vec::with_capacity(config.max_flows.div_ceil(CHUNK))),
            config,
            hasher,
            lists: [List::default(); TimeoutClass::COUNT],
            free: List::default(),
            len: 0,
            next_id,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Flows of one class.
    pub fn len_of(&self, class: TimeoutClass) -> usize {
        self.lists[class.index()].len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn find(&self, key: &FlowKey) -> Option<FlowId> {
        let hash = self.hash(key);
        let mut number = self.index.first(hash);
        while let Some(slot) = self.slab.get(number) {
            if slot.hash == hash && slot.flow.as_ref().is_some_and(|flow| flow.key == *key) {
                return Some(FlowId {
                    slot: number,
                    generation: slot.generation,
                });
            }
            number = slot.chained;
        }
        None
    }

    pub fn get(&self, id: FlowId) -> Option<&Flow<S>> {
        let slot = self.slab.get(id.slot)?;
        slot.flow
            .as_ref()
            .filter(|_| slot.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow<S>> {
        let slot = self.slab.get_mut(id.slot)?;
        let generation = slot.generation;
        slot.flow.as_mut().filter(|_| generation == id.generation)
    }

    /// Enters a flow that [`Self::find`] did not find. Where the table is full, the
    /// longest silent flow of the cheapest class gives way; whatever goes is handed to `gone`.
    pub fn insert(
        &mut self,
        new: NewFlow,
        now: Timestamp,
        state: S,
        gone: &mut dyn FnMut(Flow<S>, Gone),
    ) -> Result<FlowId, TableFull> {
        if self.len >= self.pressed_from() {
            self.expire(now, EXPIRE_PER_INSERT, gone);
        }
        if self.len >= self.config.max_flows {
            let (class, oldest) = TimeoutClass::EVICTABLE
                .iter()
                .map(|&class| (class, self.lists[class.index()].oldest))
                .find(|&(_, slot)| slot != NONE)
                .ok_or(TableFull)?;
            if let Some(flow) = self.take(oldest) {
                gone(flow, Gone::Evicted(class));
            }
        }
        let number = self.free_slot();
        let hash = self.hash(&new.key);
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1) & (u64::MAX >> 11);
        let Some(slot) = self.slab.get_mut(number) else {
            return Err(TableFull);
        };
        slot.hash = hash;
        slot.chained = self.index.push(hash, number);
        slot.class = new.class;
        slot.placed = now;
        slot.flow = Some(Flow {
            key: new.key,
            id,
            client: new.client,
            server: new.server,
            first_seen: now,
            last_seen: now,
            packets: [0; 2],
            bytes: [0; 2],
            state,
        });
        let generation = slot.generation;
        self.len += 1;
        self.lists[new.class.index()].push_newest(&mut self.slab, number);
        Ok(FlowId {
            slot: number,
            generation,
        })
    }

    /// A packet of the flow was seen: its time begins anew, in this class.
    pub fn touch(&mut self, id: FlowId, class: TimeoutClass, now: Timestamp) {
        let Some(slot) = self.slab.get_mut(id.slot) else {
            return;
        };
        if slot.generation != id.generation {
            return;
        }
        let before = std::mem::replace(&mut slot.class, class);
        if let Some(flow) = slot.flow.as_mut() {
            flow.last_seen = now;
        }
        // Its neighbours' memory is far away.
        if before == class && now.since(slot.placed) < ORDER_GRAIN {
            return;
        }
        slot.placed = now;
        self.lists[before.index()].remove(&mut self.slab, id.slot);
        self.lists[class.index()].push_newest(&mut self.slab, id.slot);
    }

    pub fn remove(&mut self, id: FlowId) -> Option<Flow<S>> {
        self.get(id)?;
        self.take(id.slot)
    }

    /// Lets go of at most `limit` flows that were silent for too long.
    pub fn expire(&mut self, now: Timestamp, limit: usize, gone: &mut dyn FnMut(Flow<S>, Gone)) {
        let mut left = limit;
        for class in TimeoutClass::ALL {
            let timeout = self.config.timeouts.of(class);
            while left > 0 {
                let oldest = self.lists[class.index()].oldest;
                let silent = self
                    .slab
                    .get(oldest)
                    .and_then(|s| s.flow.as_ref())
                    .map(|flow| now.since(flow.last_seen));
                let Some(silent) = silent else {
                    break;
                };
                let why = if silent >= timeout {
                    Gone::Timeout
                } else if class.shrinks() && silent >= self.pressed(timeout) {
                    Gone::Pressure
                } else {
                    break;
                };
                if let Some(flow) = self.take(oldest) {
                    gone(flow, why);
                }
                left -= 1;
            }
        }
    }

    /// The number of flows from which on timeouts shrink.
    fn pressed_from(&self) -> usize {
        let most = self.config.max_flows as u128;
        (most * u128::from(self.config.pressure_percent) / 100) as usize
    }

    /// What is left of a timeout: all of it below the mark, [`LEAST_PART`] of it in a full table.
    fn pressed(&self, timeout: Duration) -> Duration {
        let from = self.pressed_from();
        let room = self.config.max_flows.saturating_sub(from);
        let free = self.config.max_flows.saturating_sub(self.len);
        if free >= room {
            return timeout;
        }
        let part = free as f64 / room as f64;
        (timeout.mul_f64(part)).max(timeout / LEAST_PART)
    }

    /// Lets go of all flows.
    pub fn drain(&mut self, each: &mut dyn FnMut(Flow<S>)) {
        for class in 0..TimeoutClass::COUNT {
            while self.lists[class].oldest != NONE {
                if let Some(flow) = self.take(self.lists[class].oldest) {
                    each(flow);
                }
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Flow<S>> {
        self.slab
            .0
            .iter()
            .flatten()
            .filter_map(|slot| slot.flow.as_ref())
    }

    /// Takes the flow out of slab, index and list.
    fn take(&mut self, number: u32) -> Option<Flow<S>> {
        let slot = self.slab.get_mut(number)?;
        let flow = slot.flow.take()?;
        let (hash, class, next) = (slot.hash, slot.class, slot.chained);
        slot.generation = slot.generation.wrapping_add(1);
        self.unchain(hash, number, next);
        self.len -= 1;
        self.lists[class.index()].remove(&mut self.slab, number);
        self.free.push_newest(&mut self.slab, number);
        Some(flow)
    }

    /// Takes a slot out of its chain; `next` is the one behind it.
    fn unchain(&mut self, hash: u32, number: u32, next: u32) {
        let mut before = self.index.first(hash);
        if before == number {
            self.index.set_first(hash, next);
            return;
        }
        while let Some(slot) = self.slab.get_mut(before) {
            if slot.chained == number {
                slot.chained = next;
                return;
            }
            before = slot.chained;
        }
    }

    fn hash(&self, key: &FlowKey) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn free_slot(&mut self) -> u32 {
        if self.free.oldest == NONE {
            let first = self.slab.0.len() * CHUNK;
            self.slab.0.push(
                std::iter::repeat_with(|| Slot {
                    links: Links::default(),
                    generation: 0,
                    hash: 0,
                    chained: NONE,
                    class: TimeoutClass::New,
                    placed: Timestamp::ZERO,
                    flow: None,
                })
                .take(CHUNK)
                .collect(),
            );
            for number in first..first + CHUNK {
                self.free.push_newest(&mut self.slab, number as u32);
            }
        }
        let number = self.free.oldest;
        self.free.remove(&mut self.slab, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn new_flow(n: u16, class: TimeoutClass) -> NewFlow {
        let client = ("10.0.0.1".parse().unwrap(), n);
        let server = ("192.0.2.1".parse().unwrap(), 80);
        NewFlow {
            key: FlowKey::new(client, server, 6, [0; 3]),
            client,
            server,
            class,
        }
    }

    fn table(max_flows: usize) -> FlowTable<u16> {
        FlowTable::new(FlowTableConfig {
            max_flows,
            ..FlowTableConfig::default()
        })
    }

    fn insert(
        table: &mut FlowTable<u16>,
        n: u16,
        class: TimeoutClass,
    ) -> Result<Vec<u16>, TableFull> {
        let mut gone = Vec::new();
        let now = Timestamp::from_secs(u64::from(n));
        table.insert(new_flow(n, class), now, n, &mut |f, _| gone.push(f.state))?;
        Ok(gone)
    }

    #[test]
    fn the_oldest_of_the_cheapest_class_gives_way_and_a_refused_flow_never_does() {
        use TimeoutClass::{Closed, Established, New, Refused};
        let mut t = table(4);
        for (n, class) in [(1, Refused), (2, Established), (3, New), (4, New)] {
            assert_eq!(insert(&mut t, n, class), Ok(vec![]));
        }
        assert_eq!(insert(&mut t, 5, Closed), Ok(vec![3]));
        assert_eq!(insert(&mut t, 6, Refused), Ok(vec![5]));
        assert_eq!(insert(&mut t, 7, Refused), Ok(vec![4]));
        assert_eq!(insert(&mut t, 8, Refused), Ok(vec![2]));
        assert_eq!(insert(&mut t, 9, New), Err(TableFull));
        assert_eq!(t.len(), 4);
    }

    /// 100 flows that began at second 0, in a table with room for that many.
    fn full(class: TimeoutClass) -> FlowTable<u16> {
        let mut t = table(100);
        for n in 0..100 {
            t.insert(new_flow(n, class), Timestamp::default(), n, &mut |_, _| {})
                .unwrap();
        }
        t
    }

    fn gone_after(t: &mut FlowTable<u16>, millis: u64) -> Vec<Gone> {
        let mut all = Vec::new();
        let now = Timestamp::default() + Duration::from_millis(millis);
        t.expire(now, usize::MAX, &mut |_, why| all.push(why));
        all
    }

    #[test]
    fn the_fuller_the_table_the_sooner_cheap_flows_go() {
        // A sixteenth of 30 seconds in a full table; with each that goes the rest have more time.
        let mut t = full(TimeoutClass::New);
        assert_eq!(gone_after(&mut t, 1_800), []);
        let soon = gone_after(&mut t, 1_900).len();
        assert!((1..=3).contains(&soon), "{soon}");
        let half = gone_after(&mut t, 15_000).len() + soon;
        assert!((14..=16).contains(&half), "{half}");
        assert_eq!(gone_after(&mut t, 29_999).len() + half, 30);
        assert_eq!(t.len(), 70);
        assert_eq!(gone_after(&mut t, 30_000), vec![Gone::Timeout; 70]);
    }

    #[test]
    fn pressure_takes_no_time_from_established_and_refused_flows() {
        for (class, timeout) in [
            (TimeoutClass::Established, Timeouts::default().established),
            (TimeoutClass::Refused, Timeouts::default().refused),
        ] {
            let mut t = full(class);
            assert_eq!(gone_after(&mut t, timeout.as_millis() as u64 - 1), []);
            assert_eq!(gone_after(&mut t, timeout.as_millis() as u64).len(), 100);
        }
    }

    /// What a flood of opening packets does: each finds room, and nothing of worth goes.
    #[test]
    fn a_flood_of_new_flows_takes_no_place_of_others() {
        use TimeoutClass::{Established, New, Refused};
        let mut t = table(100);
        for n in 0..80 {
            let class = if n < 40 { Established } else { Refused };
            insert(&mut t, n, class).unwrap();
        }
        for n in 80..10_000 {
            let mut gone = Vec::new();
            let now = Timestamp::default() + Duration::from_micros(u64::from(n));
            t.insert(new_flow(n, New), now, n, &mut |flow, why| {
                gone.push((flow.state, why))
            })
            .unwrap();
            assert!(
                gone.iter()
                    .all(|&(state, why)| state >= 80 && why == Gone::Evicted(New))
            );
        }
        assert_eq!(t.iter().filter(|f| f.state < 80).count(), 80);
    }

    #[test]
    fn an_old_id_does_not_find_a_new_flow() {
        let mut t = table(1);
        insert(&mut t, 1, TimeoutClass::New).unwrap();
        let old = t.find(&new_flow(1, TimeoutClass::New).key).unwrap();
        insert(&mut t, 2, TimeoutClass::New).unwrap();
        assert!(t.get(old).is_none() && t.get_mut(old).is_none() && t.remove(old).is_none());
    }

    #[test]
    fn each_table_has_a_secret_of_its_own() {
        let key = new_flow(1, TimeoutClass::New).key;
        let hash = |t: FlowTable<u16>| t.hash(&key);
        assert_ne!(hash(table(1)), hash(table(1)));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Open(u16, TimeoutClass),
        Touch(u16, TimeoutClass),
        Remove(u16),
        Expire(u8),
    }

    fn class() -> impl Strategy<Value = TimeoutClass> {
        use TimeoutClass::{Closed, Datagram, Established, New, Refused};
        prop::sample::select(vec![Closed, New, Datagram, Established, Refused])
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u16..40, class()).prop_map(|(n, c)| Step::Open(n, c)),
            (0_u16..40, class()).prop_map(|(n, c)| Step::Touch(n, c)),
            (0_u16..40).prop_map(Step::Remove),
            any::<u8>().prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// Against a plain map that holds the same flows with their classes and times.
        #[test]
        fn the_table_does_what_a_plain_map_does(steps in proptest::collection::vec(step(), 1..200)) {
            let mut t = table(1000);
            let mut model: HashMap<u16, (TimeoutClass, Timestamp)> = HashMap::new();
            let mut now = Timestamp::from_secs(1000);
            let timeouts = Timeouts::default();
            for step in steps {
                now = now + Duration::from_secs(1);
                match step {
                    Step::Open(n, class) => {
                        if let std::collections::hash_map::Entry::Vacant(entry) = model.entry(n) {
                            t.insert(new_flow(n, class), now, n, &mut |_, _| {}).unwrap();
                            entry.insert((class, now));
                        }
                    }
                    Step::Touch(n, class) => {
                        if let Some(entry) = model.get_mut(&n) {
                            *entry = (class, now);
                            let id = t.find(&new_flow(n, class).key).unwrap();
                            t.touch(id, class, now);
                        }
                    }
                    Step::Remove(n) => {
                        let id = t.find(&new_flow(n, TimeoutClass::New).key);
                        prop_assert_eq!(id.is_some(), model.remove(&n).is_some());
                        if let Some(id) = id { prop_assert_eq!(t.remove(id).unwrap().state, n); }
                    }
                    Step::Expire(secs) => {
                        now = now + Duration::from_secs(u64::from(secs));
                        t.expire(now, usize::MAX, &mut |_, _| {});
                        model.retain(|_, (class, seen)| now.since(*seen) < timeouts.of(*class));
                    }
                }
                let mut there: Vec<u16> = t.iter().map(|f| f.state).collect();
                there.sort_unstable();
                let mut expected: Vec<u16> = model.keys().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(there, expected);
                prop_assert_eq!(t.len(), model.len());
                for class in TimeoutClass::ALL {
                    let of = model.values().filter(|(c, _)| *c == class).count();
                    prop_assert_eq!(t.len_of(class), of);
                }
            }
        }
    }
}
