//! HTTP/2 with prior knowledge against a live nginx: what reached it judges. Each attack has a twin
//! that hides a harmless word in the same way.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::http_evasion::{EVIL, GOOD, Hidden, RULES};
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1500);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// By their numbers in the static table: `:scheme: http`.
const HTTP: u8 = 0x86;
const GET: u8 = 0x82;
const POST: u8 = 0x83;

struct Case {
    title: &'static str,
    /// Frames behind the preface, in the segments that they are sent in.
    build: fn(&Hidden) -> Vec<Vec<u8>>,
}

const CASES: &[Case] = &[
    Case {
        title: "plain",
        build: |h| vec![get(1, &path(h, "/WORD"))],
    },
    Case {
        title: "percent-encoded, with dot segments",
        build: |h| {
            let word = h.word.as_bytes();
            let target = format!("/a/../%{:02x}{}", word[0], &h.word[1..]);
            vec![get(1, &path(h, &target))]
        },
    },
    Case {
        title: "header block over CONTINUATION frames, cut within the word",
        build: |h| {
            let block = block(GET, &path(h, "/WORD"));
            let at = 6;
            vec![
                [
                    frame(HEADERS, END_STREAM, 1, &block[..at]),
                    frame(CONTINUATION, 0, 1, &[]),
                    frame(CONTINUATION, 0, 1, &block[at..at + 1]),
                    frame(CONTINUATION, END_HEADERS, 1, &block[at + 1..]),
                ]
                .concat(),
            ]
        },
    },
    Case {
        title: "padded, with a priority",
        build: |h| {
            let block = block(GET, &path(h, "/WORD"));
            let payload = [&[7, 0, 0, 0, 0, 9][..], &block, &[0; 7]].concat();
            let flags = END_STREAM | END_HEADERS | PADDED | PRIORITY;
            vec![frame(HEADERS, flags, 1, &payload)]
        },
    },
    Case {
        title: "a header of the dynamic table, named on the next stream",
        build: |h| {
            let value = format!("hidden-{}", h.word);
            let first = [
                block(GET, "/first"),
                literal(0x40, b"x-case", value.as_bytes()),
            ];
            let seed = frame(HEADERS, END_STREAM | END_HEADERS, 1, &first.concat());
            let mut second = block(GET, &path(h, "/second"));
            second.push(0xbe);
            vec![[seed, frame(HEADERS, END_STREAM | END_HEADERS, 3, &second)].concat()]
        },
    },
    Case {
        title: "a header, Huffman-coded",
        build: |h| {
            let mut head = block(GET, &path(h, "/"));
            head.extend([0x00, 0x06]);
            head.extend_from_slice(b"x-case");
            let coded: &[u8] = match h.word {
                EVIL => HIDDEN_EVIL,
                _ => HIDDEN_GOOD,
            };
            head.push(0x80 | coded.len() as u8);
            head.extend_from_slice(coded);
            vec![frame(HEADERS, END_STREAM | END_HEADERS, 1, &head)]
        },
    },
    Case {
        title: "a body in frames of one byte, padded",
        build: |h| {
            let mut frames = frame(HEADERS, END_HEADERS, 1, &block(POST, &path(h, "/form")));
            for byte in h.payload() {
                frames.extend(frame(DATA, PADDED, 1, &[2, byte, 0, 0]));
            }
            frames.extend(frame(DATA, END_STREAM, 1, &[]));
            vec![frames]
        },
    },
    Case {
        title: "the second of two streams side by side",
        build: |h| {
            let first = frame(HEADERS, END_HEADERS, 1, &block(POST, "/form"));
            let second = frame(HEADERS, END_HEADERS, 3, &block(POST, &path(h, "/form")));
            let payload = h.payload();
            let (a, b) = payload.split_at(9);
            vec![
                [
                    first,
                    second,
                    frame(DATA, 0, 3, a),
                    frame(DATA, END_STREAM, 1, b"name=text"),
                    frame(DATA, END_STREAM, 3, b),
                ]
                .concat(),
            ]
        },
    },
    Case {
        title: "a segment for each byte",
        build: |h| get(1, &path(h, "/WORD")).iter().map(|b| vec![*b]).collect(),
    },
];

/// `hidden-evil` and `hidden-good` in HPACK's Huffman code.
const HIDDEN_EVIL: &[u8] = &[0x9c, 0xd2, 0x48, 0x5a, 0x96, 0x2f, 0x73, 0x51];
const HIDDEN_GOOD: &[u8] = &[0x9c, 0xd2, 0x48, 0x5a, 0x96, 0x98, 0xe7, 0x93];

fn path(hidden: &Hidden, target: &str) -> String {
    format!("{}?id={}", target.replace("WORD", hidden.word), hidden.id)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Name and value as literals of less than 127 bytes.
fn literal(mark: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let lengths = [name.len() as u8, value.len() as u8];
    [&[mark, lengths[0]][..], name, &lengths[1..], value].concat()
}

fn block(method: u8, path: &str) -> Vec<u8> {
    let mut bytes = vec![method, HTTP];
    // The names `:path` and `:authority` are in the static table.
    bytes.extend([0x04, path.len() as u8]);
    bytes.extend_from_slice(path.as_bytes());
    bytes.extend([0x01, 0x01, b'h']);
    bytes
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(GET, path))
}

#[test]
fn attacks_in_http2_do_not_arrive_and_their_twins_do() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("HTTP/2", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let mut wrong = Vec::new();
    let mut judge = |round: &str, word, expected: bool| -> Fallible<()> {
        for (title, arrived) in play(&lab, &nginx, word, round)? {
            if arrived != expected {
                wrong.push(format!("{round}: {title}: arrived: {arrived}"));
            }
        }
        Ok(())
    };
    judge("control", EVIL, true)?;
    let rules = lab.folder().join("http2.rules");
    std::fs::write(&rules, RULES)?;
    let daemon = Daemon::start(&lab, &Setup::with_rules(&rules))?;
    judge("attack", EVIL, false)?;
    judge("twin", GOOD, true)?;
    daemon.stop()?;
    println!("{} attacks and as many twins", CASES.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Sends all cases at once, and says of each whether the server answered it.
fn play(
    lab: &Lab,
    nginx: &Nginx,
    word: &'static str,
    round: &str,
) -> Fallible<Vec<(&'static str, bool)>> {
    let namespace = lab.client();
    let server = SocketAddr::new(lab.server_address(Family::V4), nginx::HTTP2_PORT);
    std::thread::scope(|scope| {
        for (at, case) in CASES.iter().enumerate() {
            let id = format!("{round}-{at}-");
            let segments = (case.build)(&Hidden { word, id });
            let namespace = &namespace;
            // A connection that is reset or silent has its answer in what arrived.
            scope.spawn(move || -> Fallible<()> {
                support::netns::enter(namespace)?;
                exchange(server, &segments)
            });
        }
    });
    nginx.settle(lab)?;
    let arrived = |at: usize| {
        let requests = nginx.requests_with(&format!("{round}-{at}-"));
        requests.iter().any(|r| r.field("status") == "200")
    };
    let cases = CASES.iter().enumerate();
    Ok(cases.map(|(at, case)| (case.title, arrived(at))).collect())
}

fn exchange(server: SocketAddr, segments: &[Vec<u8>]) -> Fallible<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())?;
    for segment in segments {
        stream.write_all(segment)?;
    }
    let mut buffer = [0; 16_384];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
