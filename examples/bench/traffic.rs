//! Packets to measure with: of a capture, and of connections made here.

use std::path::Path;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use stopgap::capture::pcap::CaptureReader;
use stopgap::decode::LinkType;

use crate::Fallible;

/// A capture in memory.
pub struct Capture {
    pub packets: Vec<(u64, LinkType, Vec<u8>)>,
    pub bytes: u64,
}

impl Capture {
    pub fn read(path: &Path) -> Fallible<Self> {
        let mut reader = CaptureReader::open(path)?;
        let mut packets = Vec::new();
        let mut bytes = 0;
        while let Some(frame) = reader.next_frame()? {
            bytes += frame.data.len() as u64;
            packets.push((frame.at.as_micros(), frame.link, frame.data.to_vec()));
        }
        Ok(Self { packets, bytes })
    }
}

type Step = PacketBuilderStep<TcpHeader>;

pub const CLIENT: usize = 0;
pub const SERVER: usize = 1;

/// One TCP segment over IPv4 that stands for the same of every connection: what differs is written
/// over it. Its checksums do not matter, since the worker is told to trust them.
pub struct Template {
    bytes: Vec<u8>,
    from: usize,
    seq: u32,
    ack: u32,
}

const IP_SRC: usize = 12;
const IP_DST: usize = 16;
const TCP_SRC: usize = 20;
const TCP_DST: usize = 22;
const TCP_SEQ: usize = 24;
const TCP_ACK: usize = 28;

impl Template {
    fn new(from: usize, seq: u32, set: impl FnOnce(Step) -> Step, payload: &[u8]) -> Self {
        let tcp = PacketBuilder::ipv4([10, 0, 0, 1], [192, 168, 0, 1], 64).tcp(0, 0, seq, 60_000);
        let mut bytes = Vec::new();
        set(tcp)
            .write(&mut bytes, payload)
            .expect("the segment is well formed");
        let ack = u32::from_be_bytes(bytes[TCP_ACK..][..4].try_into().expect("four bytes"));
        Self {
            bytes,
            from,
            seq,
            ack,
        }
    }

    /// The segment of one connection, `moved` by so many bytes of what each end has sent.
    pub fn of(&self, flow: u32, port: u16, moved: [u32; 2], packet: &mut Vec<u8>) {
        packet.clear();
        packet.extend_from_slice(&self.bytes);
        // 32,768 ports of each of so many clients.
        let client = (0x0a00_0001_u32 + flow / 32_768).to_be_bytes();
        let client_port = (16_384 + (flow % 32_768) as u16).to_be_bytes();
        let server = [192, 168, 0, 1];
        let (src, dst, ports) = if self.from == CLIENT {
            (client, server, [client_port, port.to_be_bytes()])
        } else {
            (server, client, [port.to_be_bytes(), client_port])
        };
        packet[IP_SRC..][..4].copy_from_slice(&src);
        packet[IP_DST..][..4].copy_from_slice(&dst);
        packet[TCP_SRC..][..2].copy_from_slice(&ports[0]);
        packet[TCP_DST..][..2].copy_from_slice(&ports[1]);
        let seq = self.seq.wrapping_add(moved[self.from]);
        let ack = self.ack.wrapping_add(moved[1 - self.from]);
        packet[TCP_SEQ..][..4].copy_from_slice(&seq.to_be_bytes());
        if self.ack != 0 {
            packet[TCP_ACK..][..4].copy_from_slice(&ack.to_be_bytes());
        }
    }
}

/// A connection as templates.
pub struct Connection {
    pub handshake: Vec<Template>,
    /// A request, its response and what acknowledges it.
    pub exchange: Vec<Template>,
    /// By how much an exchange moves each end.
    pub moves: [u32; 2],
}

pub fn keep_alive() -> Connection {
    let request: &[u8] = b"GET /page/7?q=a%20b HTTP/1.1\r\nHost: www.example.com\r\n\
                           User-Agent: bench\r\nCookie: a=b\r\nAccept: */*\r\n\r\n";
    let response = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n{}",
        "x".repeat(100)
    );
    let (sent, answered) = (request.len() as u32, response.len() as u32);
    let acked = |n: u32| move |tcp: Step| tcp.ack(n);
    Connection {
        handshake: vec![
            Template::new(CLIENT, 1000, Step::syn, b""),
            Template::new(SERVER, 2000, |tcp| tcp.syn().ack(1001), b""),
            Template::new(CLIENT, 1001, acked(2001), b""),
        ],
        exchange: vec![
            Template::new(CLIENT, 1001, acked(2001), request),
            Template::new(SERVER, 2001, acked(1001 + sent), response.as_bytes()),
            Template::new(CLIENT, 1001 + sent, acked(2001 + answered), b""),
        ],
        moves: [sent, answered],
    }
}

/// Data of no protocol from the client, `size` bytes a segment, each acknowledged.
pub fn bulk(size: usize) -> Connection {
    let mut state = 0x5eed_57a6_u64;
    let payload: Vec<u8> = (0..size)
        .map(|_| {
            // xorshift64: bytes that are neither text nor all alike.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    Connection {
        exchange: vec![
            Template::new(CLIENT, 1001, |tcp| tcp.ack(2001), &payload),
            Template::new(SERVER, 2001, |tcp| tcp.ack(1001 + size as u32), b""),
        ],
        moves: [size as u32, 0],
        ..keep_alive()
    }
}
