//! Records in a stream: messages in fragments, each behind its length (RFC 5531 section 11).

use crate::reuse::List;

/// Length of a fragment, its highest bit set on the last one.
const MARK: usize = 4;
pub(super) const LAST: u32 = 1 << 31;

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    More,
    /// A whole record, or where `is_cut` its first bytes.
    Record {
        bytes: &'a [u8],
        is_cut: bool,
    },
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Records {
    mark: List<u8>,
    /// Bytes of the fragment in hand that are to come.
    left: u64,
    is_last: bool,
    kept: List<u8>,
    /// `kept` was given out as a record.
    is_given: bool,
    is_cut: bool,
    /// Bytes of the record in hand are missing.
    is_torn: bool,
    beyond: u64,
    failed: bool,
}

impl Records {
    /// Takes bytes up to the end of a record, and keeps at most `most` of one. Gives the bytes taken: at least one of
    /// a slice that is not empty.
    pub(super) fn feed(&mut self, bytes: &[u8], most: usize) -> (usize, Piece<'_>) {
        if self.is_given {
            self.begin();
        }
        if self.failed {
            self.beyond += bytes.len() as u64;
            return (bytes.len(), Piece::More);
        }
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.left == 0 {
                taken += self.read_mark(rest);
                if self.mark.len() < MARK {
                    break;
                }
            } else {
                taken += self.read_fragment(rest, most);
            }
            if self.has_ended() {
                self.is_given = true;
                let is_cut = self.is_cut;
                let bytes = &self.kept;
                return (taken, Piece::Record { bytes, is_cut });
            }
        }
        (taken, Piece::More)
    }

    /// So many bytes are missing: fatal where a mark may be among them.
    pub(super) fn gap(&mut self, length: u64) {
        if self.left < length {
            self.failed = true;
            return;
        }
        self.left -= length;
        self.is_torn = true;
        if self.left == 0 {
            self.mark.clear();
            if self.is_last {
                self.begin();
            }
        }
    }

    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    pub(super) const fn beyond(&self) -> u64 {
        self.beyond
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.mark.capacity() + self.kept.capacity()
    }

    fn read_mark(&mut self, bytes: &[u8]) -> usize {
        let missing = MARK - self.mark.len();
        let piece = bytes.get(..missing).unwrap_or(bytes);
        self.mark.extend_from_slice(piece);
        if let Some(mark) = self.mark.first_chunk() {
            let mark = u32::from_be_bytes(*mark);
            self.left = u64::from(mark & !LAST);
            self.is_last = mark & LAST != 0;
        }
        piece.len()
    }

    fn read_fragment(&mut self, bytes: &[u8], most: usize) -> usize {
        let count = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let room = most.saturating_sub(self.kept.len());
        let kept = bytes.get(..count.min(room)).unwrap_or_default();
        self.kept.extend_from_slice(kept);
        self.beyond += (count - kept.len()) as u64;
        self.is_cut |= kept.len() < count;
        self.left -= count as u64;
        count
    }

    /// Whether a record has ended that is whole.
    fn has_ended(&mut self) -> bool {
        if self.left > 0 {
            return false;
        }
        self.mark.clear();
        if self.is_last && self.is_torn {
            self.begin();
        }
        self.is_last
    }

    /// Another record begins.
    fn begin(&mut self) {
        self.kept.clear();
        self.is_given = false;
        self.is_last = false;
        self.is_torn = false;
        self.is_cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8], step: usize, most: usize) -> Vec<Vec<u8>> {
        let mut records = Records::default();
        let mut found = Vec::new();
        for mut piece in stream.chunks(step) {
            while !piece.is_empty() {
                let (taken, what) = records.feed(piece, most);
                assert!(taken > 0);
                if let Piece::Record { bytes, .. } = what {
                    found.push(bytes.to_vec());
                }
                piece = &piece[taken..];
            }
        }
        found
    }

    #[test]
    fn fragments_are_put_together_in_any_segmentation() {
        let stream = b"\0\0\0\x02ab\0\0\0\0\x80\0\0\x01c\x80\0\0\0\x80\0\0\x04defg";
        for step in [1, 3, 100] {
            assert_eq!(
                read(stream, step, 99),
                [&b"abc"[..], b"", b"defg"],
                "{step}"
            );
            assert_eq!(read(stream, step, 2), [&b"ab"[..], b"", b"de"], "{step}");
        }
    }

    #[test]
    fn a_record_with_a_gap_is_none() {
        let mut records = Records::default();
        records.feed(b"\x80\0\0\x09abc", 99);
        records.gap(6);
        let (_, piece) = records.feed(b"\x80\0\0\x01d", 99);
        let bytes = b"d";
        let is_cut = false;
        assert_eq!(piece, Piece::Record { bytes, is_cut });
        records.gap(1);
        assert!(records.failed());
    }
}
