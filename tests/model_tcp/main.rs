//! The TCP tracker against a model of the hosts it stands between, over a path that loses, reorders and
//! duplicates: whatever a host's program reads, the engine has delivered before, and equal. Hostile
//! clients send anything; honest ones come through.
//!
//! `STOPGAP_MODEL_STEPS` says how many segments the engine judges (`./dev model` asks for the full
//! number), `STOPGAP_SEED` which.

mod host;
#[path = "../support/random.rs"]
mod random;
mod segment;

use std::collections::{BTreeMap, VecDeque};

use host::{Host, Kind, State};
use random::Random;
use segment::{ACK, FIN, RST, SYN, Segment, URG};
use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, Transport, decode_ip};
use stopgap::direction::Direction;
use stopgap::stream::{self, ChunkPool, Delivery, Shared, StreamConfig, TcpSession};
use stopgap::verdict::DropReason;

const STEPS: u64 = 300_000;
const CLIENT: usize = 0;
const SERVER: usize = 1;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// The engine between two hosts, and what it handed to inspection.
struct Engine {
    session: Option<TcpSession>,
    pool: ChunkPool,
    config: StreamConfig,
    counters: Counters,
    /// By direction.
    delivered: [Vec<u8>; 2],
    /// What was delivered of connections before, as the engine has it: their segments may still be
    /// on the way.
    earlier: Vec<[Vec<u8>; 2]>,
    bytes: Vec<u8>,
    steps: u64,
    refused: BTreeMap<DropReason, u64>,
}

impl Engine {
    fn new() -> Self {
        let config = StreamConfig::default();
        Self {
            session: None,
            pool: ChunkPool::new(&config),
            config,
            counters: Counters::default(),
            delivered: [Vec::new(), Vec::new()],
            earlier: Vec::new(),
            bytes: Vec::new(),
            steps: 0,
            refused: BTreeMap::new(),
        }
    }

    fn forget(&mut self) {
        if let Some(mut session) = self.session.take() {
            session.release(&mut self.pool);
        }
        self.delivered = [Vec::new(), Vec::new()];
        self.earlier.clear();
    }

    /// The segment as it goes on; or why it does not.
    fn judge(&mut self, way: usize, segment: &Segment) -> Result<Segment, DropReason> {
        self.steps += 1;
        let mut bytes = std::mem::take(&mut self.bytes);
        segment.write(way == SERVER, &mut bytes);
        let judged = self.judge_bytes(way, segment, &bytes);
        self.bytes = bytes;
        if let Err(reason) = judged {
            *self.refused.entry(reason).or_default() += 1;
        }
        judged
    }

    fn judge_bytes(
        &mut self,
        way: usize,
        segment: &Segment,
        bytes: &[u8],
    ) -> Result<Segment, DropReason> {
        let packet = decode_ip(bytes, ChecksumTrust::Ignored)?;
        let Transport::Tcp(tcp) = packet.transport else {
            return Err(DropReason::DecodeL4Header);
        };
        let dir = [Direction::ToServer, Direction::ToClient][way];
        let input = stream::Segment {
            dir,
            tcp: &tcp,
            payload: packet.payload,
            ttl: 64,
        };
        let opens = segment.flags & (SYN | ACK | RST | FIN) == SYN && way == CLIENT;
        // As the worker does it: a SYN opens a flow, or takes the place of one that is over.
        let over = |s: &TcpSession| s.is_closed() && !s.was_opened_by(&tcp);
        if opens && self.session.as_ref().is_none_or(over) {
            if let Some(mut session) = self.session.take() {
                session.release(&mut self.pool);
                self.earlier.push(std::mem::take(&mut self.delivered));
            }
            self.session = Some(TcpSession::from_syn(&input));
        }
        let Some(session) = self.session.as_mut() else {
            return Err(DropReason::StreamMidstream);
        };
        let (delivered, earlier) = (&mut self.delivered, &mut self.earlier);
        let outcome = session.on_segment(
            &input,
            &mut Shared {
                pool: &mut self.pool,
                config: &self.config,
                counters: &self.counters,
            },
            &mut |dir, delivery| match delivery {
                Delivery::Bytes(bytes) => delivered[dir.index()].extend_from_slice(bytes),
                Delivery::Gap(_) => panic!("a gap where none is tolerated"),
                Delivery::Restart => earlier.push(std::mem::take(delivered)),
            },
        );
        if let Some(reason) = outcome.refused {
            return Err(reason);
        }
        let mut forwarded = segment.clone();
        if outcome.edit.clear_urgent {
            forwarded.flags &= !URG;
            forwarded.urgent = 0;
        }
        Ok(forwarded)
    }
}

/// One way behind the engine, or before it.
#[derive(Default)]
struct Link(VecDeque<Segment>);

impl Link {
    fn put(&mut self, random: &mut Random, segment: Segment, impaired: bool) {
        if !impaired {
            self.0.push_back(segment);
            return;
        }
        if random.percent(3) {
            return;
        }
        if random.percent(2) {
            self.0.push_back(segment.clone());
        }
        if random.percent(8) && !self.0.is_empty() {
            let at = random.below(self.0.len() as u64) as usize;
            self.0.insert(at, segment);
        } else {
            self.0.push_back(segment);
        }
    }
}

struct Run {
    seed: u64,
    random: Random,
    hosts: [Host; 2],
    /// From a host to the engine, and from the engine to the other host.
    before: [Link; 2],
    behind: [Link; 2],
    trace: Vec<String>,
    log: bool,
}

impl Run {
    fn new(seed: u64, hostile: bool) -> Self {
        let mut random = Random::new(seed);
        let timestamps = random.percent(50);
        let kind = Kind {
            cookies: random.percent(30),
            fast_open: hostile && random.percent(30),
            later_copy: random.percent(50),
            beyond_window: random.percent(50),
            timestamps,
        };
        let wrap = random.percent(50);
        let mut isn = || {
            if wrap {
                0_u32.wrapping_sub(random.below(40) as u32)
            } else {
                random.next() as u32
            }
        };
        let isns = [isn(), isn()];
        let window = *random.of(&[40_u16, 300, 4_000, 60_000]);
        let hosts = [
            Host::new(
                Kind {
                    timestamps,
                    ..Kind::default()
                },
                isns[0],
                60_000,
            ),
            Host::new(kind, isns[1], window),
        ];
        Self {
            seed,
            random,
            hosts,
            before: Default::default(),
            behind: Default::default(),
            trace: Vec::new(),
            log: std::env::var_os("STOPGAP_MODEL_TRACE").is_some(),
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.log {
            self.trace.push(line());
        }
    }

    /// Takes what a host wants to send to the engine, and what the engine forwards on to the other.
    fn move_on(&mut self, engine: &mut Engine, impaired: bool) {
        for way in [CLIENT, SERVER] {
            for segment in std::mem::take(&mut self.hosts[way].out) {
                self.before[way].put(&mut self.random, segment, impaired);
            }
            while let Some(segment) = self.before[way].0.pop_front() {
                let judged = engine.judge(way, &segment);
                self.note(|| {
                    format!(
                        "{} {segment:?} -> {:?}",
                        ["C", "S"][way],
                        judged.as_ref().err()
                    )
                });
                if let Ok(forwarded) = judged {
                    self.behind[way].put(&mut self.random, forwarded, impaired);
                }
            }
            let arrives = self.random.below(4) as usize;
            for _ in 0..arrives {
                let Some(segment) = self.behind[way].0.pop_front() else {
                    break;
                };
                self.hosts[1 - way].receive(&segment);
                self.check(engine, way, &segment);
            }
        }
    }

    /// What the receiver's program read so far was delivered, and equal.
    fn check(&self, engine: &Engine, way: usize, last: &Segment) {
        let receiver = &self.hosts[1 - way];
        let read = &receiver.read;
        let mut connections = engine.earlier.iter().chain([&engine.delivered]);
        let inspected = connections.any(|delivered| delivered[way].starts_with(read));
        let delivered = &engine.delivered[way];
        assert!(
            inspected,
            "seed {}: the {} read {:?}, and {:?} was inspected; last came {last:?}; it is {:?}\n{}",
            self.seed,
            ["server", "client"][way],
            tail(read),
            tail(delivered),
            receiver.kind,
            self.trace.join("\n"),
        );
    }
}

fn tail(bytes: &[u8]) -> (usize, &[u8]) {
    (bytes.len(), &bytes[bytes.len().saturating_sub(40)..])
}

/// A client that sends anything, mostly close to where the server stands.
fn hostile_segment(run: &mut Run) -> Segment {
    let (client, server) = (&run.hosts[CLIENT], &run.hosts[SERVER]);
    let (first, next) = (client.isn.wrapping_add(1), server.next);
    let heard = server.state != State::Listen;
    let random = &mut run.random;
    let around = if heard && random.percent(80) {
        next
    } else {
        first
    };
    let near = random.below(13) as i32 - 4;
    let seq = match random.below(10) {
        0..4 => around,
        4..9 => around.wrapping_add_signed(near),
        _ => around.wrapping_add(random.below(70_000) as u32),
    };
    let length = *random.of(&[0, 1, 1, 2, 3, 5, 8, 13, 60]);
    // Two letters, so that copies are equal now and then.
    let payload = (0..length).map(|_| *random.of(b"ab")).collect();
    let ack = match random.below(12) {
        0 => server.isn,
        1 => server.sent.wrapping_add(1),
        2 => server.sent.wrapping_sub(100_000),
        3 => random.next() as u32,
        _ => server.sent,
    };
    let mut flags = ACK;
    let mut urgent = 0;
    match random.below(40) {
        0 => flags = 0,
        1 | 2 => flags |= FIN,
        3 => flags |= RST,
        4 => flags = SYN,
        5 => flags |= SYN,
        6 => flags = SYN | FIN,
        7 | 8 => {
            flags |= URG;
            urgent = random.below(6) as u16;
        }
        9 => urgent = 1,
        10 => flags = RST,
        _ => {}
    }
    let seq = if flags & SYN != 0 && random.percent(60) {
        client.isn
    } else {
        seq
    };
    let timestamps = client.kind.timestamps.then(|| {
        let age = *random.of(&[0, 0, 0, 0, 1, 2, 50, 0x8000_0000_u32]);
        (client.clock.wrapping_sub(age), 0)
    });
    Segment {
        flags,
        seq,
        ack: if flags & ACK != 0 { ack } else { 0 },
        window: *random.of(&[0, 10, 1_000, 60_000]),
        urgent,
        timestamps: timestamps.filter(|_| random.percent(90)),
        md5: random.percent(2),
        payload,
    }
}

fn hostile_run(seed: u64, engine: &mut Engine) {
    let mut run = Run::new(seed, true);
    engine.forget();
    let length = 20 + run.random.below(200);
    let impaired = run.random.percent(70);
    let mut syn_data = Vec::new();
    if run.random.percent(30) {
        syn_data = (0..run.random.below(6))
            .map(|_| *run.random.of(b"ab"))
            .collect();
    }
    run.hosts[CLIENT].connect();
    if let Some(syn) = run.hosts[CLIENT].out.first_mut() {
        syn.payload = syn_data;
    }
    for _ in 0..length {
        // The client's own TCP has no say: it only keeps the acknowledgements in step.
        if run.random.percent(70) {
            run.hosts[CLIENT].clock += 1;
            let segment = hostile_segment(&mut run);
            run.hosts[CLIENT].out.push(segment);
        }
        let server = &mut run.hosts[SERVER];
        if server.state == State::Established && run.random.percent(15) {
            let bytes: Vec<u8> = (0..1 + run.random.below(5)).map(|_| b's').collect();
            let seq = server.sent;
            server.sent = seq.wrapping_add(bytes.len() as u32);
            server.emit(ACK, seq, bytes);
        }
        run.move_on(engine, impaired);
    }
}

/// An honest end's bytes: told by their place, so that every loss and mix-up shows.
fn content(way: usize, at: u32) -> u8 {
    (at.wrapping_mul(31).wrapping_add(at >> 8)) as u8 ^ [0, 0x55][way]
}

fn honest_run(seed: u64, engine: &mut Engine) {
    let mut run = Run::new(seed, false);
    engine.forget();
    run.hosts[CLIENT].connect();
    let totals = [
        1 + run.random.below(6_000) as u32,
        run.random.below(6_000) as u32,
    ];
    let most = *run.random.of(&[5_u64, 100, 1_400]);
    let mut patience = 20_000;
    let mut idle = 0;
    let mut progress = [0, 0];
    loop {
        for way in [CLIENT, SERVER] {
            let peer_window = u32::from(run.hosts[1 - way].window);
            let host = &mut run.hosts[way];
            if host.state != State::Established {
                continue;
            }
            let base = host.isn.wrapping_add(1);
            let done = host.sent.wrapping_sub(base).min(totals[way]);
            let in_flight = host.sent.wrapping_sub(host.unacknowledged);
            let room = peer_window
                .saturating_sub(in_flight)
                .min(totals[way] - done);
            if room > 0 && run.random.percent(60) {
                let length = (1 + run.random.below(most) as u32).min(room);
                let bytes = (done..done + length).map(|at| content(way, at)).collect();
                let seq = host.sent;
                host.sent = seq.wrapping_add(length);
                host.emit(ACK, seq, bytes);
            } else if done == totals[way] && host.sent == base.wrapping_add(totals[way]) {
                let seq = host.sent;
                host.sent = seq.wrapping_add(1);
                host.emit(FIN | ACK, seq, Vec::new());
            }
        }
        run.move_on(engine, true);
        let now = [0, 1].map(|way: usize| run.hosts[way].unacknowledged);
        idle = if now == progress { idle + 1 } else { 0 };
        progress = now;
        if idle > 12 {
            idle = 0;
            send_again(&mut run, totals);
        }
        let over = |way: usize| {
            run.hosts[1 - way].peer_ended && run.hosts[way].unacknowledged == run.hosts[way].sent
        };
        if over(CLIENT) && over(SERVER) {
            break;
        }
        patience -= 1;
        assert!(
            patience > 0,
            "seed {seed}: an honest connection hangs: {:?}; refused {:?}\n{}",
            run.hosts,
            engine.refused,
            run.trace.join("\n")
        );
    }
    for way in [CLIENT, SERVER] {
        let sent: Vec<u8> = (0..totals[way]).map(|at| content(way, at)).collect();
        assert!(
            run.hosts[1 - way].read == sent,
            "seed {seed}: other bytes came"
        );
        assert!(
            engine.delivered[way] == sent,
            "seed {seed}: other bytes were inspected"
        );
    }
}

/// A retransmission timeout of whoever waits.
fn send_again(run: &mut Run, totals: [u32; 2]) {
    for way in [CLIENT, SERVER] {
        let host = &mut run.hosts[way];
        let isn = host.isn;
        match host.state {
            State::SynSent => host.emit(SYN, isn, Vec::new()),
            State::SynReceived if !host.kind.cookies => host.emit(SYN | ACK, isn, Vec::new()),
            State::Established if host.unacknowledged != host.sent => {
                let base = isn.wrapping_add(1);
                let from = host.unacknowledged.wrapping_sub(base);
                let length = totals[way]
                    .saturating_sub(from)
                    .min(1 + run.random.below(1_400) as u32);
                let length = length.min(host.sent.wrapping_sub(host.unacknowledged));
                let bytes: Vec<u8> = (from..from + length).map(|at| content(way, at)).collect();
                let ends = from + length == totals[way]
                    && host.sent == base.wrapping_add(totals[way]).wrapping_add(1);
                let flags = if ends { FIN | ACK } else { ACK };
                host.emit(flags, base.wrapping_add(from), bytes);
            }
            State::Established => host.acknowledge(),
            _ => {}
        }
    }
}

fn drive(what: &str, mut one: impl FnMut(u64, &mut Engine)) -> Engine {
    let steps = setting("STOPGAP_MODEL_STEPS", STEPS);
    let first = setting("STOPGAP_SEED", 1);
    let mut engine = Engine::new();
    let mut seed = first;
    while engine.steps < steps / 2 {
        one(seed, &mut engine);
        seed += 1;
    }
    println!(
        "{what}: {} steps in {} connections; refused: {:?}",
        engine.steps,
        seed - first,
        engine.refused
    );
    engine
}

#[test]
fn what_a_server_reads_from_a_hostile_client_was_inspected() {
    let engine = drive("hostile", hostile_run);
    assert!(engine.refused.len() > 5, "the client is hostile");
}

/// Runs that found something once.
#[test]
fn what_was_found_stays_found() {
    for seed in [66, 10_562, 15_414] {
        hostile_run(seed, &mut Engine::new());
    }
}

#[test]
fn honest_connections_come_through() {
    drive("honest", honest_run);
}
