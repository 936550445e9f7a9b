//! The incomplete datagrams of one worker, in bounded memory.

use std::collections::VecDeque;

use ahash::RandomState;
use hashbrown::HashTable;

use super::assembly::{Assembly, Buffers};
use super::identification::Identifications;
use super::{Arrival, DefragConfig, GivenUp, Key, Refused, Taken, Whole};
use crate::time::Timestamp;
use crate::verdict::DropReason;

/// Buffers kept for the next datagrams, and the largest that is.
const POOLED: usize = 64;
const POOLED_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub struct Defragmenter {
    config: DefragConfig,
    /// Keyed per start: nobody outside can choose colliding datagrams.
    hasher: RandomState,
    index: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Oldest first; those that have left are skipped.
    order: VecDeque<Ticket>,
    pool: Vec<Buffers>,
    /// Of all buffers, pooled ones included.
    buffer_bytes: usize,
    ids: Identifications,
    /// The buffer of the last whole datagram.
    spare: Vec<u8>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Ticket {
    slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    hash: u64,
    protocol: u8,
    since: Timestamp,
    state: State,
}

#[derive(Debug)]
enum State {
    Gathering(Assembly),
    /// What comes of it is dropped.
    Refused(DropReason),
}

/// What one datagram costs beside its buffers: its slot, its place in the index and in the order.
const ENTRY_BYTES: usize = size_of::<Slot>() + 2 * size_of::<Ticket>() + 16;

impl Defragmenter {
    pub fn new(config: DefragConfig) -> Self {
        let hasher = RandomState::new();
        let ids = Identifications::new(&hasher);
        Self {
            config,
            hasher,
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            order: VecDeque::new(),
            pool: Vec::new(),
            buffer_bytes: 0,
            ids,
            spare: Vec::new(),
        }
    }

    /// Datagrams that are not whole, and those of which the rest is being dropped.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    pub fn memory_bytes(&self) -> usize {
        self.slots.len() * ENTRY_BYTES + self.buffer_bytes
    }

    /// Takes a fragment. `given_up` is told of fragments that were held and now are dropped.
    pub fn take(
        &mut self,
        arrival: &Arrival<'_>,
        now: Timestamp,
        given_up: &mut dyn FnMut(GivenUp),
    ) -> Taken {
        let refused = |reason| {
            Taken::Refused(Refused {
                reason,
                again: false,
            })
        };
        let Some(fragment) = arrival.packet.ip.fragment else {
            return refused(DropReason::DefragMalformed);
        };
        self.expire(now, given_up);
        let key = Key::of(arrival, fragment.id);
        let slot = match self.find_or_enter(key, arrival.packet.ip.protocol, now, given_up) {
            Some(slot) => slot,
            None => return Taken::NoRoom,
        };
        match self.add(slot, arrival, given_up) {
            Ok(false) => Taken::Held,
            Ok(true) => match self.complete(slot, given_up) {
                Ok(whole) => Taken::Whole(whole),
                Err(reason) => refused(reason),
            },
            Err(Stop::Alone(reason)) => refused(reason),
            Err(Stop::Again(reason)) => Taken::Refused(Refused {
                reason,
                again: true,
            }),
            Err(Stop::NoRoom) => {
                self.leave_if_empty(slot);
                Taken::NoRoom
            }
            Err(Stop::Datagram(reason)) => {
                self.refuse(slot, reason, given_up);
                refused(reason)
            }
        }
    }

    /// Gives the buffer of a whole datagram back.
    pub fn recycle(&mut self, whole: Whole) {
        self.spare = whole.bytes;
        self.spare.clear();
    }

    /// Lets go of datagrams whose time is over.
    pub fn expire(&mut self, now: Timestamp, given_up: &mut dyn FnMut(GivenUp)) {
        while let Some(slot) = self.oldest() {
            let over = self
                .entry(slot)
                .is_some_and(|entry| now.since(entry.since) >= self.config.timeout);
            if !over {
                break;
            }
            self.give_up(slot, DropReason::DefragTimeout, given_up);
        }
    }

    /// Lets go of all datagrams.
    pub fn drain(&mut self, given_up: &mut dyn FnMut(GivenUp)) {
        while let Some(slot) = self.oldest() {
            self.give_up(slot, DropReason::DefragTimeout, given_up);
        }
    }

    fn entry(&self, slot: u32) -> Option<&Entry> {
        self.slots.get(slot as usize)?.entry.as_ref()
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.slots.get_mut(slot as usize)?.entry.as_mut()
    }

    fn find_or_enter(
        &mut self,
        key: Key,
        protocol: u8,
        now: Timestamp,
        given_up: &mut dyn FnMut(GivenUp),
    ) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let slots = &self.slots;
        let known = |slot: &u32| slots.get(*slot as usize)?.entry.as_ref();
        let same = |slot: &u32| known(slot).is_some_and(|entry| entry.key == key);
        if let Some(&slot) = self.index.find(hash, same) {
            return Some(slot);
        }
        if self.len() >= self.config.max_datagrams {
            self.make_way(given_up)?;
        }
        let grows = if self.free.is_empty() { ENTRY_BYTES } else { 0 };
        self.make_room(grows, None, given_up)?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                entry: None,
            });
            (self.slots.len() - 1) as u32
        });
        let buffers = self.pool.pop().unwrap_or_default();
        let place = self.slots.get_mut(slot as usize)?;
        place.entry = Some(Entry {
            key,
            hash,
            protocol,
            since: now,
            state: State::Gathering(Assembly::new(buffers)),
        });
        let generation = place.generation;
        self.order.push_back(Ticket { slot, generation });
        let slots = &self.slots;
        let hash_of = |slot: &u32| {
            let entry = slots.get(*slot as usize).and_then(|s| s.entry.as_ref());
            entry.map_or(0, |entry| entry.hash)
        };
        self.index.insert_unique(hash, slot, hash_of);
        self.tidy();
        Some(slot)
    }

    /// True: the datagram is whole.
    fn add(
        &mut self,
        slot: u32,
        arrival: &Arrival<'_>,
        given_up: &mut dyn FnMut(GivenUp),
    ) -> Result<bool, Stop> {
        let max_fragments = self.config.max_fragments;
        let assembly = match self.entry_mut(slot).map(|entry| &mut entry.state) {
            Some(State::Gathering(assembly)) => assembly,
            Some(State::Refused(reason)) => return Err(Stop::Again(*reason)),
            None => return Err(Stop::Alone(DropReason::DefragMalformed)),
        };
        let place = assembly
            .place(arrival.packet)
            .map_err(|reason| match reason {
                DropReason::DefragDuplicate => Stop::Alone(reason),
                _ => Stop::Datagram(reason),
            })?;
        if assembly.fragments() >= max_fragments {
            return Err(Stop::Datagram(DropReason::DefragFragments));
        }
        let growth = assembly.growth(arrival, place);
        let before = assembly.buffers.memory_bytes();
        let more = growth.memory_bytes().saturating_sub(before);
        self.make_room(more, Some(slot), given_up)
            .ok_or(if self.config.keeps_oldest {
                Stop::NoRoom
            } else {
                Stop::Datagram(DropReason::DefragMemory)
            })?;
        let Some(State::Gathering(assembly)) = self.entry_mut(slot).map(|e| &mut e.state) else {
            return Err(Stop::Alone(DropReason::DefragMalformed));
        };
        let whole = assembly.put(arrival, place, growth);
        let after = assembly.buffers.memory_bytes();
        self.buffer_bytes = (self.buffer_bytes + after).saturating_sub(before);
        Ok(whole)
    }

    fn complete(
        &mut self,
        slot: u32,
        given_up: &mut dyn FnMut(GivenUp),
    ) -> Result<Whole, DropReason> {
        let malformed = DropReason::DefragMalformed;
        let entry = self.leave(slot).ok_or(malformed)?;
        let id = self.ids.next(&self.hasher, entry.key.src, entry.key.dst);
        let State::Gathering(assembly) = entry.state else {
            return Err(malformed);
        };
        let whole = assembly.finish(id, std::mem::take(&mut self.spare));
        // The fragment at hand is refused by the caller.
        let packets = (assembly.fragments() as u64).saturating_sub(1);
        self.put_away(assembly.buffers);
        if let Err(reason) = whole {
            given_up(GivenUp {
                key: entry.key,
                protocol: entry.protocol,
                packets,
                reason,
            });
        }
        whole
    }

    /// Drops what is held of a datagram, and from now on the rest of it.
    fn refuse(&mut self, slot: u32, reason: DropReason, given_up: &mut dyn FnMut(GivenUp)) {
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        let state = std::mem::replace(&mut entry.state, State::Refused(reason));
        let (key, protocol) = (entry.key, entry.protocol);
        if let State::Gathering(assembly) = state {
            self.release(key, protocol, assembly, reason, given_up);
        }
    }

    /// Drops what is held of a datagram, and forgets it.
    fn give_up(&mut self, slot: u32, reason: DropReason, given_up: &mut dyn FnMut(GivenUp)) {
        let Some(entry) = self.leave(slot) else {
            return;
        };
        if let State::Gathering(assembly) = entry.state {
            self.release(entry.key, entry.protocol, assembly, reason, given_up);
        }
    }

    fn release(
        &mut self,
        key: Key,
        protocol: u8,
        assembly: Assembly,
        reason: DropReason,
        given_up: &mut dyn FnMut(GivenUp),
    ) {
        let packets = assembly.fragments() as u64;
        self.put_away(assembly.buffers);
        if packets > 0 {
            given_up(GivenUp {
                key,
                protocol,
                packets,
                reason,
            });
        }
    }

    /// Takes an entry out of slot and index; its ticket is skipped from now on.
    fn leave(&mut self, slot: u32) -> Option<Entry> {
        let place = self.slots.get_mut(slot as usize)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(slot);
        if let Ok(found) = self.index.find_entry(entry.hash, |&other| other == slot) {
            found.remove();
        }
        Some(entry)
    }

    /// A datagram of which nothing could be kept leaves no trace.
    fn leave_if_empty(&mut self, slot: u32) {
        let empty = self.entry(slot).is_some_and(
            |entry| matches!(&entry.state, State::Gathering(assembly) if assembly.fragments() == 0),
        );
        if empty {
            self.give_up(slot, DropReason::DefragMemory, &mut |_| {});
        }
    }

    fn put_away(&mut self, mut buffers: Buffers) {
        let bytes = buffers.memory_bytes();
        if self.pool.len() < POOLED && bytes <= POOLED_BYTES {
            buffers.clear();
            self.pool.push(buffers);
        } else {
            self.buffer_bytes = self.buffer_bytes.saturating_sub(bytes);
        }
    }

    /// The oldest datagram there is.
    fn oldest(&mut self) -> Option<u32> {
        while let Some(&Ticket { slot, generation }) = self.order.front() {
            let current = self.slots.get(slot as usize)?;
            if current.generation == generation && current.entry.is_some() {
                return Some(slot);
            }
            self.order.pop_front();
        }
        None
    }

    /// Lets the oldest datagram go, where that is how it is configured.
    fn make_way(&mut self, given_up: &mut dyn FnMut(GivenUp)) -> Option<()> {
        if self.config.keeps_oldest {
            return None;
        }
        let slot = self.oldest()?;
        self.give_up(slot, DropReason::DefragMemory, given_up);
        Some(())
    }

    /// Makes room for so many bytes without touching the entry `but`.
    fn make_room(
        &mut self,
        bytes: usize,
        but: Option<u32>,
        given_up: &mut dyn FnMut(GivenUp),
    ) -> Option<()> {
        while self.memory_bytes() + bytes > self.config.memory_bytes {
            if let Some(pooled) = self.pool.pop() {
                self.buffer_bytes = self.buffer_bytes.saturating_sub(pooled.memory_bytes());
                continue;
            }
            if but.is_some() && self.oldest() == but {
                return None;
            }
            self.make_way(given_up)?;
        }
        Some(())
    }

    /// Drops tickets of those that left, before they are more than the others.
    fn tidy(&mut self) {
        if self.order.len() > 2 * self.index.len() + 64 {
            let slots = &self.slots;
            self.order.retain(|ticket| {
                slots
                    .get(ticket.slot as usize)
                    .is_some_and(|s| s.generation == ticket.generation && s.entry.is_some())
            });
        }
    }
}

/// Why a fragment is not kept.
enum Stop {
    /// It alone is dropped.
    Alone(DropReason),
    /// Its datagram was refused before.
    Again(DropReason),
    /// Its datagram is refused.
    Datagram(DropReason),
    NoRoom,
}
