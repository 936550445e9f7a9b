use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};

const REGISTER: &[u8] = b"\r\n\r\nREGISTER sip:192.0.2.1;transport=TCP SIP/2.0\r\nv: SIP/2.0/TCP 192.0.2.7\r\n\
From: <sip:a@b.example>\r\nt : <sip:c@d.example>\r\nVia: second\r\nContent-Length: 4\r\n\r\nbodyOPTIONS sip:x SIP/2.0\nl: 0\n\n";

fn feed(parser: &mut Parser, bytes: &[u8], step: usize, limits: &Limits) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(ToServer, piece, limits);
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn got(tx: &Transaction, direction: Direction, buffer: Buffer) -> Option<&[u8]> {
    tx.fields(buffer, direction).next()
}

fn events(tx: &Transaction) -> Vec<Event> {
    let sip = |e: &app_layer::Event| match e {
        app_layer::Event::Sip(event) => *event,
        _ => panic!("an event of another protocol"),
    };
    tx.events().iter().map(sip).collect()
}

#[test]
fn messages_are_read_in_any_segmentation() {
    for step in [1, 2, 7, 64, 10_000] {
        let mut parser = Parser::default();
        feed(&mut parser, REGISTER, step, &Limits::default());
        let read: Vec<_> = parser.messages().all().iter().collect();
        let [register, options] = read[..] else {
            panic!("{} messages by {step}", read.len());
        };
        let line = b"REGISTER sip:192.0.2.1;transport=TCP SIP/2.0";
        assert_eq!(
            got(register, ToServer, Buffer::SipRequestLine),
            Some(&line[..])
        );
        assert_eq!(got(register, ToClient, Buffer::SipRequestLine), None);
        assert_eq!(
            got(register, ToServer, Buffer::SipMethod),
            Some(&b"REGISTER"[..])
        );
        let uri = b"sip:192.0.2.1;transport=TCP";
        assert_eq!(got(register, ToServer, Buffer::SipUri), Some(&uri[..]));
        assert_eq!(
            got(register, ToServer, Buffer::SipProtocol),
            Some(&b"SIP/2.0"[..])
        );
        assert_eq!(got(register, ToServer, Buffer::SipStatusCode), None);
        let values = |buffer| register.fields(buffer, ToServer).collect::<Vec<_>>();
        assert_eq!(
            values(Buffer::SipVia),
            [&b"SIP/2.0/TCP 192.0.2.7"[..], b"second"]
        );
        assert_eq!(values(Buffer::SipFrom), [b"<sip:a@b.example>"]);
        assert_eq!(values(Buffer::SipTo), [b"<sip:c@d.example>"]);
        assert_eq!(
            got(options, ToServer, Buffer::SipMethod),
            Some(&b"OPTIONS"[..])
        );
        assert!(register.events().is_empty() && options.events().is_empty());
        assert_eq!(parser.beyond_limit(ToServer), 4);
    }
}

#[test]
fn a_response_has_a_code_and_a_reason() {
    let mut parser = Parser::default();
    let text = b"SIP/2.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(parser.data(ToClient, text, &Limits::default()), text.len());
    let tx = parser.messages().touched().next().unwrap();
    assert_eq!(got(tx, ToClient, Buffer::SipStatusCode), Some(&b"404"[..]));
    assert_eq!(
        got(tx, ToClient, Buffer::SipStatusMessage),
        Some(&b"Not Found"[..])
    );
    assert_eq!(
        got(tx, ToClient, Buffer::SipResponseLine),
        Some(&b"SIP/2.0 404 Not Found"[..])
    );
    assert_eq!(got(tx, ToClient, Buffer::SipMethod), None);
    parser.messages_mut().take_finished();
    assert_eq!(parser.messages().all().iter().count(), 0);
}

#[test]
fn what_is_no_message_is_an_event_and_reading_goes_on() {
    let mut parser = Parser::default();
    let text = b"nonsense\r\n\r\nOPTIONS sip:x SIP/2.0\r\nContent-Length: x\r\n\r\n";
    feed(&mut parser, text, 3, &Limits::default());
    let found: Vec<_> = parser.messages().all().iter().map(events).collect();
    assert_eq!(found, [[Event::InvalidData], [Event::InvalidData]]);
    assert!(!parser.failed(ToServer));
}

#[test]
fn a_head_without_end_is_given_up_at_the_limit() {
    let limits = Limits {
        sip_header_bytes: 100,
        ..Limits::default()
    };
    for step in [1, 1000] {
        let mut parser = Parser::default();
        let text = [b"OPTIONS sip:x SIP/2.0\r\na: ".as_slice(), &[b'x'; 200]].concat();
        feed(&mut parser, &text, step, &limits);
        assert!(parser.failed(ToServer) && !parser.failed(ToClient));
        let tx = parser.messages().all().iter().next().unwrap();
        assert_eq!(events(tx), [Event::HeaderTooLong]);
        assert_eq!(got(tx, ToServer, Buffer::SipMethod), Some(&b"OPTIONS"[..]));
        assert_eq!(parser.beyond_limit(ToServer), text.len() as u64 - 100);
    }
}

#[test]
fn each_datagram_is_one_message() {
    let mut parser = Parser::default();
    let limits = Limits::default();
    parser.datagram(ToServer, b"OPTIONS sip:x SIP/2.0\r\nVia: cut sh", &limits);
    assert_eq!(
        events(parser.messages().touched().next().unwrap()),
        [Event::IncompleteData]
    );
    parser.messages_mut().take_finished();
    parser.datagram(
        ToServer,
        b"OPTIONS sip:y SIP/2.0\r\nl: 500\r\n\r\nshort",
        &limits,
    );
    parser.datagram(ToServer, b"OPTIONS sip:z SIP/2.0\r\n\r\n", &limits);
    let uris: Vec<_> = parser
        .messages()
        .all()
        .iter()
        .filter_map(|tx| got(tx, ToServer, Buffer::SipUri))
        .collect();
    assert_eq!(uris, [b"sip:y", b"sip:z"]);
}

#[test]
fn a_gap_within_a_body_loses_nothing_and_elsewhere_the_direction() {
    let mut parser = Parser::default();
    let limits = Limits::default();
    feed(
        &mut parser,
        b"OPTIONS sip:x SIP/2.0\r\nl: 10\r\n\r\n12",
        100,
        &limits,
    );
    parser.gap(ToServer, 8);
    assert!(!parser.failed(ToServer));
    parser.gap(ToServer, 1);
    assert!(parser.failed(ToServer));
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 1..20usize) {
        let text = [b"OPTIONS sip:x SIP/2.0\r\n".as_slice(), &bytes, b"\r\n\r\n"].concat();
        let read = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, &text, step, &Limits::default());
            parser.eof(ToServer, &Limits::default());
            let told: Vec<_> = parser
                .messages()
                .all()
                .iter()
                .map(|tx| (got(tx, ToServer, Buffer::SipUri).map(<[u8]>::to_vec), events(tx)))
                .collect();
            (told, parser.failed(ToServer), parser.beyond_limit(ToServer))
        };
        prop_assert_eq!(read(cut), read(text.len()));
    }
}
