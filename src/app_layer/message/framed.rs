//! Messages in a stream whose length their first bytes tell.

use crate::reuse::List;

/// What the first bytes of a message say of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// More bytes are needed.
    Open,
    /// The whole message, its head included; at least one byte.
    Known(u64),
    /// Nothing that can be followed.
    Bad,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The message goes on.
    More,
    /// A whole message, or where `cut` its first bytes: the limit's worth.
    Message { bytes: &'a [u8], cut: bool },
    /// The stream cannot be followed any more.
    Bad,
}

/// One direction, put together into messages. A message that comes whole is not copied.
#[derive(Debug, Default)]
pub struct Framed {
    kept: List<u8>,
    /// `kept` was given out as a message.
    done: bool,
    /// The message in hand, once its length is known.
    current: Option<Current>,
    /// Bytes that were not kept.
    beyond: u64,
    failed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    whole: u64,
    /// Bytes still to come.
    left: u64,
}

impl Framed {
    /// Takes bytes up to the end of a message, and keeps at most `most` of one. Gives the bytes
    /// taken, at least one of a slice that is not empty.
    pub fn feed<'a>(
        &'a mut self,
        bytes: &'a [u8],
        most: usize,
        length: impl Fn(&[u8]) -> Length,
    ) -> (usize, Piece<'a>) {
        if std::mem::take(&mut self.done) {
            self.kept.clear();
        }
        if self.failed {
            self.beyond += bytes.len() as u64;
            return (bytes.len(), Piece::Bad);
        }
        match self.current {
            Some(current) => self.go_on(bytes, current, most),
            None if self.kept.is_empty() => match length(bytes) {
                Length::Bad | Length::Known(0) => self.fail(bytes),
                Length::Known(whole) => {
                    let there = usize::try_from(whole).ok().and_then(|n| bytes.get(..n));
                    match there {
                        Some(message) if !message.is_empty() && message.len() <= most => {
                            let cut = false;
                            let bytes = message;
                            (message.len(), Piece::Message { bytes, cut })
                        }
                        _ => self.go_on(bytes, Current { whole, left: whole }, most),
                    }
                }
                Length::Open => self.keep_head(bytes, most),
            },
            None => self.join_head(bytes, most, length),
        }
    }

    /// So many bytes are missing: fatal where they hold the head of a message.
    pub fn gap(&mut self, length: u64) {
        let current = self.current.and_then(|c| {
            let left = c.left.checked_sub(length)?;
            Some(Current { left, ..c })
        });
        match current {
            Some(current) if current.left > 0 => self.current = Some(current),
            Some(_) => {
                *self = Self {
                    beyond: self.beyond,
                    ..Self::default()
                }
            }
            None => self.failed = true,
        }
    }

    pub const fn failed(&self) -> bool {
        self.failed
    }

    /// Gives the direction up.
    pub fn give_up(&mut self) {
        self.failed = true;
    }

    /// Bytes so far that were not kept.
    pub const fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Whether a message has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.current.is_some() || (!self.done && !self.kept.is_empty())
    }

    pub fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    fn keep_head<'a>(&'a mut self, bytes: &'a [u8], most: usize) -> (usize, Piece<'a>) {
        if self.kept.len() + bytes.len() > most {
            return self.fail(bytes);
        }
        self.kept.extend_from_slice(bytes);
        (bytes.len(), Piece::More)
    }

    /// A head that came in several pieces.
    fn join_head<'a>(
        &'a mut self,
        bytes: &'a [u8],
        most: usize,
        length: impl Fn(&[u8]) -> Length,
    ) -> (usize, Piece<'a>) {
        let before = self.kept.len();
        // Byte by byte: a head is short, and what follows it is not to be kept twice.
        for (at, byte) in bytes.iter().enumerate() {
            self.kept.push(*byte);
            match length(&self.kept) {
                Length::Open if self.kept.len() <= most => {}
                Length::Known(whole) => {
                    let left = whole.saturating_sub((before + at + 1) as u64);
                    let current = Current { whole, left };
                    let (taken, piece) = self.go_on(&bytes[at + 1..], current, most);
                    return (at + 1 + taken, piece);
                }
                Length::Open | Length::Bad => return self.fail(bytes),
            }
        }
        (bytes.len(), Piece::More)
    }

    /// Within a message.
    fn go_on<'a>(
        &'a mut self,
        bytes: &'a [u8],
        current: Current,
        most: usize,
    ) -> (usize, Piece<'a>) {
        let taken = usize::try_from(current.left).map_or(bytes.len(), |n| n.min(bytes.len()));
        let room = most.saturating_sub(self.kept.len());
        let kept = bytes.get(..taken.min(room)).unwrap_or_default();
        self.kept.extend_from_slice(kept);
        self.beyond += (taken - kept.len()) as u64;
        let left = current.left - taken as u64;
        if left > 0 {
            self.current = Some(Current { left, ..current });
            return (taken, Piece::More);
        }
        self.current = None;
        self.done = true;
        let piece = Piece::Message {
            bytes: &self.kept,
            cut: current.whole > self.kept.len() as u64,
        };
        (taken, piece)
    }

    fn fail<'a>(&'a mut self, bytes: &'a [u8]) -> (usize, Piece<'a>) {
        self.failed = true;
        self.beyond += bytes.len() as u64;
        self.kept.free();
        (bytes.len(), Piece::Bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A length byte that counts itself; 0 is bad.
    fn length(bytes: &[u8]) -> Length {
        match bytes {
            [] | [0xff] => Length::Open,
            [0, ..] => Length::Bad,
            [0xff, more, ..] => Length::Known(2 + u64::from(*more)),
            [n, ..] => Length::Known(u64::from(*n)),
        }
    }

    fn read(stream: &[u8], step: usize, most: usize) -> (Vec<(Vec<u8>, bool)>, bool) {
        let mut framed = Framed::default();
        let mut messages = Vec::new();
        let mut bad = false;
        for mut piece in stream.chunks(step) {
            while !piece.is_empty() {
                let (taken, what) = framed.feed(piece, most, length);
                assert!(taken > 0);
                match what {
                    Piece::Message { bytes, cut } => messages.push((bytes.to_vec(), cut)),
                    Piece::Bad => bad = true,
                    Piece::More => {}
                }
                piece = &piece[taken..];
            }
        }
        (messages, bad)
    }

    #[test]
    fn messages_end_where_their_length_says() {
        let (messages, bad) = read(b"\x03ab\x01\x02x\xff\x02yz\x00rest", 100, 100);
        let texts: Vec<_> = messages.iter().map(|(m, _)| m.as_slice()).collect();
        assert_eq!(texts, [&b"\x03ab"[..], b"\x01", b"\x02x", b"\xff\x02yz"]);
        assert!(bad);
    }

    #[test]
    fn a_long_message_is_cut_and_the_next_still_found() {
        let stream = [&[50][..], &[b'x'; 49], b"\x03ab"].concat();
        for step in [1, 7, 100] {
            let (messages, _) = read(&stream, step, 20);
            assert_eq!(messages[0].0.len(), 20, "by {step}");
            assert!(messages[0].1);
            assert_eq!(messages[1], (b"\x03ab".to_vec(), false));
        }
    }

    #[test]
    fn a_gap_within_a_message_ends_with_it() {
        let mut framed = Framed::default();
        framed.feed(b"\x09abc", 100, length);
        framed.gap(5);
        assert!(!framed.failed());
        let (_, piece) = framed.feed(b"\x02x", 100, length);
        assert_eq!(
            piece,
            Piece::Message {
                bytes: b"\x02x",
                cut: false
            }
        );
        framed.gap(1);
        assert!(framed.failed());
    }

    proptest! {
        #[test]
        fn segmentation_changes_nothing(
            stream in prop::collection::vec(0_u8..12, 0..120),
            step in 1_usize..20,
            most in 3_usize..12,
        ) {
            prop_assert_eq!(read(&stream, step, most), read(&stream, stream.len().max(1), most));
        }
    }
}
