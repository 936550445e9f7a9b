//! One message, as buffers.

use std::ops::Range;

use super::Event;
use super::message::{FirstLine, first_line, header, lines};
use crate::app_layer;
use crate::direction::Direction;

/// How far a message has come.
pub mod progress {
    /// Nothing yet.
    pub const NONE: u8 = 0;
    /// The head is read, and that is all that is.
    pub const COMPLETE: u8 = 4;
}

/// Headers of one message that are kept.
const MAX_HEADERS: usize = 64;

/// Headers that have a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    From,
    To,
    Via,
    UserAgent,
    ContentType,
    ContentLength,
}

impl Header {
    pub(super) const ALL: &'static [Self] = &[
        Self::From,
        Self::To,
        Self::Via,
        Self::UserAgent,
        Self::ContentType,
        Self::ContentLength,
    ];

    /// The name, and its compact form where it has one.
    pub(super) const fn names(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::From => (b"From", b"f"),
            Self::To => (b"To", b"t"),
            Self::Via => (b"Via", b"v"),
            Self::UserAgent => (b"User-Agent", b""),
            Self::ContentType => (b"Content-Type", b"c"),
            Self::ContentLength => (b"Content-Length", b"l"),
        }
    }
}

/// One request or response. `None` means: not there.
#[derive(Debug)]
pub struct Transaction {
    id: u64,
    direction: Direction,
    head: Vec<u8>,
    line: Range<usize>,
    first: Option<FirstLine>,
    headers: Vec<(Header, Range<usize>)>,
    events: Vec<app_layer::Event>,
}

impl Transaction {
    /// Bytes of its buffers.
    pub(super) fn held_bytes(&self) -> usize {
        self.head.capacity()
            + self.headers.capacity() * size_of::<(Header, Range<usize>)>()
            + self.events.capacity() * size_of::<app_layer::Event>()
    }

    /// Of a head, with or without its empty line.
    pub(super) fn read(id: u64, direction: Direction, head: Vec<u8>) -> Self {
        let mut lines = lines(&head);
        let line = lines.next().unwrap_or(0..0);
        let first = first_line(&head[line.clone()]);
        let headers = lines
            .filter_map(|line| header(&head, line))
            .take(MAX_HEADERS)
            .collect();
        let mut message = Self {
            id,
            direction,
            line,
            first,
            headers,
            events: Vec::new(),
            head,
        };
        if message.first.is_none() {
            message.raise(Event::InvalidData);
        }
        message
    }

    pub const fn id(&self) -> u64 {
        self.id
    }

    /// One of [`progress`]. The other direction has nothing to say.
    pub const fn progress(&self, _: Direction) -> u8 {
        progress::COMPLETE
    }

    /// A message is whole from the start.
    pub const fn revision(&self, _: Direction) -> u32 {
        1
    }

    pub const fn is_complete(&self, _: Direction) -> bool {
        true
    }

    /// What was wrong with it, each once, in the order it was found.
    pub fn events(&self) -> &[app_layer::Event] {
        &self.events
    }

    fn of(&self, direction: Direction, range: &Range<usize>) -> Option<&[u8]> {
        self.head
            .get(range.clone())
            .filter(|_| direction == self.direction)
    }

    pub fn method(&self, direction: Direction) -> Option<&[u8]> {
        match self.first.as_ref()? {
            FirstLine::Request { method, .. } => self.of(direction, method),
            FirstLine::Response { .. } => None,
        }
    }

    pub fn uri(&self, direction: Direction) -> Option<&[u8]> {
        match self.first.as_ref()? {
            FirstLine::Request { uri, .. } => self.of(direction, uri),
            FirstLine::Response { .. } => None,
        }
    }

    pub fn request_line(&self, direction: Direction) -> Option<&[u8]> {
        self.method(direction)
            .and_then(|_| self.of(direction, &self.line))
    }

    pub fn status_code(&self, direction: Direction) -> Option<&[u8]> {
        match self.first.as_ref()? {
            FirstLine::Request { .. } => None,
            FirstLine::Response { code, .. } => self.of(direction, code),
        }
    }

    pub fn status_message(&self, direction: Direction) -> Option<&[u8]> {
        match self.first.as_ref()? {
            FirstLine::Request { .. } => None,
            FirstLine::Response { reason, .. } => self.of(direction, reason),
        }
    }

    pub fn response_line(&self, direction: Direction) -> Option<&[u8]> {
        self.status_code(direction)
            .and_then(|_| self.of(direction, &self.line))
    }

    pub fn protocol(&self, direction: Direction) -> Option<&[u8]> {
        match self.first.as_ref()? {
            FirstLine::Request { protocol, .. } | FirstLine::Response { protocol, .. } => {
                self.of(direction, protocol)
            }
        }
    }

    /// Values of a header, in the order sent.
    pub fn values(&self, direction: Direction, header: Header) -> impl Iterator<Item = &[u8]> {
        self.headers
            .iter()
            .filter(move |(which, _)| *which == header)
            .filter_map(move |(_, range)| self.of(direction, range))
    }

    /// The direction it came from.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Bytes of body that follow (RFC 3261 section 20.14): none where the header is missing. `None`:
    /// the header says nothing that can be followed.
    pub(super) fn body_bytes(&self) -> Option<u64> {
        let Some(value) = self.values(self.direction, Header::ContentLength).next() else {
            return Some(0);
        };
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
        text.parse().ok()
    }

    pub(super) fn raise(&mut self, event: Event) {
        let event = app_layer::Event::Sip(event);
        if !self.events.contains(&event) {
            self.events.push(event);
        }
    }
}
