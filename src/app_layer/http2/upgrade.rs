//! HTTP/2 behind `Upgrade: h2c` (RFC 7540 section 3.2).

use super::Event;
use super::control::settings;
use super::parser::Parser;
use crate::app_layer::Limits;
use crate::app_layer::http1::{self, FieldList};
use crate::direction::Direction;
use crate::number::Number;

/// Bytes of HTTP2-Settings that are read; known settings take less.
const SETTINGS_BYTES: usize = 1024;

impl Parser {
    /// Begins behind a request of HTTP/1, which is stream 1 from here on; the response comes on it.
    pub(in crate::app_layer) fn behind(
        request: Option<&http1::Transaction>,
        first_id: u64,
        limits: &Limits,
    ) -> Self {
        let mut parser = Self::default();
        parser.streams.start_at(first_id);
        let direction = Direction::ToServer;
        let header = request.and_then(|tx| tx.header_value(direction, b"http2-settings"));
        let payload = header.and_then(decode);
        if let Some(tx) = parser.streams.single(0, limits) {
            match payload {
                Some(payload) => {
                    for (id, value) in settings(&payload) {
                        let value = u64::from(id) << 32 | u64::from(value);
                        tx.put_number(Number::Http2Settings, direction, value);
                    }
                }
                None => tx.raise(direction, Event::InvalidHttp1Settings),
            }
        }
        if let Some(request) = request {
            parser.answer_on_stream_1(request, limits);
        }
        parser.keeps_touched = true;
        parser
    }

    fn answer_on_stream_1(&mut self, request: &http1::Transaction, limits: &Limits) {
        let direction = Direction::ToServer;
        let mut fields = FieldList::default();
        for (name, value) in [
            (&b":method"[..], request.method()),
            (b":path", request.uri_raw()),
            (b":authority", request.host_raw()),
        ] {
            if let Some(value) = value {
                fields.push(name, value);
            }
        }
        for (name, value) in request.headers(direction) {
            fields.push(&name.to_ascii_lowercase(), value);
        }
        self.streams.request(1, &fields, limits);
    }
}

/// Settings in base64url without padding (RFC 4648 section 5).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let text = text.get(..text.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1))?;
    if text.len() > SETTINGS_BYTES {
        return None;
    }
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for &byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' | b'+' => 62,
            b'_' | b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    out.len().is_multiple_of(6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_an_upgrade_are_read() {
        // MAX_CONCURRENT_STREAMS 100, INITIAL_WINDOW_SIZE 65535.
        let text = b"AAMAAABkAAQAAP__";
        let read: Vec<_> = settings(&decode(text).unwrap()).collect();
        assert_eq!(read, [(3, 100), (4, 65_535)]);
        for wrong in [&b"AAMAAABkAAQ"[..], b"!!!!", &[b'A'; 2000]] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
