//! `entropy`: how evenly byte values are spread.

use crate::signature::ast::{Entropy, EntropyComparison};

/// Values closer than this are equal.
const CLOSE: f64 = 1e-6;

/// Whether the bytes fulfil the condition; where there are none, none does.
pub(super) fn holds(test: &Entropy, bytes: &[u8]) -> bool {
    let Some(rest) = bytes.get(test.offset as usize..).filter(|b| !b.is_empty()) else {
        return false;
    };
    let part = match test.bytes {
        Some(count) => &rest[..rest.len().min(count as usize)],
        None => rest,
    };
    let value = of(part);
    match test.comparison {
        EntropyComparison::Less => value < test.value,
        EntropyComparison::LessOrEqual => value <= test.value,
        EntropyComparison::Greater => value > test.value,
        EntropyComparison::GreaterOrEqual => value >= test.value,
        EntropyComparison::Equal => (value - test.value).abs() < CLOSE,
        EntropyComparison::NotEqual => (value - test.value).abs() >= CLOSE,
    }
}

/// Shannon's entropy in bits a byte, from 0 to 8.
fn of(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as f64;
    let parts = counts.iter().filter(|&&n| n > 0).map(|&n| {
        let part = f64::from(n) / total;
        -part * part.log2()
    });
    parts.sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_from_all_alike_to_all_different() {
        assert!(of(b"aaaaaaaa").abs() < CLOSE);
        assert!((of(b"abababab") - 1.0).abs() < CLOSE);
        let all: Vec<u8> = (0..=255).collect();
        assert!((of(&all) - 8.0).abs() < CLOSE);
    }

    #[test]
    fn the_part_asked_for_is_looked_at() {
        let test = |offset, bytes, comparison, value| Entropy {
            offset,
            bytes,
            comparison,
            value,
        };
        let text = b"aaaabcde";
        assert!(holds(
            &test(0, Some(4), EntropyComparison::Equal, 0.0),
            text
        ));
        assert!(holds(
            &test(4, None, EntropyComparison::GreaterOrEqual, 2.0),
            text
        ));
        assert!(!holds(
            &test(4, None, EntropyComparison::Greater, 2.0),
            text
        ));
        assert!(!holds(&test(8, None, EntropyComparison::Less, 8.0), text));
    }
}
