//! What Content-Encoding names (RFC 9110 section 8.4.1).

use super::layer::Coding;
use crate::reuse::{List, reused};

reused!(Coding);

/// The codings of a body, in the order they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings {
    named: List<Coding>,
    /// What was odd about the header.
    pub fault: Option<Fault>,
}

/// Why receivers may disagree about a body's codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A name that is empty, unknown, or known only with other bytes taken out.
    Abnormal,
    /// More codings than are undone, or more than one of those that take much memory.
    TooMany,
}

impl Codings {
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Coding> + '_ {
        self.named.iter().copied()
    }
}

/// Reads a header's value. Where there are too many codings the last ones, which are undone
/// first, are taken.
pub fn codings(value: &[u8], most: usize) -> Codings {
    let mut codings = Codings::default();
    for name in value.split(|&b| b == b',') {
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"identity") {
            continue;
        }
        let exact = Coding::from_name(name);
        if exact.is_none() {
            codings.fault = Some(Fault::Abnormal);
        }
        codings.named.extend(exact.or_else(|| within(name)));
    }
    let mut large = 0;
    let undone = codings.named.iter().rev().take(most).take_while(|coding| {
        large += usize::from(coding.is_large());
        large <= 1
    });
    let over = codings.named.len() - undone.count();
    if over > 0 {
        codings.named.drain(..over);
        codings.fault = Some(Fault::TooMany);
    }
    codings
}

/// A coding in a name with other bytes in it, which some receivers take out or stop at.
fn within(name: &[u8]) -> Option<Coding> {
    let letters = |b: &u8| b.is_ascii_alphanumeric();
    let squeezed: List<u8> = name.iter().copied().filter(letters).take(64).collect();
    Coding::from_name(&squeezed).or_else(|| {
        let words = name.split(|b| !letters(b));
        words.filter(|w| !w.is_empty()).find_map(Coding::from_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_leniently_and_what_is_odd_is_told() {
        use Coding::{Deflate, Gzip, Zstd};
        type Case<'a> = (&'a [u8], &'a [Coding], Option<Fault>);
        let cases: &[Case<'_>] = &[
            (b"gzip", &[Gzip], None),
            (b"X-GZIP, deflate", &[Gzip, Deflate], None),
            (b"deflate,identity, zstd", &[Deflate, Zstd], None),
            (b"br, gzip, zstd", &[Gzip, Zstd], Some(Fault::TooMany)),
            (b"identity", &[], None),
            (b"gzip,", &[Gzip], Some(Fault::Abnormal)),
            (b"gz\0ip", &[Gzip], Some(Fault::Abnormal)),
            (b"\x0bdeflate", &[Deflate], Some(Fault::Abnormal)),
            (b"x gzip", &[Gzip], Some(Fault::Abnormal)),
            (b"other", &[], Some(Fault::Abnormal)),
            (
                b"br,gzip,gzip, deflate",
                &[Gzip, Gzip, Deflate],
                Some(Fault::TooMany),
            ),
        ];
        for (value, named, fault) in cases {
            let got = codings(value, 3);
            assert_eq!(&got.named[..], *named, "{value:?}");
            assert_eq!(got.fault, *fault, "{value:?}");
        }
    }
}
