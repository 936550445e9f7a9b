use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

const CONNECT: &[u8] = b"\x10\x17\x00\x04MQTT\x05\xc2\x00\x3c\x00\x00\x02id\x00\x02me\x00\x02pw";
const CONNACK: &[u8] = b"\x20\x03\x00\x00\x00";

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn events(tx: &Transaction) -> Vec<&'static str> {
    tx.events().iter().map(|e| e.as_str()).collect()
}

fn text(tx: &Transaction, buffer: Buffer) -> Option<&[u8]> {
    tx.fields(buffer, ToServer).next()
}

fn connected() -> Parser {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, CONNECT, 100);
    feed(&mut parser, ToClient, CONNACK, 100);
    parser.messages_mut().take_finished();
    assert_eq!(parser.messages().all().len(), 0);
    parser
}

#[test]
fn a_connection_is_one_transaction() {
    for step in [1, 5, 100] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, CONNECT, step);
        let tx = &parser.messages().all()[0];
        assert!(!tx.is_complete(ToServer));
        for (buffer, expected) in [
            (Buffer::MqttProtocolString, &b"MQTT"[..]),
            (Buffer::MqttClientId, b"id"),
            (Buffer::MqttUsername, b"me"),
            (Buffer::MqttPassword, b"pw"),
        ] {
            assert_eq!(text(tx, buffer), Some(expected), "{buffer:?}");
        }
        let flags: Vec<_> = tx.numbers(Number::MqttConnectFlags, ToServer).collect();
        assert_eq!(flags, [0xc2]);
        feed(&mut parser, ToClient, CONNACK, step);
        let [tx] = parser.messages().all() else {
            panic!("{:?}", parser.messages());
        };
        assert!(tx.is_complete(ToServer) && tx.is_complete(ToClient));
        assert_eq!(events(tx), [""; 0]);
        let reasons: Vec<_> = tx.numbers(Number::MqttReasonCode, ToClient).collect();
        assert_eq!(reasons, [0]);
    }
}

#[test]
fn answers_find_their_requests_by_identifier() {
    let mut parser = connected();
    // Two publications of quality 1 and 2, answered in the other order.
    feed(&mut parser, ToServer, b"\x32\x07\x00\x01a\x00\x01\x00x", 3);
    feed(&mut parser, ToServer, b"\x34\x07\x00\x01b\x00\x02\x00y", 3);
    feed(&mut parser, ToClient, b"\x50\x02\x00\x02", 9);
    feed(&mut parser, ToServer, b"\x62\x02\x00\x02", 9);
    let complete = |p: &Parser| -> Vec<bool> {
        let all = p.messages().all().iter();
        all.map(|tx| tx.is_complete(ToServer)).collect()
    };
    assert_eq!(complete(&parser), [false, false]);
    feed(&mut parser, ToClient, b"\x70\x02\x00\x02", 9);
    assert_eq!(complete(&parser), [false, true]);
    feed(&mut parser, ToClient, b"\x40\x02\x00\x01", 9);
    assert_eq!(complete(&parser), [true, true]);
    let messages: Vec<_> = parser
        .messages()
        .all()
        .iter()
        .filter_map(|tx| text(tx, Buffer::MqttPublishMessage))
        .collect();
    assert_eq!(messages, [b"x", b"y"]);
}

#[test]
fn topics_are_instances() {
    let mut parser = connected();
    feed(
        &mut parser,
        ToServer,
        b"\x82\x0b\x00\x07\x00\x00\x01a\x01\x00\x01b\x00",
        4,
    );
    feed(&mut parser, ToClient, b"\x90\x05\x00\x07\x00\x01\x80", 4);
    let tx = &parser.messages().all()[0];
    let topics: Vec<_> = tx.fields(Buffer::MqttSubscribeTopic, ToServer).collect();
    assert_eq!(topics, [b"a", b"b"]);
    let reasons: Vec<_> = tx.numbers(Number::MqttReasonCode, ToClient).collect();
    assert_eq!(reasons, [1, 0x80]);
}

#[test]
fn what_is_wrong_is_an_event() {
    let cases: &[(&[u8], Direction, &str)] = &[
        (b"\x20\x02\x00\x00", ToClient, "missing_connect"),
        (b"\xc0\x00", ToServer, "unintroduced_message"),
        (b"\x00\x00", ToServer, "unassigned_msg_type"),
        (b"\xff\xff\xff\xff\xff", ToServer, "malformed_traffic"),
    ];
    for (bytes, direction, expected) in cases {
        let mut parser = Parser::default();
        feed(&mut parser, *direction, bytes, 100);
        let tx = parser.messages().all().last().unwrap();
        assert!(events(tx).contains(expected), "{bytes:?}: {:?}", events(tx));
    }
    let cases: &[(&[u8], Direction, &str)] = &[
        (CONNECT, ToServer, "double_connect"),
        (b"\x40\x02\x00\x05", ToClient, "missing_publish"),
        (b"\x90\x03\x00\x05\x00", ToClient, "missing_subscribe"),
        (b"\xb0\x03\x00\x05\x00", ToClient, "missing_unsubscribe"),
        (
            b"\x36\x06\x00\x01a\x00\x01\x00",
            ToServer,
            "invalid_qos_level",
        ),
        (
            b"\x82\x07\x00\x00\x00\x00\x01a\x00",
            ToServer,
            "missing_msg_id",
        ),
        (
            b"\x30\x06\x00\x01a\x05\x21\x00",
            ToServer,
            "malformed_traffic",
        ),
    ];
    for (bytes, direction, expected) in cases {
        let mut parser = connected();
        feed(&mut parser, *direction, bytes, 100);
        let tx = parser.messages().all().last().unwrap();
        assert!(events(tx).contains(expected), "{bytes:?}: {:?}", events(tx));
        assert_eq!(parser.failed(*direction), *expected == "malformed_traffic");
    }
}

#[test]
fn unanswered_requests_are_bounded() {
    let mut parser = connected();
    let limits = Limits {
        transactions: 3,
        ..Limits::default()
    };
    for id in 1..=10 {
        parser.data(ToServer, &[0x32, 6, 0, 1, b'a', 0, id, 0], &limits);
        parser.messages_mut().take_finished();
    }
    assert_eq!(parser.messages().all().len(), 3);
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        tail in prop::collection::vec(any::<u8>(), 0..100),
        step in 1_usize..30,
    ) {
        let stream = [CONNECT, &tail].concat();
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &stream, step);
            parser.eof(ToServer, &Limits::default());
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                let types: Vec<_> = tx.numbers(Number::MqttType, ToServer).collect();
                (types, tx.events().to_vec())
            }).collect::<Vec<(Vec<u64>, Vec<app_layer::Event>)>>();
            (told, parser.failed(ToServer))
        };
        prop_assert_eq!(read(step), read(stream.len()));
    }
}
