use proptest::prelude::*;

use super::*;
use crate::app_layer::message::{Parser as _, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};

fn packet(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 1 + 4) as u32;
    [&length.to_be_bytes()[..], &[4], payload, &[0; 4]].concat()
}

fn session(banner: &str) -> Vec<u8> {
    let mut offer = vec![20];
    offer.extend([7; 16]);
    for list in [
        "kex", "key", "aes1", "aes2", "mac1", "mac2", "none1", "none2", "", "",
    ] {
        offer.extend((list.len() as u32).to_be_bytes());
        offer.extend(list.as_bytes());
    }
    offer.extend([0; 5]);
    let packets = [packet(&offer), packet(&[30, 1, 2]), packet(&[21])].concat();
    [banner.as_bytes(), &packets, b"\xff\xff\xff\xffencrypted"].concat()
}

fn read(direction: Direction, bytes: &[u8], step: usize) -> Parser {
    let mut parser = Parser::default();
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = parser.data(direction, piece, &Limits::default());
            assert!(taken > 0);
            piece = &piece[taken..];
        }
    }
    parser
}

fn got(tx: &Transaction, direction: Direction, buffer: Buffer) -> Option<String> {
    let (bytes, _) = tx.field(buffer, direction)?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

#[test]
fn banners_and_offers_are_read_in_any_segmentation() {
    let text = session("SSH-2.0-Tool_1.2 a comment\r\n");
    for step in [1, 5, 1000] {
        for (direction, hassh, offered) in [
            (ToServer, Buffer::SshHasshString, "kex;aes1;mac1;none1"),
            (
                ToClient,
                Buffer::SshHasshServerString,
                "kex;aes2;mac2;none2",
            ),
        ] {
            let parser = read(direction, &text, step);
            let tx = &parser.messages().all()[0];
            assert_eq!(got(tx, direction, Buffer::SshProto).unwrap(), "2.0");
            assert_eq!(got(tx, direction, Buffer::SshSoftware).unwrap(), "Tool_1.2");
            assert_eq!(got(tx, direction, hassh).unwrap(), offered);
            assert!(tx.events().is_empty() && tx.is_complete(direction));
            assert!(!parser.encrypted());
        }
    }
    let parser = read(ToServer, &text, 1000);
    let tx = &parser.messages().all()[0];
    let hash = got(tx, ToServer, Buffer::SshHassh).unwrap();
    assert_eq!(hash, *fingerprint::hash(b"kex;aes1;mac1;none1"));
    assert_eq!(fingerprint::hash(b""), "d41d8cd98f00b204e9800998ecf8427e");
}

#[test]
fn what_is_odd_is_an_event() {
    let long = format!("SSH-2.0-{}\r\n", "x".repeat(300));
    for (text, expected) in [
        (session("SSH-2.0\r\n"), Event::InvalidBanner),
        (session(&long), Event::LongBanner),
        (
            b"SSH-2.0-x\n\xff\xff\xff\xff\x00\x14".to_vec(),
            Event::InvalidRecord,
        ),
        (
            b"SSH-2.0-x\n\x00\x00\x00\x01\x00".to_vec(),
            Event::InvalidRecord,
        ),
    ] {
        for step in [1, 1000] {
            let parser = read(ToServer, &text, step);
            let events = parser.messages().all()[0].events();
            assert_eq!(events, [app_layer::Event::Ssh(expected)]);
            assert!(!parser.failed(ToServer));
        }
    }
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        noise in prop::collection::vec(any::<u8>(), 0..40), at in 0..200_usize, step in 1..30_usize
    ) {
        let mut text = session("SSH-2.0-x\r\n");
        let at = at.min(text.len());
        text.splice(at..at, noise);
        let told = |step| {
            let parser = read(ToClient, &text, step);
            let tx = &parser.messages().all()[0];
            let fields = [Buffer::SshProto, Buffer::SshSoftware, Buffer::SshHasshServer];
            (fields.map(|b| got(tx, ToClient, b)), tx.events().to_vec(), tx.progress(ToClient))
        };
        prop_assert_eq!(told(step), told(10_000));
    }
}
