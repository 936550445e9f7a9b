//! Zero-copy views of one packet's headers.
//!
//! A view exists only where its checked constructor found it whole, so every
//! accessor afterwards is in bounds. Errors are [`DropReason`]s: what the
//! receiver would ignore is not forwarded.

mod checksum;
mod edit;
mod ip;
mod link;
mod tcp;
mod transport;

use std::net::IpAddr;

use crate::verdict::DropReason;

pub use edit::apply as apply_edit;
pub use ip::{Fragment, IpHeader};
pub use link::LinkType;
pub use tcp::{TcpFlags, TcpHeader, TcpOptions};
pub use transport::{IcmpHeader, UdpHeader};

pub mod protocol {
    //! IANA protocol numbers that have a name here.
    pub const HOP_BY_HOP: u8 = 0;
    pub const ICMP: u8 = 1;
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const IPV6_ROUTING: u8 = 43;
    pub const IPV6_FRAGMENT: u8 = 44;
    pub const ICMPV6: u8 = 58;
    pub const IPV6_DESTINATION: u8 = 60;
}

/// How far the sender's checksums can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumTrust {
    /// Already verified by hardware or the kernel, or filled in later by offload.
    Trusted,
    /// Nobody looked: verify.
    Unverified,
    /// Recorded traffic: a wrong checksum says nothing about the receiver.
    Ignored,
}

/// One decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// From the first byte of the IP header to the end of the IP datagram; no link trailer.
    pub datagram: &'a [u8],
    /// VLAN ids, outermost first; zero where absent.
    pub vlan: [u16; 2],
    pub ip: IpHeader<'a>,
    pub transport: Transport<'a>,
    /// Bytes behind the transport header.
    pub payload: &'a [u8],
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
}

/// Decodes a frame that begins with its link header. `Ok(None)`: not an IP packet.
pub fn decode_frame(
    link: LinkType,
    frame: &[u8],
    trust: ChecksumTrust,
) -> Result<Option<Packet<'_>>, DropReason> {
    match link::strip(link, frame)? {
        None => Ok(None),
        Some((vlan, datagram)) => decode_datagram(datagram, vlan, trust).map(Some),
    }
}

/// Decodes a datagram that begins with its IP header.
pub fn decode_ip(datagram: &[u8], trust: ChecksumTrust) -> Result<Packet<'_>, DropReason> {
    decode_datagram(datagram, [0, 0], trust)
}

fn decode_datagram(
    bytes: &[u8],
    vlan: [u16; 2],
    trust: ChecksumTrust,
) -> Result<Packet<'_>, DropReason> {
    let (ip, datagram) = ip::parse(bytes, trust)?;
    let body = &datagram[ip.bytes.len()..];
    let (transport, payload) = if ip.fragment.is_some() {
        (Transport::Fragment, body)
    } else {
        transport::parse(&ip, body, trust)?
    };
    Ok(Packet {
        datagram,
        vlan,
        ip,
        transport,
        payload,
        reassembled: false,
    })
}

/// The checksum (RFC 1071) of a header whose checksum field is zero.
pub fn internet_checksum(header: &[u8]) -> u16 {
    checksum::Sum::default().add(header).complement()
}

#[cfg(test)]
mod tests;
