use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

const INIT: &[u8] = b"\x04\x00\x03\x00pppppppppppppppp\x00\x00\x00\x04desk";

fn play(turns: &[(Direction, &[u8])], step: usize) -> Parser {
    let mut parser = Parser::default();
    for (direction, bytes) in turns {
        for mut piece in bytes.chunks(step) {
            while !piece.is_empty() {
                piece = &piece[parser.data(*direction, piece, &Limits::default())..];
            }
        }
    }
    parser
}

fn tx(parser: &Parser) -> &Transaction {
    let [tx] = parser.messages().all() else {
        panic!("one transaction");
    };
    tx
}

fn number(parser: &Parser, number: Number, direction: Direction) -> Option<u64> {
    tx(parser).numbers(number, direction).next()
}

#[test]
fn a_handshake_of_3_8_with_a_password() {
    for step in [1, 5, 100] {
        let parser = play(
            &[
                (ToClient, b"RFB 003.008\n"),
                (ToServer, b"RFB 003.008\n"),
                (ToClient, b"\x02\x01\x02"),
                (ToServer, b"\x02"),
                (ToClient, b"cccccccccccccccc"),
                // The client need not wait for the result.
                (ToServer, b"rrrrrrrrrrrrrrrr\x01"),
                (ToClient, &[&[0; 4], INIT, b"pixels"].concat()),
                (ToServer, b"keys"),
            ],
            step,
        );
        assert_eq!(number(&parser, Number::RfbSecurityType, ToServer), Some(2));
        assert_eq!(
            number(&parser, Number::RfbSecurityResult, ToClient),
            Some(0)
        );
        let name = tx(&parser).field(Buffer::RfbName, ToClient);
        assert_eq!(name, Some((&b"desk"[..], true)));
        assert!(tx(&parser).is_complete(ToClient) && tx(&parser).events().is_empty());
        assert_eq!([ToServer, ToClient].map(|d| parser.beyond_limit(d)), [4, 6]);
    }
}

#[test]
fn older_versions_have_fewer_turns() {
    let versions: [(Direction, &[u8]); 2] =
        [(ToClient, b"RFB 003.007\n"), (ToServer, b"RFB 003.003\n")];
    let rest: [(Direction, &[u8]); 3] = [
        (ToClient, b"\0\0\0\x01"),
        (ToServer, b"\0"),
        (ToClient, INIT),
    ];
    let parser = play(&[&versions[..], &rest].concat(), 7);
    assert_eq!(number(&parser, Number::RfbSecurityType, ToClient), Some(1));
    assert!(tx(&parser).field(Buffer::RfbName, ToClient).is_some());
}

#[test]
fn failures_and_oddities() {
    let versions: [(Direction, &[u8]); 2] =
        [(ToClient, b"RFB 003.008\n"), (ToServer, b"RFB 003.008\n")];
    for (turns, expected) in [
        (
            &[(ToClient, &b"RFB 003.0x8\n"[..])][..],
            Some(Event::MalformedMessage),
        ),
        (&[(ToServer, &[b'x'; 1025])], Some(Event::ConfusedState)),
        (
            &[
                versions[0],
                versions[1],
                (ToClient, b"\x01\x13"),
                (ToServer, b"\x13"),
            ],
            Some(Event::UnimplementedSecurityType),
        ),
        (
            &[
                versions[0],
                versions[1],
                (ToClient, b"\x01\x01"),
                (ToServer, b"\x01"),
                (ToClient, b"\0\0\0\x09"),
            ],
            Some(Event::UnknownSecurityResult),
        ),
        (
            &[versions[0], versions[1], (ToClient, b"\0\0\0\0\x02no")],
            None,
        ),
    ] {
        let parser = play(turns, 3);
        let expected: Vec<_> = expected.map(app_layer::Event::Rfb).into_iter().collect();
        assert_eq!(tx(&parser).events(), expected);
    }
    let newer: [(Direction, &[u8]); 3] = [
        (ToClient, b"RFB 004.001\n"),
        (ToServer, b"RFB 004.001\n"),
        (ToClient, b"\x01\x05"),
    ];
    assert!(tx(&play(&newer, 100)).events().is_empty());
    for (bytes, expected) in [
        (&b"RFB"[..], None),
        (b"RFB 003.", Some(true)),
        (b"RFC", Some(false)),
    ] {
        assert_eq!(detect(bytes), expected);
    }
}
