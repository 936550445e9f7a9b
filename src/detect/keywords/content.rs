//! `content`: one byte string, and where it may stand.

use memchr::{memchr, memchr2};

use super::failure::Failure;
use super::{Machine, cost};
use crate::signature::ast::{Content, Value};

/// A byte string made ready to be found.
#[derive(Debug)]
pub(crate) struct Needle {
    /// In lower case where `nocase`.
    bytes: Box<[u8]>,
    nocase: bool,
    /// Index of the byte that is rarest in ordinary traffic: the one to look for first.
    rare: u8,
}

impl Needle {
    pub(crate) fn new(bytes: &[u8], nocase: bool) -> Self {
        let bytes: Box<[u8]> = if nocase {
            bytes.to_ascii_lowercase().into()
        } else {
            bytes.into()
        };
        let rare = bytes
            .iter()
            .take(usize::from(u8::MAX) + 1)
            .enumerate()
            .min_by_key(|&(_, &b)| Self::frequency(b))
            .map_or(0, |(at, _)| at as u8);
        Self {
            bytes,
            nocase,
            rare,
        }
    }

    /// As it is looked for: in lower case where case is of no matter.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How common a byte is in payloads of text and binary protocols; higher is commoner.
    pub(crate) const fn frequency(byte: u8) -> u8 {
        match byte {
            0 => 255,
            b'e' | b't' | b'a' | b'o' | b' ' => 240,
            b'i' | b'n' | b's' | b'r' | b'l' | b'c' | b'd' => 220,
            b'a'..=b'z' => 180,
            b'0' | b'1' | b'2' | b'/' | b'.' | b'-' | b'=' | b'"' => 150,
            b'3'..=b'9' | b':' | b'\r' | b'\n' | 0xff => 130,
            b'A'..=b'Z' => 110,
            1..=8 => 100,
            b'!'..=b'~' => 80,
            _ => 50,
        }
    }

    fn is_at(&self, candidate: &[u8]) -> bool {
        if self.nocase {
            self.bytes.eq_ignore_ascii_case(candidate)
        } else {
            *self.bytes == *candidate
        }
    }

    /// The first occurrence in `haystack`. An empty needle is at 0.
    pub(crate) fn find(&self, haystack: &[u8]) -> Option<usize> {
        self.search(haystack, &mut 0)
    }

    /// The same, and what it cost, in units of work.
    pub(super) fn look(&self, haystack: &[u8]) -> (Option<usize>, u64) {
        let mut places = 0;
        let found = self.search(haystack, &mut places);
        let searched = found.unwrap_or(haystack.len()) as u64;
        let units = cost::SEARCH + places * cost::PLACE + searched / cost::BYTES_SEARCHED;
        (found, units)
    }

    /// The same; adds to `places` at how many it was looked for byte by byte.
    fn search(&self, haystack: &[u8], places: &mut u64) -> Option<usize> {
        let last_start = haystack.len().checked_sub(self.bytes.len())?;
        let Some(&rare) = self.bytes.get(usize::from(self.rare)) else {
            return Some(0);
        };
        let skip = usize::from(self.rare);
        let both = self.nocase && rare.is_ascii_lowercase();
        let mut start = 0;
        while start <= last_start {
            let window = &haystack[start + skip..=last_start + skip];
            let hop = if both {
                memchr2(rare, rare.to_ascii_uppercase(), window)
            } else {
                memchr(rare, window)
            };
            start += hop?;
            *places += 1;
            if self.is_at(&haystack[start..start + self.bytes.len()]) {
                return Some(start);
            }
            start += 1;
        }
        None
    }
}

/// A compiled `content`.
#[derive(Debug)]
pub(crate) struct ContentOp {
    pub(crate) needle: Needle,
    pub(crate) negated: bool,
    /// Where what follows fails, a later occurrence may still do.
    pub(crate) retry: bool,
    startswith: bool,
    endswith: bool,
    offset: Option<Value>,
    depth: Option<Value>,
    distance: Option<Value>,
    within: Option<Value>,
}

impl ContentOp {
    pub(crate) fn new(content: &Content, retry: bool) -> Self {
        Self {
            needle: Needle::new(&content.pattern, content.nocase),
            negated: content.negated,
            retry,
            startswith: content.startswith,
            endswith: content.endswith,
            offset: content.offset,
            depth: content.depth,
            distance: content.distance,
            within: content.within,
        }
    }

    /// Whether it is looked for from the match before.
    pub(super) const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }

    /// That it is nowhere, or nowhere where the rest can match, holds for other places of the
    /// match before as well, unless those have other bytes before them to find it in.
    pub(super) const fn missed(&self) -> Failure {
        match (self.is_relative(), self.within, self.depth) {
            (false, ..) => Failure::Anywhere,
            (true, None, None) => Failure::Later,
            (true, ..) => Failure::Here,
        }
    }

    /// That it is there though it must not be.
    pub(super) const fn denied(&self) -> Failure {
        Failure::of_fixed(!self.is_relative())
    }
}

impl Machine<'_> {
    /// The first start of an occurrence at `from` or later that stands where the rule wants it.
    pub(super) fn find_content(
        &mut self,
        c: &ContentOp,
        cursor: i64,
        from: usize,
    ) -> Option<usize> {
        let (low, high) = self.content_range(c, cursor)?;
        let low = low.max(from);
        if c.endswith {
            let start = self.bytes.len().checked_sub(c.needle.len())?;
            let there = low <= start && self.bytes.len() <= high;
            return (there && c.needle.is_at(&self.bytes[start..])).then_some(start);
        }
        let haystack = self.bytes.get(low..high)?;
        let (found, units) = c.needle.look(haystack);
        self.spent += units;
        Some(low + found?)
    }

    /// The part of the bytes in which the whole content must lie.
    fn content_range(&self, c: &ContentOp, cursor: i64) -> Option<(usize, usize)> {
        let length = self.bytes.len() as i64;
        let start = -self.base;
        let offset = c.offset.map(|v| self.value(v));
        let depth = c.depth.map(|v| self.value(v));
        let (mut low, mut high) = (start, length);
        if c.is_relative() {
            low = cursor.saturating_add(c.distance.map_or(0, |v| self.value(v)));
            if let Some(within) = c.within {
                high = high.min(low.saturating_add(self.value(within)));
            }
            if let Some(depth) = depth {
                high = high.min(cursor.saturating_add(depth));
            }
            if let Some(offset) = offset {
                low = low.max(start.saturating_add(offset));
            }
        } else {
            low = low.saturating_add(offset.unwrap_or(0));
            if let Some(depth) = depth {
                high = high.min(low.saturating_add(depth));
            }
        }
        if c.startswith {
            low = low.max(start);
            high = high.min(start.saturating_add(c.needle.len() as i64));
        }
        let low = low.max(0);
        let high = high.min(length);
        if high.checked_sub(low)? < c.needle.len() as i64 {
            return None;
        }
        Some((low as usize, high as usize))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_naive_search_finds(
            haystack in proptest::collection::vec(proptest::sample::select(b"aAbB\0z".to_vec()), 0..60),
            needle in proptest::collection::vec(proptest::sample::select(b"aAbB\0z".to_vec()), 1..5),
            nocase: bool,
        ) {
            let expected = haystack.windows(needle.len()).position(|w| {
                if nocase { w.eq_ignore_ascii_case(&needle) } else { w == needle }
            });
            prop_assert_eq!(Needle::new(&needle, nocase).find(&haystack), expected);
        }
    }

    #[test]
    fn a_needle_longer_than_an_index_is_found() {
        let mut haystack = vec![b'a'; 700];
        haystack[600] = b'~';
        let needle = haystack[300..].to_vec();
        assert_eq!(Needle::new(&needle, true).find(&haystack), Some(300));
    }
}
