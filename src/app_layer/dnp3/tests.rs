use proptest::prelude::*;

use super::frame::checksum;
use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

/// A frame of unconfirmed user data between stations 10 and 1.
fn frame(data: &[u8]) -> Vec<u8> {
    let mut all = vec![0x05, 0x64, data.len() as u8 + 5, 0xc4, 10, 0, 1, 0];
    all.extend(checksum(&all).to_le_bytes());
    for block in data.chunks(16) {
        all.extend(block);
        all.extend(checksum(block).to_le_bytes());
    }
    all
}

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn events(parser: &Parser) -> Vec<&'static str> {
    let all = parser.messages().all().iter();
    all.flat_map(Transaction::events)
        .map(|event| event.as_str())
        .collect()
}

fn numbers(tx: &Transaction, number: Number, direction: Direction) -> Vec<u64> {
    tx.numbers(number, direction).collect()
}

#[test]
fn requests_and_responses_are_read_in_any_segmentation() {
    let request = frame(b"\xc0\xc0\x01\x3c\x02\x06\x3c\x03\x06\x3c\x04\x06\x3c\x01\x06");
    let response = frame(b"\xc0\xc0\x81\x82\x00\x02\x01\x28\x01\x00\x00\x00\x01");
    for step in [1, 7, 1000] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &request, step);
        feed(&mut parser, ToClient, &response, step);
        let [asked, answered] = parser.messages().all() else {
            panic!("{:?}", parser.messages());
        };
        assert!(asked.is_complete(ToServer) && asked.is_complete(ToClient));
        assert_eq!(numbers(asked, Number::Dnp3Function, ToServer), [1]);
        let objects = numbers(asked, Number::Dnp3Object, ToServer);
        assert_eq!(
            objects,
            [60 << 8 | 2, 60 << 8 | 3, 60 << 8 | 4, 60 << 8 | 1]
        );
        let (data, _) = asked.field(Buffer::Dnp3Data, ToServer).unwrap();
        assert_eq!(
            data,
            b"\xc0\x01\x3c\x02\x06\x3c\x03\x06\x3c\x04\x06\x3c\x01\x06"
        );
        assert_eq!(numbers(answered, Number::Dnp3Function, ToClient), [0x81]);
        assert_eq!(
            numbers(answered, Number::Dnp3Indications, ToClient),
            [0x8200]
        );
        assert_eq!(
            numbers(answered, Number::Dnp3Object, ToClient),
            [2 << 8 | 1]
        );
        assert_eq!(events(&parser), [""; 0]);
    }
}

#[test]
fn a_message_in_several_frames_is_one() {
    let mut parser = Parser::default();
    feed(
        &mut parser,
        ToServer,
        &frame(b"\x40\xc0\x02\x6e\x05\x00\x00"),
        9,
    );
    assert!(parser.messages().all().is_empty());
    // A link status request between them is none of it.
    let mut status = vec![0x05, 0x64, 5, 0xc9, 10, 0, 1, 0];
    status.extend(checksum(&status).to_le_bytes());
    feed(&mut parser, ToServer, &status, 9);
    feed(&mut parser, ToServer, &frame(b"\x81\x00hello"), 9);
    let tx = &parser.messages().all()[0];
    let (data, _) = tx.field(Buffer::Dnp3Data, ToServer).unwrap();
    assert_eq!(data, b"\xc0\x02\x6e\x05\x00\x00\x00hello");
    assert_eq!(events(&parser), [""; 0]);
}

#[test]
fn what_is_wrong_is_an_event() {
    let good = frame(b"\xc0\xc0\x01\x3c\x02\x06");
    let spoilt = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut short = vec![0x05, 0x64, 4, 0xc4, 10, 0, 1, 0];
    short.extend(checksum(&short).to_le_bytes());
    for (bytes, expected) in [
        (spoilt(4), "bad_link_crc"),
        (spoilt(12), "bad_transport_crc"),
        (short, "len_too_small"),
        (frame(b""), "len_too_small"),
        (b"no frame at all".to_vec(), "malformed"),
        (frame(b"\x81\xc0\x01"), "malformed"),
        (frame(b"\xc0\xc0"), "malformed"),
        (frame(b"\xc0\xc0\x81\x00"), "malformed"),
        (frame(b"\xc0\xc0\x02\xc8\x01\x07\x01x"), "unknown_object"),
        (
            frame(b"\xc0\xc0\x01\x1e\x00\x08\xff\xff"),
            "too_many_points",
        ),
    ] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &bytes, 100);
        // The next frame is found all the same.
        feed(&mut parser, ToServer, &good, 100);
        assert_eq!(events(&parser), [expected], "{bytes:?}");
        let last = parser.messages().all().last().unwrap();
        assert_eq!(numbers(last, Number::Dnp3Function, ToServer), [1]);
    }
}

#[test]
fn unanswered_requests_and_long_messages_are_told() {
    let limits = Limits {
        dnp3_requests: 3,
        dnp3_message_bytes: 8,
        ..Limits::default()
    };
    let read = frame(b"\xc0\xc0\x01\x3c\x02\x06");
    let mut parser = Parser::default();
    for _ in 0..10 {
        parser.data(ToServer, &read, &limits);
    }
    assert_eq!(events(&parser), ["flooded"]);
    parser.data(ToClient, &frame(b"\xc0\xc0\x81\x00\x00"), &limits);
    parser.data(ToServer, &frame(b"\xc0123456789"), &limits);
    assert_eq!(events(&parser), ["flooded", "too_long_reassembly"]);
    assert_eq!(parser.beyond_limit(ToServer), 9);
}

#[test]
fn object_headers_are_bounded() {
    let mut parser = Parser::default();
    let headers = b"\x3c\x02\x06".repeat(3000);
    let message = [b"\xc0\x01", &headers[..]].concat();
    for (number, piece) in message.chunks(249).enumerate() {
        let mut data = vec![number as u8 & 0x3f];
        data[0] |= if number == 0 { 0x40 } else { 0 };
        data[0] |= if (number + 1) * 249 >= message.len() {
            0x80
        } else {
            0
        };
        data.extend(piece);
        feed(&mut parser, ToServer, &frame(&data), 1000);
    }
    assert_eq!(events(&parser), ["too_many_objects"]);
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        noise in prop::collection::vec(any::<u8>(), 0..60),
        at in 0..60_usize,
        step in 1_usize..30,
    ) {
        let mut stream = [
            frame(b"\xc0\xc0\x01\x3c\x02\x06"),
            frame(b"\x40\xc0\x02\x6e\x05\x00\x00"),
            frame(b"\x81\x00hello"),
        ]
        .concat();
        let at = at.min(stream.len());
        stream.splice(at..at, noise);
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &stream, step);
            let all = parser.messages().all().iter();
            all.map(|tx| {
                let data = tx.field(Buffer::Dnp3Data, ToServer);
                (data.map(|(bytes, _)| bytes.to_vec()), tx.events().to_vec())
            })
            .collect::<Vec<(Option<Vec<u8>>, Vec<app_layer::Event>)>>()
        };
        prop_assert_eq!(read(step), read(stream.len()));
    }
}
