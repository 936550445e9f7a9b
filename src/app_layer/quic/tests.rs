//! Whole flows through the parser.

use proptest::prelude::*;

use super::{Event, Initial, Parser, crypto_frame};
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;
const DRAFT: u32 = 0xff00_001d;

const ORIGINAL: &[u8] = b"original";
const CLIENT: &[u8] = b"cli";
const SERVER: &[u8] = b"server";

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    crypto_frame(u16::try_from(offset).unwrap(), data).unwrap()
}

fn prefixed(data: &[u8]) -> Vec<u8> {
    [&u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn client_hello(name: &[u8]) -> Vec<u8> {
    let entry = prefixed(&[&[0][..], &prefixed(name)].concat());
    let extensions = [
        &[0, 0][..],
        &prefixed(&entry),
        &[0, 16],
        &prefixed(&prefixed(b"\x02h3")),
        &[0, 57, 0, 0],
    ]
    .concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        &[0, 0, 2, 0x13, 1, 1, 0],
        &prefixed(&extensions),
    ]
    .concat();
    message(1, &body)
}

fn server_hello() -> Vec<u8> {
    let body = [
        &[3, 3][..],
        &[8; 32],
        &[0, 0x13, 1, 0],
        &prefixed(&[0, 43, 0, 2, 3, 4]),
    ]
    .concat();
    message(2, &body)
}

fn initial(frames: &[u8]) -> Initial<'_> {
    Initial {
        version: V1,
        direction: ToServer,
        original: ORIGINAL,
        destination: ORIGINAL,
        source: CLIENT,
        number: 0,
        frames,
    }
}

fn answer(frames: &[u8]) -> Initial<'_> {
    Initial {
        direction: ToClient,
        destination: CLIENT,
        source: SERVER,
        ..initial(frames)
    }
}

fn run(datagrams: &[(Direction, Vec<u8>)]) -> Parser {
    let mut parser = Parser::default();
    for (direction, datagram) in datagrams {
        parser.datagram(*direction, datagram, &Limits::default());
    }
    parser
}

fn values(parser: &Parser, buffer: Buffer, direction: Direction) -> Vec<Vec<u8>> {
    let all = parser.messages().all().iter();
    all.flat_map(|tx| tx.fields(buffer, direction))
        .map(<[u8]>::to_vec)
        .collect()
}

fn names(parser: &Parser) -> Vec<Vec<u8>> {
    values(parser, Buffer::QuicSni, ToServer)
}

fn events(parser: &Parser) -> Vec<Event> {
    let all = parser.messages().all().iter().flat_map(Transaction::events);
    all.map(|event| match event {
        app_layer::Event::Quic(event) => *event,
        other => panic!("{other:?} is not QUIC's"),
    })
    .collect()
}

#[test]
fn both_hellos_are_read_in_every_version() {
    for version in [V1, V2, DRAFT] {
        let (question, reply) = (
            crypto(0, &client_hello(b"a.example")),
            crypto(0, &server_hello()),
        );
        let parser = run(&[
            (
                ToServer,
                Initial {
                    version,
                    ..initial(&question)
                }
                .seal()
                .unwrap(),
            ),
            (
                ToClient,
                Initial {
                    version,
                    ..answer(&reply)
                }
                .seal()
                .unwrap(),
            ),
        ]);
        assert_eq!(names(&parser), [b"a.example"], "{version:x}");
        assert_eq!(values(&parser, Buffer::TlsAlpn, ToServer), [b"h3"]);
        assert_eq!(
            values(&parser, Buffer::Ja3String, ToServer),
            [b"771,4865,0-16-57,,"]
        );
        assert_eq!(
            values(&parser, Buffer::Ja3sString, ToClient),
            [b"771,4865,43"]
        );
        let ja4 = values(&parser, Buffer::Ja4Hash, ToServer);
        assert!(ja4[0].starts_with(b"q12d0103h3_"));
        let version = version.to_be_bytes();
        assert_eq!(values(&parser, Buffer::QuicVersion, ToServer), [version]);
        assert_eq!(values(&parser, Buffer::QuicVersion, ToClient), [version]);
        assert_eq!(events(&parser), []);
        let mut transactions = parser.messages().all().iter();
        assert!(transactions.all(|tx| tx.is_complete(ToServer) && tx.is_complete(ToClient)));
    }
}

#[test]
fn a_hello_is_read_whatever_order_its_pieces_come_in() {
    let hello = client_hello(b"pieces.example");
    let (first, rest) = hello.split_at(20);
    let (second, third) = rest.split_at(30);
    let frames = [
        [crypto(50, third), vec![1]].concat(),
        [vec![0; 9], crypto(0, first)].concat(),
        [crypto(15, &hello[15..40]), crypto(20, second)].concat(),
    ];
    let packets: Vec<_> = (0..)
        .zip(&frames)
        .map(|(n, f)| {
            Initial {
                number: n,
                ..initial(f)
            }
            .seal()
            .unwrap()
        })
        .collect();
    let apart: Vec<_> = packets.iter().map(|p| (ToServer, p.clone())).collect();
    for datagrams in [apart, vec![(ToServer, packets.concat())]] {
        let parser = run(&datagrams);
        assert_eq!(names(&parser), [b"pieces.example"]);
        assert_eq!(events(&parser), []);
        assert_eq!(parser.messages().all().len(), 1);
    }
}

#[test]
fn a_second_hello_behind_a_retry_request_is_read_too() {
    let (first, second) = (client_hello(b"first"), client_hello(b"second"));
    let (a, b) = (crypto(0, &first), crypto(first.len(), &second));
    let retry = crypto(0, &server_hello());
    let parser = run(&[
        (ToServer, initial(&a).seal().unwrap()),
        (ToClient, answer(&retry).seal().unwrap()),
        (
            ToServer,
            Initial {
                number: 1,
                destination: SERVER,
                ..initial(&b)
            }
            .seal()
            .unwrap(),
        ),
    ]);
    assert_eq!(names(&parser), [&b"first"[..], b"second"]);
    assert_eq!(events(&parser), []);
}

#[test]
fn connections_of_one_flow_do_not_hide_each_other() {
    let hello = client_hello(b"hidden.example");
    let (first, second) = (crypto(0, &hello[..30]), crypto(30, &hello[30..]));
    let decoy = crypto(0, &client_hello(b"decoy.example")[..10]);
    let other = Initial {
        original: b"elsewhere",
        destination: b"elsewhere",
        ..initial(&decoy)
    };
    let parser = run(&[
        (ToServer, initial(&first).seal().unwrap()),
        (ToServer, other.seal().unwrap()),
        (
            ToServer,
            Initial {
                number: 1,
                ..initial(&second)
            }
            .seal()
            .unwrap(),
        ),
    ]);
    assert_eq!(names(&parser), [b"hidden.example"]);
    assert!(!parser.failed(ToServer));
    // More at once than are followed is no way to hide either.
    let ids: Vec<_> = (0..20_u8).map(|n| [n; 8]).collect();
    let many: Vec<_> = ids
        .iter()
        .map(|id| {
            (
                ToServer,
                Initial {
                    original: id,
                    destination: id,
                    ..initial(&decoy)
                }
                .seal()
                .unwrap(),
            )
        })
        .collect();
    let parser = run(&many);
    assert!(parser.failed(ToServer));
    assert!(events(&parser).contains(&Event::TooManyConnections));
    assert!(parser.held_bytes() < 64 << 10);
}

#[test]
fn the_next_connection_of_a_flow_is_read_like_the_first() {
    let (first, second) = (
        crypto(0, &client_hello(b"one")),
        crypto(0, &client_hello(b"two")),
    );
    let ids: Vec<_> = (0..20_u8).map(|n| [n; 8]).collect();
    let mut datagrams: Vec<_> = ids
        .iter()
        .map(|id| {
            (
                ToServer,
                Initial {
                    original: id,
                    destination: id,
                    ..initial(&first)
                }
                .seal()
                .unwrap(),
            )
        })
        .collect();
    datagrams.push((ToServer, initial(&second).seal().unwrap()));
    let parser = run(&datagrams);
    assert_eq!(names(&parser).last().unwrap(), b"two");
    assert_eq!(names(&parser).len(), 21);
    assert!(!parser.failed(ToServer));
}

#[test]
fn a_server_may_answer_in_another_version() {
    let (question, reply) = (crypto(0, &client_hello(b"a")), crypto(0, &server_hello()));
    let parser = run(&[
        (ToServer, initial(&question).seal().unwrap()),
        (
            ToClient,
            Initial {
                version: V2,
                ..answer(&reply)
            }
            .seal()
            .unwrap(),
        ),
    ]);
    assert_eq!(values(&parser, Buffer::Ja3sString, ToClient).len(), 1);
    assert_eq!(events(&parser), []);
}

#[test]
fn what_cannot_be_read_is_told() {
    let hello = client_hello(b"a");
    let good = crypto(0, &hello);
    let mut forged = initial(&good).seal().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let stray = answer(&good).seal().unwrap();
    let foreign = [good.clone(), vec![0x1d]].concat();
    let differs = [crypto(0, &hello[..20]), crypto(18, b"xx")].concat();
    let long = crypto(16_000, &[0; 600]);
    for (direction, datagram, event, failed) in [
        (ToServer, forged, Event::FailedDecrypt, false),
        (ToClient, stray, Event::FailedDecrypt, false),
        (
            ToServer,
            initial(&foreign).seal().unwrap(),
            Event::ErrorOnData,
            false,
        ),
        (
            ToServer,
            initial(&crypto(0, &[9, 0, 0, 0])).seal().unwrap(),
            Event::ErrorOnData,
            false,
        ),
        (
            ToServer,
            vec![0xc0, 0, 0, 0, 1, 8, 1],
            Event::ErrorOnHeader,
            false,
        ),
        (
            ToServer,
            initial(&differs).seal().unwrap(),
            Event::CryptoOverlapDiffers,
            true,
        ),
        (
            ToServer,
            initial(&long).seal().unwrap(),
            Event::CryptoFragTooLong,
            true,
        ),
    ] {
        let parser = run(&[(direction, datagram)]);
        assert_eq!(events(&parser), [event]);
        assert_eq!(parser.failed(direction), failed, "{event:?}");
    }
}

#[test]
fn packets_behind_the_handshake_cost_nothing() {
    let parser = run(&[(ToServer, vec![0x41; 1200]), (ToClient, vec![0x55; 40])]);
    assert!(parser.messages().all().is_empty());
    assert_eq!(
        (parser.beyond_limit(ToServer), parser.beyond_limit(ToClient)),
        (1200, 40)
    );
}

#[test]
fn a_version_alone_is_told() {
    let negotiation = b"\xc0\0\0\0\0\x03cli\x06server\0\0\0\x01".to_vec();
    let unknown = [&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 1, 5, 0][..], &[0; 1200]].concat();
    let parser = run(&[(ToServer, unknown), (ToClient, negotiation)]);
    let version = |d| values(&parser, Buffer::QuicVersion, d);
    assert_eq!(version(ToServer), [[0x1a, 0x2a, 0x3a, 0x4a]]);
    assert_eq!(version(ToClient), [[0; 4]]);
}

/// A hello of Google's QUIC: tags and values.
fn google_hello(tags: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut message = b"CHLO".to_vec();
    message.extend(u16::try_from(tags.len()).unwrap().to_le_bytes());
    message.extend([0, 0]);
    let mut end = 0;
    for (tag, value) in tags {
        end += u32::try_from(value.len()).unwrap();
        message.extend_from_slice(*tag);
        message.extend(end.to_le_bytes());
    }
    message.extend(tags.iter().flat_map(|(_, value)| value.iter()));
    message
}

#[test]
fn google_hellos_are_read_in_the_clear() {
    let tags: &[(&[u8; 4], &[u8])] = &[
        (b"PAD\0", &[0; 7]),
        (b"SNI\0", b"a.example"),
        (b"UAID", b"agent/1"),
    ];
    let hello = google_hello(tags);
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    let stream = [&[0xa0, 1][..], &length, &hello, &[0; 20]].concat();
    let rest = [&[0, 0, 0, 1][..], &[9; 12], &stream].concat();
    let public = [&[0x29][..], &[5; 8], b"Q043", &rest].concat();
    let long = |first: u8, version: &[u8]| [&[first], version, &[0x50], &[5; 8], &rest].concat();
    for (datagram, number) in [
        (public, "43"),
        (long(0xff, b"Q044"), "44"),
        (long(0xc3, b"Q046"), "46"),
    ] {
        let parser = run(&[(ToServer, datagram)]);
        assert_eq!(names(&parser), [b"a.example"], "{number}");
        assert_eq!(
            values(&parser, Buffer::QuicUserAgent, ToServer),
            [b"agent/1"]
        );
        let cyu = format!("{number},PAD-SNI-UAID").into_bytes();
        assert_eq!(values(&parser, Buffer::QuicCyuString, ToServer), [cyu]);
        assert_eq!(values(&parser, Buffer::QuicCyuHash, ToServer)[0].len(), 32);
        assert_eq!(events(&parser), []);
    }
    let version = 0x5130_3530;
    let frame = [
        &[8, 0, 0x40, u8::try_from(hello.len()).unwrap()][..],
        &hello,
    ]
    .concat();
    let parser = run(&[(
        ToServer,
        Initial {
            version,
            ..initial(&frame)
        }
        .seal()
        .unwrap(),
    )]);
    assert_eq!(names(&parser), [b"a.example"]);
}

proptest! {
    #[test]
    fn nothing_breaks_it_and_memory_is_bounded(
        pieces in proptest::collection::vec((any::<bool>(), 0_u8..6, proptest::collection::vec(any::<u8>(), 0..80)), 0..60),
    ) {
        let mut parser = Parser::default();
        let limits = Limits::default();
        for (to_server, id, bytes) in pieces {
            let direction = if to_server { ToServer } else { ToClient };
            let id = [id; 8];
            let frames = [&[6][..], &bytes].concat();
            let sealed = Initial { direction, original: &id, destination: &id, ..initial(&frames) };
            parser.datagram(direction, &sealed.seal().unwrap(), &limits);
            parser.datagram(direction, &bytes, &limits);
            parser.messages_mut().take_finished();
            parser.messages_mut().clear_touched();
            prop_assert!(parser.held_bytes() < 300 << 10);
        }
    }
}
