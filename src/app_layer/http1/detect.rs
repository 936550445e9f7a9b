//! Whether the first bytes of a flow are HTTP/1.

use super::line::{self, Shape};
use super::span::is_blank;
use crate::direction::Direction;

/// Methods that no other protocol with text lines begins with.
pub(super) const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
];

/// The preface of HTTP/2 (RFC 9113 section 3.4) reads like a request line.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// `None`: more bytes are needed. `bound` is how many may be waited for.
pub(in crate::app_layer) fn detect(
    direction: Direction,
    bytes: &[u8],
    bound: usize,
) -> Option<bool> {
    let start = bytes
        .iter()
        .position(|&b| !matches!(b, b'\r' | b'\n') && !is_blank(b));
    let Some(text) = start.and_then(|at| bytes.get(at..)) else {
        return (bytes.len() > bound).then_some(false);
    };
    match direction {
        Direction::ToServer => detect_request(text, bound),
        Direction::ToClient => {
            let length = text.len().min(5);
            let same = text
                .get(..length)?
                .eq_ignore_ascii_case(b"HTTP/".get(..length)?);
            if same && length < 5 { None } else { Some(same) }
        }
    }
}

fn detect_request(text: &[u8], bound: usize) -> Option<bool> {
    match line::shape(text) {
        Shape::Foreign => return Some(false),
        Shape::Open => return None,
        Shape::Request => {}
    }
    let length = HTTP2_PREFACE.len().min(text.len());
    if text.get(..length) == HTTP2_PREFACE.get(..length) {
        return (length == HTTP2_PREFACE.len()).then_some(false);
    }
    let method_length = text
        .iter()
        .position(|&b| is_blank(b) || b == b'\r' || b == b'\n')?;
    let method = text.get(..method_length)?;
    if METHODS.contains(&method) {
        return Some(true);
    }
    // Any other word may be a method: then its line ends in a protocol.
    match memchr::memchr(b'\n', text) {
        Some(end) => Some(line::is_request_line(text.get(..end)?)),
        None if text.len() > bound => Some(true),
        None => {
            let target = text.get(method_length..)?.trim_ascii_start();
            // A target begins with a slash, a star or a scheme.
            match target.first() {
                None => None,
                Some(b'/' | b'*') => None,
                Some(b) if b.is_ascii_alphabetic() => None,
                Some(_) => Some(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_http_from_its_neighbours() {
        let request = |text: &str| detect(Direction::ToServer, text.as_bytes(), 100);
        for (text, expected) in [
            ("G", None),
            ("GET", None),
            ("GET ", Some(true)),
            ("\r\n\r\nGET ", Some(true)),
            ("GET /x\r\n", Some(true)),
            ("FOO /x", None),
            ("FOO /x HTTP/1.1\r\n", Some(true)),
            ("FOO /x\r\n", Some(false)),
            ("EHLO host\r\n", Some(false)),
            ("USER anonymous\r\n", Some(false)),
            ("OPTIONS sip:a@b SIP/2.0\r\n", Some(false)),
            ("OPTIONS rtsp://h/ RTSP/1.0\r\n", Some(false)),
            ("OPTIONS * HTTP/1.1\r\n", Some(true)),
            ("SSH-2.0-x\r\n", Some(false)),
            ("SSH-2.0-OpenSSH_9 Debian\r\n", Some(false)),
            ("PRI * HTTP/2.0\r\n", Some(false)),
            ("PRI * HT", None),
            ("\x16\x03\x01", Some(false)),
            ("{\"a\"", Some(false)),
        ] {
            assert_eq!(request(text), expected, "{text:?}");
        }
        let response = |text: &str| detect(Direction::ToClient, text.as_bytes(), 100);
        assert_eq!(response("HTT"), None);
        assert_eq!(response("HTTP/1.1 200"), Some(true));
        assert_eq!(response("220 smtp"), Some(false));
        assert_eq!(request(&format!("FOO /{}", "x".repeat(100))), Some(true));
    }
}
