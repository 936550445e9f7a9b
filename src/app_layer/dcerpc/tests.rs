use proptest::prelude::*;

use super::*;
use crate::app_layer::Limits;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

const UUID: &str = "367abb81-9844-35f1-ad32-98f038001003";

/// One PDU, little-endian, without authentication.
fn pdu(kind: u8, flags: u8, call: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(16 + body.len()).unwrap();
    let mut out = vec![5, 0, kind, flags, 0x10, 0, 0, 0];
    out.extend(length.to_le_bytes());
    out.extend([0, 0]);
    out.extend(call.to_le_bytes());
    out.extend(body);
    out
}

fn bind() -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([1, 0, 0, 0, 7, 0, 1, 0]);
    body.extend([0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35]);
    body.extend([0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03]);
    body.extend([2, 0, 0, 0]);
    body.extend([0; 20]);
    pdu(11, 3, 1, &body)
}

fn bind_ack(result: u8) -> Vec<u8> {
    let mut body = vec![0; 8];
    // An address of one byte, and padding to four.
    body.extend([1, 0, 0, 0]);
    body.extend([1, 0, 0, 0, result, 0, 0, 0]);
    body.extend([0; 20]);
    pdu(12, 3, 1, &body)
}

fn request(flags: u8, call: u32, operation: u8, stub: &[u8]) -> Vec<u8> {
    let body = [&[0, 0, 0, 0, 7, 0, operation, 0][..], stub].concat();
    pdu(0, flags, call, &body)
}

fn response(call: u32, stub: &[u8]) -> Vec<u8> {
    pdu(2, 3, call, &[&[0; 8][..], stub].concat())
}

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            piece = &piece[taken..];
        }
    }
}

fn stub(tx: &Transaction, direction: Direction) -> Option<(&[u8], bool)> {
    tx.field(Buffer::DcerpcStub, direction)
}

#[test]
fn a_call_names_its_interface_and_operation_and_joins_its_fragments() {
    for step in [1, 7, 1000] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &bind(), step);
        feed(&mut parser, ToClient, &bind_ack(0), step);
        feed(&mut parser, ToServer, &request(1, 2, 15, b"ab"), step);
        let call = &parser.messages().all()[1];
        assert_eq!(stub(call, ToServer), Some((&b"ab"[..], false)));
        feed(&mut parser, ToServer, &request(2, 2, 15, b"cd"), step);
        feed(&mut parser, ToClient, &response(2, b"ef"), step);
        let [_, call] = parser.messages().all() else {
            panic!("{:?}", parser.messages());
        };
        let interface = [UUID.as_bytes(), &[0, 2]].concat();
        let names: Vec<_> = call.fields(Buffer::DcerpcInterface, ToServer).collect();
        assert_eq!(names, [&interface[..]]);
        let operations: Vec<_> = call.numbers(Number::DcerpcOperation, ToServer).collect();
        assert_eq!(operations, [15]);
        assert_eq!(stub(call, ToServer), Some((&b"abcd"[..], true)));
        assert_eq!(stub(call, ToClient), Some((&b"ef"[..], true)));
        assert!(call.is_little_endian(ToServer));
        assert!(call.is_complete(ToServer) && call.is_complete(ToClient));
    }
}

#[test]
fn a_refused_interface_is_not_called() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &bind(), 100);
    feed(&mut parser, ToClient, &bind_ack(2), 100);
    feed(&mut parser, ToServer, &request(3, 2, 15, b""), 100);
    let call = &parser.messages().all()[1];
    assert_eq!(call.fields(Buffer::DcerpcInterface, ToServer).count(), 0);
}

#[test]
fn what_is_cut_short_inside_is_an_event_and_nonsense_ends_the_direction() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &pdu(11, 3, 1, &[0; 4]), 100);
    let [tx] = parser.messages().all() else {
        panic!();
    };
    assert_eq!(tx.events().len(), 1);
    feed(&mut parser, ToServer, b"GET / HTTP/1.1", 100);
    assert!(parser.failed(ToServer) && !parser.failed(ToClient));
}

#[test]
fn a_datagram_tells_all_by_itself() {
    let mut bytes = vec![4, 0, 0, 0, 0x10, 0, 0, 0];
    bytes.extend([0; 16]);
    bytes.extend([0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35]);
    bytes.extend([0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03]);
    bytes.extend([0; 20]);
    bytes.extend([2, 0, 0, 0]);
    bytes.extend([0; 4]);
    bytes.extend([9, 0]);
    bytes.extend([0; 4]);
    bytes.extend([3, 0]);
    bytes.extend([0; 4]);
    bytes.extend(b"abcdef");
    assert!(is_datagram(&bytes));
    let mut parser = Parser::default();
    parser.datagram(ToServer, &bytes, &Limits::default());
    let tx = &parser.messages().all()[0];
    assert_eq!(tx.events(), []);
    assert_eq!(stub(tx, ToServer), Some((&b"abc"[..], true)));
    assert!(!is_datagram(b"\x04\x00\x00\x00\x10\x00\x00\x00"));
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        tail in prop::collection::vec(any::<u8>(), 0..80),
        kind in 0_u8..20,
        step in 1_usize..40,
    ) {
        let stream = [bind(), pdu(kind, 3, 4, &tail), request(3, 2, 1, b"x"), tail.clone()].concat();
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &stream, step);
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                (stub(tx, ToServer).map(|(b, done)| (b.to_vec(), done)), tx.events().to_vec())
            }).collect();
            (told, parser.failed(ToServer))
        };
        prop_assert_eq!(read(step), read(stream.len()));
    }
}
