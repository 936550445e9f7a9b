//! IP fragments put together as the receiver does it, and cut again for the way on.
//!
//! Nothing of a datagram goes on before all of it is here: a [`Defragmenter`] copies what comes,
//! hands the whole out once, and forgets it. It is judged as one packet and sent on in fragments of
//! our own ([`Cut`]) under an identification of our own, so pieces of two datagrams cannot mix
//! behind us, whatever is lost there.
//!
//! Linux, the receiver that is modelled, drops the whole datagram where a fragment overlaps another
//! in part (RFC 5722, for IPv4 too) and keeps the first copy where one lies within what has come.
//! Here every copy must say the same; if not, the datagram is dropped, and the rest of it until the
//! time is over.

mod assembly;
mod cut;
mod identification;
mod table;

use std::net::IpAddr;
use std::time::Duration;

pub use cut::Cut;
pub use table::Defragmenter;

use crate::decode::{LinkType, Packet};
use crate::verdict::DropReason;

/// Of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefragConfig {
    /// Everything that is kept of incomplete datagrams.
    pub memory_bytes: usize,
    /// Incomplete datagrams, and those of which the rest is being dropped.
    pub max_datagrams: usize,
    /// Of one datagram.
    pub max_fragments: usize,
    /// From its first fragment on; no longer than the receiver waits.
    pub timeout: Duration,
    /// What is done where there is no room for a new datagram's fragment: true, the fragment is
    /// not taken; false, the oldest datagram gives way.
    pub keeps_oldest: bool,
}

impl Default for DefragConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            max_datagrams: 8192,
            max_fragments: 1024,
            timeout: Duration::from_secs(30),
            keeps_oldest: false,
        }
    }
}

/// A fragment as it came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub packet: &'a Packet<'a>,
    /// What the datagrams are wrapped in: fragments in different tunnels are never one datagram.
    pub tunnel: u64,
    pub link: LinkType,
    /// The bytes before the IP header.
    pub link_header: &'a [u8],
}

/// What names a datagram: RFC 791 section 3.2 with the protocol, RFC 8200 section 4.5 without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub id: u32,
    /// Zero for IPv6.
    pub protocol: u8,
    pub vlan: [u16; 3],
    pub tunnel: u64,
}

impl Key {
    fn of(arrival: &Arrival<'_>, id: u32) -> Self {
        let packet = arrival.packet;
        Self {
            src: packet.src(),
            dst: packet.dst(),
            id,
            protocol: if packet.ip.is_v6() {
                0
            } else {
                packet.ip.protocol
            },
            vlan: packet.vlan,
            tunnel: arrival.tunnel,
        }
    }
}

/// What became of one fragment.
#[derive(Debug)]
pub enum Taken {
    Held,
    /// To be dropped: alone, or since its datagram is.
    Refused(Refused),
    /// There is no room for it, and nothing gives way ([`DefragConfig::keeps_oldest`]).
    NoRoom,
    /// It was the last that was missing.
    Whole(Whole),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: DropReason,
    /// The datagram was refused before, and this is more of it.
    pub again: bool,
}

/// Fragments that were held and are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub key: Key,
    /// Of the first that came.
    pub protocol: u8,
    pub packets: u64,
    pub reason: DropReason,
}

/// A datagram put together: the header of its first fragment, as if it had never been cut.
#[derive(Debug)]
pub struct Whole {
    /// Fragments it came in.
    pub packets: u64,
    pub link: LinkType,
    pub cut: Cut,
    link_header_bytes: usize,
    bytes: Vec<u8>,
}

impl Whole {
    /// Of the first fragment.
    pub fn link_header(&self) -> &[u8] {
        self.bytes.get(..self.link_header_bytes).unwrap_or_default()
    }

    pub fn datagram(&self) -> &[u8] {
        self.bytes.get(self.link_header_bytes..).unwrap_or_default()
    }

    pub fn datagram_mut(&mut self) -> &mut [u8] {
        let from = self.link_header_bytes;
        self.bytes.get_mut(from..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
