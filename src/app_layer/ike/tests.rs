use super::*;
use crate::app_layer;
use crate::app_layer::message::Transaction;
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;

fn message(version: u8, exchange: u8, payloads: &[(u8, &[u8])]) -> Vec<u8> {
    let first = payloads.first().map_or(0, |(kind, _)| *kind);
    let mut body = Vec::new();
    for (at, (_, contents)) in payloads.iter().enumerate() {
        let next = payloads.get(at + 1).map_or(0, |(kind, _)| *kind);
        let length = u16::try_from(contents.len() + 4).unwrap().to_be_bytes();
        body.extend([&[next, 0][..], &length, contents].concat());
    }
    let length = u32::try_from(body.len() + 28).unwrap().to_be_bytes();
    let head = [first, version, exchange, 0, 0, 0, 0, 0];
    [&[0xaa; 8][..], &[0; 8], &head, &length, &body].concat()
}

/// A security association of version 2 with one proposal of one transform.
fn proposal(kind: u8, number: u8) -> Vec<u8> {
    vec![0, 0, 0, 16, 1, 1, 0, 1, 0, 0, 0, 8, kind, 0, 0, number]
}

fn one(direction: Direction, bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(0, Protocol::Ike);
    read(&mut tx, direction, bytes, &app_layer::Limits::default());
    tx
}

fn events(tx: &Transaction) -> Vec<app_layer::Event> {
    tx.events().to_vec()
}

#[test]
fn a_message_tells_its_spis_and_payloads() {
    for (version, exchange, [key, nonce, vendor], lead) in [
        (0x10, 2, [4, 10, 13], &b""[..]),
        (0x20, 34, [34, 40, 43], b"\0\x0e\0\0"),
    ] {
        let key_exchange = [lead, b"KEY"].concat();
        let payloads = [
            (key, &key_exchange[..]),
            (nonce, b"NONCE"),
            (vendor, b"\x01\xab"),
        ];
        let bytes = message(version, exchange, &payloads);
        let tx = one(ToServer, &bytes);
        let field = |buffer| tx.fields(buffer, ToServer).next();
        assert_eq!(
            field(Buffer::IkeInitiatorSpi),
            Some(&b"aaaaaaaaaaaaaaaa"[..])
        );
        assert_eq!(field(Buffer::IkeKeyExchange), Some(&b"KEY"[..]));
        assert_eq!(field(Buffer::IkeNonce), Some(&b"NONCE"[..]));
        assert_eq!(field(Buffer::IkeVendor), Some(&b"01ab"[..]));
        let number = |number| tx.numbers(number, ToServer).next();
        assert_eq!(number(Number::IkeExchangeType), Some(exchange.into()));
        assert_eq!(number(Number::IkeKeyExchangeLength), Some(3));
        assert_eq!(number(Number::IkeNonceLength), Some(5));
        assert!(events(&tx).is_empty(), "{:?}", events(&tx));
        assert!(is_datagram(&bytes, 500) && is_datagram(&bytes, 4000));
        assert!(is_datagram(&[&[0; 4][..], &bytes].concat(), 4500));
        assert!(!is_datagram(&[&bytes[..], b"x"].concat(), 500));
    }
}

#[test]
fn proposals_are_judged() {
    for (kind, number, expected) in [
        (1, 3, Some(Event::WeakCryptoEnc)),
        (1, 11, Some(Event::NoEncryption)),
        (1, 20, None),
        (2, 2, Some(Event::WeakCryptoPrf)),
        (3, 0, Some(Event::WeakCryptoNoAuth)),
        (3, 2, Some(Event::WeakCryptoAuth)),
        (4, 0, Some(Event::WeakCryptoNoDh)),
        (4, 2, Some(Event::WeakCryptoDh)),
        (4, 14, None),
        (9, 1, Some(Event::UnknownProposal)),
    ] {
        let tx = one(
            ToServer,
            &message(0x20, 34, &[(33, &proposal(kind, number))]),
        );
        let expected: Vec<_> = expected.map(app_layer::Event::Ike).into_iter().collect();
        assert_eq!(events(&tx), expected, "{kind} {number}");
    }
    let two = [proposal(1, 20), proposal(1, 20)].concat();
    let tx = one(ToClient, &message(0x20, 34, &[(33, &two)]));
    let several = app_layer::Event::Ike(Event::MultipleServerProposal);
    assert_eq!(events(&tx), [several]);
    let cut = &proposal(1, 20)[..10];
    let tx = one(ToServer, &message(0x20, 34, &[(33, cut)]));
    assert_eq!(events(&tx), [app_layer::Event::Ike(Event::InvalidProposal)]);
}

#[test]
fn the_server_of_version_1_chooses() {
    let attributes = [0x80, 1, 0, 7, 0x80, 4, 0, 2, 0, 12, 0, 4, 0, 1, 0x51, 0x80];
    let transform = [&[0, 0, 0, 24, 1, 1, 0, 0][..], &attributes].concat();
    let association = [
        &[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 32, 1, 1, 0, 1][..],
        &transform,
    ]
    .concat();
    let bytes = message(0x10, 2, &[(1, &association)]);
    let tx = one(ToClient, &bytes);
    let number = |number| tx.numbers(number, ToClient).next();
    assert_eq!(number(Number::IkeEncryption), Some(7));
    assert_eq!(number(Number::IkeGroup), Some(2));
    assert_eq!(number(Number::IkeLifeDuration), Some(86_400));
    assert!(events(&tx).is_empty());
    assert_eq!(
        one(ToServer, &bytes)
            .numbers(Number::IkeGroup, ToServer)
            .count(),
        0
    );
}

#[test]
fn odd_messages_are_malformed() {
    let malformed = [app_layer::Event::Ike(Event::MalformedData)];
    assert_eq!(events(&one(ToServer, b"short")), malformed);
    let mut cut = message(0x20, 34, &[(40, b"nonce")]);
    cut.pop();
    assert_eq!(events(&one(ToServer, &cut)), malformed);
    assert!(!is_datagram(&cut, 500));
    let mut encrypted = message(0x10, 5, &[(8, b"x")]);
    encrypted[19] = 1;
    encrypted.pop();
    assert!(events(&one(ToServer, &encrypted)).is_empty());
    let extra = [message(0x20, 34, &[]), b"x".to_vec()].concat();
    assert_eq!(
        events(&one(ToServer, &extra)),
        [app_layer::Event::Ike(Event::PayloadExtraData)]
    );
}
