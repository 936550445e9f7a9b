//! `byte_test`, `byte_jump` and `byte_extract`: numbers read out of a buffer.

use super::Machine;
use crate::signature::ast::{
    ByteExtract, ByteJump, ByteMath, ByteTest, Comparison, Endian, MathOperator, NumberBase,
    NumberFormat,
};

/// Digits of a 64-bit number in octal, the longest form.
const MOST_DIGITS: usize = 23;

/// Reads a number at the start of `bytes`, at most `count` bytes long. Gives it with the number of
/// bytes it took: for digits that may be fewer. No count of digits means as many as there are.
fn read(format: &NumberFormat, count: usize, bytes: &[u8]) -> Option<(u64, usize)> {
    let bytes = match count {
        0 if format.string.is_some() => &bytes[..bytes.len().min(MOST_DIGITS)],
        _ => bytes.get(..count)?,
    };
    let (value, taken) = match format.string {
        Some(base) => digits(base, bytes)?,
        None => (binary(format.endian, bytes)?, count),
    };
    let value = match format.mask {
        Some(mask) if mask != 0 => (value & u64::from(mask)) >> mask.trailing_zeros(),
        _ => value,
    };
    Some((value, taken))
}

fn binary(endian: Endian, bytes: &[u8]) -> Option<u64> {
    if bytes.len() > 8 {
        return None;
    }
    let add = |n: u64, &b: &u8| n << 8 | u64::from(b);
    Some(match endian {
        Endian::Big | Endian::Sender => bytes.iter().fold(0, add),
        Endian::Little => bytes.iter().rev().fold(0, add),
    })
}

/// As C's `strtoull` reads: white space, a sign, `0x` before hex, then digits.
fn digits(base: NumberBase, bytes: &[u8]) -> Option<(u64, usize)> {
    let radix = match base {
        NumberBase::Hex => 16,
        NumberBase::Decimal => 10,
        NumberBase::Octal => 8,
    };
    let mut at = bytes
        .iter()
        .take_while(|b| matches!(b, b' ' | 9..=13))
        .count();
    let negative = bytes.get(at) == Some(&b'-');
    if matches!(bytes.get(at), Some(b'+' | b'-')) {
        at += 1;
    }
    let prefixed = radix == 16
        && bytes.get(at) == Some(&b'0')
        && matches!(bytes.get(at + 1), Some(b'x' | b'X'))
        && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit);
    if prefixed {
        at += 2;
    }
    let first = at;
    let mut value: u64 = 0;
    while let Some(digit) = bytes.get(at).and_then(|&b| char::from(b).to_digit(radix)) {
        value = value
            .saturating_mul(u64::from(radix))
            .saturating_add(u64::from(digit));
        at += 1;
    }
    if at == first {
        return None;
    }
    Some((
        if negative {
            value.wrapping_neg()
        } else {
            value
        },
        at,
    ))
}

impl Machine<'_> {
    /// With the order of bytes that the sender of these bytes uses, where the rule asks for that.
    fn format(&self, written: &NumberFormat) -> NumberFormat {
        let endian = match written.endian {
            Endian::Sender if self.variables.little_endian => Endian::Little,
            Endian::Sender => Endian::Big,
            known => known,
        };
        NumberFormat { endian, ..*written }
    }

    /// The bytes from `origin + offset` on; `None` outside of the buffer.
    pub(super) fn bytes_from(
        &self,
        relative: bool,
        cursor: i64,
        offset: i64,
    ) -> Option<(usize, &[u8])> {
        let at = self.origin(relative, cursor).saturating_add(offset);
        let at = usize::try_from(at).ok()?;
        Some((at, self.bytes.get(at..)?))
    }

    pub(super) fn byte_test(&self, t: &ByteTest, cursor: i64) -> bool {
        let count = usize::try_from(self.value(t.bytes)).ok();
        let read = count
            .zip(self.bytes_from(t.format.relative, cursor, self.value(t.offset)))
            .and_then(|(count, (_, bytes))| read(&self.format(&t.format), count, bytes));
        // What cannot be read matches neither the test nor its negation.
        let Some((value, _)) = read else {
            return false;
        };
        let against = self.value(t.value) as u64;
        let holds = match t.comparison {
            Comparison::Less => value < against,
            Comparison::Greater => value > against,
            Comparison::Equal => value == against,
            Comparison::LessOrEqual => value <= against,
            Comparison::GreaterOrEqual => value >= against,
            Comparison::BitAnd => value & against != 0,
            Comparison::BitOr => value ^ against != 0,
        };
        holds != t.negated
    }

    /// Where the jump lands: on a byte of the buffer, or at its start where it goes before that.
    pub(super) fn byte_jump(&self, j: &ByteJump, cursor: i64) -> Option<i64> {
        let count = usize::try_from(self.value(j.bytes)).ok()?;
        let (at, bytes) = self.bytes_from(j.format.relative, cursor, self.value(j.offset))?;
        let (value, taken) = if count == 0 && j.format.string.is_none() {
            (0, 0)
        } else {
            read(&self.format(&j.format), count, bytes)?
        };
        let mut jump = i64::try_from(value)
            .ok()?
            .checked_mul(i64::from(j.multiplier))?;
        if j.align {
            jump = jump.checked_add(3)? & !3;
        }
        let jump = jump.checked_add(self.value(j.post_offset))?;
        let length = self.bytes.len() as i64;
        let origin = if j.from_beginning {
            -self.base
        } else if j.from_end {
            length
        } else {
            (at + taken) as i64
        };
        let to = origin.checked_add(jump)?.max(-self.base);
        (0..length).contains(&to).then_some(to)
    }

    /// Computes a variable and gives the position behind the number.
    pub(super) fn byte_math(&mut self, m: &ByteMath, cursor: i64) -> Option<i64> {
        let count = usize::try_from(self.value(m.bytes)).ok()?;
        let (at, bytes) = self.bytes_from(m.format.relative, cursor, self.value(m.offset))?;
        let (value, taken) = read(&self.format(&m.format), count, bytes)?;
        let operand = self.value(m.operand) as u64;
        let shift = u32::try_from(operand).ok();
        let result = match m.operator {
            MathOperator::Add => value.wrapping_add(operand),
            MathOperator::Subtract => value.wrapping_sub(operand),
            MathOperator::Multiply => value.wrapping_mul(operand),
            MathOperator::Divide => value.checked_div(operand)?,
            MathOperator::ShiftLeft => value.checked_shl(shift?)?,
            MathOperator::ShiftRight => value.checked_shr(shift?)?,
        };
        self.variables.values[usize::from(m.variable)] = i64::try_from(result).unwrap_or(i64::MAX);
        Some((at + taken) as i64)
    }

    /// Stores the number and gives the position behind it.
    pub(super) fn byte_extract(&mut self, x: &ByteExtract, cursor: i64) -> Option<i64> {
        let (at, bytes) = self.bytes_from(x.format.relative, cursor, i64::from(x.offset))?;
        let (value, taken) = read(&self.format(&x.format), usize::from(x.format.bytes), bytes)?;
        let mut value = value.saturating_mul(u64::from(x.multiplier));
        if let Some(align) = x.align.map(u64::from).filter(|&a| a != 0) {
            value = value.saturating_add((align - value % align) % align);
        }
        self.variables.values[usize::from(x.variable)] = i64::try_from(value).unwrap_or(i64::MAX);
        Some((at + taken) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(string: Option<NumberBase>, endian: Endian, mask: Option<u32>) -> NumberFormat {
        NumberFormat {
            bytes: 4,
            endian,
            string,
            relative: false,
            mask,
        }
    }

    #[test]
    fn binary_numbers_have_an_end_and_a_mask() {
        let big = format(None, Endian::Big, None);
        let little = format(None, Endian::Little, None);
        assert_eq!(read(&big, 2, b"\x01\x02\x03"), Some((0x0102, 2)));
        assert_eq!(read(&little, 2, b"\x01\x02\x03"), Some((0x0201, 2)));
        assert_eq!(read(&big, 4, b"\x01\x02\x03"), None);
        assert_eq!(read(&big, 9, &[1; 10]), None);
        assert_eq!(
            read(&format(None, Endian::Big, Some(0xf0)), 1, b"\xab"),
            Some((0xa, 1))
        );
    }

    #[test]
    fn digits_stop_at_the_first_that_is_none() {
        let read = |base, bytes: &[u8]| digits(base, bytes);
        assert_eq!(read(NumberBase::Decimal, b"12z4"), Some((12, 2)));
        assert_eq!(read(NumberBase::Decimal, b" 7"), Some((7, 2)));
        assert_eq!(read(NumberBase::Hex, b"0x1f"), Some((31, 4)));
        assert_eq!(read(NumberBase::Hex, b"0xzz"), Some((0, 1)));
        assert_eq!(read(NumberBase::Octal, b"178"), Some((15, 2)));
        assert_eq!(read(NumberBase::Decimal, b"zz"), None);
    }
}
