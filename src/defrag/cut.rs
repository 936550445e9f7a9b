//! A whole datagram cut into fragments.

use crate::decode::{internet_checksum, protocol};

const MORE_FRAGMENTS: u16 = 0x2000;
const IPV4_HEADER: usize = 20;
const IPV6_FRAGMENT_HEADER: usize = 8;
/// Sent in no smaller pieces; every link carries them (RFC 791 section 3.2).
const SMALLEST_FRAGMENT: usize = 68;

/// How a datagram is cut (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The IPv4 header, or the IPv6 header with what stands before the fragment header.
    pub(super) header_bytes: usize,
    /// Where an IPv6 header says what follows; a fragment header is put in there.
    pub(super) next_header_at: usize,
    pub(super) id: u32,
    /// The longest fragment that came, IP header included.
    pub(super) fragment_bytes: usize,
}

impl Cut {
    pub fn fragment_bytes(&self) -> usize {
        self.fragment_bytes
    }

    /// A smaller size for a link that does not take `bytes`: only a router of IPv4 cuts further,
    /// and not what forbids it.
    pub fn smaller_than(&self, datagram: &[u8], bytes: usize) -> Option<usize> {
        const DONT_FRAGMENT: u8 = 0x40;
        let may = datagram.first().is_some_and(|b| b >> 4 == 4)
            && datagram.get(6).is_some_and(|b| b & DONT_FRAGMENT == 0);
        let sizes = [1280, 576, SMALLEST_FRAGMENT];
        sizes.into_iter().find(|&size| may && size < bytes)
    }

    /// Writes the fragment behind `offset`, of at most `most` bytes, to the end of `out`; gives the
    /// offset of the next, or `None` behind the last. Offsets begin at zero.
    pub fn write(
        &self,
        datagram: &[u8],
        offset: usize,
        most: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let v6 = datagram.first().is_some_and(|b| b >> 4 == 6);
        let (header, body) = datagram.split_at_checked(self.header_bytes)?;
        let around = self.header_bytes + if v6 { IPV6_FRAGMENT_HEADER } else { 0 };
        let room = (most.saturating_sub(around) & !7).max(8);
        let rest = body.get(offset..)?;
        let piece = rest.get(..room).unwrap_or(rest);
        let more = piece.len() < rest.len();
        if v6 {
            self.write_v6_header(header, offset, more, piece.len(), out);
        } else {
            self.write_v4_header(header, offset, more, piece.len(), out);
        }
        out.extend_from_slice(piece);
        more.then_some(offset + piece.len())
    }

    fn write_v4_header(
        &self,
        header: &[u8],
        offset: usize,
        more: bool,
        piece: usize,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(header);
        let Some(header) = out.get_mut(start..).filter(|h| h.len() >= IPV4_HEADER) else {
            return;
        };
        let total = (header.len() + piece) as u16;
        header[2..4].copy_from_slice(&total.to_be_bytes());
        header[4..6].copy_from_slice(&(self.id as u16).to_be_bytes());
        let place = (offset / 8) as u16 | if more { MORE_FRAGMENTS } else { 0 };
        let flags = u16::from_be_bytes([header[6], header[7]]) & 0x4000;
        header[6..8].copy_from_slice(&(flags | place).to_be_bytes());
        if offset > 0 {
            blank_first_only(&mut header[IPV4_HEADER..]);
        }
        header[10..12].fill(0);
        let sum = internet_checksum(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }

    fn write_v6_header(
        &self,
        header: &[u8],
        offset: usize,
        more: bool,
        piece: usize,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        out.extend_from_slice(header);
        let Some(header) = out.get_mut(start..).filter(|h| h.len() >= 40) else {
            return;
        };
        let payload = (header.len() - 40 + IPV6_FRAGMENT_HEADER + piece) as u16;
        header[4..6].copy_from_slice(&payload.to_be_bytes());
        let Some(next) = header.get_mut(self.next_header_at) else {
            return;
        };
        let following = std::mem::replace(next, protocol::IPV6_FRAGMENT);
        out.extend_from_slice(&[following, 0]);
        out.extend_from_slice(&(offset as u16 & !7 | u16::from(more)).to_be_bytes());
        out.extend_from_slice(&self.id.to_be_bytes());
    }
}

/// RFC 791 section 3.1: an option without the copied flag is in the first fragment only. In its
/// place stands padding, so that the header keeps its length.
fn blank_first_only(mut options: &mut [u8]) {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const COPIED: u8 = 0x80;
    while let Some(&kind) = options.first() {
        let length = match (kind, options.get(1)) {
            (END, _) => return,
            (NOP, _) => 1,
            (_, None | Some(0 | 1)) => return,
            (_, Some(&length)) => usize::from(length).min(options.len()),
        };
        let (option, rest) = options.split_at_mut(length);
        if kind & COPIED == 0 {
            option.fill(NOP);
        }
        options = rest;
    }
}
