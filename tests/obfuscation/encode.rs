//! Ways of writing a text.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

pub fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

/// Only what may not stand in a target as it is (RFC 3986 section 2.2), and what separates fields.
pub fn percent_reserved(text: &str) -> String {
    let written = |b: u8| match b {
        b' ' | b'"' | b'#' | b'&' | b'+' | b'<' | b'>' | 0..=0x1f | 0x7f.. => format!("%{b:02x}"),
        b => char::from(b).to_string(),
    };
    text.bytes().map(written).collect()
}

pub fn json(text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    text[1..text.len() - 1].to_owned()
}

pub fn unicode_escapes(text: &str) -> String {
    text.encode_utf16().map(|u| format!("\\u{u:04x}")).collect()
}

pub fn references(text: &str) -> String {
    text.chars().map(|c| format!("&#{};", c as u32)).collect()
}

pub fn hex_references(text: &str) -> String {
    text.chars()
        .map(|c| format!("&#x{:x};", c as u32))
        .collect()
}

/// RFC 2152, a character at a time.
pub fn utf7(text: &str) -> String {
    let written = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '/' | ':' | '.' | '?' | '-' => c.to_string(),
        c => {
            let digits = base64(&(c as u16).to_be_bytes());
            format!("+{}-", digits.trim_end_matches('='))
        }
    };
    text.chars().map(written).collect()
}

pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

pub fn base64_url(bytes: &[u8]) -> String {
    let text = base64(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}

/// In lines of 64 digits.
pub fn base64_lines(bytes: &[u8], line_break: &str) -> String {
    let digits = base64(bytes).into_bytes();
    let lines = digits
        .chunks(64)
        .map(|l| String::from_utf8_lossy(l).into_owned());
    lines.collect::<Vec<_>>().join(line_break)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
