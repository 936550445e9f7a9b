//! How fast a stream is put together, however it comes. The other end acknowledges as it goes.

#[path = "support/mod.rs"]
mod support;

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, TcpHeader, Transport, decode_ip};
use stopgap::direction::Direction;
use stopgap::stream::{ChunkPool, Delivery, Segment, Shared, StreamConfig, TcpSession};
use support::{CLIENT, SERVER, handshake, segment};

const PORT: u16 = 80;

/// Segments of so many bytes with an acknowledgement behind each `burst`, whose segments
/// come last to first if `reversed`.
fn traffic(total: usize, size: usize, burst: usize, reversed: bool) -> Vec<(Direction, Vec<u8>)> {
    let content = vec![0x5a_u8; total];
    let segments: Vec<_> = content
        .chunks(size)
        .enumerate()
        .map(|(n, part)| (n * size, part))
        .collect();
    let mut packets = Vec::new();
    for burst in segments.chunks(burst) {
        let mut sent: Vec<_> = burst
            .iter()
            .map(|&(offset, part)| {
                let packet = segment(CLIENT, PORT, offset as u32, 0, part);
                (Direction::ToServer, packet)
            })
            .collect();
        if reversed {
            sent.reverse();
        }
        packets.append(&mut sent);
        let end = burst.last().map_or(0, |(offset, part)| offset + part.len());
        let ack = segment(SERVER, PORT, 0, end as u32, b"");
        packets.push((Direction::ToClient, ack));
    }
    packets
}

fn decoded(datagram: &[u8]) -> (TcpHeader<'_>, &[u8]) {
    let packet = decode_ip(datagram, ChecksumTrust::Trusted).expect("the packet is well formed");
    match packet.transport {
        Transport::Tcp(tcp) => (tcp, packet.payload),
        _ => unreachable!("only TCP is made here"),
    }
}

fn received<'a>(dir: Direction, tcp: &'a TcpHeader<'a>, payload: &'a [u8]) -> Segment<'a> {
    Segment {
        dir,
        tcp,
        payload,
        ttl: 64,
    }
}

/// Returns the bytes delivered.
fn run(
    session: &mut TcpSession,
    shared: &mut Shared<'_>,
    packets: &[(Direction, TcpHeader<'_>, &[u8])],
) -> u64 {
    let mut delivered = 0;
    for (dir, tcp, payload) in packets {
        let segment = received(*dir, tcp, payload);
        let outcome = session.on_segment(&segment, shared, &mut |_, delivery| {
            if let Delivery::Bytes(bytes) = delivery {
                delivered += bytes.len() as u64;
            }
        });
        assert_eq!(outcome.refused, None);
    }
    delivered
}

fn reassembly(c: &mut Criterion) {
    let config = StreamConfig::default();
    let counters = Counters::default();
    let mut pool = ChunkPool::new(&config);
    let mut group = c.benchmark_group("reassembly");
    group
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    for (name, total, size, burst, reversed) in [
        ("in_order_1448", 1448 * 512, 1448, 16, false),
        ("gso_64k", 65_160 * 16, 65_160, 2, false),
        ("one_byte", 4096, 1, 64, false),
        ("reversed_1448", 1448 * 512, 1448, 16, true),
    ] {
        let packets = traffic(total, size, burst, reversed);
        let opening = handshake(PORT);
        let opening: Vec<_> = [
            Direction::ToServer,
            Direction::ToClient,
            Direction::ToServer,
        ]
        .into_iter()
        .zip(&opening)
        .map(|(dir, packet)| {
            let (tcp, payload) = decoded(packet);
            (dir, tcp, payload)
        })
        .collect();
        let packets: Vec<_> = packets
            .iter()
            .map(|(dir, packet)| {
                let (tcp, payload) = decoded(packet);
                (*dir, tcp, payload)
            })
            .collect();
        group.throughput(Throughput::Bytes(total as u64));
        group.bench_function(name, |b| {
            b.iter_batched(
                || TcpSession::from_syn(&received(opening[0].0, &opening[0].1, opening[0].2)),
                |mut session| {
                    let mut shared = Shared {
                        pool: &mut pool,
                        config: &config,
                        counters: &counters,
                    };
                    run(&mut session, &mut shared, &opening[1..]);
                    assert_eq!(run(&mut session, &mut shared, &packets), total as u64);
                    session.release(&mut pool);
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, reassembly);
criterion_main!(benches);
