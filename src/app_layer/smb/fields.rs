//! Fields of messages: little-endian numbers at places, names in UTF-16, and NTLM's.

use crate::app_layer::message::Length;
use crate::reuse::List;

/// RFC 1002 section 4.3.1: a type, and a length of three bytes behind it.
pub(super) const HEAD: usize = 4;
pub(super) const SESSION_MESSAGE: u8 = 0;
/// Longest name that is kept, in characters.
const LONGEST_NAME: usize = 1024;

/// How long a message is with its head.
pub(super) fn length(bytes: &[u8]) -> Length {
    match bytes {
        [0x00 | 0x81..=0x85, high, middle, low, ..] => {
            let length = u32::from_be_bytes([0, *high, *middle, *low]);
            Length::Known(u64::from(length) + HEAD as u64)
        }
        [] | [0x00 | 0x81..=0x85, ..] => Length::Open,
        _ => Length::Bad,
    }
}

pub(super) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// So many bytes at a place.
pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// A name in UTF-16: as rules write it, a byte for each character of Latin, up to its first NUL.
pub(super) fn narrow(bytes: &[u8]) -> List<u8> {
    let units = bytes
        .chunks_exact(2)
        .map(|c| u16::from_le_bytes([c[0], c[1]]));
    let units = units.take(LONGEST_NAME).take_while(|u| *u != 0);
    let mut name = List::new();
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        name.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    name
}

/// A name in one byte a character, up to its first NUL.
pub(super) fn plain(bytes: &[u8]) -> List<u8> {
    let bytes = bytes.get(..LONGEST_NAME).unwrap_or(bytes);
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    bytes[..end].into()
}

/// Who logs on, as an NTLM AUTHENTICATE message says (MS-NLMP section 2.2.1.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ntlm {
    pub domain: List<u8>,
    pub user: List<u8>,
    pub host: List<u8>,
}

/// Finds such a message wherever its wrapping put it.
pub(super) fn ntlm(bytes: &[u8]) -> Option<Ntlm> {
    let mark = b"NTLMSSP\0\x03\0\0\0";
    let start = memchr::memmem::find(bytes, mark)?;
    let message = &bytes[start..];
    let unicode = u32_at(message, 60).is_none_or(|flags| flags & 1 != 0);
    let field = |at: usize| {
        let length = usize::from(u16_at(message, at)?);
        let offset = usize::try_from(u32_at(message, at + 4)?).ok()?;
        let bytes = slice(message, offset, length)?;
        Some(if unicode { narrow(bytes) } else { plain(bytes) })
    };
    Some(Ntlm {
        domain: field(28)?,
        user: field(36)?,
        host: field(44)?,
    })
}
