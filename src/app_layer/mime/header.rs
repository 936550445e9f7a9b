//! Header fields: names, values and their parameters.

use super::decode::hex;
use crate::reuse::List;

/// Bytes of a name or a boundary that are kept.
const LONGEST_PARAMETER: usize = 1024;
/// Lines of one parameter (RFC 2231 section 3) that are put together.
const MOST_PIECES: usize = 64;

/// A header's name and value, if it is one.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty()).then(|| (name, line[colon + 1..].trim_ascii()))
}

/// What stands before the parameters.
pub(super) fn first_word(value: &[u8]) -> &[u8] {
    let end = value
        .iter()
        .position(|b| matches!(b, b';' | b' ' | b'\t'))
        .unwrap_or(value.len());
    &value[..end]
}

/// A parameter's value, put together from its pieces and with escapes undone. Empty where it is
/// not there.
pub(super) fn parameter(value: &[u8], wanted: &[u8]) -> List<u8> {
    let mut plain: Option<List<u8>> = None;
    let mut pieces: List<(u32, List<u8>)> = List::new();
    for (name, value) in Parameters(value) {
        let Some(rest) = strip_name(name, wanted) else {
            continue;
        };
        match rest {
            [] => {
                plain.get_or_insert(value);
            }
            [b'*', rest @ ..] => {
                let (rest, escaped) = match rest {
                    [rest @ .., b'*'] => (rest, true),
                    [] => (rest, true),
                    rest => (rest, false),
                };
                let digits = std::str::from_utf8(rest).ok();
                let number = match digits {
                    Some("") => Some(0),
                    other => other.and_then(|d| d.parse().ok()),
                };
                let Some(number) = number.filter(|_| pieces.len() < MOST_PIECES) else {
                    continue;
                };
                let text = if escaped {
                    unescape(&value, number == 0)
                } else {
                    value
                };
                pieces.push((number, text));
            }
            _ => {}
        }
    }
    pieces.sort_by_key(|(number, _)| *number);
    let mut joined = List::new();
    for (_, text) in &mut pieces {
        joined.append(text);
    }
    // What RFC 2231 writes is meant to win (RFC 6266 section 4.3 says so for HTTP).
    let mut found = if joined.is_empty() {
        plain.unwrap_or_default()
    } else {
        joined
    };
    found.truncate(LONGEST_PARAMETER);
    found
}

/// What follows the name, if it is this one.
fn strip_name<'a>(name: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = name.split_at_checked(wanted.len())?;
    head.eq_ignore_ascii_case(wanted).then_some(rest)
}

/// `charset'language'text%20here`; the first two stand in the first piece only.
fn unescape(value: &[u8], first: bool) -> List<u8> {
    let mut parts = value.splitn(3, |&b| b == b'\'');
    let text = match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(_), Some(text)) if first => text,
        _ => value,
    };
    let mut out = List::with_room(text.len());
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        let escaped = match (b, text.get(at + 1), text.get(at + 2)) {
            (b'%', Some(&high), Some(&low)) => hex(high).zip(hex(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                out.push((high << 4) | low);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

/// Names and values behind the first word; quotes taken off.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], List<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let semicolon = memchr::memchr(b';', self.0)?;
            let rest = self.0[semicolon + 1..].trim_ascii_start();
            self.0 = rest;
            let end = rest
                .iter()
                .position(|b| matches!(b, b'=' | b';'))
                .unwrap_or(rest.len());
            if rest.get(end) != Some(&b'=') {
                continue;
            }
            let name = rest[..end].trim_ascii_end();
            let value = rest[end + 1..].trim_ascii_start();
            if let [b'"', quoted @ ..] = value {
                let (text, length) = unquote(quoted);
                self.0 = &quoted[length..];
                return Some((name, text));
            }
            let end = memchr::memchr(b';', value).unwrap_or(value.len());
            self.0 = &value[end..];
            return Some((name, value[..end].trim_ascii_end().into()));
        }
    }
}

/// A quoted string without its first quote: its text, and how long it is with its last quote. One
/// without end goes to the end.
fn unquote(bytes: &[u8]) -> (List<u8>, usize) {
    let mut text = List::new();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        at += 1;
        match b {
            b'"' => return (text, at),
            b'\\' => {
                text.extend(bytes.get(at).copied());
                at += 1;
            }
            _ => text.push(b),
        }
    }
    (text, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_however_written() {
        for (value, name, expected) in [
            ("attachment; filename=a.exe", "filename", "a.exe"),
            (
                "attachment; filename = \"a b;.exe\"; x=y",
                "filename",
                "a b;.exe",
            ),
            ("attachment; x; FileName=\"a\\\"b\"", "filename", "a\"b"),
            ("attachment; filename*=UTF-8''a%20b", "filename", "a b"),
            (
                "attachment; filename=x; filename*=utf-8'en'y",
                "filename",
                "y",
            ),
            (
                "a/b; name*1=.exe; name*0=mal; name*2*=%31",
                "name",
                "mal.exe1",
            ),
            ("multipart/mixed;boundary=\"b", "boundary", "b"),
            ("attachment; filenames=x", "filename", ""),
            ("attachment", "filename", ""),
        ] {
            let found = parameter(value.as_bytes(), name.as_bytes());
            assert_eq!(found, expected.as_bytes(), "{value}");
        }
    }

    #[test]
    fn a_header_has_a_name() {
        assert_eq!(split(b"To :  a "), Some((&b"To"[..], &b"a"[..])));
        assert_eq!(split(b": a"), None);
        assert_eq!(split(b"no colon"), None);
        assert_eq!(first_word(b"text/plain ; x"), b"text/plain");
    }
}
