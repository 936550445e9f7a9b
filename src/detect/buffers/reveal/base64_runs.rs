//! Base64 within a text: what it stands for is put behind the text, unpacked where it was packed.

use super::super::unpack::{is_gzip, is_zlib, unpack};
use super::Marks;
use crate::base64;

/// A shorter run is a word.
const SHORTEST: usize = 16;
/// Unpacked bytes of one run.
const MOST_UNPACKED: usize = 16 * 1024;
/// Of all runs of one text, in times of the text's length.
const MOST_TIMES: usize = 4;

/// The digits of both alphabets.
const DIGITS: Marks =
    Marks::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_");

pub(super) fn decode(bytes: &mut Vec<u8>, spare: &mut Vec<u8>) {
    let length = bytes.len();
    let most = length.saturating_mul(1 + MOST_TIMES);
    let mut at = 0;
    while let Some(from) = next_run(bytes.get(..length).unwrap_or_default(), at) {
        // Its digits stand before what they are decoded to, until that is done.
        let mark = bytes.len();
        at = read_run(bytes, length, from);
        let behind = bytes.len();
        // A run may begin earlier than what its reader decodes: a path goes before it, say.
        for skipped in 0..4 {
            let digits = bytes.get(mark + skipped..behind).unwrap_or_default();
            if skipped == 0 || tells_something(digits) {
                base64::decode(digits, base64::Base64Mode::Rfc4648, spare);
                append(bytes, spare, most + (behind - mark));
            }
        }
        bytes.drain(mark..behind);
    }
}

/// Where the next run begins that is long enough, at `from` or behind it; behind what is no digit.
fn next_run(text: &[u8], mut from: usize) -> Option<usize> {
    // Seen from its end, a piece that is no run is passed over with a look at few of its bytes.
    while let Some(piece) = text.get(from..from.checked_add(SHORTEST)?) {
        match piece.iter().rposition(|&b| !DIGITS.has(b)) {
            Some(other) => from += other + 1,
            None => return Some(from),
        }
    }
    None
}

/// Puts the digits from `at` on, without the line breaks between them and in the alphabet of RFC
/// 4648 section 4, behind `bytes`, of which the first `length` are the text; where they end.
fn read_run(bytes: &mut Vec<u8>, length: usize, mut at: usize) -> usize {
    let mut line = 0;
    while at < length
        && let Some(&b) = bytes.get(at)
    {
        let breaks = line_break(bytes.get(at..length).unwrap_or_default());
        match b {
            // Written in the alphabet of RFC 4648 section 5.
            b'-' => bytes.push(b'+'),
            b'_' => bytes.push(b'/'),
            b if base64::value(b).is_some() && breaks == 0 => bytes.push(b),
            _ if breaks > 0 && line >= SHORTEST => {
                at += breaks;
                line = 0;
                continue;
            }
            _ => return at + 1,
        }
        at += 1;
        line += 1;
    }
    at
}

/// Length of a line break, also of one that JSON escapes.
fn line_break(text: &[u8]) -> usize {
    match text {
        [b'\r', b'\n', ..] => 2,
        [b'\n' | b'\r', ..] => 1,
        [b'\\', b'n' | b'r', ..] => 2,
        _ => 0,
    }
}

/// Whether what digits stand for reads as text, or begins as something that is packed or serialised
/// does.
fn tells_something(digits: &[u8]) -> bool {
    let groups = digits.chunks(4).map(|group| {
        let digit = |at: usize| group.get(at).and_then(|&b| base64::value(b));
        let bits = (0..4).fold(0, |bits, at| bits << 6 | digit(at).unwrap_or(0));
        let [_, decoded @ ..] = bits.to_be_bytes();
        (decoded, group.len() * 6 / 8)
    });
    let length = digits.len() * 6 / 8;
    let mut other = 0;
    for (number, (decoded, there)) in groups.enumerate() {
        let packed = matches!(decoded, [0x1f, 0x8b, _] | [0xac, 0xed, _]);
        if number == 0 && packed && there > 1 {
            return true;
        }
        let text = |b: &&u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
        other += there - decoded.iter().take(there).filter(text).count();
        // Bytes that are nothing of the kind soon say so.
        if other > length / 8 {
            return false;
        }
    }
    true
}

fn append(bytes: &mut Vec<u8>, decoded: &[u8], most: usize) {
    let room = most.saturating_sub(bytes.len()).saturating_sub(1);
    bytes.push(b'\n');
    bytes.extend_from_slice(decoded.get(..room).unwrap_or(decoded));
    if is_gzip(decoded) || is_zlib(decoded) {
        bytes.push(b'\n');
        let room = most.saturating_sub(bytes.len());
        unpack(decoded, room.min(MOST_UNPACKED), bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::run;
    use crate::signature::ast::Disguise::Base64Runs;

    fn shows(text: &str, hidden: &str) -> bool {
        let bytes = run(Base64Runs, text.as_bytes());
        assert!(bytes.starts_with(text.as_bytes()));
        memchr::memmem::find(&bytes, hidden.as_bytes()).is_some()
    }

    #[test]
    fn runs_are_found_wherever_they_begin() {
        // "user:${jndi:ldap://x}"
        let run = "dXNlcjoke2puZGk6bGRhcDovL3h9";
        for text in [
            run.to_owned(),
            format!("Basic {run}"),
            format!("/a/{run}?x"),
            format!("/ab/{run}"),
            format!("/abc/{run}"),
            format!("{}\r\n{}", &run[..20], &run[20..]),
            format!("{}\\n{}", &run[..20], &run[20..]),
        ] {
            assert!(shows(&text, "${jndi:"), "{text}");
        }
        assert!(!shows("a word and another", "${"));
        // "a?>b?>c?>d?>" needs the two digits in which the alphabets differ.
        assert!(shows("YT8-Yj8-Yz8-ZD8-", "a?>b?>c?>d?>"));
        assert!(shows("YT8+Yj8+Yz8+ZD8+", "a?>b?>c?>d?>"));
    }

    #[test]
    fn what_was_packed_is_unpacked_within_a_bound() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(b"hidden text, ").unwrap();
        packed.write_all(&[b'x'; 1 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        let text = encode(&packed);
        let bytes = run(Base64Runs, text.as_bytes());
        assert!(memchr::memmem::find(&bytes, b"hidden text").is_some());
        assert!(bytes.len() <= text.len() * 6, "{}", bytes.len());
    }

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let mut group = [0; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for at in 0..=chunk.len() {
                let digit = bits >> (18 - 6 * at) & 63;
                out.push(char::from(DIGITS[digit as usize]));
            }
        }
        out
    }
}
