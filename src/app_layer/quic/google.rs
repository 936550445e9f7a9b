//! Google's QUIC before TLS: hellos of tags and values, in the clear up to Q046, inside protection
//! in Q050.

use std::fmt::Write as _;

use super::header::Cursor;
use super::version::Version;
use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::tls::md5_hex;
use crate::buffer::Buffer;
use crate::direction::Direction;

/// Tags of one message: its own readers take no more.
const MAX_TAGS: usize = 128;

const CLIENT_HELLO: &[u8; 4] = b"CHLO";
const SERVER_NAME: &[u8; 4] = b"SNI\0";
const USER_AGENT: &[u8; 4] = b"UAID";

/// Reads the frames of a packet in the clear; whether a hello was among them.
pub(super) fn put_frames(
    tx: &mut Transaction,
    direction: Direction,
    version: Version,
    bytes: &[u8],
) -> bool {
    const PADDING: u8 = 0x00;
    const PING: u8 = 0x07;
    const STREAM: u8 = 0x80;
    let mut cursor = Cursor { bytes, at: 0 };
    let mut said_hello = false;
    while let Some(kind) = cursor.byte() {
        match kind {
            PADDING | PING => {}
            _ if kind & STREAM != 0 => match stream_data(&mut cursor, kind) {
                Some(data) => said_hello |= put_message(tx, direction, version, data),
                None => break,
            },
            _ => break,
        }
    }
    said_hello
}

/// The frame's kind says which of its fields there are: `1 f d ooo ss`.
fn stream_data<'a>(cursor: &mut Cursor<'a>, kind: u8) -> Option<&'a [u8]> {
    let id_bytes = usize::from(kind & 0x03) + 1;
    let offset_bytes = match (kind & 0x1c) >> 2 {
        0 => 0,
        n => usize::from(n) + 1,
    };
    cursor.take(id_bytes + offset_bytes)?;
    if kind & 0x20 == 0 {
        return cursor.take(cursor.rest().len());
    }
    let length = u16::from_be_bytes(*cursor.take(2)?.first_chunk()?);
    cursor.take(usize::from(length))
}

/// Reads a message: its tag, how many tags there are, each with the end of its value, the values.
pub(super) fn put_message(
    tx: &mut Transaction,
    direction: Direction,
    version: Version,
    bytes: &[u8],
) -> bool {
    let Some((tag, tags)) = message(bytes) else {
        return false;
    };
    if tag != CLIENT_HELLO {
        return false;
    }
    for (tag, value) in &tags {
        let (buffer, name) = match *tag {
            SERVER_NAME => (Buffer::QuicSni, "sni"),
            USER_AGENT => (Buffer::QuicUserAgent, "ua"),
            _ => continue,
        };
        tx.put(buffer, direction, value);
        tx.tell(name, Fact::Text(value));
    }
    if let Some(number) = cyu_number(version) {
        let mut string = number.to_owned();
        for (at, (tag, _)) in tags.iter().enumerate() {
            let before = if at == 0 { ',' } else { '-' };
            let name = tag.split(|b| *b == 0).next().unwrap_or_default();
            let _ = write!(string, "{before}{}", name.escape_ascii());
        }
        let hash = md5_hex(&string);
        tx.put(Buffer::QuicCyuString, direction, string.as_bytes());
        tx.put(Buffer::QuicCyuHash, direction, hash.as_bytes());
        tx.tell("cyu[].hash", Fact::Text(hash.as_bytes()));
        tx.tell("cyu[-1].string", Fact::Text(string.as_bytes()));
    }
    true
}

type Tagged<'a> = (&'a [u8; 4], &'a [u8]);

fn message(bytes: &[u8]) -> Option<(&[u8; 4], Vec<Tagged<'_>>)> {
    let mut cursor = Cursor { bytes, at: 0 };
    let tag = cursor.take(4)?.first_chunk()?;
    let count = u16::from_le_bytes(*cursor.take(2)?.first_chunk()?);
    let count = usize::from(count);
    if count > MAX_TAGS {
        return None;
    }
    cursor.take(2)?;
    let index = cursor.take(8 * count)?;
    let values = cursor.rest();
    let mut start = 0;
    let mut tags = Vec::with_capacity(count);
    let (entries, _) = index.as_chunks::<8>();
    for entry in entries {
        let (tag, end) = entry.split_first_chunk::<4>()?;
        let end = usize::try_from(u32::from_le_bytes(*end.first_chunk()?)).ok()?;
        tags.push((tag, values.get(start..end)?));
        start = end;
    }
    Some((tag, tags))
}

/// How a CYU names the version; as Suricata has it, Q045 by the name of the one before.
const fn cyu_number(version: Version) -> Option<&'static str> {
    match version {
        Version::Q043 => Some("43"),
        Version::Q044 | Version::Q045 => Some("44"),
        Version::Q046 => Some("46"),
        _ => None,
    }
}
