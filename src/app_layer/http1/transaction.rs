//! One request and its response, as buffers.

use super::multipart::file_name;
use super::side::Side;
use super::{Event, Head};
use crate::app_layer;
use crate::direction::Direction;
use crate::reuse::{List, reused};

reused!(Transaction);

/// How far one direction of a transaction has come.
pub mod progress {
    /// Nothing yet.
    pub const NONE: u8 = 0;
    /// The first line is there.
    pub const LINE: u8 = 1;
    /// All headers are there. A request without protocol (HTTP/0.9) is here with its line.
    pub const HEADERS: u8 = 2;
    /// The body grows.
    pub const BODY: u8 = 3;
    /// Nothing more comes.
    pub const COMPLETE: u8 = 4;
}

/// A file within a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    pub name: &'a [u8],
    pub bytes: &'a [u8],
    /// No byte will be added.
    pub whole: bool,
}

/// One request and its response. `None` means: not there, or not yet.
///
/// Each direction keeps its bytes in one arena that is used again for later
/// transactions of the flow.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(super) id: u64,
    pub(super) sides: [Side; 2],
    pub(super) events: List<app_layer::Event>,
}

impl Transaction {
    /// Increases within a flow, from 0.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Bytes of its buffers.
    pub(in crate::app_layer) fn held_bytes(&self) -> usize {
        let events = self.events.capacity() * size_of::<app_layer::Event>();
        events + self.sides.iter().map(Side::held_bytes).sum::<usize>()
    }

    /// One of [`progress`]. Never goes back.
    pub fn progress(&self, direction: Direction) -> u8 {
        self.side(direction).progress
    }

    /// Another number whenever a buffer of this direction has changed.
    pub fn revision(&self, direction: Direction) -> u32 {
        self.side(direction).revision
    }

    pub fn is_complete(&self, direction: Direction) -> bool {
        self.progress(direction) == progress::COMPLETE
    }

    /// What was wrong with it, each once, in the order it was found.
    pub fn events(&self) -> &[app_layer::Event] {
        &self.events
    }

    pub fn method(&self) -> Option<&[u8]> {
        self.request().get(|head| head.method)
    }

    /// Percent-decoded once, path normalised; without scheme and authority.
    pub fn uri_normalized(&self) -> Option<&[u8]> {
        self.request().get(|head| head.uri)
    }

    /// The target as sent.
    pub fn uri_raw(&self) -> Option<&[u8]> {
        self.request().get(|head| head.uri_raw)
    }

    /// First line without its line end.
    pub fn request_line(&self) -> Option<&[u8]> {
        self.request().get(|head| head.line)
    }

    /// First line without its line end.
    pub fn response_line(&self) -> Option<&[u8]> {
        self.response().get(|head| head.line)
    }

    /// Such as `HTTP/1.1`.
    pub fn protocol(&self, direction: Direction) -> Option<&[u8]> {
        self.side(direction).get(|head| head.protocol)
    }

    pub fn status_code(&self) -> Option<&[u8]> {
        self.response().get(|head| head.status)
    }

    pub fn status_message(&self) -> Option<&[u8]> {
        self.response().get(|head| head.reason)
    }

    /// `Name: value` and CRLF each; folded lines and repeated names joined; without cookies.
    pub fn header_normalized(&self, direction: Direction) -> Option<&[u8]> {
        self.side(direction).get(|head| head.normalized)
    }

    /// As sent, up to and with the empty line; then trailers.
    pub fn header_raw(&self, direction: Direction) -> Option<&[u8]> {
        self.side(direction).get(|head| head.raw)
    }

    /// CRLF, then each name with CRLF, then CRLF.
    pub fn header_names(&self, direction: Direction) -> Option<&[u8]> {
        self.side(direction).get(|head| head.names)
    }

    /// First line and normalised headers with cookies, each with CRLF, then CRLF.
    pub fn start(&self, direction: Direction) -> Option<&[u8]> {
        self.side(direction).get(|head| head.start)
    }

    /// Value of Cookie (requests) or Set-Cookie (responses).
    pub fn cookie(&self, direction: Direction) -> Option<&[u8]> {
        self.header_value(direction, cookie_name(direction))
    }

    /// Lower case, without port; from an absolute target, else from Host.
    pub fn host(&self) -> Option<&[u8]> {
        self.request().get(|head| head.host)
    }

    /// As sent; from an absolute target, else from Host (then with its port).
    pub fn host_raw(&self) -> Option<&[u8]> {
        self.request().get(|head| head.host_raw)
    }

    /// Value of a header, whatever the case of its name. Repeated headers are joined by `, `.
    pub fn header_value(&self, direction: Direction, name: &[u8]) -> Option<&[u8]> {
        self.side(direction).header_value(name)
    }

    /// Names and values, repeated names joined, in the order they came.
    pub fn headers(&self, direction: Direction) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.side(direction).headers()
    }

    /// The inspected part of the body: chunking and compression undone. Grows.
    pub fn body(&self, direction: Direction) -> &[u8] {
        &self.side(direction).body
    }

    /// The body as sent, where receivers may take it as that: its framing or coding is in doubt. Grows.
    pub fn body_as_sent(&self, direction: Direction) -> Option<&[u8]> {
        let side = self.side(direction);
        (side.sent_counts && !side.sent.is_empty()).then_some(&*side.sent)
    }

    /// Nothing will be added to [`Self::body_as_sent`].
    pub fn body_as_sent_done(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        side.sent_full || side.progress == progress::COMPLETE
    }

    /// The files of a multipart body, with whether each is whole; `None` where it is no such body.
    pub fn files(&self, direction: Direction) -> Option<impl ExactSizeIterator<Item = File<'_>>> {
        let side = self.side(direction);
        let multipart = side.multipart.get()?;
        let complete = self.body_done(direction);
        Some(multipart.files.iter().map(move |file| File {
            name: file.name.of(&side.body),
            bytes: file.bytes(&side.body),
            whole: file.is_whole() || complete,
        }))
    }

    /// Receivers may split the multipart body elsewhere.
    pub fn files_in_doubt(&self, direction: Direction) -> bool {
        let multipart = &self.side(direction).multipart;
        multipart.get().is_some_and(|m| m.in_doubt)
    }

    /// Another number whenever headers or readings of a body have come to those that seemed to
    /// be all.
    pub fn amendable_bytes(&self, direction: Direction) -> usize {
        let head = self.header_raw(direction).map_or(0, <[u8]>::len);
        let as_sent = usize::from(self.body_as_sent(direction).is_some());
        head + as_sent + self.files(direction).map_or(0, |files| files.len())
    }

    /// The name of the body as a file: of Content-Disposition, else the target's path.
    pub fn file_name(&self, direction: Direction) -> Option<&[u8]> {
        let named = self.header_value(direction, b"content-disposition");
        if let Some(value) = named
            && let Some(name) = file_name(value)
        {
            return Some(name.of(value));
        }
        let uri = self.uri_normalized()?;
        let path = uri.split(|b| matches!(b, b'?' | b'#')).next()?;
        (!path.is_empty()).then_some(path)
    }

    /// `Name: value` of one header, in the order they came; repeated names joined.
    pub fn header_line(&self, direction: Direction, at: usize) -> Option<&[u8]> {
        let side = self.side(direction);
        Some(side.headers.get(at)?.line.of(&side.arena))
    }

    pub fn header_count(&self, direction: Direction) -> usize {
        self.side(direction).headers.len()
    }

    /// Nothing will be added to [`Self::body`]: the message has ended or the limit is reached.
    pub fn body_done(&self, direction: Direction) -> bool {
        let side = self.side(direction);
        side.body_full || side.progress == progress::COMPLETE
    }

    /// Body bytes on the wire so far, inspected or not.
    pub fn body_wire_bytes(&self, direction: Direction) -> u64 {
        self.side(direction).body_wire_bytes
    }

    pub(super) fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::ToServer => &self.sides[0],
            Direction::ToClient => &self.sides[1],
        }
    }

    pub(super) fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::ToServer => &mut self.sides[0],
            Direction::ToClient => &mut self.sides[1],
        }
    }

    fn request(&self) -> &Side {
        self.side(Direction::ToServer)
    }

    fn response(&self) -> &Side {
        self.side(Direction::ToClient)
    }

    /// Counts an event once. `direction` is where it was found.
    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        let event = app_layer::Event::Http1(event);
        if !self.events.contains(&event) {
            self.events.push(event);
            self.side_mut(direction).touch();
        }
    }

    pub(super) fn finish(&mut self, direction: Direction) {
        let side = self.side_mut(direction);
        if side.progress != progress::COMPLETE {
            side.progress = progress::COMPLETE;
            side.touch();
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        Direction::BOTH.iter().all(|&d| self.is_complete(d))
    }

    /// Empties it for the next transaction and keeps its memory.
    pub(super) fn clear(&mut self) {
        for side in &mut self.sides {
            side.clear();
        }
        self.events.clear();
    }
}

/// The header that holds cookies in this direction, in lower case.
pub(super) const fn cookie_name(direction: Direction) -> &'static [u8] {
    match direction {
        Direction::ToServer => b"cookie",
        Direction::ToClient => b"set-cookie",
    }
}

impl Side {
    fn get(&self, which: impl Fn(&Head) -> Option<super::span::Span>) -> Option<&[u8]> {
        which(&self.head).map(|span| span.of(&self.arena))
    }
}
