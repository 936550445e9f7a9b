//! Escapes of URLs, JSON, JavaScript, XML and UTF-7, layer after layer.

use super::super::transform::hex;
use super::Marks;

/// What escapes begin with; see [`escape`].
const MARKS: Marks = Marks::of(b"%\\&+\xc0\xc1\xe0\xef");

/// Layers undone. Each shortens the text, or is the last.
const MOST_LAYERS: usize = 5;

/// Character references by name that stand for what attacks are written with (HTML, section 13.5).
const NAMED: &[(&[u8], u8)] = &[
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"dollar", b'$'),
    (b"lbrace", b'{'),
    (b"lcub", b'{'),
    (b"rbrace", b'}'),
    (b"rcub", b'}'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"comma", b','),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"bsol", b'\\'),
    (b"percnt", b'%'),
    (b"num", b'#'),
    (b"equals", b'='),
    (b"ast", b'*'),
    (b"verbar", b'|'),
    (b"grave", b'`'),
    (b"nbsp", b' '),
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
];

/// A character, and how many bytes it was written with.
type Escape = (u32, usize);

/// Undoes escapes until none is left.
pub(super) fn decode(bytes: &mut Vec<u8>) {
    for _ in 0..MOST_LAYERS {
        if !decode_layer(bytes) {
            return;
        }
    }
}

/// Whether there was anything to undo. No character takes more bytes than its escape.
fn decode_layer(bytes: &mut Vec<u8>) -> bool {
    let (mut from, mut to) = (0, 0_usize);
    while from < bytes.len() {
        let plain = MARKS.before_next(bytes, from);
        bytes.copy_within(from..from + plain, to);
        (from, to) = (from + plain, to + plain);
        let Some(&first) = bytes.get(from) else {
            break;
        };
        let rest = bytes.get(from..).unwrap_or_default();
        let before = to.checked_sub(1).and_then(|at| bytes.get(at)).copied();
        let (written, length, taken) = match escape(first, rest, before) {
            Some((character, taken)) => {
                let (written, length) = utf8(character);
                (written, length, taken)
            }
            None => ([first, 0, 0, 0], 1, 1),
        };
        for &b in written.iter().take(length) {
            if let Some(place) = bytes.get_mut(to) {
                *place = b;
            }
            to += 1;
        }
        from += taken;
    }
    let changed = to != bytes.len();
    bytes.truncate(to);
    changed
}

fn escape(first: u8, rest: &[u8], before: Option<u8>) -> Option<Escape> {
    match first {
        b'%' => percent(rest),
        b'\\' => backslash(rest, before == Some(b'.')),
        b'&' => reference(rest),
        b'+' => utf7(rest),
        0xc0 | 0xc1 | 0xe0 => overlong(rest),
        0xef => full_width(rest),
        _ => None,
    }
}

/// `%41` (RFC 3986 section 2.1), and `%u0041` as IIS takes it. A byte above ASCII is part of a
/// character of its own and stays for the next layer.
fn percent(rest: &[u8]) -> Option<Escape> {
    if matches!(rest.get(1), Some(b'u' | b'U')) {
        return Some((digits(rest.get(2..6)?, 16)?, 6));
    }
    let byte = digits(rest.get(1..3)?, 16)?;
    Some((if byte < 0x80 { byte } else { RAW | byte }, 3))
}

/// RFC 8259 section 7, and `\x41` and `\u{41}` of JavaScript. Behind a dot a backslash is taken to
/// separate a path rather than to be a blank's.
fn backslash(rest: &[u8], behind_dot: bool) -> Option<Escape> {
    match rest.get(1)? {
        b @ (b'\\' | b'"') => Some(((*b).into(), 2)),
        b'/' if !behind_dot => Some((b'/'.into(), 2)),
        b'n' | b'r' if !behind_dot => Some((b'\n'.into(), 2)),
        b't' | b'f' if !behind_dot => Some((b' '.into(), 2)),
        b'x' => Some((digits(rest.get(2..4)?, 16)?, 4)),
        b'u' if rest.get(2) == Some(&b'{') => {
            let length = rest.iter().skip(3).take(7).position(|&b| b == b'}')?;
            Some((digits(rest.get(3..3 + length)?, 16)?, length + 4))
        }
        b'u' => Some((digits(rest.get(2..6)?, 16)?, 6)),
        _ => None,
    }
}

/// `&#65;`, `&#x41;` (XML, section 4.1), `&amp;`; browsers do without the semicolon of numbers.
fn reference(rest: &[u8]) -> Option<Escape> {
    if rest.get(1) != Some(&b'#') {
        let (name, character) = NAMED.iter().find(|(name, _)| {
            rest.get(1..).is_some_and(|r| r.starts_with(name))
                && rest.get(1 + name.len()) == Some(&b';')
        })?;
        return Some(((*character).into(), name.len() + 2));
    }
    let (base, start) = match rest.get(2)? {
        b'x' | b'X' => (16, 3),
        _ => (10, 2),
    };
    let text = rest.get(start..)?;
    let zeros = text.iter().take_while(|b| **b == b'0').count();
    let text = text.get(zeros..)?;
    let length = text
        .iter()
        .take(7)
        .take_while(|b| char::from(**b).is_digit(base))
        .count();
    let value = digits(text.get(..length)?, base)?;
    let end = start + zeros + length;
    let semicolon = usize::from(rest.get(end) == Some(&b';'));
    (semicolon == 1 || value < 0x80).then_some((value, end + semicolon))
}

/// `+ADw-` (RFC 2152), one ASCII character at a time: more would be read in plain text.
fn utf7(rest: &[u8]) -> Option<Escape> {
    let [_, a, b, c, b'-', ..] = *rest else {
        return None;
    };
    let value = |digit: u8| crate::base64::value(digit);
    let bits = value(a)? << 12 | value(b)? << 6 | value(c)?;
    // Sixteen bits of the character, and two that fill the last digit up.
    let character = bits >> 2;
    (bits & 3 == 0 && character < 0x80).then_some((character, 5))
}

/// ASCII in more bytes than it needs, which RFC 3629 section 3 forbids and some decoders take.
fn overlong(rest: &[u8]) -> Option<Escape> {
    let tail = |at: usize| {
        rest.get(at)
            .filter(|b| **b & 0xc0 == 0x80)
            .map(|b| u32::from(b & 0x3f))
    };
    match rest.first()? {
        0xe0 => {
            let character = tail(1)? << 6 | tail(2)?;
            (character < 0x80).then_some((character, 3))
        }
        first => Some((u32::from(first & 1) << 6 | tail(1)?, 2)),
    }
}

/// U+FF01 to U+FF5E, which become ASCII where a program maps to the nearest character.
fn full_width(rest: &[u8]) -> Option<Escape> {
    let &[0xef, second @ (0xbc | 0xbd), third @ 0x80..=0xbf, ..] = rest else {
        return None;
    };
    let at = (u32::from(second) - 0xbc) << 6 | u32::from(third & 0x3f);
    (1..=0x5e).contains(&at).then_some((at + 0x20, 3))
}

fn digits(text: &[u8], base: u32) -> Option<u32> {
    let mut value = (!text.is_empty()).then_some(0)?;
    for &b in text {
        let digit = match base {
            16 => u32::from(hex(Some(&b))?),
            _ => char::from(b).to_digit(base)?,
        };
        value = u32::checked_add(u32::checked_mul(value, base)?, digit)?;
    }
    Some(value)
}

/// Marks a byte that is written as it is.
const RAW: u32 = 1 << 31;

/// The bytes of a character; of none (RFC 3629 section 3), a question mark.
fn utf8(character: u32) -> ([u8; 4], usize) {
    let mut written = [0; 4];
    if character & RAW != 0 {
        written[0] = (character & 0xff) as u8;
        return (written, 1);
    }
    let length = char::from_u32(character)
        .unwrap_or('?')
        .encode_utf8(&mut written)
        .len();
    (written, length)
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use crate::signature::ast::Disguise::Escapes;

    #[test]
    fn each_escape_and_layers_of_them() {
        for (text, expected) in [
            ("plain + text", "plain + text"),
            ("a%24b%2", "a$b%2"),
            ("%2524%25257b", "${"),
            ("%u0024%U007B", "${"),
            (r"\u0024\x7b\u{24}\/", "${$/"),
            (r"\u005cu0024 \\u0024", "$ $"),
            (r#"a\nb\t\"c ..\nt"#, "a\nb \"c ..\\nt"),
            ("&#36;&#0123;&#x24;&#x007B", "${${"),
            ("&amp;#36;&lbrace;&nosuch;", "${&nosuch;"),
            ("&#1114112;", "?"),
            ("+ADw-a+AD4-", "<a>"),
            ("1+ABC-2 +a-", "1+ABC-2 +a-"),
            ("%c0%ae%e0%80%af", "./"),
            ("\u{ff0e}\u{ff0e}\u{ff0f}", "../"),
            ("caf%c3%a9 \u{131}", "caf\u{e9} \u{131}"),
            (r"\u0131", "\u{131}"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&run(Escapes, text.as_bytes())),
                expected,
                "{text}"
            );
        }
    }
}
