//! Lines of a stream, in bounded memory however long they are.

use crate::reuse::List;

/// A line, or where it is long a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without the line's end.
    pub text: &'a [u8],
    /// What ends the line: CRLF, LF, or nothing where it goes on.
    pub end: &'a [u8],
    /// Whether the line begins here.
    pub first: bool,
}

impl Line<'_> {
    pub const fn is_last(&self) -> bool {
        !self.end.is_empty()
    }

    /// The whole of a line.
    pub const fn is_whole(&self) -> bool {
        self.first && self.is_last()
    }
}

/// One direction, cut into lines. A line that comes whole is not copied.
#[derive(Debug, Default)]
pub struct Lines {
    kept: List<u8>,
    /// `kept` was given out.
    given: bool,
    /// The line in hand was given out in part.
    within: bool,
}

impl Lines {
    /// Takes bytes up to the end of a line. A line longer than `most` is given out in pieces,
    /// all but the last of that length. Gives the bytes taken; none of a slice that is not empty
    /// only together with a piece.
    #[inline]
    pub fn feed<'a>(&'a mut self, bytes: &'a [u8], most: usize) -> (usize, Option<Line<'a>>) {
        if std::mem::take(&mut self.given) {
            self.kept.clear();
        }
        let most = most.max(1);
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |at| at + 1);
        let room = most.saturating_sub(self.kept.len());
        let length = end.unwrap_or(bytes.len());
        if length > room {
            return self.cut(bytes, room);
        }
        let line = bytes.get(..taken).unwrap_or(bytes);
        if end.is_none() {
            self.kept.extend_from_slice(line);
            return (taken, None);
        }
        let first = !std::mem::take(&mut self.within);
        let whole = if self.kept.is_empty() {
            line
        } else {
            self.kept.extend_from_slice(line);
            self.given = true;
            &self.kept
        };
        let text = match whole {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text,
            text => text,
        };
        let end = whole.get(text.len()..).unwrap_or_default();
        (taken, Some(Line { text, end, first }))
    }

    /// What has come of a line that will not end.
    pub fn rest(&mut self) -> Option<Line<'_>> {
        if std::mem::replace(&mut self.given, true) || self.kept.is_empty() {
            return None;
        }
        let first = !std::mem::take(&mut self.within);
        let (text, end) = (&self.kept[..], &[][..]);
        Some(Line { text, end, first })
    }

    /// Forgets what has come of the line in hand.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.given = false;
        self.within = false;
    }

    /// Whether a line has begun and not ended.
    pub fn is_within(&self) -> bool {
        self.within || (!self.given && !self.kept.is_empty())
    }

    pub fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// Gives out the next piece of a long line.
    #[cold]
    fn cut<'a>(&'a mut self, bytes: &'a [u8], room: usize) -> (usize, Option<Line<'a>>) {
        let first = !std::mem::replace(&mut self.within, true);
        let part = bytes.get(..room).unwrap_or(bytes);
        let text = if self.kept.is_empty() {
            part
        } else {
            self.kept.extend_from_slice(part);
            self.given = true;
            &self.kept
        };
        let end = &[][..];
        (part.len(), Some(Line { text, end, first }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Told = (Vec<u8>, Vec<u8>, bool);

    fn read(text: &[u8], step: usize, most: usize) -> Vec<Told> {
        let mut lines = Lines::default();
        let mut told = Vec::new();
        for mut piece in text.chunks(step) {
            while !piece.is_empty() {
                let (taken, line) = lines.feed(piece, most);
                if let Some(line) = line {
                    told.push((line.text.to_vec(), line.end.to_vec(), line.first));
                }
                assert!(taken > 0 || line.is_some());
                piece = &piece[taken..];
            }
        }
        let rest = lines.rest();
        told.extend(rest.map(|r| (r.text.to_vec(), r.end.to_vec(), r.first)));
        told
    }

    #[test]
    fn lines_end_in_lf_with_or_without_cr() {
        let told = read(b"a\r\nbc\n\nd\re\r\nrest", 100, 10);
        let texts: Vec<_> = told.iter().map(|(text, ..)| text.as_slice()).collect();
        assert_eq!(texts, [&b"a"[..], b"bc", b"", b"d\re", b"rest"]);
        assert_eq!(told[1].1, b"\n");
        assert!(told.iter().all(|(_, _, first)| *first));
    }

    #[test]
    fn a_long_line_comes_in_pieces_of_one_length() {
        let told = read(b"0123456789ab\r\nc\n", 100, 5);
        let texts: Vec<_> = told.iter().map(|(text, ..)| text.as_slice()).collect();
        assert_eq!(texts, [&b"01234"[..], b"56789", b"ab", b"c"]);
        let firsts: Vec<_> = told.iter().map(|(_, _, first)| *first).collect();
        assert_eq!(firsts, [true, false, false, true]);
    }

    proptest! {
        #[test]
        fn segmentation_changes_nothing(
            text in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..60),
            step in 1..7_usize,
            most in 1..9_usize,
        ) {
            let whole = read(&text, text.len().max(1), most);
            prop_assert_eq!(&read(&text, step, most), &whole);
            let again: Vec<u8> = whole.iter().flat_map(|(text, end, _)| [text.clone(), end.clone()].concat()).collect();
            prop_assert_eq!(again, text);
        }
    }
}
