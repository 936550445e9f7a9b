//! Packets inside packets: which tunnel it is, and where the inner packet begins.
//!
//! IP says by its protocol number that there is another packet inside, so a header that is cut
//! short is refused. A UDP port says it only by custom: what does not read as the tunnel is
//! payload like any other.

use super::checksum::Sum;
use super::ip::Expected;
use super::link::{Stripped, strip, strip_ppp, version_of};
use super::{
    ChecksumTrust, DecodeEvent, DecodeEvents, LinkType, Malformed, Packet, Transport,
    decode_datagram, protocol,
};
use crate::verdict::DropReason;

const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_BRIDGED: u16 = 0x6558;
const ETHERNET_BYTES: usize = 14;

/// How one packet was put into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TunnelKind {
    /// RFC 7348.
    Vxlan,
    /// RFC 8926.
    Geneve,
    /// RFC 2784, RFC 2890 and, with PPP inside, RFC 2637.
    Gre,
    /// Mirrored Ethernet in GRE (draft-foschiano-erspan).
    Erspan,
    /// RFC 2003.
    Ipv4InIpv4,
    /// RFC 4213.
    Ipv6InIpv4,
    /// RFC 2473.
    Ipv4InIpv6,
    Ipv6InIpv6,
    /// RFC 4380.
    Teredo,
}

impl TunnelKind {
    pub const ALL: [Self; 9] = [
        Self::Vxlan,
        Self::Geneve,
        Self::Gre,
        Self::Erspan,
        Self::Ipv4InIpv4,
        Self::Ipv6InIpv4,
        Self::Ipv4InIpv6,
        Self::Ipv6InIpv6,
        Self::Teredo,
    ];
}

/// Which tunnels are looked into, and on which ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnels {
    kinds: u16,
    vxlan_ports: Vec<u16>,
    geneve_ports: Vec<u16>,
    teredo_ports: Vec<u16>,
}

impl Default for Tunnels {
    fn default() -> Self {
        Self::new(TunnelKind::ALL, vec![4789], vec![6081], vec![3544])
    }
}

/// What a tunnel carries.
#[derive(Clone, Copy, Debug)]
enum Content {
    Ethernet,
    Ppp,
    Ip(Expected),
}

/// A packet inside another, not decoded yet.
#[derive(Clone, Copy, Debug)]
pub struct Inner<'a> {
    pub kind: TunnelKind,
    /// The network identifier, key or session that tells tunnels of one kind apart. `None`: only
    /// their ends do.
    pub id: Option<u32>,
    content: Content,
    bytes: &'a [u8],
    /// Of the port that the frame was mirrored from.
    vlan: u16,
}

impl<'a> Inner<'a> {
    const fn new(kind: TunnelKind, id: Option<u32>, content: Content, bytes: &'a [u8]) -> Self {
        Self {
            kind,
            id,
            content,
            bytes,
            vlan: 0,
        }
    }

    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the inner packet begins with.
    pub const fn link(&self) -> LinkType {
        match self.content {
            Content::Ethernet => LinkType::Ethernet,
            Content::Ppp => LinkType::Ppp,
            Content::Ip(_) => LinkType::RawIp,
        }
    }

    /// Decodes the inner packet. `Ok(None)`: not IP. `trust` is that of the packet around it.
    ///
    /// # Errors
    /// What the receiver would ignore.
    pub fn decode(&self, trust: ChecksumTrust) -> Result<Option<Packet<'a>>, Malformed<'a>> {
        let mut events = DecodeEvents::NONE;
        let found = match self.content {
            Content::Ethernet => strip(LinkType::Ethernet, self.bytes, &mut events),
            Content::Ppp => strip_ppp(self.bytes, &mut events),
            Content::Ip(expected) => Ok(Some(Stripped {
                vlan: [0; 3],
                expected,
                datagram: self.bytes,
            })),
        };
        let stripped = match found {
            Ok(Some(stripped)) => stripped,
            Ok(None) => return Ok(None),
            Err(reason) => return Err(Malformed::early(reason, events)),
        };
        let vlan = match stripped.vlan {
            [0, 0, 0] => [self.vlan, 0, 0],
            tagged => tagged,
        };
        let (datagram, expected) = (stripped.datagram, stripped.expected);
        decode_datagram(datagram, expected, vlan, trust.inside(), events).map(Some)
    }
}

impl Tunnels {
    pub fn new(
        kinds: impl IntoIterator<Item = TunnelKind>,
        vxlan_ports: Vec<u16>,
        geneve_ports: Vec<u16>,
        teredo_ports: Vec<u16>,
    ) -> Self {
        let kinds = kinds.into_iter().fold(0, |all, k| all | 1 << k as u16);
        Self {
            kinds,
            vxlan_ports,
            geneve_ports,
            teredo_ports,
        }
    }

    const fn looks_into(&self, kind: TunnelKind) -> bool {
        self.kinds & 1 << kind as u16 != 0
    }

    /// The packet inside `outer`, if it is a tunnel's.
    ///
    /// # Errors
    /// A header between the two that no receiver takes.
    pub fn inside<'a>(
        &self,
        outer: &Packet<'a>,
        trust: ChecksumTrust,
        events: &mut DecodeEvents,
    ) -> Result<Option<Inner<'a>>, DropReason> {
        let payload = outer.payload;
        let is_v6 = outer.ip.is_v6();
        match (&outer.transport, outer.ip.protocol) {
            (Transport::Udp(udp), _) => {
                let (src, dst) = (udp.src_port(), udp.dst_port());
                Ok(self.inside_udp(src, dst, payload, events))
            }
            (Transport::Other, protocol::GRE) => self.inside_gre(payload, trust, events),
            (Transport::Other, protocol::IPV4) => {
                let (kind, expected) = if is_v6 {
                    note_inner_ip(payload, Expected::V4, events);
                    (TunnelKind::Ipv4InIpv6, Expected::V4)
                } else {
                    (TunnelKind::Ipv4InIpv4, Expected::V4)
                };
                Ok(self.plain(kind, expected, payload))
            }
            (Transport::Other, protocol::IPV6) => {
                let (kind, expected) = if is_v6 {
                    note_inner_ip(payload, Expected::V6, events);
                    (TunnelKind::Ipv6InIpv6, Expected::V6)
                } else {
                    (TunnelKind::Ipv6InIpv4, Expected::V6)
                };
                Ok(self.plain(kind, expected, payload))
            }
            _ => Ok(None),
        }
    }

    fn plain<'a>(
        &self,
        kind: TunnelKind,
        expected: Expected,
        payload: &'a [u8],
    ) -> Option<Inner<'a>> {
        let inner = Inner::new(kind, None, Content::Ip(expected), payload);
        self.looks_into(kind).then_some(inner)
    }

    fn inside_udp<'a>(
        &self,
        src: u16,
        dst: u16,
        payload: &'a [u8],
        events: &mut DecodeEvents,
    ) -> Option<Inner<'a>> {
        // The source port of VXLAN and Geneve is a hash of the inner packet.
        if self.vxlan_ports.contains(&dst) && self.looks_into(TunnelKind::Vxlan) {
            vxlan(payload, events)
        } else if self.geneve_ports.contains(&dst) && self.looks_into(TunnelKind::Geneve) {
            geneve(payload, events)
        } else if (self.teredo_ports.contains(&dst) || self.teredo_ports.contains(&src))
            && self.looks_into(TunnelKind::Teredo)
        {
            teredo(payload)
        } else {
            None
        }
    }

    fn inside_gre<'a>(
        &self,
        payload: &'a [u8],
        trust: ChecksumTrust,
        events: &mut DecodeEvents,
    ) -> Result<Option<Inner<'a>>, DropReason> {
        if !self.looks_into(TunnelKind::Gre) && !self.looks_into(TunnelKind::Erspan) {
            return Ok(None);
        }
        let Some(&[a, b, c, d]) = payload.first_chunk::<4>() else {
            events.add(DecodeEvent::GreTooSmall);
            return Err(DropReason::DecodeTunnel);
        };
        let flags = u16::from_be_bytes([a, b]);
        let ethertype = u16::from_be_bytes([c, d]);
        let inner = match flags & gre::VERSION {
            0 => gre::version_0(flags, ethertype, payload, trust, events),
            1 => gre::version_1(flags, ethertype, payload, events),
            _ => {
                events.add(DecodeEvent::GreVersion);
                Err(DropReason::DecodeTunnel)
            }
        }?;
        Ok(inner.filter(|inner| self.looks_into(inner.kind)))
    }
}

fn note_inner_ip(payload: &[u8], expected: Expected, events: &mut DecodeEvents) {
    let (version, shortest, too_small, wrong) = match expected {
        Expected::V6 => (
            6,
            40,
            DecodeEvent::Ipv6InIpv6TooSmall,
            DecodeEvent::Ipv6InIpv6Version,
        ),
        Expected::V4 | Expected::Either => (
            4,
            20,
            DecodeEvent::Ipv4InIpv6TooSmall,
            DecodeEvent::Ipv4InIpv6Version,
        ),
    };
    if payload.len() < shortest {
        events.add(too_small);
    } else if payload[0] >> 4 != version {
        events.add(wrong);
    }
}

/// RFC 7348 section 5: flags, of which one says that the identifier is there; reserved bits do
/// not matter to every receiver.
fn vxlan<'a>(payload: &'a [u8], events: &mut DecodeEvents) -> Option<Inner<'a>> {
    const IDENTIFIER_IS_THERE: u8 = 0x08;
    const VLAN: u16 = 0x8100;
    let (header, frame) = payload.split_first_chunk::<8>()?;
    if header[0] & IDENTIFIER_IS_THERE == 0 || frame.len() < ETHERNET_BYTES {
        return None;
    }
    let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
    if version_of(ethertype).is_none() && !matches!(ethertype, ETHERTYPE_ARP | VLAN) {
        events.add(DecodeEvent::VxlanPayload);
    }
    let id = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    Some(Inner::new(
        TunnelKind::Vxlan,
        Some(id),
        Content::Ethernet,
        frame,
    ))
}

/// RFC 8926 section 3.4. Options are skipped by their total length, critical ones too: a
/// receiver that knows none of them (Linux) goes by that length alone.
fn geneve<'a>(payload: &'a [u8], events: &mut DecodeEvents) -> Option<Inner<'a>> {
    let (header, rest) = payload.split_first_chunk::<8>()?;
    let (version, option_words) = (header[0] >> 6, usize::from(header[0] & 0x3f));
    let bytes = rest.get(option_words * 4..)?;
    if version != 0 {
        return None;
    }
    let content = match u16::from_be_bytes([header[2], header[3]]) {
        ETHERTYPE_BRIDGED if bytes.len() >= ETHERNET_BYTES => Content::Ethernet,
        ETHERTYPE_BRIDGED => return None,
        ethertype => match version_of(ethertype) {
            Some(expected) => Content::Ip(expected),
            None => {
                events.add(DecodeEvent::GenevePayload);
                return None;
            }
        },
    };
    let id = u32::from_be_bytes([0, header[4], header[5], header[6]]);
    Some(Inner::new(TunnelKind::Geneve, Some(id), content, bytes))
}

/// RFC 4380 section 5.1.1: authentication and origin, each if there, then a whole IPv6 packet,
/// then trailers (RFC 6081 section 4). Anything else on that port is not Teredo.
fn teredo(payload: &[u8]) -> Option<Inner<'_>> {
    const AUTHENTICATION: [u8; 2] = [0, 1];
    const ORIGIN: [u8; 2] = [0, 0];
    const NONCE_AND_CONFIRMATION: usize = 9;
    let mut rest = payload;
    if rest.starts_with(&AUTHENTICATION) {
        let (&id, &value) = (rest.get(2)?, rest.get(3)?);
        let length = 4 + usize::from(id) + usize::from(value) + NONCE_AND_CONFIRMATION;
        rest = rest.get(length..)?;
    }
    if rest.starts_with(&ORIGIN) {
        rest = rest.get(8..)?;
    }
    let fixed = rest.first_chunk::<40>()?;
    let length = 40 + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    if fixed[0] >> 4 != 6 {
        return None;
    }
    let (packet, mut trailers) = rest.split_at_checked(length)?;
    while let [_, length, more @ ..] = trailers {
        trailers = more.get(usize::from(*length)..)?;
    }
    let content = Content::Ip(Expected::V6);
    // Relays come and go within one flow, and its addresses are nobody else's.
    let inner = Inner::new(TunnelKind::Teredo, Some(0), content, packet);
    trailers.is_empty().then_some(inner)
}

mod gre {
    //! Generic routing encapsulation.

    use super::*;

    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const STRICT_ROUTE: u16 = 0x0800;
    const RECURSION: u16 = 0x0700;
    const RESERVED: u16 = 0x00f8;
    /// Version 1 only.
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;

    const PPP: u16 = 0x880b;
    const ERSPAN_1_AND_2: u16 = 0x88be;
    const ERSPAN_3: u16 = 0x22eb;
    const WCCP: u16 = 0x883e;

    fn cut_short<T>(events: &mut DecodeEvents) -> Result<T, DropReason> {
        events.add(DecodeEvent::GreTooSmall);
        Err(DropReason::DecodeTunnel)
    }

    /// RFC 2784 section 2 with RFC 2890: checksum, key and sequence number, each if flagged.
    pub(super) fn version_0<'a>(
        flags: u16,
        ethertype: u16,
        payload: &'a [u8],
        trust: ChecksumTrust,
        events: &mut DecodeEvents,
    ) -> Result<Option<Inner<'a>>, DropReason> {
        if flags & RECURSION != 0 {
            events.add(DecodeEvent::Gre0Recursion);
        }
        if flags & (RESERVED | STRICT_ROUTE) != 0 {
            events.add(DecodeEvent::Gre0Flags);
        }
        // RFC 2784 section 2.3: a receiver discards what has routing, unless it is of RFC 1701.
        if flags & ROUTING != 0 {
            events.add(DecodeEvent::Gre0Routing);
            return Err(DropReason::DecodeTunnel);
        }
        let has = |flag| usize::from(flags & flag != 0) * 4;
        let key_at = 4 + has(CHECKSUM);
        let header_length = key_at + has(KEY) + has(SEQUENCE);
        let Some(bytes) = payload.get(header_length..) else {
            return cut_short(events);
        };
        let verify = trust.verifies_transport() || trust == ChecksumTrust::Trusted;
        if flags & CHECKSUM != 0 && verify && !Sum::default().add(payload).is_valid() {
            return Err(DropReason::DecodeL4Checksum);
        }
        let key = payload.get(key_at..).and_then(<[u8]>::first_chunk);
        let id = key
            .filter(|_| flags & KEY != 0)
            .map(|&key| u32::from_be_bytes(key));
        let inner = |content, bytes| Ok(Some(Inner::new(TunnelKind::Gre, id, content, bytes)));
        match ethertype {
            ETHERTYPE_BRIDGED => inner(Content::Ethernet, bytes),
            PPP => inner(Content::Ppp, bytes),
            ERSPAN_1_AND_2 if flags & SEQUENCE == 0 => Ok(Some(Inner::new(
                TunnelKind::Erspan,
                id,
                Content::Ethernet,
                bytes,
            ))),
            ERSPAN_1_AND_2 => erspan(1, bytes, events),
            ERSPAN_3 => erspan(2, bytes, events),
            // As Linux takes it: IPv4, behind a redirect header where it does not begin at once.
            WCCP if flags == 0 => match bytes.first() {
                Some(first) if first >> 4 == 4 => inner(Content::Ip(Expected::V4), bytes),
                _ => match bytes.get(4..) {
                    Some(bytes) => inner(Content::Ip(Expected::V4), bytes),
                    None => cut_short(events),
                },
            },
            other => match version_of(other) {
                Some(expected) => inner(Content::Ip(expected), bytes),
                None => Ok(None),
            },
        }
    }

    /// RFC 2637 section 4.1: PPP, with a key that holds the payload's length and a call number.
    /// The number is another for each direction, so it names no tunnel.
    pub(super) fn version_1<'a>(
        flags: u16,
        ethertype: u16,
        payload: &'a [u8],
        events: &mut DecodeEvents,
    ) -> Result<Option<Inner<'a>>, DropReason> {
        let refused = [
            (flags & CHECKSUM != 0, DecodeEvent::Gre1Checksum),
            (flags & ROUTING != 0, DecodeEvent::Gre1Routing),
            (flags & STRICT_ROUTE != 0, DecodeEvent::Gre1StrictRoute),
            (flags & RECURSION != 0, DecodeEvent::Gre1Recursion),
            (
                flags & (RESERVED & !ACKNOWLEDGEMENT) != 0,
                DecodeEvent::Gre1Flags,
            ),
            (flags & KEY == 0, DecodeEvent::Gre1NoKey),
            (ethertype != PPP, DecodeEvent::Gre1Protocol),
        ];
        if let Some(&(_, event)) = refused.iter().find(|(wrong, _)| *wrong) {
            events.add(event);
            return Err(DropReason::DecodeTunnel);
        }
        let has = |flag| usize::from(flags & flag != 0) * 4;
        let header_length = 8 + has(SEQUENCE) + has(ACKNOWLEDGEMENT);
        let (Some(bytes), Some(&[_, _, _, _, high, low])) =
            (payload.get(header_length..), payload.first_chunk::<6>())
        else {
            return cut_short(events);
        };
        // Without a sequence number it is an acknowledgement alone.
        if flags & SEQUENCE == 0 {
            return Ok(None);
        }
        let Some(bytes) = bytes.get(..usize::from(u16::from_be_bytes([high, low]))) else {
            return cut_short(events);
        };
        Ok(Some(Inner::new(TunnelKind::Gre, None, Content::Ppp, bytes)))
    }

    /// A header of 8 bytes, or 12 and perhaps 8 more, tells VLAN and session of the mirror.
    fn erspan<'a>(
        expected_version: u8,
        bytes: &'a [u8],
        events: &mut DecodeEvents,
    ) -> Result<Option<Inner<'a>>, DropReason> {
        const OPTIONAL_HEADER: u8 = 1;
        let Some(&header) = bytes.first_chunk::<8>() else {
            events.add(DecodeEvent::ErspanTooSmall);
            return Err(DropReason::DecodeTunnel);
        };
        if header[0] >> 4 != expected_version {
            events.add(DecodeEvent::ErspanVersion);
            return Ok(None);
        }
        let length = match expected_version {
            1 => 8,
            _ if bytes.get(11).is_some_and(|b| b & OPTIONAL_HEADER != 0) => 20,
            _ => 12,
        };
        let Some(frame) = bytes.get(length..) else {
            events.add(DecodeEvent::ErspanTooSmall);
            return Err(DropReason::DecodeTunnel);
        };
        let vlan = u16::from_be_bytes([header[0], header[1]]) & 0x0fff;
        let session = u32::from(u16::from_be_bytes([header[2], header[3]]) & 0x03ff);
        let inner = Inner::new(TunnelKind::Erspan, Some(session), Content::Ethernet, frame);
        Ok(Some(Inner { vlan, ..inner }))
    }
}
