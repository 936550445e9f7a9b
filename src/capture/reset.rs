//! RST segments, and how many of them a second.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::time::Timestamp;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const TCP_HEADER: usize = 20;
const TCP: u8 = 6;
const HOP_LIMIT: u8 = 64;

const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A whole IP packet with one RST segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    bytes: [u8; IPV6_HEADER + TCP_HEADER],
    length: usize,
}

/// What a RST says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetFields {
    /// The end it pretends to come from.
    pub source: (IpAddr, u16),
    /// The end that is to close.
    pub destination: (IpAddr, u16),
    /// Exactly what the destination expects next: Linux answers any other
    /// in-window number with a challenge ACK (RFC 5961 section 3.2).
    pub sequence: u32,
    pub acknowledgement: Option<u32>,
}

impl ResetFields {
    /// The RST that answers a segment as its receiver would if it had no such
    /// connection (RFC 9293 section 3.10.7.1). `length` counts SYN and FIN.
    pub fn answering(
        source: (IpAddr, u16),
        destination: (IpAddr, u16),
        sequence: u32,
        acknowledgement: Option<u32>,
        length: u32,
    ) -> Self {
        let (source, destination) = (destination, source);
        match acknowledgement {
            Some(acknowledgement) => Self {
                source,
                destination,
                sequence: acknowledgement,
                acknowledgement: None,
            },
            None => Self {
                source,
                destination,
                sequence: 0,
                acknowledgement: Some(sequence.wrapping_add(length)),
            },
        }
    }
}

impl Reset {
    /// `None` where the two ends are of different families.
    pub fn new(fields: &ResetFields) -> Option<Self> {
        let mut bytes = [0; IPV6_HEADER + TCP_HEADER];
        let length = match (fields.source.0, fields.destination.0) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (ip, rest) = bytes.split_first_chunk_mut()?;
                *ip = ipv4_header(source, destination);
                let tcp = rest.first_chunk_mut()?;
                *tcp = tcp_header(
                    fields,
                    pseudo_header(&source.octets(), &destination.octets()),
                );
                IPV4_HEADER + TCP_HEADER
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let (ip, rest) = bytes.split_first_chunk_mut()?;
                *ip = ipv6_header(source, destination);
                let tcp = rest.first_chunk_mut()?;
                *tcp = tcp_header(
                    fields,
                    pseudo_header(&source.octets(), &destination.octets()),
                );
                IPV6_HEADER + TCP_HEADER
            }
            _ => return None,
        };
        Some(Self { bytes, length })
    }

    /// From the IP header on.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

fn ipv4_header(source: Ipv4Addr, destination: Ipv4Addr) -> [u8; IPV4_HEADER] {
    const VERSION_AND_WORDS: u8 = 0x45;
    const DONT_FRAGMENT: u8 = 0x40;
    let mut header = [0; IPV4_HEADER];
    header[0] = VERSION_AND_WORDS;
    header[3] = (IPV4_HEADER + TCP_HEADER) as u8;
    header[6] = DONT_FRAGMENT;
    header[8] = HOP_LIMIT;
    header[9] = TCP;
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let checksum = finish(add(0, &header));
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr) -> [u8; IPV6_HEADER] {
    let mut header = [0; IPV6_HEADER];
    header[0] = 0x60;
    header[5] = TCP_HEADER as u8;
    header[6] = TCP;
    header[7] = HOP_LIMIT;
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    header
}

fn tcp_header(fields: &ResetFields, pseudo_header: u32) -> [u8; TCP_HEADER] {
    let mut header = [0; TCP_HEADER];
    header[0..2].copy_from_slice(&fields.source.1.to_be_bytes());
    header[2..4].copy_from_slice(&fields.destination.1.to_be_bytes());
    header[4..8].copy_from_slice(&fields.sequence.to_be_bytes());
    header[12] = (TCP_HEADER as u8 / 4) << 4;
    header[13] = RST;
    if let Some(acknowledgement) = fields.acknowledgement {
        header[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
        header[13] |= ACK;
    }
    let checksum = finish(add(pseudo_header, &header));
    header[16..18].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// The sum of RFC 9293 section 3.1; the same for both families once addresses are bytes.
fn pseudo_header(source: &[u8], destination: &[u8]) -> u32 {
    add(add(0, source), destination) + u32::from(TCP) + TCP_HEADER as u32
}

/// RFC 1071, over an even number of bytes.
fn add(sum: u32, bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks();
    words
        .iter()
        .fold(sum, |sum, word| sum + u32::from(u16::from_be_bytes(*word)))
}

fn finish(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A token bucket: so many a second on average, so many at once.
#[derive(Clone, Copy, Debug)]
pub struct RateLimiter {
    per_second: u32,
    burst: u32,
    /// In millionths, so that microseconds times rate add up without rounding.
    tokens: u64,
    filled: Timestamp,
}

impl RateLimiter {
    const TOKEN: u64 = 1_000_000;

    /// Starts full.
    pub fn new(per_second: u32, burst: u32, now: Timestamp) -> Self {
        Self {
            per_second,
            burst,
            tokens: u64::from(burst) * Self::TOKEN,
            filled: now,
        }
    }

    /// Takes a token, if there is one.
    pub fn allow(&mut self, now: Timestamp) -> bool {
        let micros = now.as_micros().saturating_sub(self.filled.as_micros());
        // A clock that went back gives nothing, and counting goes on from there.
        self.filled = now;
        self.tokens = micros
            .saturating_mul(u64::from(self.per_second))
            .saturating_add(self.tokens)
            .min(u64::from(self.burst) * Self::TOKEN);
        match self.tokens.checked_sub(Self::TOKEN) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_strict_parser_reads_back_every_field(
            v6: bool, source: [u8; 16], destination: [u8; 16], ports: (u16, u16),
            sequence: u32, acknowledgement: Option<u32>,
        ) {
            let address = |bytes: [u8; 16]| match v6 {
                true => IpAddr::from(bytes),
                false => IpAddr::from(*bytes.first_chunk::<4>().unwrap()),
            };
            let fields = ResetFields {
                source: (address(source), ports.0),
                destination: (address(destination), ports.1),
                sequence,
                acknowledgement,
            };
            let reset = Reset::new(&fields).unwrap();
            let packet = SlicedPacket::from_ip(reset.as_bytes()).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = packet.transport else { panic!("no TCP") };
            prop_assert!(tcp.rst() && !tcp.syn() && !tcp.fin() && !tcp.psh());
            prop_assert_eq!((tcp.source_port(), tcp.destination_port()), ports);
            prop_assert_eq!(tcp.sequence_number(), sequence);
            prop_assert_eq!(tcp.ack(), acknowledgement.is_some());
            prop_assert_eq!(tcp.acknowledgment_number(), acknowledgement.unwrap_or(0));
            prop_assert!(tcp.payload().is_empty());
            match packet.net.unwrap() {
                NetSlice::Ipv4(ip) => {
                    let header = ip.header();
                    prop_assert_eq!(IpAddr::from(header.source_addr()), fields.source.0);
                    prop_assert_eq!(IpAddr::from(header.destination_addr()), fields.destination.0);
                    prop_assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
                    prop_assert_eq!(tcp.checksum(),
                        tcp.calc_checksum_ipv4(header.source(), header.destination()).unwrap());
                }
                NetSlice::Ipv6(ip) => {
                    let header = ip.header();
                    prop_assert_eq!(IpAddr::from(header.source_addr()), fields.source.0);
                    prop_assert_eq!(IpAddr::from(header.destination_addr()), fields.destination.0);
                    prop_assert_eq!(tcp.checksum(),
                        tcp.calc_checksum_ipv6(header.source(), header.destination()).unwrap());
                }
                _ => panic!("neither IPv4 nor IPv6"),
            }
        }
    }

    const A: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1000);
    const B: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);

    #[test]
    fn an_answer_takes_its_sequence_from_the_acknowledgement() {
        let reset = ResetFields::answering(A, B, 100, Some(900), 5);
        assert_eq!((reset.source, reset.destination), (B, A));
        assert_eq!((reset.sequence, reset.acknowledgement), (900, None));
    }

    #[test]
    fn an_answer_to_a_syn_acknowledges_it() {
        let reset = ResetFields::answering(A, B, u32::MAX, None, 1);
        assert_eq!((reset.sequence, reset.acknowledgement), (0, Some(0)));
    }

    #[test]
    fn families_do_not_mix() {
        let other = (IpAddr::V6(Ipv6Addr::LOCALHOST), 1);
        let fields = ResetFields::answering(A, other, 0, None, 0);
        assert_eq!(Reset::new(&fields), None);
    }

    #[test]
    fn the_limiter_gives_a_burst_and_then_the_rate() {
        let start = Timestamp::from_secs(100);
        let mut limiter = RateLimiter::new(2, 3, start);
        let allowed = |limiter: &mut RateLimiter, micros: u64| {
            let now = Timestamp::from_micros(start.as_micros() + micros);
            (0..10).filter(|_| limiter.allow(now)).count()
        };
        assert_eq!(allowed(&mut limiter, 0), 3);
        assert_eq!(allowed(&mut limiter, 499_999), 0);
        assert_eq!(allowed(&mut limiter, 500_000), 1);
        assert_eq!(allowed(&mut limiter, 1_500_000), 2);
        assert_eq!(allowed(&mut limiter, 3_600_000_000), 3);
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_tokens() {
        let mut limiter = RateLimiter::new(1, 1, Timestamp::from_secs(100));
        assert!(limiter.allow(Timestamp::from_secs(100)));
        assert!(!limiter.allow(Timestamp::from_secs(50)));
        assert!(limiter.allow(Timestamp::from_secs(51)));
    }

    #[test]
    fn a_limiter_of_nothing_allows_nothing() {
        let mut limiter = RateLimiter::new(0, 0, Timestamp::ZERO);
        assert!(!limiter.allow(Timestamp::from_secs(1_000)));
    }
}
