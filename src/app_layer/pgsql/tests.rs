use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Fact, Parser as _, Transaction};
use crate::app_layer::{AppLayer, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::protocol::Protocol;

const STARTUP: &[u8] = b"\0\0\0\x1f\0\x03\0\0user\0me\0database\0shop\0\0";
const SSL: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const READY: &[u8] = b"Z\0\0\0\x05I";

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
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

fn started() -> Parser {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, STARTUP, 100);
    feed(&mut parser, ToClient, &message(b'R', &[0; 4]), 100);
    feed(&mut parser, ToClient, READY, 100);
    parser.messages_mut().take_finished();
    assert!(parser.messages().all().is_empty());
    parser
}

fn events(parser: &Parser) -> Vec<&'static str> {
    let all = parser.messages().all().iter();
    all.flat_map(Transaction::events)
        .map(|e| e.as_str())
        .collect()
}

fn queries(parser: &Parser) -> Vec<&[u8]> {
    let all = parser.messages().all().iter();
    all.flat_map(|tx| tx.fields(Buffer::PgsqlQuery, ToServer))
        .collect()
}

#[test]
fn a_query_and_its_answer_are_one_transaction() {
    for step in [1, 3, 100] {
        let mut parser = started();
        feed(&mut parser, ToServer, &message(b'Q', b"SELECT 1\0"), step);
        let answer = [
            &message(b'T', b"\0\x01")[..],
            &message(b'D', b"\0\x01\0\0\0\x011"),
            &message(b'C', b"SELECT 1\0"),
        ]
        .concat();
        feed(&mut parser, ToClient, &answer, step);
        assert!(!parser.messages().all()[0].is_complete(ToClient));
        feed(&mut parser, ToClient, READY, step);
        let [tx] = parser.messages().all() else {
            panic!("{} transactions", parser.messages().all().len());
        };
        assert!(tx.is_complete(ToClient) && tx.events().is_empty());
        assert_eq!(queries(&parser), [b"SELECT 1"]);
        for fact in [
            ("request.simple_query", Fact::Text(b"SELECT 1")),
            ("response.field_count", Fact::Number(1)),
            ("response.command_completed", Fact::Text(b"SELECT 1")),
            ("response.data_rows", Fact::Number(1)),
            ("response.data_size", Fact::Number(7)),
        ] {
            assert!(tx.facts().any(|f| f == fact), "{fact:?}");
        }
    }
}

#[test]
fn a_startup_goes_on_with_a_password() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, STARTUP, 5);
    let user = ("request.startup_parameters.user", Fact::Text(b"me"));
    assert!(parser.messages().all()[0].facts().any(|f| f == user));
    feed(&mut parser, ToClient, &message(b'R', &[0, 0, 0, 3]), 5);
    feed(&mut parser, ToServer, &message(b'p', b"secret\0"), 5);
    let failure = b"SFATAL\0C28P01\0Mno such user\0\0";
    feed(&mut parser, ToClient, &message(b'E', failure), 5);
    let [startup, password] = parser.messages().all() else {
        panic!("{} transactions", parser.messages().all().len());
    };
    assert!(startup.is_complete(ToClient) && !password.is_complete(ToClient));
    let code = ("response.code", Fact::Text(b"28P01"));
    assert!(password.facts().any(|f| f == code));
    parser.eof(ToClient, &Limits::default());
    assert!(parser.messages().all()[1].is_complete(ToClient));
    assert_eq!(events(&parser), [""; 0]);
}

#[test]
fn statements_that_are_prepared_are_queries() {
    let mut parser = started();
    let parse = message(b'P', b"name\0DELETE FROM a\0\0\0");
    let stream = [
        &parse[..],
        &message(b'S', b""),
        &message(b'Q', b"SELECT 2\0"),
    ]
    .concat();
    feed(&mut parser, ToServer, &stream, 7);
    assert_eq!(queries(&parser), [&b"DELETE FROM a"[..], b"SELECT 2"]);
    // The first answer is for Sync.
    feed(&mut parser, ToClient, READY, 7);
    assert!(!parser.messages().all()[1].is_complete(ToClient));
    feed(&mut parser, ToClient, READY, 7);
    assert!(parser.messages().all()[1].is_complete(ToClient));
}

#[test]
fn tls_follows_an_accepted_request() {
    for (answer, then, expected) in [
        (&b"S"[..], &b"\x16\x03\x01\x02\x00\x01"[..], Protocol::Tls),
        (b"N", STARTUP, Protocol::Pgsql),
        (b"E\0\0\0\x05\0", STARTUP, Protocol::Pgsql),
    ] {
        let mut app = AppLayer::new();
        let limits = Limits::default();
        app.data(ToServer, SSL, &limits);
        app.data(ToClient, answer, &limits);
        app.data(ToServer, then, &limits);
        assert_eq!(app.protocol(), expected, "{answer:?}");
        assert!(!app.failed(ToServer) && !app.failed(ToClient));
    }
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, GSS, 100);
    feed(&mut parser, ToClient, b"G\0\0", 1);
    assert!(parser.encrypted() && !parser.failed(ToClient));
}

#[test]
fn what_is_wrong_is_an_event() {
    for (direction, bytes, expected, given_up) in [
        (ToServer, &b"Q\0\0\0\x03"[..], "invalid_length", false),
        // From a capture of ordinary traffic: the client hangs up.
        (ToClient, b"Z\0\0\0\x01\0\0", "invalid_length", false),
        (ToServer, b"?\0\0\0\x04", "malformed_request", false),
        (ToServer, b"Q\0\0\0\x05a", "malformed_request", false),
        (ToServer, b"P\0\0\0\x06a\0", "malformed_request", false),
        (ToClient, b"?\0\0\0\x04", "malformed_response", true),
        (ToClient, b"C\0\0\0\x05a", "malformed_response", false),
        (ToClient, b"R\0\0\0\x05a", "malformed_response", false),
    ] {
        let mut parser = started();
        if direction == ToClient {
            feed(&mut parser, ToServer, &message(b'Q', b"\0"), 100);
        }
        feed(&mut parser, direction, bytes, 100);
        assert_eq!(events(&parser), [expected], "{bytes:?}");
        assert_eq!(parser.failed(direction), given_up);
    }
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, b"\0\0\0\x09\0\x03\0\0a", 100);
    assert_eq!(events(&parser), ["malformed_request"]);
}

#[test]
fn requests_and_their_texts_are_bounded() {
    let limits = Limits {
        pgsql_requests: 3,
        message_bytes: 1024,
        ..Limits::default()
    };
    let mut parser = started();
    for _ in 0..10 {
        parser.data(ToServer, &message(b'Q', b"a\0"), &limits);
    }
    assert_eq!(events(&parser), ["too_many_transactions"; 7]);
    let mut parser = started();
    let long = [&[b'x'; 5000][..], b"\0"].concat();
    parser.data(ToServer, &message(b'Q', &long), &limits);
    assert_eq!(queries(&parser)[0].len(), 1024 - 5);
    assert!(events(&parser).is_empty() && parser.beyond_limit(ToServer) > 3900);
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        tail in prop::collection::vec(any::<u8>(), 0..100),
        step in 1_usize..30,
    ) {
        let stream = [&message(b'T', b"\0\x01")[..], READY, &tail].concat();
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &[SSL, STARTUP].concat(), step);
            feed(&mut parser, ToServer, &message(b'Q', b"SELECT 1\0"), step);
            feed(&mut parser, ToServer, &tail, step);
            feed(&mut parser, ToClient, b"N", step);
            feed(&mut parser, ToClient, &stream, step);
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                (tx.is_complete(ToClient), tx.events().to_vec(), tx.facts().count())
            }).collect();
            (told, parser.failed(ToServer), parser.failed(ToClient))
        };
        prop_assert_eq!(read(step), read(stream.len()));
    }
}
