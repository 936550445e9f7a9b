use super::message::{COOKIE, FIXED_BYTES};
use super::*;
use crate::app_layer;
use crate::app_layer::message::{Fact, Transaction};
use crate::direction::Direction::ToClient;
use crate::number::Number;
use crate::protocol::Protocol;

fn message(options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 1, 6, 0, 0, 0, 0, 9];
    bytes.resize(16, 0);
    bytes.extend([192, 0, 2, 7]);
    bytes.resize(28, 0);
    bytes.extend([2, 0, 0, 0, 0, 1]);
    bytes.resize(FIXED_BYTES - 4, 0);
    [&bytes[..], &COOKIE, options].concat()
}

fn one(bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(0, Protocol::Dhcp);
    read(&mut tx, ToClient, bytes, &app_layer::Limits::default());
    tx
}

#[test]
fn times_and_facts_come_from_options() {
    let options = [
        53, 1, 5, 51, 4, 0, 0, 14, 16, 0, 58, 4, 0, 0, 7, 8, 59, 4, 0, 0, 12, 78, 6, 4, 192, 0, 2,
        53, 255,
    ];
    let tx = one(&message(&options));
    let number = |number| tx.numbers(number, ToClient).collect::<Vec<_>>();
    assert_eq!(number(Number::DhcpLeaseTime), [3600]);
    assert_eq!(number(Number::DhcpRenewalTime), [1800]);
    assert_eq!(number(Number::DhcpRebindingTime), [3150]);
    for fact in [
        ("type", Fact::Text(&b"reply"[..])),
        ("id", Fact::Number(9)),
        ("assigned_ip", Fact::Text(b"192.0.2.7")),
        ("client_mac", Fact::Text(b"02:00:00:00:00:01")),
        ("dhcp_type", Fact::Text(b"ack")),
        ("dns_servers[]", Fact::Text(b"192.0.2.53")),
    ] {
        assert!(tx.facts().any(|f| f == fact), "{fact:?}");
    }
    assert!(tx.events().is_empty());
}

#[test]
fn options_that_do_not_fit_are_events() {
    let malformed = [app_layer::Event::Dhcp(Event::MalformedOptions)];
    let truncated = [app_layer::Event::Dhcp(Event::TruncatedOptions)];
    assert_eq!(one(&message(&[51, 2, 0, 0, 255])).events(), malformed);
    assert_eq!(one(&message(&[51, 4, 0, 0])).events(), truncated);
    assert_eq!(one(&message(&[0, 0])).events(), truncated);
    assert_eq!(one(&message(&[])[..100]).events(), malformed);
    assert!(is_datagram(&message(&[])) && !is_datagram(&message(&[])[..239]));
    let mut odd = message(&[255]);
    odd[0] = 3;
    assert!(!is_datagram(&odd));
}
