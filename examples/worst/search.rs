//! Hill climbing: from payloads made of what the rules look for, to those that cost the most for each byte.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use stopgap::buffer::Buffer;
use stopgap::counters::{Counter, Counters};
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::detect::{ProfileClock, Ruleset};
use stopgap::pipeline::{Event, EventSink, RawPacket, Reassembled, Reset, Worker, WorkerConfig};
use stopgap::signature::ast::{Signature, Test};
use stopgap::time::Timestamp;

/// Bytes of a payload at most: what one flow can say at once.
const MOST_BYTES: usize = 16 * 1024;

/// What rules look for, by where they do.
pub struct Material {
    pub uri: Vec<Vec<u8>>,
    pub header: Vec<Vec<u8>>,
    pub body: Vec<Vec<u8>>,
    pub raw: Vec<Vec<u8>>,
}

impl Material {
    pub fn of<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Self {
        let mut places: [BTreeSet<Vec<u8>>; 4] = Default::default();
        for signature in signatures {
            for behind in &signature.buffers {
                let place = match behind.buffer {
                    Buffer::Payload => 3,
                    b if b.as_str().starts_with("http.uri") => 0,
                    Buffer::HttpRequestBody | Buffer::FileData => 2,
                    b if b.as_str().starts_with("http") => 1,
                    _ => 3,
                };
                for test in &behind.tests {
                    if let Test::Content(c) = test {
                        places[place].insert(c.pattern.clone());
                    }
                }
            }
        }
        let [uri, header, body, raw] = places.map(|set| set.into_iter().collect());
        Self {
            uri,
            header,
            body,
            raw,
        }
    }
}

/// A payload that can be changed a little.
#[derive(Clone, Debug)]
pub struct Genome {
    pub http: bool,
    /// Bytes of each segment.
    pub segment: usize,
    /// Of HTTP: target, headers and body. Else the last alone.
    pub parts: [Vec<Vec<u8>>; 3],
}

impl Genome {
    pub fn payload(&self) -> Vec<u8> {
        let [uri, header, body] = &self.parts;
        let mut bytes = Vec::new();
        if self.http {
            bytes.extend(b"POST /");
            bytes.extend(
                uri.concat()
                    .iter()
                    .map(|&b| if b <= b' ' { b'+' } else { b }),
            );
            bytes.extend(b" HTTP/1.1\r\nHost: www.example.com\r\n");
            for (n, piece) in header.iter().enumerate() {
                bytes.extend(format!("X-{n}: ").bytes());
                let text = piece.iter().filter(|b| !matches!(b, b'\r' | b'\n' | 0));
                bytes.extend(text);
                bytes.extend(b"\r\n");
            }
            let length: usize = body.iter().map(Vec::len).sum();
            bytes.extend(format!("Content-Length: {length}\r\n\r\n").bytes());
        }
        body.iter().for_each(|piece| bytes.extend(piece));
        bytes.truncate(MOST_BYTES);
        bytes
    }

    fn change(&mut self, material: &Material, random: &mut Random) {
        let part = if self.http { random.below(3) } else { 2 };
        let pool = match (self.http, part) {
            (false, _) => &material.raw,
            (_, 0) => &material.uri,
            (_, 1) => &material.header,
            _ => &material.body,
        };
        let pieces = &mut self.parts[part];
        let at = random.below(pieces.len() + 1);
        match random.below(8) {
            0 if at < pieces.len() => {
                pieces.remove(at);
            }
            // A near match: its last byte is another.
            1 if at < pieces.len() => {
                if let Some(last) = pieces[at].last_mut() {
                    *last = random.next() as u8;
                }
            }
            // The same again and again.
            2 if at < pieces.len() => {
                let piece = pieces[at].clone();
                let times = 1 << random.below(8);
                let room = MOST_BYTES / piece.len().max(1);
                let again = std::iter::repeat_n(piece, times.min(room));
                pieces.splice(at..at, again);
            }
            3 => self.segment = [1, 4, 16, 64, 256, 1400][random.below(6)],
            4 => {
                let filler = vec![random.next() as u8; 1 + random.below(200)];
                pieces.insert(at, filler);
            }
            _ if !pool.is_empty() => {
                for _ in 0..1 << random.below(7) {
                    pieces.insert(at, pool[random.below(pool.len())].clone());
                }
            }
            _ => {}
        }
        let mut room = MOST_BYTES;
        for pieces in &mut self.parts {
            pieces.retain(|piece| {
                let fits = piece.len() <= room;
                room = room.saturating_sub(piece.len());
                fits
            });
        }
    }
}

/// Numbers that are the same each time.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// What a flow cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Of its packets, headers included.
    pub bytes: u64,
    pub packets: u64,
    /// Units of rules' work.
    pub units: u64,
    pub time: Duration,
}

impl Cost {
    pub fn units_per_byte(&self) -> f64 {
        self.units as f64 / self.bytes.max(1) as f64
    }

    pub fn nanos_per_byte(&self) -> f64 {
        self.time.as_nanos() as f64 / self.bytes.max(1) as f64
    }
}

struct Nowhere;

impl EventSink for Nowhere {
    fn event(&mut self, _: Event<'_>) {}

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

/// A worker that flows are shown to, one after the other.
pub struct Rig {
    worker: Worker,
    counters: Arc<Counters>,
    flows: u32,
    /// Of the traffic.
    now_secs: u64,
}

impl Rig {
    pub fn new(config: WorkerConfig, ruleset: Arc<Ruleset>) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            worker: Worker::new(config, ruleset, counters.clone()),
            counters,
            flows: 0,
            now_secs: 1_700_000_000,
        }
    }

    /// Packets with their times; `clock` is read before the first and after the last.
    pub fn packets(
        &mut self,
        packets: &[(Timestamp, LinkType, Vec<u8>)],
        clock: &dyn Fn() -> Duration,
    ) -> Cost {
        // Packets of the last call count until the first of this one.
        let units = || self.counters.get(Counter::RuleWork);
        let before = units();
        let began = clock();
        for (at, link, data) in packets {
            let raw = RawPacket {
                data,
                link: *link,
                trust: ChecksumTrust::Ignored,
                returned: false,
            };
            self.worker.process(&raw, *at, &mut Nowhere);
        }
        let time = clock().saturating_sub(began);
        Cost {
            bytes: packets.iter().map(|(.., data)| data.len() as u64).sum(),
            packets: packets.len() as u64,
            units: self.counters.get(Counter::RuleWork) - before,
            time,
        }
    }

    /// What rules cost the most in a flow, in words.
    pub fn dearest(&mut self, genome: &Genome, clock: ProfileClock) -> Vec<String> {
        self.worker.profile_rules(clock);
        self.flow(genome, &|| Duration::ZERO);
        let rules = self.worker.rule_profile();
        let rows = rules.iter().take(6).map(|rule| {
            format!(
                "{:>10} tried {:>5} times, {:>7} us: {}",
                rule.id.sid,
                rule.cost.tried,
                rule.cost.total.as_micros(),
                rule.message
            )
        });
        let all: Duration = rules.iter().map(|rule| rule.cost.total).sum();
        rows.chain([format!("{} rules, {} us", rules.len(), all.as_micros())])
            .collect()
    }

    /// A flow from outside to a server at home, a long time after the one before: what was
    /// suspended is asked again.
    pub fn flow(&mut self, genome: &Genome, clock: &dyn Fn() -> Duration) -> Cost {
        self.flows += 1;
        let payload = genome.payload();
        let packets = packets(
            &payload,
            genome.segment,
            if genome.http { 80 } else { 7_777 },
            self.flows,
        );
        self.now_secs += 600;
        let now = Timestamp::from_secs(self.now_secs);
        self.worker.tick(now, &mut Nowhere);
        let packets: Vec<_> = packets
            .into_iter()
            .map(|packet| (now, LinkType::RawIp, packet))
            .collect();
        self.packets(&packets, clock)
    }
}

fn packets(payload: &[u8], segment: usize, port: u16, number: u32) -> Vec<Vec<u8>> {
    let client = [8, (number >> 16) as u8, (number >> 8) as u8, number as u8];
    let server = [192, 168, 0, 2];
    let write = |up: bool, seq: u32, ack: Option<u32>, syn: bool, bytes: &[u8]| {
        let (src, dst, ports) = if up {
            (client, server, (40_000, port))
        } else {
            (server, client, (port, 40_000))
        };
        let mut tcp = PacketBuilder::ipv4(src, dst, 64).tcp(ports.0, ports.1, seq, 65_000);
        if let Some(ack) = ack {
            tcp = tcp.ack(ack);
        }
        if syn {
            tcp = tcp.syn();
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, bytes)
            .expect("the packet is well formed");
        packet
    };
    let mut packets = vec![
        write(true, 999, None, true, b""),
        write(false, 1999, Some(1000), true, b""),
        write(true, 1000, Some(2000), false, b""),
    ];
    let mut seq = 1000;
    for piece in payload.chunks(segment.max(1)) {
        packets.push(write(true, seq, Some(2000), false, piece));
        seq += piece.len() as u32;
    }
    packets
}

/// Climbs from a few random payloads; the worst that was found, by `measure`.
pub fn climb(
    material: &Material,
    http: bool,
    starts: usize,
    steps: usize,
    seed: u64,
    measure: &mut dyn FnMut(&Genome) -> f64,
) -> (Genome, f64) {
    let mut random = Random::new(seed);
    let mut worst: Option<(Genome, f64)> = None;
    for _ in 0..starts {
        let mut best = Genome {
            http,
            segment: 1400,
            parts: Default::default(),
        };
        for _ in 0..8 {
            best.change(material, &mut random);
        }
        let mut cost = measure(&best);
        for _ in 0..steps {
            let mut next = best.clone();
            for _ in 0..=random.below(3) {
                next.change(material, &mut random);
            }
            let dearer = measure(&next);
            if dearer > cost {
                (best, cost) = (next, dearer);
            }
        }
        if worst.as_ref().is_none_or(|(_, known)| cost > *known) {
            worst = Some((best, cost));
        }
    }
    worst.expect("there is a start")
}
