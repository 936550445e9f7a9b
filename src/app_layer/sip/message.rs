//! The head of one message: its first line and its headers (RFC 3261 section 7).

use std::ops::Range;

use crate::app_layer::message::{Fact, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction;

/// What the first line says, as places in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FirstLine {
    Request {
        method: Range<usize>,
        uri: Range<usize>,
        protocol: Range<usize>,
    },
    Response {
        protocol: Range<usize>,
        code: Range<usize>,
        reason: Range<usize>,
    },
}

/// Headers of one message that are kept.
const MAX_HEADERS: usize = 64;

/// Headers that have a buffer: the name, its compact form (RFC 3261 section 7.3.3) where it has
/// one, and the buffer.
const HEADERS: &[(&[u8], &[u8], Buffer)] = &[
    (b"From", b"f", Buffer::SipFrom),
    (b"To", b"t", Buffer::SipTo),
    (b"Via", b"v", Buffer::SipVia),
    (b"User-Agent", b"", Buffer::SipUserAgent),
    (b"Content-Type", b"c", Buffer::SipContentType),
    (b"Content-Length", b"l", Buffer::SipContentLength),
];

/// Puts a head, with or without its empty line, into a transaction. Whether its first line is one.
pub(super) fn read(tx: &mut Transaction, direction: Direction, head: &[u8]) -> bool {
    let mut lines = lines(head);
    let line = lines.next().unwrap_or(0..0);
    let text = &head[line];
    let first = first_line(text);
    let known = first.is_some();
    let parts = match first {
        Some(FirstLine::Request {
            method,
            uri,
            protocol,
        }) => vec![
            (Buffer::SipRequestLine, "request_line", 0..text.len()),
            (Buffer::SipMethod, "method", method),
            (Buffer::SipUri, "uri", uri),
            (Buffer::SipProtocol, "version", protocol),
        ],
        Some(FirstLine::Response {
            protocol,
            code,
            reason,
        }) => vec![
            (Buffer::SipResponseLine, "response_line", 0..text.len()),
            (Buffer::SipProtocol, "version", protocol),
            (Buffer::SipStatusCode, "code", code),
            (Buffer::SipStatusMessage, "reason", reason),
        ],
        None => Vec::new(),
    };
    for (buffer, name, part) in parts {
        tx.put(buffer, direction, &text[part.clone()]);
        tx.tell(name, Fact::Text(&text[part]));
    }
    let headers = lines.filter_map(|line| header(&head[line]));
    for (buffer, value) in headers.take(MAX_HEADERS) {
        tx.put(buffer, direction, value);
    }
    known
}

/// Bytes of body that follow (RFC 3261 section 20.14): none where the header is missing. `None`:
/// the header says nothing that can be followed.
pub(super) fn body_bytes(tx: &Transaction, direction: Direction) -> Option<u64> {
    let Some(value) = tx.fields(Buffer::SipContentLength, direction).next() else {
        return Some(0);
    };
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// RFC 3261 section 25.1.
pub(super) const fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// Line ends between messages keep a connection alive (RFC 5626 section 3.5.1).
pub(super) const fn is_blank_line(b: u8) -> bool {
    matches!(b, b'\r' | b'\n')
}

pub(super) fn is_request_line(line: &[u8]) -> bool {
    matches!(first_line(line), Some(FirstLine::Request { .. }))
}

pub(super) fn is_response_line(line: &[u8]) -> bool {
    matches!(first_line(line), Some(FirstLine::Response { .. }))
}

/// Reads a line without its line end.
pub(super) fn first_line(line: &[u8]) -> Option<FirstLine> {
    let last = memchr::memrchr(b' ', line)?;
    let ends_in_protocol = is_protocol(&line[last + 1..]);
    if !ends_in_protocol && !line.starts_with(b"SIP/") {
        return None;
    }
    let first = memchr::memchr(b' ', line)?;
    let word = &line[..first];
    if is_protocol(word) {
        let rest = first + 1;
        let end = rest + 3;
        let digits = line.get(rest..end)?.iter().all(u8::is_ascii_digit);
        let ends = line.get(end).is_none_or(|&b| b == b' ');
        return (digits && ends).then(|| FirstLine::Response {
            protocol: 0..first,
            code: rest..end,
            reason: (end + 1).min(line.len())..line.len(),
        });
    }
    let uri = first + 1..last.max(first + 1);
    let named = !word.is_empty() && word.iter().all(|&b| is_token(b)) && !uri.is_empty();
    (named && ends_in_protocol).then(|| FirstLine::Request {
        method: 0..first,
        uri,
        protocol: last + 1..line.len(),
    })
}

fn is_protocol(word: &[u8]) -> bool {
    let Some((name, version)) = word.split_at_checked(4) else {
        return false;
    };
    let mut parts = version.split(|&b| b == b'.');
    let mut number = || {
        parts
            .next()
            .is_some_and(|p| !p.is_empty() && p.iter().all(u8::is_ascii_digit))
    };
    name.eq_ignore_ascii_case(b"SIP/") && number() && number() && parts.next().is_none()
}

/// The length of a head, its empty line included, where `bytes` hold one. `known` bytes were looked
/// at before.
pub(super) fn head_end(bytes: &[u8], known: usize) -> Option<usize> {
    // An empty line may have begun among the bytes known.
    let from = known.saturating_sub(3);
    for at in memchr::memchr_iter(b'\n', &bytes[from..]) {
        let behind = from + at + 1;
        match &bytes[behind..] {
            [b'\n', ..] => return Some(behind + 1),
            [b'\r', b'\n', ..] => return Some(behind + 2),
            _ => {}
        }
    }
    None
}

/// The lines of a head, without their ends, as places in it.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = head.get(at..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let start = at;
        at += length + 1;
        let line = head[start..start + length].strip_suffix(b"\r");
        Some(start..start + line.map_or(length, <[u8]>::len))
    })
}

/// A header line that is kept: its buffer and its value.
fn header(line: &[u8]) -> Option<(Buffer, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    let (_, _, buffer) = HEADERS.iter().find(|(long, short, _)| {
        name.eq_ignore_ascii_case(long) || (!short.is_empty() && name.eq_ignore_ascii_case(short))
    })?;
    Some((*buffer, line[colon + 1..].trim_ascii()))
}
