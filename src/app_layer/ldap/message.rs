//! The form of one message (RFC 4511 section 4.1.1).

use x509_parser::asn1_rs::Class;

use super::Event;
use super::operation::Operation;
use crate::app_layer::ber::{
    BOOLEAN, ENUMERATED, Element, Elements, INTEGER as INTEGER_TAG, OCTET_STRING,
    SEQUENCE as SEQUENCE_TAG, SET as SET_TAG, number,
};
use crate::app_layer::message::{Bytes, Length};

/// First bytes of elements.
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;

/// The largest message ID (RFC 4511 section 4.1.1.1).
const LARGEST_ID: u32 = (1 << 31) - 1;

/// Reads a length of the definite form, which is the only one (RFC 4511 section 5.1); what is wrong
/// where there is none.
pub(super) fn behind_length(left: &mut Bytes<'_>) -> Result<u64, Length> {
    let first = left.u8().ok_or(Length::Open)?;
    match first {
        0..=0x7f => Ok(first.into()),
        0x81..=0x84 => {
            let bytes = left.take((first & 0x7f).into()).ok_or(Length::Open)?;
            Ok(bytes.iter().fold(0, |sum, b| sum << 8 | u64::from(*b)))
        }
        _ => Err(Length::Bad),
    }
}

/// The length of the message that begins here, for [`crate::app_layer::message::Framed`].
pub(super) fn length(bytes: &[u8]) -> Length {
    let mut left = Bytes(bytes);
    match left.u8() {
        None => return Length::Open,
        Some(SEQUENCE) => {}
        Some(_) => return Length::Bad,
    }
    match behind_length(&mut left) {
        Ok(contents) => Length::Known((bytes.len() - left.0.len()) as u64 + contents),
        Err(length) => length,
    }
}

/// A message up to its operation's fields.
pub(super) struct Message<'a> {
    pub id: u32,
    pub operation: Operation,
    /// Of an operation that is no sequence, what it holds.
    pub contents: &'a [u8],
    pub fields: Fields<'a>,
}

impl<'a> Message<'a> {
    /// `cut`: the end of the message is missing.
    pub fn read(bytes: &'a [u8], cut: bool) -> Read<Self> {
        let mut inner = Fields::of(bytes, cut).sequence()?;
        let id = inner.number()?;
        let element = inner.next()?;
        let operation = match element.class {
            Class::Application => Operation::of(element.tag),
            _ => None,
        };
        match (u32::try_from(id), operation) {
            (Ok(id), Some(operation)) if id <= LARGEST_ID => Ok(Self {
                id,
                operation,
                contents: element.contents,
                fields: inner.within(element),
            }),
            _ => Err(Event::InvalidData),
        }
    }
}

/// Elements one after the other.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    left: Elements<'a>,
    /// The end of the message is missing: of the last element what is there is read.
    cut: bool,
}

/// A read that does not find what it wants.
type Read<T> = Result<T, Event>;

impl<'a> Fields<'a> {
    const fn of(bytes: &'a [u8], cut: bool) -> Self {
        Self {
            left: Elements(bytes),
            cut,
        }
    }

    pub const fn is_empty(self) -> bool {
        self.left.is_empty()
    }

    pub fn next(&mut self) -> Read<Element<'a>> {
        let next = if self.cut {
            self.left.next_part()
        } else {
            self.left.next()
        };
        next.ok_or(Event::InvalidData)
    }

    /// What an element of these is made of.
    pub const fn within(self, element: Element<'a>) -> Self {
        Self::of(element.contents, self.cut)
    }

    fn universal(&mut self, tag: u32) -> Read<Element<'a>> {
        let element = self.next()?;
        let fits = element.class == Class::Universal && element.tag == tag;
        fits.then_some(element).ok_or(Event::InvalidData)
    }

    pub fn sequence(&mut self) -> Read<Self> {
        let element = self.universal(SEQUENCE_TAG)?;
        Ok(self.within(element))
    }

    pub fn set(&mut self) -> Read<Self> {
        let element = self.universal(SET_TAG)?;
        Ok(self.within(element))
    }

    /// A distinguished name, an attribute's name, a value.
    pub fn text(&mut self) -> Read<&'a [u8]> {
        self.universal(OCTET_STRING).map(|e| e.contents)
    }

    pub fn number(&mut self) -> Read<u64> {
        number(self.universal(INTEGER_TAG)?.contents).ok_or(Event::InvalidData)
    }

    pub fn enumerated(&mut self) -> Read<u64> {
        number(self.universal(ENUMERATED)?.contents).ok_or(Event::InvalidData)
    }

    pub fn flag(&mut self) -> Read<bool> {
        let contents = self.universal(BOOLEAN)?.contents;
        Ok(contents.iter().any(|b| *b != 0))
    }

    /// The next element, where it is the one with this number of its own.
    pub fn tagged(&mut self, tag: u32) -> Option<&'a [u8]> {
        let mut after = *self;
        let element = after
            .next()
            .ok()
            .filter(|e| e.class == Class::ContextSpecific && e.tag == tag)?;
        *self = after;
        Some(element.contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_definite() {
        for (bytes, expected) in [
            (&b"\x30\x05"[..], Length::Known(7)),
            (b"\x30\x84\x00\x00\x01\x00", Length::Known(6 + 256)),
            (b"\x30\x84\xff\xff\xff\xff", Length::Known(6 + 0xffff_ffff)),
            (b"\x30\x82\x01", Length::Open),
            (b"\x30", Length::Open),
            (b"\x30\x80", Length::Bad),
            (b"\x30\x85\x00", Length::Bad),
            (b"\x31\x05", Length::Bad),
        ] {
            assert_eq!(length(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_message_has_an_id_and_an_operation() {
        let read = |bytes, cut| Message::read(bytes, cut).ok().map(|m| (m.id, m.operation));
        let unbind = Some((258, Operation::UnbindRequest));
        assert_eq!(read(b"\x30\x06\x02\x02\x01\x02\x42\x00", false), unbind);
        assert_eq!(read(b"\x30\x46\x02\x02\x01\x02\x42\x20", true), unbind);
        for bad in [
            &b"\x30\x46\x02\x02\x01\x02\x42\x20"[..],
            b"\x30\x06\x02\x02\xff\x02\x42\x00",
            b"\x30\x06\x02\x02\x01\x02\x02\x00",
            b"\x30\x06\x02\x02\x01\x02\x52\x00",
            b"\x30\x00",
        ] {
            assert_eq!(read(bad, false), None, "{bad:?}");
        }
    }
}
