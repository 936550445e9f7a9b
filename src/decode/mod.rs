//! Zero-copy views of one packet's headers.
//!
//! A view exists only where its checked constructor found it whole, so every
//! accessor afterwards is in bounds. Errors are [`DropReason`]s: what the
//! receiver would ignore is not forwarded. What is odd, refused or not, is a
//! [`DecodeEvent`]. A packet inside another is found by [`Tunnels::inside`] and
//! decoded by [`Inner::decode`].

mod checksum;
mod edit;
mod event;
mod extension;
mod icmp;
mod ip;
mod link;
mod tcp;
mod transport;
mod tunnel;
mod wrapping;

use std::net::IpAddr;

use crate::verdict::DropReason;
use ip::Expected;

pub use edit::apply as apply_edit;
pub use event::{DecodeEvent, DecodeEvents};
pub use ip::{Fragment, IpHeader};
pub use link::LinkType;
pub use tcp::{TcpFlags, TcpHeader, TcpOptions};
pub use transport::{IcmpHeader, UdpHeader};
pub use tunnel::{Inner, TunnelKind, Tunnels};
pub use wrapping::Wrapping;

pub mod protocol {
    //! IANA protocol numbers that have a name here.
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const IPV4: u8 = 4;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6: u8 = 41;
    pub const IPV6_ROUTING: u8 = 43;
    pub const IPV6_FRAGMENT: u8 = 44;
    pub const GRE: u8 = 47;
    pub const AUTHENTICATION: u8 = 51;
    pub const ICMPV6: u8 = 58;
    pub const IPV6_NONE: u8 = 59;
    pub const IPV6_DESTINATION: u8 = 60;

    const ESP: u8 = 50;
    const SCTP: u8 = 132;
    const MOBILITY: u8 = 135;
    const HOST_IDENTITY: u8 = 139;
    const SHIM6: u8 = 140;

    /// Whether an IPv6 header of this kind leads to a further one.
    pub(super) const fn is_extension(number: u8) -> bool {
        matches!(
            number,
            HOP_BY_HOP | IPV6_ROUTING | IPV6_FRAGMENT | IPV6_DESTINATION | AUTHENTICATION
        )
    }

    pub(super) const fn is_known_over_ipv6(number: u8) -> bool {
        matches!(
            number,
            TCP | UDP | ICMPV6 | IPV4 | IPV6 | GRE | ESP | SCTP | MOBILITY | HOST_IDENTITY | SHIM6
        )
    }
}

/// How far the sender's checksums can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumTrust {
    /// Verified by hardware or the kernel; that says nothing of a packet inside.
    Trusted,
    /// To be filled in by offload behind us, in the innermost packet too.
    Partial,
    /// Nobody looked: verify.
    Unverified,
    /// The kernel verified the IP header on arrival; nobody looked at the transport's checksum. Of the
    /// header nothing can be said any more: on arrival Linux also fills record routes and clears what
    /// stands behind the end of options, and sets the checksum right when it has forwarded.
    HeaderTrusted,
    /// Recorded traffic: a wrong checksum says nothing about the receiver.
    Ignored,
}

impl ChecksumTrust {
    /// Whether the checksum of TCP, UDP or ICMP is to be looked at.
    pub const fn verifies_transport(self) -> bool {
        matches!(self, Self::Unverified | Self::HeaderTrusted)
    }

    /// For the packet inside one that is trusted so far.
    pub const fn inside(self) -> Self {
        match self {
            Self::Trusted | Self::HeaderTrusted | Self::Unverified => Self::Unverified,
            Self::Partial => Self::Partial,
            Self::Ignored => Self::Ignored,
        }
    }
}

/// One decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// From the first byte of the IP header to the end of the IP datagram; no link trailer.
    pub datagram: &'a [u8],
    /// VLAN ids, outermost first; zero where absent.
    pub vlan: [u16; 3],
    /// Names the tunnel that the packet came out of; zero: none.
    pub tunnel: u64,
    pub ip: IpHeader<'a>,
    pub transport: Transport<'a>,
    /// Bytes behind the transport header.
    pub payload: &'a [u8],
    pub events: DecodeEvents,
    /// It came in fragments and was put together before it was decoded.
    pub reassembled: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Transport<'a> {
    Tcp(TcpHeader<'a>),
    Udp(UdpHeader<'a>),
    Icmp4(IcmpHeader<'a>),
    Icmp6(IcmpHeader<'a>),
    /// A fragment; the transport header may be elsewhere.
    Fragment,
    /// A protocol that is not read further.
    Other,
}

impl<'a> Packet<'a> {
    pub fn src(&self) -> IpAddr {
        self.ip.src
    }

    pub fn dst(&self) -> IpAddr {
        self.ip.dst
    }

    /// Source and destination port; zero for protocols without ports.
    pub fn ports(&self) -> (u16, u16) {
        match &self.transport {
            Transport::Tcp(t) => (t.src_port(), t.dst_port()),
            Transport::Udp(u) => (u.src_port(), u.dst_port()),
            _ => (0, 0),
        }
    }

    /// Ids of its VLAN tags, outermost first.
    pub fn vlan_ids(&self) -> impl Iterator<Item = u16> {
        self.vlan.into_iter().take_while(|&id| id != 0)
    }

    /// Whether a checksum of its own covers what it carries.
    pub fn sums_its_payload(&self) -> bool {
        const GRE_CHECKSUM: u8 = 0x80;
        match &self.transport {
            Transport::Udp(udp) => udp.has_checksum(),
            Transport::Other if self.ip.protocol == protocol::GRE => {
                self.payload.first().is_some_and(|b| b & GRE_CHECKSUM != 0)
            }
            _ => false,
        }
    }

    /// Type and code of an ICMP message.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match &self.transport {
            Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some((icmp.kind(), icmp.code())),
            _ => None,
        }
    }
}

/// A packet that is refused, and what of it could be read.
#[derive(Clone, Copy, Debug)]
pub struct Malformed<'a> {
    pub reason: DropReason,
    pub events: DecodeEvents,
    pub vlan: [u16; 3],
    /// `None`: the IP header itself is at fault, beyond its options.
    pub ip: Option<IpHeader<'a>>,
}

impl Malformed<'_> {
    /// Before any IP header was found.
    const fn early(reason: DropReason, events: DecodeEvents) -> Self {
        Self {
            reason,
            events,
            vlan: [0; 3],
            ip: None,
        }
    }
}

/// Decodes a frame that begins with its link header. `Ok(None)`: not an IP packet.
///
/// # Errors
/// What the receiver would ignore.
pub fn decode_frame(
    link: LinkType,
    frame: &[u8],
    trust: ChecksumTrust,
) -> Result<Option<Packet<'_>>, Malformed<'_>> {
    let mut events = DecodeEvents::NONE;
    match link::strip(link, frame, &mut events) {
        Ok(None) => Ok(None),
        Ok(Some(found)) => {
            decode_datagram(found.datagram, found.expected, found.vlan, trust, events).map(Some)
        }
        Err(reason) => Err(Malformed::early(reason, events)),
    }
}

/// Decodes a datagram that begins with its IP header.
///
/// # Errors
/// What the receiver would ignore.
pub fn decode_ip(datagram: &[u8], trust: ChecksumTrust) -> Result<Packet<'_>, Malformed<'_>> {
    decode_datagram(
        datagram,
        Expected::Either,
        [0; 3],
        trust,
        DecodeEvents::NONE,
    )
}

/// Inlined: a packet is large, and is made where it is wanted.
#[inline]
fn decode_datagram(
    bytes: &[u8],
    expected: Expected,
    vlan: [u16; 3],
    trust: ChecksumTrust,
    mut events: DecodeEvents,
) -> Result<Packet<'_>, Malformed<'_>> {
    let (ip, datagram) = match ip::parse(bytes, expected, trust, &mut events) {
        Ok(found) => found,
        Err(fault) => {
            return Err(Malformed {
                vlan,
                ip: fault.ip,
                ..Malformed::early(fault.reason, events)
            });
        }
    };
    let body = &datagram[ip.bytes.len()..];
    let (transport, payload) = if ip.fragment.is_some() {
        (Transport::Fragment, body)
    } else {
        match transport::parse(&ip, body, trust, &mut events) {
            Ok(found) => found,
            Err(reason) => {
                return Err(Malformed {
                    reason,
                    events,
                    vlan,
                    ip: Some(ip),
                });
            }
        }
    };
    Ok(Packet {
        datagram,
        vlan,
        tunnel: 0,
        ip,
        transport,
        payload,
        events,
        reassembled: false,
    })
}

/// The checksum (RFC 1071) of a header whose checksum field is zero.
pub fn internet_checksum(header: &[u8]) -> u16 {
    checksum::Sum::default().add(header).complement()
}

#[cfg(test)]
mod tests;
