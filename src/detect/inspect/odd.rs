//! Packets whose headers are odd, asked before anything else is known of them.

use std::net::{IpAddr, Ipv4Addr};

use super::Round;
use crate::decode::{DecodeEvents, protocol};
use crate::detect::compile::Rule;
use crate::detect::context::Endpoints;
use crate::detect::hit::Hits;
use crate::detect::ruleset::Ruleset;
use crate::detect::scratch::Scratch;
use crate::direction::Direction;
use crate::signature::ast::Proto;
use crate::time::Timestamp;
use crate::verdict::Scope;

/// Source, destination and IANA protocol number.
type OddEnds = ((IpAddr, u16), (IpAddr, u16), u8);

/// What could be read of a packet with odd headers.
#[derive(Clone, Copy, Debug)]
pub struct OddPacket {
    pub events: DecodeEvents,
    /// `None`: the IP header itself is at fault.
    pub ends: Option<OddEnds>,
}

impl Ruleset {
    /// Holds the rules that ask for `decode-event` against a packet, sound or refused.
    pub fn on_odd_packet(
        &self,
        scratch: &mut Scratch,
        packet: &OddPacket,
        now: Timestamp,
        hits: &mut Hits,
    ) {
        scratch.enter(self);
        let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let (src, dst) = packet
            .ends
            .map_or((nowhere, nowhere), |(src, dst, _)| (src, dst));
        for round in self.rounds(Endpoints { src, dst }, Direction::ToServer, now) {
            for &number in &round.layer.odd {
                let Some(rule) = round.layer.rules.get(number as usize) else {
                    continue;
                };
                if packet.events.has_all(rule.decode_events) && round.is_for_odd(rule, packet) {
                    scratch.variables.begin();
                    round.fire(scratch, number, None, Scope::Packet, None, None, hits);
                }
            }
        }
    }
}

impl Round<'_> {
    fn is_for_odd(&self, rule: &Rule, packet: &OddPacket) -> bool {
        let (header, sets) = (&rule.header, &self.layer.sets);
        let Some((src, _, number)) = packet.ends else {
            return header.protocol == Proto::PacketHeader && sets.asks_nothing(header);
        };
        let protocol = match header.protocol {
            Proto::PacketHeader | Proto::Ip | Proto::Ipv4 | Proto::Ipv6 => true,
            Proto::Tcp | Proto::TcpPacket => number == protocol::TCP,
            Proto::Udp => number == protocol::UDP,
            Proto::Icmp => matches!(number, protocol::ICMP | protocol::ICMPV6),
            Proto::Icmp4 => number == protocol::ICMP,
            Proto::Icmp6 => number == protocol::ICMPV6,
            Proto::TcpStream | Proto::App(_) => false,
        };
        protocol
            && header.ip_version_matches(src.0.is_ipv6())
            && header.endpoints_match(sets, &self.ends)
    }
}
