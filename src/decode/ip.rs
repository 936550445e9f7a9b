//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::IpAddr;

/// What both IP versions have in common, extension headers already walked.
#[derive(Clone, Copy, Debug)]
pub struct IpHeader<'a> {
    pub src: IpAddr,
    pub dst: IpAddr,
    /// The protocol of the payload, behind all extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The fixed header with options or extension headers.
    pub bytes: &'a [u8],
    pub fragment: Option<Fragment>,
}

impl IpHeader<'_> {
    pub const fn is_v6(&self) -> bool {
        matches!(self.src, IpAddr::V6(_))
    }
}

/// Where a fragment belongs (RFC 791 section 3.2, RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub id: u32,
    pub offset_bytes: u32,
    pub more: bool,
}
