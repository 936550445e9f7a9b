//! Heads: first lines, headers, trailers, and what follows from them.

use super::Event;
use super::framing::{Asked, Framing, Plan};
use super::headers::{FieldFault, copy_within, is_token};
use super::line::{self, Shape};
use super::parser::{Parser, Step, Upgrade, may_be_status_line};
use super::reader::{AsSent, Leftover, Line, State};
use super::side::Side;
use super::span::{Span, is_blank};
use super::transaction::{Transaction, progress};
use super::uri;
use crate::app_layer::Limits;
use crate::app_layer::content::{Codings, Decoder, Fault, codings};
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
                    self.end_foreign_line();
                }
                return Step::on(taken);
            }
            Direction::ToClient if known < 5 && !may_be_status_line(read) => {
                self.take_as_body(matches!(line, Line::Whole(_)), limits);
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
        side.is_odd |= side.is_odd_line(line);
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
        side.is_odd |= side.is_odd_line(line);
        reader.leftover.free();
        side.parse_status_line(line, &mut |e| raised.push(e));
        if !is_interim(side.status()) {
            side.advance(progress::LINE);
        }
        reader.expect_headers(side);
        raised.give(tx, direction);
    }

    /// Bytes where a response should be and that are none. In HTTP/0.9 that is the response;
    /// else it may be a body that should not be there, or lines that some clients pass over.
    fn take_as_body(&mut self, line_ended: bool, limits: &Limits) {
        let direction = Direction::ToClient;
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let read = std::mem::take(&mut tx.side_mut(direction).arena);
        let asked_without_protocol =
            tx.uri_raw().is_some() && tx.protocol(Direction::ToServer).is_none();
        if asked_without_protocol {
            reader.state = State::ToEof;
            return self.push_body(direction, &read, limits);
        }
        tx.raise(direction, Event::ResponseInvalidProtocol);
        if let Some(leftover) = reader.leftover.take() {
            tx.side_mut(direction).count_sent();
            reader.kept_as_sent = AsSent::Everything;
            reader.decoder = leftover.decoder;
            reader.state = leftover.framing.into();
            return self.read_all(direction, &read, limits);
        }
        self.push_body(direction, &read, limits);
        self.count_stray(read.len(), line_ended);
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
        // What may be the body is not read further than needed to tell.
        let in_doubt = reader.perhaps_over.is_some();
        let bytes = bytes.get(..1).filter(|_| in_doubt).unwrap_or(bytes);
        let (taken, line) = reader.read_line(side, bytes, limits);
        if let Some(at) = reader.perhaps_over {
            match goes_on(side.arena.get(at..).unwrap_or_default()) {
                Some(true) => reader.perhaps_over = None,
                Some(false) => {
                    self.end_in_headers(direction, limits);
                    return Step::pause(taken);
                }
                None if matches!(line, Line::Open) => return Step::on(taken),
                None => {}
            }
        }
        match line {
            Line::Open => Step::on(taken),
            Line::TooLong => {
                self.end_in_headers(direction, limits);
                self.fail_too_long(direction);
                Step::pause(taken)
            }
            Line::Whole(line) => {
                let text = line::chomp(&side.arena, line);
                if matches!(line.of(&side.arena), b"\r\n" | b"\n") {
                    self.end_head(direction, limits);
                    return Step::pause(taken);
                }
                if text.trim(&side.arena, is_blank).is_empty() {
                    self.doubt_end(direction);
                    return Step::on(taken);
                }
                let next_request = reader.without_protocol
                    && side.fields.is_empty()
                    && line::is_request_line(text.of(&side.arena));
                if next_request {
                    self.begin_next_request(line, limits);
                    return Step::pause(taken);
                }
                push_field(tx, direction, text, limits);
                if tx.side(direction).fields.len() >= limits.header_lines {
                    self.end_in_headers(direction, limits);
                    self.fail(direction, Some(too_many_headers(direction)));
                    return Step::pause(taken);
                }
                Step::on(taken)
            }
        }
    }

    /// An empty line with more than a line end in it: some receivers see the end of the head
    /// there, some do not. What follows is looked at as it comes, until it tells which.
    fn doubt_end(&mut self, direction: Direction) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        side.is_odd = true;
        side.count_sent();
        reader.perhaps_over = Some(side.arena.len());
        reader.kept_as_sent = AsSent::Everything;
        reader.ambiguous |= direction == Direction::ToServer;
        tx.raise(direction, invalid_header(direction));
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
        let Some((tx, reader)) = self.parts(direction) else {
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
        let plan = side.request_framing(&mut |e| raised.push(e));
        // RFC 9112 section 11.2: two servers may see another request in what follows.
        reader.ambiguous |=
            side.is_framing_odd || raised.events.iter().flatten().any(is_about_framing);
        side.advance(progress::HEADERS);
        raised.give(tx, direction);
        self.begin_body(direction, plan, limits);
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
            upgrade: request.header_value(b"upgrade").is_some(),
        };
        let upgrade = match request.header_value(b"upgrade") {
            Some(header) if !asked.connect => Upgrade::of(header),
            _ => Upgrade::Tunnel,
        };
        let side = tx.side_mut(direction);
        let status = side.status();
        let plan = side.response_framing(asked, &mut |e| raised.push(e));
        reader.leftover.set(plan.leftover.map(|framing| {
            let decoder = Decoder::new(&side.codings(limits)).into();
            Leftover { framing, decoder }
        }));
        if is_interim(status) {
            // RFC 9110 section 15.2: the response proper is still to come.
            if status == 100 {
                let before = reader.continued.replace(reader.tx);
                raised.when(before == Some(reader.tx), Event::ContinueAlreadySeen);
            }
            side.restart();
            reader.state = State::Idle;
            reader.kept_as_sent = AsSent::Nothing;
            reader.interim = reader.interim.saturating_add(1);
            let endless = reader.interim > MAX_INTERIM;
            raised.give(tx, direction);
            if endless {
                self.fail(direction, Some(Event::ContinueAlreadySeen));
            }
            return;
        }
        reader.interim = 0;
        side.advance(progress::HEADERS);
        raised.give(tx, direction);
        self.begin_body(direction, plan, limits);
        if asked.is_answered_by_switch(status) {
            self.leave(upgrade);
        }
    }

    fn begin_body(&mut self, direction: Direction, plan: Plan, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        if plan.in_doubt {
            reader.kept_as_sent = AsSent::Everything;
            side.count_sent();
        }
        reader.state = match plan.framing {
            _ if plan.perhaps_chunked => State::Perhaps(plan.framing),
            Framing::None | Framing::Length(0) => return self.end_message(direction, limits),
            framing => framing.into(),
        };
        if direction == Direction::ToServer {
            side.expect_files();
        }
        let codings = side.codings(limits);
        reader.decoder.set(Decoder::new(&codings));
        if !reader.decoder.is_empty() && reader.kept_as_sent == AsSent::Nothing {
            reader.kept_as_sent = AsSent::Body;
        }
        let Some(fault) = codings.fault else {
            return;
        };
        side.count_sent();
        reader.ambiguous |= fault == Fault::TooMany;
        let event = match fault {
            Fault::Abnormal => Event::AbnormalCeHeader,
            Fault::TooMany => Event::TooManyEncodingLayers,
        };
        tx.raise(direction, event);
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
                if tx.side(direction).fields.len() >= limits.header_lines {
                    self.end_trailers(direction, limits);
                    self.fail(direction, Some(too_many_headers(direction)));
                    return Step::pause(taken);
                }
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

    /// Headers without their end are looked at as far as they came. Where they may have ended
    /// before, what came since is the body.
    pub(super) fn end_in_headers(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        if let Some(at) = reader.perhaps_over.take() {
            let body = side.arena.split_off(at.min(side.arena.len()));
            self.end_head(direction, limits);
            return self.feed(direction, &body, limits);
        }
        let rest = Span::new(reader.line_start, side.arena.len());
        let text = line::chomp(&side.arena, rest);
        if !text.is_empty() {
            push_field(tx, direction, text, limits);
        }
        self.end_head(direction, limits);
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

    /// The codings of the body: as Content-Encoding says, or in a head that is odd what may be one.
    pub(super) fn codings(&self, limits: &Limits) -> Codings {
        let most = limits.decompression_layers;
        let named = self.header_value(b"content-encoding");
        let named = named.map(|value| codings(value, most));
        let clear = match &named {
            Some(named) => named.fault.is_none() || !named.is_empty(),
            None => !self.is_odd,
        };
        if clear {
            return named.unwrap_or_default();
        }
        let signs = self.signs_of(b"content-encoding");
        if signs.is_empty() {
            return named.unwrap_or_default();
        }
        let mut found = codings(&signs, most);
        found.fault = found.fault.or(Some(Fault::Abnormal));
        found
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
    side.is_odd |= side.is_odd_line(text);
    let fault = side.push_field(text);
    side.is_odd |= fault.is_some();
    let fault = fault.map(|fault| match fault {
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

const fn invalid_header(direction: Direction) -> Event {
    match direction {
        Direction::ToServer => Event::RequestHeaderInvalid,
        Direction::ToClient => Event::ResponseHeaderInvalid,
    }
}

/// Two servers may disagree about where the request ends.
const fn is_about_framing(event: &Event) -> bool {
    matches!(
        event,
        Event::InvalidTransferEncodingValueInRequest
            | Event::InvalidContentLengthFieldInRequest
            | Event::DuplicateContentLengthFieldInRequest
    )
}

/// Whether what follows an empty line that is in doubt belongs to the head: a header, a line
/// that continues one, or a line that ends it. `None`: more bytes are needed.
fn goes_on(text: &[u8]) -> Option<bool> {
    match text.iter().position(|&b| !is_token(b)) {
        None => (text.len() > MAX_NAME).then_some(false),
        Some(0) => match text {
            [b'\n', ..] | [b'\r', b'\n', ..] => Some(true),
            [b'\r'] => None,
            [first, ..] => Some(is_blank(*first)),
            [] => None,
        },
        Some(at) => Some(text.get(at) == Some(&b':')),
    }
}

/// More interim responses than this are no answer that anybody waits for.
const MAX_INTERIM: u16 = 1000;

/// A longer word is no header's name.
const MAX_NAME: usize = 256;

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
