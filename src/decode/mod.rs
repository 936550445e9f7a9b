//! Zero-copy views of one packet's headers.
//!
//! A view exists only where its checked constructor found it whole, so every
//! accessor afterwards is in bounds. Errors are [`DropReason`]s: what the
//! receiver would ignore is not forwarded.

mod ip;
mod tcp;
mod transport;

use std::net::IpAddr;

pub use ip::{Fragment, IpHeader};
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
    pub const IPV6_NO_NEXT: u8 = 59;
    pub const IPV6_DESTINATION: u8 = 60;
    pub const SCTP: u8 = 132;
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
