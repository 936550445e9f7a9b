//! The four kinds of traffic whose cost is counted, made here: the same bytes on every machine.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};
use pcap_file::DataLink;
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};

use crate::random::Random;

/// A kind of traffic, in rounds that all cost the same.
pub struct Workload {
    pub name: &'static str,
    pub title: &'static str,
    /// In the shorter run. The longer one has three times as many; what they differ in is counted.
    pub rounds: u32,
    round: fn(&mut Traffic, u32),
}

pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "bulk",
        title: "one connection, bytes of no protocol, both ends acknowledge",
        rounds: 200,
        round: bulk,
    },
    Workload {
        name: "keep_alive",
        title: "requests and short responses of HTTP on one connection",
        rounds: 150,
        round: keep_alive,
    },
    Workload {
        name: "connections",
        title: "connections with hellos of TLS, opened and closed",
        rounds: 100,
        round: connection,
    },
    Workload {
        name: "dns",
        title: "questions and answers of DNS, each on a flow of its own",
        rounds: 200,
        round: question,
    },
];

const CLIENT: usize = 0;
const SERVER: usize = 1;
/// Of full segments.
const SEGMENT_BYTES: usize = 1448;

type Step = PacketBuilderStep<TcpHeader>;

/// Packets so far, and the sequence numbers of the connection in hand.
pub struct Traffic {
    pub packets: Vec<Vec<u8>>,
    random: Random,
    ports: [u16; 2],
    next: [u32; 2],
}

impl Workload {
    /// Its packets: the connection that all rounds share, then `rounds` of them.
    pub fn packets(&self, rounds: u32) -> Vec<Vec<u8>> {
        let mut traffic = Traffic {
            packets: Vec::new(),
            random: Random::new(6),
            ports: [40_000, 80],
            next: [1000, 2000],
        };
        for n in 0..rounds {
            (self.round)(&mut traffic, n);
        }
        traffic.packets
    }
}

impl Traffic {
    fn open(&mut self, client_port: u16, server_port: u16) {
        self.ports = [client_port, server_port];
        self.next = [1000, 2000];
        self.segment(CLIENT, Step::syn, false, b"");
        self.next[CLIENT] += 1;
        self.segment(SERVER, Step::syn, true, b"");
        self.next[SERVER] += 1;
        self.segment(CLIENT, |tcp| tcp, true, b"");
    }

    fn close(&mut self) {
        for from in [CLIENT, SERVER] {
            self.segment(from, Step::fin, true, b"");
            self.next[from] += 1;
        }
        self.segment(CLIENT, |tcp| tcp, true, b"");
    }

    fn send(&mut self, from: usize, payload: &[u8]) {
        self.segment(from, |tcp| tcp, true, payload);
        self.next[from] = self.next[from].wrapping_add(payload.len() as u32);
    }

    fn segment(&mut self, from: usize, set: fn(Step) -> Step, ack: bool, payload: &[u8]) {
        let to = 1 - from;
        let ends = [[10, 0, 0, 1], [10, 0, 0, 2]];
        let tcp = PacketBuilder::ipv4(ends[from], ends[to], 64).tcp(
            self.ports[from],
            self.ports[to],
            self.next[from],
            65_000,
        );
        let tcp = set(if ack { tcp.ack(self.next[to]) } else { tcp });
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, payload)
            .expect("the segment is well formed");
        self.packets.push(bytes);
    }

    fn datagram(&mut self, src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16), payload: &[u8]) {
        let udp = PacketBuilder::ipv4(src.0.octets(), dst.0.octets(), 64).udp(src.1, dst.1);
        let mut bytes = Vec::new();
        udp.write(&mut bytes, payload)
            .expect("the datagram is well formed");
        self.packets.push(bytes);
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.next() as u8).collect()
    }
}

/// A word of lower-case letters.
pub fn word(random: &mut Random, length: u64) -> String {
    (0..length)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect()
}

fn bulk(traffic: &mut Traffic, n: u32) {
    if n == 0 {
        traffic.open(40_000, 5001);
    }
    for _ in 0..2 {
        let payload = traffic.bytes(SEGMENT_BYTES);
        traffic.send(CLIENT, &payload);
    }
    traffic.send(SERVER, b"");
}

fn keep_alive(traffic: &mut Traffic, n: u32) {
    if n == 0 {
        traffic.open(40_000, 80);
    }
    let (path, query) = (word(&mut traffic.random, 9), word(&mut traffic.random, 12));
    let request = format!(
        "GET /{path}/index.html?q={query}%20b HTTP/1.1\r\nHost: www.example.com\r\n\
         User-Agent: counts/1\r\nAccept: text/html,*/*\r\nCookie: session={query}\r\n\r\n"
    );
    traffic.send(CLIENT, request.as_bytes());
    let body = word(&mut traffic.random, 100);
    let response = format!(
        "HTTP/1.1 200 OK\r\nServer: counts\r\nContent-Type: text/html\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    traffic.send(SERVER, response.as_bytes());
}

fn connection(traffic: &mut Traffic, n: u32) {
    traffic.open(10_000 + n as u16, 443);
    let name = format!("{}.example.com", word(&mut traffic.random, 8));
    let hello = client_hello(traffic, &name);
    traffic.send(CLIENT, &hello);
    let hello = server_hello(traffic);
    traffic.send(SERVER, &hello);
    // Encrypted from here on.
    for (from, length) in [(CLIENT, 300), (SERVER, 1200)] {
        let sealed = traffic.bytes(length);
        let sealed = record(23, &sealed);
        traffic.send(from, &sealed);
    }
    traffic.close();
}

fn question(traffic: &mut Traffic, n: u32) {
    let client = (Ipv4Addr::new(10, 0, 0, 1), 10_000 + n as u16);
    let server = (Ipv4Addr::new(10, 0, 0, 53), 53);
    let mut question = Vec::new();
    for label in [&word(&mut traffic.random, 10), "example", "com"] {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    // The root, type A, class IN.
    question.extend([0, 0, 1, 0, 1]);
    let head = |flags: [u8; 2], answers| [n as u8, 7, flags[0], flags[1], 0, 1, 0, answers];
    let ask: Vec<u8> = head([1, 0], 0)
        .into_iter()
        .chain([0; 4])
        .chain(question.iter().copied())
        .collect();
    traffic.datagram(client, server, &ask);
    let tell: Vec<u8> = head([0x81, 0x80], 1)
        .into_iter()
        .chain([0; 4])
        .chain(question)
        // The name by its place, type A, class IN, for an hour, 192.0.2.1.
        .chain([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 192, 0, 2, 1])
        .collect();
    traffic.datagram(server, client, &tell);
}

/// A TLS record of version 1.2.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend((content.len() as u16).to_be_bytes());
    record.extend(content);
    record
}

/// A handshake message in a record of its own.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    record(22, &message)
}

fn client_hello(traffic: &mut Traffic, name: &str) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(traffic.bytes(32));
    // No session; three suites; no compression.
    body.extend([0, 0, 6, 0x13, 0x01, 0x13, 0x02, 0xc0, 0x2f, 1, 0]);
    let length = name.len() as u16;
    let mut sni = vec![0, 0];
    sni.extend((length + 5).to_be_bytes());
    sni.extend((length + 3).to_be_bytes());
    sni.push(0);
    sni.extend(length.to_be_bytes());
    sni.extend(name.as_bytes());
    // Groups: x25519. Versions: 1.2.
    sni.extend([0, 10, 0, 4, 0, 2, 0, 29, 0, 43, 0, 3, 2, 3, 3]);
    body.extend((sni.len() as u16).to_be_bytes());
    body.extend(sni);
    handshake(1, &body)
}

fn server_hello(traffic: &mut Traffic) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(traffic.bytes(32));
    body.extend([0, 0xc0, 0x2f, 0]);
    let mut hello = handshake(2, &body);
    hello.extend(record(20, &[1]));
    hello
}

/// Writes packets as a capture, 50 µs between each.
pub fn write(path: &Path, packets: &[Vec<u8>]) {
    let file = std::fs::File::create(path).expect("the folder is ours");
    let header = PcapHeader {
        datalink: DataLink::RAW,
        ..PcapHeader::default()
    };
    let mut writer = PcapWriter::with_header(std::io::BufWriter::new(file), header)
        .expect("a header can be written");
    let mut at = Duration::from_secs(1_700_000_000);
    for packet in packets {
        at += Duration::from_micros(50);
        writer
            .write_packet(&PcapPacket::new(at, packet.len() as u32, packet))
            .expect("a packet can be written");
    }
}
