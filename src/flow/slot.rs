//! The places of flows: small ones in a row, and what stands in them in boxes that are used again.

use super::key::FlowKey;
use super::list::{Linked, Links, NONE};
use super::rest::{FlowRest, RestingFlow};
use super::table::Flow;
use crate::time::Timestamp;

/// So many slots are made at once.
const CHUNK: usize = 64;

/// Empty boxes kept for flows to come. The rest of them goes back to the allocator, so that idle
/// flows free what they do not need.
const SPARE_BOXES: usize = 1024;

#[derive(Debug)]
pub(super) struct Slot<S: FlowRest> {
    pub links: Links,
    pub generation: u32,
    pub hash: u32,
    /// The next slot of its chain in the index.
    pub chained: u32,
    /// The list that it is in.
    pub list: u8,
    /// When it became the newest of its list.
    pub placed: Timestamp,
    pub place: Place<S>,
}

/// Boxes are never empty while they stand here.
#[derive(Debug)]
pub(super) enum Place<S: FlowRest> {
    Free,
    Awake(Box<Option<Flow<S>>>),
    Resting(Box<Option<RestingFlow<S::Resting>>>),
}

impl<S: FlowRest> Slot<S> {
    pub fn free() -> Self {
        Self {
            links: Links::default(),
            generation: 0,
            hash: 0,
            chained: NONE,
            list: 0,
            placed: Timestamp::ZERO,
            place: Place::Free,
        }
    }

    pub fn awake(&self) -> Option<&Flow<S>> {
        match &self.place {
            Place::Awake(flow) => Option::as_ref(flow),
            Place::Free | Place::Resting(_) => None,
        }
    }

    pub fn awake_mut(&mut self) -> Option<&mut Flow<S>> {
        match &mut self.place {
            Place::Awake(flow) => Option::as_mut(flow),
            Place::Free | Place::Resting(_) => None,
        }
    }

    pub fn key(&self) -> Option<&FlowKey> {
        match &self.place {
            Place::Free => None,
            Place::Awake(flow) => Option::as_ref(flow).map(|flow| &flow.key),
            Place::Resting(flow) => Option::as_ref(flow).map(|flow| &flow.key),
        }
    }

    pub fn last_seen(&self) -> Option<Timestamp> {
        match &self.place {
            Place::Free => None,
            Place::Awake(flow) => Option::as_ref(flow).map(|flow| flow.last_seen),
            Place::Resting(flow) => Option::as_ref(flow).map(|flow| flow.last_seen),
        }
    }
}

/// Slots; a slot's number never changes.
#[derive(Debug)]
pub(super) struct Slab<S: FlowRest> {
    /// With room for all that there can be: growth never copies, and what is not used yet is no
    /// more than addresses.
    slots: Vec<Slot<S>>,
    awake: Boxes<Flow<S>>,
    resting: Boxes<RestingFlow<S::Resting>>,
}

impl<S: FlowRest> Slab<S> {
    /// Bytes of a full table without any flow at rest.
    pub fn bytes_for(flows: usize) -> usize {
        flows.next_multiple_of(CHUNK) * size_of::<Slot<S>>() + flows * size_of::<Option<Flow<S>>>()
    }

    pub fn for_flows(flows: usize) -> Self {
        Self {
            slots: Vec::with_capacity(flows.next_multiple_of(CHUNK)),
            awake: Boxes(Vec::new()),
            resting: Boxes(Vec::new()),
        }
    }

    pub fn get(&self, slot: u32) -> Option<&Slot<S>> {
        self.slots.get(slot as usize)
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Slot<S>> {
        self.slots.get_mut(slot as usize)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Further free slots; their numbers.
    pub fn grow(&mut self) -> std::ops::Range<u32> {
        let first = self.len();
        let further = std::iter::repeat_with(Slot::free).take(CHUNK);
        self.slots.extend(further);
        first as u32..(first + CHUNK) as u32
    }

    /// Puts a flow into a slot that is free.
    pub fn put(&mut self, slot: u32, flow: Flow<S>) {
        let boxed = self.awake.fill(flow);
        if let Some(slot) = self.get_mut(slot) {
            slot.place = Place::Awake(boxed);
        }
    }

    /// Takes the flow out of its slot, whichever way it is kept.
    pub fn take(&mut self, slot: u32) -> Option<Flow<S>> {
        let slot = self.get_mut(slot)?;
        match std::mem::replace(&mut slot.place, Place::Free) {
            Place::Free => None,
            Place::Awake(boxed) => self.awake.empty(boxed),
            Place::Resting(boxed) => self.resting.empty(boxed).map(RestingFlow::get_up),
        }
    }

    /// Makes the flow small; one that cannot be stays as it is.
    pub fn lie_down(&mut self, slot: u32) {
        let resting = self
            .get_mut(slot)
            .and_then(Slot::awake_mut)
            .and_then(RestingFlow::of);
        let Some(resting) = resting else {
            return;
        };
        let boxed = self.resting.fill(resting);
        let Some(slot) = self.get_mut(slot) else {
            return;
        };
        if let Place::Awake(boxed) = std::mem::replace(&mut slot.place, Place::Resting(boxed)) {
            self.awake.empty(boxed);
        }
    }

    /// Makes the flow ready for a packet; whether it was at rest.
    pub fn get_up(&mut self, number: u32) -> bool {
        let resting = |slot: &&Slot<S>| matches!(slot.place, Place::Resting(_));
        if self.get(number).filter(resting).is_none() {
            return false;
        }
        if let Some(flow) = self.take(number) {
            self.put(number, flow);
        }
        true
    }

    /// Bytes of one flow at rest, and awake.
    #[cfg(test)]
    pub fn bytes_of_one() -> (usize, usize) {
        let slot = size_of::<Slot<S>>();
        (
            slot + size_of::<Option<RestingFlow<S::Resting>>>(),
            slot + size_of::<Option<Flow<S>>>(),
        )
    }

    #[cfg(test)]
    pub fn slots(&self) -> impl Iterator<Item = &Slot<S>> {
        self.slots.iter()
    }
}

impl<S: FlowRest> Linked for Slab<S> {
    fn links(&mut self, slot: u32) -> Option<&mut Links> {
        self.get_mut(slot).map(|s| &mut s.links)
    }
}

/// Empty boxes.
#[derive(Debug)]
struct Boxes<T>(Vec<Box<Option<T>>>);

impl<T> Boxes<T> {
    fn fill(&mut self, value: T) -> Box<Option<T>> {
        match self.0.pop() {
            Some(mut boxed) => {
                *boxed = Some(value);
                boxed
            }
            None => Box::new(Some(value)),
        }
    }

    fn empty(&mut self, mut boxed: Box<Option<T>>) -> Option<T> {
        let value = boxed.take();
        if self.0.len() < SPARE_BOXES {
            self.0.push(boxed);
        }
        value
    }
}
