//! Frames as a [`Shape`] wants them, right in everything that it does not change.

use std::net::IpAddr;

use super::program::{ACK, Bytes, Extension, Order, Piece, Plan, SYN, Shape, Stamp, Tunnel};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;
const FRAGMENT: u8 = 44;
/// What stands where a fragment is said to hold bytes beyond the packet's end.
const BEYOND: u8 = b'z';

/// Both ends of a run, and how frames get to the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    pub local: (IpAddr, u16),
    pub remote: (IpAddr, u16),
    /// Source and destination.
    pub macs: ([u8; 6], [u8; 6]),
}

/// The numbers of a segment, before its shape bends them.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    pub flags: u8,
    pub sequence: u32,
    pub ack: u32,
    /// Value and echo of the timestamp option, where the connection has it.
    pub stamp: Option<(u32, u32)>,
    /// A SYN's own options.
    pub opens: bool,
}

/// The bytes that a list of pieces of the payload stands for.
pub fn bytes_of(pieces: &[Bytes], payload: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        match piece {
            Bytes::Payload(range) => {
                all.extend(range.clone().map(|at| payload.get(at).unwrap_or(&BEYOND)));
            }
            Bytes::From(start) => all.extend(payload.get(*start..).unwrap_or_default()),
            Bytes::Fill(letter, count) => all.extend(std::iter::repeat_n(*letter, *count)),
        }
    }
    all
}

pub fn tcp(path: &Path, numbers: &Numbers, shape: &Shape, data: &[u8]) -> Vec<u8> {
    let flags = shape.flags.unwrap_or(numbers.flags);
    let options = tcp_options(numbers, shape);
    let mut tcp = Vec::with_capacity(20 + options.len() + data.len());
    tcp.extend(path.local.1.to_be_bytes());
    tcp.extend(path.remote.1.to_be_bytes());
    tcp.extend(
        numbers
            .sequence
            .wrapping_add(shape.seq as u32)
            .to_be_bytes(),
    );
    let ack = if flags & ACK != 0 || shape.ack != 0 {
        numbers.ack.wrapping_add(shape.ack as u32)
    } else {
        0
    };
    tcp.extend(ack.to_be_bytes());
    let words = shape.data_offset.unwrap_or((20 + options.len()) as u8 / 4);
    tcp.push(words << 4 | shape.reserved & 15);
    tcp.push(flags);
    tcp.extend(shape.window.unwrap_or(0xffff).to_be_bytes());
    tcp.extend([0, 0]);
    tcp.extend(shape.urgent.to_be_bytes());
    tcp.extend(options);
    tcp.extend(data);
    let sum = checksum(&[&pseudo_header(path, TCP, tcp.len()), &tcp]);
    let sum = if shape.bad_sum { !sum } else { sum };
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    tcp
}

fn tcp_options(numbers: &Numbers, shape: &Shape) -> Vec<u8> {
    let mut options = Vec::new();
    if numbers.opens {
        options.extend([2, 4]);
        options.extend(shape.mss.unwrap_or(1300).to_be_bytes());
        if shape.sack_permitted {
            options.extend([4, 2, 1, 1]);
        }
        if let Some(shift) = shape.window_scale {
            options.extend([3, 3, shift, 1]);
        }
    }
    let stamp = match (shape.timestamp, numbers.stamp) {
        (Stamp::None, _) | (Stamp::Usual, None) => None,
        (Stamp::Usual, usual) => usual,
        (Stamp::Relative(by), usual) => {
            usual.map(|(value, echo)| (value.wrapping_add(by as u32), echo))
        }
        (Stamp::Absolute(value), usual) => Some((value, usual.map_or(0, |(_, echo)| echo))),
    };
    if let Some((value, echo)) = stamp {
        options.extend([1, 1, 8, 10]);
        options.extend(value.to_be_bytes());
        options.extend(echo.to_be_bytes());
    }
    options.extend(&shape.options);
    while !options.len().is_multiple_of(4) {
        options.push(0);
    }
    options
}

pub fn udp(path: &Path, shape: &Shape, data: &[u8]) -> Vec<u8> {
    let mut udp = Vec::with_capacity(8 + data.len());
    udp.extend(path.local.1.to_be_bytes());
    udp.extend(path.remote.1.to_be_bytes());
    let length = (8 + data.len() as i64 + shape.udp_length) as u16;
    udp.extend(length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(data);
    if shape.no_sum {
        return udp;
    }
    // The checksum is over what the length says, so that only the length is wrong.
    let covered = usize::from(length).clamp(8, udp.len());
    let sum = checksum(&[
        &pseudo_header(path, UDP, usize::from(length)),
        &udp[..covered],
    ]);
    let sum = match if shape.bad_sum { sum ^ 0x5555 } else { sum } {
        0 => 0xffff,
        sum => sum,
    };
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    udp
}

/// RFC 1191: the connection's own packets are said to be too big for some link.
pub fn too_big(path: &Path) -> Vec<u8> {
    let mut quoted = ipv4_header(
        path.remote.0,
        path.local.0,
        TCP,
        28,
        &Shape::default(),
        1,
        0,
        63,
    );
    quoted.extend(path.remote.1.to_be_bytes());
    quoted.extend(path.local.1.to_be_bytes());
    quoted.extend([0; 4]);
    let mut icmp = vec![3, 4, 0, 0, 0, 0, 0x02, 0x40];
    icmp.extend(quoted);
    let sum = checksum(&[&icmp]);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    icmp
}

/// One transport packet as the frames that carry it.
pub fn frames(
    path: &Path,
    protocol: u8,
    transport: &[u8],
    shape: &Shape,
    id: u32,
    trailer: &[u8],
) -> Vec<Vec<u8>> {
    let id = shape.id.unwrap_or(id);
    let packets: Vec<Vec<u8>> = match path.local.0 {
        IpAddr::V4(_) => ipv4(path, protocol, transport, shape, id),
        IpAddr::V6(_) => ipv6(path, protocol, transport, shape, id),
    };
    packets
        .into_iter()
        .map(|packet| match shape.tunnel {
            None => frame(path, &packet, trailer),
            Some(tunnel) => frame(path, &wrapped(path, tunnel, &packet), &[]),
        })
        .collect()
}

fn frame(path: &Path, packet: &[u8], trailer: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + packet.len());
    frame.extend(path.macs.1);
    frame.extend(path.macs.0);
    // The shape may have changed the version; the link says what the packet is sent as.
    frame.extend(match packet.first().map(|byte| byte >> 4) {
        Some(6) => [0x86, 0xdd],
        _ => [0x08, 0x00],
    });
    frame.extend(packet);
    frame.extend(trailer);
    frame
}

fn ipv4(path: &Path, protocol: u8, transport: &[u8], shape: &Shape, id: u32) -> Vec<Vec<u8>> {
    let (from, to) = (path.local.0, path.remote.0);
    pieces(shape.plan.as_ref(), transport.len())
        .iter()
        .map(|piece| {
            let (body, more) = cut(transport, piece);
            let flags_and_offset = (piece.start / 8) as u16
                | u16::from(more) << 13
                | u16::from(shape.dont_fragment) << 14
                | u16::from(shape.reserved_flag) << 15;
            let mut packet = ipv4_header(
                from,
                to,
                piece.protocol.unwrap_or(protocol),
                body.len(),
                shape,
                id.wrapping_add(piece.id) as u16,
                flags_and_offset,
                piece.ttl.or(shape.ttl).unwrap_or(64),
            );
            packet.extend(body);
            packet
        })
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn ipv4_header(
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    body: usize,
    shape: &Shape,
    id: u16,
    flags_and_offset: u16,
    ttl: u8,
) -> Vec<u8> {
    let mut options = shape.ip_options.clone();
    while !options.len().is_multiple_of(4) {
        options.push(0);
    }
    let length = 20 + options.len();
    let words = shape.header_words.unwrap_or(length as u8 / 4);
    let mut ip = vec![shape.version.unwrap_or(4) << 4 | words & 15, shape.tos];
    ip.extend(((length + body) as i64 + shape.length).to_be_bytes()[6..].iter());
    ip.extend(id.to_be_bytes());
    ip.extend(flags_and_offset.to_be_bytes());
    ip.extend([ttl, protocol, 0, 0]);
    ip.extend(octets(from));
    ip.extend(octets(to));
    ip.extend(options);
    let sum = checksum(&[&ip]);
    let sum = if shape.bad_ip_sum { sum ^ 0x5555 } else { sum };
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip
}

fn ipv6(path: &Path, protocol: u8, transport: &[u8], shape: &Shape, id: u32) -> Vec<Vec<u8>> {
    // RFC 8200 section 4.1: each header names the next.
    let (inner_first, mut fragmentable) = chain(&shape.inner_extensions, protocol, path);
    fragmentable.extend(transport);
    pieces(shape.plan.as_ref(), fragmentable.len())
        .iter()
        .map(|piece| {
            let (body, more) = cut(&fragmentable, piece);
            let first = piece.protocol.unwrap_or(inner_first);
            let mut rest = Vec::new();
            let behind = match shape.plan {
                None => first,
                Some(_) => {
                    rest.extend([first, 0]);
                    rest.extend(((piece.start & !7) as u16 | u16::from(more)).to_be_bytes());
                    rest.extend(id.wrapping_add(piece.id).to_be_bytes());
                    FRAGMENT
                }
            };
            let (next, outer) = chain(&shape.extensions, behind, path);
            let length = (outer.len() + rest.len() + body.len()) as i64 + shape.length;
            let mut packet = vec![
                shape.version.unwrap_or(6) << 4 | shape.tos >> 4,
                shape.tos << 4,
                0,
                0,
            ];
            packet.extend((length as u16).to_be_bytes());
            packet.extend([next, piece.ttl.or(shape.ttl).unwrap_or(64)]);
            packet.extend(octets(path.local.0));
            packet.extend(octets(path.remote.0));
            packet.extend(outer);
            packet.extend(rest);
            packet.extend(body);
            packet
        })
        .collect()
}

/// Extension headers in a row, and the number of the first.
fn chain(extensions: &[Extension], last: u8, path: &Path) -> (u8, Vec<u8>) {
    let number = |extension: &Extension| match extension {
        Extension::HopByHop => 0,
        Extension::Destination => 60,
        Extension::Routing(_) => 43,
    };
    let mut bytes = Vec::new();
    for (at, extension) in extensions.iter().enumerate() {
        let next = extensions.get(at + 1).map_or(last, number);
        match extension {
            // PadN over the rest of eight bytes.
            Extension::HopByHop | Extension::Destination => {
                bytes.extend([next, 0, 1, 4, 0, 0, 0, 0]);
            }
            Extension::Routing(left) => {
                bytes.extend([next, 2, 0, *left, 0, 0, 0, 0]);
                bytes.extend(octets(path.remote.0));
            }
        }
    }
    (extensions.first().map_or(last, number), bytes)
}

fn pieces(plan: Option<&Plan>, total: usize) -> Vec<Piece> {
    match plan {
        None => vec![Piece::default()],
        Some(Plan::List(list)) => list.clone(),
        Some(Plan::Each { size, order }) => {
            let size = (*size).max(8);
            let mut all: Vec<_> = (0..total)
                .step_by(size)
                .map(|start| Piece {
                    start,
                    end: Some((start + size).min(total)),
                    ..Piece::default()
                })
                .collect();
            match order {
                Order::Ordered => {}
                Order::Reversed => all.reverse(),
                Order::LastFirst => all.rotate_right(1),
            }
            all
        }
    }
}

/// A fragment's bytes, and whether more follow it.
fn cut(whole: &[u8], piece: &Piece) -> (Vec<u8>, bool) {
    let end = piece.end.unwrap_or(whole.len()).max(piece.start);
    let more = piece.more.unwrap_or(end < whole.len());
    let body = match piece.fill {
        Some(letter) => vec![letter; end - piece.start],
        None => (piece.start..end)
            .map(|at| *whole.get(at).unwrap_or(&BEYOND))
            .collect(),
    };
    (body, more)
}

/// The packet inside of another, both for the same receiver.
fn wrapped(path: &Path, tunnel: Tunnel, inner: &[u8]) -> Vec<u8> {
    let version_6 = inner.first().is_some_and(|byte| byte >> 4 == 6);
    let ethertype: [u8; 2] = if version_6 { [0x86, 0xdd] } else { [8, 0] };
    let ethernet = [
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2].as_slice(),
        &ethertype,
        inner,
    ]
    .concat();
    let (protocol, body) = match tunnel {
        // RFC 2784 section 2.1, RFC 2003, RFC 4213.
        Tunnel::Gre => (47, [&[0, 0], ethertype.as_slice(), inner].concat()),
        Tunnel::IpIp => (4, inner.to_vec()),
        Tunnel::SixInFour => (41, inner.to_vec()),
        // RFC 7348 section 5, RFC 8926 section 3.4, RFC 4380.
        Tunnel::Vxlan => (
            UDP,
            outer_udp(
                4789,
                &[&[8, 0, 0, 0, 0, 0, 7, 0], ethernet.as_slice()].concat(),
            ),
        ),
        Tunnel::Geneve => (
            UDP,
            outer_udp(
                6081,
                &[&[0, 0, 0x65, 0x58, 0, 0, 7, 0], ethernet.as_slice()].concat(),
            ),
        ),
        Tunnel::Teredo => (UDP, outer_udp(3544, inner)),
    };
    let (from, to) = super::place::Place::tunnel_ends(path.local.0);
    let mut packet = ipv4_header(from, to, protocol, body.len(), &Shape::default(), 7, 0, 64);
    packet.extend(body);
    packet
}

fn outer_udp(port: u16, body: &[u8]) -> Vec<u8> {
    let mut udp = 40_000u16.to_be_bytes().to_vec();
    udp.extend(port.to_be_bytes());
    udp.extend((8 + body.len() as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(body);
    udp
}

pub const fn protocol_of_tcp() -> u8 {
    TCP
}

pub const fn protocol_of_udp() -> u8 {
    UDP
}

pub const fn protocol_of_icmp() -> u8 {
    ICMP
}

/// What came from the other end.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    pub to: IpAddr,
    pub from_port: u16,
    pub to_port: u16,
    pub flags: u8,
    pub sequence: u32,
    pub ack: u32,
    pub length: u32,
    pub stamp: Option<u32>,
}

/// A TCP segment in a frame, or nothing.
pub fn heard(frame: &[u8]) -> Option<Heard> {
    let ip = frame.get(14..)?;
    let (to, tcp) = match frame.get(12..14)? {
        [0x08, 0x00] if *ip.get(9)? == TCP => {
            let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
            let header = usize::from(ip.first()? & 15) * 4;
            let to: [u8; 4] = ip.get(16..20)?.try_into().ok()?;
            (IpAddr::from(to), ip.get(header..total)?)
        }
        [0x86, 0xdd] if *ip.get(6)? == TCP => {
            let length = usize::from(u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?]));
            let to: [u8; 16] = ip.get(24..40)?.try_into().ok()?;
            (IpAddr::from(to), ip.get(40..40 + length)?)
        }
        _ => return None,
    };
    let half = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_be_bytes(tcp.get(at..at + 4)?.try_into().ok()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Heard {
        to,
        from_port: half(0)?,
        to_port: half(2)?,
        flags: *tcp.get(13)?,
        sequence: word(4)?,
        ack: word(8)?,
        length: tcp.len().checked_sub(header)? as u32,
        stamp: stamp(tcp.get(20..header)?),
    })
}

/// The value of the timestamp option.
fn stamp(mut options: &[u8]) -> Option<u32> {
    loop {
        options = match options {
            [1, rest @ ..] => rest,
            [8, 10, a, b, c, d, ..] => return Some(u32::from_be_bytes([*a, *b, *c, *d])),
            [kind, length, ..] if *kind > 1 && *length >= 2 => {
                options.get(usize::from(*length)..)?
            }
            _ => return None,
        };
    }
}

/// Whether a segment of these flags takes a place in the stream besides its data.
pub const fn takes_sequence(flags: u8) -> u32 {
    (flags & SYN != 0) as u32 + (flags & super::program::FIN != 0) as u32
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// RFC 9293 section 3.1 for IPv4, RFC 8200 section 8.1 for IPv6; the sum is the same for both layouts.
fn pseudo_header(path: &Path, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = octets(path.local.0);
    header.extend(octets(path.remote.0));
    header.extend((length as u32).to_be_bytes());
    header.extend([0, 0, 0, protocol]);
    header
}

/// RFC 1071 over parts of which all but the last are of even length.
fn checksum(parts: &[&[u8]]) -> u16 {
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
