//! One packet (RFC 5905 section 7.3).

use super::Event;
use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

pub(super) const HEADER_BYTES: usize = 48;

/// Modes of packets that have the header of RFC 5905: all but control messages (RFC 9327) and
/// what implementations say among themselves.
pub(super) const TIME_MODES: std::ops::RangeInclusive<u8> = 1..=5;

/// The first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub version: u8,
    pub mode: u8,
}

impl First {
    pub const fn of(byte: u8) -> Self {
        Self {
            version: byte >> 3 & 7,
            mode: byte & 7,
        }
    }
}

/// Puts one packet into a transaction.
pub(in crate::app_layer) fn read(
    tx: &mut Transaction,
    direction: Direction,
    packet: &[u8],
    _: &Limits,
) {
    let first = packet.first().copied().map(First::of);
    if let Some(First { version, mode }) = first {
        for (number, path, value) in [
            (Number::NtpVersion, "version", version),
            (Number::NtpMode, "mode", mode),
        ] {
            tx.put_number(number, direction, value.into());
            tx.tell(path, Fact::Number(value.into()));
        }
        if !TIME_MODES.contains(&mode) {
            return;
        }
    }
    let header = packet.first_chunk::<HEADER_BYTES>();
    let Some([_, stratum, _, _, _, _, _, _, _, _, _, _, reference @ ..]) = header else {
        let event = app_layer::Event::Ntp(Event::MalformedData);
        tx.raise(direction, event);
        return;
    };
    tx.put_number(Number::NtpStratum, direction, (*stratum).into());
    tx.tell("stratum", Fact::Number((*stratum).into()));
    let [a, b, c, d, ..] = reference;
    tx.put(Buffer::NtpReferenceId, direction, &[*a, *b, *c, *d]);
    let hex = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}");
    tx.tell("reference_id", Fact::Text(hex.as_bytes()));
}
