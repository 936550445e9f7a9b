//! One direction of a connection: its sequence space and its bytes.

use std::ops::Range;

use super::buffer::Buffer;
use super::chunk::ChunkPool;
use super::session::Clock;

/// What one end sends, by stream offset: 0 is the byte behind its SYN.
#[derive(Debug, Default)]
pub(super) struct Half {
    /// Initial sequence number; `None`: this end has not been heard.
    isn: Option<u32>,
    /// Picked up midstream: the first payload tells where the stream stands.
    pub unsynced: bool,
    /// Where the receiver stands is not known: bytes are handed over whatever is missing before them.
    pub ahead: bool,
    /// How this end scales the windows it advertises (RFC 7323 section 2); not in its SYN.
    scale: Option<u8>,
    /// What this end advertised last, and at most.
    window: u32,
    largest_window: u32,
    /// The right edge of what the other end has offered to take.
    limit: u64,
    /// Offset behind the last byte, once a FIN said so.
    pub fin: Option<u64>,
    /// The other end has acknowledged the FIN.
    pub fin_acked: bool,
    /// The highest acknowledgement of bytes that are not here yet. They may only be late. Of a half
    /// that is ahead, which does not wait for any: the end of what was handed over last.
    pub claimed: u64,
    /// From the first to the last byte that the receiver has and that never passed here.
    pub unseen: Range<u64>,
    /// Bytes that came with the SYN, while the other end may yet decline them.
    pub syn_bytes: u64,
    pub clock: Clock,
    /// The TTL that the handshake of this end arrived with: so much reaches the other end.
    pub ttl_floor: u8,
    /// The first of the segments in a row whose TTL would not reach the other end, and how often
    /// it came.
    pub dying: Option<(u32, u8)>,
    pub buffer: Buffer,
}

/// A half of which nothing is on its way, and nothing odd is remembered.
#[derive(Debug)]
pub(super) struct RestingHalf {
    isn: u32,
    window: u32,
    largest_window: u32,
    scale: Option<u8>,
    ttl_floor: u8,
    next: u64,
    limit: u64,
    clock: Clock,
}

impl Half {
    /// `None`: it is of another kind.
    pub fn lie_down(&self) -> Option<RestingHalf> {
        let Self {
            isn: Some(isn),
            unsynced: false,
            ahead: false,
            scale,
            window,
            largest_window,
            limit,
            fin: None,
            fin_acked: false,
            claimed,
            unseen,
            syn_bytes: 0,
            clock,
            ttl_floor,
            dying: None,
            buffer,
        } = self
        else {
            return None;
        };
        // What was claimed of bytes that are here says nothing more.
        if *claimed > self.next() || !unseen.is_empty() || !buffer.is_bare() {
            return None;
        }
        Some(RestingHalf {
            isn: *isn,
            window: *window,
            largest_window: *largest_window,
            scale: *scale,
            ttl_floor: *ttl_floor,
            next: self.next(),
            limit: *limit,
            clock: *clock,
        })
    }

    pub fn get_up(resting: RestingHalf) -> Self {
        Self {
            isn: Some(resting.isn),
            scale: resting.scale,
            window: resting.window,
            largest_window: resting.largest_window,
            limit: resting.limit,
            clock: resting.clock,
            ttl_floor: resting.ttl_floor,
            buffer: Buffer::bare(resting.next),
            ..Self::default()
        }
    }

    pub fn open(isn: u32, scale: Option<u8>, window: u16) -> Self {
        Self {
            isn: Some(isn),
            scale,
            window: u32::from(window),
            largest_window: u32::from(window),
            ..Self::default()
        }
    }

    /// Midstream: `seq` is the next byte, and nothing is known of options and windows.
    pub fn picked_up(seq: u32) -> Self {
        Self {
            isn: Some(seq.wrapping_sub(1)),
            unsynced: true,
            scale: Some(14),
            limit: u64::MAX,
            ..Self::default()
        }
    }

    pub const fn isn(&self) -> Option<u32> {
        self.isn
    }

    /// Next offset that the receiver has not got contiguously.
    pub fn next(&self) -> u64 {
        self.buffer.end()
    }

    /// Sequence numbers taken so far, SYN and FIN included.
    pub fn sequence_span(&self) -> u64 {
        let fin = self.fin == Some(self.next());
        self.next() + u64::from(self.isn.is_some()) + u64::from(fin)
    }

    /// Of a half that is ahead: the end of what was handed over last; zero where nothing was.
    pub const fn handed_over(&self) -> u64 {
        if self.ahead { self.claimed } else { 0 }
    }

    /// Everything below was acknowledged by the other end.
    pub fn acked(&self) -> u64 {
        self.buffer.start()
    }

    /// Behind the last byte that may be acknowledged; the FIN takes one sequence number.
    pub fn sent_end(&self) -> u64 {
        self.next() + u64::from(self.fin == Some(self.next()))
    }

    /// Signed stream offset of a sequence number: the one nearest to what comes next.
    pub fn offset(&self, seq: u32) -> i64 {
        let first = self.isn.unwrap_or(0).wrapping_add(1);
        let expected = first.wrapping_add(self.next() as u32);
        self.next() as i64 + i64::from(seq.wrapping_sub(expected) as i32)
    }

    /// The sequence number at a stream offset.
    pub fn sequence(&self, offset: u64) -> u32 {
        self.isn
            .unwrap_or(0)
            .wrapping_add(1)
            .wrapping_add(offset as u32)
    }

    /// An end that sends the same segment again and again with such a TTL, and none with another,
    /// means it so: BGP speakers do.
    pub fn insists_on_dying(&mut self, seq: u32) -> bool {
        const INSISTENT: u8 = 3;
        let (first, times) = self.dying.get_or_insert((seq, 0));
        if *first == seq {
            *times = times.saturating_add(1);
        }
        *times >= INSISTENT
    }

    /// A window advertised behind the SYN.
    pub fn offers(&mut self, window: u16) {
        // Behind 14 no scale is taken (RFC 7323 section 2.3).
        self.window = u32::from(window) << self.scale.unwrap_or(0).min(14);
        self.largest_window = self.largest_window.max(self.window);
    }

    /// Bytes that this end lets the other send beyond what it acknowledged.
    pub const fn window_bytes(&self) -> u64 {
        self.window as u64
    }

    pub const fn largest_window(&self) -> u64 {
        self.largest_window as u64
    }

    pub const fn scales(&self) -> bool {
        self.scale.is_some()
    }

    /// The SYN again: which of the two its receiver got is not known.
    pub fn may_scale_by(&mut self, scale: Option<u8>) {
        self.scale = self.scale.max(scale);
    }

    pub const fn scales_not(&mut self) {
        self.scale = None;
    }

    /// The other end takes bytes up to here. It keeps to what it offered once.
    pub fn may_reach(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }

    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// The other end has everything below `offset`.
    pub fn acknowledged(&mut self, offset: u64, pool: &mut ChunkPool) {
        if offset > self.acked() {
            self.buffer.forget_below(offset, pool);
        }
    }

    /// The data of the SYN was not taken.
    pub fn begin_again(&mut self, pool: &mut ChunkPool) {
        self.buffer.clear(pool);
        self.buffer = Buffer::default();
        self.syn_bytes = 0;
    }

    /// Midstream: the stream stands here.
    pub fn sync(&mut self, seq: u32) {
        self.isn = Some(seq.wrapping_sub(1));
        self.unsynced = false;
    }

    /// The receiver has bytes below `offset` that went by unseen: gives up the hole, up to what
    /// is here; the number of bytes missed.
    pub fn skip_hole(&mut self, offset: u64, pool: &mut ChunkPool) -> u64 {
        let start = self.next();
        let end = self.buffer.first_island().map_or(offset, |i| i.min(offset));
        self.buffer.skip_to(end, pool);
        if self.unseen.is_empty() {
            self.unseen.start = start;
        }
        self.unseen.end = end;
        end - start
    }

    /// Whether the receiver has some of these bytes without our having seen them.
    pub fn is_unseen(&self, bytes: &Range<u64>) -> bool {
        bytes.start < self.unseen.end && self.unseen.start < bytes.end
    }

    /// The end of the highest byte that was forwarded.
    pub fn forwarded_end(&self) -> u64 {
        self.buffer.last_island_end().unwrap_or(self.next())
    }
}
