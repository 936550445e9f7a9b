//! SQL as its reader sees it: comments are space, numbers that are text are text, strings side by side
//! are one.

/// Digits of one hexadecimal literal, and numbers of one `char()`, that are read.
const MOST_CHARACTERS: usize = 256;

use super::Marks;

const MARKS: Marks = Marks::of(b"/*\xc2 +\0\x09\x0a\x0b\x0c\x0d\xa00cC'");

pub(super) fn normalise(bytes: &mut Vec<u8>, out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    let mut executed = false;
    while at < bytes.len() {
        let plain = MARKS.before_next(bytes, at);
        let written = out.len();
        out.extend_from_slice(&bytes[at..at + plain]);
        out[written..].make_ascii_lowercase();
        at += plain;
        let Some(&b) = bytes.get(at) else {
            break;
        };
        let rest = bytes.get(at..).unwrap_or_default();
        at += match rest {
            // MySQL runs what is in such a comment, from the version on that is written.
            [b'/', b'*', b'!', ..] => {
                executed = true;
                space(out);
                3 + digits(rest.get(3..))
            }
            [b'*', b'/', ..] if executed => {
                executed = false;
                space(out);
                2
            }
            [b'/', b'*', tail @ ..] => {
                space(out);
                tail.windows(2)
                    .position(|w| w == b"*/")
                    .map_or(rest.len(), |end| end + 4)
            }
            [0xc2, 0xa0, ..] => {
                space(out);
                2
            }
            // What databases take for white space, and what forms and NULs become.
            [b' ' | b'+' | 0 | 0x09..=0x0d | 0xa0, ..] => {
                space(out);
                1
            }
            [b'0', b'x' | b'X', tail @ ..] => 2 + hex_literal(tail, out),
            [b'c' | b'C', ..] if !in_word(out) => character_call(rest, out).unwrap_or_else(|| {
                out.push(b'c');
                1
            }),
            [b'\'', ..] => quote(out),
            _ => {
                out.push(b.to_ascii_lowercase());
                1
            }
        };
    }
    std::mem::swap(bytes, out);
}

fn space(out: &mut Vec<u8>) {
    if out.last().is_some_and(|b| *b != b' ') {
        out.push(b' ');
    }
}

fn in_word(out: &[u8]) -> bool {
    out.last()
        .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn digits(text: Option<&[u8]>) -> usize {
    text.unwrap_or_default()
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count()
}

/// `0x414243` is 'ABC' where text is wanted; taken as such where it reads as text.
fn hex_literal(tail: &[u8], out: &mut Vec<u8>) -> usize {
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let length = tail.iter().take_while(|b| digit(b).is_some()).count();
    let pairs = tail.get(..length).unwrap_or_default().chunks_exact(2);
    let values = pairs
        .take(MOST_CHARACTERS)
        .filter_map(|p| Some((digit(p.first()?)? << 4 | digit(p.get(1)?)?) as u8));
    let text = length >= 2
        && length.is_multiple_of(2)
        && values.clone().all(|b| b.is_ascii_graphic() || b == b' ');
    if text {
        out.push(b'\'');
        out.extend(values.map(|b| b.to_ascii_lowercase()));
        out.push(b'\'');
    } else {
        out.extend_from_slice(b"0x");
        out.extend(tail.iter().take(length).map(u8::to_ascii_lowercase));
    }
    length
}

/// `char(65,66)`, `chr(65)`: bytes taken.
fn character_call(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let name = [&b"char("[..], b"chr("].into_iter().find(|name| {
        rest.get(..name.len())
            .is_some_and(|r| r.eq_ignore_ascii_case(name))
    })?;
    let inner = rest.get(name.len()..)?;
    let length = inner
        .iter()
        .take(4 * MOST_CHARACTERS)
        .position(|&b| b == b')')?;
    let numbers = inner.get(..length)?;
    let start = out.len();
    out.push(b'\'');
    for number in numbers.split(|&b| b == b',') {
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.trim().parse::<u8>().ok());
        let Some(character) = number else {
            out.truncate(start);
            return None;
        };
        out.push(character.to_ascii_lowercase());
    }
    out.push(b'\'');
    Some(name.len() + length + 1)
}

/// A string that begins right behind another, or behind `||` and another, goes on with it.
fn quote(out: &mut Vec<u8>) -> usize {
    let text = out.as_slice();
    let before = text.strip_suffix(b" ").unwrap_or(text);
    let before = before.strip_suffix(b"||").unwrap_or(before);
    let before = before.strip_suffix(b" ").unwrap_or(before);
    let joined = before.len() < text.len() && before.last() == Some(&b'\'');
    if joined {
        let length = before.len() - 1;
        out.truncate(length);
    } else {
        out.push(b'\'');
    }
    1
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use crate::signature::ast::Disguise::Sql;

    #[test]
    fn disguises_of_sql_are_undone() {
        for (text, expected) in [
            ("1/**/UNION/*x*/SELECT", "1 union select"),
            ("UNION%SELECT", "union%select"),
            ("union\u{a0}all\x0bselect\0x", "union all select x"),
            ("1/*!50000UnIoN*/ /*!select*/ 1", "1 union select 1"),
            ("a/*never closed", "a "),
            ("0x61646D696e 0x1 0xff", "'admin' 0x1 0xff"),
            (
                "CHAR(65, 66) chr(97) char(a) archaic",
                "'ab' 'a' char(a) archaic",
            ),
            ("'ad' 'min' 'x'||'y'", "'adminxy'"),
            ("union+select", "union select"),
        ] {
            let bytes = run(Sql, text.as_bytes());
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{text}");
        }
    }
}
