use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// A message of SMB 2, its body behind the header.
fn smb2(command: u16, id: u64, response: bool, tree: u32, body: &[u8]) -> Vec<u8> {
    let mut header = vec![0xfe, b'S', b'M', b'B', 64, 0, 0, 0, 0, 0, 0, 0];
    header.extend(command.to_le_bytes());
    header.extend([1, 0]);
    header.extend(u32::from(response).to_le_bytes());
    header.extend([0; 4]);
    header.extend(id.to_le_bytes());
    header.extend([0; 4]);
    header.extend(tree.to_le_bytes());
    header.extend([0; 24]);
    framed(&[&header, body].concat())
}

fn tree_connect(id: u64, path: &str) -> Vec<u8> {
    let path = wide(path);
    let mut body = vec![9, 0, 0, 0, 72, 0];
    body.extend((path.len() as u16).to_le_bytes());
    smb2(3, id, false, 0, &[body, path].concat())
}

fn create(id: u64, tree: u32, name: &str) -> Vec<u8> {
    let name = wide(name);
    let mut body = vec![0; 56];
    body[44..46].copy_from_slice(&120_u16.to_le_bytes());
    body[46..48].copy_from_slice(&(name.len() as u16).to_le_bytes());
    smb2(5, id, false, tree, &[body, name].concat())
}

fn created(id: u64, tree: u32, handle: u8) -> Vec<u8> {
    let mut body = vec![0; 88];
    body[64..80].fill(handle);
    smb2(5, id, true, tree, &body)
}

fn write(id: u64, tree: u32, handle: u8, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 48];
    body[2] = 112;
    body[4..8].copy_from_slice(&(data.len() as u32).to_le_bytes());
    body[8..16].copy_from_slice(&offset.to_le_bytes());
    body[16..32].fill(handle);
    smb2(9, id, false, tree, &[&body, data].concat())
}

fn read(id: u64, tree: u32, handle: u8, offset: u64) -> Vec<u8> {
    let mut body = vec![0; 48];
    body[8..16].copy_from_slice(&offset.to_le_bytes());
    body[16..32].fill(handle);
    smb2(8, id, false, tree, &body)
}

fn was_read(id: u64, tree: u32, data: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 16];
    body[2] = 80;
    body[4..8].copy_from_slice(&(data.len() as u32).to_le_bytes());
    smb2(8, id, true, tree, &[&body, data].concat())
}

fn close(id: u64, tree: u32, handle: u8) -> Vec<u8> {
    let mut body = vec![0; 24];
    body[8..].fill(handle);
    smb2(6, id, false, tree, &body)
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

fn all_events(parser: &Parser) -> Vec<app_layer::Event> {
    let all = parser.messages().all().iter();
    all.flat_map(Transaction::events).copied().collect()
}

fn files(parser: &Parser, direction: Direction) -> Vec<(String, String, bool)> {
    let all = parser.messages().all().iter();
    all.flat_map(|tx| tx.files(direction))
        .map(|f| {
            let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
            (text(f.name()), text(f.data()), f.is_whole())
        })
        .collect()
}

#[test]
fn shares_and_files_are_read_in_any_segmentation() {
    for step in [1, 13, 10_000] {
        let mut parser = Parser::default();
        feed(
            &mut parser,
            ToServer,
            &tree_connect(1, r"\\host\data"),
            step,
        );
        feed(
            &mut parser,
            ToClient,
            &smb2(3, 1, true, 5, &[16, 0, 1, 0]),
            step,
        );
        feed(&mut parser, ToServer, &create(2, 5, r"dir\a.exe"), step);
        feed(&mut parser, ToClient, &created(2, 5, 7), step);
        feed(&mut parser, ToServer, &write(3, 5, 7, 0, b"one "), step);
        feed(&mut parser, ToServer, &write(4, 5, 7, 4, b"two"), step);
        feed(&mut parser, ToServer, &read(5, 5, 7, 0), step);
        feed(&mut parser, ToClient, &was_read(5, 5, b"one"), step);
        feed(&mut parser, ToServer, &close(6, 5, 7), step);
        let name = r"dir\a.exe".to_owned();
        assert_eq!(
            files(&parser, ToServer),
            [(name.clone(), "one two".to_owned(), true)]
        );
        assert_eq!(files(&parser, ToClient), [(name, "one".to_owned(), true)]);
        let share = &parser.messages().all()[0];
        assert_eq!(
            share.field(Buffer::SmbShare, ToServer).unwrap().0,
            br"\\host\data"
        );
        assert!(share.field(Buffer::SmbNamedPipe, ToServer).is_none());
        assert_eq!(
            share
                .numbers(Number::SmbVersion, ToClient)
                .collect::<Vec<_>>(),
            [2]
        );
        assert!(share.is_complete(ToClient));
        assert_eq!(all_events(&parser), []);
    }
}

#[test]
fn what_goes_through_a_pipe_is_no_file() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &tree_connect(1, r"\\host\ipc$"), 100);
    feed(
        &mut parser,
        ToClient,
        &smb2(3, 1, true, 6, &[16, 0, 2, 0]),
        100,
    );
    feed(&mut parser, ToServer, &write(2, 6, 1, 0, b"call"), 100);
    assert!(files(&parser, ToServer).is_empty());
    let pipe = &parser.messages().all()[0];
    assert!(pipe.field(Buffer::SmbNamedPipe, ToServer).is_some());
}

#[test]
fn bytes_that_came_before_are_an_event() {
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &write(1, 5, 7, 0, b"abcd"), 100);
    feed(&mut parser, ToServer, &write(2, 5, 7, 2, b"xyz"), 100);
    assert_eq!(
        all_events(&parser),
        [app_layer::Event::Smb(Event::FileOverlap)]
    );
}

/// A bind for one interface, and a call of it.
fn calls() -> Vec<u8> {
    let mut bind = vec![5, 0, 11, 3, 16, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0];
    bind.extend([0xb8, 16, 0xb8, 16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    bind.extend([0x11; 16]);
    bind.extend([2, 0, 0, 0]);
    bind.extend([0x22; 16]);
    bind.extend([2, 0, 0, 0]);
    let mut call = vec![5, 0, 0, 3, 16, 0, 0, 0, 28, 0, 0, 0, 2, 0, 0, 0];
    call.extend([4, 0, 0, 0, 0, 0, 15, 0]);
    call.extend(b"stub");
    [bind, call].concat()
}

#[test]
fn calls_through_a_pipe_are_those_of_dcerpc() {
    let calls = calls();
    let (head, tail) = calls.split_at(50);
    let mut ioctl = vec![0; 56];
    ioctl[4..8].copy_from_slice(&0x0011_c017_u32.to_le_bytes());
    ioctl[8..24].fill(1);
    ioctl[24..28].copy_from_slice(&120_u32.to_le_bytes());
    ioctl[28..32].copy_from_slice(&(tail.len() as u32).to_le_bytes());
    for step in [1, 1000] {
        let mut parser = Parser::default();
        feed(
            &mut parser,
            ToServer,
            &tree_connect(1, r"\\host\IPC$"),
            step,
        );
        feed(
            &mut parser,
            ToClient,
            &smb2(3, 1, true, 6, &[16, 0, 2, 0]),
            step,
        );
        feed(&mut parser, ToServer, &write(2, 6, 1, 0, head), step);
        feed(
            &mut parser,
            ToServer,
            &smb2(11, 3, false, 6, &[&ioctl, tail].concat()),
            step,
        );
        let mut all = parser.messages().all().iter();
        let call = all.find(|tx| {
            tx.numbers(Number::DcerpcOperation, ToServer)
                .any(|n| n == 15)
        });
        let call = call.unwrap();
        let (interface, _) = call.field(Buffer::DcerpcInterface, ToServer).unwrap();
        assert!(interface.starts_with(b"11111111-1111-"), "by {step}");
        assert_eq!(call.field(Buffer::DcerpcStub, ToServer).unwrap().0, b"stub");
        assert_eq!(all_events(&parser), []);
    }
}

/// A connection that is joined late has trees whose connecting nobody saw: the pipes among them
/// were taken for files.
#[test]
fn of_an_unknown_tree_calls_are_told_by_their_look_and_files_stay_files() {
    let calls = calls();
    let interfaces = |parser: &Parser| {
        let all = parser.messages().all().iter();
        all.filter(|tx| tx.field(Buffer::DcerpcInterface, ToServer).is_some())
            .count()
    };
    let (bind, call) = calls.split_at(72);
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &write(2, 6, 1, 0, bind), 100);
    feed(&mut parser, ToServer, &write(3, 6, 1, 72, call), 100);
    assert_eq!(interfaces(&parser), 1);
    assert_eq!(
        files(&parser, ToServer)[0].1,
        String::from_utf8_lossy(&calls)
    );

    let mut parser = Parser::default();
    feed(&mut parser, ToServer, &tree_connect(1, r"\\host\data"), 100);
    let connected = smb2(3, 1, true, 6, &[16, 0, 1, 0]);
    feed(&mut parser, ToClient, &connected, 100);
    feed(&mut parser, ToServer, &write(2, 6, 1, 0, &calls), 100);
    assert_eq!(interfaces(&parser), 0);
    assert_eq!(files(&parser, ToServer).len(), 1);
}

/// A message of SMB 1: words and data behind the header.
fn smb1(command: u8, response: bool, words: &[u8], data: &[u8]) -> Vec<u8> {
    let mut header = vec![0xff, b'S', b'M', b'B', command, 0, 0, 0, 0];
    header.push(if response { 0x80 } else { 0 });
    header.extend([0; 14]);
    header.extend([3, 0, 9, 0, 0, 0, 4, 0]);
    header.push((words.len() / 2) as u8);
    header.extend(words);
    header.extend((data.len() as u16).to_le_bytes());
    framed(&[&header, data].concat())
}

#[test]
fn version_1_has_shares_files_and_users() {
    let mut parser = Parser::default();
    let mut send = |direction, bytes: Vec<u8>| feed(&mut parser, direction, &bytes, 11);
    send(
        ToServer,
        smb1(
            0x75,
            false,
            &[255, 0, 0, 0, 0, 0, 1, 0],
            b"\0\\\\host\\data\0A:\0",
        ),
    );
    send(ToClient, smb1(0x75, true, &[255, 0, 0, 0], b""));
    send(ToServer, smb1(0xa2, false, &[0; 48], b"a.exe\0"));
    let mut words = [0; 68];
    words[5] = 8;
    send(ToClient, smb1(0xa2, true, &words, b""));
    let mut words = [0; 24];
    words[4] = 8;
    words[20] = 4;
    words[22] = 59;
    send(ToServer, smb1(0x2f, false, &words, b"evil"));
    let mut ntlm = b"..NTLMSSP\0\x03\0\0\0".to_vec();
    ntlm.resize(2 + 64, 0);
    for (at, offset) in [(28, 64_u8), (36, 66), (44, 67)] {
        ntlm[2 + at] = if at == 28 { 2 } else { 1 };
        ntlm[2 + at + 4] = offset;
    }
    ntlm.extend(b"doUh");
    send(ToServer, smb1(0x73, false, &[0; 24], &ntlm));
    assert_eq!(
        files(&parser, ToServer),
        [("a.exe".to_owned(), "evil".to_owned(), false)]
    );
    let field = |buffer| {
        let mut all = parser.messages().all().iter();
        all.find_map(|tx| tx.field(buffer, ToServer))
            .map(|(bytes, _)| bytes)
    };
    assert_eq!(field(Buffer::SmbShare), Some(&br"\\host\data"[..]));
    assert_eq!(field(Buffer::SmbNtlmDomain), Some(&b"do"[..]));
    assert_eq!(field(Buffer::SmbNtlmUser), Some(&b"U"[..]));
    assert_eq!(all_events(&parser), []);
}

#[test]
fn what_is_odd_is_an_event_and_bounds_hold() {
    for text in [
        &b"\x05"[..],
        b"\0\0\0\x04what",
        b"\0\0\0\x06\xfeSMBxx",
        b"\0\0\0\x06\xffSMBxx",
    ] {
        let mut parser = Parser::default();
        feed(&mut parser, ToServer, text, 100);
        assert_eq!(
            all_events(&parser),
            [app_layer::Event::Smb(Event::MalformedData)]
        );
    }
    let mut parser = Parser::default();
    for id in 0..1000 {
        feed(&mut parser, ToServer, &read(id, 5, 7, 0), 1000);
        parser.messages_mut().take_finished();
    }
    let limits = Limits::default();
    assert_eq!(parser.messages().all().len(), limits.smb_requests);
    // Encrypted.
    let mut parser = Parser::default();
    feed(&mut parser, ToServer, b"\0\0\0\x06\xfdSMBxx", 100);
    assert!(parser.messages().all().is_empty());
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        noise in prop::collection::vec(any::<u8>(), 0..20), at in 0..600_usize, step in 1..60_usize
    ) {
        let parts = [tree_connect(1, r"\\a\b"), create(2, 5, "x"), write(3, 5, 7, 0, b"data"), close(4, 5, 7)];
        let mut text = parts.concat();
        let at = at.min(text.len());
        text.splice(at..at, noise);
        let told = |step| {
            let mut parser = Parser::default();
            feed(&mut parser, ToServer, &text, step);
            (files(&parser, ToServer), all_events(&parser), parser.failed(ToServer), parser.messages().all().len())
        };
        prop_assert_eq!(told(step), told(10_000));
    }
}
