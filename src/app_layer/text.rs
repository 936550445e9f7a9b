//! Numbers as text. A packet's fields are made into text often enough that `core::fmt` shows.

use std::fmt::Write;

use crate::reuse::Text;

const LOWER: &[u8; 16] = b"0123456789abcdef";
const UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Each byte as `{byte:02x}`.
pub(super) fn hex(bytes: &[u8]) -> Text {
    let mut text = Text::new();
    for byte in bytes {
        push_hex(&mut text, *byte);
    }
    text
}

/// As `{byte:02x}`.
pub(super) fn push_hex(text: &mut impl Write, byte: u8) {
    push_digits(text, byte, LOWER);
}

/// As `{byte:02X}`.
pub(super) fn push_upper_hex(text: &mut impl Write, byte: u8) {
    push_digits(text, byte, UPPER);
}

fn push_digits(text: &mut impl Write, byte: u8, digits: &[u8; 16]) {
    let _ = text.write_char(char::from(digits[usize::from(byte >> 4)]));
    let _ = text.write_char(char::from(digits[usize::from(byte & 15)]));
}

/// As `{number}`.
pub(super) fn push_decimal(text: &mut impl Write, number: u64) {
    let mut power = 1;
    while number / power >= 10 {
        power *= 10;
    }
    while power > 0 {
        // Below ten by how the power was found.
        let _ = text.write_char(char::from(b'0' + (number / power % 10) as u8));
        power /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_formatter_writes_them() {
        let edges = [
            0,
            1,
            9,
            10,
            99,
            100,
            255,
            65_535,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ];
        for number in edges.into_iter().chain(0..2000) {
            let mut text = String::new();
            push_decimal(&mut text, number);
            assert_eq!(text, number.to_string());
        }
        for byte in 0..=u8::MAX {
            let (mut lower, mut upper) = (String::new(), String::new());
            push_hex(&mut lower, byte);
            push_upper_hex(&mut upper, byte);
            assert_eq!(
                (lower, upper),
                (format!("{byte:02x}"), format!("{byte:02X}"))
            );
        }
    }
}
