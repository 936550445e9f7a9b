//! Packets whose headers are odd: `decode-event`, and refusals by the decoder.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Case, Counter, DropEvent, DropReason, Ends, Event, EventSink, Frame, Outer, Passage, Ruling,
    Timestamp, Verdict, Worker, judge,
};
use crate::app_layer::{AppLayer, Protocol};
use crate::decode::{DecodeEvents, Malformed};
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
        let Ruling::Refuse { hit, .. } = self.rule_on_oddities(events, passage, sink) else {
            return None;
        };
        let ruleset = self.ruleset.clone();
        let reason = DropReason::Rules;
        self.note_drop(None, None, reason, ruleset.signature(&hit), passage, sink);
        Some(Verdict::Drop(reason))
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
        if !malformed.events.is_empty() {
            let shown = self
                .config
                .shown_unread(frame, self.counters.get(Counter::Received));
            self.rule_on(malformed.events, ends, shown, now, sink);
        }
        let reason = malformed.reason;
        sink.event(Event::Drop(DropEvent {
            at: now,
            flow_id: None,
            ends,
            direction: None,
            reason,
            packet: None,
            signature: None,
        }));
        Verdict::Drop(reason)
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
        let ruled = judge::rule(
            &self.ruleset,
            &self.engine.hits,
            &mut self.engine.thresholds,
            &self.counters,
            &case,
            sink,
        );
        self.engine.hits.clear();
        ruled.ruling
    }
}
