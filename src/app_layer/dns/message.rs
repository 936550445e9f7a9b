//! One message (RFC 1035 section 4): its header and its four sections.

use super::Event;
use super::name::Name;
use super::rdata::{self, Paths};
use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

/// Elements of each section that a record of a match shows.
const MOST_TOLD: usize = 64;

pub(super) const HEADER_BYTES: usize = 12;
const QUESTION_BYTES: usize = 5;

/// Record types (RFC 1035 section 3.2.2, RFC 6891 section 6.1.1).
const OPT: u16 = 41;

/// Bits of the header and their names in records.
const RESPONSE: u16 = 0x8000;
const RESERVED: u16 = 0x0040;
const FLAGS: &[(u16, &str)] = &[
    (RESPONSE, "qr"),
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (RESERVED, "z"),
];
/// The first opcode that nothing defines (RFC 8490 defines 6).
const FIRST_INVALID_OPCODE: u16 = 7;

/// RFC 1035 section 4.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    id: u16,
    flags: u16,
    /// Questions, answers, authorities, additionals.
    pub counts: [u16; 4],
}

impl Header {
    pub fn read(message: &[u8]) -> Option<Self> {
        let word = |at| u16_at(message, at);
        Some(Self {
            id: word(0)?,
            flags: word(2)?,
            counts: [word(4)?, word(6)?, word(8)?, word(10)?],
        })
    }

    pub const fn is_response(self) -> bool {
        self.flags & RESPONSE != 0
    }

    pub const fn has_reserved_bit(self) -> bool {
        self.flags & RESERVED != 0
    }

    pub const fn opcode(self) -> u16 {
        self.flags >> 11 & 0xf
    }

    pub const fn rcode(self) -> u16 {
        self.flags & 0xf
    }

    /// Whether a message of this length can hold what the header counts.
    pub fn fits(self, length: usize) -> bool {
        let [questions, records @ ..] = self.counts.map(usize::from);
        let records: usize = records.iter().sum();
        // A record has the root's name, a type, a class, a time to live and a length.
        HEADER_BYTES + questions * QUESTION_BYTES + records * (QUESTION_BYTES + 6) <= length
    }
}

/// Sections that hold records, in order: where their names go, what their records are called, and
/// what it is if they cannot be read.
const SECTIONS: [(Buffer, Paths, Event); 3] = [
    (Buffer::DnsAnswersName, rdata::ANSWERS, Event::MalformedData),
    (
        Buffer::DnsAuthoritiesName,
        rdata::AUTHORITIES,
        Event::InvalidAuthorities,
    ),
    (
        Buffer::DnsAdditionalsName,
        rdata::ADDITIONALS,
        Event::InvalidAdditionals,
    ),
];

/// A question, or a record: what both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    /// Place and length of the record's data.
    pub data: (usize, usize),
    end: usize,
}

/// Puts one message into a transaction, however much of it can be read.
pub(in crate::app_layer) fn read(
    tx: &mut Transaction,
    direction: Direction,
    message: &[u8],
    limits: &Limits,
) {
    let Some(header) = Header::read(message) else {
        raise(tx, direction, Event::MalformedData);
        return;
    };
    tell_header(tx, header);
    judge_header(tx, direction, header);
    let mut sections = Sections {
        tx,
        direction,
        message,
        name: Name::new(),
        at: HEADER_BYTES,
        names_left: limits.dns_name_bytes,
        rcode: u64::from(header.rcode()),
    };
    if let Err(event) = sections.read(header.counts) {
        raise(sections.tx, direction, event);
    }
    let rcode = sections.rcode;
    tx.put_number(Number::DnsRcode, direction, rcode);
    tell_number(tx, "rcode", Number::DnsRcode, rcode);
}

fn judge_header(tx: &mut Transaction, direction: Direction, header: Header) {
    tx.put_number(Number::DnsOpcode, direction, u64::from(header.opcode()));
    match (direction, header.is_response()) {
        (Direction::ToServer, true) => raise(tx, direction, Event::NotRequest),
        (Direction::ToClient, false) => raise(tx, direction, Event::NotResponse),
        _ => {}
    }
    if header.has_reserved_bit() {
        raise(tx, direction, Event::ZFlagSet);
    }
    if header.opcode() >= FIRST_INVALID_OPCODE {
        raise(tx, direction, Event::InvalidOpcode);
    }
}

fn tell_header(tx: &mut Transaction, header: Header) {
    let kind: &[u8] = if header.is_response() {
        b"response"
    } else {
        b"request"
    };
    tx.tell("version", Fact::Number(3));
    tx.tell("type", Fact::Text(kind));
    tx.tell("tx_id", Fact::Number(tx.id()));
    tx.tell("id", Fact::Number(header.id.into()));
    tx.tell(
        "flags",
        Fact::Text(format!("{:x}", header.flags).as_bytes()),
    );
    for (flag, name) in FLAGS {
        if header.flags & flag != 0 {
            tx.tell(name, Fact::Flag(true));
        }
    }
    tx.tell("opcode", Fact::Number(header.opcode().into()));
}

/// Tells a number by its name, or in digits where it has none.
pub(super) fn tell_number(tx: &mut Transaction, path: &'static str, number: Number, value: u64) {
    match number.word(value) {
        Some(word) => tx.tell(path, Fact::Text(word.as_bytes())),
        None => tx.tell(path, Fact::Text(value.to_string().as_bytes())),
    }
}

pub(super) fn raise(tx: &mut Transaction, direction: Direction, event: Event) {
    tx.raise(direction, app_layer::Event::Dns(event));
}

/// What is behind the header, as far as it was read.
struct Sections<'a> {
    tx: &'a mut Transaction,
    direction: Direction,
    message: &'a [u8],
    name: Name,
    at: usize,
    /// Bytes that names may still have.
    names_left: usize,
    rcode: u64,
}

impl Sections<'_> {
    fn read(&mut self, counts: [u16; 4]) -> Result<(), Event> {
        let [questions, records @ ..] = counts;
        for number in 0..usize::from(questions) {
            self.question(number < MOST_TOLD)?;
        }
        for ((buffer, paths, otherwise), count) in SECTIONS.iter().zip(records) {
            for number in 0..usize::from(count) {
                self.record(*buffer, paths, *otherwise, number < MOST_TOLD)?;
            }
        }
        Ok(())
    }

    fn question(&mut self, told: bool) -> Result<(), Event> {
        let entry = self.begin(false).ok_or(Event::MalformedData)?;
        self.take_name()?;
        let name = self.name.as_bytes();
        if self.direction == Direction::ToServer {
            self.tx.put(Buffer::DnsQuery, self.direction, name);
        } else {
            self.tx.put(Buffer::DnsResponseName, self.direction, name);
        }
        self.tx.put(Buffer::DnsQueriesName, self.direction, name);
        let kind = u64::from(entry.kind);
        self.tx.put_number(Number::DnsType, self.direction, kind);
        if told {
            self.tx.tell("queries[].rrname", Fact::Text(name));
            tell_number(self.tx, "queries[-1].rrtype", Number::DnsType, kind);
        }
        self.at = entry.end;
        Ok(())
    }

    fn record(
        &mut self,
        buffer: Buffer,
        paths: &Paths,
        otherwise: Event,
        told: bool,
    ) -> Result<(), Event> {
        let entry = self.begin(true).ok_or(otherwise)?;
        self.take_name()?;
        self.tx.put(buffer, self.direction, self.name.as_bytes());
        if self.direction == Direction::ToClient {
            let name = self.name.as_bytes();
            self.tx.put(Buffer::DnsResponseName, self.direction, name);
        }
        let kind = u64::from(entry.kind);
        match buffer {
            Buffer::DnsAnswersName => self.tx.put_number(Number::DnsType, self.direction, kind),
            // The upper bits of the rcode (RFC 6891 section 6.1.3).
            _ if entry.kind == OPT => self.rcode |= u64::from(entry.ttl >> 24) << 4,
            _ => {}
        }
        if told {
            self.tx.tell(paths.rrname, Fact::Text(self.name.as_bytes()));
            tell_number(self.tx, paths.rrtype, Number::DnsType, kind);
            self.tx.tell(paths.ttl, Fact::Number(entry.ttl.into()));
        }
        self.data(entry, told.then_some(paths))?;
        self.at = entry.end;
        Ok(())
    }

    /// Names within a record's data belong to a response's names as well.
    fn data(&mut self, entry: Entry, paths: Option<&Paths>) -> Result<(), Event> {
        let (at, length) = entry.data;
        if let Some(at) = rdata::name_at(entry.kind, at)
            && let Some(read) = self.name.read(self.message, at)
        {
            self.event(read.event);
            self.take_name()?;
            if self.direction == Direction::ToClient && rdata::is_response_name(entry.kind) {
                let name = self.name.as_bytes();
                self.tx.put(Buffer::DnsResponseName, self.direction, name);
            }
        }
        if let Some(paths) = paths {
            let data = &self.message[at..at + length];
            rdata::tell(self.tx, paths, entry, data, &mut self.name, self.message);
        }
        Ok(())
    }

    /// Reads an entry's name and its fixed part, and whether all its data is there.
    fn begin(&mut self, is_record: bool) -> Option<Entry> {
        let (entry, event) = entry(&mut self.name, self.message, self.at, is_record)?;
        self.event(event);
        Some(entry)
    }

    fn event(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            raise(self.tx, self.direction, event);
        }
    }

    /// Counts the name that was read last; an error where names become too many.
    fn take_name(&mut self) -> Result<(), Event> {
        let left = self.names_left.checked_sub(self.name.as_bytes().len());
        self.names_left = left.ok_or(Event::TooManyNames)?;
        Ok(())
    }
}

/// Reads a question or a record that begins at a place of the message, its name into `name`.
pub(super) fn entry(
    name: &mut Name,
    message: &[u8],
    at: usize,
    is_record: bool,
) -> Option<(Entry, Option<Event>)> {
    let read = name.read(message, at)?;
    let at = read.end;
    let mut entry = Entry {
        kind: u16_at(message, at)?,
        class: u16_at(message, at + 2)?,
        ttl: 0,
        data: (at + 4, 0),
        end: at + 4,
    };
    if is_record {
        let length = usize::from(u16_at(message, at + 8)?);
        entry.ttl = u32_at(message, at + 4)?;
        entry.data = (at + 10, length);
        entry.end = at + 10 + length;
        message.get(at + 10..entry.end)?;
    }
    Some((entry, read.event))
}

impl Entry {
    /// Where the message goes on behind it.
    pub const fn end(self) -> usize {
        self.end
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}
