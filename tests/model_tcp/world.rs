//! Two hosts, the engine between them, and a bad path before and behind it.

use std::collections::VecDeque;

use stopgap::stream::Normaliser;

use super::host::{Host, Kernel, State};
use super::hostile;
use super::middle::{Inspected, Middle};
use super::random::Random;
use super::segment::{ACK, HOPS_BEHIND, RST, SYN, Segment, Side, after};

/// Who means harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    Nobody,
    /// A stranger who sends what its receiver ignores.
    Stranger,
    Client,
    Server,
}

impl Hostility {
    /// Of the engine. What a profile refuses of honest ends, or lets a stranger do, is no
    /// difference: then it is the one that is the default.
    pub fn profile(self, seed: u64) -> Normaliser {
        let profiles: &[Normaliser] = match self {
            Self::Nobody => &[Normaliser::NORMAL, Normaliser::OFF],
            Self::Stranger => &[Normaliser::NORMAL],
            Self::Client | Self::Server => {
                &[Normaliser::NORMAL, Normaliser::STRICT, Normaliser::OFF]
            }
        };
        Random::of(seed, 0).pick(profiles)
    }

    fn is(self, side: Side) -> bool {
        match self {
            Self::Nobody | Self::Stranger => false,
            Self::Client => side == Side::Client,
            Self::Server => side == Side::Server,
        }
    }
}

/// A difference that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// An application read what was not delivered there before.
    NotInspected { reader: Side, offset: usize },
    /// A segment that its receiver would have taken, of an honest stream.
    HonestRefused { reason: String },
    /// The path lost nothing any more, and the transfer did not end.
    Stuck,
    /// An application read what the other did not send.
    Changed { reader: Side },
}

/// More than this many packets on one leg, and the next is lost.
const LEG_HOLDS: usize = 24;
/// Round trips that an honest transfer may need beyond one a window.
const SPARE_ROUNDS: usize = 8;

/// What honest segments of one sender went behind the engine with.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    timestamp: u32,
    ack: Option<u32>,
}

impl Newest {
    fn pass(&mut self, segment: &Segment) {
        if let Some((value, _)) = segment.options.timestamps {
            self.timestamp = self.timestamp.max(value);
        }
        if segment.has(ACK) && self.ack.is_none_or(|ack| after(segment.ack, ack)) {
            self.ack = Some(segment.ack);
        }
    }

    /// Whether one that went before makes this one too old for its receiver. If that was lost
    /// behind the engine, its receiver would take this one; but then it comes again.
    fn overtook(&self, segment: &Segment, reason: &str) -> bool {
        match reason {
            "stream_old_timestamp" => {
                let value = segment.options.timestamps.map(|(value, _)| value);
                value.is_some_and(|value| value < self.timestamp)
            }
            "stream_invalid_ack" => self.ack.is_some_and(|ack| after(ack, segment.ack)),
            _ => false,
        }
    }
}

pub struct World<'a> {
    hostility: Hostility,
    hosts: [Host; 2],
    middle: &'a mut dyn Middle,
    /// On their way to the engine and from it to the other end, by sender.
    to_engine: [VecDeque<Segment>; 2],
    from_engine: [VecDeque<Segment>; 2],
    loss: u32,
    disorder: u32,
    doubling: u32,
    now: u32,
    /// A stranger's segment was taken: what becomes of the connection is no fault of the engine.
    meddled: bool,
    checked: [usize; 2],
    newest: [Newest; 2],
    /// The sequence number of the last SYN that was forwarded, by sender.
    announced: [Option<u32>; 2],
    /// Given to the engine.
    pub segments: u64,
    pub refused: u64,
    /// Bytes that applications read.
    pub read: u64,
    pub trace: Option<Vec<String>>,
}

impl<'a> World<'a> {
    pub fn new(hostility: Hostility, seed: u64, middle: &'a mut dyn Middle) -> Self {
        let mut random = Random::new(seed);
        let hosts = Side::BOTH.map(|side| {
            let kernel = Kernel::random(&mut random);
            let length = random.pick(&[0, 30, 200, 600]);
            let data = random.bytes(length);
            let mut host = Host::new(side, kernel, data, Random::new(random.next()));
            host.overlaps = hostility.is(side);
            host
        });
        Self {
            hostility,
            hosts,
            middle,
            to_engine: Default::default(),
            from_engine: Default::default(),
            loss: random.pick(&[0, 2, 10, 30]),
            disorder: random.pick(&[0, 5, 20, 50]),
            doubling: random.pick(&[0, 1, 10]),
            now: 1_000_000,
            meddled: false,
            checked: [0; 2],
            newest: Default::default(),
            announced: [None; 2],
            segments: 0,
            refused: 0,
            read: 0,
            trace: None,
        }
    }

    /// One event; which one, and everything random in it, is `random`'s.
    pub fn step(&mut self, random: &mut Random) -> Result<(), Difference> {
        self.now += random.below(3);
        let side = random.pick(&Side::BOTH);
        let hostile = self.hostility != Hostility::Nobody;
        match random.below(100) {
            0..36 if self.leg_moves(true, side, random)? => Ok(()),
            36..72 if self.leg_moves(false, side, random)? => Ok(()),
            72..84 if hostile => {
                self.craft(random);
                Ok(())
            }
            _ => {
                self.act(side, random);
                Ok(())
            }
        }
    }

    /// Nothing is lost any more: an honest transfer must end.
    pub fn drain(&mut self) -> Result<(), Difference> {
        let honest = matches!(self.hostility, Hostility::Nobody | Hostility::Stranger);
        if !honest {
            return Ok(());
        }
        let smallest = self.hosts.iter().map(|h| h.kernel.receive_buffer).min();
        let most = self.hosts.iter().map(|h| h.data.len()).max();
        let windows = most.unwrap_or(0) / smallest.unwrap_or(1).max(1) as usize;
        for _ in 0..SPARE_ROUNDS + 2 * windows {
            for side in Side::BOTH {
                self.now += 1;
                let now = self.now;
                let host = &mut self.hosts[side.index()];
                if side == Side::Client && host.state == State::Closed && !host.was_reset {
                    host.connect(now, 0);
                }
                host.retransmit(0, usize::MAX, now);
                host.send_new(usize::MAX, now);
                self.flush(side);
            }
            for _ in 0..20 {
                for side in Side::BOTH {
                    while self.leg_in_order(side)? {}
                }
            }
            if self.is_complete() {
                return Ok(());
            }
        }
        if self.meddled {
            return Ok(());
        }
        self.note(|w| format!("stuck: {:?}", w.hosts.each_ref().map(|h| h.state)));
        Err(Difference::Stuck)
    }

    fn leg_in_order(&mut self, side: Side) -> Result<bool, Difference> {
        self.now += 1;
        if let Some(segment) = self.to_engine[side.index()].pop_front() {
            self.judge(segment, false)?;
            return Ok(true);
        }
        match self.from_engine[side.index()].pop_front() {
            Some(segment) => self.arrive(&segment).map(|()| true),
            None => Ok(false),
        }
    }

    fn is_complete(&self) -> bool {
        Side::BOTH.iter().all(|side| {
            let host = &self.hosts[side.index()];
            let peer = &self.hosts[side.peer().index()];
            host.eof && host.read == peer.data && host.snd_una == host.snd_nxt
        })
    }

    /// Whether a packet was there to move.
    fn leg_moves(
        &mut self,
        before_engine: bool,
        side: Side,
        random: &mut Random,
    ) -> Result<bool, Difference> {
        let legs = if before_engine {
            &mut self.to_engine
        } else {
            &mut self.from_engine
        };
        let leg = &mut legs[side.index()];
        if leg.is_empty() {
            return Ok(false);
        }
        let index = if random.chance(self.disorder) {
            random.below(leg.len() as u32) as usize
        } else {
            0
        };
        let segment = if random.chance(self.doubling) {
            leg.get(index).cloned()
        } else {
            leg.remove(index)
        };
        let Some(segment) = segment else {
            return Ok(false);
        };
        let lost = random.chance(self.loss);
        if before_engine {
            if !lost {
                // The leg behind may lose it at once; then its receiver never sees it.
                let lost_behind = random.chance(self.loss);
                self.judge(segment, lost_behind)?;
            }
        } else if !lost {
            self.arrive(&segment)?;
        }
        Ok(true)
    }

    fn judge(&mut self, mut segment: Segment, lost_behind: bool) -> Result<(), Difference> {
        self.segments += 1;
        let from = segment.from.index();
        let judged = self.middle.judge(&mut segment);
        if self.trace.is_some() {
            self.note(|_| match &judged {
                Ok(()) => format!("{segment}"),
                Err(reason) => format!("{segment} | refused: {reason}"),
            });
        }
        if let Err(reason) = judged {
            self.refused += 1;
            return if self.refusal_is_missed(&segment, &reason) {
                Err(Difference::HonestRefused { reason })
            } else {
                Ok(())
            };
        }
        if segment.crafted {
            self.note_meddling(&segment);
        } else {
            self.newest[from].pass(&segment);
            if segment.has(SYN) {
                self.announced[from] = Some(segment.seq);
            }
        }
        if segment.ttl <= HOPS_BEHIND || lost_behind || self.from_engine[from].len() >= LEG_HOLDS {
            return Ok(());
        }
        self.from_engine[from].push_back(segment);
        Ok(())
    }

    /// Whether an honest segment was refused that its receiver would have taken.
    fn refusal_is_missed(&self, segment: &Segment, reason: &str) -> bool {
        let honest = matches!(self.hostility, Hostility::Nobody | Hostility::Stranger);
        if !honest || segment.crafted || self.meddled {
            return false;
        }
        // A stranger made one end send this; both ends are better without it.
        if self.hostility == Hostility::Stranger && segment.has(RST) {
            return false;
        }
        // It comes again, behind the segment that completes the handshake.
        if reason == "stream_cookie_start" {
            return false;
        }
        if self.newest[segment.from.index()].overtook(segment, reason) {
            return false;
        }
        self.hosts[segment.from.peer().index()].would_take(segment, self.now)
    }

    /// Whatever the path does with it then, this one was not to be ignored.
    fn note_meddling(&mut self, segment: &Segment) {
        let receiver = &self.hosts[segment.from.peer().index()];
        if self.hostility == Hostility::Stranger
            && !self.meddled
            && segment.ttl > HOPS_BEHIND
            && receiver.would_take(segment, self.now)
        {
            self.meddled = true;
            self.note(|_| "    to be taken: the stranger meddles".to_owned());
        }
    }

    fn arrive(&mut self, segment: &Segment) -> Result<(), Difference> {
        let side = segment.from.peer();
        let now = self.now;
        let host = &mut self.hosts[side.index()];
        // Nobody can answer a SYN that did not pass; it would have to be guessed.
        if host.state == State::SynSent && self.announced[side.index()] != Some(host.iss) {
            return Ok(());
        }
        let before = host.fingerprint();
        host.receive(segment, now);
        let took = host.fingerprint() != before;
        let was_reset = host.was_reset;
        if self.hostility == Hostility::Stranger && (was_reset || (took && segment.crafted)) {
            self.meddled = true;
        }
        if self.trace.is_some() {
            self.note(|w| {
                let read = w.hosts[side.index()].read.len();
                let what = if took { "takes" } else { "ignores" };
                format!("    {side:?} {what} {segment} (read {read})")
            });
        }
        self.check_read(side)?;
        self.flush(side);
        Ok(())
    }

    /// Every byte that the application read was delivered, at the same place.
    fn check_read(&mut self, reader: Side) -> Result<(), Difference> {
        // Who means harm may read what he likes.
        if self.hostility.is(reader) {
            return Ok(());
        }
        let host = &self.hosts[reader.index()];
        let sender = reader.peer();
        let checked = &mut self.checked[reader.index()];
        if host.read.len() < *checked {
            *checked = 0;
        }
        if host.read.len() == *checked {
            return Ok(());
        }
        let from = *checked;
        let new = &host.read[from..];
        let isn_of = |side: Side| if side == reader { host.iss } else { host.irs };
        let agreeing = |delivered: &[Inspected]| {
            let there = delivered.get(from..).unwrap_or_default();
            let pairs = new.iter().zip(there);
            pairs
                .take_while(|(read, seen)| Inspected::from(**read) == **seen)
                .count()
        };
        let candidates = self.middle.connections().iter().rev();
        let best = candidates
            .filter(|c| c.isn == isn_of(c.opener))
            .map(|c| agreeing(&c.delivered[sender.index()]))
            .max();
        let best = best.unwrap_or(0);
        if best < new.len() {
            return Err(Difference::NotInspected {
                reader,
                offset: from + best,
            });
        }
        *checked = host.read.len();
        self.read += new.len() as u64;
        let honest = self.hostility == Hostility::Nobody;
        if honest && !self.hosts[sender.index()].data.starts_with(&host.read) {
            return Err(Difference::Changed { reader });
        }
        Ok(())
    }

    fn act(&mut self, side: Side, random: &mut Random) {
        let now = self.now;
        let attacked = !matches!(self.hostility, Hostility::Nobody | Hostility::Stranger);
        let host = &mut self.hosts[side.index()];
        let most = 1 + random.below(64) as usize;
        match host.state {
            State::Closed | State::Done if side == Side::Client => {
                let again = attacked && random.chance(20);
                if host.state == State::Closed && !host.was_reset || again {
                    let early = if random.chance(15) { most } else { 0 };
                    host.connect(now, early);
                }
            }
            State::Established => match random.below(20) {
                0..10 => {
                    host.send_new(most, now);
                }
                10..16 => {
                    let skip = random.pick(&[0, 0, random.clone().below(80) as usize]);
                    host.retransmit(skip, most, now);
                }
                16..18 => host.acknowledge(now),
                18 if random.chance(20) => host.queue.forget_last(),
                _ if attacked && random.chance(10) => host.abort(now),
                _ => {}
            },
            _ => {
                host.retransmit(0, most, now);
            }
        }
        self.flush(side);
    }

    fn craft(&mut self, random: &mut Random) {
        let side = match self.hostility {
            Hostility::Nobody => return,
            // Nobody knows of a connection before its SYN.
            // Nobody knows of a connection before its SYN.
            Hostility::Stranger if self.middle.connections().is_empty() => return,
            Hostility::Stranger => random.pick(&Side::BOTH),
            Hostility::Client => Side::Client,
            Hostility::Server => Side::Server,
        };
        let sender = &self.hosts[side.index()];
        let receiver = &self.hosts[side.peer().index()];
        let segment = if self.hostility == Hostility::Stranger {
            hostile::ignored(sender, receiver, self.now, random)
        } else {
            hostile::any(
                sender,
                receiver,
                self.announced[side.peer().index()],
                self.now,
                random,
            )
        };
        self.to_engine[side.index()].push_back(segment);
    }

    fn flush(&mut self, side: Side) {
        let leg = &mut self.to_engine[side.index()];
        for segment in self.hosts[side.index()].outbox.drain(..) {
            if leg.len() < LEG_HOLDS {
                leg.push_back(segment);
            }
        }
    }

    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            self.trace.get_or_insert_default().push(line);
        }
    }
}
