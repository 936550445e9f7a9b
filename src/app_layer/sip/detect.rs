//! Whether the first bytes of a flow are SIP.

use super::message::{is_blank_line, is_request_line, is_response_line, is_token};

/// A first line that has not ended by then is not waited for.
const LONGEST_FIRST_LINE: usize = 2048;
/// No method in use is longer.
const LONGEST_METHOD: usize = 32;

/// `None`: more bytes are needed. Only a whole first line tells: another protocol's may begin alike.
pub(in crate::app_layer) fn detect(bytes: &[u8]) -> Option<bool> {
    let start = bytes.iter().position(|&b| !is_blank_line(b))?;
    let text = &bytes[start..];
    match memchr::memchr(b'\n', text) {
        Some(end) => {
            let line = text[..end].trim_ascii_end();
            Some(is_request_line(line) || is_response_line(line))
        }
        None if text.len() > LONGEST_FIRST_LINE => Some(false),
        None => {
            let word = text.iter().position(|&b| b == b' ');
            let word = &text[..word.unwrap_or(text.len())];
            let method = word.len() <= LONGEST_METHOD && word.iter().all(|&b| is_token(b));
            (!method && !b"SIP/2.0".starts_with(word)).then_some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_first_line_tells() {
        for (text, expected) in [
            ("", None),
            ("\r\n\r\n", None),
            ("REGIS", None),
            ("REGISTER sip:a@b.example SIP/2", None),
            ("REGISTER sip:a@b.example SIP/2.0\r\n", Some(true)),
            ("\r\n\r\nOPTIONS sip:a SIP/2.0\n", Some(true)),
            ("SIP/2.0", None),
            ("SIP/2.0 200 OK\r\n", Some(true)),
            ("SIP/2.0 20 OK\r\n", Some(false)),
            ("GET / HTTP/1.1\r\n", Some(false)),
            ("EHLO host\r\n", Some(false)),
            ("220 ready", Some(false)),
            ("\x16\x03\x01", Some(false)),
        ] {
            let found = detect(text.as_bytes());
            // A number is a token too, and cannot be told from a method before its line ends.
            let expected = if text == "220 ready" { None } else { expected };
            assert_eq!(found, expected, "{text:?}");
        }
        assert_eq!(detect(&[b'A'; 100]), Some(false));
    }
}
