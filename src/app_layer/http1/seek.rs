//! Where a message begins, in bytes of a connection whose past is not known.

use memchr::{memchr, memmem};

use super::detect::{METHODS, detect};
use crate::direction::Direction;

/// A request that is glued to the end of something else is looked for in so many bytes before the
/// end of its first line.
const MAX_GLUED: usize = 8 * 1024;

/// The place of the first message that seems to begin here.
pub(in crate::app_layer) fn find_message(direction: Direction, bytes: &[u8]) -> Option<usize> {
    if direction == Direction::ToClient {
        return memmem::find(bytes, b"HTTP/1.");
    }
    let mut start = 0;
    loop {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        if begins_request(rest) {
            return Some(start);
        }
        let length = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let line = rest.get(..length).unwrap_or(rest);
        if let Some(at) = glued(line) {
            return Some(start + at);
        }
        start += length;
    }
}

/// Of a method that is cut short, only one in use will do.
fn begins_request(rest: &[u8]) -> bool {
    detect(Direction::ToServer, rest, usize::MAX) == Some(true)
        || METHODS.iter().any(|method| method.starts_with(rest))
}

/// Whether it begins with a method in use: what looks like any other may be the rest of a line.
pub(in crate::app_layer) fn begins_with_method(bytes: &[u8]) -> bool {
    let mut methods = METHODS.iter();
    methods.any(|m| bytes.starts_with(m) && bytes.get(m.len()) == Some(&b' '))
}

/// A body need not end with a line.
fn glued(line: &[u8]) -> Option<usize> {
    let end = memmem::find(line, b" HTTP/1.")?;
    let from = end.saturating_sub(MAX_GLUED);
    let before = line.get(from..=end)?;
    let places = METHODS.iter().filter_map(|method| {
        let found = memmem::find_iter(before, method);
        let mut ends = found.map(|at| (at, at + method.len()));
        ends.find(|&(_, end)| before.get(end) == Some(&b' '))
            .map(|(at, _)| from + at)
    });
    places.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_found_behind_what_began_unseen() {
        let request = |text: &str| find_message(Direction::ToServer, text.as_bytes());
        for (text, expected) in [
            ("", None),
            ("GET / HTTP/1.1\r\n", Some(0)),
            ("G", Some(0)),
            ("POS", Some(0)),
            ("x", None),
            ("FOO /x HTTP/1.1\r\n", Some(0)),
            ("rest of a body", None),
            ("a=1&b=2\r\nGET / HTTP/1.1\r\n", Some(9)),
            ("a=1\r\n\r\n\r\nPO", Some(9)),
            ("a=1GET /x HTTP/1.1\r\n", Some(3)),
            ("xTARGET=1POST /x HTTP/1.1\r\n", Some(9)),
            ("a=1GET /x", None),
            ("one HTTP/1. two\r\n", None),
        ] {
            assert_eq!(request(text), expected, "{text:?}");
        }
        let long = format!("{}GET / HTTP/1.1\r\n", "x".repeat(100_000));
        assert_eq!(request(&long), Some(100_000));
        let response = |text: &str| find_message(Direction::ToClient, text.as_bytes());
        assert_eq!(response("<html>HTTP/1.1 200 OK"), Some(6));
        assert_eq!(response("HTTP/"), None);
    }
}
