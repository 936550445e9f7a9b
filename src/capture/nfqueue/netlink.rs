//! Netlink messages, built into and parsed out of plain byte slices.
//!
//! Layouts are those of `linux/netlink.h` and `linux/netfilter/nfnetlink.h`:
//! a 16-byte header and, on the netfilter bus, 4 bytes more, then attributes
//! of 4 bytes and a value each, all padded to 4. Header fields are in host
//! order; what netfilter adds is in network order.

use std::ops::Range;

const HEADER: usize = 16;
const NETFILTER_HEADER: usize = 4;
const ATTRIBUTE_HEADER: usize = 4;
/// The two upper bits of an attribute's kind are flags.
const KIND_MASK: u16 = 0x3fff;

/// A value that no attribute can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Bytes that are no netlink message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Appends one netfilter message to a buffer of several.
pub(super) struct MessageWriter<'a> {
    buffer: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> MessageWriter<'a> {
    /// `resource` is the queue's number.
    pub(super) fn begin(
        buffer: &'a mut Vec<u8>,
        kind: u16,
        flags: u16,
        sequence: u32,
        resource: u16,
    ) -> Self {
        let start = buffer.len();
        buffer.extend_from_slice(&0u32.to_ne_bytes()); // length, known at the end
        buffer.extend_from_slice(&kind.to_ne_bytes());
        buffer.extend_from_slice(&flags.to_ne_bytes());
        buffer.extend_from_slice(&sequence.to_ne_bytes());
        buffer.extend_from_slice(&0u32.to_ne_bytes()); // port id, filled in by the kernel
        buffer.push(libc::AF_UNSPEC as u8);
        buffer.push(libc::NFNETLINK_V0 as u8);
        buffer.extend_from_slice(&resource.to_be_bytes());
        Self { buffer, start }
    }

    /// Adds an attribute. On error the whole message is taken back.
    pub(super) fn attribute(self, kind: u16, value: &[u8]) -> Result<Self, TooLong> {
        // The length field counts its own header, too.
        let Ok(length) = u16::try_from(ATTRIBUTE_HEADER + value.len()) else {
            self.buffer.truncate(self.start);
            return Err(TooLong);
        };
        self.buffer.extend_from_slice(&length.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
        self.buffer.extend_from_slice(value);
        let padded = self.start + align(self.buffer.len() - self.start);
        self.buffer.resize(padded, 0);
        Ok(self)
    }

    /// Writes the length.
    pub(super) fn end(self) {
        let length = (self.buffer.len() - self.start) as u32;
        if let Some(field) = self.buffer.get_mut(self.start..self.start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }
}

/// One message; ranges count from the start of the datagram it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) sequence: u32,
    /// What follows the 16-byte header.
    pub(super) body: Range<usize>,
}

impl Message {
    /// Where a netfilter message's attributes are.
    pub(super) fn attributes(&self) -> Range<usize> {
        let start = (self.body.start + NETFILTER_HEADER).min(self.body.end);
        start..self.body.end
    }

    /// The error number, positive, of an `NLMSG_ERROR`; zero is an acknowledgement.
    pub(super) fn error(&self, datagram: &[u8]) -> Option<i32> {
        if self.kind != libc::NLMSG_ERROR as u16 {
            return None;
        }
        let code = datagram.get(self.body.clone())?.first_chunk()?;
        Some(i32::from_ne_bytes(*code).saturating_neg())
    }
}

/// The messages of one datagram.
pub(super) struct Messages<'a> {
    datagram: &'a [u8],
    position: usize,
}

impl<'a> Messages<'a> {
    pub(super) fn of(datagram: &'a [u8]) -> Self {
        Self {
            datagram,
            position: 0,
        }
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.datagram.get(self.position..)?;
        if rest.is_empty() {
            return None;
        }
        let start = self.position;
        let message = read_u32(rest, 0)
            .map(|length| length as usize)
            .filter(|length| (HEADER..=rest.len()).contains(length))
            .and_then(|length| {
                Some(Message {
                    kind: read_u16(rest, 4)?,
                    sequence: read_u32(rest, 8)?,
                    body: start + HEADER..start + length,
                })
            });
        self.position = match &message {
            Some(message) => align(message.body.end),
            None => self.datagram.len(),
        };
        Some(message.ok_or(Malformed))
    }
}

/// One attribute; the range counts from the start of the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: u16,
    pub(super) value: Range<usize>,
}

/// The attributes in one part of a datagram.
pub(super) struct Attributes<'a> {
    datagram: &'a [u8],
    rest: Range<usize>,
}

impl<'a> Attributes<'a> {
    pub(super) fn within(datagram: &'a [u8], part: Range<usize>) -> Self {
        Self {
            datagram,
            rest: part,
        }
    }
}

impl Iterator for Attributes<'_> {
    type Item = Result<Attribute, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.start;
        let attribute = self.datagram.get(self.rest.clone()).and_then(|rest| {
            let length = usize::from(read_u16(rest, 0)?);
            (ATTRIBUTE_HEADER..=rest.len())
                .contains(&length)
                .then_some(())?;
            Some(Attribute {
                kind: read_u16(rest, 2)? & KIND_MASK,
                value: start + ATTRIBUTE_HEADER..start + length,
            })
        });
        self.rest.start = match &attribute {
            Some(attribute) => start + align(attribute.value.end - start),
            None => self.rest.end,
        };
        Some(attribute.ok_or(Malformed))
    }
}

/// A big-endian number at the start of an attribute's value.
pub(super) fn be32(datagram: &[u8], value: &Range<usize>) -> Option<u32> {
    let bytes = datagram.get(value.clone())?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

const fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(buffer: &mut Vec<u8>, kind: u16, sequence: u32, attributes: &[(u16, Vec<u8>)]) {
        let mut writer = MessageWriter::begin(buffer, kind, 1, sequence, 7);
        for (kind, value) in attributes {
            writer = writer.attribute(*kind, value).unwrap();
        }
        writer.end();
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            sent in prop::collection::vec(
                (any::<u16>(), any::<u32>(), prop::collection::vec(
                    (0u16..KIND_MASK, prop::collection::vec(any::<u8>(), 0..40)), 0..5)), 0..5)
        ) {
            let mut buffer = Vec::new();
            for (kind, sequence, attributes) in &sent {
                write(&mut buffer, *kind, *sequence, attributes);
            }
            let read: Vec<_> = Messages::of(&buffer)
                .map(|message| {
                    let message = message.unwrap();
                    let attributes: Vec<_> = Attributes::within(&buffer, message.attributes())
                        .map(|attribute| {
                            let attribute = attribute.unwrap();
                            (attribute.kind, buffer[attribute.value].to_vec())
                        })
                        .collect();
                    (message.kind, message.sequence, attributes)
                })
                .collect();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn any_bytes_are_read_within_bounds_and_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut messages = 0;
            for message in Messages::of(&bytes).flatten() {
                messages += 1;
                prop_assert!(message.body.end <= bytes.len());
                message.error(&bytes);
                for attribute in Attributes::within(&bytes, message.attributes()).flatten() {
                    prop_assert!(attribute.value.start <= attribute.value.end);
                    prop_assert!(attribute.value.end <= message.body.end);
                    be32(&bytes, &attribute.value);
                }
            }
            prop_assert!(messages <= bytes.len() / HEADER);
        }
    }

    #[test]
    fn a_value_too_long_takes_the_message_back() {
        let mut buffer = vec![9];
        let writer = MessageWriter::begin(&mut buffer, 1, 0, 0, 0);
        let long = [0; u16::MAX as usize - ATTRIBUTE_HEADER + 1];
        assert_eq!(writer.attribute(1, &long).err(), Some(TooLong));
        assert_eq!(buffer, [9]);
        let writer = MessageWriter::begin(&mut buffer, 1, 0, 0, 0);
        assert!(writer.attribute(1, &long[1..]).is_ok());
    }

    #[test]
    fn an_error_number_is_read_positive() {
        let mut datagram = Vec::new();
        for word in [
            20u32,
            libc::NLMSG_ERROR as u32,
            5,
            0,
            (-libc::ENOENT) as u32,
        ] {
            datagram.extend_from_slice(&word.to_ne_bytes());
        }
        let message = Messages::of(&datagram).next().unwrap().unwrap();
        assert_eq!(message.error(&datagram), Some(libc::ENOENT));
        assert_eq!(message.sequence, 5);
    }
}
