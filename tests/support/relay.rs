//! A link that loses, reorders and duplicates, by a seed: two TAP devices with a thread between them.
//!
//! Frames on a TAP device are cut and have their checksums, as on a wire: no offload reaches across.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Fallible;
use super::random::Random;

/// What befalls packets, each way, in percent of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impairment {
    pub seed: u64,
    pub loss_percent: u32,
    pub reorder_percent: u32,
    pub duplicate_percent: u32,
}

/// A packet out of order is held until this many others have passed, at most.
const OVERTAKEN_BY: u64 = 3;
/// Or for so long.
const HELD_FOR: Duration = Duration::from_millis(5);
/// Frames taken from one end before the other has its turn.
const TURN: usize = 64;
const LARGEST_FRAME: usize = 2048;

/// Frames that came to the relay and what became of them.
#[derive(Debug, Default)]
struct Tally {
    came: AtomicU64,
    lost: AtomicU64,
    reordered: AtomicU64,
    duplicated: AtomicU64,
    /// The far device did not take them.
    refused: AtomicU64,
}

/// What the relay did so far.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub came: u64,
    pub lost: u64,
    pub reordered: u64,
    pub duplicated: u64,
    pub refused: u64,
}

#[derive(Debug)]
pub struct Relay {
    impairs: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Joins two devices. Nothing is impaired before [`Self::impair`].
    pub fn start(ends: [TapDevice; 2], impairment: Impairment) -> Self {
        let (impairs, stop) = (Arc::default(), Arc::default());
        let tally = Arc::<Tally>::default();
        let path = Path {
            lanes: [0, 1].map(|way| Lane {
                impairment,
                random: Random::new(impairment.seed ^ way),
                held: VecDeque::new(),
            }),
            ends,
            tally: Arc::clone(&tally),
            impairs: Arc::clone(&impairs),
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || path.run(&stopped));
        Self {
            impairs,
            stop,
            tally,
            thread: Some(thread),
        }
    }

    pub fn impair(&self, on: bool) {
        self.impairs.store(on, Ordering::Relaxed);
    }

    pub fn done(&self) -> Done {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Done {
            came: of(&self.tally.came),
            lost: of(&self.tally.lost),
            reordered: of(&self.tally.reordered),
            duplicated: of(&self.tally.duplicated),
            refused: of(&self.tally.refused),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A TAP device; it goes when this is dropped.
#[derive(Debug)]
pub struct TapDevice(File);

impl TapDevice {
    /// Makes it in the calling thread's namespace.
    pub fn make(name: &str) -> Fallible<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        // SAFETY: all zeroes is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.len() >= request.ifr_name.len() {
            return Err(format!("{name} is too long for an interface").into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
        // SAFETY: the descriptor is open and `request` is a live ifreq with a terminated name.
        if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        Ok(Self(file))
    }
}

struct Path {
    ends: [TapDevice; 2],
    lanes: [Lane; 2],
    tally: Arc<Tally>,
    impairs: Arc<AtomicBool>,
}

/// One way along the path.
struct Lane {
    impairment: Impairment,
    random: Random,
    held: VecDeque<Held>,
}

struct Held {
    frame: Vec<u8>,
    /// Frames that may still overtake it.
    overtaken_by: u64,
    until: Instant,
}

impl Path {
    fn run(mut self, stop: &AtomicBool) {
        let mut buffer = [0; LARGEST_FRAME];
        while !stop.load(Ordering::Relaxed) {
            self.wait();
            for way in 0..2 {
                for _ in 0..TURN {
                    match (&self.ends[way].0).read(&mut buffer) {
                        Ok(length) => self.carry(way, &buffer[..length]),
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                        // The namespace went away, and the device with it.
                        Err(_) => return,
                    }
                }
                let now = Instant::now();
                while let Some(held) = self.lanes[way].held.pop_front_if(|h| h.until <= now) {
                    self.put(way, &held.frame);
                }
            }
        }
    }

    fn wait(&self) {
        let holds = self.lanes.iter().any(|lane| !lane.held.is_empty());
        let mut polls = [0, 1].map(|way: usize| libc::pollfd {
            fd: self.ends[way].0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: two live pollfds.
        unsafe { libc::poll(polls.as_mut_ptr(), 2, if holds { 1 } else { 20 }) };
    }

    fn carry(&mut self, way: usize, frame: &[u8]) {
        let tally = Arc::clone(&self.tally);
        let count = |n: &AtomicU64| n.fetch_add(1, Ordering::Relaxed);
        if !self.impairs.load(Ordering::Relaxed) || !is_tcp(frame) {
            self.put(way, frame);
            return;
        }
        count(&tally.came);
        let lane = &mut self.lanes[way];
        let Impairment {
            loss_percent,
            reorder_percent,
            duplicate_percent,
            ..
        } = lane.impairment;
        if lane.random.percent(loss_percent) {
            count(&tally.lost);
            return;
        }
        if lane.random.percent(reorder_percent) {
            count(&tally.reordered);
            let overtaken_by = 1 + lane.random.below(OVERTAKEN_BY);
            lane.held.push_back(Held {
                frame: frame.to_vec(),
                overtaken_by,
                until: Instant::now() + HELD_FOR,
            });
            return;
        }
        let twice = lane.random.percent(duplicate_percent);
        self.put(way, frame);
        if twice {
            count(&tally.duplicated);
            self.put(way, frame);
        }
        let lane = &mut self.lanes[way];
        lane.held.iter_mut().for_each(|h| h.overtaken_by -= 1);
        let (due, waiting) = std::mem::take(&mut lane.held)
            .into_iter()
            .partition::<VecDeque<_>, _>(|h| h.overtaken_by == 0);
        lane.held = waiting;
        for held in due {
            self.put(way, &held.frame);
        }
    }

    fn put(&self, way: usize, frame: &[u8]) {
        if (&self.ends[1 - way].0).write(frame).is_err() {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// ARP and neighbour discovery are spared: they ask once a second, which is no part of the measurement.
fn is_tcp(frame: &[u8]) -> bool {
    let protocol = match frame.get(12..14) {
        Some([0x08, 0x00]) => frame.get(23),
        Some([0x86, 0xdd]) => frame.get(20),
        _ => None,
    };
    protocol == Some(&6)
}
