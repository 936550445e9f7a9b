use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

const STATE: [u8; 16] = [0x11; 16];

fn words(all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut all = words(&[bytes.len() as u32]);
    all.extend(bytes);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

fn record(message: &[u8]) -> Vec<u8> {
    [words(&[1 << 31 | message.len() as u32]), message.to_vec()].concat()
}

fn call(xid: u32, version: u32, procedure: u32, arguments: &[u8]) -> Vec<u8> {
    let head = words(&[xid, 0, 2, 100_003, version, procedure, 0, 0, 0, 0]);
    [&head, arguments].concat()
}

fn reply(xid: u32, results: &[u8]) -> Vec<u8> {
    [&words(&[xid, 1, 0, 0, 0, 0]), results].concat()
}

fn lookup(xid: u32, name: &[u8]) -> Vec<u8> {
    call(xid, 3, 3, &[opaque(b"directory"), opaque(name)].concat())
}

fn looked_up(xid: u32, handle: &[u8]) -> Vec<u8> {
    reply(xid, &[words(&[0]), opaque(handle), words(&[0, 0])].concat())
}

fn write(xid: u32, handle: &[u8], offset: u64, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    let parts = [
        opaque(handle),
        offset.to_be_bytes().to_vec(),
        words(&[length, 2]),
        opaque(data),
    ];
    call(xid, 3, 7, &parts.concat())
}

fn read(xid: u32, handle: &[u8], offset: u64) -> Vec<u8> {
    let parts = [
        opaque(handle),
        offset.to_be_bytes().to_vec(),
        words(&[4096]),
    ];
    call(xid, 3, 6, &parts.concat())
}

fn was_read(xid: u32, data: &[u8], is_end: bool) -> Vec<u8> {
    let head = words(&[0, 0, data.len() as u32, u32::from(is_end)]);
    reply(xid, &[head, opaque(data)].concat())
}

fn compound(xid: u32, operations: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[0, 0, operations.len() as u32]);
    call(xid, 4, 1, &[head, operations.concat()].concat())
}

fn compounded(xid: u32, results: &[Vec<u8>]) -> Vec<u8> {
    let head = words(&[0, 0, results.len() as u32]);
    reply(xid, &[head, results.concat()].concat())
}

fn put_handle(handle: &[u8]) -> Vec<u8> {
    [words(&[22]), opaque(handle)].concat()
}

fn feed(parser: &mut Parser, direction: Direction, bytes: &[u8], step: usize) {
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
}

fn datagram(parser: &mut Parser, direction: Direction, bytes: &[u8]) {
    parser.datagram(direction, bytes, &Limits::default());
}

fn all_events(parser: &Parser) -> Vec<&'static str> {
    let all = parser.messages().all().iter();
    all.flat_map(Transaction::events)
        .map(|event| event.as_str())
        .collect()
}

/// Name, contents, and whether all of them are there and it has ended.
fn files(parser: &Parser, direction: Direction) -> Vec<(String, String, bool)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = parser.messages().all().iter();
    all.flat_map(|tx| tx.files(direction))
        .map(|file| (text(file.name()), text(file.data()), file.is_whole()))
        .collect()
}

fn file(name: &str, contents: &str, is_whole: bool) -> (String, String, bool) {
    (name.to_owned(), contents.to_owned(), is_whole)
}

#[test]
fn files_of_version_3_are_read_in_any_segmentation() {
    let to_server = [
        lookup(1, b"a.exe"),
        write(2, b"handle", 0, b"one "),
        write(3, b"handle", 4, b"two"),
        read(4, b"handle", 0),
    ];
    let to_client = [
        looked_up(1, b"handle"),
        reply(2, &words(&[0, 0, 0, 4, 2, 0, 0])),
        reply(3, &words(&[0, 0, 0, 3, 2, 0, 0])),
        was_read(4, b"one two", true),
    ];
    for step in [1, 13, 10_000] {
        let mut parser = Parser::default();
        for (call, reply) in to_server.iter().zip(&to_client) {
            feed(&mut parser, ToServer, &record(call), step);
            feed(&mut parser, ToClient, &record(reply), step);
        }
        assert_eq!(files(&parser, ToServer), [file("a.exe", "one two", false)]);
        assert_eq!(files(&parser, ToClient), [file("a.exe", "one two", true)]);
        let numbers =
            |tx: &Transaction| -> Vec<u64> { tx.numbers(Number::NfsProcedure, ToServer).collect() };
        let procedures: Vec<_> = parser.messages().all().iter().map(numbers).collect();
        assert_eq!(procedures, [vec![3], vec![7], vec![6], vec![]], "by {step}");
        assert_eq!(all_events(&parser), [""; 0]);
    }
}

#[test]
fn a_commit_ends_what_is_written_and_jumps_begin_anew() {
    let mut parser = Parser::default();
    datagram(&mut parser, ToServer, &write(1, b"h", 100, b"behind"));
    datagram(&mut parser, ToServer, &write(2, b"h", 0, b"before"));
    datagram(&mut parser, ToServer, &write(3, b"h", 6, b" it"));
    let commit = [opaque(b"h"), words(&[0, 0, 0])].concat();
    datagram(&mut parser, ToServer, &call(4, 3, 21, &commit));
    let expected = [file("", "behind", true), file("", "before it", true)];
    assert_eq!(files(&parser, ToServer), expected);
}

#[test]
fn directories_tell_the_names_of_handles() {
    let mut parser = Parser::default();
    let arguments = [opaque(b"d"), words(&[0; 6])].concat();
    datagram(&mut parser, ToServer, &call(1, 3, 17, &arguments));
    let entries = [
        words(&[0, 0, 0, 0]),
        [words(&[1, 0, 5]), opaque(b"x.sh"), words(&[0, 1, 0, 1])].concat(),
        opaque(b"handle"),
        words(&[0, 1]),
    ];
    datagram(&mut parser, ToClient, &reply(1, &entries.concat()));
    datagram(&mut parser, ToServer, &write(2, b"handle", 0, b"#!"));
    assert_eq!(files(&parser, ToServer), [file("x.sh", "#!", false)]);
    assert_eq!(all_events(&parser), [""; 0]);
}

#[test]
fn files_that_version_2_reads_have_their_names() {
    let mut parser = Parser::default();
    let directory = [1; 32];
    let arguments = [&directory[..], &opaque(b"old.txt")].concat();
    datagram(&mut parser, ToServer, &call(1, 2, 4, &arguments));
    let found = [words(&[0]), vec![2; 32], vec![0; 68]].concat();
    datagram(&mut parser, ToClient, &reply(1, &found));
    let arguments = [vec![2; 32], words(&[0, 4096, 4096])].concat();
    datagram(&mut parser, ToServer, &call(2, 2, 6, &arguments));
    let mut attributes = vec![0; 68];
    attributes[23] = 5;
    let contents = [words(&[0]), attributes, opaque(b"hello")].concat();
    datagram(&mut parser, ToClient, &reply(2, &contents));
    assert_eq!(files(&parser, ToClient), [file("old.txt", "hello", true)]);
    assert_eq!(all_events(&parser), [""; 0]);
}

#[test]
fn operations_of_version_4_work_on_what_was_put() {
    let mut parser = Parser::default();
    let open = [
        words(&[18, 5, 1, 0, 0, 0]),
        opaque(b"owner"),
        words(&[0, 0]),
        opaque(b"a.exe"),
    ];
    let calls = [put_handle(b"root"), open.concat(), words(&[10])];
    feed(&mut parser, ToServer, &record(&compound(1, &calls)), 7);
    let opened = [
        words(&[18, 0]),
        STATE.to_vec(),
        words(&[0; 5]),
        words(&[0, 0, 0]),
    ];
    let results = [
        words(&[22, 0]),
        opened.concat(),
        [words(&[10, 0]), opaque(b"handle")].concat(),
    ];
    feed(&mut parser, ToClient, &record(&compounded(1, &results)), 7);
    let written = [
        words(&[38]),
        STATE.to_vec(),
        words(&[0, 0, 2]),
        opaque(b"evil"),
    ];
    let closed = [words(&[4, 0]), STATE.to_vec()].concat();
    let calls = [put_handle(b"handle"), written.concat(), closed];
    feed(&mut parser, ToServer, &record(&compound(2, &calls)), 7);
    let reads = [words(&[25]), STATE.to_vec(), words(&[0, 0, 4096])].concat();
    let calls = [put_handle(b"handle"), reads];
    feed(&mut parser, ToServer, &record(&compound(3, &calls)), 7);
    let results = [
        words(&[22, 0]),
        [words(&[25, 0, 1]), opaque(b"evil")].concat(),
    ];
    feed(&mut parser, ToClient, &record(&compounded(3, &results)), 7);
    assert_eq!(files(&parser, ToServer), [file("a.exe", "evil", true)]);
    assert_eq!(files(&parser, ToClient), [file("a.exe", "evil", true)]);
    let first = &parser.messages().all()[0];
    let operations: Vec<_> = first.numbers(Number::NfsProcedure, ToServer).collect();
    assert_eq!(operations, [22, 18, 10]);
    assert_eq!(all_events(&parser), [""; 0]);
}

#[test]
fn what_is_wrong_is_an_event_and_bounds_hold() {
    for (bytes, expected) in [
        (b"no call".to_vec(), "malformed_data"),
        (words(&[1, 7]), "malformed_data"),
        (call(1, 3, 3, &words(&[9])), "malformed_data"),
        (compound(1, &[words(&[22, 999])]), "malformed_data"),
        (call(1, 1, 0, b""), "unsupported_version"),
        (call(1, 9, 0, b""), "non_existing_version"),
    ] {
        let mut parser = Parser::default();
        datagram(&mut parser, ToServer, &bytes);
        assert_eq!(all_events(&parser), [expected], "{bytes:?}");
    }
    // Of another program, and a call back.
    let mut parser = Parser::default();
    datagram(
        &mut parser,
        ToServer,
        &words(&[1, 0, 2, 100_227, 3, 0, 0, 0, 0, 0]),
    );
    datagram(&mut parser, ToClient, &call(1, 4, 0, b""));
    assert!(parser.messages().all().is_empty());

    let limits = Limits::default();
    for xid in 0..1000 {
        datagram(&mut parser, ToServer, &lookup(xid, b"x"));
        parser.messages_mut().take_finished();
    }
    assert_eq!(parser.messages().all().len(), limits.nfs_calls);
    assert!(all_events(&parser).contains(&"too_many_transactions"));
}

#[test]
fn a_message_beyond_the_limit_is_read_as_far_as_it_is_kept() {
    let limits = Limits {
        nfs_message_bytes: 128,
        ..Limits::default()
    };
    let mut parser = Parser::default();
    let stream = record(&write(1, b"handle", 0, &[b'a'; 1000]));
    let mut rest = &stream[..];
    while !rest.is_empty() {
        let taken = parser.data(ToServer, rest, &limits);
        rest = &rest[taken..];
    }
    let all: Vec<_> = parser.messages().all().iter().collect();
    let file = all[0].files(ToServer).next().unwrap();
    assert_eq!(file.size(), 1000);
    assert!(file.has_gap() && !file.data().is_empty());
    assert!(parser.beyond_limit(ToServer) > 0);
    assert_eq!(all_events(&parser), [""; 0]);
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        noise in prop::collection::vec(any::<u8>(), 0..20),
        at in 0..400_usize,
        step in 1..60_usize,
    ) {
        let calls = [
            lookup(1, b"x"),
            write(2, b"h", 0, b"data"),
            read(3, b"h", 0),
            compound(4, &[put_handle(b"h"), words(&[10])]),
        ];
        let mut stream: Vec<u8> = calls.iter().flat_map(|call| record(call)).collect();
        let at = at.min(stream.len());
        stream.splice(at..at, noise);
        let told = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &stream, step);
            let all = parser.messages().all().iter();
            let told: Vec<(Vec<u64>, Vec<app_layer::Event>)> = all
                .map(|tx| {
                    let numbers = tx.numbers(Number::NfsProcedure, ToServer);
                    (numbers.collect(), tx.events().to_vec())
                })
                .collect();
            (told, files(&parser, ToServer))
        };
        prop_assert_eq!(told(step), told(10_000));
    }
}
