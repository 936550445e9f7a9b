//! No allocation per packet in steady state on the forwarding path: held with
//! an allocator that counts.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use etherparse::PacketBuilder;
use stopgap::capture::pcap::CaptureReader;
use stopgap::counters::{Counter, Counters};
use stopgap::decode::{ChecksumTrust, LinkType};
use stopgap::pipeline::{Event, EventSink, RawPacket, Reassembled, Reset, Worker, WorkerConfig};
use stopgap::reload::{Builder, Holds, RulesFile, Sources, Strictness};
use stopgap::time::Timestamp;
use stopgap::verdict::Verdict;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Of them, those that made room larger that was there.
    static GROWTHS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches
// a thread-local without a destructor and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: as above; `ptr` came from `alloc`.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        GROWTHS.with(|n| n.set(n.get() + 1));
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Silent;

impl EventSink for Silent {
    fn event(&mut self, event: Event<'_>) {
        panic!("benign traffic makes no event: {event:?}");
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 1), 40_000);
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 80);

/// One connection's next sequence numbers, and the packets so far.
struct Connection {
    next: [u32; 2],
    packets: Vec<Vec<u8>>,
}

impl Connection {
    fn open() -> Self {
        let mut connection = Self {
            next: [1000, 2000],
            packets: Vec::new(),
        };
        let syn = |b: etherparse::PacketBuilderStep<etherparse::TcpHeader>| b.syn();
        connection.push(0, false, syn, b"");
        connection.next[0] += 1;
        connection.push(1, true, syn, b"");
        connection.next[1] += 1;
        connection.push(0, true, |b| b, b"");
        connection
    }

    fn push(
        &mut self,
        from: usize,
        ack: bool,
        flags: impl FnOnce(
            etherparse::PacketBuilderStep<etherparse::TcpHeader>,
        ) -> etherparse::PacketBuilderStep<etherparse::TcpHeader>,
        payload: &[u8],
    ) {
        let (src, dst) = if from == 0 {
            (CLIENT, SERVER)
        } else {
            (SERVER, CLIENT)
        };
        let tcp = PacketBuilder::ipv4(src.0.octets(), dst.0.octets(), 64).tcp(
            src.1,
            dst.1,
            self.next[from],
            60_000,
        );
        let tcp = flags(if ack {
            tcp.ack(self.next[1 - from])
        } else {
            tcp
        });
        let mut packet = Vec::new();
        tcp.write(&mut packet, payload).unwrap();
        self.packets.push(packet);
        self.next[from] = self.next[from].wrapping_add(payload.len() as u32);
    }

    /// A request and its response, cut into segments, the second segment before the first.
    fn exchange(&mut self, n: usize) {
        let request = format!(
            "GET /page/{n}?q=a%20b HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: test\r\nCookie: a=b\r\nAccept: */*\r\n\r\n"
        );
        let (head, tail) = request.as_bytes().split_at(40);
        let first = self.next[0];
        self.next[0] = first + 40;
        self.push(0, true, |b| b, tail);
        let end = self.next[0];
        self.next[0] = first;
        self.push(0, true, |b| b, head);
        self.next[0] = end;
        let body = "x".repeat(3000);
        let response = format!(
            "HTTP/1.1 200 OK\r\nServer: test\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        for part in response.as_bytes().chunks(1400) {
            self.push(1, true, |b| b, part);
        }
        self.push(0, true, |b| b, b"");
    }
}

fn worker(rules: Option<&Path>) -> (Worker, Arc<Counters>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = Sources {
        packs: vec![root.join("signatures")],
        rules: rules.map(RulesFile::whole).into_iter().collect(),
        ..Sources::default()
    };
    let built = Builder::new(sources, Holds::default())
        .build(Strictness::Start)
        .unwrap();
    assert!(built.summary.signatures > 0);
    let counters = Arc::new(Counters::default());
    let worker = Worker::new(WorkerConfig::default(), built.ruleset, counters.clone());
    (worker, counters)
}

/// Allocations while `packets` pass, all of which must be forwarded.
fn allocations(worker: &mut Worker, packets: &[Vec<u8>], now: &mut Timestamp) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    for packet in packets {
        *now = *now + Duration::from_micros(50);
        let raw = RawPacket {
            data: packet,
            link: LinkType::RawIp,
            trust: ChecksumTrust::Unverified,
            returned: false,
        };
        let verdict = worker.process(&raw, *now, &mut Silent);
        assert_eq!(verdict, Verdict::Forward);
    }
    ALLOCATIONS.with(Cell::get) - before
}

fn steady_state_allocates_nothing(rules: Option<&Path>) {
    let (mut worker, counters) = worker(rules);
    let mut connection = Connection::open();
    for n in 0..600 {
        connection.exchange(n % 100);
    }
    let datagram = |n: u16| {
        let mut packet = Vec::new();
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(5000, 6000 + n % 4)
            .write(&mut packet, b"payload of a datagram")
            .unwrap();
        packet
    };
    // The inner datagram is of a flow of its own.
    let tunnelled = |n: u16| {
        let mut payload = vec![8, 0, 0, 0, 0, 0, (n % 4) as u8, 0];
        payload.extend([0; 12]);
        payload.extend([8, 0]);
        payload.extend(datagram(n));
        let mut packet = Vec::new();
        PacketBuilder::ipv4([10, 0, 1, 1], [10, 0, 1, 2], 64)
            .udp(5000, 4789)
            .write(&mut packet, &payload)
            .unwrap();
        packet
    };
    let mut packets = connection.packets;
    packets.extend((0..400).map(|n| {
        if n % 2 == 0 {
            datagram(n)
        } else {
            tunnelled(n)
        }
    }));
    let (warm_up, steady) = packets.split_at(packets.len() / 2);
    let datagrams: Vec<_> = packets[packets.len() - 400..].to_vec();
    let mut now = Timestamp::from_secs(1_700_000_000);
    let first = allocations(&mut worker, warm_up, &mut now);
    allocations(&mut worker, &datagrams, &mut now);
    let during = allocations(&mut worker, steady, &mut now);
    println!(
        "{first} allocations in the first {} packets, {during} in the next {}",
        warm_up.len(),
        steady.len()
    );
    assert!(first > 0, "the counter counts");
    assert_eq!(during, 0);
    assert!(counters.get(Counter::Transactions) >= 600);
    assert!(counters.get(Counter::OutOfOrderSegments) >= 600);
}

#[test]
fn with_the_core_pack() {
    steady_state_allocates_nothing(None);
}

#[test]
fn with_a_large_rule_set() {
    let Some(corpus) = std::env::var_os("STOPGAP_CORPUS") else {
        println!("skipped: STOPGAP_CORPUS is not set");
        return;
    };
    let rules = Path::new(&corpus).join("rules/server-exploits.rules");
    assert!(rules.exists(), "{} is missing", rules.display());
    steady_state_allocates_nothing(Some(&rules));
}

/// What a packet may do beside passing, which costs memory once for each flow, transaction or alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    OpensFlow,
    Transaction,
    Alert,
    /// None of these: it only goes on.
    GoesOn,
}

impl Origin {
    const ALL: [Self; 4] = [
        Self::OpensFlow,
        Self::Transaction,
        Self::Alert,
        Self::GoesOn,
    ];
}

struct Quiet;

impl EventSink for Quiet {
    fn event(&mut self, _: Event<'_>) {}

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: Reassembled<'_>) {}
}

/// Packets, allocations and growths by origin.
type Books = [[u64; 3]; Origin::ALL.len()];

/// In how many packets that go on one may take memory. What is left: the parser of a flow's protocol, where the
/// packet that tells the protocol begins no transaction; room beyond what the worker keeps of freed one.
const PACKETS_FOR_ONE_ALLOCATION: u64 = 400;

/// Ordinary traffic of many protocols and all rules of a large set, played twice.
///
/// **Steady state** begins with the second time: by then, whatever the worker keeps for itself has its room,
/// and the rules have built what they build when it is first needed. What one flow, transaction or
/// alert takes is taken anew for each, and is no cost of a packet: so packets are told apart by what they did,
/// and what they took is told for each kind. A packet that opens no flow, begins no transaction and makes no
/// alert only goes on. Room that is made larger, twofold each time, is told beside.
#[test]
fn packets_that_go_on_take_little_memory_with_all_rules_over_mixed_traffic() {
    let Some(corpus) = std::env::var_os("STOPGAP_CORPUS") else {
        println!("skipped: STOPGAP_CORPUS is not set");
        return;
    };
    let corpus = Path::new(&corpus);
    let (rules, capture) = (
        corpus.join("rules/et-open.rules"),
        corpus.join("captures/mix-benign.pcap"),
    );
    for file in [&rules, &capture] {
        assert!(file.exists(), "{} is missing", file.display());
    }
    let mut reader = CaptureReader::open(&capture).unwrap();
    let mut packets = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        packets.push((frame.at.as_micros(), frame.link, frame.data.to_vec()));
    }
    let (mut worker, counters) = worker(Some(&rules));
    let mut now = Timestamp::from_secs(1_700_000_000);
    let mut books = Books::default();
    for round in 1..=2 {
        books = Books::default();
        let base = now;
        for (at, link, data) in &packets {
            now = now.max(base + Duration::from_micros(at.saturating_sub(packets[0].0)));
            let raw = RawPacket {
                data,
                link: *link,
                trust: ChecksumTrust::Ignored,
                returned: false,
            };
            let state = |counter| counters.get(counter);
            let of = [
                (Counter::FlowsCreated, Origin::OpensFlow),
                (Counter::Transactions, Origin::Transaction),
                (Counter::Alerts, Origin::Alert),
            ];
            let before = of.map(|(counter, _)| state(counter));
            let taken = [ALLOCATIONS.with(Cell::get), GROWTHS.with(Cell::get)];
            worker.process(&raw, now, &mut Quiet);
            let taken = [
                ALLOCATIONS.with(Cell::get) - taken[0],
                GROWTHS.with(Cell::get) - taken[1],
            ];
            let origin = of
                .iter()
                .zip(before)
                .find(|((counter, _), before)| state(*counter) != *before)
                .map_or(Origin::GoesOn, |((_, origin), _)| *origin);
            let book = &mut books[origin as usize];
            book[0] += 1;
            book[1] += taken[0] - taken[1];
            book[2] += taken[1];
        }
        println!("round {round}: packets, allocations, growths");
        for origin in Origin::ALL {
            println!("  {origin:?}: {:?}", books[origin as usize]);
        }
        now = now + Duration::from_secs(1);
        worker.finish(now, &mut Quiet);
    }
    let [packets, allocations, growths] = books[Origin::GoesOn as usize];
    let allocations = allocations + growths;
    assert!(
        allocations * PACKETS_FOR_ONE_ALLOCATION < packets,
        "{allocations} allocations by {packets} packets that go on"
    );
}
