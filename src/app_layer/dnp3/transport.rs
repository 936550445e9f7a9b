//! Segments of the transport function (IEEE 1815 clause 8), put together into messages.

use super::Event;
use crate::reuse::{List, reused};

reused!(Unfinished);

const FINAL: u8 = 0x80;
const FIRST: u8 = 0x40;
const SEQUENCE: u8 = 0x3f;
/// Pairs of addresses whose unfinished messages are kept; the oldest gives way.
const MOST_UNFINISHED: usize = 8;

/// Destination and source of a frame: each pair counts its segments by itself.
pub(super) type Addresses = (u16, u16);

/// The unfinished messages of one direction.
#[derive(Debug, Default)]
pub(super) struct Segments {
    unfinished: List<Unfinished>,
    /// Bytes that were not kept.
    beyond: u64,
}

#[derive(Debug)]
struct Unfinished {
    addresses: Addresses,
    /// The transport header of the last segment.
    last: u8,
    bytes: List<u8>,
    /// It is longer than the limit.
    too_long: bool,
}

/// What came of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put {
    More,
    Message(List<u8>),
    Odd(Event),
}

impl Segments {
    /// Takes the data of a frame: a transport header, and behind it a piece of a message of at most `most` bytes.
    pub(super) fn put(&mut self, addresses: Addresses, data: &[u8], most: usize) -> Put {
        let Some((&header, piece)) = data.split_first() else {
            return Put::Odd(Event::LenTooSmall);
        };
        let known = self
            .unfinished
            .iter()
            .position(|u| u.addresses == addresses);
        let known = known.map(|at| self.unfinished.remove(at));
        if header & FIRST != 0 {
            // What was unfinished is lost to its receiver, too.
            return self.go_on(Unfinished::new(addresses), header, piece, most);
        }
        match known {
            // A frame that the link has sent twice changes nothing.
            Some(message) if message.ends_with(header, piece) => self.keep(message),
            Some(message) if message.goes_on_with(header) => {
                self.go_on(message, header, piece, most)
            }
            _ => Put::Odd(Event::Malformed),
        }
    }

    /// Bytes are missing: so may be segments.
    pub(super) fn gap(&mut self) {
        self.unfinished.clear();
    }

    pub(super) const fn beyond(&self) -> u64 {
        self.beyond
    }

    pub(super) fn held_bytes(&self) -> usize {
        let bytes = self.unfinished.iter().map(|u| u.bytes.capacity());
        bytes.sum::<usize>() + self.unfinished.capacity() * size_of::<Unfinished>()
    }

    fn go_on(&mut self, mut message: Unfinished, header: u8, piece: &[u8], most: usize) -> Put {
        message.last = header;
        let was_too_long = message.too_long;
        if was_too_long || message.bytes.len() + piece.len() > most {
            self.beyond += (message.bytes.len() + piece.len()) as u64;
            message.bytes = List::new();
            message.too_long = true;
        } else {
            message.bytes.extend_from_slice(piece);
        }
        let told_now = message.too_long && !was_too_long;
        let put = match (header & FINAL != 0, message.too_long) {
            (false, _) => self.keep(message),
            (true, false) => Put::Message(message.bytes),
            (true, true) => Put::More,
        };
        if told_now {
            return Put::Odd(Event::TooLongReassembly);
        }
        put
    }

    fn keep(&mut self, message: Unfinished) -> Put {
        let full = self.unfinished.len() >= MOST_UNFINISHED;
        if full {
            let oldest = self.unfinished.remove(0);
            self.beyond += oldest.bytes.len() as u64;
        }
        self.unfinished.push(message);
        if full {
            return Put::Odd(Event::TooLongReassembly);
        }
        Put::More
    }
}

impl Unfinished {
    const fn new(addresses: Addresses) -> Self {
        Self {
            addresses,
            last: 0,
            bytes: List::new(),
            too_long: false,
        }
    }

    fn ends_with(&self, header: u8, piece: &[u8]) -> bool {
        self.last == header && self.bytes.ends_with(piece)
    }

    const fn goes_on_with(&self, header: u8) -> bool {
        ((self.last & SEQUENCE) + 1) & SEQUENCE == header & SEQUENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: Addresses = (10, 1);

    #[test]
    fn segments_are_put_together_by_their_numbers() {
        let mut segments = Segments::default();
        assert_eq!(
            segments.put(PAIR, b"\xc5ab", 9),
            Put::Message(b"ab"[..].into())
        );
        assert_eq!(segments.put(PAIR, b"\x7fab", 9), Put::More);
        assert_eq!(segments.put(PAIR, b"\x00c", 9), Put::More);
        // Sent twice.
        assert_eq!(segments.put(PAIR, b"\x00c", 9), Put::More);
        // Of others.
        assert_eq!(segments.put((11, 1), b"\x40x", 9), Put::More);
        assert_eq!(
            segments.put(PAIR, b"\x81d", 9),
            Put::Message(b"abcd"[..].into())
        );
        let malformed = Put::Odd(Event::Malformed);
        assert_eq!(segments.put(PAIR, b"\x82e", 9), malformed);
        assert_eq!(segments.put((11, 1), b"\x82y", 9), malformed);
        assert_eq!(segments.put((11, 1), b"\x81y", 9), malformed);
        assert_eq!(segments.put(PAIR, b"", 9), Put::Odd(Event::LenTooSmall));
    }

    #[test]
    fn a_first_segment_begins_anew() {
        let mut segments = Segments::default();
        segments.put(PAIR, b"\x40ab", 9);
        segments.put(PAIR, b"\x41cd", 9);
        assert_eq!(
            segments.put(PAIR, b"\x82e", 9),
            Put::Message(b"cde"[..].into())
        );
    }

    #[test]
    fn what_is_too_long_is_told_once_and_bounds_hold() {
        let mut segments = Segments::default();
        segments.put(PAIR, b"\x40abc", 5);
        let odd = Put::Odd(Event::TooLongReassembly);
        assert_eq!(segments.put(PAIR, b"\x01def", 5), odd);
        assert_eq!(segments.put(PAIR, b"\x02ghi", 5), Put::More);
        assert_eq!(segments.put(PAIR, b"\x83ghi", 5), Put::More);
        assert_eq!((segments.beyond(), segments.unfinished.len()), (12, 0));
        for source in 0..100 {
            segments.put((1, source), b"\x40a", 5);
        }
        assert_eq!(segments.unfinished.len(), MOST_UNFINISHED);
    }
}
