//! One message: header and payloads (RFC 2408 section 3, RFC 7296 section 3).

use super::Event;
use super::{attributes, proposal};
use crate::app_layer::message::{Bytes, Fact, Transaction};
use crate::app_layer::text::hex;
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

pub(super) const HEADER_BYTES: usize = 28;
/// Stands before messages on the port that ESP shares (RFC 3948 section 2.2).
pub(super) const NO_ESP: [u8; 4] = [0; 4];

/// Payloads of one message that are read.
const MOST_PAYLOADS: usize = 256;
/// Payloads of version 2 that hold the others, encrypted (RFC 7296 section 3.14, RFC 7383).
const ENCRYPTED: [u8; 2] = [46, 53];

/// What begins each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub initiator: u64,
    responder: u64,
    pub next: u8,
    pub major: u8,
    pub minor: u8,
    pub exchange: u8,
    pub flags: u8,
    message: u32,
    pub length: u32,
}

impl Header {
    pub fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let mut spi = || Some(u64::from(bytes.u32()?) << 32 | u64::from(bytes.u32()?));
        let (initiator, responder) = (spi()?, spi()?);
        let next = bytes.u8()?;
        let version = bytes.u8()?;
        Some(Self {
            initiator,
            responder,
            next,
            major: version >> 4,
            minor: version & 0xf,
            exchange: bytes.u8()?,
            flags: bytes.u8()?,
            message: bytes.u32()?,
            length: bytes.u32()?,
        })
    }

    /// All payloads of a message of version 1 are encrypted (RFC 2408 section 3.1).
    const fn is_encrypted(self) -> bool {
        self.major == 1 && self.flags & 1 != 0
    }
}

/// Puts one message into a transaction.
pub(in crate::app_layer) fn read(
    tx: &mut Transaction,
    direction: Direction,
    message: &[u8],
    _: &Limits,
) {
    let message = message.strip_prefix(&NO_ESP).unwrap_or(message);
    let mut bytes = Bytes(message);
    let Some(header) = Header::read(&mut bytes) else {
        raise(tx, direction, Event::MalformedData);
        return;
    };
    tell(tx, direction, header);
    if header.is_encrypted() {
        return;
    }
    if payloads(tx, direction, header, bytes).is_none() {
        raise(tx, direction, Event::MalformedData);
    }
}

pub(super) fn raise(tx: &mut Transaction, direction: Direction, event: Event) {
    tx.raise(direction, app_layer::Event::Ike(event));
}

fn tell(tx: &mut Transaction, direction: Direction, header: Header) {
    for (spi, buffer, path) in [
        (header.initiator, Buffer::IkeInitiatorSpi, "init_spi"),
        (header.responder, Buffer::IkeResponderSpi, "resp_spi"),
    ] {
        let text = hex(&spi.to_be_bytes());
        tx.put(buffer, direction, text.as_bytes());
        tx.tell(path, Fact::Text(text.as_bytes()));
    }
    let exchange = u64::from(header.exchange);
    tx.put_number(Number::IkeExchangeType, direction, exchange);
    for (path, value) in [
        ("version_major", u64::from(header.major)),
        ("version_minor", u64::from(header.minor)),
        ("exchange_type", exchange),
        ("message_id", u64::from(header.message)),
    ] {
        tx.tell(path, Fact::Number(value));
    }
}

/// `None`: a payload is cut short, or shorter than its head.
fn payloads(
    tx: &mut Transaction,
    direction: Direction,
    header: Header,
    mut bytes: Bytes<'_>,
) -> Option<()> {
    let mut next = header.next;
    for _ in 0..MOST_PAYLOADS {
        if next == 0 {
            if !bytes.is_empty() {
                raise(tx, direction, Event::PayloadExtraData);
            }
            return Some(());
        }
        if header.major == 2 && ENCRYPTED.contains(&next) {
            return Some(());
        }
        let kind = std::mem::replace(&mut next, bytes.u8()?);
        bytes.u8()?;
        let length = usize::from(bytes.u16()?).checked_sub(4)?;
        let contents = bytes.take(length)?;
        payload(tx, direction, (header.major, kind), contents)?;
    }
    Some(())
}

fn payload(
    tx: &mut Transaction,
    direction: Direction,
    kind: (u8, u8),
    contents: &[u8],
) -> Option<()> {
    match kind {
        (1, 1) => attributes::read(tx, direction, contents),
        (2, 33) => proposal::read(tx, direction, contents),
        (1, 4) => key_exchange(tx, direction, contents),
        // A group and two reserved bytes come first (RFC 7296 section 3.4).
        (2, 34) => key_exchange(tx, direction, contents.get(4..)?),
        (1, 10) | (2, 40) => {
            tx.put(Buffer::IkeNonce, direction, contents);
            let length = contents.len() as u64;
            tx.put_number(Number::IkeNonceLength, direction, length);
        }
        (1, 13) | (2, 43) => {
            tx.put(Buffer::IkeVendor, direction, hex(contents).as_bytes());
        }
        _ => {}
    }
    Some(())
}

fn key_exchange(tx: &mut Transaction, direction: Direction, contents: &[u8]) {
    tx.put(Buffer::IkeKeyExchange, direction, contents);
    let length = contents.len() as u64;
    tx.put_number(Number::IkeKeyExchangeLength, direction, length);
}
