//! The headers around a packet in a tunnel, made to fit another packet in its place.

use super::checksum::Sum;
use super::{DecodeEvents, extension, protocol};

/// `tunnel_depth` is never more.
const MOST: usize = 16;

/// Where in a frame the IP headers around a packet begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrapping {
    /// Innermost first.
    at: [u16; MOST],
    count: u8,
}

/// What one of the headers says: protocol, and where its payload begins.
struct Layer {
    ip_at: usize,
    protocol: u8,
    body_at: usize,
}

impl Wrapping {
    /// Adds the header around those named so far.
    pub fn put_around(&mut self, ip_at: u16) {
        if let Some(place) = self.at.get_mut(usize::from(self.count)) {
            *place = ip_at;
            self.count += 1;
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Writes lengths and checksums of all headers anew, for a frame whose innermost packet was
    /// replaced by one of another length. False: a header is not what it was said to be.
    pub fn fit(&self, frame: &mut [u8]) -> bool {
        let places = self.at.get(..usize::from(self.count)).unwrap_or_default();
        // Lengths from outside, checksums from inside: each covers what is within it.
        let sized = places
            .iter()
            .rev()
            .all(|&at| set_lengths(frame, usize::from(at)).is_some());
        sized
            && places
                .iter()
                .all(|&at| set_checksum(frame, usize::from(at)).is_some())
    }
}

fn layer(frame: &[u8], ip_at: usize) -> Option<Layer> {
    let datagram = frame.get(ip_at..)?;
    let (number, length) = match datagram.first()? >> 4 {
        4 => {
            let length = usize::from(datagram[0] & 0x0f) * 4;
            (*datagram.get(9)?, length)
        }
        6 if datagram.len() >= 40 => {
            let mut events = DecodeEvents::NONE;
            let chain = extension::walk(datagram[6], datagram, false, &mut events).ok()?;
            (chain.protocol, chain.length)
        }
        _ => return None,
    };
    Some(Layer {
        ip_at,
        protocol: number,
        body_at: ip_at + length,
    })
}

fn set_lengths(frame: &mut [u8], ip_at: usize) -> Option<()> {
    const GRE_FLAGS: std::ops::Range<usize> = 0..2;
    let Layer {
        protocol, body_at, ..
    } = layer(frame, ip_at)?;
    let total = u16::try_from(frame.len().checked_sub(ip_at)?).ok()?;
    let body_length = u16::try_from(frame.len().checked_sub(body_at)?).ok()?;
    let (head, body) = frame.split_at_mut_checked(body_at)?;
    let header = head.get_mut(ip_at..)?;
    if header[0] >> 4 == 4 {
        header.get_mut(2..4)?.copy_from_slice(&total.to_be_bytes());
        header.get_mut(10..12)?.fill(0);
        let sum = Sum::default().add(header).complement();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    } else {
        let payload = total.checked_sub(40)?;
        header
            .get_mut(4..6)?
            .copy_from_slice(&payload.to_be_bytes());
    }
    match protocol {
        protocol::UDP => {
            let length = body.get_mut(4..6)?;
            length.copy_from_slice(&body_length.to_be_bytes());
        }
        protocol::GRE => {
            let flags = u16::from_be_bytes(body.get(GRE_FLAGS)?.try_into().ok()?);
            // RFC 2637 section 4.1: the payload's length stands in the key.
            if flags & 7 == 1 {
                let numbers = u16::from(flags & 0x1000 != 0) + u16::from(flags & 0x0080 != 0);
                let payload = body_length.checked_sub(8 + 4 * numbers)?;
                body.get_mut(4..6)?.copy_from_slice(&payload.to_be_bytes());
            }
        }
        _ => {}
    }
    Some(())
}

fn set_checksum(frame: &mut [u8], ip_at: usize) -> Option<()> {
    let Layer {
        ip_at,
        protocol,
        body_at,
    } = layer(frame, ip_at)?;
    let (head, body) = frame.split_at_mut_checked(body_at)?;
    let header = head.get(ip_at..)?;
    let sum = match protocol {
        protocol::UDP => {
            let checksum = body.get_mut(6..8)?;
            if checksum == [0, 0] {
                return Some(());
            }
            checksum.fill(0);
            let (addresses, length) = if header[0] >> 4 == 4 {
                (header.get(12..20)?, body.len() as u32)
            } else {
                (header.get(8..40)?, body.len() as u32)
            };
            let pseudo = Sum::default()
                .add(addresses)
                .add(&length.to_be_bytes())
                .add(&u32::from(protocol).to_be_bytes());
            // RFC 768: zero would say that there is none.
            let sum = match pseudo.add(body).complement() {
                0 => 0xffff,
                sum => sum,
            };
            body.get_mut(6..8)?.copy_from_slice(&sum.to_be_bytes());
            return Some(());
        }
        protocol::GRE if body.first()? & 0x80 != 0 => {
            body.get_mut(4..6)?.fill(0);
            Sum::default().add(body).complement()
        }
        _ => return Some(()),
    };
    body.get_mut(4..6)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::super::{ChecksumTrust, Transport, Tunnels, decode_ip};
    use super::*;

    fn udp(v6: bool, port: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if v6 {
            let builder = PacketBuilder::ipv6([1; 16], [2; 16], 9).udp(7, port);
            builder.write(&mut bytes, payload).unwrap();
        } else {
            let builder = PacketBuilder::ipv4([1; 4], [2; 4], 9).udp(7, port);
            builder.write(&mut bytes, payload).unwrap();
        }
        bytes
    }

    /// Longer and shorter ones in its place, through VXLAN in either version of IP, and back.
    #[test]
    fn another_packet_fits_in_where_one_was() {
        for (outer_v6, without_checksum) in [(false, false), (false, true), (true, false)] {
            let inner = udp(false, 99, b"inner");
            let around = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &[0; 12], &[8, 0]].concat();
            let mut frame = udp(outer_v6, 4789, &[&around[..], &inner].concat());
            let ip_length = if outer_v6 { 40 } else { 20 };
            if without_checksum {
                frame[ip_length + 6..ip_length + 8].fill(0);
            }
            let header = frame[..frame.len() - inner.len()].to_vec();
            for payload in [&b""[..], b"odd", b"something longer"] {
                let mut wrapping = Wrapping::default();
                wrapping.put_around(0);
                let other = udp(false, 99, payload);
                let mut frame = [&header[..], &other].concat();
                assert!(wrapping.fit(&mut frame));
                let trust = ChecksumTrust::Unverified;
                let outer = decode_ip(&frame, trust).unwrap();
                let mut events = DecodeEvents::NONE;
                let found = Tunnels::default().inside(&outer, trust, &mut events);
                let inner = found.unwrap().unwrap().decode(trust).unwrap().unwrap();
                assert_eq!(inner.payload, payload);
                let Transport::Udp(udp) = outer.transport else {
                    panic!("not UDP");
                };
                assert_eq!(udp.has_checksum(), !without_checksum);
            }
        }
    }

    #[test]
    fn gre_has_its_checksum_and_length_written_anew() {
        let trust = ChecksumTrust::Unverified;
        for gre in [
            &[0x80, 0, 8, 0, 0, 0, 0, 0][..],
            &[0x30, 0x01, 0x88, 0x0b, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0x21],
        ] {
            let mut header = udp(false, 1, b"")[..20].to_vec();
            header[9] = protocol::GRE;
            let other = udp(false, 99, b"something longer");
            let mut frame = [&header, gre, &other[..]].concat();
            let mut wrapping = Wrapping::default();
            wrapping.put_around(0);
            assert!(wrapping.fit(&mut frame));
            let outer = decode_ip(&frame, trust).unwrap();
            let mut events = DecodeEvents::NONE;
            let found = Tunnels::default().inside(&outer, trust, &mut events);
            let inner = found.unwrap().unwrap().decode(trust).unwrap().unwrap();
            assert_eq!(inner.payload, b"something longer");
        }
    }

    #[test]
    fn what_is_no_header_is_told() {
        let mut wrapping = Wrapping::default();
        assert!(wrapping.is_empty() && wrapping.fit(&mut []));
        wrapping.put_around(3);
        assert!(!wrapping.fit(&mut [0x45; 3]));
        assert!(!wrapping.fit(&mut [0x45; 12]));
        assert!(!wrapping.fit(&mut [0x60; 12]));
    }
}
