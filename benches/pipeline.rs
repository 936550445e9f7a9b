//! The whole path of a packet with the core pack: decode to verdict.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::pipeline::{Event, EventSink, RawPacket, Reassembled, Reset, Worker, WorkerConfig};
use stopgap::reload::{Builder, Holds, Sources, Strictness};
use stopgap::time::Timestamp;
use stopgap::verdict::Verdict;
use support::{CLIENT, SERVER, handshake, segment};

struct Silent;

impl EventSink for Silent {
    fn event(&mut self, event: Event<'_>) {
        assert!(
            !matches!(event, Event::Alert(_) | Event::Drop(_)),
            "benign traffic: {event:?}"
        );
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

fn worker() -> Worker {
    let sources = Sources {
        packs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures")],
        ..Sources::default()
    };
    let built = Builder::new(sources, Holds::default())
        .build(Strictness::Start)
        .expect("the core pack compiles");
    Worker::new(
        WorkerConfig::default(),
        built.ruleset,
        Arc::new(Counters::default()),
    )
}

/// Many exchanges on one connection.
fn keep_alive(exchanges: usize) -> Vec<Vec<u8>> {
    let request = b"GET /page/7?q=a%20b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench\r\n\
                    Cookie: a=b\r\nAccept: */*\r\n\r\n";
    let response = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/html\r\nContent-Length: 100\r\n\r\n{}",
        "x".repeat(100)
    );
    let mut packets = handshake(80).to_vec();
    let (mut sent, mut answered) = (0, 0);
    for _ in 0..exchanges {
        packets.push(segment(CLIENT, 80, sent, answered, request));
        sent += request.len() as u32;
        packets.push(segment(SERVER, 80, answered, sent, response.as_bytes()));
        answered += response.len() as u32;
    }
    packets
}

/// Bytes of no known protocol, one way.
fn bulk(segments: u32) -> Vec<Vec<u8>> {
    const SIZE: u32 = 1448;
    // xorshift64: bytes that are neither text nor all alike.
    let mut state = 0x5eed_57a6_u64;
    let payload: Vec<u8> = (0..SIZE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let mut packets = handshake(5001).to_vec();
    for n in 0..segments {
        packets.push(segment(CLIENT, 5001, n * SIZE, 0, &payload));
        if n % 2 == 1 {
            packets.push(segment(SERVER, 5001, 0, (n + 1) * SIZE, b""));
        }
    }
    packets
}

fn pipeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipeline");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20);
    let keep_alive = keep_alive(500);
    let bulk = bulk(1000);
    let bytes = |packets: &[Vec<u8>]| packets.iter().map(|p| p.len() as u64).sum();
    for (name, packets, throughput) in [
        (
            "http_keep_alive_exchanges",
            &keep_alive,
            Throughput::Elements(500),
        ),
        ("bulk_unknown", &bulk, Throughput::Bytes(bytes(&bulk))),
    ] {
        let mut worker = worker();
        let mut now = Timestamp::from_secs(1_700_000_000);
        group.throughput(throughput);
        group.bench_function(name, |b| {
            b.iter(|| {
                for packet in packets {
                    now = now + Duration::from_micros(1);
                    let raw = RawPacket {
                        data: packet,
                        link: LinkType::RawIp,
                        trust: ChecksumTrust::Trusted,
                        returned: false,
                    };
                    let verdict = worker.process(&raw, now, &mut Silent);
                    assert_eq!(verdict, Verdict::Forward);
                }
                worker.finish(now, &mut Silent);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
