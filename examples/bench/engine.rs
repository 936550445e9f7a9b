//! A worker with a ruleset, and how long it takes over packets.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::detect::Ruleset;
use stopgap::flow::FlowTableConfig;
use stopgap::pipeline::{
    Event, EventSink, Midstream, RawPacket, Reassembled, Reset, Worker, WorkerConfig,
};
use stopgap::reload::{Builder, Cache, Holds, RulesFile, Sources, Strictness};
use stopgap::time::Timestamp;

use crate::Fallible;
use crate::traffic::{Capture, Connection};

/// Packets that are made before they are timed; a worker gets as many from the kernel at most.
const BATCH: usize = 64;

struct Silent;

impl EventSink for Silent {
    fn event(&mut self, _: Event<'_>) {}

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

pub fn sources(rules: Option<&Path>, cache: Option<&Path>) -> Sources {
    Sources {
        packs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("signatures")],
        rules: rules.map(RulesFile::whole).into_iter().collect(),
        cache: cache.map(Cache::new).unwrap_or_default(),
        ..Sources::default()
    }
}

/// The core pack, and a rules file beside it.
pub fn ruleset(rules: Option<&Path>) -> Fallible<Arc<Ruleset>> {
    let built = Builder::new(sources(rules, None), Holds::default()).build(Strictness::Start)?;
    Ok(built.ruleset)
}

pub struct Engine {
    worker: Worker,
    counters: Arc<Counters>,
    now: Timestamp,
    trust: ChecksumTrust,
}

impl Engine {
    pub fn new(ruleset: Arc<Ruleset>, max_flows: usize) -> Self {
        let counters = Arc::new(Counters::default());
        let mut config = WorkerConfig {
            flow: FlowTableConfig {
                max_flows,
                ..FlowTableConfig::default()
            },
            // As when a capture is replayed.
            midstream: Midstream::PacketsOnly,
            ..WorkerConfig::default()
        };
        config.stream.tolerate_gaps = true;
        config.app_layer_memory_bytes = u64::MAX / 16;
        Self {
            worker: Worker::new(config, ruleset, counters.clone()),
            counters,
            now: Timestamp::from_secs(1_700_000_000),
            trust: ChecksumTrust::Trusted,
        }
    }

    /// Seconds for a capture, played behind what came before. `each` is given the time of each packet.
    pub fn play(&mut self, capture: &Capture, mut each: impl FnMut(Duration)) -> f64 {
        self.trust = ChecksumTrust::Ignored;
        let first = capture.packets.first().map_or(0, |p| p.0);
        let base = self.now;
        let started = Instant::now();
        let mut before = started;
        let mut ticked = self.now;
        for (at, link, data) in &capture.packets {
            self.now = self
                .now
                .max(base + Duration::from_micros(at.saturating_sub(first)));
            if self.now.since(ticked) >= Duration::from_millis(100) {
                self.worker.tick(self.now, &mut Silent);
                ticked = self.now;
            }
            self.process(*link, data);
            let after = Instant::now();
            each(after - before);
            before = after;
        }
        let seconds = started.elapsed().as_secs_f64();
        self.now = self.now + Duration::from_secs(1);
        self.worker.finish(self.now, &mut Silent);
        seconds
    }

    fn process(&mut self, link: LinkType, data: &[u8]) {
        let raw = RawPacket {
            data,
            link,
            trust: self.trust,
            returned: false,
        };
        self.worker.process(&raw, self.now, &mut Silent);
    }

    /// Opens connections `0..flows`.
    pub fn open(&mut self, connection: &Connection, port: u16, flows: u32) {
        let mut packet = Vec::new();
        for flow in 0..flows {
            for template in &connection.handshake {
                self.now = self.now + Duration::from_nanos(1000);
                template.of(flow, port, [0; 2], &mut packet);
                self.process(LinkType::RawIp, &packet);
            }
        }
    }

    /// So many exchanges, each on the next connection of a round; `turn` is the first one's number.
    /// Seconds, without making the packets.
    pub fn exchange(
        &mut self,
        connection: &Connection,
        port: u16,
        flows: u32,
        exchanges: std::ops::Range<u64>,
    ) -> f64 {
        let mut packets = vec![Vec::new(); BATCH];
        let mut filled = 0;
        let mut seconds = 0.0;
        let flush = |engine: &mut Self, packets: &[Vec<u8>]| {
            let started = Instant::now();
            for packet in packets {
                engine.now = engine.now + Duration::from_nanos(1000);
                engine.process(LinkType::RawIp, packet);
            }
            started.elapsed().as_secs_f64()
        };
        for exchange in exchanges {
            // A stride that is prime to all numbers of flows, so that no neighbours help.
            let flow = (exchange * 7919 % u64::from(flows)) as u32;
            let round = (exchange / u64::from(flows)) as u32;
            let moved = connection.moves.map(|by| by.wrapping_mul(round));
            for template in &connection.exchange {
                template.of(flow, port, moved, &mut packets[filled]);
                filled += 1;
                if filled == BATCH {
                    seconds += flush(self, &packets);
                    filled = 0;
                }
            }
        }
        seconds + flush(self, &packets[..filled])
    }

    /// So much time goes by without a packet.
    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.now = self.now + Duration::from_millis(100);
            self.worker.tick(self.now, &mut Silent);
        }
    }

    pub fn flows(&self) -> usize {
        self.worker.active_flows()
    }

    pub fn dropped(&self) -> u64 {
        self.counters.snapshot().dropped_total()
    }
}
