use proptest::prelude::*;

use super::{Anomaly, Bounds, Message};
use crate::app_layer::message::{Lines, Transaction};
use crate::buffer::Buffer;
use crate::direction::Direction::ToServer;
use crate::protocol::Protocol;

const BOUNDS: Bounds = Bounds {
    header_bytes: 4096,
    file_bytes: 1000,
    all_files_bytes: 2000,
    depth: 4,
};

const MAIL: &str = "From: a@a.example\r\nTo: b@b.example,\r\n c@c.example\r\nSubject: hi\r\n\
MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"outer\"\r\n\r\npreamble\r\n\
--outer\r\nContent-Type: text/plain\r\n\r\nsee http://x.example/a\r\n\
--outer\r\nContent-Type: multipart/alternative; boundary=outer-inner\r\n\r\n\
--outer-inner\r\nContent-Type: application/x; name=\"a.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n\
--outer-inner--\r\n\
--outer\r\nContent-Disposition: attachment; filename=b.txt\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\none=3D\r\ntwo=\r\n three\r\n\r\n\
--outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Disposition: attachment; filename=c.txt\r\n\r\nlast\r\n\
--outer--\r\nepilogue\r\n";

type Read = (Vec<(Vec<u8>, Vec<u8>, bool)>, Vec<Vec<u8>>, Vec<Anomaly>);

fn read(text: &[u8], step: usize, most: usize, bounds: &Bounds) -> (Transaction, Read) {
    let mut tx = Transaction::new(0, Protocol::Smtp);
    let (mut message, mut lines) = (Message::new(ToServer), Lines::default());
    let mut anomalies = Vec::new();
    for mut piece in text.chunks(step) {
        while !piece.is_empty() {
            let (taken, line) = lines.feed(piece, most);
            if let Some(line) = line {
                message.line(line, &mut tx, bounds);
            }
            piece = &piece[taken..];
        }
    }
    if let Some(line) = lines.rest() {
        message.line(line, &mut tx, bounds);
    }
    message.end(&mut tx);
    anomalies.extend(message.new_anomalies());
    let files = tx.files(ToServer);
    let files = files.map(|f| (f.name().to_vec(), f.data().to_vec(), f.is_whole()));
    let urls = tx.fields(Buffer::EmailUrl, ToServer).map(<[u8]>::to_vec);
    let read = (files.collect(), urls.collect(), anomalies);
    (tx, read)
}

#[test]
fn parts_are_read_in_any_segmentation() {
    for (step, most) in [(1, 1000), (7, 1000), (5000, 1000), (5000, 64), (3, 64)] {
        let (tx, (files, urls, anomalies)) = read(MAIL.as_bytes(), step, most, &BOUNDS);
        let texts: Vec<_> = files
            .iter()
            .map(|(name, data, whole)| {
                assert!(whole);
                (
                    String::from_utf8_lossy(name).into_owned(),
                    String::from_utf8_lossy(data).into_owned(),
                )
            })
            .collect();
        let expected = [
            ("a.bin", "hello world"),
            ("b.txt", "one=\r\ntwo three\r\n"),
            ("c.txt", "last"),
        ];
        assert_eq!(
            texts,
            expected.map(|(n, d)| (n.to_owned(), d.to_owned())),
            "by {step} and {most}"
        );
        assert_eq!(urls, [b"x.example/a"]);
        assert_eq!(anomalies, []);
        let got = |buffer| tx.fields(buffer, ToServer).collect::<Vec<_>>();
        assert_eq!(got(Buffer::EmailFrom), [b"a@a.example"]);
        assert_eq!(got(Buffer::EmailTo), [b"b@b.example, c@c.example"]);
        assert_eq!(got(Buffer::EmailSubject), [b"hi"]);
        assert_eq!(got(Buffer::FileName), [b"a.bin", b"b.txt", b"c.txt"]);
    }
}

#[test]
fn a_message_of_one_part_may_be_a_file() {
    let text = b"Subject: x\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\naGk=\n";
    let (_, (files, ..)) = read(text, 100, 1000, &BOUNDS);
    assert_eq!(files, [(Vec::new(), b"hi".to_vec(), true)]);
    let (_, (files, ..)) = read(b"Subject: x\n\njust text\n", 100, 1000, &BOUNDS);
    assert!(files.is_empty());
}

#[test]
fn nesting_and_sizes_are_bounded() {
    let mut text = String::new();
    for level in 0..10 {
        text += &format!("Content-Type: multipart/mixed; boundary=b{level}x\n\n--b{level}x\n");
    }
    text += "Content-Disposition: attachment\n\ndeep evil\n";
    let (_, (files, _, anomalies)) = read(text.as_bytes(), 100, 1000, &BOUNDS);
    assert_eq!(anomalies, [Anomaly::TooDeep]);
    assert!(files[0].1.ends_with(b"deep evil"));

    let file = format!(
        "--b\nContent-Disposition: attachment; filename=f\n\n{}\n",
        "x".repeat(1500)
    );
    let text = format!("Content-Type: a/b; boundary=b\n\n{}", file.repeat(3));
    let (_, (files, _, anomalies)) = read(text.as_bytes(), 100, 1000, &BOUNDS);
    let kept: Vec<_> = files.iter().map(|(_, data, _)| data.len()).collect();
    assert_eq!(kept, [1000, 1000, 0]);
    assert!(files.iter().all(|(.., whole)| !whole));
    assert_eq!(anomalies, [Anomaly::LongLine]);
}

#[test]
fn bad_encodings_are_told() {
    for (encoding, body, expected) in [
        ("base64", "a%b=", Anomaly::InvalidBase64),
        ("quoted-printable", "=xy", Anomaly::InvalidQuoted),
        ("base64", &"a".repeat(80), Anomaly::LongEncodedLine),
    ] {
        let text = format!(
            "Content-Disposition: attachment\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"
        );
        let (_, (_, _, anomalies)) = read(text.as_bytes(), 100, 1000, &BOUNDS);
        assert_eq!(anomalies, [expected]);
    }
}

proptest! {
    #[test]
    fn segmentation_changes_nothing(
        at in 0..MAIL.len(), noise in "[-a-z:;= \r\n]{0,30}", step in 1..40_usize
    ) {
        let mut text = MAIL.as_bytes().to_vec();
        text.splice(at..at, noise.bytes());
        let (_, whole) = read(&text, text.len(), 200, &BOUNDS);
        let (_, cut) = read(&text, step, 200, &BOUNDS);
        prop_assert_eq!(cut, whole);
    }
}
