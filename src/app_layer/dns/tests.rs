use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Fact, Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;

fn message(flags: u16, counts: [u16; 4], body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = [0x1234, flags].map(u16::to_be_bytes).concat();
    bytes.extend(counts.map(u16::to_be_bytes).concat());
    bytes.extend(body.concat());
    bytes
}

fn question(name: &[u8], kind: u16) -> Vec<u8> {
    [name, &kind.to_be_bytes(), &[0, 1]].concat()
}

fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [
        name,
        &kind.to_be_bytes(),
        &[0, 1, 0, 0, 1, 44],
        &length,
        data,
    ]
    .concat()
}

/// A response with records in all sections: its question is at 12.
fn response() -> Vec<u8> {
    let soa = [
        &b"\x02ns\xc0\x10\x04root\xc0\x10"[..],
        &[0, 0, 0, 7],
        &[0; 16],
    ]
    .concat();
    message(
        0x8180,
        [1, 2, 1, 2],
        &[
            &question(b"\x03www\x07example\0", 1),
            &record(b"\xc0\x0c", 5, b"\x05alias\xc0\x10"),
            &record(b"\x05alias\xc0\x10", 1, &[192, 0, 2, 7]),
            &record(b"\xc0\x10", 6, &soa),
            &record(b"\x02ns\xc0\x10", 16, b"\x02ab\x01c"),
            &[0, 0, 41, 4, 208, 1, 0, 0, 0, 0, 5, 0, 10, 0, 1, 0xaa],
        ],
    )
}

fn one(direction: Direction, bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(3, Protocol::Dns);
    read(&mut tx, direction, bytes, &Limits::default());
    tx
}

fn names(tx: &Transaction, buffer: Buffer, direction: Direction) -> Vec<String> {
    tx.fields(buffer, direction)
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn events(tx: &Transaction) -> Vec<Event> {
    let dns = |e: &app_layer::Event| match e {
        app_layer::Event::Dns(event) => *event,
        _ => panic!("an event of another protocol"),
    };
    tx.events().iter().map(dns).collect()
}

fn told(tx: &Transaction) -> Vec<String> {
    let text = |(path, fact)| match fact {
        Fact::Text(text) => format!("{path} {}", String::from_utf8_lossy(text)),
        Fact::Number(number) => format!("{path} {number}"),
        Fact::Flag(flag) => format!("{path} {flag}"),
    };
    tx.facts().map(text).collect()
}

#[test]
fn a_request_has_its_names_and_types() {
    let questions = [
        question(b"\x01a\x02bc\0", 1),
        question(b"\xc0\x0e\0\x1c\0\x01", 0),
    ]
    .concat();
    let tx = one(ToServer, &message(0x2100, [2, 0, 0, 0], &[&questions]));
    assert_eq!(names(&tx, Buffer::DnsQuery, ToServer), ["a.bc", "bc"]);
    assert_eq!(names(&tx, Buffer::DnsQueriesName, ToServer), ["a.bc", "bc"]);
    assert!(names(&tx, Buffer::DnsResponseName, ToServer).is_empty());
    let numbers = |number| tx.numbers(number, ToServer).collect::<Vec<_>>();
    assert_eq!(numbers(Number::DnsType), [1, 28]);
    assert_eq!(numbers(Number::DnsOpcode), [4]);
    assert_eq!(numbers(Number::DnsRcode), [0]);
    assert!(events(&tx).is_empty());
    let told = told(&tx);
    for line in [
        "version 3",
        "type request",
        "tx_id 3",
        "id 4660",
        "flags 2100",
        "rd true",
        "opcode 4",
        "queries[].rrname a.bc",
        "queries[-1].rrtype AAAA",
    ] {
        assert!(told.iter().any(|t| t == line), "{line} in {told:?}");
    }
}

#[test]
fn a_response_has_the_names_of_all_sections() {
    let tx = one(ToClient, &response());
    assert!(events(&tx).is_empty());
    let names = |buffer| names(&tx, buffer, ToClient);
    assert!(names(Buffer::DnsQuery).is_empty());
    assert_eq!(names(Buffer::DnsQueriesName), ["www.example"]);
    assert_eq!(
        names(Buffer::DnsAnswersName),
        ["www.example", "alias.example"]
    );
    assert_eq!(names(Buffer::DnsAuthoritiesName), ["example"]);
    assert_eq!(names(Buffer::DnsAdditionalsName), ["ns.example", ""]);
    assert_eq!(
        names(Buffer::DnsResponseName),
        [
            "www.example",
            "www.example",
            "alias.example",
            "alias.example",
            "example",
            "ns.example",
            "ns.example",
            ""
        ]
    );
    let numbers = |number| tx.numbers(number, ToClient).collect::<Vec<_>>();
    assert_eq!(numbers(Number::DnsType), [1, 5, 1]);
    assert_eq!(
        numbers(Number::DnsRcode),
        [16],
        "the upper bits come from EDNS"
    );
    let told = told(&tx);
    for line in [
        "type response",
        "flags 8180",
        "qr true",
        "ra true",
        "rcode BADVERS",
        "answers[-1].rdata alias.example",
        "answers[-1].rdata 192.0.2.7",
        "answers[-1].ttl 300",
        "grouped.A[] 192.0.2.7",
        "grouped.CNAME[] alias.example",
        "authorities[-1].soa.mname ns.example",
        "authorities[-1].soa.rname root.example",
        "authorities[-1].soa.serial 7",
        "additionals[-1].rdata abc",
        "additionals[-1].rrtype OPT",
        "additionals[-1].opt[].code 10",
        "additionals[-1].opt[-1].data aa",
    ] {
        assert!(told.iter().any(|t| t == line), "{line} in {told:?}");
    }
    assert!(
        !told
            .iter()
            .any(|t| t.starts_with("aa ") || t.starts_with("z "))
    );
}

#[test]
fn what_is_wrong_is_told_and_the_rest_still_read() {
    let asked = question(b"\x01a\0", 1);
    for (direction, bytes, expected, queries) in [
        (
            ToServer,
            message(0x8000, [1, 0, 0, 0], &[&asked]),
            Event::NotRequest,
            1,
        ),
        (
            ToClient,
            message(0, [1, 0, 0, 0], &[&asked]),
            Event::NotResponse,
            1,
        ),
        (
            ToServer,
            message(0x0040, [1, 0, 0, 0], &[&asked]),
            Event::ZFlagSet,
            1,
        ),
        (
            ToServer,
            message(0x3800, [1, 0, 0, 0], &[&asked]),
            Event::InvalidOpcode,
            1,
        ),
        (ToServer, b"\x12\x34\x01".to_vec(), Event::MalformedData, 0),
        (
            ToServer,
            message(0, [2, 0, 0, 0], &[&asked]),
            Event::MalformedData,
            1,
        ),
        (
            ToServer,
            message(0, [1, 1, 0, 0], &[&asked]),
            Event::MalformedData,
            1,
        ),
        (
            ToServer,
            message(0, [1, 0, 1, 0], &[&asked]),
            Event::InvalidAuthorities,
            1,
        ),
        (
            ToServer,
            message(0, [1, 0, 0, 1], &[&asked, b"\0\0\x29"]),
            Event::InvalidAdditionals,
            1,
        ),
        (
            ToServer,
            message(0, [1, 0, 0, 0], &[&question(b"\xc0\x0c", 1)]),
            Event::InfiniteLoop,
            1,
        ),
        (
            ToServer,
            message(
                0,
                [1, 0, 0, 0],
                &[&question(&[&b"\x01x".repeat(256)[..], b"\0"].concat(), 1)],
            ),
            Event::TooManyLabels,
            1,
        ),
        (
            ToServer,
            message(
                0,
                [1, 0, 0, 0],
                &[&question(
                    &[&[&b"\x3f"[..], &[b'x'; 63]].concat().repeat(17)[..], b"\0"].concat(),
                    1,
                )],
            ),
            Event::NameTooLong,
            1,
        ),
    ] {
        let tx = one(direction, &bytes);
        assert_eq!(events(&tx), [expected]);
        assert_eq!(
            names(&tx, Buffer::DnsQueriesName, direction).len(),
            queries,
            "{expected:?}"
        );
    }
    let fine = one(ToServer, &message(0x0130, [1, 0, 0, 0], &[&asked]));
    assert!(events(&fine).is_empty());
}

#[test]
fn names_expand_to_a_bound_only() {
    let label = [&b"\x3f"[..], &[b'x'; 63]].concat().repeat(15);
    let many: Vec<u8> = (0..4000)
        .flat_map(|_| record(b"\xc0\x0c", 1, b""))
        .collect();
    let asked = question(&[&label[..], b"\0"].concat(), 1);
    let bytes = message(0x8000, [1, 4000, 0, 0], &[&asked, &many]);
    assert!(bytes.len() < 0xffff);
    let tx = one(ToClient, &bytes);
    assert_eq!(events(&tx), [Event::TooManyNames]);
    assert!(tx.held_bytes() < 1 << 20, "{}", tx.held_bytes());
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&length, message].concat()
}

fn feed(parser: &mut Separate, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

#[test]
fn a_stream_is_read_message_by_message() {
    let request = message(0x0100, [1, 0, 0, 0], &[&question(b"\x01a\0", 1)]);
    let other = message(0x0100, [1, 0, 0, 0], &[&question(b"\x01b\0", 1)]);
    let stream = [framed(&request), vec![0, 0], framed(&other)].concat();
    for step in [1, 2, 3, 17, 1000] {
        let mut parser = parser();
        feed(&mut parser, ToServer, &stream, step);
        let all = parser.messages().all();
        let found: Vec<_> = all
            .iter()
            .map(|tx| names(tx, Buffer::DnsQuery, ToServer))
            .collect();
        assert_eq!(found, [vec!["a"], vec![], vec!["b"]], "by {step}");
        assert_eq!(events(&all[1]), [Event::MalformedData]);
    }
    let mut parser = parser();
    assert_eq!(
        parser.data(ToServer, &stream, &Limits::default()),
        request.len() + 2
    );
    parser.gap(ToServer, 1);
    assert!(parser.failed(ToServer) && !parser.failed(ToClient));
    feed(&mut parser, ToServer, b"abc", 3);
    assert_eq!(parser.beyond_limit(ToServer), 3);
}

#[test]
fn each_datagram_is_a_message() {
    let mut parser = parser();
    let request = message(0x0100, [1, 0, 0, 0], &[&question(b"\x01a\0", 1)]);
    parser.datagram(ToServer, &request, &Limits::default());
    parser.datagram(ToClient, &response(), &Limits::default());
    let [request, response] = parser.messages().all() else {
        panic!("two transactions");
    };
    assert_eq!(names(request, Buffer::DnsQuery, ToServer), ["a"]);
    assert_eq!(names(response, Buffer::DnsAnswersName, ToClient).len(), 2);
    parser.messages_mut().take_finished();
    assert!(parser.messages().all().is_empty());
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        noise in prop::collection::vec((0..64usize, any::<u8>()), 0..8),
        cut in 1..20usize,
    ) {
        let mut stream = [framed(&response()), framed(&response())].concat();
        for (at, byte) in noise {
            stream[at] = byte;
        }
        let read = |step| {
            let mut parser = parser();
            feed(&mut parser, ToClient, &stream, step);
            let all = parser.messages().all().iter();
            all.map(|tx| (names(tx, Buffer::DnsResponseName, ToClient), events(tx), told(tx)))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(read(cut), read(stream.len()));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..120), at in 0..12usize) {
        let mut message = response();
        for (place, byte) in bytes.iter().enumerate() {
            if let Some(b) = message.get_mut(at * 8 + place) {
                *b = *byte;
            }
        }
        for bytes in [&bytes, &message] {
            for direction in Direction::BOTH {
                let tx = one(direction, bytes);
                prop_assert!(tx.held_bytes() < 1 << 20);
            }
            for port in [53, 4000] {
                is_datagram(bytes, port);
                detect(bytes, port);
            }
        }
    }
}
