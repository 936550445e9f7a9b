//! Base64, as forgiving as a rule wants it.

/// What becomes of characters outside of the alphabet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base64Mode {
    /// They end the text (RFC 4648 section 3.3).
    #[default]
    Rfc4648,
    /// They are passed over (RFC 2045 section 6.8).
    Rfc2045,
    /// They make it no base64 at all, as does missing padding.
    Strict,
}

/// Writes what `encoded` stands for into `out`. What does not fill a byte is left out.
pub fn decode(encoded: &[u8], mode: Base64Mode, out: &mut Vec<u8>) {
    out.clear();
    let (mut bits, mut held) = (0_u32, 0);
    let (mut digits, mut padding) = (0_usize, 0);
    for &byte in encoded {
        match (value(byte), mode) {
            (Some(_), Base64Mode::Strict) if padding > 0 => return out.clear(),
            (Some(value), _) => {
                digits += 1;
                bits = (bits << 6 | value) & 0x3fff;
                held += 6;
                if held >= 8 {
                    held -= 8;
                    out.push((bits >> held & 0xff) as u8);
                }
            }
            (None, Base64Mode::Strict) if byte == b'=' => padding += 1,
            (None, Base64Mode::Strict) => return out.clear(),
            // RFC 2045 section 6.8: padding is the end.
            (None, Base64Mode::Rfc2045) if byte != b'=' => {}
            (None, _) => return,
        }
    }
    if mode == Base64Mode::Strict && ((digits + padding) % 4 != 0 || padding > 2) {
        out.clear();
    }
}

/// RFC 4648 section 4, with padding.
pub fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let all =
            group.iter().fold(0_u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            out.push(if digit <= group.len() {
                char::from(ALPHABET[(all >> (18 - 6 * digit) & 0x3f) as usize])
            } else {
                '='
            });
        }
    }
    out
}

pub const fn value(byte: u8) -> Option<u32> {
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

    proptest::proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            let mut out = Vec::new();
            decode(encode(&bytes).as_bytes(), Base64Mode::Strict, &mut out);
            assert_eq!(out, bytes);
        }
    }

    #[test]
    fn each_mode_takes_foreign_characters_in_its_own_way() {
        for (encoded, rfc4648, rfc2045, strict) in [
            (&b"R09PRA=="[..], &b"GOOD"[..], &b"GOOD"[..], &b"GOOD"[..]),
            (b"R09PRA", b"GOOD", b"GOOD", b""),
            (b"R09P RA==", b"GOO", b"GOOD", b""),
            (b"=R09P", b"", b"", b""),
            (b"R", b"", b"", b""),
            (b"+/8=", b"\xfb\xff", b"\xfb\xff", b"\xfb\xff"),
        ] {
            for (mode, decoded) in [
                (Base64Mode::Rfc4648, rfc4648),
                (Base64Mode::Rfc2045, rfc2045),
                (Base64Mode::Strict, strict),
            ] {
                let mut out = vec![1];
                decode(encoded, mode, &mut out);
                assert_eq!(out, decoded, "{mode:?} {}", encoded.escape_ascii());
            }
        }
    }
}
