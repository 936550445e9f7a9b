//! The form of one protocol data unit of the connection-oriented protocol (C706 chapter 12.6).

use std::fmt::Write as _;

use crate::app_layer::message::Length;
use crate::reuse::Text;

/// Bytes of the common header.
pub(super) const HEADER_BYTES: usize = 16;
/// The major version of the connection-oriented protocol.
pub(super) const VERSION: u8 = 5;

/// Types of PDU that matter here (C706 section 12.6.4, MS-RPCE section 2.2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
    Fault,
    Bind,
    BindAck,
    AlterContext,
    AlterContextResponse,
    Other,
}

impl Kind {
    pub(super) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Request,
            2 => Self::Response,
            3 => Self::Fault,
            11 => Self::Bind,
            12 => Self::BindAck,
            14 => Self::AlterContext,
            15 => Self::AlterContextResponse,
            13 | 16..=19 => Self::Other,
            _ => return None,
        })
    }
}

/// Integers as the sender writes them (C706 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    pub(super) const fn of(representation: u8) -> Self {
        if representation & 0x10 == 0 {
            Self::Big
        } else {
            Self::Little
        }
    }

    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    /// A UUID in the usual notation: its first three fields are integers (C706 appendix A).
    pub(super) fn uuid(self, bytes: [u8; 16]) -> Text {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let [i, j, k @ ..] = rest;
        let mut text = Text::new();
        let _ = write!(
            text,
            "{:08x}-{:04x}-{:04x}-{i:02x}{j:02x}-",
            self.u32([a, b, c, d]),
            self.u16([e, f]),
            self.u16([g, h]),
        );
        for byte in k {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) order: Order,
    pub(super) fragment_bytes: u16,
    pub(super) auth_bytes: u16,
    pub(super) call_id: u32,
}

impl Header {
    pub(super) const FIRST: u8 = 0x01;
    pub(super) const LAST: u8 = 0x02;
    pub(super) const HAS_OBJECT: u8 = 0x80;

    /// `Err` where `bytes` are too few, or no header.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Length> {
        let good_so_far = |at: usize, good: fn(u8) -> bool| bytes.get(at).is_none_or(|&b| good(b));
        let fits = good_so_far(0, |b| b == VERSION)
            && good_so_far(1, |b| b <= 1)
            && good_so_far(2, |b| Kind::of(b).is_some())
            && good_so_far(4, |b| b & 0xef == 0)
            && good_so_far(5, |b| b <= 3);
        if !fits {
            return Err(Length::Bad);
        }
        let Some(
            &[
                _,
                _,
                kind,
                flags,
                drep,
                _,
                _,
                _,
                f0,
                f1,
                a0,
                a1,
                c0,
                c1,
                c2,
                c3,
            ],
        ) = bytes.first_chunk::<HEADER_BYTES>()
        else {
            return Err(Length::Open);
        };
        let order = Order::of(drep);
        let fragment_bytes = order.u16([f0, f1]);
        match Kind::of(kind) {
            Some(kind) if usize::from(fragment_bytes) >= HEADER_BYTES => Ok(Self {
                kind,
                flags,
                order,
                fragment_bytes,
                auth_bytes: order.u16([a0, a1]),
                call_id: order.u32([c0, c1, c2, c3]),
            }),
            _ => Err(Length::Bad),
        }
    }

    pub(super) const fn is_first(&self) -> bool {
        self.flags & Self::FIRST != 0
    }

    pub(super) const fn is_last(&self) -> bool {
        self.flags & Self::LAST != 0
    }
}

/// For [`crate::app_layer::message::Framed`].
pub(in crate::app_layer) fn length(bytes: &[u8]) -> Length {
    match Header::read(bytes) {
        Ok(header) => Length::Known(u64::from(header.fragment_bytes)),
        Err(length) => length,
    }
}

/// Fields of a PDU in its sender's order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) order: Order,
}

impl<'a> Body<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[b]: [u8; 1]| b)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(self.order.u16(self.array()?))
    }
}
