use super::*;
use crate::app_layer::Limits;
use crate::app_layer::message::{Fact, Parser as _, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    [&[tag, u8::try_from(contents.len()).unwrap()][..], &contents].concat()
}

fn number(n: u8) -> Vec<u8> {
    vec![2, 1, n]
}

fn principal(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<_> = parts
        .iter()
        .map(|p| element(0x1b, &[p.as_bytes()]))
        .collect();
    let parts = element(0xa1, &[&element(0x30, &[&parts.concat()])]);
    element(0x30, &[&element(0xa0, &[&number(1)]), &parts])
}

fn realm() -> Vec<u8> {
    element(0x1b, &[b"R.EXAMPLE"])
}

fn request() -> Vec<u8> {
    let body = element(
        0x30,
        &[
            &element(0xa0, &[&[3, 5, 0, 0, 0, 0, 0]]),
            &element(0xa1, &[&principal(&["alice"])]),
            &element(0xa2, &[&realm()]),
            &element(0xa3, &[&principal(&["krbtgt", "R.EXAMPLE"])]),
        ],
    );
    let fields = [
        element(0xa1, &[&number(5)]),
        element(0xa2, &[&number(10)]),
        element(0xa4, &[&body]),
    ];
    element(0x6a, &[&element(0x30, &[&fields.concat()])])
}

fn encrypted(kind: u8) -> Vec<u8> {
    let secret = element(0xa2, &[&element(4, &[b"x"])]);
    element(0x30, &[&element(0xa0, &[&number(kind)]), &secret])
}

fn reply(ticket_kind: u8, kind: u8) -> Vec<u8> {
    let ticket = [
        element(0xa0, &[&number(5)]),
        element(0xa1, &[&realm()]),
        element(0xa2, &[&principal(&["host", "a"])]),
        element(0xa3, &[&encrypted(ticket_kind)]),
    ];
    let ticket = element(0x61, &[&element(0x30, &[&ticket.concat()])]);
    let fields = [
        element(0xa0, &[&number(5)]),
        element(0xa1, &[&number(11)]),
        element(0xa3, &[&realm()]),
        element(0xa4, &[&principal(&["alice"])]),
        element(0xa5, &[&ticket]),
        element(0xa6, &[&encrypted(kind)]),
    ];
    long(0x6b, &long(0x30, &fields.concat()))
}

fn long(tag: u8, contents: &[u8]) -> Vec<u8> {
    [
        &[tag, 0x81, u8::try_from(contents.len()).unwrap()][..],
        contents,
    ]
    .concat()
}

fn error(code: u8) -> Vec<u8> {
    let fields = [
        element(0xa0, &[&number(5)]),
        element(0xa1, &[&number(30)]),
        element(0xa6, &[&number(code)]),
        element(0xa9, &[&realm()]),
        element(0xaa, &[&principal(&["krbtgt"])]),
    ];
    element(0x7e, &[&element(0x30, &[&fields.concat()])])
}

fn one(direction: Direction, bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(0, Protocol::Krb5);
    message::read(&mut tx, direction, bytes, &Limits::default());
    tx
}

fn names(tx: &Transaction, buffer: Buffer, direction: Direction) -> Vec<&[u8]> {
    tx.fields(buffer, direction).collect()
}

#[test]
fn a_request_names_its_client_and_its_server() {
    let tx = one(ToServer, &request());
    assert_eq!(
        tx.numbers(Number::Krb5MessageType, ToServer).next(),
        Some(10)
    );
    assert_eq!(names(&tx, Buffer::Krb5ClientName, ToServer), [b"alice"]);
    let server = [&b"krbtgt"[..], b"R.EXAMPLE"];
    assert_eq!(names(&tx, Buffer::Krb5ServerName, ToServer), server);
    for fact in [
        ("msg_type", Fact::Text(&b"KRB_AS_REQ"[..])),
        ("sname", Fact::Text(b"krbtgt/R.EXAMPLE")),
        ("realm", Fact::Text(b"R.EXAMPLE")),
        ("encryption", Fact::Text(b"<none>")),
        ("weak_encryption", Fact::Flag(false)),
    ] {
        assert!(tx.facts().any(|f| f == fact), "{fact:?}");
    }
    assert!(tx.events().is_empty());
}

#[test]
fn a_reply_tells_how_it_is_encrypted() {
    let tx = one(ToClient, &reply(18, 17));
    assert!(tx.events().is_empty());
    let ticket = tx.numbers(Number::Krb5TicketEncryption, ToClient).next();
    assert_eq!(ticket, Some(18));
    let weak = one(ToClient, &reply(18, 23));
    assert_eq!(
        weak.events(),
        [app_layer::Event::Krb5(Event::WeakEncryption)]
    );
}

#[test]
fn an_error_has_a_code() {
    let tx = one(ToClient, &error(25));
    assert_eq!(tx.numbers(Number::Krb5ErrorCode, ToClient).next(), Some(25));
    assert_eq!(names(&tx, Buffer::Krb5ServerName, ToClient), [b"krbtgt"]);
}

#[test]
fn what_cannot_be_read_is_malformed() {
    let malformed = [app_layer::Event::Krb5(Event::MalformedData)];
    let whole = request();
    for bytes in [&b""[..], b"\x6a\x02\x30\x00", &whole[..whole.len() - 3]] {
        assert_eq!(one(ToServer, bytes).events(), malformed);
    }
    let mut odd = whole.clone();
    odd[8] = 4;
    assert_eq!(one(ToServer, &odd).events(), malformed);
    assert!(is_datagram(&whole) && !is_datagram(&odd) && !is_datagram(b"\x6a"));
}

#[test]
fn a_stream_is_read_however_cut() {
    let framed = |m: Vec<u8>| [&u32::try_from(m.len()).unwrap().to_be_bytes()[..], &m].concat();
    let stream = [framed(request()), framed(reply(18, 18))].concat();
    for step in [1, 5, 1000] {
        let mut parser = parser();
        for mut piece in stream.chunks(step) {
            while !piece.is_empty() {
                piece = &piece[parser.data(ToServer, piece, &Limits::default())..];
            }
        }
        let kinds: Vec<_> = parser
            .messages()
            .all()
            .iter()
            .flat_map(|tx| tx.numbers(Number::Krb5MessageType, ToServer))
            .collect();
        assert_eq!(kinds, [10, 11], "by {step}");
    }
    for length in 0..stream.len() {
        let expected = (length >= 13).then_some(true);
        assert_eq!(detect(&stream[..length]), expected, "{length}");
    }
    assert_eq!(detect(b"\0\0\0\x09GET"), Some(false));
    let mut parser = parser();
    parser.data(ToServer, &[0x80, 0, 0, 1], &Limits::default());
    assert!(parser.failed(ToServer));
    assert_eq!(parser.messages().all().len(), 1);
}
