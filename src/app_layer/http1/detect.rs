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
    // What comes in one piece is judged by no more bytes than what comes in many.
    let start = start.filter(|at| *at <= bound);
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
    // Any other word may be a method: then its line ends in a protocol, and a target that can be
    // seen begins before that. Of binary protocols the first bytes may look like a method.
    let text = text.get(..=bound).unwrap_or(text);
    let end = memchr::memchr(b'\n', text);
    let line = text.get(..end.unwrap_or(text.len()))?;
    let target = line.get(method_length..)?.trim_ascii_start();
    if target.first().is_some_and(|b| !b.is_ascii_graphic()) {
        return Some(false);
    }
    match end {
        Some(_) => Some(line::is_request_line(line)),
        None => (text.len() > bound).then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WORDS: [&str; 14] = [
        "GET",
        "FOO",
        "PRI * HTTP/2.0",
        "/x",
        "*",
        "?",
        "\x02",
        "\u{ff}",
        "HTTP/1.1",
        " ",
        "\t",
        "\r",
        "\u{c}",
        "\n",
    ];

    proptest! {
        #[test]
        fn what_the_first_bytes_tell_is_what_all_of_them_tell(
            words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..12),
            to_server: bool,
        ) {
            const BOUND: usize = 12;
            let direction = if to_server { Direction::ToServer } else { Direction::ToClient };
            let text = words.concat();
            let whole = detect(direction, text.as_bytes(), BOUND);
            let mut parts = (0..text.len()).map(|n| &text.as_bytes()[..n]);
            let first = parts.find_map(|part| detect(direction, part, BOUND));
            prop_assert!(first.is_none() || first == whole, "{first:?}, then {whole:?}");
        }
    }

    /// Found by fuzzing `app_layer`: cut behind its blank, no HTTP; in one piece, HTTP.
    #[test]
    fn a_target_that_begins_oddly_is_judged_alike_however_it_is_cut() {
        let found = b"T.1\r\x0c\xff\xff HTTP/2.0\r\t\nHOs";
        for (line, expected) in [
            (&found[..], false),
            (b"FOO ?x HTTP/1.1\r\n", true),
            (b"FOO \"x HTTP/1.1\r\n", true),
        ] {
            let mut parts = (0..=line.len()).map(|n| &line[..n]);
            let first = parts.find_map(|part| detect(Direction::ToServer, part, 100));
            assert_eq!(first, Some(expected), "{line:?}");
            assert_eq!(detect(Direction::ToServer, line, 100), Some(expected));
        }
    }

    #[test]
    fn a_binary_message_that_begins_like_a_method_is_not_waited_for() {
        let ldap = b"0\x20\x02\x01\x01";
        assert_eq!(detect(Direction::ToServer, ldap, 100), Some(false));
    }

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
