//! HTTP/2: bombs of HPACK, floods of frames, streams that stay open.

use stopgap::direction::Direction::{ToClient, ToServer};

use super::run::{MEBIBYTE, Run};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// `GET /` over http, out of the static table.
const GET: &[u8] = &[0x82, 0x84, 0x86];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A field that enters the dynamic table.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let text = |bytes: &[u8]| {
        let mut out = Vec::new();
        match bytes.len() {
            short @ ..127 => out.push(short as u8),
            long => {
                out.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    out.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
        }
        out.extend_from_slice(bytes);
        out
    };
    [vec![0x40], text(name), text(value)].concat()
}

fn begin() -> Run {
    let mut run = Run::new();
    run.send(ToServer, &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    run
}

#[test]
fn an_hpack_bomb_stops_at_the_limit_of_a_header_block() {
    let mut run = begin();
    // One field of 4,000 bytes, then named again and again: a byte on the wire each.
    let seed = [GET, &literal(b"bomb", &[b'x'; 4000])].concat();
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &seed),
    );
    let bomb = [GET, &[0xbe; 16_000]].concat();
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM | END_HEADERS, 3, &bomb),
    );
    run.holds("an HPACK bomb");
    assert!(run.app.failed(ToServer));
    assert_eq!(run.cost.alerts, [10]);
}

#[test]
fn a_bomb_within_the_limit_costs_no_more_on_the_next_stream() {
    let mut run = begin();
    let seed = [GET, &literal(b"bomb", &[b'x'; 4000])].concat();
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &seed),
    );
    run.send(
        ToClient,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x88]),
    );
    for stream in 1..200 {
        let bomb = [GET, &[0xbe; 15]].concat();
        let stream = 2 * stream + 1;
        run.send(
            ToServer,
            &frame(HEADERS, END_STREAM | END_HEADERS, stream, &bomb),
        );
        run.send(
            ToClient,
            &frame(HEADERS, END_STREAM | END_HEADERS, stream, &[0x88]),
        );
    }
    run.holds("an HPACK bomb within the limit, 200 times");
    assert!(!run.app.failed(ToServer) && run.cost.alerts.is_empty());
}

#[test]
fn a_flood_of_continuations_is_given_up() {
    for piece in [
        &b""[..],
        &literal(b"a", b"b"),
        &literal(b"a", &[b'x'; 9000]),
    ] {
        let mut run = begin();
        run.send(ToServer, &frame(HEADERS, END_STREAM, 1, GET));
        run.send(ToServer, &frame(CONTINUATION, 0, 1, piece).repeat(10_000));
        run.holds(&format!("10,000 CONTINUATIONs of {} bytes", piece.len()));
        assert!(run.app.failed(ToServer));
        let expected = if piece.len() > 1000 { 10 } else { 11 };
        assert_eq!(run.cost.alerts, [expected]);
        assert!(run.app.beyond_limit(ToServer) > 0);
    }
}

#[test]
fn a_field_that_never_ends_is_given_up() {
    let mut run = begin();
    // A literal of 2^31 bytes.
    let start = [0x00, 1, b'a', 0x7f, 0x80, 0xff, 0xff, 0xff, 0x07];
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM, 1, &[GET, &start].concat()),
    );
    run.send(
        ToServer,
        &frame(CONTINUATION, 0, 1, &[b'x'; 16_000]).repeat(100),
    );
    run.holds("a field of 2 GB");
    assert!(run.app.failed(ToServer));
    assert_eq!(run.cost.alerts, [10]);
    let mut run = begin();
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 100]),
    );
    assert_eq!(run.cost.alerts, [14]);
}

#[test]
fn sixty_four_thousand_headers_are_too_many() {
    for field in [&literal(b"a", b"b")[..], &[0x90]] {
        let mut run = begin();
        run.send(ToServer, &frame(HEADERS, END_STREAM, 1, GET));
        for _ in 0..64 {
            run.send(ToServer, &frame(CONTINUATION, 0, 1, &field.repeat(1000)));
        }
        run.holds(&format!("64,000 fields of {} bytes", field.len()));
        assert!(run.app.failed(ToServer));
        assert_eq!(run.cost.alerts, [10]);
    }
}

#[test]
fn rapid_resets_leave_nothing_behind() {
    let mut run = begin();
    let mut bytes = Vec::new();
    for stream in 0..100_000 {
        bytes.extend(frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            2 * stream + 1,
            GET,
        ));
        bytes.extend(frame(RST_STREAM, 0, 2 * stream + 1, &[0, 0, 0, 8]));
    }
    run.send(ToServer, &bytes);
    // A packet holds two thousand of them.
    run.holds("100,000 streams reset at once");
    assert_eq!(run.app.transactions().count(), 0);
    assert!(!run.app.failed(ToServer));
}

#[test]
fn streams_that_stay_open_are_bounded() {
    for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
        let mut run = begin();
        let mut bytes = Vec::new();
        for stream in 0..10_000 {
            bytes.extend(frame(HEADERS, flags, 2 * stream + 1, GET));
        }
        run.send(ToServer, &bytes);
        run.holds("10,000 streams that stay open");
        assert!(run.cost.held <= 8192, "{} bytes for each", run.cost.held);
        assert!(run.app.failed(ToServer));
        assert_eq!(run.cost.alerts, [12]);
    }
}

#[test]
fn floods_of_small_frames_cost_what_their_bytes_cost() {
    let settings = [0, 5, 0, 0, 0x40, 0].repeat(2700);
    for (name, flood) in [
        ("50,000 PINGs", frame(PING, 0, 0, &[7; 8]).repeat(50_000)),
        (
            "50 SETTINGS of 2,700 each",
            frame(SETTINGS, 0, 0, &settings).repeat(50),
        ),
        ("50,000 unknown frames", frame(99, 0, 0, &[]).repeat(50_000)),
    ] {
        let mut run = begin();
        run.send(ToServer, &flood);
        run.holds(name);
        assert!(!run.app.failed(ToServer) && run.cost.alerts.is_empty());
    }
    let mut run = begin();
    run.send(ToServer, &frame(HEADERS, END_HEADERS, 1, GET));
    run.send(ToServer, &frame(DATA, 0, 1, b"x").repeat(200_000));
    run.holds("200,000 bytes in a frame each");
    assert!(run.app.beyond_limit(ToServer) >= 100_000 - 2400);
}

#[test]
fn a_compressed_body_that_explodes_is_cut() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 50 * MEBIBYTE]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut run = begin();
    let head = [GET, &literal(b"content-encoding", b"gzip")].concat();
    run.send(ToServer, &frame(HEADERS, END_HEADERS, 1, &head));
    for piece in bomb.chunks(16_000) {
        run.send(ToServer, &frame(DATA, 0, 1, piece));
    }
    run.holds("gzip of 50 MB in frames");
    assert_eq!(run.cost.alerts, [13]);
}

#[test]
fn large_tables_are_not_kept() {
    let mut run = begin();
    // A size update to 2^31, and 16 MiB of fields for the table.
    run.send(
        ToServer,
        &frame(
            HEADERS,
            END_STREAM,
            1,
            &[0x3f, 0xe1, 0xff, 0xff, 0xff, 0x07],
        ),
    );
    run.send(ToServer, &frame(CONTINUATION, END_HEADERS, 1, GET));
    for stream in 1..300 {
        let field = literal(b"a", &[b'x'; 60_000]);
        let (first, rest) = field.split_at(16_000);
        let stream = 2 * stream + 1;
        run.send(ToServer, &frame(HEADERS, END_STREAM, stream, first));
        run.send(ToServer, &frame(CONTINUATION, END_HEADERS, stream, rest));
        run.send(ToServer, &frame(RST_STREAM, 0, stream, &[0; 4]));
        run.send(ToClient, &frame(PING, 0, 0, &[0; 8]));
    }
    run.holds("16 MB of fields for the table");
    assert!(!run.app.failed(ToServer));
}
