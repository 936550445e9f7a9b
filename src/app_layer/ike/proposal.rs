//! The security association of version 2 (RFC 7296 section 3.3).

use super::Event;
use super::message::raise;
use crate::app_layer::message::{Bytes, Transaction};
use crate::direction::Direction;

/// Proposals of one message, and transforms of one proposal, that are read.
const MOST: usize = 64;

/// Kinds of transforms (RFC 7296 section 3.3.2).
const ENCRYPTION: u8 = 1;
const PRF: u8 = 2;
const INTEGRITY: u8 = 3;
const GROUP: u8 = 4;
const SEQUENCE_NUMBERS: u8 = 5;

/// Judges what is proposed.
pub(super) fn read(tx: &mut Transaction, direction: Direction, contents: &[u8]) {
    if proposals(tx, direction, contents).is_none() {
        raise(tx, direction, Event::InvalidProposal);
    }
}

fn proposals(tx: &mut Transaction, direction: Direction, contents: &[u8]) -> Option<()> {
    let mut bytes = Bytes(contents);
    for number in 0..MOST {
        if bytes.is_empty() {
            break;
        }
        if number == 1 && direction == Direction::ToClient {
            raise(tx, direction, Event::MultipleServerProposal);
        }
        bytes.take(2)?;
        let length = usize::from(bytes.u16()?).checked_sub(4)?;
        proposal(tx, direction, Bytes(bytes.take(length)?))?;
    }
    Some(())
}

fn proposal(tx: &mut Transaction, direction: Direction, mut bytes: Bytes<'_>) -> Option<()> {
    bytes.take(2)?;
    let spi_bytes = usize::from(bytes.u8()?);
    let transforms = usize::from(bytes.u8()?);
    bytes.take(spi_bytes)?;
    for _ in 0..transforms.min(MOST) {
        bytes.take(2)?;
        let length = usize::from(bytes.u16()?).checked_sub(4)?;
        let mut transform = Bytes(bytes.take(length)?);
        let kind = transform.u8()?;
        transform.u8()?;
        if let Some(event) = judge(kind, transform.u16()?) {
            raise(tx, direction, event);
        }
    }
    Some(())
}

/// What speaks against a transform (RFC 8247 section 2).
const fn judge(kind: u8, number: u16) -> Option<Event> {
    match (kind, number) {
        (ENCRYPTION, 11) => Some(Event::NoEncryption),
        (ENCRYPTION, 1..=9) => Some(Event::WeakCryptoEnc),
        (PRF, 1 | 2) => Some(Event::WeakCryptoPrf),
        (INTEGRITY, 0) => Some(Event::WeakCryptoNoAuth),
        (INTEGRITY, 1..=4) => Some(Event::WeakCryptoAuth),
        (GROUP, 0) => Some(Event::WeakCryptoNoDh),
        (GROUP, 1 | 2 | 5 | 22) => Some(Event::WeakCryptoDh),
        (ENCRYPTION..=SEQUENCE_NUMBERS, _) => None,
        _ => Some(Event::UnknownProposal),
    }
}
