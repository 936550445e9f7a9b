//! How fast headers are read, checksums verified or not.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use stopgap::decode::{ChecksumTrust, decode_ip};

const PAYLOAD: [u8; 1400] = [0x5a; 1400];

fn tcp_v4() -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(40_000, 80, 1, 65_000)
        .ack(1)
        .write(&mut bytes, &PAYLOAD)
        .expect("the packet is well formed");
    bytes
}

fn tcp_v6() -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 64)
        .tcp(40_000, 80, 1, 65_000)
        .ack(1)
        .write(&mut bytes, &PAYLOAD)
        .expect("the packet is well formed");
    bytes
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(5000, 53)
        .write(&mut bytes, payload)
        .expect("the packet is well formed");
    bytes
}

fn decode(c: &mut Criterion) {
    let packets = [
        ("tcp_v4", tcp_v4()),
        ("tcp_v6", tcp_v6()),
        ("udp", udp(&PAYLOAD)),
        ("udp_64", udp(&PAYLOAD[..64])),
    ];
    let mut group = c.benchmark_group("decode");
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    for (name, packet) in &packets {
        group.throughput(Throughput::Bytes(packet.len() as u64));
        for trust in [ChecksumTrust::Trusted, ChecksumTrust::Unverified] {
            group.bench_function(format!("{name}/{trust:?}"), |b| {
                b.iter(|| black_box(decode_ip(black_box(packet), trust).is_ok()));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
