//! What was found out about expressions: for which engine each is, and how it is written for it.
//!
//! To find out costs more than to read the rest of its rule, and depends on the expression alone: so
//! it is worth keeping from one start of the program to the next. What comes back from a file is
//! bytes that anything may have happened to: they are taken whole, by their checksum, or not at all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The form of what [`Readings::to_bytes`] writes; another number for each other form.
const FORM: &[u8; 8] = b"expr\0\0\0\x01";
const CHECKSUM: usize = 32;
/// Expressions kept at most; a bound for what grows from file to file.
const MOST: usize = 200_000;

/// How one expression is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) pattern: Box<str>,
    pub(super) needs_pcre2: bool,
}

type Known = HashMap<Box<str>, Reading, ahash::RandomState>;

/// Readings by expression; the key is all that decides about it.
#[derive(Debug, Default)]
pub struct Readings {
    /// From before; looked up by many threads without a lock.
    known: Known,
    fresh: Mutex<Known>,
}

impl Readings {
    pub(super) fn find(&self, expression: &str) -> Option<&Reading> {
        self.known.get(expression)
    }

    pub(super) fn note(&self, expression: String, reading: Reading) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        if self.known.len() + fresh.len() < MOST {
            fresh.insert(expression.into(), reading);
        }
    }

    /// Whether anything was found out since.
    pub fn has_news(&self) -> bool {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        !fresh.is_empty()
    }

    /// How many were known at first.
    pub fn known(&self) -> usize {
        self.known.len()
    }

    /// All of them, in one order whatever order they were found in, and a checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = self.known.iter().chain(fresh.iter()).collect();
        all.sort_unstable_by_key(|(expression, _)| *expression);
        let mut bytes = FORM.to_vec();
        for (expression, reading) in all {
            let texts = [&**expression, &*reading.pattern];
            let lengths = texts.map(|text| u32::try_from(text.len()));
            let [Ok(first), Ok(second)] = lengths else {
                continue;
            };
            bytes.extend(first.to_le_bytes());
            bytes.extend(second.to_le_bytes());
            bytes.push(u8::from(reading.needs_pcre2));
            for text in texts {
                bytes.extend(text.as_bytes());
            }
        }
        Self::seal(bytes)
    }

    /// The bytes, and behind them their checksum.
    pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
        let checksum = Sha256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// What [`Self::to_bytes`] wrote; `None`: these bytes are something else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        if *Sha256::digest(content) != *checksum {
            return None;
        }
        let mut rest = content.strip_prefix(FORM)?;
        let mut known = Known::default();
        while !rest.is_empty() {
            let (first, after) = rest.split_first_chunk::<4>()?;
            let (second, after) = after.split_first_chunk::<4>()?;
            let (&engine, after) = after.split_first()?;
            let (expression, after) = text(after, *first)?;
            let (pattern, after) = text(after, *second)?;
            if engine > 1 || known.len() >= MOST {
                return None;
            }
            let reading = Reading {
                pattern: pattern.into(),
                needs_pcre2: engine == 1,
            };
            known.insert(expression.into(), reading);
            rest = after;
        }
        Some(Self {
            known,
            fresh: Mutex::default(),
        })
    }
}

fn text(bytes: &[u8], length: [u8; 4]) -> Option<(&str, &[u8])> {
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Readings {
        let readings = Readings::default();
        for (expression, pattern, needs_pcre2) in [("00=a", "a", false), ("01=\u{e9}", "", true)] {
            let reading = Reading {
                pattern: pattern.into(),
                needs_pcre2,
            };
            readings.note(expression.to_owned(), reading);
        }
        readings
    }

    #[test]
    fn what_was_written_is_read() {
        let before = some();
        assert!(before.has_news() && before.find("00=a").is_none());
        let bytes = before.to_bytes();
        let after = Readings::from_bytes(&bytes).unwrap();
        assert!(!after.has_news());
        assert_eq!(after.known(), 2);
        assert_eq!(&*after.find("00=a").unwrap().pattern, "a");
        assert!(after.find("01=\u{e9}").unwrap().needs_pcre2);
        assert_eq!(after.to_bytes(), bytes);
        after.note("2".to_owned(), after.find("00=a").unwrap().clone());
        let more = Readings::from_bytes(&after.to_bytes()).unwrap();
        assert_eq!(more.known(), 3);
    }

    #[test]
    fn no_piece_and_no_flipped_bit_is_taken() {
        let bytes = some().to_bytes();
        for length in 0..bytes.len() {
            assert!(Readings::from_bytes(&bytes[..length]).is_none(), "{length}");
        }
        for bit in 0..8 * bytes.len() {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(Readings::from_bytes(&other).is_none(), "{bit}");
        }
    }

    #[test]
    fn lengths_that_lead_out_are_refused_whatever_the_checksum() {
        let written = some().to_bytes();
        let content = &written[..written.len() - CHECKSUM];
        for at in FORM.len()..content.len() {
            let mut bytes = content.to_vec();
            bytes[at] = 0xff;
            // It may be readable all the same; it must not lead out of the bytes.
            let _ = Readings::from_bytes(&Readings::seal(bytes));
        }
        let other_form = Readings::seal(b"expr\0\0\0\x02".to_vec());
        assert!(Readings::from_bytes(&other_form).is_none());
        let of_this_form = Readings::seal(FORM.to_vec());
        assert!(Readings::from_bytes(&of_this_form).is_some());
    }
}
