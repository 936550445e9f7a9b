//! What a receiver makes of the packets that were forwarded.

use etherparse::{SlicedPacket, TransportSlice};

/// Puts one direction's forwarded segments together. The first copy of a byte
/// counts. Only bytes without a hole before them have been received.
#[derive(Debug)]
pub struct Receiver {
    /// Sequence number of the first byte.
    first: u32,
    bytes: Vec<Option<u8>>,
    received: usize,
}

impl Receiver {
    /// For a stream of `length` bytes whose first has the sequence number `first`.
    pub fn new(first: u32, length: usize) -> Self {
        Self {
            first,
            bytes: vec![None; length],
            received: 0,
        }
    }

    /// Takes a forwarded IP datagram with a TCP segment of this direction.
    pub fn take(&mut self, datagram: &[u8]) {
        let Ok(SlicedPacket {
            transport: Some(TransportSlice::Tcp(tcp)),
            ..
        }) = SlicedPacket::from_ip(datagram)
        else {
            return;
        };
        let start = tcp.sequence_number().wrapping_sub(self.first) as usize;
        for (offset, &byte) in tcp.payload().iter().enumerate() {
            if let Some(slot) = self.bytes.get_mut(start.saturating_add(offset)) {
                slot.get_or_insert(byte);
            }
        }
        let more = self.bytes.iter().skip(self.received);
        self.received += more.take_while(|byte| byte.is_some()).count();
    }

    /// Bytes received in order.
    pub const fn received(&self) -> usize {
        self.received
    }

    /// Whether the first `expected.len()` bytes were received and are these.
    pub fn received_exactly(&self, expected: &[u8]) -> bool {
        expected.len() <= self.received
            && expected
                .iter()
                .zip(&self.bytes)
                .all(|(&expected, &byte)| byte == Some(expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::direction::Direction;
    use crate::scenario::wire::{Path, Segment};

    fn segment(seq: u32, payload: &[u8]) -> Vec<u8> {
        Path::new(4, 80).tcp(
            Direction::ToServer,
            &Segment {
                seq,
                ack: Some(1),
                payload,
                ..Segment::default()
            },
        )
    }

    #[test]
    fn bytes_behind_a_hole_are_not_received_until_it_is_filled() {
        let first = u32::MAX - 1;
        let mut receiver = Receiver::new(first, 6);
        receiver.take(&segment(first.wrapping_add(3), b"def"));
        assert_eq!(receiver.received(), 0);
        receiver.take(&segment(first, b"abc"));
        assert_eq!(receiver.received(), 6, "sequence numbers wrap");
        assert!(receiver.received_exactly(b"abcdef"));
        assert!(!receiver.received_exactly(b"abcdeX"));
    }

    #[test]
    fn what_lies_outside_the_stream_is_ignored() {
        let mut receiver = Receiver::new(1_000, 2);
        receiver.take(&segment(999, b"x"));
        receiver.take(&segment(1_001, b"bc"));
        receiver.take(b"not a datagram");
        assert_eq!(receiver.received(), 0);
        receiver.take(&segment(1_000, b"a"));
        assert!(receiver.received_exactly(b"ab"));
    }
}
