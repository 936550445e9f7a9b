//! `base64_decode`: base64 within a buffer, and the tests behind `base64_data`.

use super::{Machine, Program, evaluate_with};
use crate::signature::ast::Base64Decode;

/// Encoded bytes read where the rule does not say.
const MOST_ENCODED: usize = 65_535;

/// A compiled `base64_decode`.
#[derive(Debug)]
pub(crate) struct Base64Op {
    pub(crate) decode: Base64Decode,
    /// What `base64_data` asks of the decoded bytes.
    pub(crate) program: Option<Program>,
}

impl Machine<'_> {
    pub(super) fn base64(&mut self, op: &Base64Op, cursor: i64) -> bool {
        let offset = i64::from(op.decode.offset);
        let most = op.decode.bytes.map_or(MOST_ENCODED, |n| n as usize);
        let mut decoded = std::mem::take(&mut self.variables.decoded);
        let encoded = self.bytes_from(op.decode.relative, cursor, offset);
        let encoded = encoded.map_or(&[][..], |(_, bytes)| &bytes[..bytes.len().min(most)]);
        decode(encoded, &mut decoded);
        let matched = !decoded.is_empty()
            && op.program.as_ref().is_none_or(|program| {
                let (found, exhausted) = evaluate_with(program, &decoded, 0, self.variables);
                self.exhausted |= exhausted;
                found.is_some()
            });
        self.variables.decoded = decoded;
        matched
    }
}

/// RFC 4648 section 4, up to the first character that is not of its alphabet. What does not fill a
/// byte is left out.
fn decode(encoded: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut held) = (0_u32, 0);
    for value in encoded.iter().map_while(|&b| value(b)) {
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
}

const fn value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_ends_at_the_first_foreign_character() {
        for (encoded, decoded) in [
            (&b"R09PRA=="[..], &b"GOOD"[..]),
            (b"R09PRA", b"GOOD"),
            (b"R09P RA==", b"GOO"),
            (b"=R09P", b""),
            (b"R", b""),
            (b"+/8=", b"\xfb\xff"),
        ] {
            let mut out = vec![1];
            decode(encoded, &mut out);
            assert_eq!(out, decoded, "{}", encoded.escape_ascii());
        }
    }
}
