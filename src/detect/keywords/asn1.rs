//! `asn1`: BER (X.690 section 8), walked without trust in its lengths.

use super::Machine;
use crate::signature::ast::Asn1;

/// Elements that are looked at, of one test.
const MAX_ELEMENTS: usize = 256;
/// Digits of a real number that any decoder has room for.
const LONGEST_REAL: u64 = 256;

const BIT_STRING: u32 = 3;
const REAL: u32 = 9;

/// One element, less its contents.
struct Element {
    constructed: bool,
    /// Of the universal class; others have none.
    tag: Option<u32>,
    /// `None`: the contents end with two zero bytes (section 8.1.3.6).
    length: Option<u64>,
    /// Bytes of identifier and length.
    header: usize,
}

impl Element {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, _) = bytes.split_first()?;
        let mut at = 1;
        let mut tag = u32::from(first & 0x1f);
        if tag == 0x1f {
            tag = 0;
            loop {
                let byte = *bytes.get(at)?;
                at += 1;
                tag = tag.checked_mul(128)?.checked_add(u32::from(byte & 0x7f))?;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        let byte = *bytes.get(at)?;
        at += 1;
        let length = match byte {
            0x80 => None,
            short if short < 0x80 => Some(u64::from(short)),
            long => {
                let count = usize::from(long & 0x7f);
                let digits = bytes.get(at..at + count)?;
                at += count;
                let add = |n: u64, &b: &u8| n.checked_mul(256)?.checked_add(u64::from(b));
                Some(digits.iter().try_fold(0, add).unwrap_or(u64::MAX))
            }
        };
        Some(Self {
            constructed: first & 0x20 != 0,
            tag: (first & 0xc0 == 0).then_some(tag),
            length,
            header: at,
        })
    }
}

fn holds(test: &Asn1, mut bytes: &[u8]) -> bool {
    for _ in 0..MAX_ELEMENTS {
        let Some(element) = Element::read(bytes) else {
            return false;
        };
        let contents = bytes.get(element.header..).unwrap_or_default();
        let length = element.length.unwrap_or(contents.len() as u64);
        if test
            .oversize_length
            .is_some_and(|most| length > u64::from(most))
        {
            return true;
        }
        if !element.constructed {
            let first = contents.first().copied().unwrap_or(0);
            // Section 8.6.2.2: the first byte counts the unused bits of the last.
            let bits = length.saturating_sub(1).saturating_mul(8);
            if test.bit_string_overflow
                && element.tag == Some(BIT_STRING)
                && length > 0
                && u64::from(first) > bits
            {
                return true;
            }
            // Section 8.5.8: decimal digits.
            if test.double_overflow
                && element.tag == Some(REAL)
                && first & 0xc0 == 0
                && length > LONGEST_REAL
            {
                return true;
            }
        }
        // Into what is constructed, past what is not.
        bytes = if element.constructed {
            contents
        } else {
            let skip = usize::try_from(length).unwrap_or(usize::MAX);
            contents.get(skip..).unwrap_or_default()
        };
    }
    false
}

impl Machine<'_> {
    pub(super) fn asn1(&self, test: &Asn1, cursor: i64) -> bool {
        let found = self.bytes_from(test.relative, cursor, i64::from(test.offset));
        found.is_some_and(|(_, bytes)| holds(test, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_overrun_are_found_wherever_they_are() {
        let bits = Asn1 {
            bit_string_overflow: true,
            ..Asn1::default()
        };
        let oversize = Asn1 {
            oversize_length: Some(2048),
            ..Asn1::default()
        };
        let real = Asn1 {
            double_overflow: true,
            ..Asn1::default()
        };
        for (test, bytes, expected) in [
            (&bits, &[0x03, 0x02, 0x08, 0xff][..], false),
            (&bits, &[0x03, 0x02, 0x09, 0xff], true),
            (&bits, &[0x30, 0x04, 0x03, 0x02, 0x09, 0xff], true),
            (&bits, &[0x02, 0x01, 0x05, 0x03, 0x01, 0x01], true),
            (&oversize, &[0x04, 0x82, 0x08, 0x00], false),
            (&oversize, &[0x04, 0x82, 0x08, 0x01], true),
            (
                &oversize,
                &[0x30, 0x80, 0x04, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1],
                true,
            ),
            (&real, &[0x09, 0x82, 0x01, 0x01, 0x03], true),
            (&real, &[0x09, 0x82, 0x01, 0x00, 0x03], false),
            (&real, &[0x09, 0x82, 0x01, 0x01, 0x80], false),
            (&bits, &[], false),
            (&bits, &[0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], false),
        ] {
            assert_eq!(holds(test, bytes), expected, "{bytes:02x?}");
        }
    }
}
