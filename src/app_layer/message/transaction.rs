//! One transaction: fields and numbers by the names rules use.

use std::cell::OnceCell;
use std::ops::Range;

use super::File;
use crate::app_layer::Event;
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::{List, Text, reused};

reused!(
    Transaction,
    Field,
    Growing,
    File,
    (Number, Direction, u64),
    (&'static str, Told),
    MadeField
);

/// How far a direction of a transaction has come.
pub mod progress {
    /// Nothing yet.
    pub const NONE: u8 = 0;
    /// All there will be.
    pub const COMPLETE: u8 = 4;
}

/// Fields and numbers that one transaction keeps; what comes beyond is not there for rules.
const MAX_FIELDS: usize = 4096;
/// What most messages need: room for that at once, not by and by.
const USUAL_BYTES: usize = 128;
const USUAL_FACTS: usize = 8;
/// Stands for a number that is not there; no field is as large.
const NO_NUMBER: u64 = u64::MAX;
/// Files of one transaction; what comes beyond is not there for rules.
const MAX_FILES: usize = 64;

/// A request with its response, or one message of a protocol that does not pair them.
#[derive(Debug)]
pub struct Transaction {
    id: u64,
    protocol: Protocol,
    progress: [u8; 2],
    /// A bit for each progress that a direction has come to.
    came_to: [u8; 2],
    revisions: [u32; 2],
    /// The bytes of all fields, one after the other.
    bytes: List<u8>,
    fields: List<Field>,
    made: List<MadeField>,
    /// Buffers that grow while the transaction goes on.
    growing: List<Growing>,
    files: List<File>,
    numbers: List<(Number, Direction, u64)>,
    facts: List<(&'static str, Told)>,
    little_endian: [bool; 2],
    events: List<Event>,
    full: bool,
    /// Bytes of the heap when last counted.
    counted_bytes: usize,
}

/// Something for the record of a match, under its name there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<'a> {
    Text(&'a [u8]),
    Number(u64),
    Flag(bool),
}

/// A field that is text made of bytes of the message, and the name that records show it under.
#[derive(Debug)]
pub struct Made {
    pub buffer: Buffer,
    pub path: &'static str,
    pub make: fn(&[u8]) -> Text,
}

#[derive(Clone, Debug)]
enum Told {
    Text(Range<u32>),
    /// The place in the list of fields that are made.
    Made(usize),
    Number(u64),
    Flag(bool),
}

#[derive(Debug)]
struct Field {
    buffer: Buffer,
    direction: Direction,
    place: Range<u32>,
}

#[derive(Debug)]
struct MadeField {
    of: &'static Made,
    direction: Direction,
    source: Range<u32>,
    text: OnceCell<Text>,
}

#[derive(Debug)]
struct Growing {
    buffer: Buffer,
    direction: Direction,
    bytes: List<u8>,
    complete: bool,
}

impl Transaction {
    pub fn new(id: u64, protocol: Protocol) -> Self {
        Self {
            id,
            protocol,
            progress: [progress::NONE; 2],
            came_to: [0; 2],
            revisions: [0; 2],
            bytes: List::new(),
            fields: List::new(),
            made: List::new(),
            growing: List::new(),
            files: List::new(),
            numbers: List::new(),
            facts: List::new(),
            little_endian: [false; 2],
            events: List::new(),
            full: false,
            counted_bytes: 0,
        }
    }

    /// A new one in the room of one that has ended.
    pub(super) fn restart(&mut self, id: u64) {
        self.bytes.clear();
        self.fields.clear();
        self.made.clear();
        self.growing.clear();
        self.files.clear();
        self.numbers.clear();
        self.facts.clear();
        self.events.clear();
        *self = Self {
            bytes: std::mem::take(&mut self.bytes),
            fields: std::mem::take(&mut self.fields),
            growing: std::mem::take(&mut self.growing),
            files: std::mem::take(&mut self.files),
            numbers: std::mem::take(&mut self.numbers),
            facts: std::mem::take(&mut self.facts),
            events: std::mem::take(&mut self.events),
            made: std::mem::take(&mut self.made),
            ..Self::new(id, self.protocol)
        };
    }

    /// Increases within a flow.
    pub const fn id(&self) -> u64 {
        self.id
    }

    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How far a direction has come; it never goes back. Between [`progress::NONE`] and
    /// [`progress::COMPLETE`] the numbers are the protocol's own.
    pub const fn progress(&self, direction: Direction) -> u8 {
        self.progress[direction.index()]
    }

    /// Whether a direction has been at this progress, and not gone past it at once.
    pub const fn came_to(&self, direction: Direction, progress: u8) -> bool {
        match 1_u8.checked_shl(progress as u32) {
            Some(bit) => self.came_to[direction.index()] & bit != 0,
            None => false,
        }
    }

    /// Another number whenever a field or an event of this direction has come or grown.
    pub const fn revision(&self, direction: Direction) -> u32 {
        self.revisions[direction.index()]
    }

    pub const fn is_complete(&self, direction: Direction) -> bool {
        self.progress(direction) >= progress::COMPLETE
    }

    /// What was wrong with it, each once, in the order it was found.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds a field, or another instance of one that has several.
    pub fn put(&mut self, buffer: Buffer, direction: Direction, bytes: &[u8]) {
        if self.fields.len() >= MAX_FIELDS {
            self.full = true;
            return;
        }
        if let Some(place) = self.keep(bytes) {
            self.fields.push(Field {
                buffer,
                direction,
                place,
            });
            self.changed(direction);
        }
    }

    /// Adds fields that are made of `source` when a rule or a record first asks for them: most never
    /// are.
    pub fn put_made(&mut self, direction: Direction, source: &[u8], fields: &'static [Made]) {
        let most = self.made.len().max(self.facts.len());
        if most + fields.len() > MAX_FIELDS {
            self.full = true;
            return;
        }
        let Some(source) = self.keep(source) else {
            return;
        };
        for of in fields {
            self.facts.push((of.path, Told::Made(self.made.len())));
            self.made.push(MadeField {
                of,
                direction,
                source: source.clone(),
                text: OnceCell::new(),
            });
        }
        self.changed(direction);
    }

    /// Adds to a buffer that grows; the first call begins it.
    pub fn append(&mut self, buffer: Buffer, direction: Direction, bytes: &[u8]) {
        self.changed(direction);
        if let Some(known) = self.growing_mut(buffer, direction) {
            known.bytes.extend_from_slice(bytes);
            return;
        }
        self.growing.push(Growing {
            buffer,
            direction,
            bytes: List::from(bytes),
            complete: false,
        });
    }

    /// A buffer that grew will not grow any more.
    pub fn close(&mut self, buffer: Buffer, direction: Direction) {
        if let Some(known) = self.growing_mut(buffer, direction) {
            known.complete = true;
            self.changed(direction);
        }
    }

    /// Another file of this direction begins; one that is not closed ends.
    pub fn open_file(&mut self, direction: Direction, name: &[u8]) {
        self.close_file(direction);
        if self.files.len() >= MAX_FILES {
            self.full = true;
            return;
        }
        self.files.push(File::new(direction, name));
        self.changed(direction);
    }

    /// The open file of a direction goes on: at most `room` of the bytes are kept, the others
    /// counted. Gives how many were kept.
    pub fn add_to_file(&mut self, direction: Direction, bytes: &[u8], room: usize) -> usize {
        let Some(file) = self.open_file_mut(direction) else {
            return 0;
        };
        let kept = file.add(bytes, room);
        self.changed(direction);
        kept
    }

    /// So many bytes of the open file are missing.
    pub fn miss_in_file(&mut self, direction: Direction, length: u64) {
        if let Some(file) = self.open_file_mut(direction) {
            file.miss(length);
            self.changed(direction);
        }
    }

    /// The open file of a direction has ended.
    pub fn close_file(&mut self, direction: Direction) {
        if let Some(file) = self.open_file_mut(direction) {
            file.close();
            self.changed(direction);
        }
    }

    /// Files of a direction, in the order they began; only the last may grow.
    pub fn files(&self, direction: Direction) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(move |f| f.direction() == direction)
    }

    fn open_file_mut(&mut self, direction: Direction) -> Option<&mut File> {
        let newest = |f: &&mut File| f.direction() == direction;
        self.files
            .iter_mut()
            .rev()
            .find(newest)
            .filter(|f| !f.is_closed())
    }

    pub fn put_number(&mut self, number: Number, direction: Direction, value: u64) {
        if self.numbers.len() >= MAX_FIELDS {
            self.full = true;
            return;
        }
        self.numbers.push((number, direction, value));
        self.changed(direction);
    }

    /// One of several that have a number each has none.
    pub fn put_no_number(&mut self, number: Number, direction: Direction) {
        self.put_number(number, direction, NO_NUMBER);
    }

    pub fn raise(&mut self, direction: Direction, event: Event) {
        if !self.events.contains(&event) {
            self.events.push(event);
            self.changed(direction);
        }
    }

    /// The direction's integers have their lowest byte first.
    pub fn set_little_endian(&mut self, direction: Direction) {
        self.little_endian[direction.index()] = true;
    }

    pub const fn is_little_endian(&self, direction: Direction) -> bool {
        self.little_endian[direction.index()]
    }

    /// The direction has come so far.
    pub fn advance(&mut self, direction: Direction, to: u8) {
        let known = &mut self.progress[direction.index()];
        if to > *known {
            *known = to;
            self.came_to[direction.index()] |= 1_u8.checked_shl(to.into()).unwrap_or(0);
            self.changed(direction);
        }
    }

    /// Tells something that only records show, under a path such as `connect.client_id`. A part
    /// that ends in `[]` adds an element to an array, one that ends in `[-1]` goes to its last.
    pub fn tell(&mut self, path: &'static str, fact: Fact<'_>) {
        if self.facts.len() >= MAX_FIELDS {
            self.full = true;
            return;
        }
        let told = match fact {
            Fact::Text(bytes) => match self.keep(bytes) {
                Some(place) => Told::Text(place),
                None => return,
            },
            Fact::Number(number) => Told::Number(number),
            Fact::Flag(flag) => Told::Flag(flag),
        };
        if self.facts.is_empty() {
            self.facts.reserve(USUAL_FACTS);
        }
        self.facts.push((path, told));
    }

    /// What was told, in order.
    pub fn facts(&self) -> impl Iterator<Item = (&'static str, Fact<'_>)> {
        self.facts.iter().filter_map(|(path, told)| {
            let fact = match told {
                Told::Text(place) => Fact::Text(self.at(place)?),
                Told::Made(at) => Fact::Text(self.text_of(self.made.get(*at)?)),
                Told::Number(number) => Fact::Number(*number),
                Told::Flag(flag) => Fact::Flag(*flag),
            };
            Some((*path, fact))
        })
    }

    /// Nothing more will come from this direction.
    pub fn finish(&mut self, direction: Direction) {
        for growing in &mut self.growing {
            growing.complete |= growing.direction == direction;
        }
        self.close_file(direction);
        self.advance(direction, progress::COMPLETE);
    }

    /// The whole of a message that stands for itself.
    pub fn finish_both(&mut self) {
        for direction in Direction::BOTH {
            self.finish(direction);
        }
    }

    /// Something came that found no room; rules do not see it.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Instances of a field, in the order they came.
    pub fn fields(&self, buffer: Buffer, direction: Direction) -> impl Iterator<Item = &[u8]> {
        let made = self.made.iter();
        let made = made.filter(move |m| m.of.buffer == buffer && m.direction == direction);
        self.fields
            .iter()
            .filter(move |f| f.buffer == buffer && f.direction == direction)
            .filter_map(|f| self.at(&f.place))
            .chain(made.map(|m| self.text_of(m)))
    }

    /// How many [`Self::fields`] gives.
    pub fn instances(&self, buffer: Buffer, direction: Direction) -> usize {
        let put = self.fields.iter();
        let put = put.filter(|f| f.buffer == buffer && f.direction == direction);
        let made = self.made.iter();
        let made = made.filter(|m| m.of.buffer == buffer && m.direction == direction);
        put.count() + made.count()
    }

    /// One of the instances of a field.
    pub fn instance(&self, buffer: Buffer, direction: Direction, at: usize) -> Option<&[u8]> {
        if !self.made.is_empty() {
            return self.fields(buffer, direction).nth(at);
        }
        // Bytes of those before it are not looked up.
        let mut instances = self
            .fields
            .iter()
            .filter(|f| f.buffer == buffer && f.direction == direction);
        self.at(&instances.nth(at)?.place)
    }

    fn text_of<'a>(&'a self, field: &'a MadeField) -> &'a [u8] {
        let make = || (field.of.make)(self.at(&field.source).unwrap_or_default());
        field.text.get_or_init(make).as_bytes()
    }

    /// The first instance of a field, or a buffer that grows: its bytes, and whether that is all.
    pub fn field(&self, buffer: Buffer, direction: Direction) -> Option<(&[u8], bool)> {
        let growing = self
            .growing
            .iter()
            .find(|g| g.buffer == buffer && g.direction == direction);
        match growing {
            Some(growing) => Some((&growing.bytes, growing.complete)),
            None => self.fields(buffer, direction).next().map(|f| (f, true)),
        }
    }

    pub fn numbers(&self, number: Number, direction: Direction) -> impl Iterator<Item = u64> {
        self.numbers_in_place(number, direction).flatten()
    }

    /// As [`Self::numbers`]; `None` where one of several has none.
    pub fn numbers_in_place(
        &self,
        number: Number,
        direction: Direction,
    ) -> impl DoubleEndedIterator<Item = Option<u64>> {
        self.numbers
            .iter()
            .filter(move |(n, d, _)| *n == number && *d == direction)
            .map(|(_, _, value)| (*value != NO_NUMBER).then_some(*value))
    }

    /// Bytes that it takes, itself included.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.heap_bytes()
    }

    /// Counts anew what it holds; by how much that is more than before.
    pub(super) fn count_held(&mut self) -> usize {
        let grown = self.grown_since_count();
        self.counted_bytes += grown;
        grown
    }

    /// What it held when last counted, which does not count any more.
    pub(super) fn forget_count(&mut self) -> usize {
        std::mem::take(&mut self.counted_bytes)
    }

    /// By how much it holds more than when last counted. What it holds never becomes less.
    pub(super) fn grown_since_count(&self) -> usize {
        self.heap_bytes().saturating_sub(self.counted_bytes)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let grown: usize = self.growing.iter().map(|g| g.bytes.capacity()).sum();
        let files: usize = self.files.iter().map(File::held_bytes).sum();
        let made = self.made.iter().filter_map(|m| m.text.get());
        let made: usize = made.map(Text::capacity).sum();
        self.bytes.capacity()
            + self.fields.capacity() * size_of::<Field>()
            + self.made.capacity() * size_of::<MadeField>()
            + made
            + self.growing.capacity() * size_of::<Growing>()
            + grown
            + self.files.capacity() * size_of::<File>()
            + files
            + self.numbers.capacity() * size_of::<(Number, Direction, u64)>()
            + self.facts.capacity() * size_of::<(&str, Told)>()
            + self.events.capacity() * size_of::<Event>()
    }

    fn keep(&mut self, bytes: &[u8]) -> Option<Range<u32>> {
        let start = self.bytes.len();
        let places = (u32::try_from(start), u32::try_from(start + bytes.len()));
        let (Ok(start), Ok(end)) = places else {
            self.full = true;
            return None;
        };
        if self.bytes.is_empty() {
            self.bytes.reserve(bytes.len().max(USUAL_BYTES));
        }
        self.bytes.extend_from_slice(bytes);
        Some(start..end)
    }

    fn at(&self, place: &Range<u32>) -> Option<&[u8]> {
        self.bytes.get(place.start as usize..place.end as usize)
    }

    fn growing_mut(&mut self, buffer: Buffer, direction: Direction) -> Option<&mut Growing> {
        self.growing
            .iter_mut()
            .find(|g| g.buffer == buffer && g.direction == direction)
    }

    fn changed(&mut self, direction: Direction) {
        let revision = &mut self.revisions[direction.index()];
        *revision = revision.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    #[test]
    fn fields_are_found_by_name_direction_and_order() {
        let mut tx = Transaction::new(7, Protocol::Sip);
        let first = tx.revision(ToServer);
        tx.put(Buffer::SipVia, ToServer, b"a");
        tx.put(Buffer::SipVia, ToServer, b"bc");
        tx.put(Buffer::SipVia, ToClient, b"d");
        let via = |d| tx.fields(Buffer::SipVia, d).collect::<Vec<_>>();
        assert_eq!(via(ToServer), [&b"a"[..], b"bc"]);
        assert_eq!(via(ToClient), [b"d"]);
        assert_eq!(tx.instances(Buffer::SipVia, ToServer), 2);
        for at in 0..3 {
            let expected = via(ToServer).get(at).copied();
            assert_eq!(tx.instance(Buffer::SipVia, ToServer, at), expected);
        }
        assert_ne!(tx.revision(ToServer), first);
        assert_eq!(tx.field(Buffer::SipTo, ToServer), None);
        assert!(!tx.is_complete(ToServer));
        tx.finish(ToServer);
        assert!(tx.is_complete(ToServer) && !tx.is_complete(ToClient));
    }

    #[test]
    fn what_grows_is_one_buffer() {
        let mut tx = Transaction::new(1, Protocol::Sip);
        tx.append(Buffer::SipUri, ToServer, b"ab");
        tx.append(Buffer::SipUri, ToServer, b"c");
        assert_eq!(
            tx.field(Buffer::SipUri, ToServer),
            Some((&b"abc"[..], false))
        );
        tx.close(Buffer::SipUri, ToServer);
        assert_eq!(
            tx.field(Buffer::SipUri, ToServer),
            Some((&b"abc"[..], true))
        );
    }

    #[test]
    fn what_is_made_is_a_field_and_a_fact() {
        const MADE: &[Made] = &[Made {
            buffer: Buffer::SipUri,
            path: "uri",
            make: |source| Text::from(&*String::from_utf8_lossy(source).to_uppercase()),
        }];
        let mut tx = Transaction::new(1, Protocol::Sip);
        let before = tx.revision(ToServer);
        tx.tell("first", Fact::Flag(true));
        tx.put_made(ToServer, b"ab", MADE);
        tx.tell("last", Fact::Flag(true));
        assert_ne!(tx.revision(ToServer), before);
        assert_eq!(tx.field(Buffer::SipUri, ToServer), Some((&b"AB"[..], true)));
        assert_eq!(tx.field(Buffer::SipUri, ToClient), None);
        let facts: Vec<_> = tx.facts().collect();
        assert_eq!(facts[1], ("uri", Fact::Text(b"AB")));
        assert_eq!((facts[0].0, facts[2].0), ("first", "last"));
        tx.restart(2);
        assert!(tx.field(Buffer::SipUri, ToServer).is_none());
    }

    #[test]
    fn files_come_one_after_the_other() {
        let mut tx = Transaction::new(1, Protocol::Sip);
        assert_eq!(tx.add_to_file(ToServer, b"lost", 9), 0);
        tx.open_file(ToServer, b"a.txt");
        assert_eq!(tx.add_to_file(ToServer, b"abcd", 3), 3);
        tx.open_file(ToServer, b"b.txt");
        tx.add_to_file(ToServer, b"e", 9);
        tx.open_file(ToClient, b"c.txt");
        let files: Vec<_> = tx.files(ToServer).collect();
        assert_eq!(
            (files[0].name(), files[0].data()),
            (&b"a.txt"[..], &b"abc"[..])
        );
        assert!(files[0].is_closed() && files[0].size() == 4 && !files[0].is_whole());
        assert!(!files[1].is_closed());
        tx.finish(ToServer);
        assert!(
            tx.files(ToServer).all(File::is_closed) && !tx.files(ToClient).all(File::is_closed)
        );
        for _ in 0..MAX_FILES + 1 {
            tx.open_file(ToServer, b"x");
        }
        assert!(tx.is_full() && tx.files(ToServer).count() == MAX_FILES - 1);
    }

    #[test]
    fn a_transaction_does_not_grow_without_bound() {
        let mut tx = Transaction::new(1, Protocol::Sip);
        for _ in 0..MAX_FIELDS + 10 {
            tx.put(Buffer::SipVia, ToServer, b"x");
        }
        assert!(tx.is_full());
        assert_eq!(tx.fields(Buffer::SipVia, ToServer).count(), MAX_FIELDS);
    }
}
