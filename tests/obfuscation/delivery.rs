//! The engine with all shipped packs, and requests on their way through it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use etherparse::PacketBuilder;
use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::detect::Ruleset;
use stopgap::pipeline::{Event, EventSink, RawPacket, Reassembled, Reset, Worker, WorkerConfig};
use stopgap::reload::{Builder, Holds, Sources, Strictness};
use stopgap::time::Timestamp;

use crate::encode;
use crate::request::Request;

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(198, 51, 100, 7), 40_000);
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 80);

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// In two segments, cut behind so many bytes from the end.
    Cut(usize),
    BytePerSegment,
    /// The body in chunks of so many bytes (RFC 9112 section 7.1).
    Chunks(usize),
    GzipBody,
    /// HTTP/2 with prior knowledge (RFC 9113 section 3.3).
    Http2,
}

pub struct Gateway {
    ruleset: Arc<Ruleset>,
}

#[derive(Default)]
struct Told(Vec<u32>);

impl EventSink for Told {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(alert) = event {
            self.0.push(alert.signature.id().sid);
        }
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

impl Gateway {
    pub fn new() -> Self {
        let sources = Sources {
            packs: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("signatures")],
            ..Sources::default()
        };
        let built = Builder::new(sources, Holds::default())
            .build(Strictness::Start)
            .unwrap();
        assert_eq!(built.summary.failed, 0);
        Self {
            ruleset: built.ruleset,
        }
    }

    /// Sids of what is told of a request on a connection of its own.
    pub fn alerts(&self, request: &Request, delivery: Delivery) -> Vec<u32> {
        let counters = Arc::new(Counters::default());
        let mut worker = Worker::new(WorkerConfig::default(), self.ruleset.clone(), counters);
        let mut told = Told::default();
        let mut now = Timestamp::from_secs(1_700_000_000);
        for mut packet in packets(request, delivery) {
            now = now + std::time::Duration::from_millis(1);
            let raw = RawPacket {
                data: &mut packet,
                link: LinkType::RawIp,
                trust: ChecksumTrust::Unverified,
                returned: false,
            };
            worker.process(&raw, now, &mut told);
        }
        told.0.sort_unstable();
        told.0.dedup();
        told.0
    }
}

/// Handshake, the request, and an answer.
fn packets(request: &Request, delivery: Delivery) -> Vec<Vec<u8>> {
    let bytes = wire(request, delivery);
    let cuts: Vec<&[u8]> = match delivery {
        Delivery::Cut(from_end) => {
            let (head, tail) = bytes.split_at(bytes.len().saturating_sub(from_end));
            vec![head, tail]
        }
        Delivery::BytePerSegment => bytes.chunks(1).collect(),
        _ => bytes.chunks(1400).collect(),
    };
    let mut out = Vec::new();
    let mut next = [1000, 5000];
    let mut send = |from: usize, syn: bool, ack: bool, payload: &[u8]| {
        let (src, dst) = [(CLIENT, SERVER), (SERVER, CLIENT)][from];
        let mut tcp = PacketBuilder::ipv4(src.0.octets(), dst.0.octets(), 64)
            .tcp(src.1, dst.1, next[from], 60_000);
        if syn {
            tcp = tcp.syn();
        }
        if ack {
            tcp = tcp.ack(next[1 - from]);
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, payload).unwrap();
        next[from] += payload.len() as u32 + u32::from(syn);
        out.push(packet);
    };
    send(0, true, false, b"");
    send(1, true, true, b"");
    send(0, false, true, b"");
    for cut in cuts {
        send(0, false, true, cut);
    }
    send(1, false, true, b"HTTP/1.1 204 No Content\r\n\r\n");
    out
}

fn wire(request: &Request, delivery: Delivery) -> Vec<u8> {
    let (more, body) = match delivery {
        Delivery::Http2 => return http2(request),
        Delivery::Chunks(size) => {
            let chunks = request.body.chunks(size);
            let mut body: Vec<u8> = chunks
                .flat_map(|c| [format!("{:x}\r\n", c.len()).as_bytes(), c, b"\r\n"].concat())
                .collect();
            body.extend_from_slice(b"0\r\n\r\n");
            ("Transfer-Encoding: chunked\r\n".to_owned(), body)
        }
        Delivery::GzipBody => {
            let body = encode::gzip(&request.body);
            let more = format!(
                "Content-Encoding: gzip\r\nContent-Length: {}\r\n",
                body.len()
            );
            (more, body)
        }
        _ if request.body.is_empty() => (String::new(), Vec::new()),
        _ => (
            format!("Content-Length: {}\r\n", request.body.len()),
            request.body.clone(),
        ),
    };
    [request.head(&more), body].concat()
}

/// Preface, settings, and headers as literals without indexing (RFC 7541 section 6.2.2).
fn http2(request: &Request) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    };
    let pseudo = [
        (":method", request.method),
        (":scheme", "http"),
        (":path", request.target.as_str()),
        (":authority", "shop.example"),
    ];
    let headers = request
        .headers
        .iter()
        .map(|(n, v)| (*n, v.as_str()))
        .filter(|(n, _)| *n != "Host");
    let mut block = Vec::new();
    for (name, value) in pseudo.into_iter().chain(headers) {
        block.push(0);
        for text in [name.to_ascii_lowercase().as_bytes(), value.as_bytes()] {
            assert!(text.len() < 127);
            block.push(text.len() as u8);
            block.extend_from_slice(text);
        }
    }
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, b""),
        frame(1, 0x05, 1, &block),
    ]
    .concat()
}
