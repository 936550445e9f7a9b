use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

/// A conversation, each line from who says it: `>` the client.
fn talk(lines: &[&str], step: usize) -> Parser {
    let mut parser = Parser::default();
    for line in lines {
        let direction = match line.starts_with('>') {
            true => ToServer,
            false => ToClient,
        };
        feed(&mut parser, direction, &line.as_bytes()[1..], step);
    }
    parser
}

fn got(tx: &Transaction, direction: Direction, buffer: Buffer) -> Vec<&[u8]> {
    tx.fields(buffer, direction).collect()
}

const PASSIVE: &[&str] = &[
    "<220-hello\r\n there\r\n220 ready\r\n",
    ">user bob\r\n",
    "<331 password?\r\n",
    ">PASV\r\n",
    "<227 Entering Passive Mode (192,0,2,1,185,13)\r\n",
    ">RETR a b.txt\r\n",
    "<150 opening\r\n226 done\r\n",
];

#[test]
fn commands_have_their_replies_in_any_segmentation() {
    for step in [1, 3, 1000] {
        let mut parser = talk(PASSIVE, step);
        let all = parser.messages().all();
        let [hello, user, pasv, retr] = all else {
            panic!("{} transactions by {step}", all.len());
        };
        let replies = got(hello, ToClient, Buffer::FtpReply);
        assert_eq!(replies, [&b"hello"[..], b" there", b"ready"]);
        assert_eq!(got(user, ToServer, Buffer::FtpCommand), [b"USER"]);
        assert_eq!(got(user, ToServer, Buffer::FtpCommandData), [b"bob"]);
        assert_eq!(got(user, ToClient, Buffer::FtpCompletionCode), [b"331"]);
        for direction in Direction::BOTH {
            let ports: Vec<_> = pasv.numbers(Number::FtpDynamicPort, direction).collect();
            assert_eq!(ports, [47373]);
        }
        let codes = got(retr, ToClient, Buffer::FtpCompletionCode);
        assert_eq!(codes, [b"150", b"226"]);
        assert!(
            all.iter()
                .all(|tx| Direction::BOTH.iter().all(|d| tx.is_complete(*d)))
        );
        let expected = parser.take_expected().unwrap();
        assert_eq!((expected.opener(), expected.port()), (ToServer, 47373));
        assert!(parser.take_expected().is_none());
        let mut file = expected.into_parser();
        file.data(ToClient, b"contents", &Limits::default());
        let tx = &file.messages().all()[0];
        let files: Vec<_> = tx.files(ToClient).map(|f| (f.name(), f.data())).collect();
        assert_eq!(files, [(&b"a b.txt"[..], &b"contents"[..])]);
        assert_eq!(
            tx.numbers(Number::FtpDataCommand, ToServer)
                .collect::<Vec<_>>(),
            [1]
        );
    }
}

#[test]
fn an_active_connection_comes_from_the_server() {
    let lines = [">PORT 192,0,2,7,4,1\r\n", "<200 ok\r\n", ">STOR x\r\n"];
    let mut parser = talk(&lines, 100);
    let expected = parser.take_expected().unwrap();
    assert_eq!((expected.opener(), expected.port()), (ToClient, 1025));
    let mut parser = talk(&[">RETR x\r\n"], 100);
    assert!(parser.take_expected().is_none());
}

#[test]
fn behind_auth_the_conversation_is_over() {
    assert!(talk(&[">AUTH TLS\r\n", "<234 go\r\n"], 100).is_over());
    assert!(!talk(&[">AUTH TLS\r\n", "<502 no\r\n"], 100).is_over());
    assert!(!talk(&[">USER a\r\n", "<234 go\r\n"], 100).is_over());
}

#[test]
fn long_lines_and_missing_replies_are_told() {
    let long = format!(">RETR {}\r\n", "x".repeat(5000));
    let mut parser = talk(&[&long, ">NOOP\r\n"], 999);
    parser.eof(ToClient, &Limits::default());
    let [retr, noop] = parser.messages().all() else {
        panic!("two commands");
    };
    assert_eq!(retr.events(), [app_layer::Event::Ftp(Event::LongCommand)]);
    assert_eq!(got(retr, ToServer, Buffer::FtpCommandData)[0].len(), 4091);
    let received: Vec<_> = noop.numbers(Number::FtpReplyReceived, ToClient).collect();
    assert_eq!(received, [0]);
    let many = [">NOOP\r\n"; 2000];
    assert!(
        talk(&many, 100)
            .messages()
            .all()
            .iter()
            .filter(|tx| !tx.is_complete(ToClient))
            .count()
            <= 256
    );
}

#[test]
fn a_gap_costs_the_line_it_is_in() {
    let mut parser = talk(&[">NOOP\r\nRE"], 100);
    parser.gap(ToServer, 10);
    feed(&mut parser, ToServer, b"rest\r\nQUIT\r\n", 100);
    let words: Vec<_> = parser
        .messages()
        .all()
        .iter()
        .map(|tx| got(tx, ToServer, Buffer::FtpCommand).concat())
        .collect();
    assert_eq!(words, [b"NOOP", b"QUIT"]);
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(text in "([A-Z ]{0,8}|PASV|PORT 1,2,3,4,5,6|227 \\(1,2,3,4,5,6\\)|\r\n){0,20}", step in 1..9_usize) {
        let told = |step: usize| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, text.as_bytes(), step);
            feed(&mut parser, ToClient, text.as_bytes(), step);
            let told: Vec<_> = parser.messages().all().iter().map(|tx| {
                let fields = [Buffer::FtpCommand, Buffer::FtpCommandData].map(|b| got(tx, ToServer, b).concat());
                (fields, got(tx, ToClient, Buffer::FtpReply).concat(), tx.progress(ToServer), tx.progress(ToClient))
            }).collect();
            (told, parser.take_expected().map(|e| e.port()))
        };
        prop_assert_eq!(told(step), told(1000));
    }
}
