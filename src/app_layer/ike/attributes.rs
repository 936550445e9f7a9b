//! The security association of version 1 (RFC 2408 section 3.4, RFC 2409 appendix A).

use super::Event;
use super::message::raise;
use crate::app_layer::message::{Bytes, Fact, Transaction};
use crate::direction::Direction;
use crate::number::Number;

/// Transforms of one message that are read.
const MOST_TRANSFORMS: usize = 64;

/// Numbers of attributes, and what rules and records call them.
const ATTRIBUTES: &[(u16, Number, &str)] = &[
    (1, Number::IkeEncryption, "alg_enc_raw"),
    (2, Number::IkeHash, "alg_hash_raw"),
    (3, Number::IkeAuthentication, "alg_auth_raw"),
    (4, Number::IkeGroup, "alg_dh_raw"),
    (5, Number::IkeGroupType, "sa_group_type_raw"),
    (11, Number::IkeLifeType, "sa_life_type_raw"),
    (12, Number::IkeLifeDuration, "sa_life_duration_raw"),
    (13, Number::IkePrf, "alg_prf_raw"),
    (14, Number::IkeKeyLength, "sa_key_length_raw"),
    (15, Number::IkeFieldSize, "sa_field_size_raw"),
];

/// The bit of an attribute that is as short as its head.
const SHORT: u16 = 0x8000;

/// Puts what the server has chosen into a transaction.
pub(super) fn read(tx: &mut Transaction, direction: Direction, contents: &[u8]) {
    if direction == Direction::ToClient && chosen(tx, direction, contents).is_none() {
        raise(tx, direction, Event::InvalidProposal);
    }
}

fn chosen(tx: &mut Transaction, direction: Direction, contents: &[u8]) -> Option<()> {
    let mut bytes = Bytes(contents);
    // Domain and situation, then the head of the only proposal.
    bytes.take(8)?;
    bytes.take(4)?;
    bytes.take(2)?;
    let spi_bytes = usize::from(bytes.u8()?);
    let transforms = usize::from(bytes.u8()?);
    bytes.take(spi_bytes)?;
    for _ in 0..transforms.min(MOST_TRANSFORMS) {
        bytes.take(2)?;
        let length = usize::from(bytes.u16()?).checked_sub(4)?;
        let mut transform = Bytes(bytes.take(length)?);
        transform.take(4)?;
        while !transform.is_empty() {
            attribute(tx, direction, &mut transform)?;
        }
    }
    Some(())
}

/// RFC 2408 section 3.3.
fn attribute(tx: &mut Transaction, direction: Direction, bytes: &mut Bytes<'_>) -> Option<()> {
    let kind = bytes.u16()?;
    let value = match kind & SHORT {
        0 => {
            let long = bytes.string16()?;
            if long.len() > size_of::<u64>() {
                return Some(());
            }
            long.iter().fold(0, |sum, b| sum << 8 | u64::from(*b))
        }
        _ => u64::from(bytes.u16()?),
    };
    let known = ATTRIBUTES
        .iter()
        .find(|(number, ..)| *number == kind & !SHORT);
    if let Some((_, number, path)) = known {
        tx.put_number(*number, direction, value);
        tx.tell(path, Fact::Number(value));
    }
    Some(())
}
