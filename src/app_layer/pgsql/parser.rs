//! Messages in any segmentation, and which of them belong together.

use std::cell::Cell;
use std::collections::VecDeque;

use super::Event;
use super::message::{CANCEL, GSS, MAJOR_VERSION, SSL, length, opening_length, text};
use crate::app_layer::message::{self, Bytes, Fact, Framed, Length, Messages, Piece, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::protocol::Protocol;

/// Bytes of a text that a record shows.
const LONGEST_TOLD: usize = 1024;
/// Messages of one answer that a record shows.
const MOST_TOLD: u8 = 16;

/// Kinds of authentication after which it is the server's turn still.
const AUTHENTICATED: u32 = 0;
const SASL_FINAL: u32 = 12;

/// PostgreSQL of one flow.
#[derive(Debug)]
pub struct Parser {
    framed: [Framed; 2],
    messages: Messages,
    /// The client has sent its startup: what follows has a type.
    started: bool,
    /// A request for encryption, which is answered by one byte.
    encryption: Option<u64>,
    /// Requests without their ReadyForQuery, the oldest first.
    waiting: VecDeque<Waiting>,
    /// SSLRequest was accepted.
    over: bool,
    /// Encryption by GSSAPI was accepted.
    sealed: bool,
    /// What came ends the connection at its receiver, by direction.
    disconnected: [bool; 2],
}

/// A request that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// `None`: it has nothing that rules ask for.
    transaction: Option<u64>,
    rows: u64,
    row_bytes: u64,
    told: u8,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            framed: Default::default(),
            messages: Messages::new(Protocol::Pgsql),
            started: false,
            encryption: None,
            waiting: VecDeque::new(),
            over: false,
            sealed: false,
            disconnected: [false; 2],
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to where a transaction has changed: rows of an answer change none.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let (more, changed) = self.step(direction, rest, limits);
            taken += more;
            if changed {
                break;
            }
        }
        taken
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

    /// Without its server nothing more is answered.
    fn eof(&mut self, direction: Direction, _: &Limits) {
        if direction == ToClient {
            self.finish_all();
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn encrypted(&self) -> bool {
        self.sealed
    }

    fn failed(&self, direction: Direction) -> bool {
        let at = direction.index();
        self.framed[at].failed() && !self.disconnected[at]
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.framed[direction.index()].beyond()
    }

    fn held_bytes(&self) -> usize {
        let framed = self.framed.iter().map(Framed::held_bytes);
        size_of::<Self>()
            + framed.sum::<usize>()
            + self.messages.held_bytes()
            + self.waiting.capacity() * size_of::<Waiting>()
    }
}

impl Parser {
    /// Reads the next message, if it is there; the bytes taken, and whether a transaction changed.
    fn step(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> (usize, bool) {
        if self.over || self.sealed {
            return (bytes.len(), false);
        }
        if direction == ToClient && self.is_about_encryption(bytes) {
            return (1, true);
        }
        let mut framed = std::mem::take(&mut self.framed[direction.index()]);
        let was_good = !framed.failed();
        let has_type = self.started || direction == ToClient;
        let wrong = Cell::new(None);
        let (taken, piece) = framed.feed(bytes, limits.message_bytes, |b| {
            let length = if has_type {
                length(direction, b)
            } else {
                opening_length(b)
            };
            length.unwrap_or_else(|event| {
                wrong.set(Some(event));
                Length::Bad
            })
        });
        let changed = match piece {
            Piece::Message { bytes, cut } => match direction {
                ToServer if has_type => self.request(bytes, cut, limits),
                ToServer => {
                    self.opening(bytes, cut, limits);
                    true
                }
                ToClient => self.answer(bytes, cut),
            },
            Piece::Bad if was_good => {
                let event = wrong.get().unwrap_or(Event::InvalidLength);
                self.disconnected[direction.index()] = ends_connection(event);
                let tx = self.messages.begin();
                raise(tx, direction, event);
                tx.finish_both();
                true
            }
            Piece::More | Piece::Bad => false,
        };
        self.framed[direction.index()] = framed;
        (taken, changed)
    }
}

/// A length that cannot be ends the connection at either end, a message of no known type at a server
/// (section 55.2 of PostgreSQL's manual: the two are out of step). A client reads on behind the latter.
fn ends_connection(event: Event) -> bool {
    matches!(event, Event::InvalidLength | Event::MalformedRequest)
}

fn raise(tx: &mut Transaction, direction: Direction, event: Event) {
    tx.raise(direction, app_layer::Event::Pgsql(event));
}

fn shown(text: &[u8]) -> Fact<'_> {
    Fact::Text(text.get(..LONGEST_TOLD).unwrap_or(text))
}

/// The client.
impl Parser {
    /// A message before the session.
    fn opening(&mut self, bytes: &[u8], cut: bool, limits: &Limits) {
        let mut left = Bytes(bytes);
        left.u32();
        let code = left.u32().unwrap_or_default();
        let tx = self.messages.begin();
        let id = tx.id();
        match code {
            SSL | GSS => {
                let name: &[u8] = if code == SSL {
                    b"SSL Request"
                } else {
                    b"GSSENC Request"
                };
                tx.tell("request.message", Fact::Text(name));
                tx.finish(ToServer);
                // Of two without an answer the server has taken the first.
                if let Some(before) = self.encryption.replace(id) {
                    self.finish(before);
                }
            }
            CANCEL => {
                tx.tell("request.message", Fact::Text(b"Cancel Request"));
                tx.finish_both();
            }
            _ if code >> 16 == MAJOR_VERSION => {
                if startup(tx, code, left, cut).is_none() {
                    raise(tx, ToServer, Event::MalformedRequest);
                }
                tx.finish(ToServer);
                self.started = true;
                self.wait(Some(id), limits);
            }
            _ => {
                raise(tx, ToServer, Event::MalformedRequest);
                tx.finish_both();
            }
        }
    }

    /// A message of the session; whether a transaction may have changed by it.
    fn request(&mut self, bytes: &[u8], cut: bool, limits: &Limits) -> bool {
        let Some((kind, body)) = parts(bytes) else {
            return false;
        };
        let mut left = Bytes(body);
        match kind {
            b'Q' => {
                let id = self.query("request.simple_query", text(&mut left, cut));
                self.wait(Some(id), limits);
            }
            // A statement to be prepared stands behind its name; Sync asks for the answer.
            b'P' => {
                let name = text(&mut left, cut);
                let statement = name.and_then(|_| text(&mut left, cut));
                let id = self.query("request.prepared_query", statement);
                self.finish(id);
            }
            b'p' => {
                let tx = self.messages.begin();
                tx.tell("request.password_redacted", Fact::Flag(true));
                tx.finish(ToServer);
                let id = tx.id();
                self.wait(Some(id), limits);
            }
            // Sync and a function's call.
            b'S' | b'F' => self.wait(None, limits),
            b'X' => {
                let tx = self.messages.begin();
                tx.tell("request.message", Fact::Text(b"terminate"));
                tx.finish_both();
            }
            _ => return false,
        }
        true
    }

    fn query(&mut self, path: &'static str, query: Option<&[u8]>) -> u64 {
        let tx = self.messages.begin();
        match query {
            Some(query) => {
                tx.put(Buffer::PgsqlQuery, ToServer, query);
                tx.tell(path, shown(query));
            }
            None => raise(tx, ToServer, Event::MalformedRequest),
        }
        tx.finish(ToServer);
        tx.id()
    }

    fn wait(&mut self, transaction: Option<u64>, limits: &Limits) {
        if self.waiting.len() >= limits.pgsql_requests
            && let Some(oldest) = self.waiting.pop_front()
        {
            if let Some(tx) = oldest.transaction.and_then(|id| self.messages.edit(id)) {
                raise(tx, ToServer, Event::TooManyTransactions);
            }
            self.finish_answered(oldest);
        }
        self.waiting.push_back(Waiting {
            transaction,
            rows: 0,
            row_bytes: 0,
            told: 0,
        });
    }
}

/// The server.
impl Parser {
    /// Whether a byte is the answer to a request for encryption, which has no type. A server that
    /// does not know of encryption answers by an error.
    fn is_about_encryption(&mut self, bytes: &[u8]) -> bool {
        let Some(id) = self.encryption.take() else {
            return false;
        };
        let accepted = match bytes.first() {
            Some(b'S' | b'G') => true,
            Some(b'N') => false,
            _ => {
                self.finish(id);
                return false;
            }
        };
        if let Some(tx) = self.messages.edit(id) {
            tx.tell("response.accepted", Fact::Flag(accepted));
        }
        self.finish(id);
        if accepted {
            self.over = bytes.first() == Some(&b'S');
            self.sealed = !self.over;
            self.finish_all();
        }
        true
    }

    /// Whether a transaction ends with it, or something is wrong.
    fn answer(&mut self, bytes: &[u8], cut: bool) -> bool {
        let (Some((kind, body)), Some(waiting)) = (parts(bytes), self.waiting.front_mut()) else {
            return false;
        };
        let transaction = waiting.transaction;
        let mut left = Bytes(body);
        match kind {
            b'Z' => {}
            b'D' => {
                waiting.rows += 1;
                waiting.row_bytes += body.len() as u64;
                return false;
            }
            b'R' => match left.u32() {
                Some(AUTHENTICATED | SASL_FINAL) => return false,
                Some(_) => {}
                None => return self.malformed(transaction),
            },
            b'C' | b'E' | b'T' if waiting.told < MOST_TOLD => {
                waiting.told += 1;
                let tx = transaction.and_then(|id| self.messages.edit(id));
                return match tx.map(|tx| tell(tx, kind, left, cut)) {
                    Some(None) => self.malformed(transaction),
                    Some(Some(())) | None => false,
                };
            }
            _ => return false,
        }
        if let Some(answered) = self.waiting.pop_front() {
            self.finish_answered(answered);
        }
        true
    }

    fn malformed(&mut self, transaction: Option<u64>) -> bool {
        let tx = transaction.and_then(|id| self.messages.edit(id));
        tx.map(|tx| raise(tx, ToClient, Event::MalformedResponse))
            .is_some()
    }

    fn finish_answered(&mut self, answered: Waiting) {
        let Some(id) = answered.transaction else {
            return;
        };
        if let Some(tx) = self.messages.edit(id)
            && answered.rows > 0
        {
            tx.tell("response.data_rows", Fact::Number(answered.rows));
            tx.tell("response.data_size", Fact::Number(answered.row_bytes));
        }
        self.finish(id);
    }

    fn finish(&mut self, id: u64) {
        if let Some(tx) = self.messages.edit(id) {
            tx.finish_both();
        }
    }

    fn finish_all(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            self.finish_answered(waiting);
        }
        if let Some(id) = self.encryption.take() {
            self.finish(id);
        }
    }
}

/// The type of a message and what stands behind its length.
fn parts(bytes: &[u8]) -> Option<(u8, &[u8])> {
    Some((*bytes.first()?, bytes.get(5..)?))
}

/// Names and values, up to an empty name.
fn startup(tx: &mut Transaction, code: u32, mut left: Bytes<'_>, cut: bool) -> Option<()> {
    let version = format!("{}.{}", code >> 16, code & 0xffff);
    tx.tell("request.protocol_version", Fact::Text(version.as_bytes()));
    loop {
        let name = text(&mut left, cut)?;
        if name.is_empty() {
            return Some(());
        }
        let value = text(&mut left, cut)?;
        let path = match name {
            b"user" => "request.startup_parameters.user",
            b"database" => "request.startup_parameters.optional_parameters[].database",
            b"replication" => "request.startup_parameters.optional_parameters[].replication",
            b"options" => "request.startup_parameters.optional_parameters[].options",
            b"application_name" => {
                "request.startup_parameters.optional_parameters[].application_name"
            }
            _ => continue,
        };
        tx.tell(path, shown(value));
    }
}

/// What a record shows of an answer.
fn tell(tx: &mut Transaction, kind: u8, mut left: Bytes<'_>, cut: bool) -> Option<()> {
    match kind {
        b'T' => {
            let count = left.u16()?;
            tx.tell("response.field_count", Fact::Number(count.into()));
        }
        b'C' => tx.tell("response.command_completed", shown(text(&mut left, cut)?)),
        // Fields of an error, each behind its type, up to a zero byte.
        _ => loop {
            let path = match left.u8()? {
                0 => break,
                b'V' => "response.severity_non_localizable",
                b'S' => "response.severity_localizable",
                b'C' => "response.code",
                b'M' => "response.message",
                _ => {
                    text(&mut left, cut)?;
                    continue;
                }
            };
            tx.tell(path, shown(text(&mut left, cut)?));
        },
    }
    Some(())
}
