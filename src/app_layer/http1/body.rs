//! Message bodies: what is kept of them for inspection, decoded.

use super::Event;
use super::inflate::{Broken, Coding, Layer};
use super::side::Side;
use crate::app_layer::Limits;

/// Undoes the content codings of one body.
#[derive(Debug)]
pub(in crate::app_layer) struct Decoder {
    /// In the order they are undone: the last one named first.
    layers: Vec<Layer>,
    /// The body as sent, as far as it fits the body limit: looked at if decoding fails.
    wire: Vec<u8>,
    written: u64,
}

/// Size of the window between two layers.
const WINDOW: usize = 4096;

/// Why decoding stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Broken,
    Bomb,
    /// The body has reached its limit.
    Full,
}

/// What zlib-rs allocates to inflate: a window of 32 KiB, and tables.
const INFLATE_BYTES: usize = 48 * 1024;

impl Decoder {
    /// Bytes that it takes, itself included.
    pub(in crate::app_layer) fn held_bytes(&self) -> usize {
        let layer = size_of::<Layer>() + INFLATE_BYTES + WINDOW;
        size_of::<Self>() + self.layers.len() * layer + self.wire.capacity()
    }

    /// Reads Content-Encoding; the events tell what of it is not undone.
    pub(super) fn new(encoding: &[u8], limits: &Limits) -> (Option<Self>, Option<Event>) {
        let mut codings = Vec::new();
        let mut event = None;
        for name in encoding.split(|&b| b == b',') {
            let name = name.trim_ascii();
            if name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            match Coding::from_name(name) {
                Some(_) if codings.len() >= limits.decompression_layers => {
                    event = Some(Event::TooManyEncodingLayers);
                    break;
                }
                Some(coding) => codings.push(coding),
                // Without knowing what this one is, those below it cannot be undone.
                None => {
                    event = Some(Event::AbnormalCeHeader);
                    if !name.is_empty() {
                        codings.clear();
                    }
                }
            }
        }
        if codings.is_empty() {
            return (None, event);
        }
        let decoder = Self {
            layers: codings.into_iter().rev().map(Layer::new).collect(),
            wire: Vec::new(),
            written: 0,
        };
        (Some(decoder), event)
    }

    /// Decodes into the body. `Some`: decoding has ended, with an event if something was wrong.
    fn push(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        limit: usize,
        limits: &Limits,
    ) -> Option<Stop> {
        let room = limit.saturating_sub(self.wire.len());
        self.wire
            .extend_from_slice(input.get(..room).unwrap_or(input));
        let written = &mut self.written;
        let mut sink = |bytes: &[u8]| {
            let room = limit.saturating_sub(body.len());
            body.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            if bytes.len() >= room {
                Err(Stop::Full)
            } else {
                Ok(())
            }
        };
        let result = run(
            &mut self.layers,
            input,
            written,
            limits.decompressed_bytes,
            &mut sink,
        );
        result.err()
    }

    /// Bytes out of all layers for one byte in.
    fn ratio(&self) -> u64 {
        let read = self.layers.first().map_or(0, Layer::bytes_read);
        self.written / read.max(1)
    }
}

/// Runs input through the first layer and its output through the rest.
fn run(
    layers: &mut [Layer],
    input: &[u8],
    written: &mut u64,
    bound: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let Some((layer, rest)) = layers.split_first_mut() else {
        return sink(input);
    };
    let mut window = [0; WINDOW];
    let mut input = input;
    loop {
        let (read, made) = layer
            .decode(input, &mut window)
            .map_err(|Broken| Stop::Broken)?;
        *written += made as u64;
        if *written > bound {
            return Err(Stop::Bomb);
        }
        if made > 0 {
            let output = window.get(..made).unwrap_or_default();
            run(rest, output, written, bound, sink)?;
        }
        input = input.get(read..).unwrap_or_default();
        if read == 0 && made == 0 {
            return Ok(());
        }
    }
}

impl Side {
    /// Takes body bytes; what lies beyond the limit is counted in `beyond`, not kept.
    /// Without a decoder that is the same work however many bytes lie beyond.
    pub(super) fn push_body(
        &mut self,
        bytes: &[u8],
        decoder: &mut Option<Box<Decoder>>,
        limit: usize,
        limits: &Limits,
        beyond: &mut u64,
    ) -> [Option<Event>; 2] {
        self.body_wire_bytes += bytes.len() as u64;
        if self.body_full {
            *beyond += bytes.len() as u64;
            return [None; 2];
        }
        let before = self.body.len();
        let events = match decoder.as_mut() {
            None => {
                self.keep(bytes, limit, beyond);
                [None; 2]
            }
            Some(active) => {
                let stop = active.push(bytes, &mut self.body, limit, limits);
                let mislabelled = active.layers.iter().any(|l| l.mislabelled);
                let failure = stop.and_then(|stop| self.stop(active, stop, limit, limits, beyond));
                if stop.is_some() {
                    *decoder = None;
                }
                [mislabelled.then_some(Event::AbnormalCeHeader), failure]
            }
        };
        if self.body.len() != before || self.body_full {
            self.touch();
        }
        events
    }

    fn stop(
        &mut self,
        decoder: &Decoder,
        why: Stop,
        limit: usize,
        limits: &Limits,
        beyond: &mut u64,
    ) -> Option<Event> {
        let bomb = match why {
            Stop::Broken => {
                self.keep(&decoder.wire, limit, beyond);
                return Some(Event::GzipDecompressionFailed);
            }
            Stop::Bomb => true,
            Stop::Full => decoder.ratio() > limits.decompression_ratio,
        };
        self.body_full = true;
        bomb.then_some(Event::CompressionBomb)
    }

    fn keep(&mut self, bytes: &[u8], limit: usize, beyond: &mut u64) {
        let room = limit.saturating_sub(self.body.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.body.extend_from_slice(kept);
        *beyond += (bytes.len() - kept.len()) as u64;
        self.body_full = self.body.len() >= limit;
    }

    /// The body has ended. A compressed one that is cut short is kept as sent, too.
    pub(super) fn end_body(
        &mut self,
        decoder: &mut Option<Box<Decoder>>,
        limit: usize,
        beyond: &mut u64,
    ) -> Option<Event> {
        let active = decoder.take()?;
        let whole = active.wire.is_empty() || active.layers.iter().all(Layer::is_whole);
        if whole {
            return None;
        }
        self.keep(&active.wire, limit, beyond);
        Some(Event::GzipDecompressionFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::inflate::tests::{gzip, zlib};
    use super::*;

    fn run_body(
        encoding: &str,
        wire: &[u8],
        step: usize,
        limits: &Limits,
    ) -> (Vec<u8>, Vec<Event>, u64) {
        let mut side = Side::default();
        let (decoder, event) = Decoder::new(encoding.as_bytes(), limits);
        let mut decoder = decoder.map(Box::new);
        let mut events: Vec<_> = event.into_iter().collect();
        let mut beyond = 0;
        for part in wire.chunks(step) {
            let raised = side.push_body(
                part,
                &mut decoder,
                limits.request_body_bytes,
                limits,
                &mut beyond,
            );
            events.extend(raised.into_iter().flatten());
        }
        events.extend(side.end_body(&mut decoder, limits.request_body_bytes, &mut beyond));
        events.dedup();
        (side.body, events, beyond)
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
                &[Event::GzipDecompressionFailed],
            ),
            ("gzip", broken, None, &[Event::GzipDecompressionFailed]),
            ("gzip", cut, None, &[Event::GzipDecompressionFailed]),
            (
                "gzip,gzip,gzip",
                gzip(&gzip(b"body")),
                Some(b"body"),
                &[Event::TooManyEncodingLayers],
            ),
        ];
        for (encoding, wire, expected, events) in cases {
            for step in [1, 3, wire.len()] {
                let (body, got, _) = run_body(encoding, &wire, step, &limits);
                assert_eq!(got, events, "{encoding} by {step}");
                match expected {
                    Some(text) => assert_eq!(body, text, "{encoding} by {step}"),
                    // What cannot be decoded is there as sent.
                    None => assert!(body.ends_with(&wire), "{encoding} by {step}"),
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_bounded_and_told() {
        let limits = Limits::default();
        let (body, events, _) = run_body("gzip", &gzip(&vec![0; 5_000_000]), 1000, &limits);
        assert_eq!(body.len(), limits.request_body_bytes);
        assert_eq!(events, [Event::CompressionBomb]);
        let nested = gzip(&gzip(&vec![0; 50_000_000]));
        let (body, events, _) = run_body("gzip, gzip", &nested, nested.len(), &limits);
        assert!(body.len() <= limits.request_body_bytes);
        assert_eq!(events, [Event::CompressionBomb]);
    }

    #[test]
    fn beyond_the_limit_is_counted() {
        let limits = Limits {
            request_body_bytes: 10,
            ..Limits::default()
        };
        let (body, events, beyond) = run_body("", b"0123456789abcdef", 4, &limits);
        assert_eq!((&body[..], beyond), (&b"0123456789"[..], 6));
        assert_eq!(events, [Event::AbnormalCeHeader]);
    }
}
