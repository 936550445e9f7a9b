//! Bytes that an attacker may have chosen, as text that is safe to print.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

/// Text without control characters, of bounded length.
///
/// Bytes that are no UTF-8, control characters and invisible characters that steer a terminal or
/// reverse the reading direction become `\xNN`, one for each byte. So does a backslash before an
/// `x`: reading each `\xNN` back gives exactly the bytes. What was cut off is marked by `…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Box<str>);

/// Marks text that goes on.
const CUT: char = '…';

impl Text {
    /// At most `longest` bytes of `bytes`; a character that would be cut in two is left out.
    pub fn from_bytes(bytes: &[u8], longest: usize) -> Self {
        let kept = whole_characters(bytes, longest);
        let mut out = String::with_capacity(kept.len());
        for chunk in kept.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(c) = characters.next() {
                if steers(c) || (c == '\\' && characters.peek() == Some(&'x')) {
                    escape(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
                } else {
                    out.push(c);
                }
            }
            escape(&mut out, chunk.invalid());
        }
        if kept.len() < bytes.len() {
            out.push(CUT);
        }
        Self(out.into())
    }

    /// Every byte that is no printable ASCII as `\xNN`: for bytes that are no text at all.
    pub fn ascii(bytes: &[u8]) -> Self {
        let mut out = String::with_capacity(bytes.len());
        for (at, &byte) in bytes.iter().enumerate() {
            let escapes = byte == b'\\' && bytes.get(at + 1) == Some(&b'x');
            if (byte == b' ' || byte.is_ascii_graphic()) && !escapes {
                out.push(char::from(byte));
            } else {
                escape(&mut out, &[byte]);
            }
        }
        Self(out.into())
    }

    /// Two hexadecimal digits a byte.
    pub fn hex(bytes: &[u8]) -> Self {
        let mut out = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(out, "{byte:02x}");
        }
        Self(out.into())
    }

    /// RFC 4648 section 4.
    pub fn base64(bytes: &[u8]) -> Self {
        Self(crate::base64::encode(bytes).into())
    }

    /// Printable ASCII and line ends as they are, all else as a dot: to be read, not to be read back.
    pub fn printable(bytes: &[u8]) -> Self {
        let shown = |&b: &u8| match b {
            b' ' | b'\r' | b'\n' | b'!'..=b'~' => char::from(b),
            _ => '.',
        };
        Self(bytes.iter().map(shown).collect::<String>().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text of rules, packs and the machine itself: any length, and still no control characters.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::from_bytes(text.as_bytes(), text.len())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

fn escape(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the format characters that
/// hide or reorder what stands around them (Unicode's Bidi_Control, joiners, byte-order mark, tags).
const fn steers(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The longest start of `bytes` that ends between two characters.
fn whole_characters(bytes: &[u8], longest: usize) -> &[u8] {
    let Some(kept) = bytes.get(..longest).filter(|_| bytes.len() > longest) else {
        return bytes;
    };
    // A character has at most three continuation bytes (10xxxxxx) behind its first.
    let continues = |at: usize| bytes.get(at).is_some_and(|b| b & 0xc0 == 0x80);
    let end = (longest.saturating_sub(3)..=longest)
        .rev()
        .find(|&at| !continues(at))
        .unwrap_or(longest);
    kept.get(..end).unwrap_or(kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8]) -> String {
        Text::from_bytes(bytes, 1000).as_str().to_owned()
    }

    #[test]
    fn base64_is_padded_to_four_digits() {
        for (bytes, expected) in [
            (&b""[..], ""),
            (b"G", "Rw=="),
            (b"GO", "R08="),
            (b"GOO", "R09P"),
            (b"\xfb\xff\0D", "+/8ARA=="),
        ] {
            assert_eq!(Text::base64(bytes).as_str(), expected);
        }
    }

    #[test]
    fn what_is_not_printable_is_a_dot() {
        assert_eq!(Text::printable(b"a\x1b[1m\r\n\xff").as_str(), "a.[1m\r\n.");
    }

    #[test]
    fn printable_text_stays_as_it_is() {
        let plain = "GET /a?b=\"c\" naïve 日本 \\n \\";
        assert_eq!(text(plain.as_bytes()), plain);
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(
            text(b"a\x1b[31m\r\n\0\x7f"),
            "a\\x1b[31m\\x0d\\x0a\\x00\\x7f"
        );
        assert_eq!(text("\u{9b}31m".as_bytes()), "\\xc2\\x9b31m");
        assert_eq!(text("\u{202e}".as_bytes()), "\\xe2\\x80\\xae");
        assert_eq!(text("\u{2028}".as_bytes()), "\\xe2\\x80\\xa8");
    }

    #[test]
    fn bytes_that_are_no_utf8_and_backslashes_read_back() {
        assert_eq!(text(b"\xff\xc3"), "\\xff\\xc3");
        assert_eq!(text(b"\\x41"), "\\x5cx41");
        assert_eq!(
            Text::ascii(b"\\x\\y\xc3\xa9").as_str(),
            "\\x5cx\\y\\xc3\\xa9"
        );
    }

    #[test]
    fn what_is_cut_says_so_and_cuts_no_character() {
        assert_eq!(Text::from_bytes(b"abcdef", 3).as_str(), "abc…");
        assert_eq!(Text::from_bytes("aé".as_bytes(), 2).as_str(), "a…");
        assert_eq!(Text::from_bytes("日本".as_bytes(), 5).as_str(), "日…");
        assert_eq!(Text::from_bytes(b"abc", 3).as_str(), "abc");
    }

    /// Undoes `\xNN`.
    fn read_back(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            match tail {
                [b'x', a, b, after @ ..] if first == b'\\' => {
                    let digits = [*a, *b];
                    let digits = std::str::from_utf8(&digits).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = after;
                }
                _ => {
                    bytes.push(first);
                    rest = tail;
                }
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_read_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(read_back(&text(&bytes)), bytes.clone());
            let ascii = Text::ascii(&bytes);
            prop_assert!(ascii.as_str().bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
            prop_assert_eq!(read_back(ascii.as_str()), bytes);
        }

        #[test]
        fn nothing_steers(likely in "[\u{0}-\u{a0}\u{2000}-\u{2070}x\\\\]{0,40}", cut in 0usize..50) {
            let out = Text::from_bytes(likely.as_bytes(), cut);
            prop_assert!(!out.as_str().chars().any(steers));
        }
    }
}
