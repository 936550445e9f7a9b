use super::*;
use crate::app_layer;
use crate::app_layer::message::{Fact, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::ToServer;
use crate::number::Number;
use crate::protocol::Protocol;

/// An element with a short length.
fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let contents = contents.concat();
    [&[tag, u8::try_from(contents.len()).unwrap()][..], &contents].concat()
}

fn bindings() -> Vec<u8> {
    let name = element(6, &[&[0x2b, 6, 1]]);
    element(0x30, &[&element(0x30, &[&name, &[5, 0]])])
}

fn get(version: u8) -> Vec<u8> {
    let pdu = element(0xa0, &[&[2, 1, 7, 2, 1, 0, 2, 1, 0], &bindings()]);
    element(0x30, &[&[2, 1, version], &element(4, &[b"public"]), &pdu])
}

fn one(bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(0, Protocol::Snmp);
    read(&mut tx, ToServer, bytes, &app_layer::Limits::default());
    tx
}

fn numbers(tx: &Transaction, number: Number) -> Vec<u64> {
    tx.numbers(number, ToServer).collect()
}

#[test]
fn a_request_tells_version_community_and_names() {
    let tx = one(&get(1));
    assert_eq!(numbers(&tx, Number::SnmpVersion), [2]);
    assert_eq!(numbers(&tx, Number::SnmpPduType), [0]);
    let community = tx.field(Buffer::SnmpCommunity, ToServer);
    assert_eq!(community, Some((&b"public"[..], true)));
    assert!(tx.facts().any(|f| f == ("vars[]", Fact::Text(b"1.3.6.1"))));
    assert!(tx.events().is_empty());
}

#[test]
fn a_trap_tells_its_kind() {
    let enterprise = element(6, &[&[0x2b, 6, 1]]);
    let address = element(0x40, &[&[192, 0, 2, 1]]);
    let tail = [&[2, 1, 2, 2, 1, 0, 0x43, 1, 9][..], &bindings()].concat();
    let trap = element(0xa4, &[&enterprise, &address, &tail]);
    let tx = one(&element(0x30, &[&[2, 1, 0], &element(4, &[b"c"]), &trap]));
    assert_eq!(numbers(&tx, Number::SnmpTrapType), [2]);
    assert_eq!(numbers(&tx, Number::SnmpVersion), [1]);
    let address = ("trap_address", Fact::Text(&b"192.0.2.1"[..]));
    assert!(tx.facts().any(|f| f == address));
}

#[test]
fn version_3_has_a_user_and_perhaps_a_secret() {
    let v3 = |model: u8, data: &[u8]| {
        let global = element(0x30, &[&[2, 1, 1, 2, 1, 1, 4, 1, 0, 2, 1, model]]);
        let usm = element(
            0x30,
            &[
                &[4, 0, 2, 1, 0, 2, 1, 0],
                &element(4, &[b"bob"]),
                &[4, 0, 4, 0],
            ],
        );
        element(0x30, &[&[2, 1, 3], &global, &element(4, &[&usm]), data])
    };
    let secret = element(4, &[b"\x01\x02"]);
    let tx = one(&v3(3, &secret));
    assert_eq!(
        tx.field(Buffer::SnmpUser, ToServer),
        Some((&b"bob"[..], true))
    );
    assert!(tx.events().is_empty() && numbers(&tx, Number::SnmpPduType).is_empty());
    let pdu = element(0xa8, &[&[2, 1, 7, 2, 1, 0, 2, 1, 0], &bindings()]);
    let tx = one(&v3(3, &element(0x30, &[&[4, 0, 4, 0], &pdu])));
    assert_eq!(numbers(&tx, Number::SnmpPduType), [8]);
    let event = app_layer::Event::Snmp(Event::UnknownSecurityModel);
    assert_eq!(one(&v3(2, &secret)).events(), [event]);
}

#[test]
fn what_cannot_be_read_is_malformed_and_no_start_of_snmp() {
    assert!(is_datagram(&get(0)) && is_datagram(&get(1)));
    let malformed = [app_layer::Event::Snmp(Event::MalformedData)];
    let whole = get(0);
    for bytes in [
        &b""[..],
        b"\x30\x03\x02\x01\x00",
        &get(2),
        &whole[..whole.len() - 1],
    ] {
        assert_eq!(one(bytes).events(), malformed, "{bytes:?}");
        assert!(!is_datagram(bytes));
    }
    assert!(!is_datagram(&[&whole[..], b"x"].concat()));
}
