//! One stream, or one frame of the connection itself.

use std::ops::Range;

use super::Event;
use crate::app_layer::http1::{self, BodyReader, FieldList};
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::number::Number;

/// Numbers that one transaction keeps; what comes beyond is an event (`too_many_frames`).
const MOST_NUMBERS: usize = 256;

/// DNS messages have a length of two bytes (RFC 1035 section 4.2.2).
const LONGEST_DNS: u64 = 65_535;

/// A request with its response, and what frames said beside them.
#[derive(Debug)]
pub struct Transaction {
    stream: u32,
    /// It tells of a frame, and is not the stream.
    single: bool,
    http: http1::Transaction,
    numbers: Vec<(Number, Direction, u64)>,
    bodies: [BodyReader; 2],
    escaped: [Escaped; 2],
}

/// Fields as `http2.header` shows them.
#[derive(Debug, Default)]
struct Escaped {
    text: Vec<u8>,
    fields: Vec<Range<u32>>,
}

impl Transaction {
    pub(super) fn new(id: u64, stream: u32) -> Self {
        Self {
            stream,
            single: false,
            http: http1::Transaction::numbered(id),
            numbers: Vec::new(),
            bodies: Default::default(),
            escaped: Default::default(),
        }
    }

    /// Increases within a flow.
    pub const fn id(&self) -> u64 {
        self.http.id()
    }

    /// Zero: the connection itself.
    pub const fn stream(&self) -> u32 {
        self.stream
    }

    /// It tells of a single frame, although a stream may have that number.
    pub const fn is_single(&self) -> bool {
        self.single
    }

    pub(super) const fn mark_single(&mut self) {
        self.single = true;
    }

    /// Request and response, in the buffers of HTTP/1.
    pub const fn http(&self) -> &http1::Transaction {
        &self.http
    }

    /// One of [`http1::progress`].
    pub fn progress(&self, direction: Direction) -> u8 {
        self.http.progress(direction)
    }

    pub fn revision(&self, direction: Direction) -> u32 {
        self.http.revision(direction)
    }

    pub fn is_complete(&self, direction: Direction) -> bool {
        self.http.is_complete(direction)
    }

    pub fn events(&self) -> &[app_layer::Event] {
        self.http.events()
    }

    pub fn numbers(&self, number: Number, direction: Direction) -> impl Iterator<Item = u64> {
        self.numbers
            .iter()
            .filter(move |(n, d, _)| *n == number && *d == direction)
            .map(|(_, _, value)| *value)
    }

    /// How many fields there are.
    pub fn field_count(&self, direction: Direction) -> usize {
        self.escaped[direction.index()].fields.len()
    }

    pub fn field_name(&self, direction: Direction, at: usize) -> Option<&[u8]> {
        self.http.fields(direction).nth(at).map(|(name, _)| name)
    }

    /// `name: value`, with the colons of both doubled, so that the one between them stands out.
    pub fn escaped_field(&self, direction: Direction, at: usize) -> Option<&[u8]> {
        let escaped = &self.escaped[direction.index()];
        let place = escaped.fields.get(at)?;
        escaped.text.get(place.start as usize..place.end as usize)
    }

    /// Bytes that it takes, itself included.
    pub(super) fn held_bytes(&self) -> usize {
        let bodies = self.bodies.iter().map(BodyReader::held_bytes);
        let escaped = self
            .escaped
            .iter()
            .map(|e| e.text.capacity() + e.fields.capacity() * size_of::<Range<u32>>());
        size_of::<Self>()
            + self.http.held_bytes()
            + self.numbers.capacity() * size_of::<(Number, Direction, u64)>()
            + bodies.sum::<usize>()
            + escaped.sum::<usize>()
    }

    pub(super) fn is_finished(&self) -> bool {
        Direction::BOTH.iter().all(|&d| self.is_complete(d))
    }

    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        self.http
            .raise_event(direction, app_layer::Event::Http2(event));
    }

    /// Keeps a number that was not there yet.
    pub(super) fn put_number(&mut self, number: Number, direction: Direction, value: u64) {
        let row = (number, direction, value);
        if self.numbers.contains(&row) {
            return;
        }
        if self.numbers.len() >= MOST_NUMBERS {
            return self.raise(direction, Event::TooManyFrames);
        }
        self.numbers.push(row);
        self.http.touch(direction);
    }

    /// All fields before the body, or behind it.
    pub(super) fn take_fields(&mut self, direction: Direction, list: &FieldList, limits: &Limits) {
        let is_head = self.progress(direction) < http1::progress::HEADERS;
        self.http.take_fields(direction, list, limits);
        let escaped = &mut self.escaped[direction.index()];
        for (name, value) in list.iter() {
            escaped.push(name, value);
        }
        if is_head {
            self.bodies[direction.index()] = self.http.begin_body(direction, limits);
        }
    }

    pub(super) fn take_body(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        limits: &Limits,
        beyond: &mut u64,
    ) {
        let body = &mut self.bodies[direction.index()];
        let undone = self.http.take_body(direction, bytes, body, limits, beyond);
        if !undone {
            self.raise(direction, Event::FailedDecompression);
        }
        if self.http.body_wire_bytes(direction) > LONGEST_DNS && self.carries_dns(direction) {
            self.raise(
                direction,
                match direction {
                    Direction::ToServer => Event::DnsRequestTooLong,
                    Direction::ToClient => Event::DnsResponseTooLong,
                },
            );
        }
    }

    /// RFC 8484 section 6.
    fn carries_dns(&self, direction: Direction) -> bool {
        let kind = self.http.header_value(direction, b"content-type");
        kind.is_some_and(|k| k.eq_ignore_ascii_case(b"application/dns-message"))
    }

    /// A compressed body cannot be decoded behind a hole.
    pub(super) fn skip_body(&mut self, direction: Direction) {
        self.bodies[direction.index()].skip();
    }

    /// Nothing more comes from this direction.
    pub(super) fn finish(&mut self, direction: Direction, limits: &Limits) {
        if self.is_complete(direction) {
            return;
        }
        let body = &mut self.bodies[direction.index()];
        if !self.http.end(direction, body, limits) {
            self.raise(direction, Event::FailedDecompression);
        }
    }
}

impl Escaped {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        let place = |text: &Vec<u8>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = place(&self.text);
        self.double_colons(name);
        self.text.extend_from_slice(b": ");
        self.double_colons(value);
        self.fields.push(start..place(&self.text));
    }

    fn double_colons(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&b| b == b':') {
            self.text.extend_from_slice(piece);
            if piece.ends_with(b":") {
                self.text.push(b':');
            }
        }
    }
}
