//! Message bodies: what is kept of them for inspection, decoded.

use super::Event;
use super::side::Side;
use crate::app_layer::Limits;
use crate::app_layer::content::{Decoder, Stop};
use crate::direction::Direction;
use crate::reuse::{List, Place};

/// Events that a piece of a body can raise.
pub(super) type Events = [Option<Event>; 2];

impl Side {
    /// Takes body bytes; what lies beyond the limit is counted in `beyond`, not kept.
    /// Without a decoder that is the same work however many bytes lie beyond.
    pub(super) fn push_body(
        &mut self,
        bytes: &[u8],
        decoder: &mut Place<Decoder>,
        direction: Direction,
        limits: &Limits,
        beyond: &mut u64,
    ) -> Events {
        let limit = limits.body_bytes(direction);
        self.body_wire_bytes += bytes.len() as u64;
        if self.body_full {
            if !self.sent_counts || self.sent_full {
                *beyond += bytes.len() as u64;
            }
            return [None; 2];
        }
        let before = self.body.len();
        let events = match decoder.get_mut() {
            None => {
                self.keep(bytes, limit, beyond);
                [None; 2]
            }
            Some(active) => {
                let body = &mut self.body;
                let result = active.push(bytes, limits, &mut |made| fill(body, made, limit));
                self.after_decoding(result, decoder, limits)
            }
        };
        if self.body.len() != before || self.body_full {
            self.look_for_files(false);
            self.touch();
        }
        events
    }

    /// The body has ended. A compressed one that is cut short is looked at as sent, too.
    pub(super) fn end_body(
        &mut self,
        decoder: &mut Place<Decoder>,
        direction: Direction,
        limits: &Limits,
    ) -> Events {
        let limit = limits.body_bytes(direction);
        let mut events = [None; 2];
        if let Some(active) = decoder.get_mut() {
            let body = &mut self.body;
            let result = active.finish(limits, &mut |made| fill(body, made, limit));
            // Not by what is kept as sent: of a message kept whole that is added behind each step.
            let cut = result.is_ok() && !active.is_whole() && self.body_wire_bytes > 0;
            events = self.after_decoding(result, decoder, limits);
            if cut {
                self.count_sent();
                events[1] = Some(Event::GzipDecompressionFailed);
            }
        }
        decoder.free();
        if !self.sent_counts {
            self.sent.free();
        }
        self.look_for_files(true);
        events
    }

    /// Keeps the body as sent, so that it is there if it comes to count.
    pub(super) fn keep_sent(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.sent.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        if !kept.is_empty() {
            self.sent.extend_from_slice(kept);
            if self.sent_counts {
                self.touch();
            }
        }
        self.sent_full = self.sent.len() >= limit;
    }

    /// Receivers may take the body as sent.
    pub(super) fn count_sent(&mut self) {
        if !self.sent_counts {
            self.sent_counts = true;
            self.touch();
        }
    }

    fn after_decoding(
        &mut self,
        result: Result<(), Stop>,
        decoder: &mut Place<Decoder>,
        limits: &Limits,
    ) -> Events {
        let Some(active) = decoder.get() else {
            return [None; 2];
        };
        let mislabelled = active.is_mislabelled();
        if mislabelled {
            self.count_sent();
        }
        let failure = result.err().and_then(|stop| match stop {
            Stop::Broken => Some(Event::GzipDecompressionFailed),
            Stop::Bomb => Some(Event::CompressionBomb),
            Stop::Full => {
                (active.ratio() > limits.decompression_ratio).then_some(Event::CompressionBomb)
            }
        });
        if let Err(stop) = result {
            // What comes behind a fault is looked at as sent.
            if stop == Stop::Broken {
                self.count_sent();
            }
            self.body_full = true;
            decoder.free();
        }
        [mislabelled.then_some(Event::AbnormalCeHeader), failure]
    }

    fn keep(&mut self, bytes: &[u8], limit: usize, beyond: &mut u64) {
        let room = limit.saturating_sub(self.body.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.body.reserve_within(kept.len(), limit);
        self.body.extend_from_slice(kept);
        *beyond += (bytes.len() - kept.len()) as u64;
        self.body_full = self.body.len() >= limit;
    }
}

/// Adds what fits; an error once the limit is reached.
fn fill(body: &mut List<u8>, made: &[u8], limit: usize) -> Result<(), Stop> {
    let room = limit.saturating_sub(body.len());
    let kept = made.get(..room).unwrap_or(made);
    body.reserve_within(kept.len(), limit);
    body.extend_from_slice(kept);
    if made.len() >= room {
        Err(Stop::Full)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::content::{Fault, codings, tests};
    use tests::{br, gzip, zlib, zstd};

    /// The body, as sent if that counts, events, and bytes beyond the limit.
    fn run_body(encoding: &str, wire: &[u8], step: usize, limits: &Limits) -> Outcome {
        let mut side = Side::default();
        let codings = codings(encoding.as_bytes(), limits.decompression_layers);
        let mut events: Vec<_> = codings.fault.into_iter().map(told).collect();
        let mut decoder = Place::from(Decoder::new(&codings));
        let direction = Direction::ToServer;
        let mut beyond = 0;
        let coded = !decoder.is_empty();
        for part in wire.chunks(step) {
            if coded {
                side.keep_sent(part, limits.request_body_bytes);
            }
            let raised = side.push_body(part, &mut decoder, direction, limits, &mut beyond);
            events.extend(raised.into_iter().flatten());
        }
        let raised = side.end_body(&mut decoder, direction, limits);
        events.extend(raised.into_iter().flatten());
        events.dedup();
        Outcome {
            body: side.body.to_vec(),
            sent: side.sent_counts.then(|| side.sent.to_vec()),
            events,
            beyond,
        }
    }

    struct Outcome {
        body: Vec<u8>,
        sent: Option<Vec<u8>>,
        events: Vec<Event>,
        beyond: u64,
    }

    fn told(fault: Fault) -> Event {
        match fault {
            Fault::Abnormal => Event::AbnormalCeHeader,
            Fault::TooMany => Event::TooManyEncodingLayers,
        }
    }

    #[test]
    fn codings_are_undone_or_told() {
        let limits = Limits::default();
        let mut broken = gzip(b"some text that is long enough");
        broken[10] = 0xff;
        let cut = gzip(b"body")[..12].to_vec();
        type Case<'a> = (&'a str, Vec<u8>, Option<&'a [u8]>, &'a [Event]);
        let cases: Vec<Case<'_>> = vec![
            ("gzip", gzip(b"body"), Some(b"body"), &[]),
            ("GZIP", gzip(b"body"), Some(b"body"), &[]),
            ("gzip, identity", gzip(b"body"), Some(b"body"), &[]),
            ("gzip, gzip", gzip(&gzip(b"body")), Some(b"body"), &[]),
            ("deflate, gzip", gzip(&zlib(b"body")), Some(b"body"), &[]),
            (
                "gzip,",
                gzip(b"body"),
                Some(b"body"),
                &[Event::AbnormalCeHeader],
            ),
            (
                "deflate",
                gzip(b"body"),
                Some(b"body"),
                &[Event::AbnormalCeHeader],
            ),
            ("br", br(b"body"), Some(b"body"), &[]),
            ("zstd, gzip", gzip(&zstd(b"body")), Some(b"body"), &[]),
            (
                "br",
                b"body".to_vec(),
                Some(b"body"),
                &[Event::AbnormalCeHeader],
            ),
            (
                "gzip",
                b"plain".to_vec(),
                Some(b"plain"),
                &[Event::AbnormalCeHeader],
            ),
            (
                "gzip, gzip",
                gzip(b"body"),
                Some(b"body"),
                &[Event::AbnormalCeHeader],
            ),
            (
                "other",
                b"plain".to_vec(),
                Some(b"plain"),
                &[Event::AbnormalCeHeader],
            ),
            ("gzip", broken, None, &[Event::GzipDecompressionFailed]),
            ("gzip", cut, None, &[Event::GzipDecompressionFailed]),
            (
                "gzip,gzip,gzip,gzip,gzip",
                gzip(&gzip(&gzip(&gzip(b"body")))),
                Some(b"body"),
                &[Event::TooManyEncodingLayers],
            ),
        ];
        for (encoding, wire, expected, events) in cases {
            for step in [1, 3, wire.len()] {
                let got = run_body(encoding, &wire, step, &limits);
                assert_eq!(got.events, events, "{encoding} by {step}");
                match expected {
                    Some(text) => assert_eq!(got.body, text, "{encoding} by {step}"),
                    // What cannot be decoded is there as sent.
                    None => assert_eq!(got.sent, Some(wire.clone()), "{encoding} by {step}"),
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_bounded_and_told() {
        let limits = Limits::default();
        let got = run_body("gzip", &gzip(&vec![0; 5_000_000]), 1000, &limits);
        assert_eq!(got.body.len(), limits.request_body_bytes);
        assert_eq!(got.events, [Event::CompressionBomb]);
        let nested = gzip(&gzip(&vec![0; 50_000_000]));
        let got = run_body("gzip, gzip", &nested, nested.len(), &limits);
        assert!(got.body.len() <= limits.request_body_bytes);
        assert_eq!(got.events, [Event::CompressionBomb]);
    }

    #[test]
    fn beyond_the_limit_is_counted() {
        let limits = Limits {
            request_body_bytes: 10,
            ..Limits::default()
        };
        let got = run_body("identity", b"0123456789abcdef", 4, &limits);
        assert_eq!((&got.body[..], got.beyond), (&b"0123456789"[..], 6));
        assert_eq!(got.events, []);
    }
}
