//! Whole sessions through the parser.

use proptest::prelude::*;

use super::{Event, Parser, Version, progress};
use crate::app_layer;
use crate::app_layer::Limits;
use crate::direction::Direction::{self, ToClient, ToServer};

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    record.extend_from_slice(body);
    record
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    message[0] = kind;
    message.extend_from_slice(body);
    message
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut extension = kind.to_be_bytes().to_vec();
    extension.extend(prefixed(data));
    extension
}

fn prefixed(data: &[u8]) -> Vec<u8> {
    let mut out = u16::try_from(data.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(data);
    out
}

fn server_name(name: &[u8]) -> Vec<u8> {
    let mut entry = vec![0];
    entry.extend(prefixed(name));
    extension(0, &prefixed(&entry))
}

fn client_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(prefixed(extensions));
    message(1, &body)
}

fn server_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([8; 32]);
    body.extend([0, 0x13, 1, 0]);
    body.extend(prefixed(extensions));
    message(2, &body)
}

fn events(parser: &Parser) -> Vec<Event> {
    let mut events: Vec<_> = parser
        .transaction()
        .events()
        .iter()
        .map(|e| match e {
            app_layer::Event::Tls(event) => *event,
            _ => unreachable!("TLS has no events of others"),
        })
        .collect();
    events.sort();
    events
}

fn run(parts: &[(Direction, Vec<u8>)], step: usize) -> Parser {
    let mut parser = Parser::default();
    for (direction, bytes) in parts {
        for part in bytes.chunks(step) {
            assert_eq!(
                parser.data(*direction, part, &Limits::default()),
                part.len()
            );
        }
    }
    parser
}

#[test]
fn hellos_are_read_from_any_records() {
    let names = [
        server_name(b"Example.com"),
        extension(16, &prefixed(b"\x02h2\x08http/1.1")),
    ]
    .concat();
    let hello = client_hello(&names);
    let tiny: Vec<u8> = hello.iter().flat_map(|&b| record(22, &[b])).collect();
    for wire in [record(22, &hello), tiny] {
        for step in [1, 3, wire.len()] {
            let parser = run(
                &[
                    (ToServer, wire.clone()),
                    (ToClient, record(22, &server_hello(&extension(43, &[3, 4])))),
                ],
                step,
            );
            let session = parser.transaction();
            assert_eq!(session.sni(), Some(&b"Example.com"[..]));
            assert_eq!(session.alpn(ToServer), [&b"h2"[..], b"http/1.1"]);
            assert_eq!(session.version(ToServer), Some(Version(0x0303)));
            assert_eq!(session.version_in_force(), Some(Version::TLS13));
            assert_eq!(session.progress(ToServer), progress::HELLO);
            let mut events = events(&parser);
            events.retain(|e| *e != Event::TooManyRecordsInPacket);
            assert_eq!(events, []);
        }
    }
}

/// Self-signed, C=US, ST=Utah, O=Example, CN=example.com, made for this test.
const CERTIFICATE: &str = "308201cf30820174a00302010202030a1b2c300a06082a8648ce3d0403023044310b30090603550406130255\
    53310d300b06035504080c04557461683110300e060355040a0c074578616d706c653114301206035504030c\
    0b6578616d706c652e636f6d3020170d3236313132333232333832305a180f32313236313033303232333832\
    305a3044310b3009060355040613025553310d300b06035504080c04557461683110300e060355040a0c0745\
    78616d706c653114301206035504030c0b6578616d706c652e636f6d3059301306072a8648ce3d020106082a\
    8648ce3d0301070342000446e9a835f307a5e009648be9613fe1121639d9db35b4231a58b9b2716e0e6e00c5\
    5b3a1c9218cbc227aebbc1b5b37dbdf79109955908c74a9c09fe789a2dbef0a3533051301d0603551d0e0416\
    041497c4d71a80b5a1cf5db6a4ff412c73b56346e84d301f0603551d2304183016801497c4d71a80b5a1cf5d\
    b6a4ff412c73b56346e84d300f0603551d130101ff040530030101ff300a06082a8648ce3d04030203490030\
    46022100f82381df5cc24f512b5d8e482cd6f8b8d114a4361748003c8380bd70cb967e25022100ac051e1c1e\
    34215f9c033b1c249d946ce3fb208d64532c6b59832d006c71c73b";

#[test]
fn the_first_certificate_is_described() {
    let der: Vec<u8> = (0..CERTIFICATE.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&CERTIFICATE[at..at + 2], 16).unwrap())
        .collect();
    let length = u16::try_from(der.len()).unwrap();
    let entry = [&[0][..], &length.to_be_bytes(), &der].concat();
    let list = [&[0][..], &prefixed(&entry)].concat();
    let parser = run(&[(ToClient, record(22, &message(11, &list)))], 50);
    let chain = parser.transaction().chain(ToClient).unwrap();
    let name = &b"C=US, ST=Utah, O=Example, CN=example.com"[..];
    assert_eq!(chain.subject(), Some(name));
    assert_eq!(chain.issuer(), Some(name));
    assert_eq!(chain.serial(), Some(&b"0A:1B:2C"[..]));
    assert_eq!(chain.fingerprint().map(<[u8]>::len), Some(59));
    assert_eq!(chain.validity(), Some((1_795_473_500, 4_949_073_500)));
    assert!(chain.names().is_empty());
    assert_eq!(chain.certificates(), [der]);
    assert_eq!(chain.length(), 1);
    assert!(parser.transaction().chain(ToServer).is_none());
    assert_eq!(events(&parser), []);
}

#[test]
fn each_end_shows_its_own_certificate() {
    let list = |certificate: &[u8]| {
        let length = u16::try_from(certificate.len()).unwrap();
        let entry = [&[0][..], &length.to_be_bytes(), certificate].concat();
        record(22, &message(11, &[&[0][..], &prefixed(&entry)].concat()))
    };
    let parser = run(
        &[
            (ToClient, list(b"server")),
            (ToServer, list(b"client")),
            (ToServer, list(b"another")),
        ],
        7,
    );
    let session = parser.transaction();
    let certificates = |d| session.chain(d).unwrap().certificates().to_vec();
    assert_eq!(certificates(ToClient), [b"server"]);
    assert_eq!(certificates(ToServer), [b"client"]);
    assert_eq!(session.progress(ToServer), progress::CERTIFICATE);
}

#[test]
fn a_second_hello_hides_nothing_of_the_first_and_nothing_hides_it() {
    let protocols = |list: &[u8]| extension(16, &prefixed(list));
    let first = [server_name(b"benign"), protocols(b"\x02h2")].concat();
    let second = [server_name(b"hidden"), protocols(b"\x02h2\x02h3")].concat();
    let wire = [
        record(22, &client_hello(&first)),
        record(22, &client_hello(&second)),
    ]
    .concat();
    let parser = run(&[(ToServer, wire)], 11);
    let session = parser.transaction();
    assert_eq!(session.names(), [&b"benign"[..], b"hidden"]);
    assert_eq!(session.alpn(ToServer), [&b"h2"[..], b"h3"]);
    assert_eq!(session.randoms(ToServer).len(), 2);
    assert_eq!(events(&parser), []);
}

#[test]
fn what_came_is_remembered_by_its_end() {
    let parser = run(
        &[
            (ToServer, record(22, &client_hello(&[]))),
            (ToClient, record(22, &server_hello(&[]))),
            (ToClient, record(22, &message(12, b"exchange"))),
            (ToServer, record(22, &message(16, b"exchange"))),
        ],
        4,
    );
    let states = |d| parser.transaction().states(d);
    assert_eq!(states(ToServer), 0b0101);
    assert_eq!(states(ToClient), 0b1010);
}

#[test]
fn a_certificate_that_does_not_parse_is_kept_and_told() {
    let list = [&[0, 0, 3][..], b"abc", &[0, 0, 2], b"de"].concat();
    let certificate = message(11, &[&[0, 0, 11][..], &list].concat());
    let coalesced = [server_hello(&[]), certificate, message(14, &[])].concat();
    let parser = run(&[(ToClient, record(22, &coalesced))], 4);
    let session = parser.transaction();
    let chain = session.chain(ToClient).unwrap();
    assert_eq!(chain.certificates(), [b"abc".to_vec(), b"de".to_vec()]);
    assert_eq!((chain.length(), chain.subject()), (2, None));
    assert_eq!(session.progress(ToClient), progress::CERTIFICATE);
    assert_eq!(
        events(&parser),
        [Event::InvalidCertificate, Event::CertificateInvalidDer]
    );
}

#[test]
fn an_overflow_is_told_with_the_eighth_byte() {
    // CVE-2014-0160 as it is sent: 3 bytes that ask for 16 KiB.
    let attack = record(24, &[1, 0x40, 0]);
    let mut parser = Parser::default();
    let hello = record(22, &client_hello(&[]));
    parser.data(ToServer, &hello, &Limits::default());
    for (at, byte) in attack.iter().enumerate() {
        assert!(
            !events(&parser).contains(&Event::OverflowHeartbeatMessage),
            "before byte {at}"
        );
        parser.data(ToServer, &[*byte], &Limits::default());
    }
    assert!(parser.touched());
    assert!(events(&parser).contains(&Event::OverflowHeartbeatMessage));
    // A longer record: the first eight bytes are enough.
    let mut padded = vec![1, 0x40, 0];
    padded.extend([0; 1000]);
    let coalesced = [hello, record(24, &padded)].concat();
    let cut = coalesced.len() - 1000;
    let parser = run(&[(ToServer, coalesced[..cut].to_vec())], cut);
    assert!(events(&parser).contains(&Event::OverflowHeartbeatMessage));
}

#[test]
fn honest_heartbeats_are_only_seen() {
    let beat = |kind| record(24, &[&[kind, 0, 4][..], b"ping", &[0; 16]].concat());
    let parser = run(
        &[
            (ToServer, beat(1)),
            (ToClient, beat(2)),
            (ToServer, beat(1)),
        ],
        2,
    );
    assert_eq!(events(&parser), [Event::HeartbeatMessage]);
}

#[test]
fn a_forged_answer_hides_no_request() {
    let forged = record(24, &[2, 0xff, 0xff]);
    let attack = record(24, &[1, 0x40, 0]);
    let parser = run(&[(ToServer, [forged, attack].concat())], 100);
    assert!(events(&parser).contains(&Event::OverflowHeartbeatMessage));
}

#[test]
fn application_data_alone_does_not_hide_heartbeats() {
    let wire = [
        record(22, &client_hello(&[])),
        record(23, b"x"),
        record(24, &[1, 0x40, 0]),
    ]
    .concat();
    let parser = run(&[(ToServer, wire)], 100);
    assert!(events(&parser).contains(&Event::OverflowHeartbeatMessage));
}

#[test]
fn behind_change_cipher_spec_lengths_are_compared() {
    let start = |hello: Vec<u8>| [record(22, &hello), record(20, &[1])].concat();
    let mut parts = vec![
        (ToServer, start(client_hello(&[]))),
        (ToClient, start(server_hello(&[]))),
        (ToServer, record(24, &[0xaa; 48])),
        (ToClient, record(24, &[0xbb; 48])),
    ];
    let parser = run(&parts, 5);
    assert!(parser.encrypted());
    assert_eq!(events(&parser), [Event::HeartbeatMessage]);
    parts.push((ToServer, record(24, &[0xaa; 48])));
    parts.push((ToClient, record(24, &[0xbb; 9000])));
    assert!(events(&run(&parts, 5)).contains(&Event::DataleakHeartbeatMismatch));
}

#[test]
fn odd_records_end_the_reading() {
    for (wire, event) in [
        (vec![99], Event::InvalidRecordType),
        (vec![22, 9], Event::InvalidRecordVersion),
        (record(22, &[]), Event::InvalidTlsHeader),
        (record(21, &[1]), Event::InvalidAlertMessage),
        (
            record(22, &message(1, b"short")),
            Event::InvalidHandshakeMessage,
        ),
        (record(21, &[2, 40]), Event::ErrorMessageEncountered),
        (
            record(22, &[1, 0xff, 0xff, 0xff, 0]),
            Event::HandshakeInvalidLength,
        ),
        (
            record(22, &[132, 0xff, 0xff, 0xff, 0]),
            Event::InvalidHandshakeMessage,
        ),
        (
            record(
                22,
                &client_hello(&[server_name(b"a"), server_name(b"b")].concat()),
            ),
            Event::MultipleSniExtensions,
        ),
        (
            record(22, &client_hello(&extension(0, &[]))),
            Event::InvalidSniLength,
        ),
        (
            record(22, &client_hello(&extension(0, &[0, 4, 1, 0, 1, b'a']))),
            Event::InvalidSniType,
        ),
        (vec![0x80, 3, 7, 0, 2], Event::InvalidSslv2Header),
    ] {
        for step in [1, wire.len()] {
            let parser = run(&[(ToServer, wire.clone())], step);
            assert_eq!(events(&parser), [event], "{wire:?} by {step}");
        }
    }
    let parser = run(&[(ToServer, vec![22, 3, 1, 0xff, 0xff])], 2);
    assert_eq!(
        events(&parser),
        [Event::InvalidSslRecord, Event::InvalidRecordLength]
    );
    let crumbs = message(1, &[0; 40]).into_iter();
    let crumbs = crumbs.flat_map(|b| record(22, &[b])).collect();
    let parser = run(&[(ToServer, crumbs)], 9);
    assert!(events(&parser).contains(&Event::TooManyRecordsInPacket));
    let mut parser = run(&[(ToServer, vec![99, 1, 2, 3])], 4);
    assert!(parser.failed(ToServer));
    assert_eq!(parser.beyond_limit(ToServer), 3);
    parser.eof(ToServer);
    assert!(parser.failed(ToServer) && parser.transaction().is_complete(ToServer));
}

#[test]
fn an_ssl2_hello_leads_to_tls_or_to_nothing() {
    let hello = |minor: [u8; 2]| {
        let mut body = vec![1, minor[0], minor[1], 0, 3, 0, 0, 0, 4];
        body.extend([0; 7]);
        let mut wire = vec![0x80, u8::try_from(body.len()).unwrap()];
        wire.extend(body);
        wire
    };
    let attack = record(24, &[1, 0x40, 0]);
    let tls = run(&[(ToServer, [hello([3, 1]), attack.clone()].concat())], 3);
    assert!(events(&tls).contains(&Event::OverflowHeartbeatMessage));
    let ssl2 = run(&[(ToServer, [hello([0, 2]), attack].concat())], 3);
    assert_eq!(ssl2.transaction().version(ToServer), Some(Version::SSL2));
    assert_eq!(events(&ssl2), []);
}

fn wire_piece() -> impl Strategy<Value = Vec<u8>> {
    let known = vec![
        record(22, &client_hello(&server_name(b"h"))),
        record(22, &server_hello(&[])),
        record(22, &[1, 0, 0]),
        record(24, &[1, 0, 1, 0]),
        record(24, &[2, 0x20, 0]),
        record(24, &[&[1, 0, 1][..], &[0; 17]].concat()),
        record(20, &[1]),
        record(21, &[1, 0]),
        record(23, b"data"),
        record(24, &[]),
    ];
    prop_oneof![
        9 => proptest::sample::select(known),
        1 => proptest::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        pieces in proptest::collection::vec((any::<bool>(), wire_piece()), 1..14),
        cuts in proptest::collection::vec(1_usize..30, 1..12),
    ) {
        let limits = Limits { tls_handshake_bytes: 4096, ..Limits::default() };
        let mut whole = Parser::default();
        let mut cut = Parser::default();
        let mut sizes = cuts.iter().cycle();
        for (to_server, bytes) in &pieces {
            let direction = if *to_server { ToServer } else { ToClient };
            whole.data(direction, bytes, &limits);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                cut.data(direction, now, &limits);
                rest = later;
            }
        }
        prop_assert_eq!(events(&whole), events(&cut));
        let (a, b) = (whole.transaction(), cut.transaction());
        prop_assert_eq!(a.names(), b.names());
        for direction in Direction::BOTH {
            prop_assert_eq!(a.version(direction), b.version(direction));
            prop_assert_eq!(a.states(direction), b.states(direction));
            prop_assert_eq!(a.progress(direction), b.progress(direction));
            prop_assert_eq!(whole.failed(direction), cut.failed(direction));
            prop_assert_eq!(whole.beyond_limit(direction), cut.beyond_limit(direction));
        }
        prop_assert_eq!(whole.encrypted(), cut.encrypted());
    }
}
