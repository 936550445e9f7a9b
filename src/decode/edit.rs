//! Changes to a packet at equal length, its checksums kept right.

use super::checksum::Sum;
use super::{ChecksumTrust, Packet, Transport, decode_ip, protocol, tcp};
use crate::verdict::Edit;

const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: std::ops::Range<usize> = 16..18;
const TCP_URGENT_POINTER: std::ops::Range<usize> = 18..20;

/// Changes the TCP packet whose IP header is at `edit.ip_at` of `frame`. Its checksum is written in
/// full, which is right also where offload would have completed it. False: there is none.
pub fn apply(edit: &Edit, frame: &mut [u8]) -> bool {
    let Some(bytes) = frame.get_mut(usize::from(edit.ip_at)..) else {
        return false;
    };
    let Ok(Packet {
        ip,
        datagram,
        transport: Transport::Tcp(header),
        ..
    }) = decode_ip(bytes, ChecksumTrust::Ignored)
    else {
        return false;
    };
    let (is_v6, src, dst) = (ip.is_v6(), ip.src, ip.dst);
    let (ip_length, tcp_length) = (ip.bytes.len(), header.bytes().len());
    let total = datagram.len();
    let Some((ip, segment)) = bytes
        .get_mut(..total)
        .and_then(|datagram| datagram.split_at_mut_checked(ip_length))
    else {
        return false;
    };
    if let Some(ttl) = edit.ttl {
        set_ttl(ip, is_v6, ttl);
    }
    let Some(header) = segment.get_mut(..tcp_length) else {
        return false;
    };
    if edit.clear_urgent {
        header[TCP_FLAGS] &= !super::TcpFlags::URG;
        header[TCP_URGENT_POINTER].fill(0);
    }
    if edit.clear_reserved {
        header[12] &= !tcp::RESERVED_BITS;
    }
    if edit.blank_options {
        tcp::blank_unread_options(&mut header[20..]);
    }
    header[TCP_CHECKSUM].fill(0);
    let sum = Sum::pseudo_header(src, dst, protocol::TCP, segment.len()).add(segment);
    segment[TCP_CHECKSUM].copy_from_slice(&sum.complement().to_be_bytes());
    true
}

fn set_ttl(ip: &mut [u8], is_v6: bool, ttl: u8) {
    if is_v6 {
        ip[7] = ttl;
        return;
    }
    ip[8] = ttl;
    ip[10..12].fill(0);
    let checksum = Sum::default().add(ip).complement();
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn packets() -> [Vec<u8>; 2] {
        let finish = |builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>| {
            let mut packet = Vec::new();
            let options = [
                etherparse::TcpOptionElement::Noop,
                etherparse::TcpOptionElement::Timestamp(7, 8),
            ];
            let builder = builder.ack(5).urg(3).options(&options).unwrap();
            builder.write(&mut packet, b"odd length!").unwrap();
            packet
        };
        [
            finish(PacketBuilder::ipv4([1; 4], [2; 4], 3).tcp(1, 2, 3, 4)),
            finish(PacketBuilder::ipv6([1; 16], [2; 16], 3).tcp(1, 2, 3, 4)),
        ]
    }

    #[test]
    fn checksums_are_right_afterwards_and_nothing_else_changed() {
        for packet in packets() {
            let mut frame = vec![0xee; 14];
            frame.extend_from_slice(&packet);
            frame.extend_from_slice(b"trailer");
            let edit = Edit {
                ip_at: 14,
                ttl: Some(60),
                clear_urgent: true,
                clear_reserved: true,
                blank_options: true,
            };
            assert!(apply(&edit, &mut frame));
            let (link, rest) = frame.split_at(14);
            assert_eq!(
                (link, &rest[packet.len()..]),
                (&[0xee; 14][..], &b"trailer"[..])
            );
            let edited = decode_ip(&rest[..packet.len()], ChecksumTrust::Unverified).unwrap();
            let before = decode_ip(&packet, ChecksumTrust::Unverified).unwrap();
            assert_eq!((edited.ip.ttl, edited.payload), (60, before.payload));
            let (Transport::Tcp(after), Transport::Tcp(before)) =
                (edited.transport, before.transport)
            else {
                panic!("not TCP");
            };
            assert!(!after.flags().has(super::super::TcpFlags::URG));
            assert!(!after.has_urgent_pointer());
            assert_eq!(after.options.timestamps, before.options.timestamps);
            assert_eq!((after.seq(), after.ack()), (before.seq(), before.ack()));
        }
    }

    #[test]
    fn what_is_no_tcp_packet_is_left_alone() {
        let edit = Edit::default();
        let mut bytes = *b"neither IP nor long";
        assert!(!apply(&edit, &mut bytes));
        assert!(!apply(&Edit { ip_at: 99, ..edit }, &mut bytes));
        assert_eq!(&bytes, b"neither IP nor long");
    }
}
