//! TCP headers (RFC 9293 section 3.1) and the options that matter to a receiver.

use super::{DecodeEvent, DecodeEvents};
use crate::verdict::DropReason;

/// A header whose length was checked.
#[derive(Clone, Copy, Debug)]
pub struct TcpHeader<'a> {
    /// What every header has.
    fixed: &'a [u8; 20],
    /// The header with its options.
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
    /// There is one that is malformed, or of a kind not known here.
    pub unread: bool,
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
        let header = Self {
            fixed,
            bytes,
            options,
        };
        Ok((header, payload))
    }

    pub fn src_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[0], self.fixed[1]])
    }

    pub fn dst_port(&self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    pub fn seq(&self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    pub fn ack(&self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    pub fn flags(&self) -> TcpFlags {
        TcpFlags(self.fixed[13])
    }

    pub fn window(&self) -> u16 {
        u16::from_be_bytes([self.fixed[14], self.fixed[15]])
    }

    /// Also where the flag is not set, and nobody looks at it.
    pub fn has_urgent_pointer(&self) -> bool {
        self.fixed[18..20] != [0, 0]
    }

    pub fn has_reserved_bits(&self) -> bool {
        self.fixed[12] & RESERVED_BITS != 0
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Of the byte that begins with the data offset; the lowest bit is used (RFC 3540, AccECN).
pub(super) const RESERVED_BITS: u8 = 0x0e;

const END: u8 = 0;
const NOP: u8 = 1;

/// The option at the front, and what is behind it; `None`: the end, or a length without sense.
fn next_option(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match (*bytes.first()?, bytes.get(1)) {
        (END, _) => return None,
        (NOP, _) => 1,
        (_, Some(&length)) if length >= 2 => usize::from(length),
        _ => return None,
    };
    bytes.split_at_checked(length)
}

/// Writes no-operations over options that are not read, and the end over what makes no sense.
pub(super) fn blank_unread_options(options: &mut [u8]) {
    let mut at = 0;
    while let Some((option, _)) = next_option(&options[at..]) {
        let length = option.len();
        if TcpOptions::default()
            .read(option, &mut DecodeEvents::NONE.clone())
            .is_none()
        {
            options[at..at + length].fill(NOP);
        }
        at += length;
    }
    options[at..].fill(END);
}

impl TcpOptions {
    /// RFC 9293 section 3.2. Like Linux, reads up to the first option whose
    /// length makes no sense and ignores one whose length is not its kind's.
    fn parse(mut bytes: &[u8], events: &mut DecodeEvents) -> Self {
        let mut options = Self::default();
        // What most segments have, in the order that RFC 7323 appendix A recommends.
        if let &[NOP, NOP, 8, 10, a, b, c, d, e, f, g, h] = bytes {
            let value = u32::from_be_bytes([a, b, c, d]);
            options.timestamps = Some((value, u32::from_be_bytes([e, f, g, h])));
            return options;
        }
        while let Some((option, rest)) = next_option(bytes) {
            options.unread |= options.read(option, events).is_none();
            bytes = rest;
        }
        if bytes.first().is_some_and(|&kind| kind != END) {
            options.unread = true;
            events.add(DecodeEvent::TcpOptionLength);
        }
        options
    }

    /// `None`: not known, or malformed.
    fn read(&mut self, option: &[u8], events: &mut DecodeEvents) -> Option<()> {
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
            // No-operation, SACK, user timeout, authentication, multipath: no business of ours.
            [NOP] | [5, _, ..] | [28, 4, ..] | [29, _, ..] | [30, _, ..] => false,
            [2..=4 | 8 | 19, ..] => {
                events.add(DecodeEvent::TcpOptionLength);
                return None;
            }
            _ => return None,
        };
        if again {
            events.add(DecodeEvent::TcpOptionDuplicate);
        }
        Some(())
    }
}
