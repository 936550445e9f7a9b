use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const TEXT: u8 = 1;

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let marked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(marked | short as u8),
        long @ ..65_536 => {
            bytes.push(marked | 126);
            bytes.write_all(&(long as u16).to_be_bytes()).unwrap();
        }
        long => {
            bytes.push(marked | 127);
            bytes.write_all(&(long as u64).to_be_bytes()).unwrap();
        }
    }
    bytes.extend(mask.into_iter().flatten());
    let key = mask.unwrap_or_default();
    bytes.extend(payload.iter().enumerate().map(|(at, b)| b ^ key[at % 4]));
    bytes
}

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize, limits: &Limits) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, limits);
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn payload(tx: &Transaction, direction: Direction) -> Option<&[u8]> {
    tx.field(Buffer::WebSocketPayload, direction).map(|f| f.0)
}

fn payloads(parser: &Parser, direction: Direction) -> Vec<Vec<u8>> {
    let all = parser.messages().all().iter();
    all.map(|tx| payload(tx, direction).unwrap_or_default().to_vec())
        .collect()
}

fn events(parser: &Parser) -> Vec<Event> {
    let own = |event: &app_layer::Event| match event {
        app_layer::Event::WebSocket(event) => *event,
        _ => panic!("an event of another protocol"),
    };
    let all = parser.messages().all().iter();
    all.flat_map(|tx| tx.events().iter().map(own)).collect()
}

fn read(bytes: &[u8], step: usize) -> Parser {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, bytes, step, &Limits::default());
    parser
}

/// As a sender that keeps its window does.
fn compress(compressor: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    compressor
        .compress_vec(text, &mut out, FlushCompress::Sync)
        .unwrap();
    out.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap().to_vec()
}

#[test]
fn frames_are_read_and_unmasked_however_they_are_cut() {
    let long = vec![b'x'; 300];
    let bytes = [
        frame(FIN | TEXT, Some([1, 2, 3, 4]), b"version,"),
        frame(FIN | 2, None, &long),
        frame(FIN | 9, Some([0; 4]), b""),
    ]
    .concat();
    for step in [1, 2, 3, 5, 1000] {
        let parser = read(&bytes, step);
        assert_eq!(payloads(&parser, ToServer), [&b"version,"[..], &long, b""]);
        let first = &parser.messages().all()[0];
        let number = |n| first.numbers(n, ToServer).next();
        assert_eq!(number(Number::WebSocketMask), Some(0x0102_0304));
        assert_eq!(number(Number::WebSocketOpcode), Some(1));
        assert_eq!(number(Number::WebSocketFlags), Some(0x80));
        let second = &parser.messages().all()[1];
        assert_eq!(second.numbers(Number::WebSocketMask, ToServer).next(), None);
        assert!(first.is_complete(ToServer) && events(&parser).is_empty());
    }
}

#[test]
fn the_last_frame_of_a_message_shows_all_of_it() {
    let mask = Some([9, 8, 7, 6]);
    let bytes = [
        frame(TEXT, mask, b"an at"),
        frame(FIN | 9, mask, b"ping"),
        frame(0, mask, b"ta"),
        frame(FIN, mask, b"ck"),
        frame(FIN | TEXT, mask, b"next"),
    ]
    .concat();
    for step in [1, 4, 1000] {
        let parser = read(&bytes, step);
        let expected = [&b"an at"[..], b"ping", b"ta", b"an attack", b"next"];
        assert_eq!(payloads(&parser, ToServer), expected, "{step}");
    }
}

#[test]
fn compressed_messages_are_shown_without_compression() {
    let mut compressor = Compress::new(Compression::default(), false);
    let first = compress(&mut compressor, b"an attack, an attack");
    // It refers to the first one.
    let second = compress(&mut compressor, b"an attack, an attack");
    let (head, tail) = second.split_at(2);
    let bytes = [
        frame(FIN | RSV1 | TEXT, Some([1; 4]), &first),
        frame(RSV1 | TEXT, None, head),
        frame(FIN, None, tail),
        frame(FIN | TEXT, None, b"plain"),
    ]
    .concat();
    for step in [1, 3, 1000] {
        let parser = read(&bytes, step);
        let expected = [
            &b"an attack, an attack"[..],
            b"",
            b"an attack, an attack",
            b"plain",
        ];
        assert_eq!(payloads(&parser, ToServer), expected, "{step}");
        assert!(events(&parser).is_empty());
    }
    let parser = read(&frame(FIN | RSV1 | TEXT, None, &[0xff; 9]), 1);
    assert_eq!(events(&parser), [Event::InvalidData]);
    assert!(payloads(&parser, ToServer)[0].ends_with(&[0xff; 9]));
}

#[test]
fn payloads_are_bounded() {
    let limits = Limits {
        websocket_payload_bytes: 10,
        ..Limits::default()
    };
    let read = |bytes: &[u8]| {
        let mut parser = Parser::default();
        feed(&mut parser, ToClient, bytes, 7, &limits);
        parser
    };
    let long = read(&frame(FIN | TEXT, None, &[b'x'; 70_000]));
    assert_eq!(payloads(&long, ToClient), [[b'x'; 10]]);
    assert_eq!(events(&long), [Event::SkipEndOfPayload]);
    assert_eq!(long.beyond_limit(ToClient), 69_990);
    let pieces = read(
        &[
            frame(TEXT, None, b"0123456"),
            frame(0, None, b"789abc"),
            frame(FIN, None, b"def"),
        ]
        .concat(),
    );
    assert_eq!(payloads(&pieces, ToClient)[2], b"0123456789");
    assert_eq!(
        events(&pieces),
        [Event::ReassemblyLimitReached, Event::SkipEndOfPayload]
    );
    let mut compressor = Compress::new(Compression::best(), false);
    let bomb = compress(&mut compressor, &[0; 5000]);
    let limits = Limits {
        websocket_payload_bytes: 100,
        ..Limits::default()
    };
    let mut parser = Parser::default();
    let bytes = frame(FIN | RSV1 | TEXT, None, &bomb);
    feed(&mut parser, ToClient, &bytes, 7, &limits);
    assert_eq!(payloads(&parser, ToClient), [[0; 100]]);
    assert_eq!(events(&parser), [Event::ReassemblyLimitReached]);
}

#[test]
fn a_gap_within_a_payload_keeps_the_frames_apart() {
    let mut parser = Parser::default();
    let limits = Limits::default();
    let bytes = frame(FIN | TEXT, Some([1, 2, 3, 4]), b"0123456789");
    feed(&mut parser, ToServer, &bytes[..8], 100, &limits);
    parser.gap(ToServer, 3);
    feed(&mut parser, ToServer, &bytes[11..], 100, &limits);
    assert_eq!(payloads(&parser, ToServer), [b"0156789"]);
    parser.gap(ToServer, 1);
    assert!(parser.failed(ToServer));
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        frames in prop::collection::vec((any::<u8>(), any::<Option<[u8; 4]>>(), prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        rest in prop::collection::vec(any::<u8>(), 0..20),
        step in 1..30_usize,
    ) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(first, mask, p)| frame(*first, *mask, p)).collect();
        bytes.extend_from_slice(&rest);
        let limits = Limits { websocket_payload_bytes: 100, ..Limits::default() };
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &bytes, step, &limits);
            (payloads(&parser, ToServer), events(&parser), parser.beyond_limit(ToServer))
        };
        prop_assert_eq!(read(step), read(bytes.len().max(1)));
    }
}
