//! Ethernet frames with TCP in IPv4 or IPv6, built and read.

use std::net::IpAddr;

use super::super::netns::{RAW_CLIENT_MAC, RAW_GATEWAY_MAC};

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

const TCP: u8 = 6;
const ETHERNET: usize = 14;

#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
}

#[derive(Debug)]
pub struct Segment {
    pub flags: u8,
    pub sequence: u32,
    pub ack: u32,
    pub payload: Vec<u8>,
}

pub fn build(ends: &Ends, flags: u8, sequence: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(24 + payload.len());
    tcp.extend(ends.local.1.to_be_bytes());
    tcp.extend(ends.remote.1.to_be_bytes());
    tcp.extend(sequence.to_be_bytes());
    tcp.extend(if flags & ACK != 0 { ack } else { 0 }.to_be_bytes());
    let options: &[u8] = if flags & SYN != 0 {
        &[2, 4, 0x05, 0x78]
    } else {
        &[]
    };
    tcp.push(((20 + options.len()) as u8 / 4) << 4);
    tcp.push(flags);
    tcp.extend(0xffffu16.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(options);
    tcp.extend(payload);
    let sum = checksum(&[&pseudo_header(ends, tcp.len()), &tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());

    let mut frame = Vec::with_capacity(ETHERNET + 40 + tcp.len());
    frame.extend(RAW_GATEWAY_MAC);
    frame.extend(RAW_CLIENT_MAC);
    match (ends.local.0, ends.remote.0) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00]);
            let mut ip = vec![0x45, 0];
            ip.extend((20 + tcp.len() as u16).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
            ip.extend(from.octets());
            ip.extend(to.octets());
            let sum = checksum(&[&ip]);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(ip);
        }
        (from, to) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((tcp.len() as u16).to_be_bytes());
            frame.extend([TCP, 64]);
            frame.extend(octets(from));
            frame.extend(octets(to));
        }
    }
    frame.extend(tcp);
    frame
}

/// A segment from the remote end to the local one; anything else is nothing. Checksums are not looked
/// at: between namespaces the kernel leaves them unfinished.
pub fn parse(ends: &Ends, frame: &[u8]) -> Option<Segment> {
    let ip = frame.get(ETHERNET..)?;
    let (protocol, from, to, tcp) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
            let header = usize::from(ip.first()? & 15) * 4;
            (
                *ip.get(9)?,
                ip.get(12..16)?,
                ip.get(16..20)?,
                ip.get(header..total)?,
            )
        }
        [0x86, 0xdd] => {
            let length = usize::from(u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?]));
            (
                *ip.get(6)?,
                ip.get(8..24)?,
                ip.get(24..40)?,
                ip.get(40..40 + length)?,
            )
        }
        _ => return None,
    };
    let ports = [ends.remote.1.to_be_bytes(), ends.local.1.to_be_bytes()].concat();
    let ours = protocol == TCP
        && from == octets(ends.remote.0)
        && to == octets(ends.local.0)
        && tcp.get(..4)? == ports;
    if !ours {
        return None;
    }
    let word = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Segment {
        flags: *tcp.get(13)?,
        sequence: word(4)?,
        ack: word(8)?,
        payload: tcp.get(header..)?.to_vec(),
    })
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6; the sum is the same for both layouts.
fn pseudo_header(ends: &Ends, length: usize) -> Vec<u8> {
    let mut header = octets(ends.local.0);
    header.extend(octets(ends.remote.0));
    header.extend((length as u32).to_be_bytes());
    header.extend([0, 0, 0, TCP]);
    header
}

/// RFC 1071 over parts of which all but the last are of even length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts
        .iter()
        .flat_map(|part| part.chunks(2))
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
