//! HTTP/2 meant to wear an inspector out: each transaction stays within a mebibyte and a tenth of a
//! second, and what is given up is told by an event.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use stopgap::app_layer::{AppLayer, Limits, Protocol};
use stopgap::detect::{FlowContext, FlowCounts, FlowDetect, Hits, Ruleset, Scratch};
use stopgap::direction::Direction::{self, ToClient, ToServer};
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::signature::{Classes, Variables};
use stopgap::time::Timestamp;
use stopgap::verdict::{ActionOrder, Mode};

const MEBIBYTE: usize = 1 << 20;
/// Builds without optimisation get ten times the time.
const TENTH: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });

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

const RULES: &str = r#"
alert http any any -> any any (msg:"uri"; http.uri; content:"/evil"; sid:1;)
alert http any any -> any any (msg:"header"; http.header; content:"evil|0d 0a|"; sid:2;)
alert http any any -> any any (msg:"body"; file.data; content:"evil body"; sid:3;)
alert http any any -> any any (msg:"expression"; http.header; pcre:"/x[a-z]*y[a-z]*evil/"; sid:4;)
alert http2 any any -> any any (msg:"limit"; app-layer-event:http2.reassembly_limit_reached; sid:10;)
alert http2 any any -> any any (msg:"frames"; app-layer-event:http2.too_many_frames; sid:11;)
alert http2 any any -> any any (msg:"streams"; app-layer-event:http2.too_many_streams; sid:12;)
alert http2 any any -> any any (msg:"bomb"; app-layer-event:http2.failed_decompression; sid:13;)
alert http2 any any -> any any (msg:"integer"; app-layer-event:http2.header_integer_overflow; sid:14;)
alert http2 any any -> any any (msg:"settings"; http2.settings:SETTINGS_MAX_FRAME_SIZE>20000; sid:15;)
"#;

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

/// One flow past parser and rules, measured.
struct Run {
    ruleset: std::sync::Arc<Ruleset>,
    scratch: Scratch,
    detect: FlowDetect,
    app: AppLayer,
    ctx: FlowContext,
    limits: Limits,
    /// Most bytes held at a time.
    held: usize,
    /// The longest that one packet took.
    slowest: Duration,
    alerts: Vec<u32>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostile.rules");
        std::fs::write(&path, RULES).unwrap();
        let sources = Sources {
            packs: Vec::new(),
            rules: vec![RulesFile::whole(&path)],
            variables: Variables::default(),
            classes: Classes::default(),
            test_packs: false,
            ceiling: Mode::Prevent,
            action_order: ActionOrder::default(),
            options: stopgap::detect::CompileOptions::default(),
            keeping: stopgap::reload::Keeping::default(),
        };
        let built = Builder::new(sources, Holds::default())
            .build(Strictness::Whole)
            .unwrap();
        let end = |last, port| (IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
        Self {
            ruleset: built.ruleset,
            scratch: Scratch::new(),
            detect: FlowDetect::new(),
            app: AppLayer::new(),
            ctx: FlowContext {
                client: end(1, 40_000),
                server: end(2, 80),
                protocol: 6,
                app: Protocol::Undetermined,
                original_app: None,
                established: true,
                stream: true,
                stream_sizes: [1, 1],
                counts: FlowCounts::default(),
                stream_events: Default::default(),
                flow_id: 1,
                now: Timestamp::from_secs(1_700_000_000),
            },
            limits: Limits::default(),
            held: 0,
            slowest: Duration::ZERO,
            alerts: Vec::new(),
        }
    }

    /// Bytes in packets of a GSO packet's size, as the pipeline gives them.
    fn send(&mut self, direction: Direction, bytes: &[u8]) {
        let mut hits = Hits::default();
        for packet in bytes.chunks(64_000) {
            let started = Instant::now();
            let mut rest = packet;
            while !rest.is_empty() {
                let taken = self.app.data(direction, rest, &self.limits).consumed;
                self.ctx.app = self.app.protocol();
                for tx in self.app.touched() {
                    let (scratch, detect) = (&mut self.scratch, &mut self.detect);
                    self.ruleset
                        .on_transaction(scratch, &self.ctx, detect, direction, tx, &mut hits);
                }
                self.held = self
                    .held
                    .max(self.app.held_bytes() + self.detect.held_bytes());
                self.app.take_finished();
                rest = &rest[taken..];
            }
            self.slowest = self.slowest.max(started.elapsed());
        }
        let signature = |hit| self.ruleset.signature(hit).unwrap().id().sid;
        self.alerts.extend(hits.as_slice().iter().map(signature));
    }

    fn begin() -> Self {
        let mut run = Self::new();
        run.send(ToServer, &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        run
    }

    #[track_caller]
    fn stays_within(&self, bytes: usize, time: Duration) {
        assert!(self.held <= bytes, "{} bytes held", self.held);
        assert!(self.slowest <= time, "{:?} for a packet", self.slowest);
    }
}

#[test]
fn an_hpack_bomb_stops_at_the_limit_of_a_header_block() {
    let mut run = Run::begin();
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
    run.stays_within(MEBIBYTE, TENTH);
    assert!(run.app.failed(ToServer));
    assert_eq!(run.alerts, [10]);
}

#[test]
fn a_bomb_within_the_limit_costs_no_more_on_the_next_stream() {
    let mut run = Run::begin();
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
    run.stays_within(MEBIBYTE, TENTH);
    assert!(!run.app.failed(ToServer) && run.alerts.is_empty());
}

#[test]
fn a_flood_of_continuations_is_given_up() {
    for piece in [
        &b""[..],
        &literal(b"a", b"b"),
        &literal(b"a", &[b'x'; 9000]),
    ] {
        let mut run = Run::begin();
        run.send(ToServer, &frame(HEADERS, END_STREAM, 1, GET));
        run.send(ToServer, &frame(CONTINUATION, 0, 1, piece).repeat(10_000));
        run.stays_within(MEBIBYTE, TENTH);
        assert!(run.app.failed(ToServer));
        let expected = if piece.len() > 1000 { 10 } else { 11 };
        assert_eq!(run.alerts, [expected]);
        assert!(run.app.beyond_limit(ToServer) > 0);
    }
}

#[test]
fn a_field_that_never_ends_is_given_up() {
    let mut run = Run::begin();
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
    run.stays_within(MEBIBYTE, TENTH);
    assert!(run.app.failed(ToServer));
    assert_eq!(run.alerts, [10]);
    let mut run = Run::begin();
    run.send(
        ToServer,
        &frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 100]),
    );
    assert_eq!(run.alerts, [14]);
}

#[test]
fn sixty_four_thousand_headers_are_too_many() {
    for field in [&literal(b"a", b"b")[..], &[0x90]] {
        let mut run = Run::begin();
        run.send(ToServer, &frame(HEADERS, END_STREAM, 1, GET));
        for _ in 0..64 {
            run.send(ToServer, &frame(CONTINUATION, 0, 1, &field.repeat(1000)));
        }
        run.stays_within(MEBIBYTE, TENTH);
        assert!(run.app.failed(ToServer));
        assert_eq!(run.alerts, [10]);
    }
}

#[test]
fn rapid_resets_leave_nothing_behind() {
    let mut run = Run::begin();
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
    run.stays_within(MEBIBYTE, TENTH);
    assert_eq!(run.app.transactions().count(), 0);
    assert!(!run.app.failed(ToServer));
}

#[test]
fn streams_that_stay_open_are_bounded() {
    for flags in [END_HEADERS, END_HEADERS | END_STREAM] {
        let mut run = Run::begin();
        let mut bytes = Vec::new();
        for stream in 0..10_000 {
            bytes.extend(frame(HEADERS, flags, 2 * stream + 1, GET));
        }
        run.send(ToServer, &bytes);
        let streams = run.limits.transactions;
        run.stays_within(streams * 8192, TENTH * 5);
        assert!(run.app.failed(ToServer));
        assert_eq!(run.alerts, [12]);
    }
}

#[test]
fn floods_of_small_frames_cost_what_their_bytes_cost() {
    let settings = [0, 5, 0, 0, 0x40, 0].repeat(2700);
    for flood in [
        frame(PING, 0, 0, &[7; 8]).repeat(50_000),
        frame(SETTINGS, 0, 0, &settings).repeat(50),
        frame(99, 0, 0, &[]).repeat(50_000),
    ] {
        let mut run = Run::begin();
        run.send(ToServer, &flood);
        run.stays_within(MEBIBYTE, TENTH);
        assert!(!run.app.failed(ToServer) && run.alerts.is_empty());
    }
    let mut run = Run::begin();
    run.send(ToServer, &frame(HEADERS, END_HEADERS, 1, GET));
    run.send(ToServer, &frame(DATA, 0, 1, b"x").repeat(200_000));
    run.stays_within(MEBIBYTE, TENTH);
    assert!(run.app.beyond_limit(ToServer) >= 100_000 - 2400);
}

#[test]
fn a_compressed_body_that_explodes_is_cut() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 50 * MEBIBYTE]).unwrap();
    let bomb = encoder.finish().unwrap();
    let mut run = Run::begin();
    let head = [GET, &literal(b"content-encoding", b"gzip")].concat();
    run.send(ToServer, &frame(HEADERS, END_HEADERS, 1, &head));
    for piece in bomb.chunks(16_000) {
        run.send(ToServer, &frame(DATA, 0, 1, piece));
    }
    run.stays_within(MEBIBYTE, TENTH);
    assert_eq!(run.alerts, [13]);
}

#[test]
fn large_tables_are_not_kept() {
    let mut run = Run::begin();
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
    run.stays_within(MEBIBYTE, TENTH);
    assert!(!run.app.failed(ToServer));
}
