//! Framing and coding headers that only some receivers see.
//!
//! A header name behind a bare CR, with a NUL in it, on a folded line or before a blank is
//! none to one receiver and counts for another. Where a head is odd, this looks for such names.

use super::headers::is_token;
use super::side::Side;
use super::span::Span;

impl Side {
    /// The values that the head gives to a header in any spelling, in lower case, with only the
    /// letters, digits and commas of them; joined by commas.
    pub(super) fn signs_of(&self, name: &[u8]) -> Vec<u8> {
        let line = self.head.line.unwrap_or_default();
        let raw = self.head.raw.unwrap_or_default();
        let mut found = Vec::new();
        let mut open = false;
        for part in [line, raw] {
            let pieces = part.of(&self.arena).split(|b| matches!(b, b'\r' | b'\n'));
            for piece in pieces.filter(|p| !p.is_empty()) {
                open = look(piece, name, open, &mut found);
            }
        }
        found
    }

    /// Whether receivers may see other headers in this head than we do.
    pub(super) fn is_odd_line(&self, line: Span) -> bool {
        let odd = |b: u8| (b < b' ' && b != b'\t') | (b == 0x7f);
        // All of them: without a way out, many are looked at in one step.
        line.of(&self.arena)
            .iter()
            .fold(false, |any, &b| any | odd(b))
    }
}

/// Looks at one line or what is left of one. `open`: the name was found before, and its value
/// may go on. Returns the same for the next one.
fn look(piece: &[u8], name: &[u8], open: bool, found: &mut Vec<u8>) -> bool {
    if let Some(value) = value_of(piece, name) {
        if !found.is_empty() {
            found.push(b',');
        }
        squeeze(value, found);
        return true;
    }
    let goes_on = piece.first().is_some_and(|&b| !is_token(b));
    if open && goes_on {
        squeeze(piece, found);
    }
    open && goes_on
}

/// What stands behind the name and its colon; the colon may be missing at the line's end.
fn value_of<'a>(piece: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut wanted = name.iter();
    let mut next = wanted.next();
    for (at, byte) in piece.iter().enumerate() {
        match next {
            Some(letter) if byte.eq_ignore_ascii_case(letter) => next = wanted.next(),
            None if *byte == b':' => return piece.get(at + 1..),
            _ if is_token(*byte) => return None,
            // Behind the first letter a colon ends another name.
            Some(letter) if *byte == b':' && name.first() != Some(letter) => return None,
            _ => {}
        }
    }
    next.is_none().then_some(&[])
}

fn squeeze(value: &[u8], found: &mut Vec<u8>) {
    let kept = value
        .iter()
        .filter(|b| b.is_ascii_alphanumeric() || **b == b',');
    found.extend(kept.map(u8::to_ascii_lowercase));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(head: &str) -> String {
        let mut side = Side::default();
        side.arena.extend_from_slice(b"HTTP/1.1 200 ok");
        side.head.line = Some(Span::new(0, side.arena.len()));
        let start = side.arena.len();
        side.arena.extend_from_slice(head.as_bytes());
        side.head.raw = Some(Span::new(start, side.arena.len()));
        String::from_utf8(side.signs_of(b"transfer-encoding")).unwrap()
    }

    #[test]
    fn a_name_is_found_in_any_disguise_and_nowhere_else() {
        for (head, expected) in [
            ("Transfer-Encoding: chunked\r\n", "chunked"),
            ("X: a\rTransfer-Encoding: chunked\r\n", "chunked"),
            ("X: a\r\n Transfer-Encoding: chunked\r\n", "chunked"),
            ("Transfer\0-encoding:chun\0ked\r\n", "chunked"),
            ("Transfer-Encoding\n :chunked\r\nYet: x\r\n", "chunked"),
            (
                "Transfer-Encoding\r\n :\r\n chunked\r\nYet: x\r\n",
                "chunked",
            ),
            ("Transfer-Encoding:\n\0chunked\r\nYet: x\r\n", "chunked"),
            ("\r\rTransfer-Encoding:;chunked\r\n", "chunked"),
            ("Transfer-Encoding: a\r\ntransfer-encoding : b\r\n", "a,b"),
            ("X-Transfer-Encoding: chunked\r\n", ""),
            ("Transfer-Encodings: chunked\r\n", ""),
            ("Note: Transfer-Encoding: chunked\r\n", ""),
        ] {
            assert_eq!(signs(head), expected, "{head:?}");
        }
    }
}
