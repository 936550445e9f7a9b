//! One flow past parser and rules, measured.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use stopgap::app_layer::{AppLayer, Limits, Protocol};
use stopgap::detect::{FlowContext, FlowCounts, FlowDetect, Hits, Ruleset, Scratch};
use stopgap::direction::Direction::{self, ToClient, ToServer};
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::time::Timestamp;

pub const MEBIBYTE: usize = 1 << 20;
/// Builds without optimisation get ten times the time.
pub const TENTH: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });
/// What TCP gives at once.
const SEGMENT: usize = 1460;
/// What comes in a GSO packet.
const LARGE_SEGMENT: usize = 64_000;

/// Those with `evil` never match: each has to be looked for to the end. The others tell events.
const RULES: &str = r#"
alert http any any -> any any (msg:"uri"; http.uri; content:"/evil"; sid:1;)
alert http any any -> any any (msg:"header"; http.header; content:"evil|0d 0a|"; sid:2;)
alert http any any -> any any (msg:"body"; file.data; content:"evil body"; sid:3;)
alert http any any -> any any (msg:"expression"; http.header; pcre:"/x[a-z]*y[a-z]*evil/"; sid:4;)
alert http any any -> any any (msg:"waits"; http.request_body; content:"a"; pcre:"/a.*evil/s"; sid:5;)
alert http any any -> any any (msg:"shaped"; http.request_body; to_lowercase; content:"evil body"; sid:6;)
alert http any any -> any any (msg:"waits"; file.data; content:"|00 00|"; content:"evil"; distance:9; sid:7;)
alert ssh any any -> any any (msg:"software"; ssh.software; content:"evil"; sid:20;)
alert smtp any any -> any any (msg:"name"; smtp.helo; content:"evil"; sid:21;)
alert smtp any any -> any any (msg:"subject"; email.subject; content:"evil"; sid:22;)
alert ftp any any -> any any (msg:"reply"; ftp.reply; content:"evil"; sid:23;)
alert ftp any any -> any any (msg:"command"; ftp.command_data; content:"evil"; sid:24;)
alert sip any any -> any any (msg:"uri"; sip.uri; content:"evil"; sid:25;)
alert rfb any any -> any any (msg:"name"; rfb.name; content:"evil"; sid:26;)
alert mqtt any any -> any any (msg:"topic"; mqtt.publish.topic; content:"evil"; sid:27;)
alert dns any any -> any any (msg:"name"; dns.query; content:"evil"; sid:28;)
alert tls any any -> any any (msg:"name"; tls.sni; content:"evil"; sid:29;)
alert smb any any -> any any (msg:"share"; smb.share; content:"evil"; sid:30;)
alert dcerpc any any -> any any (msg:"stub"; dcerpc.stub_data; content:"evil"; sid:31;)
alert dnp3 any any -> any any (msg:"data"; dnp3.data; content:"evil"; sid:34;)
alert nfs any any -> any any (msg:"file"; file.data; content:"evil"; sid:35;)
alert krb5 any any -> any any (msg:"name"; krb5.cname; content:"evil"; sid:32;)
alert ldap any any -> any any (msg:"attribute"; ldap.responses.attribute_type; content:"evil"; sid:34;)
alert ldap any any -> any any (msg:"name"; ldap.responses.dn; content:"evil"; ldap.responses.operation:4,-1; sid:35;)
alert pgsql any any -> any any (msg:"query"; pgsql.query; content:"evil"; sid:36;)
alert websocket any any -> any any (msg:"payload"; websocket.payload; content:"evil"; sid:33;)
alert http2 any any -> any any (msg:"limit"; app-layer-event:http2.reassembly_limit_reached; sid:10;)
alert http2 any any -> any any (msg:"frames"; app-layer-event:http2.too_many_frames; sid:11;)
alert http2 any any -> any any (msg:"streams"; app-layer-event:http2.too_many_streams; sid:12;)
alert http2 any any -> any any (msg:"bomb"; app-layer-event:http2.failed_decompression; sid:13;)
alert http2 any any -> any any (msg:"integer"; app-layer-event:http2.header_integer_overflow; sid:14;)
alert http2 any any -> any any (msg:"settings"; http2.settings:SETTINGS_MAX_FRAME_SIZE>20000; sid:15;)
"#;

static RULESET: LazyLock<Arc<Ruleset>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.rules");
    std::fs::write(&path, RULES).unwrap();
    let sources = Sources {
        rules: vec![RulesFile::whole(&path)],
        ..Sources::default()
    };
    Builder::new(sources, Holds::default())
        .build(Strictness::Whole)
        .unwrap()
        .ruleset
});

/// What a flow cost.
#[derive(Debug, Default)]
pub struct Cost {
    /// The most of the heap at any time, for each live transaction.
    pub memory: usize,
    /// The same by the engine's own account, which is what its limits go by.
    pub held: usize,
    /// The most of time for one transaction.
    pub transaction: Duration,
    pub transactions: u64,
    pub events: Vec<&'static str>,
    pub alerts: Vec<u32>,
    /// Bytes that were not kept, and are counted.
    pub beyond: u64,
    /// A direction was given up, which is counted too.
    pub failed: bool,
}

pub struct Run {
    scratch: Scratch,
    detect: FlowDetect,
    pub app: AppLayer,
    ctx: FlowContext,
    limits: Limits,
    /// Heap that the flow and what inspects it hold.
    heap: isize,
    /// By the transaction; `None`: of the packet in hand, where none was live.
    spent: HashMap<Option<u64>, Duration>,
    pub cost: Cost,
}

impl Run {
    pub fn new() -> Self {
        Self::on_port(80)
    }

    pub fn on_port(port: u16) -> Self {
        let end = |last, port| (IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
        // Or the rules would count as the flow's memory.
        LazyLock::force(&RULESET);
        let mut app = AppLayer::new();
        app.set_server_port(port);
        Self {
            scratch: Scratch::new(),
            detect: FlowDetect::new(),
            app,
            ctx: FlowContext {
                client: end(1, 40_000),
                server: end(2, port),
                protocol: 6,
                app: Protocol::Undetermined,
                original_app: None,
                established: true,
                stream: true,
                stream_sizes: [1, 1],
                counts: FlowCounts::default(),
                stream_events: Default::default(),
                flow_id: 1,
                now: Timestamp::from_secs(1_700_000_000),
            },
            limits: Limits::default(),
            heap: 0,
            spent: HashMap::new(),
            cost: Cost::default(),
        }
    }

    /// Bytes in large packets, one after the other.
    pub fn send(&mut self, direction: Direction, bytes: &[u8]) {
        for packet in bytes.chunks(LARGE_SEGMENT) {
            self.packet(direction, packet);
        }
    }

    /// Both directions, a segment each in turn, up to where one is given up.
    pub fn exchange(&mut self, to_server: &[u8], to_client: &[u8]) {
        let mut sides = [(ToServer, to_server), (ToClient, to_client)];
        while sides.iter().any(|(_, rest)| !rest.is_empty()) && !self.cost.failed {
            for (direction, rest) in &mut sides {
                let (segment, later) = rest.split_at(rest.len().min(SEGMENT));
                *rest = later;
                self.packet(*direction, segment);
            }
        }
    }

    fn packet(&mut self, direction: Direction, packet: &[u8]) {
        // What belongs to no transaction is taken packet by packet.
        self.spent.remove(&None);
        let mut rest = packet;
        while !rest.is_empty() {
            let taken = self.step(direction, rest);
            rest = &rest[taken..];
        }
        self.cost.failed |= self.app.failed(direction);
        self.cost.beyond = Direction::BOTH
            .map(|d| self.app.beyond_limit(d))
            .iter()
            .sum();
    }

    /// As the pipeline does; gives the bytes taken.
    fn step(&mut self, direction: Direction, bytes: &[u8]) -> usize {
        let heap_before = HELD.get();
        MOST.set(heap_before);
        let began = cpu_time();
        let mut hits = Hits::default();
        let taken = self.app.data(direction, bytes, &self.limits).consumed;
        self.ctx.app = self.app.protocol();
        let mut owner = self.app.newest_transaction();
        for tx in self.app.touched() {
            owner = Some(tx.id());
            let (scratch, detect) = (&mut self.scratch, &mut self.detect);
            RULESET.on_transaction(scratch, &self.ctx, detect, direction, tx, &mut hits);
        }
        let elapsed = cpu_time().saturating_sub(began);
        let heap = self.heap + HELD.get() - heap_before;
        let most = self.heap + MOST.get() - heap_before;
        self.note(owner, elapsed, most, &hits);
        drop(hits);
        let heap_before = HELD.get();
        self.app.take_finished();
        self.heap = heap + HELD.get() - heap_before;
        taken.max(1)
    }

    fn note(&mut self, owner: Option<u64>, elapsed: Duration, most: isize, hits: &Hits) {
        let live = self.app.transactions().count().max(1);
        let held = self.app.held_bytes() + self.detect.held_bytes();
        let spent = self.spent.entry(owner).or_default();
        *spent += elapsed;
        let cost = &mut self.cost;
        cost.transaction = cost.transaction.max(*spent);
        cost.memory = cost.memory.max(usize::try_from(most).unwrap_or(0) / live);
        cost.held = cost.held.max(held / live);
        for tx in self.app.touched() {
            cost.transactions = cost.transactions.max(tx.id() + 1);
            for event in tx.events() {
                if !cost.events.contains(&event.as_str()) {
                    cost.events.push(event.as_str());
                }
            }
        }
        let sid = |hit| RULESET.signature(hit).unwrap().id().sid;
        cost.alerts.extend(hits.as_slice().iter().map(sid));
    }

    /// Says what the flow cost, and that it is within the bounds.
    #[track_caller]
    pub fn holds(&self, name: &str) {
        let cost = &self.cost;
        println!(
            "{name:46} {:>7} bytes ({:>7} by its own account), {:>9.3?} a transaction, {} of them, {} bytes beyond limits, {:?}{}",
            cost.memory,
            cost.held,
            cost.transaction,
            cost.transactions,
            cost.beyond,
            cost.events,
            if cost.failed { ", given up" } else { "" }
        );
        assert!(cost.memory <= MEBIBYTE, "{name}: {cost:?}");
        assert!(cost.held <= MEBIBYTE, "{name}: {cost:?}");
        assert!(cost.transaction <= TENTH, "{name}: {cost:?}");
    }
}

/// What the thread has used of the processor: other work on the machine does not count.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a timespec to be written.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(done, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the thread holds. What libzstd takes is not in it, but in `held_bytes`.
struct Counting;

fn count(change: isize) {
    let now = HELD.get() + change;
    HELD.set(now);
    MOST.set(MOST.get().max(now));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
