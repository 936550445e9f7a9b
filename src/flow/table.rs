//! Flows of one worker: found with one hash, let go when their time is over.

use std::net::IpAddr;
use std::time::Duration;

use ahash::RandomState;

use super::index::Index;
use super::key::FlowKey;
use super::list::{List, NONE};
use super::rest::FlowRest;
use super::slot::Slab;
use crate::decode::Packet;
use crate::direction::Direction;
use crate::time::Timestamp;

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
    /// The lower end of the key is the client.
    pub(super) client_is_low: bool,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// By direction.
    pub packets: [u64; 2],
    /// By direction; of whole packets, as they were captured.
    pub bytes: [u64; 2],
    pub state: S,
}

impl<S> Flow<S> {
    /// Client and server.
    pub fn ends(&self) -> [(IpAddr, u16); 2] {
        let [low, high] = self.key.ends();
        match self.client_is_low {
            true => [low, high],
            false => [high, low],
        }
    }

    /// Which way a packet of this flow goes.
    pub fn direction_of(&self, packet: &Packet<'_>) -> Direction {
        let (src_port, _) = packet.ports();
        match self.key.has_low((packet.src(), src_port)) == self.client_is_low {
            true => Direction::ToServer,
            false => Direction::ToClient,
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

/// There is a list for each class, and one for established flows that lie idle.
const LISTS: usize = TimeoutClass::COUNT + 1;
const RESTING: u8 = TimeoutClass::COUNT as u8;

/// In the order in which a full table gives flows up; refused ones never go.
const EVICTABLE: [u8; 5] = [
    TimeoutClass::Closed as u8,
    TimeoutClass::New as u8,
    TimeoutClass::Datagram as u8,
    RESTING,
    TimeoutClass::Established as u8,
];

/// The class of a list's flows.
fn class_of(list: u8) -> TimeoutClass {
    let class = TimeoutClass::ALL.get(usize::from(list)).copied();
    class.unwrap_or(TimeoutClass::Established)
}

#[derive(Debug)]
pub struct FlowTable<S: FlowRest> {
    config: FlowTableConfig,
    /// Keyed per start: nobody outside can choose colliding flows.
    hasher: RandomState,
    index: Index,
    slab: Slab<S>,
    /// By class; the last one is of those that lie idle.
    lists: [List; LISTS],
    free: List,
    len: usize,
    next_id: u64,
}

impl<S: FlowRest> FlowTable<S> {
    /// Bytes that a full table takes, besides what its flows own elsewhere: none of them at rest.
    pub fn bytes_for(flows: usize) -> usize {
        Slab::<S>::bytes_for(flows) + Index::bytes_for(flows)
    }

    /// Bytes of one flow at rest, and awake, in a table that is full.
    #[cfg(test)]
    pub fn bytes_of_one() -> (usize, usize) {
        let (at_rest, awake) = Slab::<S>::bytes_of_one();
        let index = Index::bytes_for(1 << 20) >> 20;
        (at_rest + index, awake + index)
    }

    pub fn new(config: FlowTableConfig) -> Self {
        let hasher = RandomState::new();
        let next_id = hasher.hash_one(0_u8) >> 16;
        Self {
            index: Index::for_flows(config.max_flows),
            slab: Slab::for_flows(config.max_flows),
            config,
            hasher,
            lists: [List::default(); LISTS],
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
        let resting = match class {
            TimeoutClass::Established => self.lists[usize::from(RESTING)].len,
            _ => 0,
        };
        self.lists[class.index()].len + resting
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Finds a flow, and makes it ready for a packet.
    pub fn find(&mut self, key: &FlowKey) -> Option<FlowId> {
        let hash = self.hash(key);
        let mut number = self.index.first(hash);
        while let Some(slot) = self.slab.get(number) {
            if slot.hash == hash && slot.key() == Some(key) {
                let id = FlowId {
                    slot: number,
                    generation: slot.generation,
                };
                if slot.list == RESTING {
                    self.get_up(number);
                }
                return Some(id);
            }
            number = slot.chained;
        }
        None
    }

    fn get_up(&mut self, number: u32) {
        self.slab.get_up(number);
        self.move_to(TimeoutClass::Established as u8, number);
    }

    /// Makes the slot the newest of a list.
    fn move_to(&mut self, list: u8, number: u32) {
        let Some(slot) = self.slab.get_mut(number) else {
            return;
        };
        let before = std::mem::replace(&mut slot.list, list);
        self.lists[usize::from(before)].remove(&mut self.slab, number);
        self.lists[usize::from(list)].push_newest(&mut self.slab, number);
    }

    /// Makes established flows small that were silent for `after`, at most so many of them. `prepare`
    /// gives back what a flow holds and does not need meanwhile.
    pub fn rest(
        &mut self,
        now: Timestamp,
        after: Duration,
        limit: usize,
        prepare: &mut dyn FnMut(&mut S),
    ) {
        for _ in 0..limit {
            let number = self.lists[TimeoutClass::Established.index()].oldest;
            let slot = self.slab.get_mut(number);
            let Some(flow) = slot.and_then(|slot| slot.awake_mut()) else {
                return;
            };
            if now.since(flow.last_seen) < after {
                return;
            }
            prepare(&mut flow.state);
            self.slab.lie_down(number);
            self.move_to(RESTING, number);
        }
    }

    /// A flow that was found, or has just been entered.
    pub fn get(&self, id: FlowId) -> Option<&Flow<S>> {
        let slot = self.slab.get(id.slot)?;
        slot.awake().filter(|_| slot.generation == id.generation)
    }

    pub fn get_mut(&mut self, id: FlowId) -> Option<&mut Flow<S>> {
        let slot = self.slab.get_mut(id.slot)?;
        let generation = slot.generation;
        slot.awake_mut().filter(|_| generation == id.generation)
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
            let (list, oldest) = EVICTABLE
                .iter()
                .map(|&list| (list, self.lists[usize::from(list)].oldest))
                .find(|&(_, slot)| slot != NONE)
                .ok_or(TableFull)?;
            if let Some(flow) = self.take(oldest) {
                gone(flow, Gone::Evicted(class_of(list)));
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
        slot.list = new.class as u8;
        slot.placed = now;
        let generation = slot.generation;
        let flow = Flow {
            key: new.key,
            id,
            client_is_low: new.key.ends() == [new.client, new.server],
            first_seen: now,
            last_seen: now,
            packets: [0; 2],
            bytes: [0; 2],
            state,
        };
        self.slab.put(number, flow);
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
        if let Some(flow) = slot.awake_mut() {
            flow.last_seen = now;
        }
        // Its neighbours' memory is far away.
        if slot.list == class as u8 && now.since(slot.placed) < ORDER_GRAIN {
            return;
        }
        slot.placed = now;
        self.move_to(class as u8, id.slot);
    }

    pub fn remove(&mut self, id: FlowId) -> Option<Flow<S>> {
        self.get(id)?;
        self.take(id.slot)
    }

    /// Lets go of at most `limit` flows that were silent for too long.
    pub fn expire(&mut self, now: Timestamp, limit: usize, gone: &mut dyn FnMut(Flow<S>, Gone)) {
        let mut left = limit;
        for list in 0..LISTS as u8 {
            let class = class_of(list);
            let timeout = self.config.timeouts.of(class);
            while left > 0 {
                let oldest = self.lists[usize::from(list)].oldest;
                let Some(last_seen) = self.slab.get(oldest).and_then(|slot| slot.last_seen())
                else {
                    break;
                };
                let silent = now.since(last_seen);
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
        for list in 0..LISTS {
            while self.lists[list].oldest != NONE {
                if let Some(flow) = self.take(self.lists[list].oldest) {
                    each(flow);
                }
            }
        }
    }

    /// Shows at most so many flows. Those at rest are so again afterwards.
    pub fn show(&mut self, limit: usize, each: &mut dyn FnMut(&Flow<S>)) {
        let mut left = limit;
        for number in 0..self.slab.len() as u32 {
            if left == 0 {
                return;
            }
            let was_resting = self.slab.get_up(number);
            if let Some(flow) = self.slab.get(number).and_then(|slot| slot.awake()) {
                each(flow);
                left -= 1;
            }
            if was_resting {
                self.slab.lie_down(number);
            }
        }
    }

    /// Takes the flow out of slab, index and list.
    fn take(&mut self, number: u32) -> Option<Flow<S>> {
        let flow = self.slab.take(number)?;
        let slot = self.slab.get_mut(number)?;
        let (hash, list, next) = (slot.hash, slot.list, slot.chained);
        slot.generation = slot.generation.wrapping_add(1);
        self.unchain(hash, number, next);
        self.len -= 1;
        self.lists[usize::from(list)].remove(&mut self.slab, number);
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
            for number in self.slab.grow() {
                self.free.push_newest(&mut self.slab, number);
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

    impl FlowRest for u16 {
        type Resting = u32;

        fn lie_down(&mut self) -> Option<u32> {
            // Some states are as small as can be.
            (!self.is_multiple_of(5)).then(|| !u32::from(*self))
        }

        fn get_up(resting: u32) -> Self {
            !resting as Self
        }
    }

    fn states(t: &mut FlowTable<u16>) -> Vec<u16> {
        let mut there = Vec::new();
        t.show(usize::MAX, &mut |flow| there.push(flow.state));
        there.sort_unstable();
        there
    }

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
        assert_eq!(states(&mut t).iter().filter(|s| **s < 80).count(), 80);
    }

    #[test]
    fn a_flow_at_rest_is_found_and_shown_as_it_was() {
        let mut t = table(10);
        insert(&mut t, 1, TimeoutClass::Established).unwrap();
        insert(&mut t, 2, TimeoutClass::Established).unwrap();
        let mut prepared = Vec::new();
        let mut rest = |t: &mut FlowTable<u16>| {
            t.rest(
                Timestamp::from_secs(11),
                Duration::from_secs(10),
                usize::MAX,
                &mut |state| prepared.push(*state),
            );
            t.slab.slots().filter(|slot| slot.awake().is_some()).count()
        };
        // The other one was seen nine seconds ago.
        assert_eq!(rest(&mut t), 1);
        assert_eq!(states(&mut t), [1, 2]);
        assert_eq!(t.len_of(TimeoutClass::Established), 2);
        let new = new_flow(1, TimeoutClass::Established);
        let id = t.find(&new.key).unwrap();
        let flow = t.get(id).unwrap();
        assert_eq!(flow.ends(), [new.client, new.server]);
        assert_eq!(flow.last_seen, Timestamp::from_secs(1));
        assert_eq!(prepared, [1]);
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
        Rest(u8),
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
            (0_u8..4).prop_map(Step::Rest),
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
                    Step::Rest(secs) => {
                        let after = Duration::from_secs(u64::from(secs));
                        t.rest(now, after, usize::MAX, &mut |_| ());
                    }
                }
                let there = states(&mut t);
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
