use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Fact, Parser as _, Transaction};
use crate::app_layer::{AppLayer, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;

fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
    match contents.len() {
        0..=0x7f => [&[tag, length[3]][..], contents].concat(),
        _ => [&[tag, 0x84][..], &length, contents].concat(),
    }
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, &parts.concat())
}

fn text(text: &[u8]) -> Vec<u8> {
    element(4, text)
}

fn message(id: u8, operation: u8, fields: &[&[u8]]) -> Vec<u8> {
    sequence(&[&[2, 1, id], &element(operation, &fields.concat())])
}

/// A name with a value.
fn attribute(name: &[u8]) -> Vec<u8> {
    sequence(&[&text(name), &element(0x31, &text(b"value"))])
}

fn search(id: u8) -> Vec<u8> {
    let filter = element(0x87, b"objectClass");
    let names = sequence(&[&text(b"cn"), &text(b"+")]);
    let fields = [
        &text(b"dc=a")[..],
        b"\x0a\x01\x02\x0a\x01\x00\x02\x01\x05\x02\x01\x00\x01\x01\x00",
    ];
    message(id, 0x63, &[fields[0], fields[1], &filter, &names])
}

fn entry(id: u8, dn: &[u8]) -> Vec<u8> {
    let attributes = sequence(&[&attribute(b"uid"), &attribute(b"mail")]);
    message(id, 0x64, &[&text(dn), &attributes])
}

fn result(id: u8, operation: u8, code: u8) -> Vec<u8> {
    message(
        id,
        operation,
        &[&[10, 1, code], &text(b"dc=b"), &text(b"why")],
    )
}

fn bind(id: u8, method: &[u8]) -> Vec<u8> {
    message(id, 0x60, &[b"\x02\x01\x03", &text(b"cn=a"), method])
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

fn events(tx: &Transaction) -> Vec<&'static str> {
    tx.events().iter().map(|e| e.as_str()).collect()
}

fn all_events(parser: &Parser) -> Vec<&'static str> {
    parser.messages().all().iter().flat_map(events).collect()
}

fn texts(tx: &Transaction, buffer: Buffer) -> Vec<&[u8]> {
    let direction = buffer.direction().unwrap();
    tx.fields(buffer, direction).collect()
}

fn only(parser: &Parser) -> &Transaction {
    let [tx] = parser.messages().all() else {
        panic!("{} transactions", parser.messages().all().len());
    };
    tx
}

#[test]
fn a_request_and_its_responses_are_one_transaction() {
    for step in [1, 7, 1000] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &search(2), step);
        assert!(only(&parser).is_complete(ToServer) && !only(&parser).is_complete(ToClient));
        let answer = [entry(2, b"cn=x"), entry(2, b"cn=y"), result(2, 0x65, 0)].concat();
        feed(&mut parser, ToClient, &answer, step);
        let tx = only(&parser);
        assert!(tx.is_complete(ToClient) && tx.events().is_empty());
        for (buffer, expected) in [
            (Buffer::LdapRequestDn, vec![&b"dc=a"[..]]),
            (Buffer::LdapRequestAttributeType, vec![&b"cn"[..], b"+"]),
            (
                Buffer::LdapResponsesDn,
                vec![&b"cn=x"[..], b"cn=y", b"dc=b"],
            ),
            (Buffer::LdapResponsesMessage, vec![&b""[..], b"", b"why"]),
            (
                Buffer::LdapResponsesAttributeType,
                vec![&b"uid"[..], b"mail", b"uid", b"mail"],
            ),
        ] {
            assert_eq!(texts(tx, buffer), expected, "{buffer:?}");
        }
        let numbers = |n| tx.numbers_in_place(n, ToClient).collect::<Vec<_>>();
        let operations = [Some(4), Some(4), Some(5)];
        assert_eq!(numbers(Number::LdapResponsesOperation), operations);
        assert_eq!(
            numbers(Number::LdapResponsesResultCode),
            [None, None, Some(0)]
        );
        assert_eq!(numbers(Number::LdapResponsesCount), [Some(3)]);
    }
}

#[test]
fn records_tell_what_was_asked_and_answered() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &search(2), 1000);
    feed(&mut parser, ToClient, &entry(2, b"cn=x"), 1000);
    let tx = only(&parser);
    for fact in [
        ("request.operation", Fact::Text(b"search_request")),
        ("request.message_id", Fact::Number(2)),
        ("request.search_request.scope", Fact::Text(b"whole_subtree")),
        ("request.search_request.size_limit", Fact::Number(5)),
        ("request.search_request.types_only", Fact::Flag(false)),
        (
            "responses[-1].search_result_entry.attributes[-1].values[]",
            Fact::Text(b"value"),
        ),
    ] {
        assert!(tx.facts().any(|f| f == fact), "{fact:?}");
    }
}

#[test]
fn every_request_has_its_name() {
    let names = sequence(&[&attribute(b"sn")]);
    let change = sequence(&[b"\x0a\x01\x02", &attribute(b"sn")]);
    let assertion = sequence(&[&text(b"sn"), &text(b"v")]);
    let dn = text(b"cn=a");
    for (request, has_attribute) in [
        (bind(1, b"\x80\x01p"), false),
        (message(1, 0x66, &[&dn, &sequence(&[&change])]), true),
        (message(1, 0x68, &[&dn, &names]), true),
        (message(1, 0x4a, &[b"cn=a"]), false),
        (
            message(
                1,
                0x6c,
                &[&dn, &text(b"cn=b"), b"\x01\x01\xff", b"\x80\x01x"],
            ),
            false,
        ),
        (message(1, 0x6e, &[&dn, &assertion]), true),
    ] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &request, 1000);
        let tx = only(&parser);
        assert!(tx.events().is_empty(), "{request:?}");
        assert_eq!(texts(tx, Buffer::LdapRequestDn), [b"cn=a"]);
        let expected: &[&[u8]] = if has_attribute { &[b"sn"] } else { &[] };
        assert_eq!(texts(tx, Buffer::LdapRequestAttributeType), expected);
    }
}

#[test]
fn what_is_wrong_is_an_event() {
    for (direction, bytes, expected) in [
        (ToServer, vec![0x31, 0], "invalid_data"),
        (ToServer, b"\x30\x00".to_vec(), "invalid_data"),
        (ToServer, result(1, 0x65, 0), "invalid_data"),
        (ToServer, bind(1, b"")[..].to_vec(), "invalid_data"),
        (ToClient, result(1, 0x65, 0), "request_not_found"),
        (ToServer, search(1)[..20].to_vec(), "incomplete_data"),
    ] {
        let mut parser = Parser::default();
        feed(&mut parser, direction, &bytes, 1000);
        parser.eof(direction, &Limits::default());
        assert_eq!(all_events(&parser), [expected], "{bytes:?}");
        assert_eq!(parser.failed(direction), bytes[0] == 0x31);
    }
    // A server says goodbye unasked.
    let mut parser = Parser::default();
    feed(&mut parser, ToClient, &result(0, 0x78, 52), 1000);
    assert!(only(&parser).events().is_empty());
}

#[test]
fn what_gets_no_answer_is_over_at_once() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &search(5), 1000);
    feed(&mut parser, ToServer, &message(6, 0x50, &[&[5]]), 1000);
    feed(&mut parser, ToServer, &message(7, 0x42, &[]), 1000);
    for tx in parser.messages().all() {
        assert!(tx.is_complete(ToClient));
        let count: Vec<_> = tx.numbers(Number::LdapResponsesCount, ToServer).collect();
        assert_eq!(count, [0]);
    }
}

#[test]
fn requests_responses_and_attributes_are_bounded() {
    let limits = Limits {
        ldap_requests: 3,
        ldap_responses: 4,
        ldap_attributes: 1,
        ..Limits::default()
    };
    let mut parser = Parser::default();
    for id in 1..=10 {
        parser.data(ToServer, &bind(id, b"\x80\x00"), &limits);
    }
    assert_eq!(all_events(&parser), ["too_many_transactions"; 7]);
    parser.messages_mut().take_finished();
    assert_eq!(parser.messages().all().len(), 3);

    let mut parser = Parser::default();
    parser.data(ToServer, &search(1), &limits);
    parser.data(ToClient, &entry(1, b"cn=x"), &limits);
    assert_eq!(all_events(&parser), ["too_many_attributes"]);
    let bare = message(1, 0x64, &[&text(b"cn=x"), &sequence(&[])]);
    for _ in 0..8 {
        parser.data(ToClient, &bare, &limits);
    }
    let counts: Vec<_> = parser
        .messages()
        .all()
        .iter()
        .map(|tx| tx.numbers(Number::LdapResponsesOperation, ToClient).count())
        .collect();
    assert_eq!(counts, [1, 4, 4]);
}

#[test]
fn of_a_long_message_the_beginning_is_read() {
    let photo = sequence(&[&text(b"jpegPhoto"), &element(0x31, &text(&[0; 100_000]))]);
    let attributes = sequence(&[&attribute(b"uid"), &photo]);
    let long = message(1, 0x64, &[&text(b"cn=x"), &attributes]);
    for step in [1000, 200_000] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &search(1), 1000);
        feed(&mut parser, ToClient, &long, step);
        feed(&mut parser, ToClient, &result(1, 0x65, 0), step);
        let tx = only(&parser);
        assert!(tx.events().is_empty() && tx.is_complete(ToClient));
        let names = texts(tx, Buffer::LdapResponsesAttributeType);
        assert_eq!(names, [&b"uid"[..], b"jpegPhoto"]);
        assert!(parser.beyond_limit(ToClient) > 30_000);
    }
}

#[test]
fn tls_follows_an_accepted_start_tls() {
    let request = message(1, 0x77, &[&element(0x80, b"1.3.6.1.4.1.1466.20037")]);
    for (code, expected) in [(0, Protocol::Tls), (52, Protocol::Ldap)] {
        let mut app = AppLayer::new();
        let limits = Limits::default();
        app.data(ToServer, &request, &limits);
        app.data(ToClient, &result(1, 0x78, code), &limits);
        app.data(ToServer, b"\x16\x03\x01\x02\x00\x01", &limits);
        assert_eq!(app.protocol(), expected, "{code}");
    }
}

#[test]
fn what_a_security_layer_wraps_is_passed_over() {
    let sasl = element(0xa3, &text(b"GSSAPI"));
    let wrapped = b"\0\0\0\x05\x05\x04\xff\0\0";
    for (method, expected) in [(&sasl[..], true), (b"\x80\x01p", false)] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, &bind(1, method), 3);
        feed(&mut parser, ToClient, &result(1, 0x61, 0), 3);
        feed(&mut parser, ToServer, wrapped, 3);
        feed(&mut parser, ToClient, wrapped, 3);
        assert_eq!(parser.encrypted(), expected);
        assert_eq!(parser.failed(ToServer), !expected);
    }
}

#[test]
fn a_datagram_holds_all_responses() {
    let limits = Limits::default();
    let mut app = AppLayer::new();
    assert!(app.datagram(ToServer, &search(1), &limits));
    let answer = [entry(1, b"cn=x"), result(1, 0x65, 0)].concat();
    app.datagram(ToClient, &answer, &limits);
    assert_eq!(app.protocol(), Protocol::Ldap);
    let mut parser = Parser::default();
    parser.datagram(ToServer, &search(1), &limits);
    parser.datagram(ToClient, &answer, &limits);
    assert!(only(&parser).is_complete(ToClient));
    for (bytes, expected) in [
        (&answer[..answer.len() - 1], "incomplete_data"),
        (b"\x31\x00", "invalid_data"),
        (&message(1, 0x64, &[]).repeat(300), "too_many_transactions"),
    ] {
        let mut parser = Parser::default();
        parser.datagram(ToClient, bytes, &limits);
        assert!(all_events(&parser).contains(&expected), "{expected}");
    }
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        tail in prop::collection::vec(any::<u8>(), 0..100),
        step in 1_usize..30,
    ) {
        let stream = [entry(2, b"cn=x"), result(2, 0x65, 3), entry(3, b"cn=y"), tail].concat();
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &search(2), step);
            feed(&mut parser, ToClient, &stream, step);
            parser.eof(ToClient, &Limits::default());
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                let names: Vec<_> = texts(tx, Buffer::LdapResponsesDn).concat();
                (names, tx.events().to_vec(), tx.facts().count())
            }).collect();
            (told, parser.failed(ToClient))
        };
        prop_assert_eq!(read(step), read(stream.len()));
    }
}
