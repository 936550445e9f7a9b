//! Plays the crafted ends of many runs at once, each at an address of its own.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::super::Fallible;
use super::super::netns::Family;
use super::super::tap::PacketSocket;
use super::case::{Case, Kind};
use super::packet::{self, Heard, Numbers, Path};
use super::place::{Place, Side};
use super::program::{ACK, Act, RST, SYN, Segment, Shape, Stamp};
use super::receiver::{FAST_OPEN_PORT, PORT, Programs};

/// How long a run waits for what it expects of the other end.
const PATIENCE: Duration = Duration::from_secs(4);
/// What arrives arrives within this time after the last packet; a queue of packets before it included.
const SETTLE: Duration = Duration::from_millis(350);
/// Runs at once.
pub const WINDOW: usize = 1_000;
/// Source port of crafted clients, the same for all: addresses tell runs apart.
const CLIENT_PORT: u16 = 40_000;

/// One case, once.
pub struct Job {
    pub kind: Kind,
    pub family: Family,
    pub program: Vec<Act>,
    pub payload: Vec<u8>,
}

impl Job {
    pub fn of(case: &Case, family: Family, evil: bool) -> Self {
        Self {
            kind: case.kind,
            family,
            program: case.program(),
            payload: case.payload(evil),
        }
    }
}

/// What came of a job.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the real end's application read.
    pub got: Vec<u8>,
    /// The crafted end's address, which log records about the run carry.
    pub address: IpAddr,
    /// The number of the step whose answer never came.
    pub stuck_at: Option<usize>,
}

pub struct Driver<'a> {
    place: &'a Place,
    sockets: [PacketSocket; 2],
    /// Behind Stopgap, and before it.
    far: Programs,
    near: Programs,
    /// Never repeats: the low half is an address, the rest a port.
    next_run: u32,
    buffer: Vec<u8>,
}

impl<'a> Driver<'a> {
    pub fn new(place: &'a Place) -> Fallible<Self> {
        Ok(Self {
            place,
            sockets: [
                place.raw_socket(Side::Client)?,
                place.raw_socket(Side::Server)?,
            ],
            far: Programs::listening(&place.lab.far())?,
            near: Programs::connecting(&place.lab.client())?,
            next_run: 1,
            buffer: vec![0; 1 << 17],
        })
    }

    /// Runs all jobs, [`WINDOW`] at a time; `progress` hears how many are done.
    pub fn run(&mut self, jobs: &[Job], mut progress: impl FnMut(usize)) -> Fallible<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(jobs.len());
        for batch in jobs.chunks(WINDOW) {
            outcomes.extend(self.batch(batch)?);
            progress(outcomes.len());
        }
        Ok(outcomes)
    }

    fn batch(&mut self, jobs: &[Job]) -> Fallible<Vec<Outcome>> {
        let mut runs: Vec<Run> = jobs.iter().map(|job| self.begin(job)).collect();
        let by_address: HashMap<IpAddr, usize> = runs
            .iter()
            .enumerate()
            .map(|(at, run)| (run.path.local.0, at))
            .collect();
        let mut ready: VecDeque<usize> = (0..runs.len()).collect();
        let mut looked_at_clocks = Instant::now();
        loop {
            while let Some(at) = ready.pop_front() {
                let run = &mut runs[at];
                let again = run.go(&self.sockets[side_index(run.side)], &self.near)?;
                if again {
                    ready.push_back(at);
                }
                if ready.len().is_multiple_of(16) {
                    self.listen(&mut runs, &by_address, &mut ready, Duration::ZERO)?;
                }
            }
            self.listen(&mut runs, &by_address, &mut ready, Duration::from_millis(1))?;
            if looked_at_clocks.elapsed() >= Duration::from_millis(3) {
                looked_at_clocks = Instant::now();
                for (at, run) in runs.iter_mut().enumerate() {
                    if run.time_passed(looked_at_clocks) {
                        ready.push_back(at);
                    }
                }
            }
            if ready.is_empty() && runs.iter().all(|run| run.waiting == Waiting::Over) {
                break;
            }
        }
        std::thread::sleep(SETTLE);
        let outcomes = runs
            .iter()
            .map(|run| Outcome {
                got: self.programs(run.side).got(run.path.local.0),
                address: run.path.local.0,
                stuck_at: run.stuck_at,
            })
            .collect();
        self.far.clear();
        self.near.clear();
        Ok(outcomes)
    }

    fn programs(&self, crafted: Side) -> &Programs {
        match crafted {
            Side::Client => &self.far,
            Side::Server => &self.near,
        }
    }

    fn begin<'j>(&mut self, job: &'j Job) -> Run<'j> {
        let number = self.next_run as u16;
        let lap = (self.next_run >> 16) as u16;
        // The first and the last address of each /24 are left out, for those who think them special.
        self.next_run += if number & 0xff == 0xfe { 3 } else { 1 };
        let side = job.kind.side();
        let local = Place::crafted_address(side, job.family, number);
        let (local_port, remote_port) = match job.kind {
            Kind::FastOpen => (CLIENT_PORT + lap, FAST_OPEN_PORT),
            Kind::Peer => (PORT + lap, 0),
            _ => (CLIENT_PORT + lap, PORT),
        };
        let path = Path {
            local: (local, local_port),
            remote: (self.place.peer_address(side, job.family), remote_port),
            macs: Place::macs(side),
        };
        Run {
            job,
            side,
            path,
            cursor: 0,
            waiting: Waiting::No,
            stuck_at: None,
            base: 0x1000_0000 + (u32::from(number) << 12),
            wanted: 0,
            acked: 0,
            sent_end: 0,
            stamp: None,
            peer_stamp: 0,
            next_id: 0x100,
            heard: Vec::new(),
        }
    }

    /// Takes in what has come.
    fn listen(
        &mut self,
        runs: &mut [Run],
        by_address: &HashMap<IpAddr, usize>,
        ready: &mut VecDeque<usize>,
        within: Duration,
    ) -> Fallible<()> {
        let mut within = within;
        for socket in &self.sockets {
            while let Some(length) = socket.receive(&mut self.buffer, within)? {
                within = Duration::ZERO;
                let Some(heard) = packet::heard(&self.buffer[..length]) else {
                    continue;
                };
                if let Some(&at) = by_address.get(&heard.to)
                    && runs[at].take(&heard)
                {
                    ready.push_back(at);
                }
            }
            within = Duration::ZERO;
        }
        Ok(())
    }
}

const fn side_index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    No,
    Until(Instant),
    /// For a segment of these flags.
    Flags(u8, Instant),
    Acked(i64, Instant),
    Over,
}

struct Run<'j> {
    job: &'j Job,
    side: Side,
    path: Path,
    cursor: usize,
    waiting: Waiting,
    stuck_at: Option<usize>,
    /// Sequence number of the stream's first byte.
    base: u32,
    /// Sequence number wanted next from the other end.
    wanted: u32,
    acked: i64,
    sent_end: i64,
    /// The timestamp sent last, where the connection has them.
    stamp: Option<u32>,
    peer_stamp: u32,
    next_id: u32,
    /// Flags of segments that came and that no step waited for yet.
    heard: Vec<u8>,
}

/// Of a segment's flags, those a step can wait for.
const TOLD: u8 = 0x17;

impl Run<'_> {
    /// Goes on until it must wait; whether only to let others have their turn.
    fn go(&mut self, socket: &PacketSocket, near: &Programs) -> Fallible<bool> {
        if self.waiting != Waiting::No {
            return Ok(false);
        }
        for _ in 0..8 {
            let Some(act) = self.job.program.get(self.cursor) else {
                self.waiting = Waiting::Over;
                return Ok(false);
            };
            self.cursor += 1;
            let patience = Instant::now() + PATIENCE;
            match act {
                Act::Isn(isn) => self.base = isn.wrapping_add(1),
                Act::IsnForward(by) => {
                    self.base = self.base.wrapping_add(*by);
                    self.sent_end = 0;
                    self.acked = 0;
                }
                Act::Segment(segment) => self.segment(segment, socket)?,
                Act::Datagram(data, shape) => {
                    let data = packet::bytes_of(data, &self.job.payload);
                    let datagram = packet::udp(&self.path, shape, &data);
                    self.transmit(packet::protocol_of_udp(), &datagram, shape, socket)?;
                }
                Act::TooBig => {
                    let message = packet::too_big(&self.path);
                    let shape = Shape::default();
                    self.transmit(packet::protocol_of_icmp(), &message, &shape, socket)?;
                }
                Act::Connect => {
                    near.connect(SocketAddr::from(self.path.local));
                    self.waiting = Waiting::Flags(SYN, patience);
                }
                Act::Expect(flags) => self.waiting = Waiting::Flags(flags & TOLD, patience),
                Act::Acked(count) => self.waiting = Waiting::Acked(*count, patience),
                Act::Wait(time) => {
                    self.waiting = Waiting::Until(Instant::now() + *time);
                    // An ordinary clock ticks by the millisecond; all else happens within one.
                    self.stamp = self.stamp.map(|s| s.wrapping_add(time.as_millis() as u32));
                }
            }
            self.look_whether_it_came();
            if self.waiting != Waiting::No {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn segment(&mut self, segment: &Segment, socket: &PacketSocket) -> Fallible<()> {
        let at = segment.at.unwrap_or(self.sent_end);
        let data = packet::bytes_of(&segment.data, &self.job.payload);
        if segment.opens {
            if let Stamp::Absolute(value) = segment.shape.timestamp {
                self.stamp = Some(value);
            }
        } else {
            self.sent_end = self.sent_end.max(at + data.len() as i64);
        }
        let numbers = Numbers {
            flags: segment.flags,
            sequence: self.base.wrapping_add(at as u32),
            ack: self.wanted,
            stamp: self.stamp.map(|value| (value, self.peer_stamp)),
            opens: segment.opens,
        };
        let bytes = packet::tcp(&self.path, &numbers, &segment.shape, &data);
        self.transmit(packet::protocol_of_tcp(), &bytes, &segment.shape, socket)
    }

    fn transmit(
        &mut self,
        protocol: u8,
        transport: &[u8],
        shape: &Shape,
        socket: &PacketSocket,
    ) -> Fallible<()> {
        self.next_id += 1;
        let trailer = packet::bytes_of(&shape.trailer, &self.job.payload);
        for frame in packet::frames(
            &self.path,
            protocol,
            transport,
            shape,
            self.next_id,
            &trailer,
        ) {
            socket.send(&frame)?;
        }
        Ok(())
    }

    /// Whether the run can go on by this segment.
    fn take(&mut self, heard: &Heard) -> bool {
        if self.side == Side::Server {
            self.path.remote.1 = heard.from_port;
        } else if heard.from_port != self.path.remote.1 || heard.to_port != self.path.local.1 {
            return false;
        }
        if let Some(stamp) = heard.stamp {
            self.peer_stamp = stamp;
        }
        let end = heard
            .sequence
            .wrapping_add(heard.length)
            .wrapping_add(packet::takes_sequence(heard.flags));
        if heard.flags & SYN != 0
            || (end.wrapping_sub(self.wanted) as i32) > 0 && heard.flags & RST == 0
        {
            self.wanted = end;
        }
        if heard.flags & ACK != 0 {
            let acked = i64::from(heard.ack.wrapping_sub(self.base) as i32);
            self.acked = self.acked.max(acked);
        }
        self.heard.push(heard.flags & TOLD);
        self.look_whether_it_came();
        self.waiting == Waiting::No
    }

    fn look_whether_it_came(&mut self) {
        match self.waiting {
            Waiting::Flags(flags, _) => {
                if let Some(at) = self.heard.iter().position(|&f| f & !0x08 == flags) {
                    self.heard.drain(..=at);
                    self.waiting = Waiting::No;
                }
            }
            Waiting::Acked(count, _) if self.acked >= count => self.waiting = Waiting::No,
            _ => {}
        }
    }

    /// Whether the run can go on since a time has come.
    fn time_passed(&mut self, now: Instant) -> bool {
        match self.waiting {
            Waiting::Until(time) if now >= time => {
                self.waiting = Waiting::No;
                true
            }
            Waiting::Flags(_, time) | Waiting::Acked(_, time) if now >= time => {
                self.stuck_at = Some(self.cursor - 1);
                self.waiting = Waiting::Over;
                false
            }
            _ => false,
        }
    }
}
