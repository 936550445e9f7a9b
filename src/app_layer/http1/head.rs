//! Heads: first lines, headers, trailers, and what follows from them.

use super::Event;
use super::body::Decoder;
use super::chunked::Chunked;
use super::framing::{Asked, Framing};
use super::headers::{FieldFault, copy_within};
use super::line::{self, Shape};
use super::parser::{Parser, Step, may_be_status_line};
use super::reader::{Line, State};
use super::side::Side;
use super::span::Span;
use super::transaction::{Transaction, progress};
use super::uri;
use crate::app_layer::Limits;
use crate::direction::Direction;

impl Parser {
    pub(super) fn in_line(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Step {
        let Some((tx, reader)) = self.parts(direction) else {
            return Step::on(bytes.len());
        };
        let start = reader.line_start;
        let side = tx.side_mut(direction);
        let known = side.arena.len() - start;
        let (taken, line) = reader.read_line(side, bytes, limits);
        let read = side.arena.get(start..).unwrap_or_default();
        match direction {
            // A longer word was judged before.
            Direction::ToServer if known <= 65 && line::shape(read) == Shape::Foreign => {
                self.turn_foreign(limits);
                if matches!(line, Line::Whole(_)) {
                    self.reader_mut(direction).state = State::Idle;
                }
                return Step::on(taken);
            }
            Direction::ToClient if known < 5 && !may_be_status_line(read) => {
                self.take_as_body(limits);
                return Step::on(taken);
            }
            _ => {}
        }
        match line {
            Line::Open => Step::on(taken),
            Line::TooLong => {
                self.first_line(direction, Span::new(start, start + known + taken), limits);
                self.fail_too_long(direction);
                Step::pause(taken)
            }
            Line::Whole(line) => {
                self.first_line(direction, line, limits);
                if self.reader(direction).without_protocol {
                    return Step::pause(taken);
                }
                Step::on(taken)
            }
        }
    }

    fn first_line(&mut self, direction: Direction, line: Span, limits: &Limits) {
        match direction {
            Direction::ToServer => self.request_line(line, limits),
            Direction::ToClient => self.status_line(line, limits),
        }
    }

    fn request_line(&mut self, line: Span, limits: &Limits) {
        let direction = Direction::ToServer;
        self.close_foreign(false);
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let mut raised = Raised::default();
        raised.when(reader.leading_blank, Event::RequestLineLeadingWhitespace);
        reader.leading_blank = false;
        let side = tx.side_mut(direction);
        let line = line::chomp(&side.arena, line);
        raised.when(
            line.end() - line.start() > limits.line_bytes,
            Event::RequestFieldTooLong,
        );
        side.parse_request_line(line, &mut |e| raised.push(e));
        let faults = side.normalize_uri(side.is_method(b"CONNECT"));
        raised.when(faults.double_encoded, Event::DoubleEncodedUri);
        raised.when(faults.host_invalid, Event::RequestUriHostInvalid);
        raised.when(faults.port_invalid, Event::InvalidAuthorityPort);
        side.advance(progress::LINE);
        if side.head.protocol.is_none() {
            // HTTP/0.9 has no headers, so the server may act on the line alone. Should
            // headers follow all the same, they are read, and the buffers change.
            reader.without_protocol = true;
            side.write_host();
            side.advance(progress::HEADERS);
        }
        reader.expect_headers(side);
        raised.give(tx, direction);
    }

    fn status_line(&mut self, line: Span, limits: &Limits) {
        let direction = Direction::ToClient;
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let mut raised = Raised::default();
        let side = tx.side_mut(direction);
        let line = line::chomp(&side.arena, line);
        raised.when(
            line.end() - line.start() > limits.line_bytes,
            Event::ResponseFieldTooLong,
        );
        side.parse_status_line(line, &mut |e| raised.push(e));
        if !is_interim(side.status()) {
            side.advance(progress::LINE);
        }
        reader.expect_headers(side);
        raised.give(tx, direction);
    }

    /// A response without head (HTTP/0.9): all of it is body.
    fn take_as_body(&mut self, limits: &Limits) {
        let Some((tx, reader)) = self.parts(Direction::ToClient) else {
            return;
        };
        let asked_without_protocol =
            tx.uri_raw().is_some() && tx.protocol(Direction::ToServer).is_none();
        if !asked_without_protocol {
            tx.raise(Direction::ToClient, Event::ResponseInvalidProtocol);
        }
        reader.state = State::ToEof;
        let read = std::mem::take(&mut tx.side_mut(Direction::ToClient).arena);
        self.push_body(Direction::ToClient, &read, limits);
    }

    pub(super) fn in_headers(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        limits: &Limits,
    ) -> Step {
        let Some((tx, reader)) = self.parts(direction) else {
            return Step::on(bytes.len());
        };
        let side = tx.side_mut(direction);
        let (taken, line) = reader.read_line(side, bytes, limits);
        match line {
            Line::Open => Step::on(taken),
            Line::TooLong => {
                self.end_in_headers(direction, limits);
                self.fail_too_long(direction);
                Step::pause(taken)
            }
            Line::Whole(line) => {
                let text = line::chomp(&side.arena, line);
                if text.is_empty() {
                    self.end_head(direction, limits);
                    return Step::pause(taken);
                }
                let next_request = reader.without_protocol
                    && side.fields.is_empty()
                    && line::is_request_line(text.of(&side.arena));
                if next_request {
                    self.begin_next_request(line, limits);
                    return Step::pause(taken);
                }
                push_field(tx, direction, text, limits);
                Step::on(taken)
            }
        }
    }

    /// The line behind a request without protocol is a request of its own.
    fn begin_next_request(&mut self, line: Span, limits: &Limits) {
        let direction = Direction::ToServer;
        let Some((tx, _)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        let moved = line.of(&side.arena).to_vec();
        side.arena.truncate(line.start());
        self.end_message(direction, limits);
        self.begin_message(direction, limits);
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        if reader.state == State::Line {
            let side = tx.side_mut(direction);
            let (_, line) = reader.read_line(side, &moved, limits);
            if let Line::Whole(line) = line {
                self.request_line(line, limits);
            }
        }
    }

    /// All headers are there.
    fn end_head(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        side.head.raw = Some(Span::new(reader.head_start, side.arena.len()));
        let too_many = side.build_headers(direction, limits.headers);
        let mut raised = Raised::default();
        raised.when(too_many, too_many_headers(direction));
        reader.without_protocol = false;
        match direction {
            Direction::ToServer => self.request_head(raised, limits),
            Direction::ToClient => self.response_head(raised, limits),
        }
    }

    fn request_head(&mut self, mut raised: Raised, limits: &Limits) {
        let direction = Direction::ToServer;
        let Some((tx, _)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        side.write_host();
        side.check_host(&mut raised);
        let scheme = side.header_value(b"authorization").map(first_word);
        let known = scheme.is_none_or(|s| {
            [&b"basic"[..], b"digest", b"bearer"]
                .iter()
                .any(|k| s.eq_ignore_ascii_case(k))
        });
        raised.when(!known, Event::RequestAuthUnrecognized);
        let framing = side.request_framing(&mut |e| raised.push(e));
        side.advance(progress::HEADERS);
        raised.give(tx, direction);
        self.begin_body(direction, framing, limits);
    }

    fn response_head(&mut self, mut raised: Raised, limits: &Limits) {
        let direction = Direction::ToClient;
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let request = tx.side(Direction::ToServer);
        let asked = Asked {
            head: request.is_method(b"HEAD"),
            connect: request.is_method(b"CONNECT"),
        };
        let side = tx.side_mut(direction);
        let status = side.status();
        if is_interim(status) {
            // RFC 9110 section 15.2: the response proper is still to come.
            if status == 100 {
                let before = reader.continued.replace(reader.tx);
                raised.when(before == Some(reader.tx), Event::ContinueAlreadySeen);
            }
            side.restart();
            reader.state = State::Idle;
            return raised.give(tx, direction);
        }
        let framing = side.response_framing(asked, &mut |e| raised.push(e));
        side.advance(progress::HEADERS);
        raised.give(tx, direction);
        self.begin_body(direction, framing, limits);
        let switched = status == 101 || (asked.connect && matches!(status, 200..=299));
        if switched {
            self.become_tunnel();
        }
    }

    fn begin_body(&mut self, direction: Direction, framing: Framing, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        reader.state = match framing {
            Framing::None | Framing::Length(0) => return self.end_message(direction, limits),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::START),
            Framing::ToEof => State::ToEof,
        };
        if let Some(encoding) = tx.header_value(direction, b"content-encoding") {
            let (decoder, event) = Decoder::new(encoding, limits);
            reader.decoder = decoder.map(Box::new);
            if let Some(event) = event {
                tx.raise(direction, event);
            }
        }
    }

    pub(super) fn begin_trailers(&mut self, direction: Direction) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        reader.expect_headers(side);
        reader.state = State::Trailers;
        // The headers as sent stay one piece, with the trailers behind them.
        copy_within(&mut side.arena, side.head.raw.unwrap_or_default());
        reader.line_start = side.arena.len();
    }

    pub(super) fn in_trailers(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        limits: &Limits,
    ) -> Step {
        let Some((tx, reader)) = self.parts(direction) else {
            return Step::on(bytes.len());
        };
        let first = reader.line_start;
        let side = tx.side_mut(direction);
        let (taken, line) = reader.read_line(side, bytes, limits);
        match line {
            Line::Open => Step::on(taken),
            Line::TooLong => {
                self.end_trailers(direction, limits);
                self.fail_too_long(direction);
                Step::pause(taken)
            }
            Line::Whole(line) => {
                let text = line::chomp(&side.arena, line);
                if text.is_empty() {
                    let any = side
                        .head
                        .raw
                        .is_some_and(|raw| first > reader.head_start + (raw.end() - raw.start()));
                    if any {
                        self.end_trailers(direction, limits);
                    }
                    self.end_message(direction, limits);
                    return Step::pause(taken);
                }
                push_field(tx, direction, text, limits);
                Step::on(taken)
            }
        }
    }

    /// Trailers are headers that come late.
    pub(super) fn end_trailers(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        side.head.raw = Some(Span::new(reader.head_start, side.arena.len()));
        let too_many = side.build_headers(direction, limits.headers);
        side.touch();
        if too_many {
            tx.raise(direction, too_many_headers(direction));
        }
    }

    pub(super) fn end_in_line(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let line = Span::new(reader.line_start, tx.side(direction).arena.len());
        self.first_line(direction, line, limits);
        if direction == Direction::ToServer {
            self.raise(direction, Event::RequestLineIncomplete);
        }
        self.end_message(direction, limits);
    }

    /// Headers without their end are looked at as far as they came.
    pub(super) fn end_in_headers(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let rest = Span::new(reader.line_start, tx.side(direction).arena.len());
        let text = line::chomp(&tx.side(direction).arena, rest);
        if !text.is_empty() {
            push_field(tx, direction, text, limits);
        }
        self.end_head(direction, limits);
        if !matches!(self.reader(direction).state, State::Idle | State::Closed) {
            self.end_message(direction, limits);
        }
    }

    fn fail_too_long(&mut self, direction: Direction) {
        self.fail(
            direction,
            Some(match direction {
                Direction::ToServer => Event::RequestFieldTooLong,
                Direction::ToClient => Event::ResponseFieldTooLong,
            }),
        );
    }
}

/// Events found while a transaction is borrowed: few at a time.
#[derive(Default)]
struct Raised {
    events: [Option<Event>; 12],
    count: usize,
}

impl Raised {
    fn push(&mut self, event: Event) {
        if let Some(slot) = self.events.get_mut(self.count) {
            *slot = Some(event);
            self.count += 1;
        }
    }

    fn when(&mut self, is_so: bool, event: Event) {
        if is_so {
            self.push(event);
        }
    }

    fn give(self, tx: &mut Transaction, direction: Direction) {
        for event in self.events.into_iter().flatten() {
            tx.raise(direction, event);
        }
    }
}

impl Side {
    /// Forgets an interim response. Its revision goes on.
    fn restart(&mut self) {
        let revision = self.revision;
        self.clear();
        self.revision = revision;
        self.touch();
    }

    /// Finds the host: of an absolute target, else of Host (RFC 9112 section 3.2.2).
    fn write_host(&mut self) {
        let from_header = self
            .headers
            .iter()
            .find(|h| h.name.of(&self.arena).eq_ignore_ascii_case(b"host"))
            .map(|h| h.value);
        self.head.host_raw = self.head.uri_host.or(from_header);
        let Some(raw) = self.head.host_raw else {
            return;
        };
        let (host, port) = uri::split_authority(&self.arena, raw);
        let host = if uri::is_port(port.of(&self.arena)) {
            host
        } else {
            raw
        };
        let start = self.arena.len();
        copy_within(&mut self.arena, host);
        if let Some(written) = self.arena.get_mut(start..) {
            written.make_ascii_lowercase();
        }
        while self.arena.len() > start && self.arena.last() == Some(&b'.') {
            self.arena.pop();
        }
        self.head.host = Some(Span::new(start, self.arena.len()));
    }

    fn check_host(&self, raised: &mut Raised) {
        let Some(value) = self.header_value(b"host") else {
            raised.when(self.is_http_1_1(), Event::MissingHostHeader);
            return;
        };
        let whole = Span::new(0, value.len());
        let (host, port) = uri::split_authority(value, whole);
        // RFC 9112 section 3.2: an empty Host is allowed.
        raised.when(
            !value.is_empty() && !uri::is_host(host.of(value)),
            Event::RequestHeaderHostInvalid,
        );
        raised.when(!uri::is_port(port.of(value)), Event::InvalidAuthorityPort);
        let other = self
            .head
            .uri_host
            .is_some_and(|u| !u.of(&self.arena).eq_ignore_ascii_case(host.of(value)));
        raised.when(
            other || self.header_lines(b"host") > 1,
            Event::HostHeaderAmbiguous,
        );
    }
}

/// Takes a header line; whatever is wrong with it is an event.
fn push_field(tx: &mut Transaction, direction: Direction, text: Span, limits: &Limits) {
    let to_server = direction == Direction::ToServer;
    let side = tx.side_mut(direction);
    let fault = side.push_field(text).map(|fault| match fault {
        FieldFault::MissingColon if to_server => Event::RequestFieldMissingColon,
        FieldFault::MissingColon => Event::ResponseFieldMissingColon,
        FieldFault::InvalidName if to_server => Event::RequestHeaderInvalid,
        FieldFault::InvalidName => Event::ResponseHeaderInvalid,
        FieldFault::Folded if to_server => Event::InvalidRequestFieldFolding,
        FieldFault::Folded => Event::InvalidResponseFieldFolding,
    });
    if let Some(event) = fault {
        tx.raise(direction, event);
    }
    if text.end() - text.start() > limits.line_bytes {
        tx.raise(
            direction,
            if to_server {
                Event::RequestFieldTooLong
            } else {
                Event::ResponseFieldTooLong
            },
        );
    }
}

const fn too_many_headers(direction: Direction) -> Event {
    match direction {
        Direction::ToServer => Event::RequestTooManyHeaders,
        Direction::ToClient => Event::ResponseTooManyHeaders,
    }
}

/// A response that announces another one; `101` ends HTTP instead.
const fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

fn first_word(value: &[u8]) -> &[u8] {
    value.split(|&b| b == b' ').next().unwrap_or_default()
}
