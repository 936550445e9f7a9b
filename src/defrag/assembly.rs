//! The pieces of one datagram.

use super::{Arrival, Cut, Whole};
use crate::decode::{LinkType, Packet, internet_checksum, protocol};
use crate::verdict::DropReason;

/// RFC 791 section 3.1 with the header, RFC 8200 section 3 without the fixed one.
const LONGEST_DATAGRAM: usize = 65_535;
const IPV6_HEADER: usize = 40;
const IPV6_FRAGMENT_HEADER: usize = 8;
/// No first fragment has more headers than decode walks.
const MAX_EXTENSION_HEADERS: usize = 32;
/// RFC 3168 section 5: both bits.
const CONGESTION_EXPERIENCED: u8 = 3;

/// Bytes of the datagram, and where they are kept.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    end: u32,
    at: u32,
    /// It came behind all that was held, next to the last of it: Linux makes one run of the two
    /// (`inet_frag_queue_insert`). What fills a hole is never joined to its neighbours.
    is_joined: bool,
}

/// What is kept of the first fragment: link header and IP header.
#[derive(Clone, Copy, Debug)]
struct Head {
    at: usize,
    link: LinkType,
    link_header_bytes: usize,
    ip_header_bytes: usize,
    /// What follows an IPv6 fragment header.
    next_header: u8,
}

/// Where a fragment goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    index: usize,
    start: u32,
    end: u32,
    is_last: bool,
}

/// The buffers of a datagram, to be used again by another.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// What came, in the order in which it came.
    bytes: Vec<u8>,
    /// Sorted and separate.
    pieces: Vec<Piece>,
}

impl Buffers {
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.pieces.capacity() * size_of::<Piece>()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }
}

#[derive(Debug)]
pub(super) struct Assembly {
    pub buffers: Buffers,
    head: Option<Head>,
    /// Known once the last fragment is here.
    end: Option<u32>,
    received: u32,
    /// Of all fragments the smallest TTL or hop limit: what would have died on the way still does.
    ttl: u8,
    congestion: bool,
    longest_fragment: usize,
}

impl Assembly {
    pub fn new(buffers: Buffers) -> Self {
        Self {
            buffers,
            head: None,
            end: None,
            received: 0,
            ttl: u8::MAX,
            congestion: false,
            longest_fragment: 0,
        }
    }

    /// Fragments held; each is a packet.
    pub fn fragments(&self) -> usize {
        self.buffers.pieces.len()
    }

    /// Where the fragment goes, or why it does not: [`DropReason::DefragDuplicate`] says that
    /// it is to be dropped alone, any other reason is one to drop the whole datagram.
    pub fn place(&self, packet: &Packet<'_>) -> Result<Place, DropReason> {
        let malformed = DropReason::DefragMalformed;
        let fragment = packet.ip.fragment.ok_or(malformed)?;
        let v6 = packet.ip.is_v6();
        let mut length = packet.payload.len();
        if fragment.more && !length.is_multiple_of(8) {
            // RFC 8200 section 4.5 discards it; of IPv4, Linux takes the whole units.
            if v6 {
                return Err(malformed);
            }
            length &= !7;
        }
        let start = fragment.offset_bytes;
        let around = match packet.ip.bytes.len() {
            header if v6 => header.saturating_sub(IPV6_HEADER + IPV6_FRAGMENT_HEADER),
            header => header,
        };
        if length == 0 || around + start as usize + length > LONGEST_DATAGRAM {
            return Err(malformed);
        }
        let end = start + length as u32;
        let highest = self.buffers.pieces.last().map_or(0, |last| last.end);
        let fits = match (fragment.more, self.end) {
            (true, Some(known)) => end <= known,
            (true, None) => true,
            (false, Some(known)) => end == known,
            (false, None) => end >= highest,
        };
        let index = self.buffers.pieces.partition_point(|p| p.end <= start);
        let free = self
            .buffers
            .pieces
            .get(index)
            .is_none_or(|p| p.start >= end);
        if !fits {
            // The first that says where the datagram ends, in the midst of what is held.
            return Err(if free || self.end.is_some() {
                malformed
            } else {
                DropReason::DefragOverlap
            });
        }
        if v6 && start == 0 && !holds_all_headers(packet.ip.protocol, packet.payload) {
            return Err(DropReason::DefragHeaderChain);
        }
        if free {
            return Ok(Place {
                index,
                start,
                end,
                is_last: !fragment.more,
            });
        }
        let payload = packet.payload.get(..length).ok_or(malformed)?;
        // A copy that says more than the first did, of where the datagram ends, is none.
        let is_news = !fragment.more && self.end.is_none();
        if is_news || !self.holds(index, start, payload) {
            return Err(DropReason::DefragOverlap);
        }
        Err(DropReason::DefragDuplicate)
    }

    /// Whether all these bytes are here already, in one run: to Linux a copy that reaches from one
    /// run into the next is an overlap. `index` is the first piece that ends behind `start`.
    fn holds(&self, index: usize, start: u32, payload: &[u8]) -> bool {
        let mut at = start;
        let mut rest = payload;
        for piece in self.buffers.pieces.iter().skip(index) {
            if rest.is_empty() {
                break;
            }
            if piece.start > at || (at > start && !piece.is_joined) {
                return false;
            }
            let (skip, kept) = (at - piece.start, self.kept(piece));
            let Some(kept) = kept.get(skip as usize..) else {
                return false;
            };
            let common = kept.len().min(rest.len());
            if kept[..common] != rest[..common] {
                return false;
            }
            at += common as u32;
            rest = &rest[common..];
        }
        rest.is_empty()
    }

    fn kept(&self, piece: &Piece) -> &[u8] {
        let at = piece.at as usize;
        let end = at + (piece.end - piece.start) as usize;
        self.buffers.bytes.get(at..end).unwrap_or_default()
    }

    /// How far the buffers must grow for this fragment: (bytes, pieces) of capacity, and memory.
    pub fn growth(&self, arrival: &Arrival<'_>, place: Place) -> Growth {
        let head = if place.start == 0 {
            arrival.link_header.len() + arrival.packet.ip.bytes.len()
        } else {
            0
        };
        let bytes = grown(
            self.buffers.bytes.capacity(),
            self.buffers.bytes.len() + head + (place.end - place.start) as usize,
        );
        let pieces = grown(
            self.buffers.pieces.capacity(),
            self.buffers.pieces.len() + 1,
        );
        Growth { bytes, pieces }
    }

    /// Keeps the fragment; true: the datagram is whole.
    pub fn put(&mut self, arrival: &Arrival<'_>, place: Place, growth: Growth) -> bool {
        let packet = arrival.packet;
        let ip = &packet.ip;
        let Buffers { bytes, pieces } = &mut self.buffers;
        bytes.reserve_exact(growth.bytes.saturating_sub(bytes.len()));
        pieces.reserve_exact(growth.pieces.saturating_sub(pieces.len()));
        if place.start == 0 {
            self.head = Some(Head {
                at: bytes.len(),
                link: arrival.link,
                link_header_bytes: arrival.link_header.len(),
                ip_header_bytes: ip.bytes.len(),
                next_header: ip.protocol,
            });
            bytes.extend_from_slice(arrival.link_header);
            bytes.extend_from_slice(ip.bytes);
        }
        let length = place.end - place.start;
        let is_joined = place.index == pieces.len()
            && pieces.last().is_some_and(|last| last.end == place.start);
        pieces.insert(
            place.index,
            Piece {
                start: place.start,
                end: place.end,
                at: bytes.len() as u32,
                is_joined,
            },
        );
        let payload = packet.payload;
        bytes.extend_from_slice(payload.get(..length as usize).unwrap_or(payload));
        if place.is_last {
            self.end = Some(place.end);
        }
        self.received += length;
        self.ttl = self.ttl.min(ip.ttl);
        self.congestion |= ip.tos() & CONGESTION_EXPERIENCED == CONGESTION_EXPERIENCED;
        self.longest_fragment = self.longest_fragment.max(ip.bytes.len() + length as usize);
        // Pieces are separate and none lies beyond the end.
        self.end == Some(self.received)
    }

    /// Puts the whole together in `bytes`, which is empty.
    pub fn finish(&self, id: u32, mut bytes: Vec<u8>) -> Result<Whole, DropReason> {
        let malformed = DropReason::DefragMalformed;
        let head = self.head.ok_or(malformed)?;
        let kept = &self.buffers.bytes;
        let link_end = head.at + head.link_header_bytes;
        let link_header = kept.get(head.at..link_end).ok_or(malformed)?;
        let header = kept
            .get(link_end..link_end + head.ip_header_bytes)
            .ok_or(malformed)?;
        bytes.extend_from_slice(link_header);
        let v6 = header.first().is_some_and(|b| b >> 4 == 6);
        let mut cut = Cut {
            header_bytes: header.len(),
            next_header_at: 0,
            id,
            fragment_bytes: self.longest_fragment,
        };
        if v6 {
            cut.header_bytes = header.len().saturating_sub(IPV6_FRAGMENT_HEADER);
            let header = header.get(..cut.header_bytes).ok_or(malformed)?;
            cut.next_header_at = last_next_header(header).ok_or(malformed)?;
            bytes.extend_from_slice(header);
        } else {
            bytes.extend_from_slice(header);
        }
        for piece in &self.buffers.pieces {
            bytes.extend_from_slice(self.kept(piece));
        }
        let datagram = bytes.get_mut(head.link_header_bytes..).ok_or(malformed)?;
        if v6 {
            self.write_v6_header(datagram, &cut, head.next_header)?;
        } else {
            self.write_v4_header(datagram, &cut)?;
        }
        Ok(Whole {
            packets: self.fragments() as u64,
            link: head.link,
            cut,
            link_header_bytes: head.link_header_bytes,
            bytes,
        })
    }

    fn write_v4_header(&self, datagram: &mut [u8], cut: &Cut) -> Result<(), DropReason> {
        const DONT_FRAGMENT: u8 = 0x40;
        let malformed = DropReason::DefragMalformed;
        // The first fragment's header may be longer than that of the one with the end.
        let total = u16::try_from(datagram.len()).map_err(|_| malformed)?;
        let header = datagram.get_mut(..cut.header_bytes).ok_or(malformed)?;
        if header.len() < 20 {
            return Err(malformed);
        }
        if self.congestion {
            header[1] |= CONGESTION_EXPERIENCED;
        }
        header[2..4].copy_from_slice(&total.to_be_bytes());
        header[6] &= DONT_FRAGMENT;
        header[7] = 0;
        header[8] = self.ttl;
        header[10..12].fill(0);
        let sum = internet_checksum(header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Ok(())
    }

    fn write_v6_header(
        &self,
        datagram: &mut [u8],
        cut: &Cut,
        next_header: u8,
    ) -> Result<(), DropReason> {
        let malformed = DropReason::DefragMalformed;
        let payload = datagram
            .len()
            .checked_sub(IPV6_HEADER)
            .and_then(|n| u16::try_from(n).ok())
            .ok_or(malformed)?;
        if self.congestion {
            // The traffic class lies across two bytes.
            datagram[1] |= CONGESTION_EXPERIENCED << 4;
        }
        datagram[4..6].copy_from_slice(&payload.to_be_bytes());
        datagram[7] = self.ttl;
        *datagram.get_mut(cut.next_header_at).ok_or(malformed)? = next_header;
        Ok(())
    }
}

/// Capacities that the buffers of a datagram get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    bytes: usize,
    pieces: usize,
}

impl Growth {
    pub fn memory_bytes(&self) -> usize {
        self.bytes + self.pieces * size_of::<Piece>()
    }
}

/// At least double, so that many small fragments do not copy what is there each time.
fn grown(capacity: usize, needed: usize) -> usize {
    if needed <= capacity {
        capacity
    } else {
        needed.max(2 * capacity)
    }
}

/// The place of the next-header field that leads out of these headers, which decode has walked.
fn last_next_header(header: &[u8]) -> Option<usize> {
    const NEXT_HEADER: usize = 6;
    let (mut field, mut at) = (NEXT_HEADER, IPV6_HEADER);
    while at < header.len() {
        // An atomic fragment's header (RFC 6946) may stand before the one of this fragment.
        let length = match *header.get(field)? {
            protocol::IPV6_FRAGMENT => IPV6_FRAGMENT_HEADER,
            _ => (usize::from(*header.get(at + 1)?) + 1) * 8,
        };
        (field, at) = (at, at + length);
    }
    (at == header.len()).then_some(field)
}

/// RFC 8200 section 4.5: the first fragment holds all headers up to the upper-layer one. Of that,
/// Linux wants the fixed part.
fn holds_all_headers(mut next: u8, mut bytes: &[u8]) -> bool {
    for _ in 0..MAX_EXTENSION_HEADERS {
        let length = match next {
            protocol::HOP_BY_HOP | protocol::IPV6_ROUTING | protocol::IPV6_DESTINATION => {
                match bytes.get(1) {
                    Some(&units) => (usize::from(units) + 1) * 8,
                    None => return false,
                }
            }
            protocol::IPV6_FRAGMENT => IPV6_FRAGMENT_HEADER,
            protocol::TCP => return bytes.len() >= 20,
            protocol::UDP | protocol::ICMPV6 => return bytes.len() >= 8,
            _ => return !bytes.is_empty(),
        };
        let (Some(&following), Some(rest)) = (bytes.first(), bytes.get(length..)) else {
            return false;
        };
        (next, bytes) = (following, rest);
    }
    false
}
