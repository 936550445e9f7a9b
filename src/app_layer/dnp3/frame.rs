//! Frames of the link layer (IEEE 1815 clause 9.2) in a stream, found again behind what is none.

use super::Event;
use crate::reuse::List;

/// The octets that begin a frame.
const START: [u8; 2] = [0x05, 0x64];
/// Start, length, control, both addresses, checksum.
pub(super) const HEADER: usize = 10;
const CHECKSUM: usize = 2;
/// Bytes of data that share a checksum.
const BLOCK: usize = 16;
/// What the length counts besides the data: control and addresses.
const LEAST_LENGTH: u8 = 5;

/// From a primary station: its frames with this bit may carry data.
const PRIMARY: u8 = 0x40;
/// CONFIRMED_USER_DATA and UNCONFIRMED_USER_DATA, of a primary station.
const USER_DATA: [u8; 2] = [3, 4];

/// A whole frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub destination: u16,
    pub source: u16,
    control: u8,
    /// Without the checksums.
    pub data: List<u8>,
}

impl Frame {
    pub(super) fn is_user_data(&self) -> bool {
        self.control & PRIMARY != 0 && USER_DATA.contains(&(self.control & 0x0f))
    }
}

/// What came of some bytes.
#[derive(Debug)]
pub(super) enum Found {
    More,
    Frame(Frame),
    Odd(Event),
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame.
    kept: List<u8>,
    /// Nothing was a frame since the last one: told once.
    lost: bool,
}

impl Frames {
    /// Takes bytes up to the end of a frame, at least one of a slice that is not empty.
    ///
    /// Where a checksum is wrong, a frame is looked for from the next byte on: a receiver that passes over the whole
    /// frame sees less than that, and never more.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (usize, Found) {
        let mut taken = 0;
        loop {
            match self.judge() {
                Step::Needs(whole) => {
                    let rest = bytes.get(taken..).unwrap_or_default();
                    if rest.is_empty() {
                        return (taken, Found::More);
                    }
                    let missing = whole.saturating_sub(self.kept.len()).max(1);
                    let piece = rest.get(..missing).unwrap_or(rest);
                    self.kept.extend_from_slice(piece);
                    taken += piece.len();
                }
                Step::Whole(frame) => {
                    self.kept.clear();
                    self.lost = false;
                    return (taken, Found::Frame(frame));
                }
                Step::Odd(event) => {
                    self.hunt();
                    if !std::mem::replace(&mut self.lost, true) {
                        return (taken, Found::Odd(event));
                    }
                }
            }
        }
    }

    /// Bytes are missing: whatever has begun is lost.
    pub(super) fn gap(&mut self) {
        self.kept.clear();
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    fn judge(&self) -> Step {
        let kept = &self.kept[..];
        if !kept.iter().zip(START).all(|(a, b)| *a == b) {
            return Step::Odd(Event::Malformed);
        }
        let Some((header, blocks)) = kept.split_first_chunk::<HEADER>() else {
            return Step::Needs(HEADER);
        };
        match header_length(header) {
            Ok(length) => {
                let data = usize::from(length - LEAST_LENGTH);
                let whole = HEADER + data + data.div_ceil(BLOCK) * CHECKSUM;
                if kept.len() < whole {
                    return Step::Needs(whole);
                }
                data_of(header, blocks).map_or(Step::Odd(Event::BadTransportCrc), Step::Whole)
            }
            Err(event) => Step::Odd(event),
        }
    }

    /// On to the next byte that may begin a frame.
    fn hunt(&mut self) {
        let behind = self.kept.get(1..).unwrap_or_default();
        let next = memchr::memchr(START[0], behind).map_or(self.kept.len(), |at| at + 1);
        self.kept.drain(..next);
    }
}

enum Step {
    /// So many bytes tell more.
    Needs(usize),
    Whole(Frame),
    Odd(Event),
}

/// The length in a header that begins a frame and fits its checksum.
pub(super) fn header_length(header: &[u8; HEADER]) -> Result<u8, Event> {
    if !is_sound(header) {
        return Err(Event::BadLinkCrc);
    }
    if header[2] < LEAST_LENGTH {
        return Err(Event::LenTooSmall);
    }
    Ok(header[2])
}

/// Whether bytes may begin a frame, and whether all of its header is there and sound.
pub(super) fn begins(bytes: &[u8]) -> Option<bool> {
    if !bytes.iter().zip(START).all(|(a, b)| *a == b) {
        return Some(false);
    }
    let header = bytes.first_chunk::<HEADER>()?;
    Some(header_length(header).is_ok())
}

/// Whether bytes begin with the start octets.
pub(super) fn is_start(bytes: &[u8]) -> bool {
    bytes.starts_with(&START)
}

/// A frame's data, where each block fits its checksum.
fn data_of(header: &[u8; HEADER], blocks: &[u8]) -> Option<Frame> {
    let mut data = List::with_room(blocks.len());
    for block in blocks.chunks(BLOCK + CHECKSUM) {
        if !is_sound(block) {
            return None;
        }
        data.extend_from_slice(block.get(..block.len() - CHECKSUM)?);
    }
    Some(Frame {
        destination: u16::from_le_bytes([header[4], header[5]]),
        source: u16::from_le_bytes([header[6], header[7]]),
        control: header[3],
        data,
    })
}

/// Whether bytes end in the checksum of those before it.
fn is_sound(bytes: &[u8]) -> bool {
    bytes
        .split_last_chunk::<CHECKSUM>()
        .is_some_and(|(covered, sum)| checksum(covered) == u16::from_le_bytes(*sum))
}

/// CRC-16/DNP (clause 9.2.4.3, annex E).
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let folded = bytes.iter().fold(0_u16, |sum, byte| {
        (sum >> 8) ^ TABLE[usize::from((sum ^ u16::from(*byte)) & 0xff)]
    });
    !folded
}

const TABLE: [u16; 256] = {
    /// x^16 + x^13 + x^12 + x^11 + x^10 + x^8 + x^6 + x^5 + x^2 + 1, lowest bit first.
    const POLYNOMIAL: u16 = 0xa6bc;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ POLYNOMIAL
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a frame with all its checksums.
    const LONGEST: usize = HEADER + 250 + 16 * CHECKSUM;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xea82);
        assert_eq!(
            checksum(b"\x05\x64\x11\xc4\x0a\x00\x01\x00"),
            u16::from_le_bytes([0x06, 0x15])
        );
    }

    #[test]
    fn a_header_tells_once_it_is_whole() {
        let header = b"\x05\x64\x08\xc4\x0a\x00\x01\x00\xfc\x42";
        assert_eq!(begins(header), Some(true));
        assert_eq!(begins(&header[..9]), None);
        assert_eq!(begins(b"\x05\x65"), Some(false));
        assert_eq!(
            begins(b"\x05\x64\x09\xc4\x0a\x00\x01\x00\xfc\x42"),
            Some(false)
        );
    }

    #[test]
    fn no_frame_is_longer_than_the_longest() {
        let mut header = [0x05, 0x64, 0xff, 0xc4, 0, 0, 0, 0, 0, 0];
        let sum = checksum(&header[..8]).to_le_bytes();
        header[8..].copy_from_slice(&sum);
        let mut frames = Frames::default();
        let (taken, _) = frames.feed(&[&header[..], &[0; 1000]].concat());
        assert!(taken <= LONGEST && frames.kept.len() <= LONGEST);
    }
}
