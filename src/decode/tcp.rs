//! TCP headers (RFC 9293 section 3.1) and the options that matter to a receiver.

/// A header whose length was checked.
#[derive(Clone, Copy, Debug)]
pub struct TcpHeader<'a> {
    /// The header with its options; at least 20 bytes.
    bytes: &'a [u8],
    pub options: TcpOptions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const PSH: u8 = 0x08;
    pub const ACK: u8 = 0x10;
    pub const URG: u8 = 0x20;
    pub const ECE: u8 = 0x40;
    pub const CWR: u8 = 0x80;

    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits == bits
    }
}

/// Options read by the tracker; the last of each kind counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    pub mss: Option<u16>,
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    /// Value and echo reply (RFC 7323 section 3.2).
    pub timestamps: Option<(u32, u32)>,
    /// RFC 2385.
    pub md5: bool,
    /// RFC 7413.
    pub fast_open: bool,
}

impl<'a> TcpHeader<'a> {
    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.bytes[2], self.bytes[3]])
    }

    pub fn seq(&self) -> u32 {
        u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]])
    }

    pub fn ack(&self) -> u32 {
        u32::from_be_bytes([self.bytes[8], self.bytes[9], self.bytes[10], self.bytes[11]])
    }

    pub fn flags(&self) -> TcpFlags {
        TcpFlags(self.bytes[13])
    }

    pub fn window(&self) -> u16 {
        u16::from_be_bytes([self.bytes[14], self.bytes[15]])
    }

    pub fn urgent(&self) -> u16 {
        u16::from_be_bytes([self.bytes[18], self.bytes[19]])
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
