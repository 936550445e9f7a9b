//! What is fuzzed: one function for each place where bytes from outside come in.
//! None may panic, and some hold a property besides.

use std::io::Cursor;

use stopgap::app_layer::{Limits, http1, tls};
use stopgap::capture::pcap::CaptureReader;
use stopgap::config::Config;
use stopgap::control::Request;
use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, LinkType, Transport, decode_frame, decode_ip};
use stopgap::detect::{CompileOptions, Layer, RuleInput};
use stopgap::direction::Direction;
use stopgap::pack::{Description, Manifest, Version};
use stopgap::scenario::{Scenario, ScenarioFiles, variants};
use stopgap::signature::{Classes, Variables, parse_bytes};
use stopgap::stream::{ChunkPool, Delivery, Segment, Shared, StreamConfig, TcpSession};

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];
/// Between the bytes of the client and those of the server, in inputs of the parsers.
pub const TURN: u8 = 0xfe;

pub fn decode(data: &[u8]) {
    for trust in [ChecksumTrust::Unverified, ChecksumTrust::Ignored] {
        let _ = decode_ip(data, trust);
        for link in [
            LinkType::Ethernet,
            LinkType::RawIp,
            LinkType::LinuxSll,
            LinkType::LinuxSll2,
            LinkType::Null,
        ] {
            let _ = decode_frame(link, data, trust);
        }
    }
}

pub fn capture(data: &[u8]) {
    let input = Cursor::new(data.to_vec());
    let Ok(mut reader) = CaptureReader::new(input, data.len() as u64) else {
        return;
    };
    while let Ok(Some(frame)) = reader.next_frame() {
        let _ = decode_frame(frame.link, frame.data, ChecksumTrust::Ignored);
    }
}

/// Segments of honest content in any order, with any flags: what is delivered is that content
/// from its start, without a gap.
///
/// Each four bytes are a segment: kind, two of offset, length.
pub fn stream(data: &[u8]) {
    const ISN: [u32; 2] = [0xffff_ff00, 7000];
    const CONTENT_BYTES: u32 = 8192;
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    let content =
        |dir: Direction, at: u32| (at ^ (at >> 8)).wrapping_mul(31) as u8 ^ dir.index() as u8;
    let config = StreamConfig::default();
    let counters = Counters::default();
    let mut pool = ChunkPool::new(&config);
    let mut delivered = [0_u32; 2];
    let mut restarted = false;
    let syn = packet(ISN[0], 0, SYN, &[]);
    let opened = with_segment(Direction::ToServer, &syn, TcpSession::from_syn);
    let Some(mut session) = opened else {
        return;
    };
    let mut send = |session: &mut TcpSession, dir: Direction, bytes: &[u8]| {
        with_segment(dir, bytes, |segment| {
            let mut shared = Shared {
                pool: &mut pool,
                config: &config,
                counters: &counters,
            };
            session.on_segment(segment, &mut shared, &mut |dir, delivery| {
                match delivery {
                    // Offsets count from another sequence number then.
                    Delivery::Restart => restarted = true,
                    Delivery::Bytes(_) if restarted => {}
                    Delivery::Bytes(bytes) => {
                        let at = &mut delivered[dir.index()];
                        for &byte in bytes {
                            assert_eq!(byte, content(dir, *at), "at {at} {dir:?}");
                            *at += 1;
                        }
                    }
                    Delivery::Gap(n) => panic!("a gap of {n} bytes where none is tolerated"),
                }
            })
        })
    };
    let syn_ack = packet(ISN[1], ISN[0].wrapping_add(1), SYN | ACK, &[]);
    send(&mut session, Direction::ToClient, &syn_ack);
    for op in data.chunks_exact(4) {
        let [kind, low, high, length] = *op else {
            return;
        };
        let dir = DIRECTIONS[usize::from(kind & 1)];
        let at = u32::from(u16::from_le_bytes([low, high])) % CONTENT_BYTES;
        let bytes: Vec<u8> = (at..at + u32::from(length))
            .map(|at| content(dir, at))
            .collect();
        let seq = ISN[dir.index()].wrapping_add(1).wrapping_add(at);
        let next = session.next_sequence(dir.opposite());
        let ack = if kind & 64 != 0 {
            next.wrapping_sub(u32::from(low))
        } else {
            next
        };
        let (seq, flags, payload) = match kind >> 1 & 15 {
            0 => (seq, ACK | FIN, &bytes[..]),
            1 => (session.next_sequence(dir), RST, &[][..]),
            2 => (seq, RST | ACK, &[][..]),
            3 => (
                ISN[dir.index()],
                SYN | if low > 127 { ACK } else { 0 },
                &[][..],
            ),
            4 => (seq, high, &bytes[..]),
            _ => (seq, ACK, &bytes[..]),
        };
        send(&mut session, dir, &packet(seq, ack, flags, payload));
    }
}

fn packet(seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let total = (40 + payload.len()) as u16;
    let mut bytes = vec![0x45, 0, total.to_be_bytes()[0], total.to_be_bytes()[1]];
    bytes.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(&[0x9c, 0x40, 0, 80]);
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&ack.to_be_bytes());
    bytes.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn with_segment<T>(
    dir: Direction,
    datagram: &[u8],
    act: impl FnOnce(&Segment<'_>) -> T,
) -> Option<T> {
    let packet = decode_ip(datagram, ChecksumTrust::Ignored).ok()?;
    match packet.transport {
        Transport::Tcp(tcp) => Some(act(&Segment {
            dir,
            tcp: &tcp,
            payload: packet.payload,
            ttl: packet.ip.ttl,
        })),
        _ => None,
    }
}

/// What is read does not depend on how it is cut. The first byte says how.
pub fn http1(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits::default();
    let read = |cut: usize| {
        let mut parser = http1::Parser::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
        }
        let seen: Vec<_> = parser
            .transactions()
            .map(|tx| {
                (
                    tx.method().map(<[u8]>::to_vec),
                    tx.uri_normalized().map(<[u8]>::to_vec),
                    DIRECTIONS.map(|dir| tx.body(dir).to_vec()),
                )
            })
            .collect();
        (seen, DIRECTIONS.map(|dir| parser.failed(dir)))
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// What is read does not depend on how it is cut. The first byte says how.
pub fn tls(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits::default();
    let read = |cut: usize| {
        let mut parser = tls::Parser::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
        }
        let tx = parser.transaction();
        (
            tx.sni().map(<[u8]>::to_vec),
            tx.events().to_vec(),
            parser.encrypted(),
            DIRECTIONS.map(|dir| parser.failed(dir)),
        )
    };
    assert_eq!(read(cut), read(usize::MAX));
}

fn sides(data: &[u8]) -> Option<(usize, [&[u8]; 2])> {
    let (&first, rest) = data.split_first()?;
    let turn = rest.iter().position(|&b| b == TURN).unwrap_or(rest.len());
    let server = rest.get(turn + 1..).unwrap_or_default();
    Some((1 + usize::from(first % 16), [&rest[..turn], server]))
}

/// Rules, and the compilation of those that are accepted.
pub fn rules(data: &[u8]) {
    let parsed = parse_bytes(
        "fuzz.rules",
        data,
        &Variables::default(),
        &Classes::default(),
    );
    let inputs = parsed.signatures.into_iter().map(|signature| RuleInput {
        signature,
        patch: None,
    });
    Layer::compile(inputs.collect(), &CompileOptions::default());
}

/// A request that is read can be written, and read again.
pub fn control(data: &[u8]) {
    if let Ok(request) = serde_json::from_slice::<Request>(data) {
        let written = serde_json::to_vec(&request).expect("a request can be written");
        let again: Request = serde_json::from_slice(&written).expect("and read again");
        assert_eq!(again, request);
    }
}

struct NoFiles;

impl ScenarioFiles for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err("there are no files".to_owned())
    }
}

pub fn scenario(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(scenario) = Scenario::parse("fuzz.toml", &text, &NoFiles) {
        let _ = variants(&scenario, &[]);
    }
}

pub fn pack(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = Manifest::parse("pack.toml", &text, Version::ENGINE);
    let _ = Description::parse("patch.toml", &text, "fuzz");
}

pub fn config(data: &[u8]) {
    let _ = Config::parse("stopgap.toml", &String::from_utf8_lossy(data));
}
