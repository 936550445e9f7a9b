//! One queue, one thread: receive, judge, answer, until told to stop.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::sink::{ToCut, WorkerSink};
use crate::capture::inject::Injector;
use crate::capture::nfqueue::{BATCH, Decision, Queue};
use crate::capture::reset::{RateLimiter, Reset, ResetFields};
use crate::counters::{Counter, Counters};
use crate::decode::{LinkType, apply_edit};
use crate::detect::Ruleset;
use crate::latency::Latency;
use crate::netfilter::Bypass;
use crate::pipeline::{FlowEvent, RawPacket, Worker};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::verdict::Verdict;

/// A command waits at most this long on an idle queue.
const IDLE_WAIT: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(100);
/// Injected resets of one worker.
const RESETS_PER_SECOND: u32 = 10_000;
const RESET_BURST: u32 = 1_000;

/// What the control side asks of a worker, between two batches.
#[derive(Debug)]
pub enum Command {
    /// Take up a ruleset; the old one goes back, to be freed elsewhere.
    Ruleset(Arc<Ruleset>, Sender<Arc<Ruleset>>),
    /// The flows of the table, at most so many.
    Flows(usize, Sender<Vec<FlowEvent>>),
    /// Packets lost before they reached the queue.
    Losses(Sender<u64>),
    Stop,
}

/// What others see of a running worker.
#[derive(Debug, Default)]
pub struct Shared {
    pub counters: Arc<Counters>,
    /// From a packet's arrival at this machine to the verdict in the kernel's hands.
    pub latency: Latency,
    pub active_flows: AtomicU64,
    /// Microseconds since the epoch at the last turn of its loop.
    pub beat_us: AtomicU64,
    /// How connections are marked that are left to the kernel; zero: none are.
    generation: AtomicU32,
    /// Verdicts so far that left a connection to the kernel.
    marked: AtomicU64,
    has_command: AtomicBool,
}

impl Shared {
    pub fn set_generation(&self, generation: u32) {
        self.generation.store(generation, Ordering::Release);
    }

    pub fn marked(&self) -> u64 {
        self.marked.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub struct WorkerThread {
    pub queue: u16,
    pub shared: Arc<Shared>,
    remote: Remote,
    thread: JoinHandle<io::Result<()>>,
}

/// Sends commands to a worker; may be cloned to other threads.
#[derive(Clone, Debug)]
pub struct Remote {
    commands: Sender<Command>,
    shared: Arc<Shared>,
}

impl Remote {
    /// False where the worker has ended.
    pub fn send(&self, command: Command) -> bool {
        let sent = self.commands.send(command).is_ok();
        self.shared.has_command.store(true, Ordering::Release);
        sent
    }
}

/// What a worker thread is made of.
#[derive(Debug)]
pub struct Parts {
    pub queue: Queue,
    pub worker: Worker,
    pub sink: WorkerSink,
    pub injector: Arc<Injector>,
    pub shared: Arc<Shared>,
    /// Which bits mark connections that are left to the kernel, if any may be.
    pub bypass: Option<Bypass>,
}

impl WorkerThread {
    pub fn spawn(parts: Parts) -> io::Result<Self> {
        let (commands, receiver) = channel();
        let shared = parts.shared.clone();
        let queue = parts.queue.number();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{queue}"))
            .spawn(move || Loop::new(parts, receiver).run())?;
        Ok(Self {
            queue,
            remote: Remote {
                commands,
                shared: shared.clone(),
            },
            shared,
            thread,
        })
    }

    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends the worker once its packets have their verdicts.
    pub fn stop(self) -> io::Result<()> {
        self.remote.send(Command::Stop);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the worker panicked")))
    }
}

struct Loop {
    queue: Queue,
    worker: Worker,
    sink: WorkerSink,
    injector: Arc<Injector>,
    shared: Arc<Shared>,
    bypass: Option<Bypass>,
    commands: Receiver<Command>,
    limiter: RateLimiter,
    clock: SystemClock,
    ticked: Timestamp,
    /// When the packets of the batch at hand arrived.
    arrivals: Vec<Timestamp>,
    /// The fragment that is being sent.
    fragment: Vec<u8>,
}

/// How far the sending of a datagram got.
struct Sent {
    fragments: u64,
    all: bool,
}

/// Sends a datagram in fragments. As a router does (RFC 791 section 3.2), it cuts finer where the
/// link ahead takes less.
fn send_cut(injector: &Injector, whole: ToCut<'_>, fragment: &mut Vec<u8>) -> Sent {
    let ToCut {
        header,
        wrapping,
        datagram,
        cut,
    } = whole;
    let mut sent = Sent {
        fragments: 0,
        all: false,
    };
    let (mut offset, mut most) = (0, cut.fragment_bytes());
    loop {
        fragment.clear();
        fragment.extend_from_slice(header);
        let next = cut.write(datagram, offset, most, fragment);
        if !wrapping.fit(fragment) {
            return sent;
        }
        match injector.send(fragment) {
            Ok(()) => sent.fragments += 1,
            Err(e) if e.raw_os_error() == Some(libc::EMSGSIZE) => {
                match cut.smaller_than(datagram, most) {
                    Some(smaller) => most = smaller,
                    None => return sent,
                }
                continue;
            }
            Err(_) => return sent,
        }
        match next {
            Some(next) => offset = next,
            None => {
                sent.all = true;
                return sent;
            }
        }
    }
}

impl Loop {
    fn new(parts: Parts, commands: Receiver<Command>) -> Self {
        let clock = SystemClock;
        let now = clock.now();
        Self {
            queue: parts.queue,
            worker: parts.worker,
            sink: parts.sink,
            injector: parts.injector,
            shared: parts.shared,
            bypass: parts.bypass,
            commands,
            limiter: RateLimiter::new(RESETS_PER_SECOND, RESET_BURST, now),
            clock,
            ticked: now,
            arrivals: Vec::with_capacity(BATCH),
            fragment: Vec::new(),
        }
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            if self.shared.has_command.swap(false, Ordering::Acquire) && self.obey() {
                break;
            }
            self.turn()?;
        }
        let now = self.clock.now();
        self.worker.finish(now, &mut self.sink);
        self.shared.active_flows.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let Self {
            queue,
            worker,
            sink,
            clock,
            arrivals,
            shared,
            bypass,
            ..
        } = self;
        let mut batch = queue.receive(IDLE_WAIT)?;
        let now = clock.now();
        let generation = shared.generation.load(Ordering::Acquire);
        let marking = bypass.and_then(|b| b.of_generation(generation));
        let mut broken = false;
        arrivals.clear();
        for packet in batch.packets {
            let raw = RawPacket {
                data: packet.data,
                link: LinkType::RawIp,
                trust: packet.checksum,
                returned: bypass.is_some_and(|b| packet.mark & b.mask() == b.returned()),
            };
            // The worker catches what goes wrong with a flow; this is for the rest of it.
            let verdict = catch_unwind(AssertUnwindSafe(|| worker.process(&raw, now, sink)));
            let decision = match verdict {
                Ok(Verdict::Forward) => match marking.filter(|_| worker.leaves_flow()) {
                    Some(b) => {
                        shared.marked.fetch_add(1, Ordering::Release);
                        Decision::accept_with_mark(packet.mark & !b.mask() | b.mark())
                    }
                    None => Decision::ACCEPT,
                },
                Ok(Verdict::Rewrite(edit)) => {
                    if apply_edit(&edit, packet.data) {
                        Decision::rewrite(packet.data)
                    } else {
                        Decision::DROP
                    }
                }
                Ok(Verdict::Drop(_) | Verdict::Held) => Decision::DROP,
                Err(_) => {
                    broken = true;
                    Decision::DROP
                }
            };
            batch.verdicts.decide(packet.id, decision)?;
            arrivals.extend(packet.arrived);
        }
        batch.verdicts.flush()?;
        if !arrivals.is_empty() {
            let answered = clock.now();
            for &arrived in arrivals.iter() {
                self.shared.latency.record(answered.since(arrived));
            }
        }
        if broken {
            return Err(io::Error::other("the worker's own state is broken"));
        }
        if !self.sink.datagrams().is_empty() {
            self.send_datagrams();
        }
        if self.sink.wants_resets() {
            self.send_resets(now);
        }
        if now.since(self.ticked) >= TICK {
            self.ticked = now;
            self.worker.tick(now, &mut self.sink);
            let flows = self.worker.active_flows() as u64;
            self.shared.active_flows.store(flows, Ordering::Relaxed);
        }
        self.shared
            .beat_us
            .store(now.as_micros(), Ordering::Relaxed);
        Ok(())
    }

    /// After the flush, and before the resets: in the order of the verdicts.
    fn send_datagrams(&mut self) {
        let counters = &self.shared.counters;
        let datagrams = self.sink.datagrams();
        for whole in datagrams.iter() {
            let sent = send_cut(&self.injector, whole, &mut self.fragment);
            counters.add(Counter::FragmentsSent, sent.fragments);
            if !sent.all {
                counters.add(Counter::FragmentsFailed, 1);
            }
        }
        datagrams.clear();
    }

    /// After the flush: a reset must not overtake what was forwarded before it.
    fn send_resets(&mut self, now: Timestamp) {
        let counters = &self.shared.counters;
        for reset in self.sink.resets() {
            if !self.limiter.allow(now) {
                counters.add(Counter::ResetsLimited, 1);
                continue;
            }
            let segment = Reset::new(&ResetFields {
                source: reset.src,
                destination: reset.dst,
                sequence: reset.seq,
                acknowledgement: reset.ack,
            });
            let sent = segment.is_some_and(|s| self.injector.send(s.as_bytes()).is_ok());
            counters.add(
                if sent {
                    Counter::ResetsSent
                } else {
                    Counter::ResetsFailed
                },
                1,
            );
        }
    }

    /// Carries out what was asked; true: stop. A receiver that has gone needs no answer.
    fn obey(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Ruleset(ruleset, done) => {
                    let _ = done.send(self.worker.set_ruleset(ruleset));
                }
                Command::Flows(limit, reply) => {
                    let _ = reply.send(self.worker.flows(self.clock.now(), limit));
                }
                Command::Losses(reply) => {
                    let losses = self.queue.stats().map_or(0, |s| s.lost_before_us());
                    let _ = reply.send(losses);
                }
                Command::Stop => return true,
            }
        }
        false
    }
}
