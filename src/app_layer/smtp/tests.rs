use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};

const MAIL: &[u8] = b"EHLO a.example\r\nMAIL FROM:<a@a.example> SIZE=9\r\nRCPT TO:<b@b.example>\r\nRCPT TO: <c@c.example>\r\nDATA\r\n\
Subject: one\r\nContent-Disposition: attachment; filename=x.txt\r\n\r\n..dotted\r\nMAIL FROM:<no@no.example>\r\n.\r\n\
MAIL FROM:<d@d.example>\r\nBDAT 8\r\nSubject:BDAT 8 LAST\r\n two\r\n\r\nQUIT\r\n";
const REPLIES: &[u8] = b"220 b.example ESMTP\r\n250-b.example\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n250 queued\r\n\
250 ok\r\n250 chunk\r\n250 queued\r\n221 bye\r\n";

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize, limits: &Limits) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, limits);
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn read(client: &[u8], step: usize) -> Parser {
    let (mut parser, limits) = (Parser::default(), Limits::default());
    feed(&mut parser, ToClient, b"220 x ESMTP\r\n", step, &limits);
    feed(&mut parser, ToServer, client, step, &limits);
    parser
}

fn got(tx: &Transaction, buffer: Buffer) -> Vec<&[u8]> {
    tx.fields(buffer, ToServer).collect()
}

fn events(parser: &Parser) -> Vec<Event> {
    let all = parser.messages().all().iter().flat_map(Transaction::events);
    let smtp = |e: &app_layer::Event| match e {
        app_layer::Event::Smtp(event) => *event,
        _ => panic!("an event of another protocol"),
    };
    all.map(smtp).collect()
}

#[test]
fn mails_are_read_in_any_segmentation() {
    for step in [1, 2, 7, 10_000] {
        let mut parser = read(MAIL, step);
        // The first chunk ends within a line.
        assert_eq!(events(&parser), [Event::ChunkLengthExceeded], "by {step}");
        let [first, second] = parser.messages().all() else {
            panic!("{} mails by {step}", parser.messages().all().len());
        };
        assert_eq!(got(first, Buffer::SmtpHelo), [b"a.example"]);
        assert_eq!(got(first, Buffer::SmtpMailFrom), [b"<a@a.example>"]);
        assert_eq!(
            got(first, Buffer::SmtpRcptTo),
            [b"<b@b.example>", b"<c@c.example>"]
        );
        let files: Vec<_> = first
            .files(ToServer)
            .map(|f| (f.name(), f.data()))
            .collect();
        assert_eq!(
            files,
            [(&b"x.txt"[..], &b".dotted\r\nMAIL FROM:<no@no.example>"[..])]
        );
        assert_eq!(got(second, Buffer::SmtpHelo), [b"a.example"]);
        assert_eq!(got(second, Buffer::EmailSubject), [b"two"]);
        assert!(first.is_complete(ToServer) && !first.is_complete(ToClient));
        // The greeting came before.
        feed(
            &mut parser,
            ToClient,
            &REPLIES[21..],
            step,
            &Limits::default(),
        );
        assert!(
            parser
                .messages()
                .all()
                .iter()
                .all(|tx| tx.is_complete(ToClient))
        );
        parser.messages_mut().take_finished();
        assert!(parser.messages().all().is_empty());
    }
}

#[test]
fn behind_starttls_the_conversation_is_over() {
    let limits = Limits::default();
    let mut parser = read(b"EHLO a\r\nSTARTTLS\r\n", 5);
    assert_eq!(
        parser.data(ToClient, b"250 ok\r\n220 go\r\n\x16\x03", &limits),
        8
    );
    assert!(!parser.is_over());
    assert_eq!(parser.data(ToClient, b"220 go\r\n\x16\x03", &limits), 8);
    assert!(parser.is_over());
    let mut parser = read(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<x>\r\n", 5);
    feed(&mut parser, ToClient, b"250 ok\r\n454 no\r\n", 3, &limits);
    assert!(!parser.is_over());
    assert_eq!(
        events(&parser),
        [Event::InvalidPipelining, Event::TlsRejected]
    );
}

#[test]
fn refused_data_are_commands_again() {
    let limits = Limits::default();
    let mut parser = read(b"MAIL FROM:<a>\r\nDATA\r\nRC", 50);
    feed(&mut parser, ToClient, b"250 ok\r\n503 no\r\n", 50, &limits);
    feed(&mut parser, ToServer, b"PT TO:<b>\r\n", 50, &limits);
    assert_eq!(events(&parser), [Event::DataRejected]);
    assert_eq!(
        got(&parser.messages().all()[0], Buffer::SmtpRcptTo),
        [b"<b>"]
    );
}

#[test]
fn what_is_odd_is_an_event_and_reading_goes_on() {
    for (text, expected) in [
        ("EHLO a\r\nEHLO b\r\n", Event::DuplicateFields),
        ("MAIL FROM:<a>\r\nMAIL FROM:<b>\r\n", Event::DuplicateFields),
        ("BDAT x\r\n", Event::UnparsableContent),
        ("BDAT 3\r\nabcNOOP\r\n", Event::ChunkLengthExceeded),
        ("DATA\r\n\r\nhi\n.\r\n", Event::BareLineFeed),
    ] {
        assert_eq!(events(&read(text.as_bytes(), 3)), [expected], "{text}");
    }
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, b"EHLO a\r\n", 9, &Limits::default());
    assert_eq!(events(&parser), [Event::NoWelcome]);
    feed(&mut parser, ToClient, b"what\r\n", 9, &Limits::default());
    assert_eq!(events(&parser), [Event::NoWelcome, Event::InvalidReply]);
}

#[test]
fn commands_without_replies_are_bounded() {
    let limits = Limits::default();
    let parser = read(&b"NOOP\r\n".repeat(limits.smtp_commands + 5), 4096);
    assert_eq!(parser.waiting.len(), limits.smtp_commands);
    assert_eq!(events(&parser), [Event::UnmatchedReply]);
    let mut parser = read(&b"MAIL FROM:<a>\r\nRSET\r\n".repeat(10_000), 4096);
    parser.messages_mut().take_finished();
    assert!(parser.messages().all().len() <= limits.smtp_commands);
    parser = read(
        &[
            b"NOOP ".as_slice(),
            &[b'x'; 100_000],
            b"\r\nMAIL FROM:<a>\r\n",
        ]
        .concat(),
        999,
    );
    assert_eq!(events(&parser), [Event::LongCommand]);
    assert_eq!(
        got(&parser.messages().all()[0], Buffer::SmtpMailFrom),
        [b"<a>"]
    );
}

#[test]
fn a_gap_within_a_chunk_loses_no_command() {
    let mut parser = read(b"BDAT 10 LAST\r\nab", 100);
    parser.gap(ToServer, 5);
    feed(
        &mut parser,
        ToServer,
        b"cd\nMAIL FROM:<a>\r\n",
        100,
        &Limits::default(),
    );
    assert!(!parser.failed(ToServer));
    assert_eq!(
        got(&parser.messages().all()[1], Buffer::SmtpMailFrom),
        [b"<a>"]
    );
    parser.gap(ToServer, 1);
    assert!(parser.failed(ToServer));
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        at in 0..MAIL.len(), noise in "[A-Z.:< \r\n]{0,20}", step in 1..50_usize
    ) {
        let mut text = MAIL.to_vec();
        text.splice(at..at, noise.bytes());
        let told = |step: usize| {
            let parser = read(&text, step);
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                let files: Vec<_> = tx.files(ToServer).map(|f| f.data().to_vec()).collect();
                let from = got(tx, Buffer::SmtpMailFrom).concat();
                (from, files, tx.events().to_vec(), tx.is_complete(ToServer))
            }).collect();
            told
        };
        prop_assert_eq!(told(step), told(text.len()));
    }
}
