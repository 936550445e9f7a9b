//! Single packets: headers, and payload that belongs to no stream.

use super::Round;
use crate::buffer::Buffer;
use crate::decode::{Packet, Transport, protocol};
use crate::detect::compile::{Rule, Traffic};
use crate::detect::context::{Endpoints, FlowContext};
use crate::detect::flow_state::{FlowDetect, RuleRef};
use crate::detect::hit::{Evidence, Hits};
use crate::detect::keywords::{evaluate, header_bytes, packet_matches};
use crate::detect::ruleset::Ruleset;
use crate::detect::scratch::Scratch;
use crate::direction::Direction;
use crate::signature::ast::Proto;
use crate::time::Timestamp;
use crate::verdict::Scope;

impl Ruleset {
    /// Holds header rules, and payload rules that look at single packets, against a packet.
    ///
    /// `flow` is absent for packets that belong to none; rules that ask for a flow then do not
    /// match, and `direction` only says which rules to try. `FlowContext::stream` tells whether
    /// the payload will also come by [`Ruleset::on_stream`].
    pub fn on_packet(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        mut flow: Option<&mut FlowDetect>,
        direction: Direction,
        packet: &Packet<'_>,
        hits: &mut Hits,
    ) {
        scratch.enter(self);
        let mut first = true;
        if let Some(flow) = flow.as_deref_mut() {
            flow.sync(self.epoch, scratch);
            self.announce_protocol(scratch, ctx, flow, direction, hits);
            first = !std::mem::replace(&mut flow.addresses_done[direction.index()], true);
        }
        let mut found = std::mem::take(&mut scratch.found);
        for round in self.rounds(Endpoints::of(packet), direction, ctx.now) {
            found.clear();
            round.find_packet_rules(scratch, ctx, first, packet, &mut found);
            found.sort_unstable();
            found.dedup();
            for &number in &found {
                let flow = flow.as_deref_mut();
                round.try_packet(scratch, number, ctx, flow, first, packet, hits);
            }
        }
        scratch.found = found;
    }

    pub fn asks_about_fragments(&self) -> bool {
        self.layers.iter().any(|layer| !layer.fragments.is_empty())
    }

    /// Holds rules about a fragment's place against a fragment, which belongs to no flow yet.
    pub fn on_fragment(
        &self,
        scratch: &mut Scratch,
        packet: &Packet<'_>,
        now: Timestamp,
        hits: &mut Hits,
    ) {
        scratch.enter(self);
        let direction = Direction::ToServer;
        let ctx = FlowContext::without_flow(packet, direction, now);
        for round in self.rounds(Endpoints::of(packet), direction, now) {
            for &number in &round.layer.fragments {
                round.try_packet(scratch, number, &ctx, None, true, packet, hits);
            }
        }
    }
}

impl Round<'_> {
    fn find_packet_rules(
        &self,
        scratch: &mut Scratch,
        ctx: &FlowContext,
        first: bool,
        packet: &Packet<'_>,
        found: &mut Vec<u32>,
    ) {
        if first {
            self.layer
                .first_packet
                .lookup(packet.src(), packet.dst(), found);
        }
        self.layer.each_packet.lookup(packet, found);
        if packet.payload.is_empty() {
            return;
        }
        let traffic = Traffic::of(packet);
        self.find_payload_rules(scratch, traffic, ctx, packet.payload, found);
        if traffic == Traffic::TcpPacket && !ctx.stream {
            self.find_payload_rules(scratch, Traffic::TcpStream, ctx, packet.payload, found);
        }
    }

    fn find_payload_rules(
        &self,
        scratch: &mut Scratch,
        traffic: Traffic,
        ctx: &FlowContext,
        payload: &[u8],
        found: &mut Vec<u32>,
    ) {
        let groups = self.layer.payload(traffic, self.direction);
        let scanned = traffic == Traffic::TcpPacket && scratch.by_stream.is_complete;
        if scanned {
            let of_layer = |r: &&RuleRef| r.layer == self.number;
            let by_stream = scratch.by_stream.rules.iter().filter(of_layer);
            found.extend(by_stream.map(|r| r.rule));
        }
        for group in groups.of(ctx.client.1, ctx.server.1).into_iter().flatten() {
            found.extend_from_slice(&group.always);
            if let Some(screen) = &group.head {
                let head = &payload[..payload.len().min(group.head_bytes as usize)];
                screen.scan(head, 0, &mut scratch.prefilter, found);
            }
            if let Some(screen) = group.whole.as_ref().filter(|_| !scanned) {
                screen.scan(payload, 0, &mut scratch.prefilter, found);
            }
            if let Some(screen) = &group.small
                && payload.len() as u64 <= group.small_bytes
            {
                screen.scan(payload, 0, &mut scratch.prefilter, found);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what one packet brings along")]
    fn try_packet(
        &self,
        scratch: &mut Scratch,
        number: u32,
        ctx: &FlowContext,
        flow: Option<&mut FlowDetect>,
        first: bool,
        packet: &Packet<'_>,
        hits: &mut Hits,
    ) {
        if let Some(profile) = &mut scratch.profile {
            profile.called(self.reference(number));
        }
        let trial = scratch.begin_trial();
        let found = self.packet_match(scratch, number, ctx, flow.as_deref(), first, packet, hits);
        if let Some(found) = found {
            let (scope, evidence) = (found.scope, found.evidence);
            self.fire(scratch, number, None, scope, evidence, flow, hits);
        }
        scratch.end_trial(trial, self.reference(number), self.now);
    }

    /// Whether a rule matches a packet, and on what. `first`: of its direction of the flow.
    #[expect(clippy::too_many_arguments, reason = "what one packet brings along")]
    pub(super) fn packet_match(
        &self,
        scratch: &mut Scratch,
        number: u32,
        ctx: &FlowContext,
        flow: Option<&FlowDetect>,
        first: bool,
        packet: &Packet<'_>,
        hits: &Hits,
    ) -> Option<PacketMatch> {
        let rule = self.layer.rules.get(number as usize)?;
        let header = self.kept_matches(rule, flow, None, hits)
            && (first || !rule.first_only)
            && !rule.has_transaction_part()
            && is_for_packet(rule, packet)
            && (flow.is_some() || !rule.flow.needs_flow)
            && rule.flow.matches(ctx, self.direction)
            && rule.app.matches(ctx.app, ctx.original_app)
            && rule.packet.iter().all(|t| packet_matches(t, packet, ctx))
            && rule.header.endpoints_match(&self.layer.sets, &self.ends);
        let has_tests = rule.payload.is_some() || !rule.headers.is_empty();
        if !header || (has_tests && scratch.ledger.skips(self.reference(number), self.now)) {
            return None;
        }
        scratch.variables.begin();
        let (variables, limits) = (&mut scratch.variables, &mut scratch.limits);
        let mut of_header = None;
        for (buffer, program) in &rule.headers {
            let bytes = header_bytes(*buffer, packet)?;
            let found = evaluate(program, bytes, 0, variables, limits)?;
            let matched = found
                .evidence
                .and_then(|(a, b)| Some((a, bytes.get(a..b)?)));
            of_header =
                of_header.or(matched.map(|(at, bytes)| Evidence::new(*buffer, at as u64, bytes)));
        }
        let evidence = match &rule.payload {
            None => of_header,
            Some(p) => {
                let tcp = matches!(packet.transport, Transport::Tcp(_));
                let wanted = p.on_packet || (!ctx.stream && p.on_loose_packet) || !tcp;
                if !wanted {
                    return None;
                }
                let found = evaluate(&p.program, packet.payload, 0, variables, limits)?;
                let matched = found
                    .evidence
                    .and_then(|(a, b)| Some((a, packet.payload.get(a..b)?)));
                matched.map(|(at, bytes)| Evidence::new(Buffer::Payload, at as u64, bytes))
            }
        };
        // A rule about the flow's ends is about the flow.
        let of_flow = rule.payload.is_none()
            && !rule.asks_each_packet()
            && !rule.flow.needs_flow
            && rule.flow.established.is_none()
            && rule.flow.only_fragments.is_none()
            && !rule.asks()
            && !rule.first_only;
        Some(PacketMatch {
            scope: if of_flow { Scope::Flow } else { Scope::Packet },
            evidence,
        })
    }
}

/// A rule matched a packet.
pub(super) struct PacketMatch {
    scope: Scope,
    pub(super) evidence: Option<Evidence>,
}

/// Protocol and fragment tests.
fn is_for_packet(rule: &Rule, packet: &Packet<'_>) -> bool {
    let transport = &packet.transport;
    let protocol = match rule.header.protocol {
        Proto::Ip | Proto::Ipv4 | Proto::Ipv6 => true,
        Proto::Tcp | Proto::TcpPacket => {
            packet.ip.protocol == protocol::TCP && matches!(transport, Transport::Tcp(_))
        }
        Proto::TcpStream | Proto::PacketHeader => false,
        Proto::App(app) => match transport {
            Transport::Tcp(_) => app.carrier().has_streams(),
            Transport::Udp(_) => app.carrier().has_datagrams(),
            _ => false,
        },
        Proto::Udp => matches!(transport, Transport::Udp(_)),
        Proto::Icmp => matches!(transport, Transport::Icmp4(_) | Transport::Icmp6(_)),
        Proto::Icmp4 => matches!(transport, Transport::Icmp4(_)),
        Proto::Icmp6 => matches!(transport, Transport::Icmp6(_)),
    };
    protocol
        && rule.header.ip_version_matches(packet.ip.is_v6())
        && rule
            .flow
            .only_fragments
            .is_none_or(|f| f == packet.reassembled)
}
