//! One Linux host: a listener or a client, its connection, and what its application did.

use super::queue::OutOfOrder;
use super::random::Random;
use super::segment::{ACK, FIN, Options, RST, SYN, Segment, Side, after, before};

/// Where kernels and their settings differ.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// `tcp_fastopen=0x203`: the server takes the data of a SYN without asking for a cookie.
    pub fast_open: bool,
    pub timestamps: bool,
    pub sack: bool,
    pub window_scale: Option<u8>,
    /// Bytes that the receive buffer takes; its application reads at once.
    pub receive_buffer: u32,
    /// Before 6.17, and with an empty receive queue, a segment that begins in the window may end beyond it.
    pub takes_beyond_window: bool,
    /// Header prediction: data in order with an old ACK is taken before the ACK is looked at.
    pub predicts: bool,
    /// From 6.15 on, a request wants an echo of a timestamp that it sent.
    pub checks_echo: bool,
}

impl Kernel {
    pub fn random(random: &mut Random) -> Self {
        let scale = random.below(4) as u8;
        Self {
            fast_open: random.chance(25),
            timestamps: random.chance(50),
            sack: random.chance(80),
            window_scale: random.chance(60).then_some(scale),
            receive_buffer: random.pick(&[40, 300, 4_000, 60_000, 200_000]),
            takes_beyond_window: random.chance(70),
            predicts: random.chance(30),
            checks_echo: random.chance(50),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The client before its SYN; either end after a reset.
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    /// Both FINs were sent and acknowledged.
    Done,
}

#[derive(Clone, Debug)]
pub struct Host {
    pub side: Side,
    pub kernel: Kernel,
    pub state: State,
    random: Random,
    /// Chooses initial sequence numbers so that the streams of two connections overlap.
    pub overlaps: bool,

    pub iss: u32,
    pub snd_una: u32,
    /// Behind the highest byte sent.
    pub snd_nxt: u32,
    /// Right edge of what the peer lets us send.
    pub snd_limit: u32,
    snd_scale: u8,
    pub max_window: u32,
    /// What the application sends.
    pub data: Vec<u8>,
    pub fin_sent: bool,

    pub irs: u32,
    pub rcv_nxt: u32,
    /// `rcv_nxt` when the window was last told.
    pub rcv_wup: u32,
    /// Right edge of the window that was told.
    pub rcv_limit: u32,
    rcv_scale: u8,
    /// RFC 7323 section 2.2: both ends scale or none.
    scales: bool,
    pub ts_ok: bool,
    pub sack_ok: bool,
    pub ts_recent: u32,
    /// The newest timestamp that the peer said it remembers.
    pub ts_echoed: Option<u32>,
    /// Timestamps of the first and the last SYN-ACK sent.
    pub ts_answered: Option<(u32, u32)>,
    pub fast_opened: bool,
    pub queue: OutOfOrder,
    pub urgent_at: Option<u32>,
    /// What the application read of this connection.
    pub read: Vec<u8>,
    /// The peer's FIN was taken.
    pub eof: bool,
    /// A reset was taken.
    pub was_reset: bool,
    /// Segments on their way out.
    pub outbox: Vec<Segment>,
}

impl Host {
    pub fn new(side: Side, kernel: Kernel, data: Vec<u8>, random: Random) -> Self {
        Self {
            side,
            kernel,
            state: if side == Side::Server {
                State::Listen
            } else {
                State::Closed
            },
            random,
            overlaps: false,
            iss: 0,
            snd_una: 0,
            snd_nxt: 0,
            snd_limit: 0,
            snd_scale: 0,
            max_window: 0,
            data,
            fin_sent: false,
            irs: 0,
            rcv_nxt: 0,
            rcv_wup: 0,
            rcv_limit: 0,
            rcv_scale: 0,
            scales: false,
            ts_ok: false,
            sack_ok: false,
            ts_recent: 0,
            ts_echoed: None,
            ts_answered: None,
            fast_opened: false,
            queue: OutOfOrder::default(),
            urgent_at: None,
            read: Vec::new(),
            eof: false,
            was_reset: false,
            outbox: Vec::new(),
        }
    }

    /// Forgets a connection and draws an initial sequence number for the next.
    pub fn begin(&mut self, state: State) {
        self.iss = match self.random.below(10) {
            // The sequence space ends in the middle of the stream (E30).
            0..3 => u32::MAX - self.random.below(200),
            3..5 if self.overlaps => self.iss.wrapping_add(self.random.below(60)),
            _ => self.random.next() as u32,
        };
        self.state = state;
        self.snd_una = self.iss;
        self.snd_nxt = self.iss;
        self.snd_limit = self.iss;
        self.snd_scale = 0;
        self.max_window = 0;
        self.fin_sent = false;
        self.rcv_scale = 0;
        self.scales = false;
        self.ts_ok = false;
        self.sack_ok = false;
        self.ts_recent = 0;
        self.ts_echoed = None;
        self.ts_answered = None;
        self.fast_opened = false;
        self.queue.clear();
        self.urgent_at = None;
        self.read.clear();
        self.eof = false;
        self.was_reset = false;
    }

    /// The sequence number of the first byte.
    pub fn first(&self) -> u32 {
        self.iss.wrapping_add(1)
    }

    /// Bytes sent so far.
    pub fn sent(&self) -> usize {
        let behind = self.snd_nxt.wrapping_sub(self.first()) as usize;
        if self.snd_nxt == self.iss {
            0
        } else {
            behind - usize::from(self.fin_sent)
        }
    }

    pub fn is_synchronised(&self) -> bool {
        self.state == State::Established
    }

    /// The client's SYN, with data where it opens fast.
    pub fn connect(&mut self, now: u32, fast_open_bytes: usize) {
        self.begin(State::SynSent);
        let bytes = self.data[..fast_open_bytes.min(self.data.len())].to_vec();
        self.snd_nxt = self.first().wrapping_add(bytes.len() as u32);
        let mut syn = self.syn(SYN, now);
        syn.options.fast_open = !bytes.is_empty();
        syn.payload = bytes;
        self.outbox.push(syn);
    }

    pub fn syn(&mut self, flags: u8, now: u32) -> Segment {
        let answers = flags & ACK != 0;
        let mut syn = Segment::new(self.side, flags, self.iss, 0);
        syn.window = self.kernel.receive_buffer.min(65_535) as u16;
        let timestamps = self.kernel.timestamps && (!answers || self.ts_ok);
        syn.options = Options {
            window_scale: self.kernel.window_scale.filter(|_| !answers || self.scales),
            sack_permitted: self.kernel.sack && (!answers || self.sack_ok),
            timestamps: timestamps.then_some((now, self.ts_recent)),
            ..Options::default()
        };
        if answers {
            let first = self.ts_answered.map_or(now, |(first, _)| first);
            self.ts_answered = Some((first, now));
            syn.ack = self.rcv_nxt;
            self.rcv_wup = self.rcv_nxt;
            self.rcv_limit = self.rcv_nxt.wrapping_add(u32::from(syn.window));
        }
        syn
    }

    /// Takes over what the peer's SYN offers, if we do.
    pub fn negotiate(&mut self, syn: &Segment) {
        let scales = self.kernel.window_scale.zip(syn.options.window_scale);
        self.scales = scales.is_some();
        (self.rcv_scale, self.snd_scale) = scales.unwrap_or((0, 0));
        self.sack_ok = self.kernel.sack && syn.options.sack_permitted;
        let timestamps = syn.options.timestamps;
        self.ts_ok = self.kernel.timestamps && timestamps.is_some();
        self.ts_recent = timestamps.map_or(0, |(value, _)| value);
        self.max_window = u32::from(syn.window);
    }

    /// RFC 7323 section 2.2: the window of a SYN is not scaled.
    pub fn hear_window(&mut self, segment: &Segment) {
        let scale = if segment.has(SYN) { 0 } else { self.snd_scale };
        let window = u32::from(segment.window) << scale;
        self.max_window = self.max_window.max(window);
        let limit = segment.ack.wrapping_add(window);
        if after(limit, self.snd_limit) {
            self.snd_limit = limit;
        }
    }

    /// A segment of the connection; tells the window.
    pub fn segment(&mut self, flags: u8, seq: u32, payload: &[u8], now: u32) -> Segment {
        let mut segment = Segment::new(self.side, flags | ACK, seq, self.rcv_nxt);
        let window = (self.kernel.receive_buffer >> self.rcv_scale).min(65_535);
        segment.window = window as u16;
        segment.options.timestamps = self.ts_ok.then_some((now, self.ts_recent));
        segment.payload = payload.to_vec();
        self.rcv_wup = self.rcv_nxt;
        let limit = self.rcv_nxt.wrapping_add(window << self.rcv_scale);
        if after(limit, self.rcv_limit) {
            self.rcv_limit = limit;
        }
        segment
    }

    pub fn acknowledge(&mut self, now: u32) {
        let ack = self.segment(0, self.snd_nxt, &[], now);
        self.outbox.push(ack);
    }

    /// New bytes, or the FIN when there are none left; whether there was something to send.
    pub fn send_new(&mut self, most: usize, now: u32) -> bool {
        if !self.is_synchronised() || self.fin_sent {
            return false;
        }
        let from = self.sent();
        let room = self.snd_limit.wrapping_sub(self.snd_nxt) as i32;
        let length = most
            .min(self.data.len() - from)
            .min(usize::try_from(room).unwrap_or(0));
        let finishes = from + length == self.data.len();
        if length == 0 && !finishes {
            return false;
        }
        let bytes = self.data[from..from + length].to_vec();
        let fin = if finishes { FIN } else { 0 };
        let segment = self.segment(fin, self.snd_nxt, &bytes, now);
        self.snd_nxt = segment.end();
        self.fin_sent |= finishes;
        self.outbox.push(segment);
        true
    }

    /// Something that was sent and is not acknowledged, cut anew.
    pub fn retransmit(&mut self, skip: usize, most: usize, now: u32) -> bool {
        match self.state {
            State::SynSent => {
                // Linux resends the SYN without its data.
                let syn = self.syn(SYN, now);
                self.outbox.push(syn);
                return true;
            }
            State::SynReceived => {
                let syn = self.syn(SYN | ACK, now);
                self.outbox.push(syn);
                return true;
            }
            State::Established => {}
            State::Closed | State::Listen | State::Done => return false,
        }
        if self.snd_una == self.snd_nxt || before(self.snd_una, self.first()) {
            return false;
        }
        let acked = self.snd_una.wrapping_sub(self.first()) as usize;
        let from = (acked + skip).min(self.sent());
        let length = most.min(self.sent() - from);
        let fin = self.fin_sent && from + length == self.sent();
        let bytes = self.data[from..from + length].to_vec();
        let seq = self.first().wrapping_add(from as u32);
        if bytes.is_empty() && !fin {
            return false;
        }
        let segment = self.segment(if fin { FIN } else { 0 }, seq, &bytes, now);
        self.outbox.push(segment);
        true
    }

    /// The application closes with data unread: a reset.
    pub fn abort(&mut self, now: u32) {
        let reset = self.segment(RST, self.snd_nxt, &[], now);
        self.outbox.push(reset);
        self.lose_connection();
        self.was_reset = false;
    }

    pub fn lose_connection(&mut self) {
        self.was_reset = true;
        self.queue.clear();
        self.state = match self.side {
            Side::Client => State::Closed,
            Side::Server => State::Listen,
        };
    }

    /// Own FIN acknowledged and the peer's taken.
    pub fn finish_if_over(&mut self) {
        if self.eof && self.fin_sent && self.snd_una == self.snd_nxt {
            self.state = State::Done;
        }
    }

    /// All that a segment could have changed.
    pub fn fingerprint(&self) -> impl PartialEq + use<> {
        (
            (self.state, self.iss, self.irs, self.snd_una, self.snd_nxt),
            (self.rcv_nxt, self.ts_recent, self.urgent_at, self.eof),
            (self.queue.len(), self.queue.highest_end(), self.was_reset),
            (self.read.len(), self.snd_limit),
        )
    }
}
