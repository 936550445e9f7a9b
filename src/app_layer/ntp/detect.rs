//! Whether a datagram is NTP.

use super::packet::{First, HEADER_BYTES, TIME_MODES};

const PORT: u16 = 123;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
/// RFC 5905 section 7.3: one above the largest stratum is `unsynchronized`.
const MOST_STRATUM: u8 = 16;
/// RFC 5905 section 7.2, in powers of two.
const LONGEST_POLL: u8 = 17;
/// The finest precision that is told, in powers of two: about a nanosecond.
const FINEST: i8 = -32;

pub(in crate::app_layer) fn is_datagram(bytes: &[u8], server_port: u16) -> bool {
    let Some(&first) = bytes.first() else {
        return false;
    };
    let First { version, mode } = First::of(first);
    if server_port == PORT {
        let whole = bytes.len() >= HEADER_BYTES || !TIME_MODES.contains(&mode);
        return (1..=4).contains(&version) && mode > 0 && whole;
    }
    // Elsewhere it is what clients and servers say to each other, with no field out of its range.
    let Some([_, stratum, poll, precision, delay @ ..]) = bytes.first_chunk::<HEADER_BYTES>()
    else {
        return false;
    };
    let [delay, _, _, _, dispersion, ..] = delay;
    bytes.len() == HEADER_BYTES
        && matches!(version, 3 | 4)
        && matches!(mode, CLIENT | SERVER)
        && *stratum <= MOST_STRATUM
        && *poll <= LONGEST_POLL
        && (FINEST..=0).contains(&precision.cast_signed())
        // Below 256 seconds.
        && *delay == 0
        && *dispersion == 0
}
