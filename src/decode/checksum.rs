//! The internet checksum (RFC 1071).

use std::net::IpAddr;

/// A running one's-complement sum, kept wide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset.
    pub fn add(mut self, bytes: &[u8]) -> Self {
        // Eight bytes a step; carries gather in the upper half (RFC 1071 section 2, parallel summation).
        let mut chunks = bytes.chunks_exact(8);
        let mut sum: u128 = u128::from(self.0);
        for chunk in &mut chunks {
            let word = u64::from_be_bytes(chunk.try_into().unwrap_or_default());
            sum += u128::from(word);
        }
        let mut rest = [0_u8; 8];
        let tail = chunks.remainder();
        rest[..tail.len()].copy_from_slice(tail);
        sum += u128::from(u64::from_be_bytes(rest));
        self.0 = fold_to_64(sum);
        self
    }

    /// The pseudo header of RFC 9293 section 3.1 and RFC 8200 section 8.1.
    pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Self {
        let sum = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                Self::default().add(&src.octets()).add(&dst.octets())
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                Self::default().add(&src.octets()).add(&dst.octets())
            }
            _ => Self::default(),
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        sum.add(&length.to_be_bytes())
            .add(&u32::from(protocol).to_be_bytes())
    }

    /// Whether the bytes, their checksum field among them, sum up to minus zero.
    pub fn is_valid(self) -> bool {
        self.folded() == 0xffff
    }

    /// What a checksum field must hold for these bytes, it being zero among them.
    pub fn complement(self) -> u16 {
        !self.folded()
    }

    fn folded(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }
}

fn fold_to_64(sum: u128) -> u64 {
    let sum = (sum & u128::from(u64::MAX)) + (sum >> 64);
    let sum = (sum & u128::from(u64::MAX)) + (sum >> 64);
    sum as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071 section 4.1, word by word.
    fn plain(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    proptest! {
        #[test]
        fn wide_steps_sum_as_words_do(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let wide = Sum::default().add(&bytes).folded();
            // Plus and minus zero are the same number.
            prop_assert_eq!(wide % 0xffff, plain(&bytes) % 0xffff);
        }
    }

    #[test]
    fn the_example_of_the_rfc() {
        let sum = Sum::default().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
    }
}
