//! The bytes of CRYPTO frames put in order (RFC 9000 section 19.6), in bounded memory.

use crate::reuse::List;

/// Pieces apart from each other that are kept.
const MAX_PIECES: usize = 64;

/// One direction's handshake bytes.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    bytes: List<u8>,
    /// What of `bytes` has come: sorted, apart from each other.
    pieces: List<(usize, usize)>,
    /// Messages up to here were taken.
    taken: usize,
}

/// Why bytes cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Beyond the limit, or more pieces than are kept.
    TooLong,
    /// Other bytes came at that place before: receivers may go by either.
    Differs,
}

impl CryptoStream {
    pub fn add(&mut self, offset: u64, data: &[u8], limit: usize) -> Result<(), Refused> {
        let start = usize::try_from(offset).map_err(|_| Refused::TooLong)?;
        let end = start.checked_add(data.len()).ok_or(Refused::TooLong)?;
        if end > limit {
            return Err(Refused::TooLong);
        }
        if data.is_empty() {
            return Ok(());
        }
        for &(from, to) in &self.pieces {
            let (from, to) = (from.max(start), to.min(end));
            if from < to && self.bytes.get(from..to) != data.get(from - start..to - start) {
                return Err(Refused::Differs);
            }
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(data);
        }
        self.note(start, end);
        match self.pieces.len() > MAX_PIECES {
            true => Err(Refused::TooLong),
            false => Ok(()),
        }
    }

    /// Joins a piece with those it touches.
    fn note(&mut self, mut start: usize, mut end: usize) {
        self.pieces.retain(|&(from, to)| {
            let touches = from <= end && start <= to;
            if touches {
                start = start.min(from);
                end = end.max(to);
            }
            !touches
        });
        let at = self.pieces.partition_point(|&(from, _)| from < start);
        self.pieces.insert(at, (start, end));
    }

    /// The next whole message without its header, and its type (RFC 8446 section 4).
    pub fn next_message(&mut self) -> Option<(u8, &[u8])> {
        let end = match self.pieces.first() {
            Some(&(0, end)) => end,
            _ => return None,
        };
        let rest = self.bytes.get(self.taken..end)?;
        let (&[kind, a, b, c], rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).ok()?;
        let message = rest.get(..length)?;
        self.taken += 4 + length;
        Some((kind, message))
    }

    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<(usize, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_come_when_their_last_byte_is_there() {
        let mut stream = CryptoStream::default();
        stream.add(4, b"ab", 100).unwrap();
        assert_eq!(stream.next_message(), None);
        stream.add(0, &[1, 0, 0, 3], 100).unwrap();
        assert_eq!(stream.next_message(), None);
        stream.add(5, b"bc\x02\0\0\0", 100).unwrap();
        assert_eq!(stream.next_message(), Some((1, &b"abc"[..])));
        assert_eq!(stream.next_message(), Some((2, &b""[..])));
        assert_eq!(stream.next_message(), None);
    }

    #[test]
    fn what_is_beyond_a_bound_or_differs_is_refused() {
        let mut stream = CryptoStream::default();
        assert_eq!(stream.add(95, b"123456", 100), Err(Refused::TooLong));
        assert_eq!(stream.add(u64::MAX, b"1", 100), Err(Refused::TooLong));
        stream.add(2, b"abc", 100).unwrap();
        assert_eq!(stream.add(1, b"xab", 100), Ok(()));
        assert_eq!(stream.add(3, b"B", 100), Err(Refused::Differs));
        let mut stream = CryptoStream::default();
        let crumbs: Result<(), _> = (0..100).try_for_each(|n| stream.add(2 * n, b"x", 1000));
        assert_eq!(crumbs, Err(Refused::TooLong));
    }

    proptest! {
        #[test]
        fn order_and_overlap_change_nothing(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            cuts in proptest::collection::vec((0_usize..204, 1_usize..60), 0..12),
        ) {
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            let whole = [&[1], &length[1..], &body[..]].concat();
            let mut stream = CryptoStream::default();
            for (start, length) in cuts {
                let end = (start + length).min(whole.len());
                if let Some(part) = whole.get(start..end) {
                    stream.add(start as u64, part, 1000).unwrap();
                }
            }
            stream.add(0, &whole, 1000).unwrap();
            prop_assert_eq!(stream.next_message(), Some((1, &body[..])));
        }
    }
}
