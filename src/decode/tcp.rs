//! TCP headers (RFC 9293 section 3.1) and the options that matter to a receiver.

use super::{DecodeEvent, DecodeEvents};
use crate::verdict::DropReason;

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
    /// The header at the front of `segment`, and the payload behind it.
    pub(super) fn parse(
        segment: &'a [u8],
        events: &mut DecodeEvents,
    ) -> Result<(Self, &'a [u8]), DropReason> {
        let mut refuse = |event| {
            events.add(event);
            Err(DropReason::DecodeL4Header)
        };
        let Some(fixed) = segment.first_chunk::<20>() else {
            return refuse(DecodeEvent::TcpTooSmall);
        };
        let length = usize::from(fixed[12] >> 4) * 4;
        if length < 20 {
            return refuse(DecodeEvent::TcpHeaderLength);
        }
        let Some((bytes, payload)) = segment.split_at_checked(length) else {
            return refuse(DecodeEvent::TcpOptionsLength);
        };
        let options = TcpOptions::parse(&bytes[20..], events);
        Ok((Self { bytes, options }, payload))
    }

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

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl TcpOptions {
    /// RFC 9293 section 3.2. Like Linux, reads up to the first option whose
    /// length makes no sense and ignores one whose length is not its kind's.
    fn parse(mut bytes: &[u8], events: &mut DecodeEvents) -> Self {
        const END: u8 = 0;
        const NOP: u8 = 1;
        let mut options = Self::default();
        while let Some(&kind) = bytes.first() {
            let length = match (kind, bytes.get(1)) {
                (END, _) => break,
                (NOP, _) => 1,
                (_, Some(&length)) if length >= 2 => usize::from(length),
                _ => {
                    events.add(DecodeEvent::TcpOptionLength);
                    break;
                }
            };
            let Some((option, rest)) = bytes.split_at_checked(length) else {
                events.add(DecodeEvent::TcpOptionLength);
                break;
            };
            options.read(option, events);
            bytes = rest;
        }
        options
    }

    fn read(&mut self, option: &[u8], events: &mut DecodeEvents) {
        let again = match *option {
            [2, 4, high, low] => {
                let mss = u16::from_be_bytes([high, low]);
                self.mss.replace(mss).is_some()
            }
            // RFC 7323 section 2.3: larger shifts count as 14.
            [3, 3, shift] => self.window_scale.replace(shift.min(14)).is_some(),
            [4, 2] => std::mem::replace(&mut self.sack_permitted, true),
            [8, 10, a, b, c, d, e, f, g, h] => {
                let value = u32::from_be_bytes([a, b, c, d]);
                let echo = u32::from_be_bytes([e, f, g, h]);
                self.timestamps.replace((value, echo)).is_some()
            }
            [19, 18, ..] => std::mem::replace(&mut self.md5, true),
            [34, ..] => std::mem::replace(&mut self.fast_open, true),
            [2..=4 | 8 | 19, ..] => {
                events.add(DecodeEvent::TcpOptionLength);
                false
            }
            _ => false,
        };
        if again {
            events.add(DecodeEvent::TcpOptionDuplicate);
        }
    }
}
