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
    // Every method in use is a word, and so is the protocol that a response begins with.
    if !text.first().is_some_and(u8::is_ascii_alphabetic) {
        return Some(false);
    }
    let reach = text.len().min(LONGEST_FIRST_LINE + 1);
    let end = memchr::memchr(b'\n', &text[..reach]);
    let line = &text[..end.unwrap_or(reach)];
    // Judged alike in a whole line and in the start of one, so that it does not matter how it is cut.
    let word = line.iter().position(|&b| b == b' ');
    let word = &line[..word.unwrap_or(line.len())];
    let method = word.len() <= LONGEST_METHOD && word.iter().all(|&b| is_token(b));
    if !method && !b"SIP/2.0".starts_with(word) {
        return Some(false);
    }
    match end {
        Some(_) => {
            let line = line.trim_ascii_end();
            Some(is_request_line(line) || is_response_line(line))
        }
        None => (text.len() > LONGEST_FIRST_LINE).then_some(false),
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
            assert_eq!(detect(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(detect(&[b'A'; 100]), Some(false));
    }

    /// Found by fuzzing `app_layer`: a method that is too long was none only where its line was cut.
    #[test]
    fn a_long_method_is_none_however_it_is_cut() {
        for (length, expected) in [(LONGEST_METHOD, true), (LONGEST_METHOD + 1, false)] {
            let line = format!("{} sip:a@b SIP/2.0\r\n", "A".repeat(length));
            let mut parts = (0..=line.len()).map(|n| &line.as_bytes()[..n]);
            assert_eq!(parts.find_map(detect), Some(expected));
            assert_eq!(detect(line.as_bytes()), Some(expected));
        }
    }
}
