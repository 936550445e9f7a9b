//! Packets whose headers are odd: `decode-event`, and refusals by the decoder.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Case, Counter, DropEvent, DropReason, Ends, Event, EventSink, Frame, Outer, Passage, Ruling,
    Timestamp, Verdict, Worker, judge,
};
use crate::app_layer::{AppLayer, Protocol};
use crate::decode::{DecodeEvents, Malformed, Packet, Transport};
use crate::detect::{FlowContext, FlowCounts, OddPacket};
use crate::direction::Direction;
use crate::pipeline::event::Shown;
use crate::stream::StreamEvents;

impl Worker {
    /// Signatures about a sound packet's oddities; a verdict if one refuses it. A `pass` among
    /// them passes nothing: what the packet carries is inspected all the same.
    pub(super) fn judge_oddities(
        &mut self,
        events: DecodeEvents,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let ruling = self.rule_on_oddities(events, passage, sink);
        self.refused_without_flow(&ruling, passage, sink)
    }

    /// Signatures about a packet that the decoder refuses; it is dropped whatever they say.
    pub(super) fn refuse_malformed(
        &mut self,
        malformed: &Malformed<'_>,
        frame: Frame<'_>,
        outer: Option<Outer>,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let ends = malformed.ip.map(|ip| Ends {
            src: (ip.src, 0),
            dst: (ip.dst, 0),
            protocol: ip.protocol,
            vlan: malformed.vlan,
            icmp: None,
            tunnel: outer,
        });
        let shown = self
            .config
            .shown_unread(frame, self.counters.get(Counter::Received));
        if let Some(ip) = malformed.ip {
            let packet = Packet {
                datagram: ip.bytes,
                vlan: malformed.vlan,
                tunnel: 0,
                ip,
                transport: Transport::Other,
                payload: &[],
                events: malformed.events,
                reassembled: false,
            };
            self.hold_rules_on_ip(&packet, now);
        }
        self.rule_on(malformed.events, ends, shown, now, sink);
        let reason = malformed.reason;
        sink.event(Event::Drop(DropEvent {
            at: now,
            flow_id: None,
            ends,
            direction: None,
            reason,
            packet: None,
            packet_number: self.packet_number(),
            signature: None,
        }));
        Verdict::Drop(reason)
    }

    /// Of a packet whose IP header is sound alone, rules about that are told all the same.
    fn hold_rules_on_ip(&mut self, packet: &Packet<'_>, now: Timestamp) {
        let engine = &mut self.engine;
        let direction = Direction::ToServer;
        let ctx = FlowContext::without_flow(packet, direction, now);
        self.ruleset.on_packet(
            &mut engine.scratch,
            &ctx,
            None,
            direction,
            packet,
            &mut engine.hits,
        );
    }

    pub(super) fn rule_on_oddities(
        &mut self,
        events: DecodeEvents,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Ruling {
        let number = self.counters.get(Counter::Received);
        let shown = self.config.shown(passage.packet, passage.frame, number);
        self.rule_on(events, Some(passage.ends), shown, passage.now, sink)
    }

    fn rule_on(
        &mut self,
        events: DecodeEvents,
        ends: Option<Ends>,
        shown: Shown<'_>,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) -> Ruling {
        let odd = OddPacket {
            events,
            ends: ends.map(|e| (e.src, e.dst, e.protocol)),
        };
        self.ruleset
            .on_odd_packet(&mut self.engine.scratch, &odd, now, &mut self.engine.hits);
        self.rule_without_flow(ends, shown, now, sink)
    }

    /// Signatures about a fragment's place; a verdict if one refuses it.
    pub(super) fn judge_place(
        &mut self,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        if !self.ruleset.asks_about_fragments() {
            return None;
        }
        self.ruleset.on_fragment(
            &mut self.engine.scratch,
            passage.packet,
            passage.now,
            &mut self.engine.hits,
        );
        let number = self.counters.get(Counter::Received);
        let shown = self.config.shown(passage.packet, passage.frame, number);
        let ruling = self.rule_without_flow(Some(passage.ends), shown, passage.now, sink);
        self.refused_without_flow(&ruling, passage, sink)
    }

    /// The verdict on a packet that belongs to no flow, where it is refused.
    fn refused_without_flow(
        &self,
        ruling: &Ruling,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Option<Verdict> {
        let Ruling::Refuse { hit, .. } = ruling else {
            return None;
        };
        let reason = DropReason::Rules;
        let signature = self.ruleset.signature(hit);
        self.note_drop(None, None, reason, signature, passage, sink);
        Some(Verdict::Drop(reason))
    }

    /// The ruling on what was found about a packet that belongs to no flow.
    fn rule_without_flow(
        &mut self,
        ends: Option<Ends>,
        shown: Shown<'_>,
        now: Timestamp,
        sink: &mut dyn EventSink,
    ) -> Ruling {
        if self.engine.hits.is_empty() {
            return Ruling::Continue;
        }
        let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        let case = Case {
            ctx: FlowContext {
                client: ends.map_or(nowhere, |e| e.src),
                server: ends.map_or(nowhere, |e| e.dst),
                protocol: ends.map_or(0, |e| e.protocol),
                app: Protocol::Undetermined,
                original_app: None,
                established: false,
                stream: false,
                stream_sizes: [0; 2],
                counts: FlowCounts::default(),
                stream_events: StreamEvents::NONE,
                flow_id: 0,
                now,
            },
            flow_id: None,
            ends,
            direction: Direction::ToServer,
            app: &AppLayer::default(),
            payload: None,
            shown,
            streams: None,
        };
        let judged = judge::rule(
            &self.ruleset,
            &self.engine.hits,
            &mut self.engine.thresholds,
            &self.counters,
            &case,
            sink,
        );
        self.engine.hits.clear();
        judged.ruling
    }
}
