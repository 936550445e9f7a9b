//! Lists whose room comes from what this thread has freed before, and goes back there.
//!
//! What a flow or a transaction keeps grows by later packets and goes with its owner. So that no
//! packet asks the allocator for it once there was as much traffic before, freed room is kept by its
//! size, a power of two, within a bound for each thread: a worker is one.

mod inflater;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::collections::vec_deque;
use std::ops::{Bound, Deref, DerefMut, RangeBounds};

pub use inflater::{Inflater, Step};

/// Bytes of freed room of each size that a thread keeps: not of all, lest little large room displace
/// much small one.
const MOST_KEPT: usize = 2 << 20;
/// Room is at least so many bytes.
const LEAST_BYTES: usize = 32;
/// Room of 2 to the power of this, and larger room, is not kept.
const CLASSES: usize = 21;

thread_local! {
    /// Of each size, by its logarithm.
    static KEPT: [Cell<usize>; CLASSES] = const { [const { Cell::new(0) }; CLASSES] };
}

/// What lists are made of whose room is used again; [`reused!`] makes it so.
pub trait Reused: Sized + 'static {
    /// `None`: the thread ends.
    fn with_store<R>(act: impl FnOnce(&mut Store<Self>) -> R) -> Option<R>;
}

/// Says of types that lists of them use room again.
macro_rules! reused {
    ($($item:ty),+ $(,)?) => { $(
        impl $crate::reuse::Reused for $item {
            fn with_store<R>(act: impl FnOnce(&mut $crate::reuse::Store<Self>) -> R) -> Option<R> {
                thread_local! {
                    static STORE: std::cell::RefCell<$crate::reuse::Store<$item>> =
                        const { std::cell::RefCell::new($crate::reuse::Store::new()) };
                }
                $crate::reuse::with_store(&STORE, act)
            }
        }
    )+ };
}
pub(crate) use reused;

reused!(
    u8,
    u16,
    u32,
    u64,
    usize,
    std::ops::Range<u64>,
    List<u8>,
    (u32, bool),
    (u32, List<u8>),
    (usize, usize),
    (List<u8>, List<u8>),
    ([u8; 16], List<u8>),
);

pub(crate) fn with_store<T, R>(
    store: &'static std::thread::LocalKey<RefCell<Store<T>>>,
    act: impl FnOnce(&mut Store<T>) -> R,
) -> Option<R> {
    store.try_with(|store| act(&mut store.borrow_mut())).ok()
}

/// Freed room of one thread, each with its class: the logarithm of its length.
#[derive(Debug)]
pub struct Store<T> {
    free: [Vec<Vec<T>>; CLASSES],
}

impl<T> Store<T> {
    pub(crate) const fn new() -> Self {
        Self {
            free: [const { Vec::new() }; CLASSES],
        }
    }
}

/// The length of room for so many.
fn room_for<T>(items: usize) -> Option<usize> {
    let least = (LEAST_BYTES / size_of::<T>().max(1)).max(1);
    items.max(least).checked_next_power_of_two()
}

fn take<T: Reused>(needed: usize) -> Vec<T> {
    let Some(length) = room_for::<T>(needed) else {
        return Vec::with_capacity(needed);
    };
    let class = length.trailing_zeros() as usize;
    let freed = T::with_store(|store| store.free.get_mut(class).and_then(Vec::pop)).flatten();
    let Some(room) = freed else {
        return Vec::with_capacity(length);
    };
    let bytes = length * size_of::<T>();
    book(bytes, |kept| Some(kept.saturating_sub(bytes)));
    room
}

fn give<T: Reused>(mut room: Vec<T>) {
    // First of all, and by itself: what falls may hold lists of the same kind.
    room.clear();
    let bytes = room.capacity() * size_of::<T>();
    let within = |kept: usize| Some(kept + bytes).filter(|kept| *kept <= MOST_KEPT);
    if bytes == 0 || !room.capacity().is_power_of_two() || !book(bytes, within) {
        return;
    }
    let class = room.capacity().trailing_zeros() as usize;
    T::with_store(|store| {
        if let Some(free) = store.free.get_mut(class) {
            free.push(room);
        }
    });
}

/// Changes what is kept of the size of `bytes`; whether it was changed.
fn book(bytes: usize, change: impl FnOnce(usize) -> Option<usize>) -> bool {
    let class = bytes.checked_ilog2().map_or(0, |class| class as usize);
    KEPT.try_with(|all| {
        let Some((kept, now)) = all.get(class).and_then(|k| Some((k, change(k.get())?))) else {
            return false;
        };
        kept.set(now);
        true
    })
    .unwrap_or(false)
}

/// A list as [`Vec`] is one.
pub struct List<T: Reused> {
    items: Vec<T>,
}

impl<T: Reused> List<T> {
    pub const fn new() -> Self {
        Self { items: Vec::new() }
    }

    pub fn with_room(length: usize) -> Self {
        let mut list = Self::new();
        list.reserve(length);
        list
    }

    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }

    pub fn reserve(&mut self, more: usize) {
        let needed = self.items.len().saturating_add(more);
        if needed > self.items.capacity() {
            self.grow(needed);
        }
    }

    /// Makes room in a list that never holds more than `most`: the last room is no larger.
    pub fn reserve_within(&mut self, more: usize, most: usize) {
        let needed = self.items.len().saturating_add(more);
        let exceeds = room_for::<T>(needed).is_none_or(|room| room > most);
        if needed > self.items.capacity() && needed <= most && exceeds {
            let mut last = Vec::with_capacity(most);
            last.append(&mut self.items);
            give(std::mem::replace(&mut self.items, last));
        }
    }

    #[cold]
    fn grow(&mut self, needed: usize) {
        let mut other = take(needed);
        other.append(&mut self.items);
        give(std::mem::replace(&mut self.items, other));
    }

    pub fn push(&mut self, item: T) {
        self.reserve(1);
        self.items.push(item);
    }

    pub fn pop(&mut self) -> Option<T> {
        self.items.pop()
    }

    pub fn insert(&mut self, at: usize, item: T) {
        self.reserve(1);
        self.items.insert(at, item);
    }

    pub fn remove(&mut self, at: usize) -> T {
        self.items.remove(at)
    }

    pub fn swap_remove(&mut self, at: usize) -> T {
        self.items.swap_remove(at)
    }

    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// Empties it and gives its room back.
    pub fn free(&mut self) {
        give(std::mem::take(&mut self.items));
    }

    /// Gives room back beyond what `length` items or those in it take.
    pub fn shrink_to(&mut self, length: usize) {
        let length = length.max(self.items.len());
        if length == 0 {
            self.free();
        } else if room_for::<T>(length).is_some_and(|room| room < self.items.capacity()) {
            self.grow(length);
        }
    }

    pub fn truncate(&mut self, length: usize) {
        self.items.truncate(length);
    }

    /// Takes all of another list.
    pub fn append(&mut self, other: &mut Self) {
        self.reserve(other.len());
        self.items.append(&mut other.items);
    }

    /// Takes out what stands at `at` and behind.
    pub fn split_off(&mut self, at: usize) -> Self {
        self.items.drain(at.min(self.items.len())..).collect()
    }

    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.items.retain(keep);
    }

    pub fn drain(&mut self, range: impl RangeBounds<usize>) -> std::vec::Drain<'_, T> {
        self.items.drain(range)
    }

    /// Takes those out of a range for which `which` holds.
    pub fn extract_if(
        &mut self,
        range: impl RangeBounds<usize>,
        which: impl FnMut(&mut T) -> bool,
    ) -> impl Iterator<Item = T> {
        self.items.extract_if(range, which)
    }

    pub fn extend_from_slice(&mut self, items: &[T])
    where
        T: Clone,
    {
        self.reserve(items.len());
        self.items.extend_from_slice(items);
    }

    /// As [`Vec::extend_from_within`], but what is not there is left out.
    pub fn extend_from_within(&mut self, range: impl RangeBounds<usize>)
    where
        T: Clone,
    {
        let length = self.items.len();
        let start = match range.start_bound() {
            Bound::Included(&at) => at,
            Bound::Excluded(&at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&at) => at.saturating_add(1),
            Bound::Excluded(&at) => at,
            Bound::Unbounded => length,
        };
        let end = end.min(length);
        let start = start.min(end);
        self.reserve(end - start);
        self.items.extend_from_within(start..end);
    }

    pub fn resize(&mut self, length: usize, with: T)
    where
        T: Clone,
    {
        self.reserve(length.saturating_sub(self.items.len()));
        self.items.resize(length, with);
    }
}

impl<T: Reused> Drop for List<T> {
    fn drop(&mut self) {
        self.free();
    }
}

impl<T: Reused> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Reused> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T: Reused> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<T: Reused> AsRef<[T]> for List<T> {
    fn as_ref(&self) -> &[T] {
        &self.items
    }
}

impl<T: Reused> Extend<T> for List<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        let items = items.into_iter();
        self.reserve(items.size_hint().0);
        for item in items {
            self.push(item);
        }
    }
}

impl<T: Reused> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::new();
        list.extend(items);
        list
    }
}

impl<T: Reused + Clone> From<&[T]> for List<T> {
    fn from(items: &[T]) -> Self {
        let mut list = Self::new();
        list.extend_from_slice(items);
        list
    }
}

impl<T: Reused + Clone> Clone for List<T> {
    fn clone(&self) -> Self {
        Self::from(&self[..])
    }
}

impl<'a, T: Reused> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<'a, T: Reused> IntoIterator for &'a mut List<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter_mut()
    }
}

impl<T: Reused + std::fmt::Debug> std::fmt::Debug for List<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.items.fmt(f)
    }
}

impl<T: Reused + PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl<T: Reused + Eq> Eq for List<T> {}

impl<T: Reused + PartialEq> PartialEq<[T]> for List<T> {
    fn eq(&self, other: &[T]) -> bool {
        self.items == *other
    }
}

impl<T: Reused + PartialEq> PartialEq<&[T]> for List<T> {
    fn eq(&self, other: &&[T]) -> bool {
        self.items == **other
    }
}

/// A text that is only added to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text(List<u8>);

impl Text {
    pub const fn new() -> Self {
        Self(List::new())
    }

    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, character: char) {
        let mut bytes = [0; 4];
        self.0
            .extend_from_slice(character.encode_utf8(&mut bytes).as_bytes());
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(List::from(text.as_bytes()))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other.as_bytes()
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn write_char(&mut self, character: char) -> std::fmt::Result {
        self.push(character);
        Ok(())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self)
    }
}

/// Room for one item outside of its owner, taken when there is one.
pub struct Place<T: Reused>(List<T>);

impl<T: Reused> Place<T> {
    pub const fn empty() -> Self {
        Self(List::new())
    }

    pub fn of(item: T) -> Self {
        let mut place = Self::empty();
        place.put(item);
        place
    }

    /// Puts an item in, in the place of the one before.
    pub fn put(&mut self, item: T) -> &mut T {
        self.0.clear();
        self.0.push(item);
        &mut self.0[0]
    }

    pub fn set(&mut self, item: Option<T>) {
        match item {
            Some(item) => {
                self.put(item);
            }
            None => self.free(),
        }
    }

    pub fn get(&self) -> Option<&T> {
        self.0.first()
    }

    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.0.first_mut()
    }

    pub fn get_or_put_with(&mut self, make: impl FnOnce() -> T) -> &mut T {
        if self.0.is_empty() {
            self.put(make());
        }
        &mut self.0[0]
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the item out, and gives its room back.
    pub fn take(&mut self) -> Option<T> {
        let item = self.0.pop();
        self.free();
        item
    }

    pub fn free(&mut self) {
        self.0.free();
    }
}

impl<T: Reused> From<Option<T>> for Place<T> {
    fn from(item: Option<T>) -> Self {
        item.map_or_else(Self::empty, Self::of)
    }
}

impl<T: Reused> Default for Place<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Reused + std::fmt::Debug> std::fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// A queue as [`VecDeque`] is one.
pub struct Queue<T: Reused> {
    items: VecDeque<T>,
}

impl<T: Reused> Queue<T> {
    pub const fn new() -> Self {
        Self {
            items: VecDeque::new(),
        }
    }

    pub fn capacity(&self) -> usize {
        self.items.capacity()
    }

    pub fn reserve(&mut self, more: usize) {
        let needed = self.items.len().saturating_add(more);
        if needed > self.items.capacity() {
            let mut larger = VecDeque::from(take(needed));
            larger.append(&mut self.items);
            give(Vec::from(std::mem::replace(&mut self.items, larger)));
        }
    }

    pub fn push_back(&mut self, item: T) {
        self.reserve(1);
        self.items.push_back(item);
    }

    pub fn push_front(&mut self, item: T) {
        self.reserve(1);
        self.items.push_front(item);
    }

    pub fn pop_front(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    pub fn pop_back(&mut self) -> Option<T> {
        self.items.pop_back()
    }

    pub fn resize_with(&mut self, length: usize, with: impl FnMut() -> T) {
        self.reserve(length.saturating_sub(self.items.len()));
        self.items.resize_with(length, with);
    }

    /// Takes all out.
    pub fn drain(&mut self) -> vec_deque::Drain<'_, T> {
        self.items.drain(..)
    }

    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// Empties it and gives its room back.
    pub fn free(&mut self) {
        // Emptied first, it becomes a list without a byte moved.
        self.items.clear();
        give(Vec::from(std::mem::take(&mut self.items)));
    }

    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.items.front_mut()
    }

    pub fn back_mut(&mut self) -> Option<&mut T> {
        self.items.back_mut()
    }

    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.items.get_mut(at)
    }

    pub fn iter_mut(&mut self) -> vec_deque::IterMut<'_, T> {
        self.items.iter_mut()
    }

    pub fn remove(&mut self, at: usize) -> Option<T> {
        self.items.remove(at)
    }
}

impl<T: Reused> Deref for Queue<T> {
    type Target = VecDeque<T>;

    fn deref(&self) -> &VecDeque<T> {
        &self.items
    }
}

impl<T: Reused> Drop for Queue<T> {
    fn drop(&mut self) {
        self.free();
    }
}

impl<T: Reused> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Reused + std::fmt::Debug> std::fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.items.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_room_is_taken_again() {
        let mut list = List::<u8>::new();
        list.extend_from_slice(&[1; 100]);
        let place = list.as_ptr();
        assert_eq!(list.capacity(), 128);
        drop(list);
        let mut again = List::<u8>::with_room(65);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        again.push(1);
        let mut grown = List::<u8>::with_room(1);
        grown.extend_from_slice(&[2; 200]);
        again.free();
        assert!(again.is_empty() && again.capacity() == 0);
        assert_eq!(grown[..], [2; 200]);
    }

    #[test]
    fn the_last_room_is_no_larger_than_what_a_list_may_hold() {
        let mut list = List::<u8>::new();
        for _ in 0..100 {
            list.reserve_within(1000, 100_000);
            list.extend_from_slice(&[3; 1000]);
        }
        assert_eq!((list.len(), list.capacity()), (100_000, 100_000));
        list.reserve_within(1, 100_000);
        assert_eq!(list.capacity(), 100_000);
    }

    #[test]
    fn a_thread_keeps_no_more_than_its_bound() {
        let kept = |class: usize| KEPT.with(|kept| kept[class].get());
        let lists = |length| (0..MOST_KEPT / 500).map(move |_| List::<u8>::with_room(length));
        drop(lists(1000).collect::<Vec<_>>());
        assert_eq!(kept(10), MOST_KEPT);
        // Another size has a bound of its own.
        drop(lists(100).collect::<Vec<_>>());
        assert!(kept(7) > 0 && kept(7) <= MOST_KEPT);
        drop(List::<u8>::with_room(1 << CLASSES));
    }

    #[test]
    fn a_list_of_lists_falls_whole() {
        let mut outer = List::<List<u8>>::new();
        for length in 1..50 {
            outer.push(List::from(&[7; 40][..length % 40]));
        }
        assert_eq!(outer[3].len(), 4);
        drop(outer);
        let again = List::<List<u8>>::with_room(60);
        assert!(again.is_empty());
    }

    #[test]
    fn a_queue_keeps_its_order_while_it_grows() {
        let mut queue = Queue::<u32>::new();
        let mut expected = 0;
        for n in 0..1000 {
            queue.push_back(n);
            if n % 3 == 0 {
                assert_eq!(queue.pop_front(), Some(expected));
                expected += 1;
            }
        }
        assert!(queue.iter().copied().eq(expected..1000));
    }

    #[test]
    fn within_itself_it_copies_what_is_there() {
        let mut list = List::from(&b"abc"[..]);
        list.extend_from_within(1..9);
        list.extend_from_within(7..9);
        assert_eq!(list[..], *b"abcbc");
    }
}
