//! One queued packet, as the kernel describes it.

use std::ops::Range;

use super::netlink::{self, Attributes, Malformed, Message};
use crate::decode::ChecksumTrust;
use crate::time::Timestamp;

/// What one `NFQNL_MSG_PACKET` says. Ranges count from the start of the datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) id: u32,
    pub(super) hook: Hook,
    pub(super) data: Range<usize>,
    pub(super) mark: u32,
    pub(super) flags: u32,
    pub(super) truncated: bool,
    pub(super) arrived: Option<Timestamp>,
}

/// The netfilter hook a packet was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
    /// A number this list does not have.
    Other(u8),
}

impl From<u8> for Hook {
    fn from(number: u8) -> Self {
        match number {
            0 => Self::Prerouting,
            1 => Self::Input,
            2 => Self::Forward,
            3 => Self::Output,
            4 => Self::Postrouting,
            other => Self::Other(other),
        }
    }
}

impl Description {
    /// Reads a packet message.
    ///
    /// Once its id is known a packet needs a verdict, or it would fill the
    /// kernel's queue for ever. So damage behind the id makes a truncated
    /// packet, not an error.
    pub(super) fn read(datagram: &[u8], message: &Message) -> Result<Self, Malformed> {
        let mut id = None;
        let mut packet = Self {
            id: 0,
            hook: Hook::Other(u8::MAX),
            data: 0..0,
            mark: 0,
            flags: 0,
            truncated: false,
            arrived: None,
        };
        for attribute in Attributes::within(datagram, message.attributes()) {
            let Ok(attribute) = attribute else {
                packet.truncated = true;
                break;
            };
            let number = netlink::be32(datagram, &attribute.value);
            match i32::from(attribute.kind) {
                libc::NFQA_PACKET_HDR => {
                    // struct nfqnl_msg_packet_hdr: id, protocol (16 bits), hook.
                    id = number;
                    let hook = datagram.get(attribute.value).and_then(|v| v.get(6));
                    packet.hook = Hook::from(*hook.ok_or(Malformed)?);
                }
                libc::NFQA_PAYLOAD => packet.data = attribute.value,
                libc::NFQA_MARK => packet.mark = number.unwrap_or(0),
                libc::NFQA_SKB_INFO => packet.flags = number.unwrap_or(0),
                libc::NFQA_TIMESTAMP => {
                    // struct nfqnl_msg_packet_timestamp: seconds, microseconds, 64 bits each.
                    let value = datagram.get(attribute.value).unwrap_or_default();
                    packet.arrived = timestamp(value);
                }
                // Sent only where the copy is shorter than the packet.
                libc::NFQA_CAP_LEN => packet.truncated = true,
                _ => {}
            }
        }
        packet.id = id.ok_or(Malformed)?;
        Ok(packet)
    }

    /// Whether the kernel segments this packet later; its checksum is then completed per segment.
    pub(super) fn gso(&self) -> bool {
        self.flags & libc::NFQA_SKB_GSO as u32 != 0
    }

    /// The kernel sends the flags only where one is set: no flag means verified.
    pub(super) fn checksum(&self) -> ChecksumTrust {
        if self.flags & libc::NFQA_SKB_CSUMNOTREADY as u32 != 0 {
            ChecksumTrust::Partial
        } else if self.flags & libc::NFQA_SKB_CSUM_NOTVERIFIED as u32 != 0 {
            ChecksumTrust::HeaderTrusted
        } else {
            ChecksumTrust::Trusted
        }
    }
}

fn timestamp(value: &[u8]) -> Option<Timestamp> {
    let (seconds, micros) = value.split_first_chunk::<8>()?;
    let micros = micros.first_chunk::<8>()?;
    let seconds = u64::from_be_bytes(*seconds).checked_mul(1_000_000)?;
    let micros = seconds.checked_add(u64::from_be_bytes(*micros))?;
    Some(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::super::netlink::{MessageWriter, Messages};
    use super::*;

    fn message(attributes: &[(i32, &[u8])]) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mut writer = MessageWriter::begin(&mut buffer, 0x300, 0, 0, 3);
        for (kind, value) in attributes {
            writer = writer.attribute(*kind as u16, value).unwrap();
        }
        writer.end();
        buffer
    }

    #[test]
    fn the_stamp_of_arrival_comes_along() {
        let header = (libc::NFQA_PACKET_HDR, [0, 0, 0, 9, 8, 0, 2]);
        let stamp = [7_u64.to_be_bytes(), 5_u64.to_be_bytes()].concat();
        let with = message(&[(header.0, &header.1), (libc::NFQA_TIMESTAMP, &stamp)]);
        let arrived = Some(Timestamp::from_micros(7_000_005));
        assert_eq!(read(&with).unwrap().arrived, arrived);
        let cut = message(&[(header.0, &header.1), (libc::NFQA_TIMESTAMP, &stamp[..12])]);
        assert_eq!(read(&cut).unwrap().arrived, None);
    }

    fn read(datagram: &[u8]) -> Result<Description, Malformed> {
        let message = Messages::of(datagram).next().unwrap().unwrap();
        Description::read(datagram, &message)
    }

    const HEADER: (i32, &[u8]) = (libc::NFQA_PACKET_HDR, &[0, 0, 0, 9, 8, 0, 2]);

    #[test]
    fn reads_all_parts() {
        let datagram = message(&[
            HEADER,
            (libc::NFQA_MARK, &[0, 0, 1, 0]),
            (libc::NFQA_SKB_INFO, &[0, 0, 0, 3]),
            (libc::NFQA_PAYLOAD, b"packet"),
        ]);
        let packet = read(&datagram).unwrap();
        assert_eq!(packet.id, 9);
        assert_eq!(packet.hook, Hook::Forward);
        assert_eq!(packet.mark, 256);
        assert!(packet.gso());
        assert_eq!(packet.checksum(), ChecksumTrust::Partial);
        assert_eq!(&datagram[packet.data], b"packet");
        assert!(!packet.truncated);
    }

    #[test]
    fn an_unverified_checksum_is_to_be_verified_but_for_the_ip_header() {
        let packet = read(&message(&[HEADER, (libc::NFQA_SKB_INFO, &[0, 0, 0, 4])])).unwrap();
        assert_eq!(packet.checksum(), ChecksumTrust::HeaderTrusted);
        let packet = read(&message(&[HEADER])).unwrap();
        assert_eq!(packet.checksum(), ChecksumTrust::Trusted);
    }

    #[test]
    fn a_shortened_copy_says_so() {
        let packet = read(&message(&[HEADER, (libc::NFQA_CAP_LEN, &[0, 1, 0, 0])])).unwrap();
        assert!(packet.truncated);
    }

    #[test]
    fn damage_behind_the_id_still_gives_an_id() {
        let mut datagram = message(&[HEADER, (libc::NFQA_PAYLOAD, b"packet")]);
        let length_field = 16 + 4 + 12;
        datagram[length_field] = 200;
        let packet = read(&datagram).unwrap();
        assert_eq!((packet.id, packet.truncated), (9, true));
        assert!(packet.data.is_empty());
    }

    #[test]
    fn no_id_is_no_packet() {
        assert_eq!(
            read(&message(&[(libc::NFQA_PAYLOAD, b"packet")])),
            Err(Malformed)
        );
        assert_eq!(
            read(&message(&[(libc::NFQA_PACKET_HDR, &[0, 0, 0, 9])])),
            Err(Malformed)
        );
    }
}
