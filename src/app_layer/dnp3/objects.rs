//! Object headers (IEEE 1815 clause 4.2.2.7), and how long what follows one is.

use super::Event;
use crate::app_layer::message::Bytes;

/// An object header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub group: u8,
    pub variation: u8,
    prefix: Prefix,
    /// Points that it is for.
    pub count: u64,
}

/// What stands before each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    None,
    /// An index of so many bytes.
    Index(u64),
    /// The object's length, in so many bytes.
    Length(usize),
}

impl Header {
    /// `None`: it is cut short, or its qualifier is reserved.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (group, variation, qualifier) = (bytes.u8()?, bytes.u8()?, bytes.u8()?);
        let prefix = match qualifier >> 4 {
            0 => Prefix::None,
            1 => Prefix::Index(1),
            2 => Prefix::Index(2),
            3 => Prefix::Index(4),
            4 => Prefix::Length(1),
            5 => Prefix::Length(2),
            6 => Prefix::Length(4),
            _ => return None,
        };
        let count = match qualifier & 0x0f {
            // First and last, by index or by address.
            range @ 0..=5 => {
                let width = 1 << (range % 3);
                let first = little_endian(bytes, width)?;
                let last = little_endian(bytes, width)?;
                (last + 1).checked_sub(first)?
            }
            // All points.
            6 => 0,
            range @ 7..=9 => little_endian(bytes, 1 << (range - 7))?,
            0x0b => little_endian(bytes, 1)?,
            _ => return None,
        };
        Some(Self {
            group,
            variation,
            prefix,
            count,
        })
    }
}

/// Takes the objects behind a header.
pub(super) fn pass_over(header: &Header, function: u8, bytes: &mut Bytes<'_>) -> Result<(), Event> {
    let each = match header.prefix {
        Prefix::Length(width) => {
            for _ in 0..header.count {
                let length = little_endian(bytes, width).ok_or(Event::Malformed)?;
                take(bytes, length)?;
            }
            return Ok(());
        }
        Prefix::Index(width) => width,
        Prefix::None => 0,
    };
    let all = if is_named_only(function, header.group) {
        Some(0)
    } else {
        size(header.group, header.variation).map(|size| size.of(header.count))
    };
    match all {
        Some(all) => take(bytes, all + each * header.count),
        None if header.count == 0 => Ok(()),
        None => Err(Event::UnknownObject),
    }
}

fn take(bytes: &mut Bytes<'_>, count: u64) -> Result<(), Event> {
    let count = usize::try_from(count).map_err(|_| Event::Malformed)?;
    bytes.take(count).map(|_| ()).ok_or(Event::Malformed)
}

/// Integers of the application layer have their lowest byte first (clause 4.2.2.2).
fn little_endian(bytes: &mut Bytes<'_>, width: usize) -> Option<u64> {
    let taken = bytes.take(width)?;
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(taken.iter().rev().fold(0, add))
}

/// Whether a request names its points without their objects (clause 4.4): READ, the freezes, and what is said of
/// classes. A freeze at a time has that time.
const fn is_named_only(function: u8, group: u8) -> bool {
    match function {
        1 | 7..=10 | 20..=22 => true,
        11 | 12 => group != TIME_AND_DATE,
        _ => false,
    }
}

const TIME_AND_DATE: u8 = 50;

/// How long objects are.
#[derive(Clone, Copy)]
enum Size {
    Bytes(u8),
    /// Side by side, so many bits each.
    Bits(u8),
}

impl Size {
    /// Of so many. The count is below 2^33.
    const fn of(self, count: u64) -> u64 {
        match self {
            Self::Bytes(each) => count * each as u64,
            Self::Bits(each) => (count * each as u64).div_ceil(8),
        }
    }
}

/// Of the object library (annex A): the lengths of a group's variations, the first of which is 1; 0 is none.
const LENGTHS: &[(u8, &[u8])] = &[
    (2, &[1, 7, 3]),
    (4, &[1, 7, 3]),
    (11, &[1, 7]),
    (12, &[11, 11]),
    (13, &[1, 7]),
    (20, &[5, 3, 5, 3, 4, 2, 4, 2]),
    (21, &[5, 3, 5, 3, 11, 9, 11, 9, 4, 2, 4, 2]),
    (22, &[5, 3, 5, 3, 11, 9, 11, 9]),
    (23, &[5, 3, 5, 3, 11, 9, 11, 9]),
    (30, &[5, 3, 4, 2, 5, 9]),
    (31, &[5, 3, 11, 9, 4, 2, 5, 9]),
    (32, &[5, 3, 11, 9, 5, 9, 11, 15]),
    (33, &[5, 3, 11, 9, 5, 9, 11, 15]),
    (34, &[2, 4, 4]),
    (40, &[5, 3, 5, 9]),
    (41, &[5, 3, 5, 9]),
    (42, &[5, 3, 11, 9, 5, 9, 11, 15]),
    (43, &[5, 3, 11, 9, 5, 9, 11, 15]),
    (TIME_AND_DATE, &[6, 10, 6, 11]),
    (51, &[6, 6]),
    (52, &[2, 2]),
    (81, &[3]),
    (86, &[0, 1]),
    (101, &[2, 4, 8]),
    (102, &[1]),
    (120, &[0, 0, 6, 2]),
    (121, &[7]),
    (122, &[7, 13]),
];

fn size(group: u8, variation: u8) -> Option<Size> {
    match (group, variation) {
        (1 | 10 | 80, 1) | (12, 3) => Some(Size::Bits(1)),
        (3, 1) => Some(Size::Bits(2)),
        (1 | 3 | 10, 2) => Some(Size::Bytes(1)),
        // Classes are no objects.
        (60, 1..=4) => Some(Size::Bytes(0)),
        // Strings: the variation is their length.
        (110..=113, _) => Some(Size::Bytes(variation)),
        _ => {
            let (_, lengths) = LENGTHS.iter().find(|(known, _)| *known == group)?;
            let place = usize::from(variation).checked_sub(1)?;
            let length = lengths.get(place).copied()?;
            (length > 0).then_some(Size::Bytes(length))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: u8 = 2;
    const READ: u8 = 1;

    fn passed(function: u8, bytes: &[u8]) -> Result<usize, Event> {
        let mut left = Bytes(bytes);
        let header = Header::read(&mut left).ok_or(Event::Malformed)?;
        pass_over(&header, function, &mut left)?;
        Ok(left.rest().len())
    }

    #[test]
    fn objects_are_as_long_as_the_library_says() {
        for (function, bytes, expected) in [
            // All of class 1.
            (READ, &b"\x3c\x02\x06rest"[..], Ok(4)),
            // Ten bits in two bytes.
            (WRITE, b"\x50\x01\x00\x00\x09ABrest", Ok(4)),
            (WRITE, b"\x1e\x02\x01\x00\x00\x01\x00abcdefrest", Ok(4)),
            // Two points by their index, without and with objects.
            (READ, b"\x1e\x02\x17\x02\x01\x02rest", Ok(4)),
            (WRITE, b"\x1e\x02\x17\x01\x01abcrest", Ok(4)),
            (WRITE, b"\x46\x05\x5b\x01\x03\x00abcrest", Ok(4)),
            (WRITE, b"\x6e\x03\x00\x01\x02abcdefrest", Ok(4)),
            (WRITE, b"\xc8\x01\x07\x01a", Err(Event::UnknownObject)),
            (READ, b"\xc8\x01\x07\x01rest", Ok(4)),
            (WRITE, b"\x1e\x02\x00\x00\x01abcde", Err(Event::Malformed)),
            (WRITE, b"\x1e\x02\x00\x02\x00", Err(Event::Malformed)),
            (WRITE, b"\x1e\x02\x7f", Err(Event::Malformed)),
            (WRITE, b"\x1e\x02", Err(Event::Malformed)),
            (
                WRITE,
                b"\x1e\x08\x02\x00\x00\x00\x00\xff\xff\xff\xff",
                Err(Event::UnknownObject),
            ),
            (
                WRITE,
                b"\x1e\x06\x32\x00\x00\x00\x00\xff\xff\xff\xff",
                Err(Event::Malformed),
            ),
        ] {
            assert_eq!(passed(function, bytes), expected, "{bytes:?}");
        }
    }
}
