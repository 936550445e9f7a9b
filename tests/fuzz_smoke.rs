//! The fuzzing targets over seeded inputs, mutated or random: the same every time, in seconds.

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::env;
use std::fs;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::path::Path;

use stopgap::signature::keywords::KEYWORDS;
use targets::TURN;

const ROUNDS: usize = 20_000;
const LONGEST_INPUT_BYTES: usize = 2048;
/// Where the seeds are left, too, in a folder for each target.
const SEEDS_FOLDER: &str = "STOPGAP_FUZZ_SEEDS";

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// Any bytes, or a seed with some of it changed, cut out, repeated or taken from another.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if self.below(8) == 0 {
            return (0..self.below(96)).map(|_| self.byte()).collect();
        }
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..1 + self.below(6) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(24)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..end)),
                2 => bytes.insert(at, self.byte()),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    let piece = &other[from..(from + 40).min(other.len())];
                    bytes.splice(at..end, piece.iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        bytes.truncate(LONGEST_INPUT_BYTES);
        bytes
    }
}

fn smoke(name: &str, target: fn(&[u8]), seeds: &[Vec<u8>]) {
    if let Some(folder) = env::var_os(SEEDS_FOLDER) {
        keep(&Path::new(&folder).join(name), seeds);
    }
    let mut random = Random(0x5eed_57a6);
    for seed in seeds {
        target(seed);
    }
    for round in 0..ROUNDS {
        let input = random.input(seeds);
        if catch_unwind(|| target(&input)).is_err() {
            panic!("round {round}: {:?}", input.escape_ascii().to_string());
        }
    }
}

/// What a coverage-guided search starts from.
fn keep(folder: &Path, seeds: &[Vec<u8>]) {
    fs::create_dir_all(folder).unwrap();
    for (n, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{n}")), seed).unwrap();
    }
}

/// The project's own files with this name, or this extension.
fn files(folder: &str, name: &str) -> Vec<Vec<u8>> {
    fn gather(folder: &Path, name: &str, into: &mut Vec<Vec<u8>>) {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                gather(&path, name, into);
            } else if path.to_string_lossy().ends_with(name) {
                let mut text = fs::read(&path).unwrap();
                text.truncate(LONGEST_INPUT_BYTES);
                into.push(text);
            }
        }
    }
    let mut all = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    gather(&root.join(folder), name, &mut all);
    assert!(!all.is_empty());
    all
}

fn conversation(cut: u8, client: &[u8], server: &[u8]) -> Vec<u8> {
    [&[cut], client, &[TURN], server].concat()
}

fn datagrams() -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new(); 4];
    let v4 = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    v4.tcp(1, 2, 3, 4).write(&mut all[0], b"data").unwrap();
    let v6 = etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64);
    v6.udp(1, 2).write(&mut all[1], b"data").unwrap();
    let tagged = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
        .single_vlan(etherparse::VlanId::try_new(7).unwrap())
        .ipv6([1; 16], [2; 16], 64);
    tagged.tcp(1, 2, 3, 4).write(&mut all[2], b"data").unwrap();
    let echo = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([1; 4], [2; 4], 64);
    echo.icmpv4_echo_request(1, 2)
        .write(&mut all[3], b"data")
        .unwrap();
    all
}

#[test]
fn decode() {
    let mut seeds = datagrams();
    for inner in datagrams() {
        let framed = [&[0; 12][..], &[8, 0], &inner].concat();
        // As GRE around IP, Ethernet and PPP, as ERSPAN, as VXLAN and as Geneve.
        seeds.push([&[0x20, 0, 8, 0, 0, 0, 0, 7], &inner[..]].concat());
        seeds.push([&[0, 0, 0x65, 0x58], &framed[..]].concat());
        seeds.push([&[0, 0, 0x88, 0x0b, 0xff, 3, 0, 0x21], &inner[..]].concat());
        let mirrored = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 9, 0, 5, 0, 0, 0, 0];
        seeds.push([&mirrored, &framed[..]].concat());
        seeds.push([&[8, 0, 0, 0, 0, 0, 7, 0], &framed[..]].concat());
        seeds.push([&[0, 0, 8, 0, 0, 0, 7, 0], &inner[..]].concat());
    }
    smoke("decode", targets::decode, &seeds);
}

#[test]
fn defrag() {
    let packet = |id: u8, unit: u8, more: bool, v6: bool, payload: &[u8]| {
        let length = payload.len() as u8;
        let mut packet = if v6 {
            let mut packet = vec![0x60, 0, 0, 0, 0, 8 + length, 44, 64];
            packet.extend_from_slice(&[1; 32]);
            packet.extend_from_slice(&[253, 0, 0, (unit * 8) | u8::from(more), 0, 0, 0, id]);
            packet
        } else {
            let flags = if more { 0x20 } else { 0 };
            let mut packet = vec![0x45, 0, 0, 20 + length, 0, id, flags, unit, 64, 253, 0, 0];
            packet.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
            packet
        };
        packet.extend_from_slice(payload);
        let mut framed = vec![packet.len() as u8, 0];
        framed.append(&mut packet);
        framed
    };
    let datagram = |id, v6| {
        [
            packet(id, 0, true, v6, b"firstfirstfirst."),
            packet(id, 2, true, v6, b"second.."),
            packet(id, 3, false, v6, b"last"),
        ]
    };
    let (a, b) = (datagram(1, false), datagram(2, true));
    let seeds = [
        a.concat(),
        b.concat(),
        [&a[0], &b[2], &a[2], &b[0], &b[0], &a[1], &b[1]]
            .map(Vec::as_slice)
            .concat(),
        [&a[1], &a[0], &a[1], &a[2], &a[0], &a[1], &a[2]]
            .map(Vec::as_slice)
            .concat(),
    ];
    smoke("defrag", targets::defrag, &seeds);
}

#[test]
fn capture() {
    let header = |link: u8| {
        let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[
            2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, link, 0, 0, 0,
        ]);
        bytes
    };
    let mut seeds = Vec::new();
    for datagram in datagrams() {
        let length = (datagram.len() as u32).to_le_bytes();
        for link in [1, 101] {
            let mut bytes = header(link);
            bytes.extend_from_slice(&[1, 0, 0, 0, 2, 0, 0, 0]);
            bytes.extend_from_slice(&length);
            bytes.extend_from_slice(&length);
            bytes.extend_from_slice(&datagram);
            seeds.push(bytes);
        }
    }
    smoke("capture", targets::capture, &seeds);
}

#[test]
fn stream() {
    let in_order: Vec<u8> = (0..32_u8)
        .flat_map(|n| [10 | (n & 1), n / 2 * 8, 0, 8])
        .collect();
    let reversed: Vec<u8> = (0..32_u8).rev().flat_map(|n| [10, n * 4, 0, 4]).collect();
    let with_flags: Vec<u8> = (0..32_u8).flat_map(|n| [n * 2, n, 0, 9]).collect();
    smoke("stream", targets::stream, &[in_order, reversed, with_flags]);
}

#[test]
fn http1() {
    let get = b"GET /a%20b/../c?d=e HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n\r\n";
    let post =
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\n\r\n";
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n";
    let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let closing = b"HTTP/1.0 404 Not Found\nContent-Encoding: gzip\n\n\x1f\x8b\x08\0\0\0\0\0\0\x03";
    let chunked_post =
        b"PUT /u HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00\r\n\r\n";
    let odd =
        b"HTTP/1.1 200 OK\r\nX: a\rTransfer-Encoding: chunked\r\n \r\n 5 x\r\nhello\r\n0\r\n\r\n";
    let form = b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 60\r\n\r\n--x\r\nContent-Disposition: a; filename=f\r\n\r\nfile\r\n--x--\r\n";
    let tunnel =
        b"HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhellostray\r\nHTTP/1.1 101 x\r\n\r\nx";
    smoke(
        "http1",
        targets::http1,
        &[
            conversation(1, get, odd),
            conversation(2, form, tunnel),
            conversation(0, get, chunked),
            conversation(3, post, &[&plain[..], chunked].concat()),
            conversation(5, chunked_post, closing),
        ],
    );
}

#[test]
fn content() {
    let text = b"some text, some more text, and the same text again".repeat(8);
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        encoder.write_all(&text).unwrap();
        encoder.finish().unwrap()
    };
    let br = {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 5, 22)
            .write_all(&text)
            .unwrap();
        out
    };
    let mut zstd = vec![0; zstd_safe::compress_bound(text.len())];
    let length = zstd_safe::compress(&mut zstd[..], &text, 3).unwrap();
    zstd.truncate(length);
    let seeds: Vec<_> = [
        (0, &gzip),
        (1, &gzip),
        (2, &br),
        (3, &zstd),
        (4, &gzip),
        (5, &br),
    ]
    .into_iter()
    .map(|(coding, body)| [&[coding, 7][..], body].concat())
    .collect();
    smoke("content", targets::content, &seeds);
}

#[test]
fn quic() {
    let mut hello = vec![1, 0, 0, 65, 3, 3];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0, 0, 22]);
    hello.extend_from_slice(&[0, 0, 0, 11, 0, 9, 0, 0, 6]);
    hello.extend_from_slice(b"a.test");
    hello.extend_from_slice(&[0, 16, 0, 3, 0, 1, 0]);
    let server_hello = [&[2, 0, 0, 40, 3, 3][..], &[9; 32], &[0, 0x13, 1, 0, 0, 0]].concat();
    let crypto = |offset: u8, data: &[u8]| [&[6, offset, data.len() as u8][..], data].concat();
    // A kind, a length in units of four bytes, and padding to fill it.
    let datagram = |kind: u8, frames: &[u8]| {
        let mut datagram = vec![kind, frames.len().div_ceil(4) as u8];
        datagram.extend_from_slice(frames);
        datagram.resize(2 + frames.len().next_multiple_of(4), 0);
        datagram
    };
    // The last of the hello cannot be said in one byte of length.
    let (first, rest) = hello.split_at(40);
    let (first, rest) = (crypto(0, first), crypto(40, rest));
    let answer = crypto(0, &server_hello);
    let tags = [&b"CHLO\x01\0\0\0SNI\0\x02\0\0\0"[..], b"a.", &[0; 8]].concat();
    let google = [&[8, 0, tags.len() as u8][..], &tags].concat();
    let clear = [
        &b"\xffQ044\x50identity\0\0\0\x01hash of them\xa0\x01\0\x1a"[..],
        &tags,
    ]
    .concat();
    smoke(
        "quic",
        targets::quic,
        &[
            [
                datagram(0, &first),
                datagram(0, &rest),
                datagram(1, &answer),
            ]
            .concat(),
            [
                datagram(8, &rest),
                datagram(8, &first),
                datagram(9, &answer),
            ]
            .concat(),
            [datagram(24, &google), datagram(32, &clear)].concat(),
            [datagram(2, &first), datagram(0, &first), datagram(2, &rest)].concat(),
        ],
    );
}

#[test]
fn http2() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // GET / with a literal field, in two frames; a body with padding.
    let request = b"\0\0\x05\x01\0\0\0\0\x01\x82\x84\x86\x40\x01\0\0\x03\x09\x04\0\0\0\x01a\x01b\
        \0\0\x05\0\x09\0\0\0\x01\x02ab\0\0";
    // Settings; the same field again by its number, Huffman-coded text behind it.
    let again = b"\0\0\x06\x04\0\0\0\0\0\0\x01\0\0\x20\0\0\0\x0f\x01\x05\0\0\0\x03\x82\xbe\x01\x8c\
        \xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4";
    let response = b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88\0\0\x02\0\x01\0\0\0\x01ok";
    let control = b"\0\0\x04\x08\0\0\0\0\0\0\0\x10\0\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08\0\0\x08\x07\0\0\0\0\0\0\0\0\x03\0\0\0\0";
    smoke(
        "http2",
        targets::http2,
        &[
            conversation(0, &[&preface[..], request].concat(), response),
            conversation(3, &[&preface[..], request, again].concat(), response),
            conversation(
                7,
                &[&preface[..], again, control].concat(),
                &[&response[..], control].concat(),
            ),
        ],
    );
}

#[test]
fn websocket() {
    let text = b"\x81\x86\x01\x02\x03\x04\x60\x76\x77\x65\x62\x69";
    let pieces = b"\x01\x02ab\x89\0\x80\x7e\0\x03cde";
    let compressed = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\0\xc1\x05\xf2\0\x11\0\0";
    smoke(
        "websocket",
        targets::websocket,
        &[
            conversation(0, text, pieces),
            conversation(2, &[&pieces[..], text].concat(), compressed),
            conversation(5, compressed, text),
        ],
    );
}

#[test]
fn tls() {
    let mut hello = vec![22, 3, 1, 0, 67, 1, 0, 0, 63, 3, 3];
    hello.extend_from_slice(&[7; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0, 0, 20]);
    hello.extend_from_slice(&[0, 0, 0, 11, 0, 9, 0, 0, 6]);
    hello.extend_from_slice(b"a.test");
    hello.extend_from_slice(&[0, 15, 0, 1, 1]);
    let heartbeat = [24, 3, 2, 0, 3, 1, 0x40, 0];
    let honest = [&[24, 3, 2, 0, 23, 1, 0, 4][..], b"ping", &[0; 16]].concat();
    let alert_and_finish = [21, 3, 3, 0, 2, 2, 40, 20, 3, 3, 0, 1, 1];
    let server_hello = [
        &[22, 3, 3, 0, 44, 2, 0, 0, 40, 3, 3][..],
        &[9; 32],
        &[0, 0, 0x2f, 0, 0, 0],
    ]
    .concat();
    smoke(
        "tls",
        targets::tls,
        &[
            conversation(0, &[&hello[..], &heartbeat].concat(), &server_hello),
            conversation(4, &[&hello[..], &honest].concat(), &alert_and_finish),
        ],
    );
}

#[test]
fn app_layer() {
    let on_port = |port: u8, step, client: &[u8], server: &[u8]| {
        [&[port], &conversation(step, client, server)[..]].concat()
    };
    let connect = b"\x10\x17\x00\x04MQTT\x05\xc2\x00\x3c\x00\x00\x02id\x00\x02me\x00\x02pw";
    let publish = b"\x32\x07\x00\x01a\x00\x01\x00x\xc0\x00\xe0\x00";
    let connack = b"\x20\x03\x00\x00\x00\x40\x02\x00\x01";
    let query = b"\0\0\0\x12\0\x03\0\0user\0joe\0\0Q\0\0\0\x0dSELECT 1\0P\0\0\0\x08s\0a\0";
    let rows =
        b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05IT\0\0\0\x06\0\x01D\0\0\0\x06\0\0C\0\0\0\x05\0Z\0\0\0\x05I";
    let search = b"\x30\x22\x02\x01\x02\x63\x1d\x04\x04dc=a\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x02cn\x30\x02\x04\x00";
    let entry = b"\x30\x21\x02\x01\x02\x64\x1c\x04\x04cn=b\x30\x14\x30\x12\x04\x03uid\x31\x0b\x04\x03joe\x04\x04root";
    smoke(
        "app_layer",
        targets::app_layer,
        &[
            on_port(0, 3, &[&connect[..], publish].concat(), connack),
            on_port(6, 1, publish, connack),
            on_port(0, 2, search, entry),
            on_port(7, 3, query, rows),
            on_port(
                0,
                7,
                b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                b"HTTP/1.1 204 No\r\n\r\n",
            ),
        ],
    );
}

#[test]
fn sip() {
    let register = b"REGISTER sip:h;transport=TCP SIP/2.0\r\nv: SIP/2.0/TCP a\r\nl: 4\r\n\r\nbody";
    let options = b"\r\n\r\nOPTIONS sip:a@b SIP/2.0\nTo: x\nContent-Length: 0\n\n";
    let response = b"SIP/2.0 200 OK\r\nFrom: <sip:a@b>\r\n\r\n";
    smoke(
        "sip",
        targets::sip,
        &[
            conversation(0, &[&register[..], options].concat(), response),
            conversation(5, options, &[&response[..], register].concat()),
        ],
    );
}

#[test]
fn ssh() {
    let offer = b"SSH-2.0-x y\r\n\0\0\0\x4d\x04\x14AAAAAAAAAAAAAAAA\0\0\0\x03kex\0\0\0\x01b\0\0\0\x01c\0\0\0\x01d\0\0\0\x01e\
\0\0\0\x01f\0\0\0\x01g\0\0\0\x01h\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x06\x04\x15\0\0\0\0rest";
    smoke(
        "ssh",
        targets::ssh,
        &[
            conversation(0, offer, offer),
            conversation(3, &offer[..40], offer),
        ],
    );
}

#[test]
fn smb() {
    let open = b"\x00\x00\x00z\xfeSMB@\x00\x00\x00\x00\x00\x00\x00\x05\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00a\x00";
    let opened = b"\x00\x00\x00\x98\xfeSMB@\x00\x00\x00\x00\x00\x00\x00\x05\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x00\x00\x00\x00\x00\x00\x00\x00";
    let wrote = b"\x00\x00\x00t\xfeSMB@\x00\x00\x00\x00\x00\x00\x00\x09\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00p\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00data";
    let tree = b"\x00\x00\x005\xffSMBu\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x09\x00\x00\x00\x04\x00\x04\xff\x00\x00\x00\x00\x00\x01\x00\x0a\x00\x00\x5c\x5ch\x5cd\x00A:\x00";
    smoke(
        "smb",
        targets::smb,
        &[
            conversation(0, &[&open[..], wrote].concat(), opened),
            conversation(7, &[&tree[..], open, wrote].concat(), opened),
        ],
    );
}

#[test]
fn dnp3() {
    let read = b"\x05\x64\x0b\xc4\x0a\x00\x01\x00\xac\xd1\xc0\xc0\x01\x3c\x02\x06\x54\xe0";
    let first = b"\x05\x64\x0c\xc4\x0a\x00\x01\x00\x92\x0f\x40\xc0\x02\x6e\x05\x00\x00\x3a\x45";
    let second = b"\x05\x64\x0c\xc4\x0a\x00\x01\x00\x92\x0f\x81\x00\x68\x65\x6c\x6c\x6f\x9c\xfb";
    let answered = b"\x05\x64\x12\x44\x01\x00\x0a\x00\x73\xc7\xc0\xc0\x81\x82\x00\x02\x01\x28\x01\x00\x00\x00\x01\xad\x31";
    smoke(
        "dnp3",
        targets::dnp3,
        &[
            conversation(0, read, answered),
            conversation(7, &[&first[..], read, second].concat(), answered),
        ],
    );
}

#[test]
fn nfs() {
    let lookup = b"\x80\x00\x00<\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04dirh\x00\x00\x00\x05a.exe\x00\x00\x00";
    let found = b"\x80\x00\x000\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05fileh\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let write = b"\x80\x00\x00L\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x03\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05fileh\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x02\x00\x00\x00\x04data";
    let open = b"\x80\x00\x00x\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa3\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x16\x00\x00\x00\x04root\x00\x00\x00\x12\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03own\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05a.exe\x00\x00\x00\x00\x00\x00\x0a";
    let opened = b"\x80\x00\x00x\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x16\x00\x00\x00\x00\x00\x00\x00\x12\x00\x00\x00\x00\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x05fileh\x00\x00\x00";
    smoke(
        "nfs",
        targets::nfs,
        &[
            conversation(0, &[&lookup[..], write].concat(), found),
            conversation(7, &[&open[..], write].concat(), opened),
        ],
    );
}

#[test]
fn ftp() {
    let client =
        b"USER a\r\nPASV\r\nRETR x\r\nPORT 1,2,3,4,5,6\r\nSTOR y\r\nEPRT |1|a|5|\r\nAUTH TLS\r\n";
    let server = b"220-hi\r\n220 x\r\n331 y\r\n227 (1,2,3,4,5,6)\r\n150 a\r\n226 b\r\n229 (|||7|)\r\n234 c\r\n";
    smoke(
        "ftp",
        targets::ftp,
        &[
            conversation(0, client, server),
            conversation(3, server, client),
        ],
    );
}

#[test]
fn smtp() {
    let mail = b"EHLO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
Content-Disposition: attachment; filename=x\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n.\r\nQUIT\r\n";
    let chunks =
        b"HELO a\nMAIL FROM:<a>\nBDAT 14\nSubject: hi\r\n\r\nBDAT 2 LAST\nxyRSET\nSTARTTLS\n";
    let replies = b"220 x\r\n250-a\r\n250 b\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n221 bye\r\n";
    smoke(
        "smtp",
        targets::smtp,
        &[
            conversation(0, mail, replies),
            conversation(5, chunks, replies),
            conversation(9, &[&chunks[..], mail].concat(), b"220 x\n"),
        ],
    );
}

#[test]
fn dns() {
    let query = b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
    let answer = b"\0\x2d\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x07example\x03org\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\xc0\0\x02\x07";
    let circle = b"\0\x16\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\xc0\x0c\0\x10\0\x01";
    smoke(
        "dns",
        targets::dns,
        &[
            conversation(0, query, answer),
            conversation(
                3,
                &[&circle[..], query].concat(),
                &[&answer[..], answer].concat(),
            ),
            conversation(1, &query[2..], &answer[2..]),
        ],
    );
}

#[test]
fn rules() {
    let seeds: Vec<Vec<u8>> = files("signatures", "patch.rules")
        .iter()
        .flat_map(|file| file.split(|&b| b == b'\n'))
        .filter(|line| line.len() > 20)
        .map(<[u8]>::to_vec)
        .chain(KEYWORDS.iter().map(|keyword| {
            let example = keyword.example();
            format!("alert ip any any -> any any ({example} sid:1;)").into_bytes()
        }))
        .collect();
    smoke("rules", targets::rules, &seeds);
}

#[test]
fn readings() {
    let seeds = [
        &b"expr\0\0\0\x01"[..],
        b"expr\0\0\0\x01\x03\0\0\0\x01\0\0\0\0i/aa",
        b"expr\0\0\0\x01\x03\0\0\0\x02\0\0\0\x01i/a\xc3\xa9\x02\0\0\0\0\0\0\0\0/b",
    ];
    smoke("readings", targets::readings, &seeds.map(<[u8]>::to_vec));
}

#[test]
fn control() {
    let seeds = [
        r#"{"command":"status"}"#,
        r#"{"command":"reload","partial":true}"#,
        r#"{"command":"mode","patch":"p","mode":"detect"}"#,
        r#"{"command":"except_add","exception":{"network":"192.0.2.0/24","patch":"p","side":"client"}}"#,
        r#"{"command":"flows","limit":10}"#,
    ];
    smoke(
        "control",
        targets::control,
        &seeds.map(|s| s.as_bytes().to_vec()),
    );
}

#[test]
fn scenario() {
    let mut seeds = files("signatures/core/openssl-heartbleed", ".toml");
    seeds.extend(files("signatures/core/apache-path-traversal", ".toml"));
    smoke("scenario", targets::scenario, &seeds);
}

#[test]
fn pack() {
    let mut seeds = files("signatures", "pack.toml");
    seeds.extend(files("signatures", "patch.toml"));
    smoke("pack", targets::pack, &seeds);
}

#[test]
fn config() {
    smoke("config", targets::config, &files("config", ".toml"));
}
