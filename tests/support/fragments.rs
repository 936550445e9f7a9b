//! Ethernet frames cut into IP fragments, as no kernel would.

use std::net::IpAddr;

use super::netns::{RAW_CLIENT_MAC, RAW_GATEWAY_MAC};

const ETHERNET: usize = 14;
const UDP: u8 = 17;

/// Part of a datagram's payload.
#[derive(Clone, Debug)]
pub struct Piece {
    pub offset: usize,
    pub more: bool,
    pub bytes: Vec<u8>,
}

impl Piece {
    pub fn new(offset: usize, more: bool, bytes: &[u8]) -> Self {
        Self {
            offset,
            more,
            bytes: bytes.to_vec(),
        }
    }
}

/// `body` in pieces of so many bytes, a multiple of eight, in order.
pub fn pieces(body: &[u8], bytes: usize) -> Vec<Piece> {
    (0..body.len())
        .step_by(bytes)
        .map(|at| {
            let end = (at + bytes).min(body.len());
            Piece::new(at, end < body.len(), &body[at..end])
        })
        .collect()
}

/// A frame with this piece. `from` and `to` are of one family.
pub fn frame(from: IpAddr, to: IpAddr, protocol: u8, id: u32, piece: &Piece) -> Vec<u8> {
    let mut frame = [RAW_GATEWAY_MAC, RAW_CLIENT_MAC].concat();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            frame.extend([0x08, 0x00]);
            let mut ip = vec![0x45, 0];
            ip.extend((20 + piece.bytes.len() as u16).to_be_bytes());
            ip.extend((id as u16).to_be_bytes());
            let place = (piece.offset / 8) as u16 | if piece.more { 0x2000 } else { 0 };
            ip.extend(place.to_be_bytes());
            ip.extend([64, protocol, 0, 0]);
            ip.extend(from.octets());
            ip.extend(to.octets());
            let sum = checksum(&ip);
            ip[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(ip);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend((8 + piece.bytes.len() as u16).to_be_bytes());
            frame.extend([44, 64]);
            frame.extend(from.octets());
            frame.extend(to.octets());
            frame.extend([protocol, 0]);
            frame.extend((piece.offset as u16 | u16::from(piece.more)).to_be_bytes());
            frame.extend(id.to_be_bytes());
        }
        _ => panic!("two families"),
    }
    frame.extend(&piece.bytes);
    frame
}

/// A frame without fragments (and without options or extension headers) in pieces of so many bytes.
pub fn of_frame(whole: &[u8], id: u32, bytes: usize) -> Vec<Vec<u8>> {
    let ip = &whole[ETHERNET..];
    let (from, to, protocol, header) = if ip[0] >> 4 == 4 {
        let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&ip[at..at + 4]).unwrap());
        (address(12), address(16), ip[9], 20)
    } else {
        let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&ip[at..at + 16]).unwrap());
        (address(8), address(24), ip[6], 40)
    };
    pieces(&ip[header..], bytes)
        .iter()
        .map(|piece| frame(from, to, protocol, id, piece))
        .collect()
}

/// UDP header and payload, with its checksum.
pub fn udp(from: (IpAddr, u16), to: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let mut body = [from.1, to.1, length, 0].map(u16::to_be_bytes).concat();
    body.extend(payload);
    let mut summed = [octets(from.0), octets(to.0)].concat();
    summed.extend(length.to_be_bytes());
    summed.extend([0, UDP]);
    summed.extend(&body);
    let sum = match checksum(&summed) {
        0 => 0xffff,
        sum => sum,
    };
    body[6..8].copy_from_slice(&sum.to_be_bytes());
    body
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
