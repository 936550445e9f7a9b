//! Whether a datagram begins a flow of QUIC.

use super::header::{Read, read};
use super::version::Family;

/// The least that a client's first datagram holds (RFC 9000 section 14.1).
const LEAST_FIRST: usize = 1200;

pub(in crate::app_layer) fn detect(datagram: &[u8]) -> bool {
    let Read::Long(packet, _) = read(datagram) else {
        return false;
    };
    match packet.version.family() {
        Family::Protected(_) | Family::Clear => true,
        Family::Unknown => packet.version.is_reserved() && datagram.len() >= LEAST_FIRST,
        Family::Negotiation => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_versions_tell() {
        let long = |version: [u8; 4], length: usize| {
            let mut bytes = vec![0xc0];
            bytes.extend(version);
            bytes.extend([1, 5, 0, 0, 3, 1, 2, 3]);
            bytes.resize(length, 0);
            bytes
        };
        assert!(detect(&long([0, 0, 0, 1], 40)));
        assert!(detect(&long([0x6b, 0x33, 0x43, 0xcf], 40)));
        assert!(detect(&long([0xff, 0, 0, 29], 40)));
        assert!(detect(b"\xffQ044\x50identity\0\0\0\x01hash of them"));
        assert!(!detect(b"\xffQ044\x50identity\0\0\0\x01hash"));
        assert!(detect(&long([0x1a, 0x2a, 0x3a, 0x4a], 1200)));
        assert!(!detect(&long([0x1a, 0x2a, 0x3a, 0x4a], 100)));
        assert!(!detect(&long([0, 0, 0, 2], 40)));
        assert!(!detect(&long([0, 0, 0, 0], 40)));
        assert!(!detect(&[0x40; 40]));
        assert!(!detect(&[0xc0, 0, 0, 0, 1, 21]));
        assert!(!detect(&[]));
    }
}
