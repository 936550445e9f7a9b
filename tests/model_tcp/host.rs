//! What a Linux host makes of segments, written from `net/ipv4/tcp_input.c`, `tcp_minisocks.c` and
//! `syncookies.c`, and from nothing in the engine. Where Linux versions differ, or memory and timing
//! decide, a run chooses one way by its seed.

use super::segment::{ACK, FIN, RST, SYN, Segment, URG};

/// `a` is before `b` in sequence space.
pub fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Listen,
    SynSent,
    SynReceived,
    Established,
    Closed,
}

/// What differs between hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    /// Keeps nothing of a SYN: the first segment with a valid cookie begins the stream.
    pub cookies: bool,
    /// Takes the data of a SYN (RFC 7413).
    pub fast_open: bool,
    /// Of two copies behind a hole, the later one is read.
    pub later_copy: bool,
    /// Takes a segment that begins in the window and ends beyond it.
    pub beyond_window: bool,
    pub timestamps: bool,
}

#[derive(Debug)]
pub struct Host {
    pub kind: Kind,
    pub state: State,
    pub isn: u32,
    peer_isn: u32,
    pub next: u32,
    pub unacknowledged: u32,
    /// Next sequence number to send.
    pub sent: u32,
    /// What it lets the peer send.
    pub window: u16,
    peer_window: u32,
    timestamps: bool,
    recent: u32,
    pub clock: u32,
    waiting: Vec<Segment>,
    /// What its program read, of the connection it has.
    pub read: Vec<u8>,
    pub peer_ended: bool,
    urgent: Option<u32>,
    /// Connections that were made so far.
    pub connections: u32,
    pub out: Vec<Segment>,
}

/// Indices of the MSS that a cookie can hold: a cookie is valid so far beside its sequence number.
const COOKIE_SLACK: u32 = 3;

impl Host {
    pub fn new(kind: Kind, isn: u32, window: u16) -> Self {
        Self {
            kind,
            state: State::Listen,
            isn,
            peer_isn: 0,
            next: 0,
            unacknowledged: isn,
            sent: isn,
            window,
            peer_window: 0,
            timestamps: false,
            recent: 0,
            clock: 1_000,
            waiting: Vec::new(),
            read: Vec::new(),
            peer_ended: false,
            urgent: None,
            connections: 0,
            out: Vec::new(),
        }
    }

    pub fn connect(&mut self) {
        self.state = State::SynSent;
        self.timestamps = self.kind.timestamps;
        self.sent = self.isn.wrapping_add(1);
        self.emit(SYN, self.isn, Vec::new());
    }

    pub fn emit(&mut self, flags: u8, seq: u32, payload: Vec<u8>) {
        self.clock += 1;
        let ack = if flags & ACK != 0 { self.next } else { 0 };
        self.out.push(Segment {
            flags,
            seq,
            ack,
            window: self.window,
            timestamps: self.timestamps.then_some((self.clock, self.recent)),
            payload,
            ..Segment::default()
        });
    }

    pub fn acknowledge(&mut self) {
        self.emit(ACK, self.sent, Vec::new());
    }

    pub fn receive(&mut self, segment: &Segment) {
        // An unexpected signature is ignored in every state.
        if segment.md5 {
            return;
        }
        match self.state {
            State::Listen => self.listen(segment),
            State::SynSent => self.answered(segment),
            State::SynReceived => self.completed(segment),
            State::Established => self.established(segment),
            State::Closed => {}
        }
    }

    fn listen(&mut self, segment: &Segment) {
        if segment.has(RST) || segment.has(ACK) || !segment.has(SYN) || segment.has(FIN) {
            return;
        }
        self.peer_isn = segment.seq;
        self.next = segment.seq.wrapping_add(1);
        self.peer_window = u32::from(segment.window);
        self.timestamps = self.kind.timestamps && segment.timestamps.is_some();
        self.recent = segment.timestamps.map_or(0, |(value, _)| value);
        self.sent = self.isn.wrapping_add(1);
        self.state = State::SynReceived;
        if self.kind.fast_open && !segment.payload.is_empty() {
            self.connections += 1;
            self.read.extend(&segment.payload);
            self.next = self.next.wrapping_add(segment.payload.len() as u32);
        }
        self.emit(SYN | ACK, self.isn, Vec::new());
    }

    /// The SYN-ACK, seen by the client.
    fn answered(&mut self, segment: &Segment) {
        let acknowledges = segment.has(ACK) && segment.ack == self.sent;
        if segment.has(ACK) && !acknowledges {
            return;
        }
        if segment.has(RST) {
            if acknowledges {
                self.state = State::Closed;
            }
            return;
        }
        if !segment.has(SYN) || !acknowledges {
            return;
        }
        self.peer_isn = segment.seq;
        self.next = segment.seq.wrapping_add(1);
        self.unacknowledged = segment.ack;
        self.peer_window = u32::from(segment.window);
        self.timestamps &= segment.timestamps.is_some();
        self.recent = segment.timestamps.map_or(0, |(value, _)| value);
        self.state = State::Established;
        self.connections += 1;
        self.acknowledge();
    }

    /// A segment for a request that waits for its acknowledgement, or for a cookie.
    fn completed(&mut self, segment: &Segment) {
        let made_by_syn = self.connections > 0;
        if segment.has(SYN) {
            if segment.seq == self.peer_isn && !segment.has(ACK) {
                self.emit(SYN | ACK, self.isn, Vec::new());
            }
            return;
        }
        if self.kind.cookies && !made_by_syn {
            let isn = segment.seq.wrapping_sub(1);
            let distance = isn.wrapping_sub(self.peer_isn.wrapping_sub(COOKIE_SLACK));
            let valid = segment.has(ACK)
                && !segment.has(RST)
                && segment.ack == self.sent
                && distance <= 2 * COOKIE_SLACK;
            if !valid {
                return;
            }
            self.peer_isn = isn;
            self.next = segment.seq;
            self.establish(segment);
            return;
        }
        let far = segment.seq.wrapping_sub(self.next) >= u32::from(self.window);
        let far = far && segment.end() != self.next && !before(segment.seq, self.next);
        if far || before(segment.end(), self.next) || self.is_stale(segment) {
            if !segment.has(RST) {
                self.acknowledge();
            }
            return;
        }
        if segment.has(RST) {
            self.state = State::Closed;
            return;
        }
        if segment.has(ACK) && segment.ack == self.sent {
            self.establish(segment);
        }
    }

    fn establish(&mut self, segment: &Segment) {
        self.state = State::Established;
        self.unacknowledged = self.sent;
        self.connections = self.connections.max(1);
        self.established(segment);
    }

    /// PAWS, with the slack of one (`tcp_paws_check`).
    fn is_stale(&self, segment: &Segment) -> bool {
        self.timestamps
            && segment
                .timestamps
                .is_some_and(|(value, _)| (self.recent.wrapping_sub(value) as i32) > 1)
    }

    fn established(&mut self, segment: &Segment) {
        if self.is_stale(segment) && !segment.has(RST) {
            self.acknowledge();
            return;
        }
        let edge = self.next.wrapping_add(u32::from(self.window));
        let beyond =
            before(edge, segment.seq) || (!self.kind.beyond_window && before(edge, segment.end()));
        if before(segment.end(), self.next) || beyond {
            if !segment.has(RST) {
                self.acknowledge();
            }
            return;
        }
        if segment.has(RST) {
            if segment.seq == self.next {
                self.state = State::Closed;
            } else {
                self.acknowledge();
            }
            return;
        }
        if segment.has(SYN) {
            self.acknowledge();
            return;
        }
        if !segment.has(ACK) {
            return;
        }
        if before(self.sent, segment.ack) {
            return;
        }
        let oldest = self.unacknowledged.wrapping_sub(self.peer_window.max(1));
        if before(segment.ack, oldest) {
            return;
        }
        if before(self.unacknowledged, segment.ack) {
            self.unacknowledged = segment.ack;
        }
        self.peer_window = self.peer_window.max(u32::from(segment.window));
        if let Some((value, _)) = segment.timestamps
            && self.timestamps
            && !before(self.next, segment.seq)
        {
            self.recent = value;
        }
        if segment.has(URG) && segment.urgent > 0 {
            self.urgent = Some(segment.seq.wrapping_add(u32::from(segment.urgent) - 1));
        }
        if segment.payload.is_empty() && !segment.has(FIN) {
            return;
        }
        self.waiting.push(segment.clone());
        self.read_on();
        self.acknowledge();
    }

    fn read_on(&mut self) {
        loop {
            let fits = |s: &Segment| !before(self.next, s.seq) && before(self.next, s.end());
            let found = if self.kind.later_copy {
                self.waiting.iter().rposition(fits)
            } else {
                self.waiting.iter().position(fits)
            };
            let Some(found) = found else {
                break;
            };
            let segment = self.waiting.remove(found);
            if self.peer_ended {
                continue;
            }
            let skip = self.next.wrapping_sub(segment.seq) as usize;
            for (at, byte) in segment.payload.iter().enumerate().skip(skip) {
                let seq = segment.seq.wrapping_add(at as u32);
                if self.urgent != Some(seq) {
                    self.read.push(*byte);
                }
            }
            self.next = segment.end();
            self.peer_ended |= segment.has(FIN);
        }
        let next = self.next;
        self.waiting.retain(|s| before(next, s.end()));
    }
}
