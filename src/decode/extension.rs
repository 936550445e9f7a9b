//! IPv6 extension headers (RFC 8200 section 4), as a Linux receiver walks them.

use super::{DecodeEvent, DecodeEvents, Fragment, protocol};
use crate::verdict::DropReason;

/// A chain of more extension headers is not walked; no sender needs one.
const MAX_EXTENSION_HEADERS: usize = 32;
/// Options other than padding that Linux takes in one header (`max_dst_opts_number`,
/// `max_hbh_opts_number`).
const MAX_OPTIONS: usize = 8;
/// The most padding between two options that alignment can ask for.
const MAX_PADDING: usize = 7;

/// What the chain leads to.
pub(super) struct Chain {
    pub protocol: u8,
    /// Bytes from the start of the datagram to the payload.
    pub length: usize,
    pub fragment: Option<Fragment>,
}

/// How often each header came by.
#[derive(Default)]
struct Seen {
    destination: u8,
    routing: bool,
    fragment: bool,
    authentication: bool,
}

/// Follows the chain to the upper-layer header. `jumbo`: the fixed header leaves the length open.
pub(super) fn walk(
    first: u8,
    datagram: &[u8],
    jumbo: bool,
    events: &mut DecodeEvents,
) -> Result<Chain, DropReason> {
    // Most packets have none.
    if !protocol::is_extension(first) {
        note_upper_layer(first, datagram.len() - 40, false, events);
        return Ok(Chain {
            protocol: first,
            length: 40,
            fragment: None,
        });
    }
    let wrong = DropReason::DecodeExtensionHeaders;
    let mut seen = Seen::default();
    let mut next = first;
    let mut at = 40;
    for n in 0..MAX_EXTENSION_HEADERS {
        match next {
            // RFC 8200 section 4.3: only directly behind the fixed header.
            protocol::HOP_BY_HOP if n > 0 => {
                events.add(DecodeEvent::Ipv6DuplicateHopByHop);
                return Err(wrong);
            }
            protocol::HOP_BY_HOP => {
                let header = whole(&datagram[at..], events)?;
                HopByHop { jumbo }.check(header, events)?;
                next = header[0];
                at += header.len();
            }
            protocol::IPV6_DESTINATION => {
                let header = whole(&datagram[at..], events)?;
                seen.destination = seen.destination.saturating_add(1);
                // RFC 8200 section 4.1: at most two, one before a routing header.
                if seen.destination > 2 {
                    events.add(DecodeEvent::Ipv6DuplicateDestination);
                }
                Destination.check(header, events)?;
                next = header[0];
                at += header.len();
            }
            protocol::IPV6_ROUTING => {
                let header = whole(&datagram[at..], events)?;
                if std::mem::replace(&mut seen.routing, true) {
                    events.add(DecodeEvent::Ipv6DuplicateRouting);
                }
                check_routing(header[2], header[3], events)?;
                next = header[0];
                at += header.len();
            }
            protocol::AUTHENTICATION => {
                if std::mem::replace(&mut seen.authentication, true) {
                    events.add(DecodeEvent::Ipv6DuplicateAuthentication);
                }
                let (following, length) = skip_authentication(datagram, at, events)?;
                next = following;
                at += length;
            }
            protocol::IPV6_FRAGMENT => {
                // Linux refuses a second one, also behind one that divides nothing.
                if std::mem::replace(&mut seen.fragment, true) {
                    events.add(DecodeEvent::Ipv6DuplicateFragment);
                    return Err(wrong);
                }
                let Some(&f) = datagram[at..].first_chunk::<8>() else {
                    events.add(DecodeEvent::Ipv6ExtensionTruncated);
                    return Err(wrong);
                };
                if f[1] != 0 {
                    events.add(DecodeEvent::Ipv6FragmentReserved);
                }
                let offset_and_more = u16::from_be_bytes([f[2], f[3]]);
                next = f[0];
                at += 8;
                let fragment = Fragment {
                    id: u32::from_be_bytes([f[4], f[5], f[6], f[7]]),
                    offset_bytes: u32::from(offset_and_more & 0xfff8),
                    more: offset_and_more & 1 != 0,
                };
                if fragment.more || fragment.offset_bytes > 0 {
                    return Ok(Chain {
                        protocol: next,
                        length: at,
                        fragment: Some(fragment),
                    });
                }
                // RFC 6946: an atomic fragment is a whole datagram.
                events.add(DecodeEvent::Ipv6UselessFragment);
            }
            upper => {
                note_upper_layer(upper, datagram.len() - at, true, events);
                return Ok(Chain {
                    protocol: upper,
                    length: at,
                    fragment: None,
                });
            }
        }
    }
    Err(wrong)
}

fn note_upper_layer(upper: u8, rest: usize, extended: bool, events: &mut DecodeEvents) {
    match upper {
        protocol::IPV6_NONE if rest > 0 => events.add(DecodeEvent::Ipv6DataAfterNone),
        protocol::IPV6_NONE => {}
        _ => {
            if extended && rest < 2 {
                events.add(DecodeEvent::Ipv6ExtensionTruncated);
            }
            if upper == protocol::ICMP {
                events.add(DecodeEvent::Ipv6WithIcmpv4);
            } else if !protocol::is_known_over_ipv6(upper) {
                events.add(DecodeEvent::Ipv6UnknownNext);
            }
        }
    }
}

/// The extension header at the front: its second byte counts units of 8 bytes behind the first.
fn whole<'a>(rest: &'a [u8], events: &mut DecodeEvents) -> Result<&'a [u8], DropReason> {
    let header = rest
        .get(1)
        .and_then(|&units| rest.get(..(usize::from(units) + 1) * 8));
    header.ok_or_else(|| {
        events.add(DecodeEvent::Ipv6ExtensionTruncated);
        DropReason::DecodeExtensionHeaders
    })
}

/// RFC 5095: type 0 with segments left is not processed; nor is a type that is not known (RFC
/// 8200 section 4.4). Types 2, 3 and 4 (mobile IPv6, RPL, segment routing) may have stations
/// behind us that know them.
fn check_routing(kind: u8, segments_left: u8, events: &mut DecodeEvents) -> Result<(), DropReason> {
    if kind == 0 {
        events.add(DecodeEvent::Ipv6RoutingType0);
    }
    if segments_left > 0 && !matches!(kind, 2..=4) {
        return Err(DropReason::DecodeExtensionHeaders);
    }
    Ok(())
}

/// RFC 4302 section 2: the protocol behind an authentication header at `at`, and the header's
/// length. What it protects is not encrypted.
pub(super) fn skip_authentication(
    datagram: &[u8],
    at: usize,
    events: &mut DecodeEvents,
) -> Result<(u8, usize), DropReason> {
    const FIXED_BYTES: usize = 12;
    let wrong = DropReason::DecodeExtensionHeaders;
    let rest = &datagram[at..];
    let fixed = rest.first_chunk::<FIXED_BYTES>();
    let length = fixed.map(|f| (usize::from(f[1]) + 2) * 4);
    let (Some(fixed), Some(length)) = (fixed, length.filter(|&l| l <= rest.len())) else {
        events.add(DecodeEvent::Ipv6ExtensionTruncated);
        return Err(wrong);
    };
    if length < FIXED_BYTES {
        return Err(wrong);
    }
    if fixed[2..4] != [0, 0] {
        events.add(DecodeEvent::Ipv6AuthenticationReserved);
    }
    Ok((fixed[0], length))
}

/// The two headers that hold options (RFC 8200 section 4.2).
trait Options {
    const UNKNOWN: DecodeEvent;
    const PADDING: DecodeEvent;

    /// Whether the kind is known; an error where its content makes a receiver drop the packet.
    fn read(
        &self,
        option: &[u8],
        offset: usize,
        events: &mut DecodeEvents,
    ) -> Result<bool, DropReason>;

    /// Linux: options that run over the header, padding that carries bytes or is longer than
    /// alignment can need (RFC 4942 section 2.1.9.5), more options than it counts, and unknown
    /// ones whose two highest bits do not say "skip" make it drop the packet.
    fn check(&self, header: &[u8], events: &mut DecodeEvents) -> Result<(), DropReason> {
        const PAD1: u8 = 0;
        const PADN: u8 = 1;
        let wrong = DropReason::DecodeExtensionHeaders;
        let mut at = 2;
        let mut padding = 0;
        let mut options = 0;
        let mut refused = false;
        while let Some(&kind) = header.get(at) {
            if kind == PAD1 {
                padding += 1;
                refused |= padding > MAX_PADDING;
                at += 1;
                continue;
            }
            let length = header.get(at + 1).map(|&l| usize::from(l) + 2);
            let Some(option) = length.and_then(|l| header.get(at..at + l)) else {
                events.add(DecodeEvent::Ipv6OptionLength);
                refused = true;
                break;
            };
            if kind == PADN {
                if option.len() == 2 {
                    events.add(DecodeEvent::Ipv6ZeroPadding);
                }
                padding += option.len();
                refused |= padding > MAX_PADDING || option[2..].iter().any(|&b| b != 0);
            } else {
                padding = 0;
                options += 1;
                refused |= options > MAX_OPTIONS;
                if !self.read(option, at, events)? {
                    events.add(Self::UNKNOWN);
                    refused |= kind & 0xc0 != 0;
                }
            }
            at += option.len();
        }
        if options == 0 && !refused {
            events.add(Self::PADDING);
        }
        if refused { Err(wrong) } else { Ok(()) }
    }
}

struct HopByHop {
    jumbo: bool,
}

impl Options for HopByHop {
    const UNKNOWN: DecodeEvent = DecodeEvent::Ipv6HopByHopUnknown;
    const PADDING: DecodeEvent = DecodeEvent::Ipv6HopByHopPadding;

    fn read(
        &self,
        option: &[u8],
        offset: usize,
        events: &mut DecodeEvents,
    ) -> Result<bool, DropReason> {
        const ROUTER_ALERT: u8 = 5;
        const JUMBO_PAYLOAD: u8 = 0xc2;
        let sound = match option[0] {
            // RFC 2711.
            ROUTER_ALERT => option.len() == 4,
            // RFC 2675: aligned, and never beside a length in the fixed header.
            JUMBO_PAYLOAD => option.len() == 6 && offset % 4 == 2 && self.jumbo,
            _ => return Ok(false),
        };
        if sound {
            return Ok(true);
        }
        events.add(DecodeEvent::Ipv6OptionLength);
        Err(DropReason::DecodeExtensionHeaders)
    }
}

struct Destination;

impl Options for Destination {
    const UNKNOWN: DecodeEvent = DecodeEvent::Ipv6DestinationUnknown;
    const PADDING: DecodeEvent = DecodeEvent::Ipv6DestinationPadding;

    /// The tunnel encapsulation limit (RFC 2473). A home address (RFC 6275) is taken only from a
    /// mobile node that the receiver knows: for every other it is unknown, with bits that say
    /// "discard".
    fn read(&self, option: &[u8], _: usize, _: &mut DecodeEvents) -> Result<bool, DropReason> {
        const ENCAPSULATION_LIMIT: u8 = 4;
        Ok(option[0] == ENCAPSULATION_LIMIT)
    }
}
