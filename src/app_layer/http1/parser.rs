//! The incremental parser: two directions, a queue of transactions.
//!
//! It never fails and holds no bytes back. What it cannot read becomes an
//! event; what it cannot frame any more is counted, and [`Parser::failed`] says
//! so. Responses belong to requests in their order (RFC 9112 section 9.3.2).

use super::Event;
use super::chunked::{Chunked, Piece};
use super::framing::Framing;
use super::reader::{AsSent, Reader, State};
use super::transaction::{Transaction, progress};
use crate::app_layer::Limits;
use crate::direction::Direction;
use crate::reuse::{List, Queue};

/// Emptied transactions kept for reuse.
const SPARE: usize = 4;

/// Bytes of lines before a response that are passed over; behind more of them none is looked for.
const MAX_STRAY: usize = 1024;

/// HTTP/1 of one TCP flow.
#[derive(Debug, Default)]
pub struct Parser {
    /// Oldest first; ids follow each other without a hole.
    pub(super) live: Queue<Transaction>,
    spare: List<Transaction>,
    next_id: u64,
    pub(super) readers: [Reader; 2],
    /// The transaction that the next response belongs to.
    next_response: u64,
    /// The transaction that holds bytes which are no request, while it may grow.
    foreign: Option<u64>,
    upgrade: Option<Upgrade>,
    /// First and last transaction that the last call changed.
    touched: Option<(u64, u64)>,
}

/// What another protocol that follows HTTP is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Anything: the way through to another server (CONNECT, RFC 9110 section 9.3.6).
    Tunnel,
    /// HTTP/2 (RFC 7540 section 3.2).
    H2c,
    /// RFC 6455.
    WebSocket,
    Other,
}

impl Upgrade {
    /// Reads the request's Upgrade header (RFC 9110 section 7.8).
    pub(super) fn of(header: &[u8]) -> Self {
        let names = |name: &[u8]| {
            let mut list = header.split(|&b| b == b',');
            list.any(|n| n.trim_ascii().eq_ignore_ascii_case(name))
        };
        if names(b"websocket") {
            Self::WebSocket
        } else if names(b"h2c") {
            Self::H2c
        } else {
            Self::Other
        }
    }
}

/// How far a step went.
pub(super) struct Step {
    taken: usize,
    /// A transaction has to be looked at before going on.
    pause: bool,
}

impl Step {
    pub(super) const fn on(taken: usize) -> Self {
        Self {
            taken,
            pause: false,
        }
    }

    pub(super) const fn pause(taken: usize) -> Self {
        Self { taken, pause: true }
    }
}

impl Parser {
    /// Live transactions, oldest first.
    pub fn transactions(&self) -> impl DoubleEndedIterator<Item = &Transaction> {
        self.live.iter()
    }

    /// Those that the last call of [`Self::data`], [`Self::gap`] or [`Self::eof`] changed.
    pub fn touched(&self) -> impl Iterator<Item = &Transaction> {
        let (first, last) = self.touched.unwrap_or((1, 0));
        let front = self.live.front().map_or(0, Transaction::id);
        let skip = usize::try_from(first.saturating_sub(front)).unwrap_or(usize::MAX);
        self.live
            .iter()
            .skip(skip)
            .take_while(move |tx| tx.id <= last)
    }

    /// Another protocol has taken over: `101` to a request for it, or CONNECT with `2xx`.
    pub const fn upgrade(&self) -> Option<Upgrade> {
        self.upgrade
    }

    /// Gives back what was kept for transactions to come.
    pub(in crate::app_layer) fn give_back(&mut self) {
        self.spare.free();
        if self.live.is_empty() {
            self.live.free();
        }
        self.touched = None;
        for reader in &mut self.readers {
            reader.give_back();
        }
    }

    /// Where it stands, if that is between two exchanges without anything to remember of them: the
    /// ids of the next transaction and of the one that the next response belongs to.
    pub(in crate::app_layer) fn between_exchanges(&self) -> Option<[u64; 2]> {
        let idle = self.live.is_empty()
            && self.foreign.is_none()
            && self.upgrade.is_none()
            && self.readers.iter().all(Reader::is_between_messages);
        idle.then_some([self.next_id, self.next_response])
    }

    /// A parser that stands between two exchanges.
    pub(in crate::app_layer) fn standing_between([next_id, next_response]: [u64; 2]) -> Self {
        Self {
            next_id,
            next_response,
            ..Self::default()
        }
    }

    /// The id of the first transaction, before there is one.
    pub(in crate::app_layer) fn start_at(&mut self, id: u64) {
        self.next_id = id;
    }

    /// The id that the next transaction would have.
    pub(in crate::app_layer) const fn next_id(&self) -> u64 {
        self.next_id
    }

    /// This direction cannot be read any more, or not as its receiver reads it; an event
    /// tells why.
    pub fn failed(&self, direction: Direction) -> bool {
        let reader = self.reader(direction);
        reader.state == State::Failed || reader.ambiguous
    }

    /// Bytes left of the unit of frames in hand: zero where the next byte begins one.
    pub fn unit_left(&self, direction: Direction) -> Option<u64> {
        match self.reader(direction).state {
            State::Idle => Some(0),
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Bytes so far that no buffer of a transaction holds.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        self.reader(direction).beyond
    }

    /// Bytes that the parser takes, itself included.
    pub fn held_bytes(&self) -> usize {
        let places = self.live.capacity() + self.spare.capacity();
        let transactions = self.live.iter().chain(&self.spare);
        let decoders = self.readers.iter().filter_map(|r| r.decoder.get());
        let leftovers = self.readers.iter().filter_map(|r| r.leftover.get());
        let leftovers = leftovers.filter_map(|l| l.decoder.get());
        let decoders = decoders.chain(leftovers);
        size_of::<Self>()
            + places * size_of::<Transaction>()
            + transactions.map(Transaction::held_bytes).sum::<usize>()
            + decoders.map(|d| d.held_bytes()).sum::<usize>()
    }

    /// Reads on, up to the end of a head or of a message; returns the bytes taken.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        self.touched = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            let began = self.reader(direction).state != State::Idle;
            let step = self.step(direction, rest, limits);
            rest = rest.get(step.taken..).unwrap_or_default();
            let ended = began && self.reader(direction).state == State::Idle;
            if (step.pause || ended) && rest.len() < bytes.len() {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// So many bytes are missing. Within a body that is survived.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        self.touched = None;
        let reader = self.reader_mut(direction);
        reader.beyond = reader.beyond.saturating_add(length);
        let survived = match &mut reader.state {
            State::Length(left) if *left >= length => {
                *left -= length;
                true
            }
            State::Chunked(Chunked::Data { left }) if *left >= length => {
                *left -= length;
                true
            }
            State::ToEof | State::Stray | State::Closed | State::Failed => true,
            _ => false,
        };
        if survived {
            // A compressed body cannot be decoded behind a hole.
            reader.decoder.free();
        } else {
            self.fail(direction, None);
        }
    }

    /// Bytes before the first message that is read.
    pub(in crate::app_layer) fn pass_over(&mut self, direction: Direction, length: usize) {
        let reader = self.reader_mut(direction);
        reader.beyond = reader.beyond.saturating_add(length as u64);
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction, limits: &Limits) {
        self.touched = None;
        match self.reader(direction).state {
            State::Line => self.end_in_line(direction, limits),
            State::Headers => {
                self.end_in_headers(direction, limits);
                self.end_open_message(direction, limits);
            }
            State::Idle | State::Closed | State::Failed => {}
            State::Trailers => {
                self.end_trailers(direction, limits);
                self.end_message(direction, limits);
            }
            _ => self.end_open_message(direction, limits),
        }
        self.close_foreign(true);
        let reader = self.reader_mut(direction);
        if reader.state != State::Failed {
            reader.state = State::Closed;
        }
        if direction == Direction::ToClient {
            self.expect_no_responses();
        }
    }

    /// Ends what is being read, if anything is.
    fn end_open_message(&mut self, direction: Direction, limits: &Limits) {
        if let State::Perhaps(otherwise) = self.reader(direction).state {
            self.begin_known_body(direction, otherwise, limits);
        }
        let state = self.reader(direction).state;
        if !matches!(state, State::Idle | State::Closed | State::Failed) {
            self.end_message(direction, limits);
        }
    }

    /// Takes out transactions that are complete both ways; their memory is used again.
    pub fn take_finished(&mut self) {
        while self.live.front().is_some_and(Transaction::is_finished) {
            if let Some(tx) = self.live.pop_front() {
                self.recycle(tx);
            }
        }
        self.touched = None;
    }

    fn recycle(&mut self, mut tx: Transaction) {
        if self.spare.len() < SPARE {
            tx.clear();
            self.spare.push(tx);
        }
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Step {
        let reader = self.reader(direction);
        let as_sent = (reader.kept_as_sent == AsSent::Everything).then_some(reader.tx);
        let step = self.read_on(direction, bytes, limits);
        let idle = self.reader(direction).state == State::Idle;
        if let Some(tx) = as_sent.and_then(|id| self.find_mut(id))
            // Of an interim response nothing is left, its last bytes neither.
            && (!idle || tx.is_complete(direction))
        {
            let taken = bytes.get(..step.taken).unwrap_or_default();
            tx.side_mut(direction)
                .keep_sent(taken, limits.body_bytes(direction));
        }
        step
    }

    /// Reads bytes that were held until it was known what they are.
    pub(super) fn read_all(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = self.step(direction, rest, limits);
            rest = rest.get(step.taken..).unwrap_or_default();
        }
    }

    /// The same of bytes that were kept as sent when they came.
    pub(super) fn feed(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = self.read_on(direction, rest, limits);
            rest = rest.get(step.taken..).unwrap_or_default();
        }
    }

    fn read_on(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Step {
        match self.reader(direction).state {
            State::Idle => self.between_messages(direction, bytes, limits),
            State::Line => self.in_line(direction, bytes, limits),
            State::Headers => self.in_headers(direction, bytes, limits),
            State::Trailers => self.in_trailers(direction, bytes, limits),
            State::Foreign => self.in_foreign_line(bytes, limits),
            State::Stray => self.in_stray_line(bytes, limits),
            State::Perhaps(otherwise) => self.at_body(direction, otherwise, bytes, limits),
            State::Length(left) => {
                let taken = usize::try_from(left).map_or(bytes.len(), |n| n.min(bytes.len()));
                self.push_body(direction, bytes.get(..taken).unwrap_or_default(), limits);
                let left = left - taken as u64;
                self.reader_mut(direction).state = State::Length(left);
                if left == 0 {
                    self.end_message(direction, limits);
                    return Step::pause(taken);
                }
                Step::on(taken)
            }
            State::Chunked(state) => self.in_chunks(direction, state, bytes, limits),
            State::ToEof => {
                self.push_body(direction, bytes, limits);
                Step::on(bytes.len())
            }
            State::Closed | State::Failed => {
                self.reader_mut(direction).beyond += bytes.len() as u64;
                Step::on(bytes.len())
            }
        }
    }

    /// Skips empty lines (RFC 9112 section 2.2) and begins a message.
    fn between_messages(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Step {
        let reader = self.reader_mut(direction);
        let mut skipped = 0;
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' => reader.leading_blank = false,
                b' ' | b'\t' => reader.leading_blank = true,
                _ => {
                    self.begin_message(direction, limits);
                    break;
                }
            }
            skipped += 1;
        }
        Step::on(skipped)
    }

    pub(super) fn begin_message(&mut self, direction: Direction, limits: &Limits) {
        if self.live.len() >= limits.transactions && direction == Direction::ToServer {
            self.reader_mut(direction).tx = self.next_id.saturating_sub(1);
            return self.fail(direction, Some(Event::TooManyTransactions));
        }
        let id = match direction {
            Direction::ToServer => self.new_transaction(),
            Direction::ToClient => self.transaction_of_response(),
        };
        self.touch(id);
        let index = self.index(id);
        let [to_server, to_client] = &mut self.readers;
        if let Some(tx) = index.and_then(|i| self.live.get_mut(i)) {
            match direction {
                Direction::ToServer => to_server.begin(id, tx.side(direction)),
                Direction::ToClient => to_client.begin(id, tx.side(direction)),
            }
        }
    }

    fn new_transaction(&mut self) -> u64 {
        let mut tx = self.spare.pop().unwrap_or_default();
        tx.id = self.next_id;
        self.next_id += 1;
        let deaf = matches!(
            self.reader(Direction::ToClient).state,
            State::Failed | State::Closed
        );
        if deaf {
            tx.finish(Direction::ToClient);
        }
        let id = tx.id;
        self.live.push_back(tx);
        id
    }

    /// The oldest transaction without its response, or a new one without request.
    fn transaction_of_response(&mut self) -> u64 {
        let front = self.live.front().map_or(self.next_id, Transaction::id);
        self.next_response = self.next_response.max(front);
        while self
            .find(self.next_response)
            .is_some_and(|tx| tx.is_complete(Direction::ToClient))
        {
            self.next_response += 1;
        }
        if self.find(self.next_response).is_some() {
            return self.next_response;
        }
        let expected = matches!(
            self.reader(Direction::ToServer).state,
            State::Failed | State::Closed
        );
        let id = self.new_transaction();
        self.next_response = id;
        if let Some(tx) = self.find_mut(id) {
            tx.finish(Direction::ToServer);
            if !expected {
                tx.raise(Direction::ToClient, Event::UnableToMatchResponseToRequest);
            }
        }
        id
    }

    fn in_chunks(
        &mut self,
        direction: Direction,
        mut state: Chunked,
        bytes: &[u8],
        limits: &Limits,
    ) -> Step {
        let (taken, piece) = state.take(bytes);
        self.reader_mut(direction).state = State::Chunked(state);
        match piece {
            Piece::Framing => {}
            Piece::Extension => self.raise(
                direction,
                match direction {
                    Direction::ToServer => Event::RequestChunkExtension,
                    Direction::ToClient => Event::ResponseChunkExtension,
                },
            ),
            Piece::Odd => self.doubt_chunks(direction),
            Piece::Data => {
                self.push_body(direction, bytes.get(..taken).unwrap_or_default(), limits)
            }
            Piece::Last => self.begin_trailers(direction),
            Piece::Invalid => {
                self.doubt_chunks(direction);
                // The framing is lost: whatever follows is looked at as body.
                self.reader_mut(direction).state = State::ToEof;
            }
        }
        Step::on(taken)
    }

    /// Receivers take these chunks differently.
    fn doubt_chunks(&mut self, direction: Direction) {
        self.raise(
            direction,
            match direction {
                Direction::ToServer => Event::InvalidRequestChunkLen,
                Direction::ToClient => Event::InvalidResponseChunkLen,
            },
        );
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        reader.ambiguous |= direction == Direction::ToServer;
        reader.kept_as_sent = AsSent::Everything;
        tx.side_mut(direction).count_sent();
    }

    /// Waits for as much of a body as tells whether it is chunked.
    fn at_body(
        &mut self,
        direction: Direction,
        otherwise: Framing,
        bytes: &[u8],
        limits: &Limits,
    ) -> Step {
        let reader = self.reader_mut(direction);
        for (at, &byte) in bytes.iter().enumerate() {
            reader.start.push(byte);
            if let Some(chunked) = Chunked::looks_like_it(&reader.start) {
                let framing = if chunked { Framing::Chunked } else { otherwise };
                self.begin_known_body(direction, framing, limits);
                return Step::on(at + 1);
            }
        }
        Step::on(bytes.len())
    }

    fn begin_known_body(&mut self, direction: Direction, framing: Framing, limits: &Limits) {
        let reader = self.reader_mut(direction);
        let start = std::mem::take(&mut reader.start);
        reader.state = framing.into();
        if matches!(framing, Framing::None | Framing::Length(0)) {
            self.end_message(direction, limits);
        }
        self.feed(direction, &start, limits);
    }

    pub(super) fn push_body(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        if side.progress < progress::BODY {
            side.advance(progress::BODY);
        }
        if reader.kept_as_sent == AsSent::Body {
            side.keep_sent(bytes, limits.body_bytes(direction));
        }
        let events = side.push_body(
            bytes,
            &mut reader.decoder,
            direction,
            limits,
            &mut reader.beyond,
        );
        reader.ambiguous |= events.contains(&Some(Event::CompressionBomb));
        for event in events.into_iter().flatten() {
            tx.raise(direction, event);
        }
    }

    /// The message of this direction has ended.
    pub(super) fn end_message(&mut self, direction: Direction, limits: &Limits) {
        let Some((tx, reader)) = self.parts(direction) else {
            return;
        };
        let side = tx.side_mut(direction);
        let events = side.end_body(&mut reader.decoder, direction, limits);
        reader.kept_as_sent = AsSent::Nothing;
        reader.ambiguous |= events.contains(&Some(Event::CompressionBomb));
        reader.state = State::Idle;
        for event in events.into_iter().flatten() {
            tx.raise(direction, event);
        }
        tx.finish(direction);
        if direction == Direction::ToServer {
            return;
        }
        let answered = reader.tx;
        self.next_response = answered + 1;
        let request = self.reader(Direction::ToServer);
        // What was answered without being framed has ended, too.
        if self.foreign == Some(answered) && request.state != State::Foreign {
            self.close_foreign(true);
        }
        let request = self.reader(Direction::ToServer);
        let open = request.tx == answered && request.state == State::Headers;
        if open && request.without_protocol {
            self.end_message(Direction::ToServer, limits);
        }
    }

    /// Gives a direction up.
    pub(super) fn fail(&mut self, direction: Direction, event: Option<Event>) {
        if let Some(event) = event {
            self.raise(direction, event);
        }
        let id = self.reader(direction).tx;
        let reader = self.reader_mut(direction);
        let reading = reader.state != State::Idle;
        reader.state = State::Failed;
        reader.decoder.free();
        if reading && let Some(tx) = self.find_mut(id) {
            tx.finish(direction);
        }
        if direction == Direction::ToClient {
            self.expect_no_responses();
        }
    }

    fn expect_no_responses(&mut self) {
        for tx in self.live.iter_mut() {
            tx.finish(Direction::ToClient);
        }
        self.touch_all();
    }

    /// Another protocol takes over behind a response.
    pub(super) fn leave(&mut self, upgrade: Upgrade) {
        self.upgrade = Some(upgrade);
        for reader in &mut self.readers {
            reader.state = State::Closed;
            reader.decoder.free();
        }
        for tx in self.live.iter_mut() {
            tx.finish(Direction::ToServer);
            tx.finish(Direction::ToClient);
        }
        self.touch_all();
    }

    /// In a line that is no response: it is looked at as body, and the next one may be a response.
    fn in_stray_line(&mut self, bytes: &[u8], limits: &Limits) -> Step {
        let direction = Direction::ToClient;
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.push_body(direction, bytes.get(..taken).unwrap_or_default(), limits);
        self.count_stray(taken, end.is_some());
        Step::on(taken)
    }

    pub(super) fn count_stray(&mut self, bytes: usize, line_ended: bool) {
        let Some((tx, reader)) = self.parts(Direction::ToClient) else {
            return;
        };
        reader.stray = reader.stray.saturating_add(bytes);
        match line_ended {
            _ if reader.stray > MAX_STRAY => reader.state = State::ToEof,
            true => reader.expect_line(tx.side(Direction::ToClient)),
            false => reader.state = State::Stray,
        }
    }

    fn in_foreign_line(&mut self, bytes: &[u8], limits: &Limits) -> Step {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        self.push_body(
            Direction::ToServer,
            bytes.get(..taken).unwrap_or_default(),
            limits,
        );
        if end.is_some() {
            self.end_foreign_line();
        }
        Step::on(taken)
    }

    /// Behind more of such lines than a body is kept of no server looks for a request.
    pub(super) fn end_foreign_line(&mut self) {
        if let Some((tx, reader)) = self.parts(Direction::ToServer) {
            reader.state = if tx.side(Direction::ToServer).body_full {
                State::ToEof
            } else {
                State::Idle
            };
        }
    }

    /// What was read of a line is no request: it becomes the body of its
    /// transaction, or of the one before if that holds such bytes already.
    pub(super) fn turn_foreign(&mut self, limits: &Limits) {
        let Some((tx, reader)) = self.parts(Direction::ToServer) else {
            return;
        };
        let id = reader.tx;
        reader.state = State::Foreign;
        let line = std::mem::take(&mut tx.side_mut(Direction::ToServer).arena);
        let before = self.foreign.filter(|&f| f + 1 == id);
        let unanswered = self.reader(Direction::ToClient).state == State::Idle;
        let last = self.live.back().is_some_and(|tx| tx.id == id);
        if let Some(before) = before.filter(|_| last && unanswered) {
            if let Some(tx) = self.live.pop_back() {
                self.recycle(tx);
            }
            self.next_id = id;
            self.reader_mut(Direction::ToServer).tx = before;
            self.touch(before);
        } else {
            self.close_foreign(false);
            self.foreign = Some(id);
        }
        self.push_body(Direction::ToServer, &line, limits);
        self.raise(Direction::ToServer, Event::RequestBodyUnexpected);
    }

    /// Bytes that were no request get no more of them. Unless they may still be
    /// answered, the next response belongs to what follows.
    pub(super) fn close_foreign(&mut self, may_be_answered: bool) {
        let Some(id) = self.foreign.take() else {
            return;
        };
        let response = self.reader(Direction::ToClient);
        let answering = response.tx == id && response.state != State::Idle;
        self.touch(id);
        if let Some(tx) = self.find_mut(id) {
            tx.finish(Direction::ToServer);
            if !answering && !may_be_answered {
                tx.finish(Direction::ToClient);
            }
        }
    }

    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        let id = self.reader(direction).tx;
        self.touch(id);
        if let Some(tx) = self.find_mut(id) {
            tx.raise(direction, event);
        }
    }

    pub(super) fn reader(&self, direction: Direction) -> &Reader {
        match direction {
            Direction::ToServer => &self.readers[0],
            Direction::ToClient => &self.readers[1],
        }
    }

    pub(super) fn reader_mut(&mut self, direction: Direction) -> &mut Reader {
        match direction {
            Direction::ToServer => &mut self.readers[0],
            Direction::ToClient => &mut self.readers[1],
        }
    }

    /// The transaction a direction is reading, and how far it is.
    pub(super) fn parts(
        &mut self,
        direction: Direction,
    ) -> Option<(&mut Transaction, &mut Reader)> {
        let id = self.reader(direction).tx;
        self.touch(id);
        let index = self.index(id)?;
        let reader = match direction {
            Direction::ToServer => &mut self.readers[0],
            Direction::ToClient => &mut self.readers[1],
        };
        Some((self.live.get_mut(index)?, reader))
    }

    pub(super) fn find(&self, id: u64) -> Option<&Transaction> {
        self.live.get(self.index(id)?)
    }

    fn find_mut(&mut self, id: u64) -> Option<&mut Transaction> {
        let index = self.index(id)?;
        self.live.get_mut(index)
    }

    fn index(&self, id: u64) -> Option<usize> {
        let front = self.live.front()?.id;
        usize::try_from(id.checked_sub(front)?).ok()
    }

    pub(super) fn touch(&mut self, id: u64) {
        let (first, last) = self.touched.unwrap_or((id, id));
        self.touched = Some((first.min(id), last.max(id)));
    }

    fn touch_all(&mut self) {
        if let (Some(first), Some(last)) = (self.live.front(), self.live.back()) {
            self.touched = Some((first.id, last.id));
        }
    }
}

/// Whether what was read of a response still looks like HTTP.
pub(super) fn may_be_status_line(read: &[u8]) -> bool {
    let length = read.len().min(5);
    read.get(..length).is_some_and(|r| {
        b"HTTP/"
            .get(..length)
            .is_some_and(|h| r.eq_ignore_ascii_case(h))
    })
}
