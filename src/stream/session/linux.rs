//! A model of a Linux server's TCP, as far as the cases need it: what its application reads.
//!
//! Written from what that receiver was seen to do (`tcp_input.c`, `tcp_minisocks.c` of 6.x), and
//! from nothing in the engine.

use crate::decode::TcpFlags;

const WINDOW: u32 = 65_000;

/// A client's segment as it arrives.
#[derive(Clone, Debug)]
pub struct Arriving {
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u32,
    pub timestamp: Option<(u32, u32)>,
    pub md5: bool,
    pub urgent: u16,
    pub payload: Vec<u8>,
}

/// What the server sends back: never data of its own.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub timestamp: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listen,
    SynReceived,
    Established,
    Reset,
}

#[derive(Debug)]
pub struct Server {
    state: State,
    /// Takes data in a SYN (sysctl `tcp_fastopen` 0x200).
    pub fast_open: bool,
    isn: u32,
    peer_isn: u32,
    next: u32,
    acked: u32,
    queue: Vec<(u32, Vec<u8>, bool)>,
    pub application: Vec<u8>,
    pub ended: bool,
    timestamps: bool,
    recent: u32,
    clock: u32,
    largest_window: u32,
    urgent: Vec<u32>,
    /// Connections so far.
    pub connections: u32,
}

fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Server {
    pub fn new(fast_open: bool) -> Self {
        Self {
            state: State::Listen,
            fast_open,
            isn: 5000,
            peer_isn: 0,
            next: 0,
            acked: 0,
            queue: Vec::new(),
            application: Vec::new(),
            ended: false,
            timestamps: false,
            recent: 0,
            clock: 70_000,
            largest_window: 0,
            urgent: Vec::new(),
            connections: 0,
        }
    }

    pub fn take(&mut self, s: &Arriving) -> Option<Answer> {
        self.clock += 1;
        let has = |bits: u8| s.flags & bits == bits;
        match self.state {
            State::Listen | State::Reset => {
                let refused = TcpFlags::ACK | TcpFlags::RST | TcpFlags::FIN;
                if !has(TcpFlags::SYN) || s.flags & refused != 0 || s.md5 {
                    return None;
                }
                self.open(s);
                Some(self.answer(TcpFlags::SYN | TcpFlags::ACK))
            }
            State::SynReceived => self.complete(s),
            State::Established => self.established(s),
        }
    }

    fn open(&mut self, s: &Arriving) {
        let takes_data = self.fast_open && !s.payload.is_empty();
        self.state = if takes_data {
            State::Established
        } else {
            State::SynReceived
        };
        self.connections += 1;
        self.isn = self.isn.wrapping_add(1_000_000);
        self.peer_isn = s.seq;
        self.next = s.seq.wrapping_add(1);
        self.queue.clear();
        self.application.clear();
        self.urgent.clear();
        self.ended = false;
        self.timestamps = s.timestamp.is_some();
        self.recent = s.timestamp.map_or(0, |(value, _)| value);
        self.largest_window = s.window;
        if takes_data {
            self.read(s.seq.wrapping_add(1), &s.payload.clone());
        }
        self.acked = self.next;
    }

    fn answer(&mut self, flags: u8) -> Answer {
        self.acked = self.next;
        Answer {
            flags,
            seq: if flags & TcpFlags::SYN != 0 {
                self.isn
            } else {
                self.isn.wrapping_add(1)
            },
            ack: self.next,
            timestamp: self.timestamps.then_some((self.clock, self.recent)),
        }
    }

    fn is_stale(&self, s: &Arriving, tolerated: i32) -> bool {
        self.timestamps
            && self.recent != 0
            && s.timestamp
                .is_some_and(|(value, _)| self.recent.wrapping_sub(value) as i32 > tolerated)
    }

    /// `tcp_check_req`.
    fn complete(&mut self, s: &Arriving) -> Option<Answer> {
        let has = |bits: u8| s.flags & bits == bits;
        let stale = self.is_stale(s, 0);
        let kind = s.flags & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::RST);
        if s.seq == self.peer_isn && kind == TcpFlags::SYN && !stale {
            return Some(self.answer(TcpFlags::SYN | TcpFlags::ACK));
        }
        if s.md5 {
            return None;
        }
        if has(TcpFlags::ACK) && s.ack != self.isn.wrapping_add(1) {
            return None;
        }
        let end = s.seq.wrapping_add(s.payload.len() as u32);
        if stale || before(end, self.next) || !before(s.seq, self.next.wrapping_add(WINDOW)) {
            let challenges = !has(TcpFlags::RST);
            return challenges.then(|| self.answer(TcpFlags::ACK));
        }
        if s.flags & (TcpFlags::RST | TcpFlags::SYN) != 0 {
            self.state = State::Reset;
            return None;
        }
        if !has(TcpFlags::ACK) {
            return None;
        }
        self.state = State::Established;
        self.established(s)
    }

    /// `tcp_rcv_established`, the slow path.
    fn established(&mut self, s: &Arriving) -> Option<Answer> {
        let has = |bits: u8| s.flags & bits == bits;
        let rst = has(TcpFlags::RST);
        if s.md5 {
            return None;
        }
        if self.is_stale(s, 1) && !rst {
            return Some(self.answer(TcpFlags::ACK));
        }
        let length = s.payload.len() as u32 + u32::from(has(TcpFlags::FIN));
        let end = s.seq.wrapping_add(length);
        if before(end, self.acked) || before(self.next.wrapping_add(WINDOW), s.seq) {
            return (!rst).then(|| self.answer(TcpFlags::ACK));
        }
        if rst {
            let edge = self
                .queue
                .iter()
                .map(|(q, b, _)| q.wrapping_add(b.len() as u32));
            let exact = s.seq == self.next || edge.max() == Some(s.seq);
            if exact || self.ended && s.seq == self.next.wrapping_sub(1) {
                self.state = State::Reset;
            }
            return None;
        }
        if has(TcpFlags::SYN) {
            return Some(self.answer(TcpFlags::ACK));
        }
        // It has sent its SYN only, so there is one number to acknowledge.
        if !has(TcpFlags::ACK) || s.ack != self.isn.wrapping_add(1) {
            return None;
        }
        if let Some((value, _)) = s.timestamp
            && !before(self.acked, s.seq)
            && !before(value, self.recent)
        {
            self.recent = value;
        }
        self.largest_window = self.largest_window.max(s.window);
        if has(TcpFlags::URG) {
            let pointer = u32::from(s.urgent).saturating_sub(1);
            self.urgent.push(s.seq.wrapping_add(pointer));
        }
        if length == 0 {
            return None;
        }
        self.data(s.seq, &s.payload, has(TcpFlags::FIN));
        Some(self.answer(TcpFlags::ACK))
    }

    fn data(&mut self, seq: u32, payload: &[u8], fin: bool) {
        let end = seq.wrapping_add(payload.len() as u32 + u32::from(fin));
        if self.ended || !before(self.next, end) {
            return;
        }
        if before(self.next, seq) {
            self.enqueue(seq, payload.to_vec(), fin);
            return;
        }
        self.read(seq, payload);
        self.end_at(end, fin);
        while !self.queue.is_empty() && !self.ended {
            let (seq, ref bytes, fin) = self.queue[0];
            if before(self.next, seq) {
                break;
            }
            let bytes = bytes.clone();
            let end = seq.wrapping_add(bytes.len() as u32 + u32::from(fin));
            self.queue.remove(0);
            if before(self.next, end) {
                self.read(seq, &bytes);
                self.end_at(end, fin);
            }
        }
    }

    fn end_at(&mut self, end: u32, fin: bool) {
        if fin {
            self.next = end;
            self.ended = true;
            self.queue.clear();
        }
    }

    /// The application reads at once, from where it stands; urgent bytes are not in its stream.
    fn read(&mut self, seq: u32, payload: &[u8]) {
        let known = self.next.wrapping_sub(seq) as usize;
        for byte in payload.get(known..).unwrap_or_default() {
            if !self.urgent.contains(&self.next) {
                self.application.push(*byte);
            }
            self.next = self.next.wrapping_add(1);
        }
    }

    /// `tcp_data_queue_ofo`.
    fn enqueue(&mut self, seq: u32, bytes: Vec<u8>, fin: bool) {
        let end_of = |e: &(u32, Vec<u8>, bool)| e.0.wrapping_add(e.1.len() as u32 + u32::from(e.2));
        let new = (seq, bytes, fin);
        let end = end_of(&new);
        let mut at = 0;
        while at < self.queue.len() {
            let old = &self.queue[at];
            if before(seq, old.0) {
                break;
            }
            if before(seq, end_of(old)) {
                if !before(end_of(old), end) {
                    return;
                }
                if seq == old.0 {
                    self.queue.remove(at);
                    break;
                }
            }
            at += 1;
        }
        self.queue.insert(at, new);
        while let Some(old) = self.queue.get(at + 1) {
            if !before(old.0, end) || before(end, end_of(old)) {
                break;
            }
            self.queue.remove(at + 1);
        }
    }
}
