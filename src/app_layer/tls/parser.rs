//! The incremental parser: records in any segmentation, messages in any
//! number of records.

use super::Event;
use super::handshake::{CERTIFICATE, CLIENT_HELLO, SERVER_HELLO, is_message_type};
use super::heartbeat::{Heartbeats, Message};
use super::record::{ContentType, HEADER, MAX_RECORD};
use super::transaction::{HandshakeState, Transaction, Version, progress};
use crate::app_layer::Limits;
use crate::direction::Direction;
use crate::reuse::List;

/// Records that a handshake message may lie in before that is an event.
const MAX_MESSAGE_RECORDS: u32 = 30;

/// TLS of one TCP flow.
#[derive(Debug, Default)]
pub struct Parser {
    session: Transaction,
    readers: [Reader; 2],
    heartbeats: Heartbeats,
    touched: bool,
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Reader {
    state: State,
    handshake: Handshake,
    encrypted: bool,
    records: u64,
    beyond: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// In a record's header, of which so many bytes were read.
    Header {
        bytes: [u8; HEADER],
        read: usize,
    },
    /// In a record, of which so many bytes are left.
    Body {
        kind: Body,
        left: usize,
    },
    /// In an SSLv2 hello: so many bytes were read of so many.
    Ssl2 {
        length: usize,
        read: usize,
    },
    /// Nothing more can be read, and that is as it should be.
    Opaque,
    Failed,
}

impl Default for State {
    fn default() -> Self {
        Self::Header {
            bytes: [0; HEADER],
            read: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Handshake,
    Alert {
        level: Option<u8>,
    },
    Heartbeat(Message),
    /// Takes effect behind its one byte.
    ChangeCipherSpec,
    Skipped,
}

/// A handshake message on its way.
#[derive(Debug, Default)]
struct Handshake {
    header: [u8; 4],
    header_read: usize,
    left: usize,
    /// Records since its first byte.
    records: u32,
    /// The message so far, if it is one that is read.
    bytes: Option<List<u8>>,
}

impl Parser {
    /// The id of its transaction.
    pub(in crate::app_layer) fn start_at(&mut self, id: u64) {
        self.session.id = id;
    }

    /// The one transaction of the flow.
    pub const fn transaction(&self) -> &Transaction {
        &self.session
    }

    /// Bytes that the parser takes, itself included.
    pub fn held_bytes(&self) -> usize {
        let messages = self
            .readers
            .iter()
            .filter_map(|r| r.handshake.bytes.as_ref());
        size_of::<Self>() + self.session.held_bytes() + messages.map(List::capacity).sum::<usize>()
    }

    /// Whether the last call changed it.
    pub const fn touched(&self) -> bool {
        self.touched
    }

    /// Both directions are encrypted.
    pub fn encrypted(&self) -> bool {
        self.readers.iter().all(|r| r.encrypted)
    }

    /// This direction cannot be read any more; an event tells why.
    pub fn failed(&self, direction: Direction) -> bool {
        matches!(self.reader(direction).state, State::Failed)
    }

    /// Bytes left of the unit of frames in hand: zero where the next byte begins one.
    pub fn unit_left(&self, direction: Direction) -> Option<u64> {
        matches!(self.reader(direction).state, State::Header { read: 0, .. }).then_some(0)
    }

    /// Bytes so far that could not be looked at, encrypted ones left out.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        self.reader(direction).beyond
    }

    /// Reads all of it.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let before = self.revisions();
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.step(direction, rest, limits);
            rest = rest.get(taken..).unwrap_or_default();
        }
        self.touched = self.revisions() != before;
        bytes.len()
    }

    const fn revisions(&self) -> [u32; 2] {
        let session = &self.session;
        [
            session.revision(Direction::ToServer),
            session.revision(Direction::ToClient),
        ]
    }

    /// So many bytes are missing.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        let reader = self.reader_mut(direction);
        reader.beyond = reader.beyond.saturating_add(length);
        let skipped = usize::try_from(length).unwrap_or(usize::MAX);
        match &mut reader.state {
            State::Body {
                kind: Body::Skipped,
                left,
            } if *left > skipped => *left -= skipped,
            State::Opaque | State::Failed => {}
            _ => self.fail(direction, None),
        }
        self.touched = true;
    }

    /// Records begin anew behind bytes that nobody saw; what is encrypted stays so.
    pub(in crate::app_layer) fn resume(&mut self) {
        self.heartbeats = Heartbeats::default();
        for reader in &mut self.readers {
            reader.state = State::default();
            reader.handshake = Handshake::default();
        }
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction) {
        let reader = self.reader_mut(direction);
        if !matches!(reader.state, State::Failed) {
            reader.state = State::Opaque;
        }
        self.session.advance(direction, progress::COMPLETE);
        self.touched = true;
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        match self.reader(direction).state {
            State::Header { bytes: head, read } => self.in_header(direction, head, read, bytes),
            State::Body { kind, left } => {
                let taken = left.min(bytes.len());
                let part = bytes.get(..taken).unwrap_or_default();
                let kind = self.in_body(direction, kind, part, limits);
                // What it held may have ended the session.
                if let State::Body { .. } = self.reader(direction).state {
                    self.reader_mut(direction).state = match left - taken {
                        0 => State::default(),
                        left => State::Body { kind, left },
                    };
                    if left == taken && kind == Body::ChangeCipherSpec {
                        self.encrypt(direction);
                    }
                }
                taken
            }
            State::Ssl2 { length, read } => self.in_ssl2(direction, length, read, bytes, limits),
            State::Opaque => bytes.len(),
            State::Failed => {
                self.reader_mut(direction).beyond += bytes.len() as u64;
                bytes.len()
            }
        }
    }

    fn in_header(
        &mut self,
        direction: Direction,
        mut head: [u8; HEADER],
        read: usize,
        bytes: &[u8],
    ) -> usize {
        let Some(&byte) = bytes.first() else {
            return 0;
        };
        let first_record = self.reader(direction).records == 0;
        if read == 0 && first_record && direction == Direction::ToServer && byte & 0x80 != 0 {
            self.begin_ssl2(direction, byte);
            return 1;
        }
        if let Some(slot) = head.get_mut(read) {
            *slot = byte;
        }
        let fault = match (read, byte) {
            (0, kind) if ContentType::from_byte(kind).is_none() => Some(Event::InvalidRecordType),
            (1, major) if major != 3 => Some(Event::InvalidRecordVersion),
            _ => None,
        };
        if let Some(fault) = fault {
            if first_record && direction == Direction::ToClient {
                self.not_tls(fault);
            } else {
                self.fail(direction, Some(fault));
            }
            return 1;
        }
        if read + 1 < HEADER {
            self.reader_mut(direction).state = State::Header {
                bytes: head,
                read: read + 1,
            };
        } else {
            self.begin_record(direction, head);
        }
        1
    }

    fn begin_record(&mut self, direction: Direction, head: [u8; HEADER]) {
        let [kind, _, _, high, low] = head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(kind) = ContentType::from_byte(kind) else {
            return self.fail(direction, Some(Event::InvalidRecordType));
        };
        if length > MAX_RECORD {
            self.session.raise(direction, Event::InvalidRecordLength);
            return self.fail(direction, Some(Event::InvalidSslRecord));
        }
        let reader = self.reader_mut(direction);
        reader.records += 1;
        let encrypted = reader.encrypted;
        if !encrypted {
            self.judge_length(direction, kind, length);
        }
        let body = match kind {
            ContentType::Heartbeat if encrypted => {
                let session = &mut self.session;
                self.heartbeats
                    .encrypted(direction, length, &mut |e| session.raise(direction, e));
                Body::Skipped
            }
            _ if encrypted => Body::Skipped,
            ContentType::Heartbeat => Body::Heartbeat(Message::new(length)),
            ContentType::Handshake => Body::Handshake,
            ContentType::Alert => Body::Alert { level: None },
            // RFC 5246 section 7.1: one byte; servers close on anything else.
            ContentType::ChangeCipherSpec if length == 1 => Body::ChangeCipherSpec,
            ContentType::ChangeCipherSpec => Body::Skipped,
            ContentType::ApplicationData => {
                // TLS 1.3 needs no ChangeCipherSpec (RFC 8446 section 5). Elsewhere such a
                // record proves nothing, unless the flow is seen from its middle on.
                let first = self.reader(direction).records == 1;
                let chosen = self.session.version(Direction::ToClient);
                if first || chosen == Some(Version::TLS13) {
                    self.encrypt(direction);
                }
                Body::Skipped
            }
        };
        self.reader_mut(direction).state = match length {
            0 => State::default(),
            left => State::Body { kind: body, left },
        };
    }

    /// RFC 8446 section 5.1: a handshake message or an alert is never empty.
    fn judge_length(&mut self, direction: Direction, kind: ContentType, length: usize) {
        let event = match kind {
            ContentType::Handshake if length > 0 => {
                let reader = self.reader_mut(direction);
                reader.handshake.records += 1;
                if reader.handshake.records <= MAX_MESSAGE_RECORDS {
                    return;
                }
                Event::TooManyRecordsInPacket
            }
            ContentType::Alert if length < 2 => Event::InvalidAlertMessage,
            ContentType::Handshake | ContentType::ChangeCipherSpec if length == 0 => {
                Event::InvalidTlsHeader
            }
            _ => return,
        };
        self.session.raise(direction, event);
    }

    fn in_body(&mut self, direction: Direction, kind: Body, part: &[u8], limits: &Limits) -> Body {
        match kind {
            Body::Handshake => {
                self.in_handshake(direction, part, limits);
                kind
            }
            Body::Heartbeat(mut message) => {
                let session = &mut self.session;
                self.heartbeats
                    .in_the_clear(direction, &mut message, part, &mut |e| {
                        session.raise(direction, e);
                    });
                Body::Heartbeat(message)
            }
            Body::Alert { level: None } => {
                let level = part.first().copied();
                // RFC 5246 section 7.2: 2 is fatal.
                if level == Some(2) {
                    self.session
                        .raise(direction, Event::ErrorMessageEncountered);
                }
                Body::Alert { level }
            }
            other => other,
        }
    }

    fn in_handshake(&mut self, direction: Direction, part: &[u8], limits: &Limits) {
        let mut rest = part;
        while !rest.is_empty() {
            let Some(reader) = self.readers.get_mut(direction.index()) else {
                return;
            };
            let handshake = &mut reader.handshake;
            let taken = if handshake.header_read < handshake.header.len() {
                let wanted = handshake.header.len() - handshake.header_read;
                let taken = wanted.min(rest.len());
                for &byte in rest.iter().take(taken) {
                    if let Some(slot) = handshake.header.get_mut(handshake.header_read) {
                        *slot = byte;
                    }
                    handshake.header_read += 1;
                }
                if handshake.header_read == handshake.header.len()
                    && let Some(fault) = handshake.begin(limits)
                {
                    self.session.raise(direction, fault);
                }
                taken
            } else {
                let taken = handshake.left.min(rest.len());
                if let Some(bytes) = &mut handshake.bytes {
                    bytes.extend_from_slice(rest.get(..taken).unwrap_or_default());
                } else {
                    reader.beyond += taken as u64;
                }
                handshake.left -= taken;
                taken
            };
            rest = rest.get(taken..).unwrap_or_default();
            if handshake.header_read == handshake.header.len() && handshake.left == 0 {
                let [kind, ..] = handshake.header;
                let message = handshake.bytes.take();
                handshake.header_read = 0;
                handshake.records = 0;
                self.session.saw_message(direction, kind);
                if let Some(message) = message {
                    self.session.handshake(direction, kind, message, limits);
                }
            }
        }
    }

    fn begin_ssl2(&mut self, direction: Direction, high: u8) {
        let reader = self.reader_mut(direction);
        reader.records = 1;
        reader.handshake.bytes = Some(List::new());
        reader.state = State::Ssl2 {
            length: usize::from(high & 0x7f) << 8,
            read: 1,
        };
    }

    /// A hello in SSLv2's form (RFC 5246 appendix E.2).
    fn in_ssl2(
        &mut self,
        direction: Direction,
        length: usize,
        read: usize,
        bytes: &[u8],
        limits: &Limits,
    ) -> usize {
        if read == 1 {
            let low = bytes.first().copied().map_or(0, usize::from);
            let length = length | low;
            if length == 0 || length > limits.tls_handshake_bytes {
                self.fail(direction, Some(Event::InvalidSslv2Header));
            } else {
                self.reader_mut(direction).state = State::Ssl2 { length, read: 2 };
            }
            return 1;
        }
        let left = (length + 2).saturating_sub(read);
        let taken = left.min(bytes.len());
        let reader = self.reader_mut(direction);
        if let Some(hello) = &mut reader.handshake.bytes {
            hello.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        }
        if taken < left {
            reader.state = State::Ssl2 {
                length,
                read: read + taken,
            };
            return taken;
        }
        let hello = reader.handshake.bytes.take().unwrap_or_default();
        self.ssl2_hello(direction, &hello);
        taken
    }

    fn ssl2_hello(&mut self, direction: Direction, hello: &[u8]) {
        let &[1, major, minor, ..] = hello else {
            return self.fail(direction, Some(Event::InvalidSslv2Header));
        };
        let version = Version(u16::from_be_bytes([major, minor]));
        self.session.sides[direction.index()].version = Some(version);
        self.session.enter(direction, HandshakeState::ClientHello);
        self.session.advance(direction, progress::HELLO);
        if version == Version::SSL2 {
            // From here on the records have SSLv2's form, which is not read.
            for reader in &mut self.readers {
                reader.state = State::Opaque;
            }
        } else {
            self.reader_mut(direction).state = State::default();
        }
    }

    fn encrypt(&mut self, direction: Direction) {
        let reader = self.reader_mut(direction);
        if !reader.encrypted {
            reader.encrypted = true;
            reader.handshake = Handshake::default();
            self.session.advance(direction, progress::ENCRYPTED);
        }
    }

    fn fail(&mut self, direction: Direction, event: Option<Event>) {
        if let Some(event) = event {
            self.session.raise(direction, event);
        }
        let reader = self.reader_mut(direction);
        reader.state = State::Failed;
        reader.handshake = Handshake::default();
        self.session.advance(direction, progress::COMPLETE);
    }

    /// The server does not answer in TLS: what the client said was for no one to read as TLS,
    /// and there is no session that could not be followed.
    fn not_tls(&mut self, event: Event) {
        self.session.raise(Direction::ToClient, event);
        for direction in Direction::BOTH {
            let reader = self.reader_mut(direction);
            reader.state = State::Opaque;
            reader.handshake = Handshake::default();
            self.session.advance(direction, progress::COMPLETE);
        }
    }

    fn reader(&self, direction: Direction) -> &Reader {
        match direction {
            Direction::ToServer => &self.readers[0],
            Direction::ToClient => &self.readers[1],
        }
    }

    fn reader_mut(&mut self, direction: Direction) -> &mut Reader {
        match direction {
            Direction::ToServer => &mut self.readers[0],
            Direction::ToClient => &mut self.readers[1],
        }
    }
}

impl Handshake {
    /// Begins a message whose header is there; returns what is wrong with it.
    fn begin(&mut self, limits: &Limits) -> Option<Event> {
        let [kind, a, b, c] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.left = usize::try_from(length).unwrap_or(usize::MAX);
        let too_long = self.left > limits.tls_handshake_bytes;
        let wanted = matches!(kind, CLIENT_HELLO | SERVER_HELLO | CERTIFICATE) && !too_long;
        self.bytes = wanted.then(List::new);
        if !is_message_type(kind) {
            return Some(Event::InvalidHandshakeMessage);
        }
        too_long.then_some(Event::HandshakeInvalidLength)
    }
}
