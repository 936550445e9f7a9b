//! One TCP connection, as far as its receiver's view can be told from outside.

use super::Shared;
use super::buffer::NoRoom;
use super::chunk::ChunkPool;
use super::events::{StreamEvent, StreamEvents};
use super::half::Half;
use crate::counters::{Counter, Counters};
use crate::decode::{TcpFlags, TcpHeader};
use crate::direction::Direction;
use crate::verdict::DropReason;

/// Beyond the receiver's window; generous, since windows grow while packets travel.
const WINDOW_SLACK_BYTES: u64 = 1024 * 1024;
const SMALLEST_WINDOW_BYTES: u64 = 64 * 1024;

/// Bytes handed over, in order and once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery<'a> {
    Bytes(&'a [u8]),
    /// The receiver has this many bytes that never passed here.
    Gap(u64),
}

/// What a segment did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentOutcome {
    /// The receiver ignores it, or it must not be let through.
    pub refused: Option<DropReason>,
    /// The server took up a new connection on the same ports: nothing of the old one counts.
    pub restarted: bool,
    pub events: StreamEvents,
}

impl SegmentOutcome {
    const FORWARD: Self = Self {
        refused: None,
        restarted: false,
        events: StreamEvents::NONE,
    };

    fn refuse(reason: DropReason) -> Self {
        let event = match reason {
            DropReason::StreamRetransmitDiffers => {
                Some(StreamEvent::ReassemblyOverlapDifferentData)
            }
            DropReason::StreamBadReset => Some(StreamEvent::RstInvalidAck),
            DropReason::StreamOutOfWindow => Some(StreamEvent::EstPacketOutOfWindow),
            _ => None,
        };
        let mut events = StreamEvents::NONE;
        if let Some(event) = event {
            events.note(event);
        }
        Self {
            refused: Some(reason),
            restarted: false,
            events,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    SynSent,
    SynReceived,
    Established,
    /// A reset that its receiver takes, or a FIN from both ends. Still inspected.
    Closed,
}

#[derive(Debug)]
pub struct TcpSession {
    state: State,
    /// By direction of the bytes they send.
    halves: [Half; 2],
    midstream: bool,
    /// Both ends sign their segments (RFC 2385).
    md5: bool,
    /// A SYN on the connection's ports with another initial sequence number: if
    /// the server answers it, it has forgotten the connection.
    other_syn: Option<(u32, u8)>,
}

/// One segment with its direction.
struct Segment<'a> {
    dir: Direction,
    tcp: &'a TcpHeader<'a>,
    payload: &'a [u8],
}

impl TcpSession {
    /// From the client's SYN.
    pub fn from_syn(tcp: &TcpHeader<'_>) -> Self {
        let mut client = Half::open(tcp.seq(), tcp.options.window_scale.unwrap_or(0));
        client.heard_window(tcp.window());
        Self {
            state: State::SynSent,
            halves: [client, Half::default()],
            midstream: false,
            md5: tcp.options.md5,
            other_syn: None,
        }
    }

    /// From any segment of a connection whose handshake was not seen.
    pub fn midstream(dir: Direction, tcp: &TcpHeader<'_>) -> Self {
        let mut halves = [Half::default(), Half::default()];
        halves[dir.index()] = Half::picked_up(tcp.seq());
        halves[dir.opposite().index()] = Half::picked_up(tcp.ack());
        Self {
            state: State::Established,
            halves,
            midstream: true,
            md5: tcp.options.md5,
            other_syn: None,
        }
    }

    /// Whether this very SYN opened the connection.
    pub fn was_opened_by(&self, syn: &TcpHeader<'_>) -> bool {
        self.halves[0].isn() == Some(syn.seq())
    }

    /// All bytes of this direction are known, up to its FIN.
    pub fn has_ended(&self, dir: Direction) -> bool {
        let half = &self.halves[dir.index()];
        half.fin == Some(half.next())
    }

    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established | State::Closed)
    }

    /// A reset was taken or both ends have sent their FIN.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// The sequence number that the receiver of this direction expects next.
    pub fn next_sequence(&self, dir: Direction) -> u32 {
        let half = &self.halves[dir.index()];
        half.sequence(half.next())
    }

    /// Sequence numbers that each end has used so far, by direction, the SYN's included.
    pub fn sequence_spans(&self) -> [u64; 2] {
        [0, 1].map(|index| {
            let half = &self.halves[index];
            let fin = half.fin == Some(half.next());
            half.next() + u64::from(half.isn().is_some()) + u64::from(fin)
        })
    }

    /// Stream offset of a segment's first byte; zero for what lies before the stream.
    pub fn offset_of(&self, dir: Direction, tcp: &TcpHeader<'_>) -> u64 {
        let offset = self.halves[dir.index()].offset(tcp.seq());
        u64::try_from(offset).unwrap_or(0)
    }

    /// Bytes that wait for an acknowledgement, or behind a hole.
    pub fn retained_bytes(&self) -> u64 {
        self.halves
            .iter()
            .map(|h| h.buffer.retained_bytes() + h.buffer.island_bytes())
            .sum()
    }

    pub fn release(&mut self, pool: &mut ChunkPool) {
        for half in &mut self.halves {
            half.buffer.clear(pool);
        }
    }

    /// Takes in one segment. Bytes that became contiguous for the receiver are
    /// handed to `deliver`; then the segment may be forwarded, unless refused.
    pub fn on_segment(
        &mut self,
        dir: Direction,
        tcp: &TcpHeader<'_>,
        payload: &[u8],
        shared: &mut Shared<'_>,
        deliver: &mut dyn FnMut(Direction, Delivery<'_>),
    ) -> SegmentOutcome {
        let segment = Segment { dir, tcp, payload };
        let flags = tcp.flags();
        // RFC 9293 section 3.10.7.4; Linux opens and closes nothing on these.
        if flags.has(TcpFlags::SYN)
            && (flags.has(TcpFlags::FIN) || flags.has(TcpFlags::RST) || !payload.is_empty())
        {
            return SegmentOutcome::refuse(DropReason::StreamInvalidFlags);
        }
        if tcp.options.md5 != self.md5 && !flags.has(TcpFlags::SYN) {
            return SegmentOutcome::refuse(if flags.has(TcpFlags::RST) {
                DropReason::StreamBadReset
            } else {
                DropReason::StreamInvalidFlags
            });
        }
        if flags.has(TcpFlags::RST) {
            return self.on_reset(&segment);
        }
        if flags.has(TcpFlags::SYN) {
            return self.on_syn(&segment, shared.pool);
        }
        if !flags.has(TcpFlags::ACK) {
            return SegmentOutcome::refuse(DropReason::StreamNoAck);
        }
        // The byte that the pointer names vanishes from the stream, from this segment or, where it
        // points ahead of it, from a later one that looks like any other.
        if flags.has(TcpFlags::URG) {
            return SegmentOutcome::refuse(DropReason::StreamUrgent);
        }
        if let Err(reason) = self.on_ack(&segment, shared, deliver) {
            return SegmentOutcome::refuse(reason);
        }
        match self.on_data(&segment, shared, deliver) {
            Ok(()) => SegmentOutcome::FORWARD,
            Err(reason) => SegmentOutcome::refuse(reason),
        }
    }

    fn on_syn(&mut self, segment: &Segment<'_>, pool: &mut ChunkPool) -> SegmentOutcome {
        let tcp = segment.tcp;
        let scale = tcp.options.window_scale.unwrap_or(0);
        let syn_ack = tcp.flags().has(TcpFlags::ACK);
        match (segment.dir, syn_ack) {
            (Direction::ToServer, false) => {
                // RFC 9293 section 3.5: another initial sequence number is another connection,
                // if the server thinks so too; its SYN-ACK will tell.
                if self.halves[0].isn() != Some(tcp.seq()) {
                    self.other_syn = Some((tcp.seq(), scale));
                }
                SegmentOutcome::FORWARD
            }
            (Direction::ToClient, true) => {
                let acknowledged = tcp.ack().wrapping_sub(1);
                let ours = self.halves[0].isn() == Some(acknowledged);
                match self.other_syn {
                    Some((isn, client_scale)) if isn == acknowledged && !ours => {
                        self.release(pool);
                        *self = Self {
                            state: State::SynReceived,
                            halves: [Half::open(isn, client_scale), Half::open(tcp.seq(), scale)],
                            midstream: false,
                            md5: tcp.options.md5,
                            other_syn: None,
                        };
                        self.halves[1].heard_window(tcp.window());
                        SegmentOutcome {
                            restarted: true,
                            ..SegmentOutcome::FORWARD
                        }
                    }
                    _ if ours && self.state == State::SynSent => {
                        self.state = State::SynReceived;
                        self.halves[1] = Half::open(tcp.seq(), scale);
                        self.halves[1].heard_window(tcp.window());
                        // RFC 7323 section 2.2: both ends scale or none.
                        if tcp.options.window_scale.is_none() {
                            self.halves[0] = Half::open(acknowledged, 0);
                        }
                        SegmentOutcome::FORWARD
                    }
                    // The client answers with a reset and tries again.
                    _ if self.state == State::SynSent => SegmentOutcome::FORWARD,
                    // A second sequence number for one handshake: the client keeps the first.
                    _ if self.halves[1].isn() != Some(tcp.seq()) && !self.midstream => {
                        SegmentOutcome::refuse(DropReason::StreamInvalidFlags)
                    }
                    _ => SegmentOutcome::FORWARD,
                }
            }
            // A split handshake, or roles the wrong way round.
            (Direction::ToClient, false) | (Direction::ToServer, true) => {
                SegmentOutcome::refuse(DropReason::StreamInvalidFlags)
            }
        }
    }

    /// RFC 5961 section 3: a reset counts at exactly the next sequence number;
    /// Linux also takes one at the right edge of what was selectively acknowledged.
    fn on_reset(&mut self, segment: &Segment<'_>) -> SegmentOutcome {
        let tcp = segment.tcp;
        let half = &self.halves[segment.dir.index()];
        if self.state == State::SynSent {
            // RFC 9293 section 3.10.7.3: only one that acknowledges the SYN.
            let answers_syn = segment.dir == Direction::ToClient
                && tcp.flags().has(TcpFlags::ACK)
                && self.halves[0].isn() == Some(tcp.ack().wrapping_sub(1));
            if answers_syn {
                self.state = State::Closed;
            }
            // One from the client answers a SYN-ACK that was not meant for it.
            return if answers_syn || segment.dir == Direction::ToServer {
                SegmentOutcome::FORWARD
            } else {
                SegmentOutcome::refuse(DropReason::StreamBadReset)
            };
        }
        let offset = half.offset(tcp.seq());
        let behind_fin = half.fin.is_some_and(|fin| offset == fin as i64 + 1);
        let exact = offset >= half.acked() as i64 && offset <= half.next() as i64;
        let at_edge = u64::try_from(offset).is_ok_and(|o| half.buffer.island_ends_at(o));
        if exact || at_edge || behind_fin || half.unsynced {
            self.state = State::Closed;
            SegmentOutcome::FORWARD
        } else {
            SegmentOutcome::refuse(DropReason::StreamBadReset)
        }
    }

    fn on_ack(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        deliver: &mut dyn FnMut(Direction, Delivery<'_>),
    ) -> Result<(), DropReason> {
        let Shared {
            pool,
            config,
            counters,
        } = shared;
        let dir = segment.dir;
        let [mine, other] = self.pair(dir);
        mine.heard_window(segment.tcp.window());
        if other.isn().is_none() {
            // Data or an ACK before the other end has spoken: its receiver has no connection yet.
            return Err(DropReason::StreamOutOfWindow);
        }
        let ack = other.offset(segment.tcp.ack());
        let Ok(ack) = u64::try_from(ack) else {
            // Below the first byte: Linux ignores what comes with it. Pure ACKs do no harm.
            return if segment.payload.is_empty() || other.unsynced || self.midstream {
                Ok(())
            } else {
                Err(DropReason::StreamOutOfWindow)
            };
        };
        if other.unsynced {
            return Ok(());
        }
        // The FIN takes one sequence number.
        let last = other.next() + u64::from(other.fin == Some(other.next()));
        if ack > last {
            if !config.tolerate_gaps && !self.midstream {
                return Err(DropReason::StreamOutOfWindow);
            }
            // Once may be an acknowledgement that overtook its data; twice is not.
            let other = &mut self.halves[dir.opposite().index()];
            if other.claimed > other.next() {
                let missing = other.claimed.min(ack);
                give_up(other, missing, pool, counters, &mut |d| {
                    deliver(dir.opposite(), d);
                });
            }
            other.claimed = ack;
        }
        let other = &mut self.halves[dir.opposite().index()];
        let acknowledged = ack.min(other.next());
        other.acknowledged(acknowledged, pool);
        if self.state == State::SynReceived && dir == Direction::ToServer {
            self.state = State::Established;
        }
        let all_of = |h: &Half| h.fin.is_some_and(|fin| h.acked() >= fin);
        if self.halves.iter().all(all_of) {
            self.state = State::Closed;
        }
        Ok(())
    }

    fn on_data(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_>,
        deliver: &mut dyn FnMut(Direction, Delivery<'_>),
    ) -> Result<(), DropReason> {
        let Shared {
            pool,
            config,
            counters,
        } = shared;
        let dir = segment.dir;
        let fin = segment.tcp.flags().has(TcpFlags::FIN);
        let mut payload = segment.payload;
        if payload.is_empty() && !fin {
            return Ok(());
        }
        if self.state == State::SynSent {
            return Err(DropReason::StreamOutOfWindow);
        }
        let [mine, other] = self.pair(dir);
        if mine.unsynced && !payload.is_empty() {
            mine.sync(segment.tcp.seq());
        }
        let start = mine.offset(segment.tcp.seq());
        let end = start + payload.len() as i64;
        let allowed = other.window_bytes().max(SMALLEST_WINDOW_BYTES) + WINDOW_SLACK_BYTES;
        if start > (mine.acked().max(mine.next()) + allowed) as i64 {
            return Err(DropReason::StreamOutOfWindow);
        }
        // What was acknowledged is decided: the receiver keeps its copy.
        if start < -1 && !self.midstream {
            // Below the first byte: Linux ignores it.
            return Err(DropReason::StreamOutOfWindow);
        }
        let [mine, _] = self.pair(dir);
        if let Ok(start) = u64::try_from(start)
            && mine.is_unseen(&(start..start + payload.len() as u64))
        {
            // What the receiver is said to have need not be sent again; it may be a lie.
            return Err(DropReason::StreamOutOfWindow);
        }
        let settled = mine.acked() as i64;
        if end <= settled && !(fin && end == settled) {
            counters.add(Counter::RetransmittedSegments, 1);
            return Ok(());
        }
        let skipped = usize::try_from(settled - start).unwrap_or(0);
        payload = payload.get(skipped..).unwrap_or_default();
        let start = start.max(settled) as u64;
        let end = start + payload.len() as u64;
        if mine
            .fin
            .is_some_and(|last| end > last || (fin && end < last))
        {
            return Err(DropReason::StreamAfterClose);
        }
        if fin && end < mine.forwarded_end() {
            // It contradicts bytes that went before it: Linux ignores it.
            return Err(DropReason::StreamOutOfWindow);
        }
        if !mine.buffer.agrees(start, payload) {
            return Err(DropReason::StreamRetransmitDiffers);
        }
        if start > mine.next() && mine.claimed > mine.next() {
            // The sender has gone on, so what is missing here is not missing there.
            let missing = mine.claimed.min(start);
            give_up(mine, missing, pool, counters, &mut |d| deliver(dir, d));
        }
        let next = mine.next();
        if !payload.is_empty() {
            if end <= next {
                counters.add(Counter::RetransmittedSegments, 1);
            } else if start > next {
                let waiting = mine.buffer.island_bytes() + payload.len() as u64;
                if waiting > config.max_out_of_order_bytes {
                    return Err(DropReason::StreamReassemblyMemory);
                }
                counters.add(Counter::OutOfOrderSegments, 1);
                store(mine, start, payload, pool)?;
            } else {
                if mine.buffer.retained_bytes() + payload.len() as u64 > config.max_retained_bytes {
                    return Err(DropReason::StreamReassemblyMemory);
                }
                store(mine, start, payload, pool)?;
                let fresh = payload.get((next - start) as usize..).unwrap_or_default();
                deliver(dir, Delivery::Bytes(fresh));
                let joined = mine.buffer.join_islands();
                for slice in mine.buffer.slices(end..joined) {
                    deliver(dir, Delivery::Bytes(slice));
                }
            }
        }
        if fin {
            mine.fin = Some(end);
        }
        Ok(())
    }

    /// The sending half and the other.
    fn pair(&mut self, dir: Direction) -> [&mut Half; 2] {
        let [to_server, to_client] = &mut self.halves;
        match dir {
            Direction::ToServer => [to_server, to_client],
            Direction::ToClient => [to_client, to_server],
        }
    }
}

/// Hands over what the receiver got behind bytes that never passed here, up to `offset`.
fn give_up(
    half: &mut Half,
    offset: u64,
    pool: &mut ChunkPool,
    counters: &Counters,
    deliver: &mut dyn FnMut(Delivery<'_>),
) {
    while half.next() < offset {
        let missed = half.skip_hole(offset, pool);
        counters.add(Counter::StreamGaps, 1);
        deliver(Delivery::Gap(missed));
        let from = half.next();
        let joined = half.buffer.join_islands();
        for slice in half.buffer.slices(from..joined) {
            deliver(Delivery::Bytes(slice));
        }
    }
}

fn store(
    half: &mut Half,
    offset: u64,
    payload: &[u8],
    pool: &mut ChunkPool,
) -> Result<(), DropReason> {
    half.buffer
        .store(offset, payload, pool)
        .map_err(|NoRoom| DropReason::StreamReassemblyMemory)
}

#[cfg(test)]
mod tests;
