//! Protection against wrapped sequence numbers (RFC 7323 section 5), as far as it is certain.

use super::{Direction, Segment, State, TcpSession};

/// The timestamps that one end sends.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Of its SYN.
    first: Option<u32>,
    /// The newest that the other end is certain to remember (TS.Recent); it may know a newer.
    recent: u32,
    newest: u32,
}

impl Clock {
    pub fn starts_at(&mut self, value: Option<u32>) {
        *self = Self {
            first: value,
            recent: value.unwrap_or(0),
            newest: value.unwrap_or(0),
        };
    }

    /// Another copy of the SYN, which may have been sent before the one that came first.
    pub fn started_by(&mut self, value: Option<u32>) {
        if let (Some(value), Some(first)) = (value, self.first)
            && (value.wrapping_sub(first) as i32) < 0
        {
            self.first = Some(value);
        }
        self.hears(value, false);
    }

    pub const fn is_told(&self) -> bool {
        self.first.is_some()
    }

    pub fn hears(&mut self, value: Option<u32>, is_remembered: bool) {
        if let Some(value) = value
            && self.is_told()
        {
            let newer = |than: u32| value.wrapping_sub(than) as i32 > 0;
            if newer(self.newest) {
                self.newest = value;
            }
            if is_remembered && newer(self.recent) {
                self.recent = value;
            }
        }
    }

    /// The other end tells what it remembers.
    pub fn is_echoed(&mut self, echo: u32) {
        let newer = echo.wrapping_sub(self.recent) as i32 > 0;
        if self.is_told() && newer && self.has_sent(echo) {
            self.recent = echo;
        }
    }

    /// Linux: a value of zero is no timestamp yet.
    fn is_behind(&self, value: u32, tolerated: i32) -> bool {
        self.recent != 0 && self.recent.wrapping_sub(value) as i32 > tolerated
    }

    /// Whether this end sent it, at any time since its SYN.
    fn has_sent(&self, value: u32) -> bool {
        let first = self.first.unwrap_or(0);
        value.wrapping_sub(first) <= self.newest.wrapping_sub(first)
    }
}

impl TcpSession {
    /// Whether the receiver ignores the segment for its timestamp. Where both ends agreed on
    /// timestamps and one is missing, Linux takes the segment.
    pub(super) fn is_stale(&self, segment: &Segment<'_>) -> bool {
        let Some((value, echo)) = segment.timestamp() else {
            return false;
        };
        if !self.timestamps {
            return false;
        }
        let in_handshake = self.state != State::Established && segment.dir == Direction::ToServer;
        // Linux tolerates one tick, but not while the connection is a request only; there it
        // wants an echo of what it sent (since 6.15).
        let tolerated = if in_handshake { 0 } else { 1 };
        let other = &self.halves[segment.dir.opposite().index()].clock;
        self.halves[segment.dir.index()]
            .clock
            .is_behind(value, tolerated)
            || in_handshake && echo != 0 && !other.has_sent(echo)
    }

    /// RFC 7323 section 4.3: the receiver remembers the timestamp of the segment that holds the
    /// last byte it acknowledged. Certain where the segment begins there and nothing else did, and
    /// where the receiver echoes it.
    pub(super) fn hear_timestamp(&mut self, segment: &Segment<'_>) {
        if !self.timestamps {
            return;
        }
        let half = &mut self.halves[segment.dir.index()];
        let at_edge =
            half.acked() == half.next() && segment.tcp.seq() == half.sequence(half.next());
        let value = segment.timestamp().map(|(value, _)| value);
        half.clock.hears(value, at_edge);
        if let Some((_, echo)) = segment.timestamp() {
            let other = &mut self.halves[segment.dir.opposite().index()];
            other.clock.is_echoed(echo);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_remembered_makes_others_old() {
        let mut clock = Clock::default();
        clock.hears(Some(500), true);
        assert!(!clock.is_behind(1, 1), "no timestamp in the SYN");
        clock.starts_at(Some(u32::MAX - 1));
        clock.hears(Some(5), true);
        clock.hears(Some(9), false);
        assert!(!clock.is_behind(4, 1) && clock.is_behind(3, 1));
        assert!(clock.is_behind(u32::MAX, 1), "across the wrap");
        assert!(clock.has_sent(u32::MAX - 1) && !clock.has_sent(u32::MAX - 2));
        clock.started_by(Some(u32::MAX - 4));
        assert!(clock.has_sent(u32::MAX - 2), "the SYN before was overtaken");
        clock.is_echoed(10);
        assert!(!clock.is_behind(4, 1), "never sent");
        clock.is_echoed(9);
        assert!(clock.is_behind(7, 1) && !clock.is_behind(8, 1));
        assert!(clock.has_sent(9) && clock.has_sent(u32::MAX) && !clock.has_sent(10));
    }
}
