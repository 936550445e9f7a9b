//! Heads that come as lists of fields (RFC 9113 section 8.3), in the same buffers.
//!
//! As in Suricata, fields are normalised one by one: repeated names are not
//! joined, and what begins with a colon is a header among the others.

use super::headers::copy_within;
use super::side::Side;
use super::span::{Span, is_blank};
use super::transaction::{Transaction, cookie_name, progress};
use super::uri::split_authority;
use crate::app_layer::content::Decoder;
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::reuse::{List, Place, reused};

reused!((Span, Span));

/// What these protocols say where HTTP/1 has a version.
const PROTOCOL: &[u8] = b"HTTP/2";

/// Fields in the order they came.
#[derive(Debug, Default)]
pub(in crate::app_layer) struct FieldList {
    /// `name: value` and CRLF each.
    text: List<u8>,
    /// Names and values in the text.
    fields: List<(Span, Span)>,
}

impl FieldList {
    pub(in crate::app_layer) fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.text.len();
        for part in [name, b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        let value_start = start + name.len() + 2;
        self.fields.push((
            Span::new(start, start + name.len()),
            Span::new(value_start, value_start + value.len()),
        ));
    }

    pub(in crate::app_layer) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = |&(name, value): &(Span, Span)| (name.of(&self.text), value.of(&self.text));
        self.fields.iter().map(of)
    }

    /// The first value of that name.
    pub(in crate::app_layer) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    pub(in crate::app_layer) fn held_bytes(&self) -> usize {
        self.text.capacity() + self.fields.capacity() * size_of::<(Span, Span)>()
    }
}

/// How the body of one direction is read.
#[derive(Debug, Default)]
pub(in crate::app_layer) struct BodyReader {
    decoder: Place<Decoder>,
    /// It may turn out not to be what its head says.
    keeps_as_sent: bool,
    has_odd_codings: bool,
}

impl BodyReader {
    pub(in crate::app_layer) fn held_bytes(&self) -> usize {
        self.decoder.get().map_or(0, |d| d.held_bytes())
    }

    /// A compressed body cannot be decoded behind a hole.
    pub(in crate::app_layer) fn skip(&mut self) {
        self.decoder.free();
    }
}

/// A message of a stream: its parts come in frames.
impl Transaction {
    pub(in crate::app_layer) fn numbered(id: u64) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }

    /// All fields before the body, or behind it.
    pub(in crate::app_layer) fn take_fields(
        &mut self,
        direction: Direction,
        list: &FieldList,
        limits: &Limits,
    ) {
        let side = self.side_mut(direction);
        let is_head = side.progress < progress::HEADERS;
        side.take_fields(direction, list, limits.headers);
        if is_head {
            match direction {
                Direction::ToServer => side.write_request(),
                Direction::ToClient => side.write_response(),
            }
            side.advance(progress::HEADERS);
        } else {
            side.touch();
        }
    }

    /// What reads the body that the head announces.
    pub(in crate::app_layer) fn begin_body(
        &mut self,
        direction: Direction,
        limits: &Limits,
    ) -> BodyReader {
        let side = self.side_mut(direction);
        if direction == Direction::ToServer {
            side.expect_files();
        }
        let codings = side.codings(limits);
        if codings.fault.is_some() {
            side.count_sent();
        }
        let decoder = Place::from(Decoder::new(&codings));
        BodyReader {
            keeps_as_sent: !decoder.is_empty(),
            has_odd_codings: codings.fault.is_some(),
            decoder,
        }
    }

    /// Takes body bytes; whether its codings are undone so far.
    pub(in crate::app_layer) fn take_body(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        reader: &mut BodyReader,
        limits: &Limits,
        beyond: &mut u64,
    ) -> bool {
        let side = self.side_mut(direction);
        if side.progress < progress::BODY {
            side.advance(progress::BODY);
        }
        if reader.keeps_as_sent {
            side.keep_sent(bytes, limits.body_bytes(direction));
        }
        let events = side.push_body(bytes, &mut reader.decoder, direction, limits, beyond);
        events == [None; 2] && !reader.has_odd_codings
    }

    /// Nothing more comes from this direction; whether the codings of its body were undone.
    pub(in crate::app_layer) fn end(
        &mut self,
        direction: Direction,
        reader: &mut BodyReader,
        limits: &Limits,
    ) -> bool {
        let side = self.side_mut(direction);
        let events = side.end_body(&mut reader.decoder, direction, limits);
        self.finish(direction);
        events == [None; 2]
    }

    /// Counts an event once. `direction` is where it was found.
    pub(in crate::app_layer) fn raise_event(
        &mut self,
        direction: Direction,
        event: app_layer::Event,
    ) {
        if !self.events.contains(&event) {
            self.events.push(event);
            self.side_mut(direction).touch();
        }
    }

    /// Something beside the buffers has come.
    pub(in crate::app_layer) fn touch(&mut self, direction: Direction) {
        self.side_mut(direction).touch();
    }

    /// `name: value` of one field, repeated names apart.
    pub fn field_line(&self, direction: Direction, at: usize) -> Option<&[u8]> {
        let side = self.side(direction);
        let field = side.fields.get(at)?;
        Some(Span::new(field.name.start(), field.value.end()).of(&side.arena))
    }

    /// Names and values as sent, repeated names apart.
    pub(in crate::app_layer) fn fields(
        &self,
        direction: Direction,
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        let side = self.side(direction);
        let of = |span: Span| span.of(&side.arena);
        side.fields.iter().map(move |f| (of(f.name), of(f.value)))
    }
}

impl Side {
    fn take_fields(&mut self, direction: Direction, list: &FieldList, limit: usize) {
        // The headers as sent stay one piece, with the trailers behind them.
        let start = self.arena.len();
        copy_within(&mut self.arena, self.head.raw.unwrap_or_default());
        let base = self.arena.len();
        self.arena.extend_from_slice(&list.text);
        self.head.raw = Some(Span::new(start, self.arena.len()));
        for &(name, value) in &list.fields {
            let [name, value] = [name, value].map(|s| Span::new(base + s.start(), base + s.end()));
            let value = value.trim(&self.arena, is_blank);
            self.add(name, value, false);
        }
        self.join(limit);
        self.write_fields(cookie_name(direction));
    }

    /// Headers one by one, without cookies, and the names of all.
    fn write_fields(&mut self, cookie: &[u8]) {
        let start = self.arena.len();
        for at in 0..self.fields.len() {
            let Some(field) = self.fields.get(at).copied() else {
                break;
            };
            if field.name.of(&self.arena) != cookie {
                copy_within(&mut self.arena, field.name);
                self.arena.extend_from_slice(b": ");
                copy_within(&mut self.arena, field.value);
                self.arena.extend_from_slice(b"\r\n");
            }
        }
        let end = self.arena.len();
        self.head.normalized = Some(Span::new(start, end));
        self.arena.extend_from_slice(b"\r\n");
        for at in 0..self.fields.len() {
            let Some(field) = self.fields.get(at).copied() else {
                break;
            };
            copy_within(&mut self.arena, field.name);
            self.arena.extend_from_slice(b"\r\n");
        }
        self.arena.extend_from_slice(b"\r\n");
        self.head.names = Some(Span::new(end, self.arena.len()));
    }

    fn write_request(&mut self) {
        self.head.method = self.field(b":method");
        let authority = self.field(b":authority").or_else(|| self.field(b"host"));
        let path = self.field(b":path");
        // RFC 9113 section 8.5: CONNECT has an authority and no path.
        let connects = path.is_none() && self.is_method(b"CONNECT");
        self.head.uri_raw = if connects { authority } else { path };
        self.normalize_uri(connects);
        if let Some(authority) = authority {
            self.head.host_raw = Some(authority);
            let (host, _) = split_authority(&self.arena, authority);
            let start = self.arena.len();
            copy_within(&mut self.arena, host);
            if let Some(copy) = self.arena.get_mut(start..) {
                copy.make_ascii_lowercase();
            }
            self.head.host = Some(Span::new(start, self.arena.len()));
        }
        let parts = [self.head.method, self.head.uri_raw];
        let start = self.arena.len();
        for part in parts {
            copy_within(&mut self.arena, part.unwrap_or_default());
            self.arena.push(b' ');
        }
        self.end_line(start);
    }

    fn write_response(&mut self) {
        self.head.status = self.field(b":status");
        let start = self.arena.len();
        self.arena.extend_from_slice(PROTOCOL);
        self.head.protocol = Some(Span::new(start, self.arena.len()));
        self.arena.push(b' ');
        copy_within(&mut self.arena, self.head.status.unwrap_or_default());
        self.head.line = Some(Span::new(start, self.arena.len()));
    }

    /// A first line as HTTP/1 would have it.
    fn end_line(&mut self, start: usize) {
        let protocol = self.arena.len();
        self.arena.extend_from_slice(PROTOCOL);
        let end = self.arena.len();
        self.head.protocol = Some(Span::new(protocol, end));
        self.head.line = Some(Span::new(start, end));
    }

    /// The first value of that name.
    fn field(&self, name: &[u8]) -> Option<Span> {
        let same = |f: &&super::headers::Field| f.name.of(&self.arena) == name;
        self.fields.iter().find(same).map(|f| f.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    fn list(fields: &[(&str, &str)]) -> FieldList {
        let mut list = FieldList::default();
        for (name, value) in fields {
            list.push(name.as_bytes(), value.as_bytes());
        }
        list
    }

    #[test]
    fn a_request_fills_the_buffers() {
        let mut tx = Transaction::numbered(3);
        let head = list(&[
            (":method", "GET"),
            (":path", "/a/../%65vil?x"),
            (":authority", "u@Ex.com:80"),
            ("cookie", "c=1"),
            ("a", " 1\t"),
            ("a", "2"),
        ]);
        tx.take_fields(ToServer, &head, &Limits::default());
        assert_eq!(tx.method(), Some(&b"GET"[..]));
        assert_eq!(tx.uri_raw(), Some(&b"/a/../%65vil?x"[..]));
        assert_eq!(tx.uri_normalized(), Some(&b"/evil?x"[..]));
        assert_eq!(tx.host(), Some(&b"ex.com"[..]));
        assert_eq!(tx.host_raw(), Some(&b"u@Ex.com:80"[..]));
        assert_eq!(tx.protocol(ToServer), Some(&b"HTTP/2"[..]));
        assert_eq!(tx.request_line(), Some(&b"GET /a/../%65vil?x HTTP/2"[..]));
        assert_eq!(tx.cookie(ToServer), Some(&b"c=1"[..]));
        assert_eq!(tx.header_value(ToServer, b"a"), Some(&b"1, 2"[..]));
        let normalized =
            &b":method: GET\r\n:path: /a/../%65vil?x\r\n:authority: u@Ex.com:80\r\na: 1\r\na: 2\r\n"[..];
        assert_eq!(tx.header_normalized(ToServer), Some(normalized));
        let names = &b"\r\n:method\r\n:path\r\n:authority\r\ncookie\r\na\r\na\r\n\r\n"[..];
        assert_eq!(tx.header_names(ToServer), Some(names));
        assert_eq!(tx.progress(ToServer), progress::HEADERS);
    }

    #[test]
    fn trailers_stand_behind_the_headers() {
        let mut tx = Transaction::numbered(0);
        tx.take_fields(
            ToClient,
            &list(&[(":status", "200"), ("a", "1")]),
            &Limits::default(),
        );
        tx.take_fields(ToClient, &list(&[("b", "2")]), &Limits::default());
        assert_eq!(tx.status_code(), Some(&b"200"[..]));
        assert_eq!(tx.response_line(), Some(&b"HTTP/2 200"[..]));
        let raw = &b":status: 200\r\na: 1\r\nb: 2\r\n"[..];
        assert_eq!(tx.header_raw(ToClient), Some(raw));
        assert_eq!(tx.header_normalized(ToClient), Some(raw));
        assert_eq!(tx.fields(ToClient).count(), 3);
    }

    #[test]
    fn connect_has_an_authority_for_its_target() {
        let mut tx = Transaction::numbered(0);
        let head = list(&[(":method", "CONNECT"), (":authority", "h:443")]);
        tx.take_fields(ToServer, &head, &Limits::default());
        assert_eq!(tx.uri_raw(), Some(&b"h:443"[..]));
        assert_eq!(tx.host(), Some(&b"h"[..]));
    }
}
