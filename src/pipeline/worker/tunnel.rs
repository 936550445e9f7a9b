//! Packets inside packets: each is judged as a packet of its own, and the outer one shares its
//! verdict.

use std::net::IpAddr;

use super::{
    ChecksumTrust, Counter, Direction, DropReason, Edit, Event, EventSink, FlowKey, Frame, Outer,
    Packet, Passage, Transport, Verdict, Worker,
};
use crate::counters::Counters;
use crate::decode::{DecodeEvent, DecodeEvents, Inner, Malformed, Wrapping};
use crate::pipeline::event::{Reassembled, Reset};

/// The sink for what is found inside a tunnel. A reset made by us would not go through the
/// tunnel, and its ends would not take it from outside: the refused packets are dropped alone.
struct InTunnel<'a> {
    sink: &'a mut dyn EventSink,
    counters: &'a Counters,
}

impl EventSink for InTunnel<'_> {
    fn event(&mut self, event: Event<'_>) {
        self.sink.event(event);
    }

    fn reset(&mut self, _: Reset) {
        self.counters.add(Counter::ResetsInTunnel, 1);
    }

    fn reassembled(&mut self, datagram: Reassembled<'_>) {
        self.sink.reassembled(datagram);
    }
}

impl Outer {
    pub(super) fn of(passage: &Passage<'_>) -> Self {
        let ends = &passage.ends;
        Self {
            src: ends.src,
            dst: ends.dst,
            protocol: ends.protocol,
            depth: ends.tunnel.map_or(1, |outer| outer.depth.saturating_add(1)),
        }
    }
}

impl Passage<'_> {
    /// The packet that all is inside of, if this one is inside any.
    pub(super) fn outermost(&self) -> Option<&Self> {
        let mut outermost = self.around?;
        while let Some(outer) = outermost.around {
            outermost = outer;
        }
        Some(outermost)
    }

    /// The headers around this packet, if it is inside a tunnel.
    pub(super) fn wrapping(&self) -> Wrapping {
        let mut wrapping = Wrapping::default();
        let mut around = self.around;
        while let Some(outer) = around {
            wrapping.put_around(outer.ip_at);
            around = outer.around;
        }
        wrapping
    }
}

impl Worker {
    /// The verdict on what is inside a packet that may go so far.
    pub(super) fn judge_inside(
        &mut self,
        trust: ChecksumTrust,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let packet = passage.packet;
        let mut events = DecodeEvents::NONE;
        let found = self.config.tunnels.inside(packet, trust, &mut events);
        let depth = passage.ends.tunnel.map_or(0, |outer| outer.depth);
        let too_deep = matches!(found, Ok(Some(_))) && depth >= self.config.tunnel_depth;
        if too_deep {
            events.add(DecodeEvent::TooManyLayers);
        }
        let inner = match found {
            Ok(None) if events.is_empty() => return Verdict::Forward,
            Ok(inner) => inner,
            Err(reason) => {
                let malformed = Malformed {
                    reason,
                    events,
                    vlan: packet.vlan,
                    ip: Some(packet.ip),
                };
                let (outer, now) = (passage.ends.tunnel, passage.now);
                return self.refuse_malformed(&malformed, passage.frame, outer, now, sink);
            }
        };
        if !events.is_empty()
            && let Some(verdict) = self.judge_oddities(events, passage, sink)
        {
            return verdict;
        }
        match inner {
            None => Verdict::Forward,
            Some(_) if too_deep => {
                let policy = self.config.exceptions.tunnel_depth;
                self.except_packet(policy, DropReason::TunnelDepth, passage, sink)
            }
            Some(inner) => self.judge_inner(&inner, trust, passage, sink),
        }
    }

    fn judge_inner(
        &mut self,
        inner: &Inner<'_>,
        trust: ChecksumTrust,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let counters = self.counters.clone();
        let mut sink = InTunnel {
            sink,
            counters: &counters,
        };
        let frame = Frame::received(inner.link(), inner.bytes());
        match inner.decode(trust) {
            Ok(Some(packet)) => {
                counters.add(Counter::TunnelPackets, 1);
                let packet = Packet {
                    tunnel: self.name_of(inner, passage.packet, &packet),
                    reassembled: passage.packet.reassembled,
                    ..packet
                };
                let (base, around, now) = (passage.base, Some(passage), passage.now);
                let within = Passage::new(&packet, frame, base, around, now);
                let verdict = self.judge_packet(&within, trust.inside(), &mut sink);
                self.fitting_outside(verdict, passage, &mut sink)
            }
            Ok(None) => {
                counters.add(Counter::NotInspectedPackets, 1);
                Verdict::Forward
            }
            Err(malformed) => {
                let outer = Some(Outer::of(passage));
                self.refuse_malformed(&malformed, frame, outer, passage.now, &mut sink)
            }
        }
    }

    /// A change keeps the inner checksums right, and so the outer one, whose sum they are part of:
    /// but for the hop limit of IPv6, which only an outer checksum covers.
    fn fitting_outside(
        &self,
        verdict: Verdict,
        outer: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let Verdict::Rewrite(edit @ Edit { ttl: Some(_), .. }) = verdict else {
            return verdict;
        };
        let edited = outer.base.get(usize::from(edit.ip_at));
        if edited.is_some_and(|b| b >> 4 == 6) && outer.packet.sums_its_payload() {
            let reason = DropReason::TunnelRewrite;
            self.note_drop(None, None, reason, None, outer, sink);
            return Verdict::Drop(reason);
        }
        verdict
    }

    /// Equal addresses in two tunnels are two flows. A tunnel is named by its identifier, else by
    /// its two ends; by the VLAN it runs over, and by the tunnel that it is inside itself.
    fn name_of(&mut self, inner: &Inner<'_>, outer: &Packet<'_>, packet: &Packet<'_>) -> u64 {
        let (src, dst) = (outer.src(), outer.dst());
        let ends = (src.min(dst), src.max(dst));
        let (around, kind) = ((outer.tunnel, outer.vlan), inner.kind);
        // Zero means no tunnel.
        let name = |id: Option<u32>, ends: Option<(IpAddr, IpAddr)>| {
            let hash = self.tunnel_names.hash_one((around, kind, id, ends));
            hash.max(1)
        };
        match inner.id {
            None => name(None, Some(ends)),
            Some(id) => {
                let (network, between) = (name(Some(id), None), name(None, Some(ends)));
                self.network_of(packet, network, between)
            }
        }
    }

    /// The name of the network in which the packet's flow began: most often its own.
    fn network_of(&mut self, packet: &Packet<'_>, own: u64, between: u64) -> u64 {
        if matches!(packet.transport, Transport::Fragment) {
            return own;
        }
        let within = |tunnel| FlowKey::of(&Packet { tunnel, ..*packet });
        let key = within(own);
        if self.flows.find(&key).is_some() {
            return own;
        }
        if let Some(network) = self.twins.joined(&key)
            && self.flows.find(&within(network)).is_some()
        {
            return network;
        }
        let between = within(between);
        if let Some(network) = self.twins.opened(&between)
            && let Some(id) = self.flows.find(&within(network))
            && let Some(flow) = self.flows.get(id)
            && flow.packets[Direction::ToClient.index()] == 0
            && flow.direction_of(packet) == Direction::ToClient
        {
            self.twins.join(key, network);
            return network;
        }
        self.twins.open(between, own);
        own
    }
}
