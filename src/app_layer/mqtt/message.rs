//! The form of one message (MQTT 5 sections 2 and 3).

use crate::app_layer::message::{Bytes, Length};

/// Types of message (section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Connect = 1,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Pingreq,
    Pingresp,
    Disconnect,
    Auth,
}

impl Kind {
    const ALL: [Self; 15] = [
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// Of a message's first byte.
    pub(super) fn of(first: u8) -> Option<Self> {
        let number = usize::from(first >> 4).checked_sub(1)?;
        Self::ALL.get(number).copied()
    }
}

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) first: u8,
    pub(super) body_at: usize,
    pub(super) body_bytes: u32,
}

/// Reads the fixed header; what is wrong where there is none.
pub(super) fn head(bytes: &[u8]) -> Result<Head, Length> {
    let &[first, ref rest @ ..] = bytes else {
        return Err(Length::Open);
    };
    let mut left = Bytes(rest);
    match variable(&mut left) {
        Ok(body_bytes) => Ok(Head {
            first,
            body_at: bytes.len() - left.0.len(),
            body_bytes,
        }),
        Err(length) => Err(length),
    }
}

/// For [`crate::app_layer::message::Framed`].
pub(super) fn length(bytes: &[u8]) -> Length {
    match head(bytes) {
        Ok(head) => Length::Known(head.body_at as u64 + u64::from(head.body_bytes)),
        Err(length) => length,
    }
}

/// A variable byte integer (section 1.5.5): at most four bytes.
pub(super) fn variable(bytes: &mut Bytes<'_>) -> Result<u32, Length> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = bytes.u8().ok_or(Length::Open)?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Length::Bad)
}

/// The properties of version 5 (section 2.2.2), passed over once their form is checked.
pub(super) fn skip_properties(bytes: &mut Bytes<'_>) -> Option<()> {
    let length = variable(bytes).ok()?;
    let mut properties = Bytes(bytes.take(length as usize)?);
    while !properties.is_empty() {
        match properties.u8()? {
            // One byte, two, four, a variable integer, a string or bytes, two strings.
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => {
                properties.u8()?;
            }
            0x13 | 0x21..=0x23 => {
                properties.u16()?;
            }
            0x02 | 0x11 | 0x18 | 0x27 => {
                properties.u32()?;
            }
            0x0b => {
                variable(&mut properties).ok()?;
            }
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => {
                properties.string16()?;
            }
            0x26 => {
                properties.string16()?;
                properties.string16()?;
            }
            _ => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_up_to_four_bytes() {
        for (bytes, expected) in [
            (&b"\x10\x00"[..], Length::Known(2)),
            (b"\x10\x80\x01", Length::Known(3 + 128)),
            (b"\x10\xff\xff\xff\x7f", Length::Known(5 + 268_435_455)),
            (b"\x10\xff\xff\xff\xff", Length::Bad),
            (b"\x10\x80", Length::Open),
            (b"", Length::Open),
        ] {
            assert_eq!(length(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn properties_are_passed_over_or_refused() {
        let mut good = Bytes(b"\x08\x21\x00\x14\x26\x00\x00\x00\x00rest");
        assert_eq!(skip_properties(&mut good), Some(()));
        assert_eq!(good.rest(), b"rest");
        for bad in [&b"\x03\x21\x00"[..], b"\x02\x7f\x00", b"\x02\x21\x00"] {
            assert_eq!(skip_properties(&mut Bytes(bad)), None, "{bad:?}");
        }
    }
}
