//! UDP (RFC 768) and ICMP (RFC 792, RFC 4443) headers.

#[derive(Clone, Copy, Debug)]
pub struct UdpHeader<'a> {
    /// 8 bytes.
    bytes: &'a [u8],
}

impl UdpHeader<'_> {
    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }
}

#[derive(Clone, Copy, Debug)]
pub struct IcmpHeader<'a> {
    /// At least 4 bytes.
    bytes: &'a [u8],
}

impl IcmpHeader<'_> {
    pub fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub fn code(&self) -> u8 {
        self.bytes[1]
    }
}
