use super::*;
use crate::app_layer;
use crate::app_layer::message::Transaction;
use crate::buffer::Buffer;
use crate::direction::Direction::{ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;

fn packet(first: u8, stratum: u8, reference: &[u8; 4]) -> Vec<u8> {
    [&[first, stratum, 6, 0xec][..], &[0; 8], reference, &[7; 32]].concat()
}

fn one(bytes: &[u8]) -> Transaction {
    let mut tx = Transaction::new(0, Protocol::Ntp);
    read(&mut tx, ToClient, bytes, &app_layer::Limits::default());
    tx
}

#[test]
fn a_packet_tells_its_version_mode_stratum_and_reference() {
    let tx = one(&packet(0x24, 2, b"LOCL"));
    let number = |number| tx.numbers(number, ToClient).collect::<Vec<_>>();
    assert_eq!(number(Number::NtpVersion), [4]);
    assert_eq!(number(Number::NtpMode), [4]);
    assert_eq!(number(Number::NtpStratum), [2]);
    let reference = tx.field(Buffer::NtpReferenceId, ToClient);
    assert_eq!(reference, Some((&b"LOCL"[..], true)));
    assert_eq!(tx.field(Buffer::NtpReferenceId, ToServer), None);
    assert!(tx.events().is_empty());
}

#[test]
fn a_short_packet_is_malformed_and_a_control_message_is_not() {
    let malformed = [app_layer::Event::Ntp(Event::MalformedData)];
    assert_eq!(one(&packet(0x23, 0, b"abcd")[..47]).events(), malformed);
    assert_eq!(one(b"").events(), malformed);
    let control = one(&[0x16, 2, 0, 1]);
    assert!(control.events().is_empty());
    assert_eq!(control.numbers(Number::NtpStratum, ToClient).count(), 0);
}

#[test]
fn packets_are_known_by_their_port_or_by_every_field() {
    let request = packet(0x23, 0, &[0; 4]);
    assert!(is_datagram(&request, 123) && is_datagram(&request, 4000));
    assert!(is_datagram(&[0x17, 0, 3, 42, 0, 0, 0, 0], 123), "mode 7");
    for (place, byte) in [
        (0, 0x3b),
        (0, 0x20),
        (1, 17),
        (2, 18),
        (3, 1),
        (4, 1),
        (8, 1),
    ] {
        let mut odd = request.clone();
        odd[place] = byte;
        assert!(!is_datagram(&odd, 4000), "{place}");
    }
    assert!(!is_datagram(&[&request[..], b"x"].concat(), 4000));
    assert!(!is_datagram(&request[..47], 123) && !is_datagram(b"", 123));
}
