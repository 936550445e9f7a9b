//! What is fuzzed: one function for each place where bytes from outside come in.
//! None may panic, and some hold a property besides.

use std::io::Cursor;

use stopgap::app_layer::message::{Parser, Transaction};
use stopgap::app_layer::{
    AppLayer, FrameProtocols, Limits, TxRef, content, dnp3, dns, ftp, http1, http2, nfs, quic, sip,
    smb, smtp, ssh, tls, websocket,
};
use stopgap::buffer::Buffer;
use stopgap::capture::pcap::CaptureReader;
use stopgap::config::Config;
use stopgap::control::Request;
use stopgap::counters::Counters;
use stopgap::decode::{
    ChecksumTrust, DecodeEvents, LinkType, Packet, Transport, Tunnels, decode_frame, decode_ip,
};
use stopgap::defrag::{Arrival, DefragConfig, Defragmenter, Taken};
use stopgap::detect::{CompileOptions, Layer, RuleInput};
use stopgap::direction::Direction;
use stopgap::number::Number;
use stopgap::pack::{Description, Manifest, Version};
use stopgap::scenario::{Scenario, ScenarioFiles, variants};
use stopgap::signature::{Classes, Readings, Variables, parse_bytes};
use stopgap::stream::{ChunkPool, Delivery, Segment, Shared, StreamConfig, TcpSession};
use stopgap::time::Timestamp;

const DIRECTIONS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];
/// Between the bytes of the client and those of the server, in inputs of the parsers.
pub const TURN: u8 = 0xfe;

/// As it came, and as what is inside a tunnel: however deep, it ends with the bytes.
pub fn decode(data: &[u8]) {
    for trust in [ChecksumTrust::Unverified, ChecksumTrust::Ignored] {
        for link in [
            LinkType::Ethernet,
            LinkType::RawIp,
            LinkType::RawIpv4,
            LinkType::RawIpv6,
            LinkType::LinuxSll,
            LinkType::LinuxSll2,
            LinkType::Null,
            LinkType::Ppp,
            LinkType::CiscoHdlc,
        ] {
            if let Ok(Some(packet)) = decode_frame(link, data, trust) {
                look_inside(packet, trust);
            }
        }
    }
    for port in [4789, 6081, 3544] {
        inside_of(17, &[&udp_header(port, data.len()), data].concat());
    }
    for protocol in [4, 41, 47] {
        inside_of(protocol, data);
    }
}

fn inside_of(protocol: u8, payload: &[u8]) {
    let total = (20 + payload.len()).min(65_535) as u16;
    let mut bytes = vec![0x45, 0, total.to_be_bytes()[0], total.to_be_bytes()[1]];
    bytes.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(payload);
    if let Ok(packet) = decode_ip(&bytes, ChecksumTrust::Ignored) {
        look_inside(packet, ChecksumTrust::Ignored);
    }
}

fn udp_header(port: u16, payload: usize) -> [u8; 8] {
    let [high, low] = port.to_be_bytes();
    let [long, short] = ((8 + payload).min(65_535) as u16).to_be_bytes();
    [0, 1, high, low, long, short, 0, 0]
}

fn look_inside(mut packet: Packet<'_>, trust: ChecksumTrust) {
    let tunnels = Tunnels::default();
    let mut events = DecodeEvents::NONE;
    while let Ok(Some(inner)) = tunnels.inside(&packet, trust, &mut events) {
        let Ok(Some(inner)) = inner.decode(trust) else {
            break;
        };
        assert!(inner.datagram.len() < packet.datagram.len());
        packet = inner;
    }
}

/// Fragments of a few datagrams in small memory: the books balance, the memory is kept to, and what is
/// whole decodes and can be cut again.
///
/// An input is a list of packets, each behind its length in two bytes.
pub fn defrag(mut data: &[u8]) {
    let config = DefragConfig {
        memory_bytes: 32 << 10,
        max_datagrams: 8,
        max_fragments: 32,
        ..DefragConfig::default()
    };
    let mut table = Defragmenter::new(config.clone());
    let mut now = Timestamp::from_secs(1000);
    let (mut held, mut gone) = (0, 0);
    while let Some((&[low, high], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high]) % 1600).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        data = rest;
        now = now + std::time::Duration::from_millis(u64::from(low) * 10);
        let Ok(packet) = decode_ip(packet, ChecksumTrust::Ignored) else {
            continue;
        };
        if packet.ip.fragment.is_none() {
            continue;
        }
        let arrival = Arrival {
            packet: &packet,
            tunnel: 0,
            link: LinkType::RawIp,
            link_header: &[],
        };
        match table.take(&arrival, now, &mut |given_up| gone += given_up.packets) {
            Taken::Held => held += 1,
            Taken::Refused(_) | Taken::NoRoom => {}
            Taken::Whole(whole) => {
                gone += whole.packets - 1;
                let datagram = whole.datagram();
                let mut cut = Vec::new();
                let mut offset = Some(0);
                while let Some(at) = offset {
                    let mut fragment = Vec::new();
                    offset =
                        whole
                            .cut
                            .write(datagram, at, whole.cut.fragment_bytes(), &mut fragment);
                    assert!(fragment.len() <= whole.cut.fragment_bytes());
                    // In one piece it is no fragment, and its transport may be anything.
                    match decode_ip(&fragment, ChecksumTrust::Ignored) {
                        Ok(packet) if packet.ip.fragment.is_some() => {
                            cut.extend_from_slice(packet.payload);
                        }
                        _ => assert!(at == 0 && offset.is_none()),
                    }
                }
                assert!(datagram.ends_with(&cut));
                table.recycle(whole);
            }
        }
        assert!(table.memory_bytes() <= config.memory_bytes);
        assert!(table.len() <= config.max_datagrams);
    }
    table.drain(&mut |given_up| gone += given_up.packets);
    assert_eq!(held, gone);
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
                    Delivery::Resume => panic!("all was seen"),
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
    resumed_stream(data);
}

/// The same of a connection that came back: whatever passes was handed over in the same call, alone
/// or with what it joins, or before.
fn resumed_stream(data: &[u8]) {
    let config = StreamConfig::default();
    let counters = Counters::default();
    let mut pool = ChunkPool::new(&config);
    let mut session: Option<TcpSession> = None;
    let mut seen = [0_u8; 2048];
    let mut newest_end = 0_u32;
    for op in data.chunks_exact(4) {
        let [kind, low, high, length] = *op else {
            return;
        };
        let at = usize::from(u16::from_le_bytes([low, high])) % 1024;
        let end = at + usize::from(length);
        // From the client to the server, and back nothing but acknowledgements.
        let payload: Vec<u8> = (at..end).map(|at| (at / 7) as u8).collect();
        let (dir, bytes) = if kind & 3 == 0 {
            // Never all that was handed over: then the stream would be known, and holes be holes.
            let acked = (at as u32).min(newest_end.saturating_sub(1));
            let bare = packet(9, 100_000 + acked, 16, &[]);
            (Direction::ToClient, bare)
        } else {
            let sent = packet(100_000 + at as u32, 9, 16, &payload);
            (Direction::ToServer, sent)
        };
        let mut handed = Vec::new();
        let outcome = with_segment(dir, &bytes, |segment| {
            let session =
                session.get_or_insert_with(|| TcpSession::resumed(segment.dir, segment.tcp));
            let mut shared = Shared {
                pool: &mut pool,
                config: &config,
                counters: &counters,
            };
            session.on_segment(segment, &mut shared, &mut |_, delivery| match delivery {
                Delivery::Resume => handed.clear(),
                Delivery::Bytes(bytes) => handed.extend_from_slice(bytes),
                Delivery::Gap(_) | Delivery::Restart => {}
            })
        });
        assert!(handed.len() <= 2 * seen.len());
        if dir == Direction::ToServer && outcome.is_some_and(|o| o.refused.is_none()) {
            let fresh = seen[at..end].iter().filter(|&&known| known == 0).count();
            seen[at..end].fill(1);
            if !handed.is_empty() {
                newest_end = end as u32;
            }
            assert!(
                handed.len() >= fresh || session.is_none(),
                "{fresh} new bytes passed, {} were handed over",
                handed.len()
            );
        }
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
                    DIRECTIONS.map(|dir| tx.body_as_sent(dir).map(<[u8]>::to_vec)),
                    format!("{:?}", tx.files(Direction::ToServer).map(Vec::from_iter)),
                )
            })
            .collect();
        (seen, DIRECTIONS.map(|dir| parser.failed(dir)))
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// As [`http1`], with what is held at the end.
pub fn http2(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits {
        header_bytes: 1024,
        transactions: 8,
        http2_continuations: 4,
        ..Limits::default()
    };
    let read = |cut: usize| {
        let mut parser = http2::Parser::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
        }
        assert!(parser.held_bytes() < 4 << 20);
        let seen: Vec<_> = parser
            .transactions()
            .map(|tx| {
                (
                    tx.stream(),
                    tx.http().uri_normalized().map(<[u8]>::to_vec),
                    DIRECTIONS.map(|dir| tx.http().body(dir).to_vec()),
                    DIRECTIONS.map(|dir| tx.field_count(dir)),
                    tx.events().to_vec(),
                )
            })
            .collect();
        (seen, DIRECTIONS.map(|dir| parser.failed(dir)))
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// As [`http1`].
pub fn websocket(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits {
        websocket_payload_bytes: 256,
        ..Limits::default()
    };
    let read = |cut: usize| {
        let mut parser = websocket::Parser::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
        }
        let payload = |dir| {
            let all = parser.messages().all().iter();
            all.map(|tx| {
                let payload = tx.field(Buffer::WebSocketPayload, dir);
                payload.map(|(bytes, _)| bytes.to_vec())
            })
            .collect::<Vec<_>>()
        };
        (
            DIRECTIONS.map(payload),
            DIRECTIONS.map(|dir| parser.failed(dir)),
        )
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// Codings of bodies, as headers name them.
const CODINGS: [&[u8]; 6] = [
    b"gzip",
    b"deflate",
    b"br",
    b"zstd",
    b"deflate, gzip",
    b"gzip, br",
];

/// What a body decodes to does not depend on how it is cut, and takes bounded memory. The first
/// byte names codings, the second says how it is cut.
pub fn content(data: &[u8]) {
    let [coding, cut, body @ ..] = data else {
        return;
    };
    let limits = Limits {
        decompressed_bytes: 64 * 1024,
        ..Limits::default()
    };
    let named = CODINGS[usize::from(*coding) % CODINGS.len()];
    let codings = content::codings(named, limits.decompression_layers);
    let read = |cut: usize| {
        let mut decoder = content::Decoder::new(&codings).expect("codings that are known");
        let mut out = Vec::new();
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        let mut result = Ok(());
        for piece in body.chunks(cut) {
            result = decoder.push(piece, &limits, &mut sink);
            assert!(decoder.held_bytes() < 1 << 20, "{}", decoder.held_bytes());
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| decoder.finish(&limits, &mut sink));
        assert!(out.len() <= 64 * 1024);
        (out, result)
    };
    let (whole, how) = read(usize::MAX);
    let (cut, cut_how) = read(usize::from(*cut).max(1));
    assert_eq!(how, cut_how);
    // Of what goes beyond the bound, the piece that does is not given out.
    if how != Err(content::Stop::Bomb) {
        assert_eq!(whole, cut);
    }
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
            tx.names().to_vec(),
            tx.events().to_vec(),
            tx.ja4().map(str::to_owned),
            DIRECTIONS.map(|dir| {
                (
                    tx.alpn(dir).to_vec(),
                    tx.ja3_hash(dir).map(str::to_owned),
                    tx.chain(dir).map(|chain| {
                        let names = chain.names().to_vec();
                        (chain.subject().map(<[u8]>::to_vec), names, chain.length())
                    }),
                )
            }),
            parser.encrypted(),
            DIRECTIONS.map(|dir| parser.failed(dir)),
        )
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// Datagrams of both ends, most of them Initial packets with any frames inside: memory is bounded.
///
/// An input is a list of them, each behind a byte of kind and one of length.
pub fn quic(data: &[u8]) {
    const VERSIONS: [u32; 4] = [1, 0x6b33_43cf, 0xff00_001d, 0x5130_3530];
    const MOST_HELD_BYTES: usize = 512 << 10;
    let limits = Limits::default();
    let mut parser = quic::Parser::default();
    let mut rest = data;
    let mut number = 0_u8;
    while let Some((&[kind, length], behind)) = rest.split_first_chunk() {
        let (piece, behind) = behind.split_at((4 * usize::from(length)).min(behind.len()));
        rest = behind;
        number = number.wrapping_add(1);
        let direction = DIRECTIONS[usize::from(kind & 1)];
        let id = [kind >> 1 & 3; 8];
        let initial = quic::Initial {
            version: VERSIONS[usize::from(kind >> 3 & 3)],
            direction,
            original: &id,
            destination: &id,
            source: &id,
            number,
            frames: piece,
        };
        let sealed = initial.seal().filter(|_| kind & 32 == 0);
        parser.datagram(direction, sealed.as_deref().unwrap_or(piece), &limits);
        parser.messages_mut().take_finished();
        parser.messages_mut().clear_touched();
        assert!(parser.held_bytes() < MOST_HELD_BYTES);
    }
}

/// As [`tls`], and each direction as one datagram besides.
pub fn sip(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits {
        sip_header_bytes: 256,
        ..Limits::default()
    };
    let read = |cut: usize| {
        let mut parser = sip::Parser::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
            parser.eof(dir, &limits);
        }
        let told: Vec<_> = parser
            .messages()
            .all()
            .iter()
            .map(|tx| {
                let uris = DIRECTIONS.map(|dir| tx.field(Buffer::SipUri, dir));
                let uri = uris.map(|uri| uri.map(|(bytes, _)| bytes.to_vec()));
                (uri, tx.events().to_vec())
            })
            .collect();
        (told, DIRECTIONS.map(|dir| parser.failed(dir)))
    };
    assert_eq!(read(cut), read(usize::MAX));
    let mut parser = sip::Parser::default();
    for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
        parser.messages_mut().clear_touched();
        parser.datagram(dir, bytes, &limits);
        assert!(parser.messages().touched().count() <= 1);
    }
}

pub fn smtp(data: &[u8]) {
    let limits = Limits {
        smtp_line_bytes: 64,
        smtp_commands: 8,
        smtp_header_bytes: 256,
        smtp_attachment_bytes: 512,
        smtp_mail_bytes: 1024,
        smtp_nesting: 3,
        ..Limits::default()
    };
    messages::<smtp::Parser>(data, &limits);
}

pub fn ssh(data: &[u8]) {
    let limits = Limits {
        message_bytes: 256,
        ..Limits::default()
    };
    messages::<ssh::Parser>(data, &limits);
}

pub fn smb(data: &[u8]) {
    let limits = Limits {
        smb_message_bytes: 512,
        smb_requests: 8,
        smb_file_bytes: 256,
        ..Limits::default()
    };
    messages::<smb::Parser>(data, &limits);
}

pub fn ftp(data: &[u8]) {
    let limits = Limits {
        ftp_line_bytes: 64,
        ftp_commands: 8,
        ..Limits::default()
    };
    messages::<ftp::Parser>(data, &limits);
}

pub fn dnp3(data: &[u8]) {
    let limits = Limits {
        dnp3_message_bytes: 64,
        dnp3_requests: 4,
        ..Limits::default()
    };
    messages::<dnp3::Parser>(data, &limits);
}

/// In records, and each direction as a datagram.
pub fn nfs(data: &[u8]) {
    let limits = Limits {
        nfs_message_bytes: 512,
        nfs_calls: 4,
        nfs_file_bytes: 256,
        ..Limits::default()
    };
    messages::<nfs::Parser>(data, &limits);
    let Some((_, sides)) = sides(data) else {
        return;
    };
    let mut parser = nfs::Parser::default();
    for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
        parser.datagram(dir, bytes, &limits);
    }
    assert!(parser.held_bytes() < 1 << 20);
}

/// Messages do not depend on how they are cut.
fn messages<P: Parser + Default>(data: &[u8], limits: &Limits) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let read = |cut: usize| {
        let mut parser = P::default();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() && !parser.is_over() {
                    let taken = parser.data(dir, piece, limits);
                    assert!(taken > 0);
                    piece = &piece[taken..];
                }
            }
            parser.eof(dir, limits);
        }
        let told: Vec<_> = parser.messages().all().iter().map(told).collect();
        (told, DIRECTIONS.map(|dir| parser.failed(dir)))
    };
    assert_eq!(read(cut), read(usize::MAX));
}

/// What rules see of a transaction.
fn told(tx: &Transaction) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut fields = Vec::new();
    for &buffer in Buffer::ALL {
        for dir in DIRECTIONS {
            fields.extend(tx.fields(buffer, dir).map(|f| (buffer, dir, f.to_vec())));
        }
    }
    let mut numbers = Vec::new();
    for &number in Number::ALL {
        for dir in DIRECTIONS {
            numbers.extend(tx.numbers(number, dir).map(|n| (number, dir, n)));
        }
    }
    let files: Vec<_> = DIRECTIONS
        .iter()
        .flat_map(|dir| tx.files(*dir))
        .map(|f| {
            (
                f.name().to_vec(),
                f.data().to_vec(),
                f.size(),
                f.is_closed(),
            )
        })
        .collect();
    let progress = DIRECTIONS.map(|dir| tx.progress(dir));
    (fields, numbers, files, tx.events().to_vec(), progress)
}

/// Ports that detection takes as hints.
const PORTS: [u16; 8] = [80, 21, 25, 53, 139, 389, 1883, 5432];

/// Detection and whatever parser it finds, on two directions in pieces: the pieces must not matter.
/// Then each direction as one datagram.
pub fn app_layer(data: &[u8]) {
    let Some((&port, rest)) = data.split_first() else {
        return;
    };
    let server_port = PORTS[usize::from(port) % PORTS.len()];
    let Some((cut, sides)) = sides(rest) else {
        return;
    };
    let limits = Limits {
        message_bytes: 512,
        ..Limits::default()
    };
    let read = |cut: usize| {
        let mut app = AppLayer::new();
        app.set_server_port(server_port);
        app.ask_for_frames(FrameProtocols::ALL);
        let mut frames = Vec::new();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[app.data(dir, piece, &limits).consumed..];
                    tell_frames(&app, &mut frames);
                }
            }
            app.eof(dir, &limits);
            tell_frames(&app, &mut frames);
        }
        frames.sort();
        assert!(app.held_bytes() < 4 << 20, "{} bytes", app.held_bytes());
        let told: Vec<_> = app
            .transactions()
            .map(|tx| {
                let facts = match tx {
                    TxRef::Message(tx) => format!("{:?}", tx.facts().collect::<Vec<_>>()),
                    _ => String::new(),
                };
                (tx.id(), tx.events().to_vec(), facts)
            })
            .collect();
        let failed = DIRECTIONS.map(|dir| app.failed(dir));
        (app.protocol(), told, failed, frames)
    };
    assert_eq!(read(cut), read(usize::MAX));
    let mut app = AppLayer::new();
    app.set_server_port(server_port);
    app.ask_for_frames(FrameProtocols::ALL);
    // A flow that goes on behind bytes that nobody saw.
    for _ in 0..3 {
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[app.data(dir, piece, &limits).consumed..];
                }
            }
            app.take_finished();
        }
        app.resume();
        assert!(app.held_bytes() < 4 << 20, "{} bytes", app.held_bytes());
    }
    let mut app = AppLayer::new();
    app.set_server_port(server_port);
    app.ask_for_frames(FrameProtocols::ALL);
    for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
        app.datagram(dir, bytes, &limits);
        app.take_finished();
    }
}

/// The frames of units that the last call ended.
fn tell_frames(app: &AppLayer, frames: &mut Vec<(Direction, Buffer, Vec<u8>)>) {
    for unit in app.touched_units().filter(|unit| unit.ended()) {
        for &buffer in Buffer::ALL {
            frames.extend(unit.frames(buffer).map(|frame| {
                let (bytes, complete) = unit.view(frame);
                assert!(complete);
                (unit.direction(), buffer, bytes.to_vec())
            }));
        }
    }
}

/// As [`sip`].
pub fn dns(data: &[u8]) {
    let Some((cut, sides)) = sides(data) else {
        return;
    };
    let limits = Limits {
        dns_name_bytes: 4096,
        ..Limits::default()
    };
    let read = |cut: usize| {
        let mut parser = dns::parser();
        for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
            for mut piece in bytes.chunks(cut) {
                while !piece.is_empty() {
                    piece = &piece[parser.data(dir, piece, &limits)..];
                }
            }
            parser.eof(dir, &limits);
        }
        let all = parser.messages().all().iter();
        all.map(|tx| {
            let names = [Buffer::DnsQueriesName, Buffer::DnsResponseName];
            let names = names.map(|buffer| {
                let both = DIRECTIONS
                    .into_iter()
                    .flat_map(|dir| tx.fields(buffer, dir));
                both.map(<[u8]>::to_vec).collect::<Vec<_>>()
            });
            (names, tx.events().to_vec())
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(read(cut), read(usize::MAX));
    let mut parser = dns::parser();
    for (dir, bytes) in DIRECTIONS.into_iter().zip(sides) {
        parser.messages_mut().clear_touched();
        parser.datagram(dir, bytes, &limits);
        assert_eq!(parser.messages().touched().count(), 1);
        assert!(parser.held_bytes() < 1 << 20);
    }
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

/// What is kept of expressions, under a checksum that holds: it is read or refused, and what is read
/// is written alike.
pub fn readings(data: &[u8]) {
    if let Some(read) = Readings::from_bytes(&Readings::seal(data.to_vec())) {
        let written = read.to_bytes();
        let again = Readings::from_bytes(&written).expect("what was written is read");
        assert_eq!(again.to_bytes(), written);
    }
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
