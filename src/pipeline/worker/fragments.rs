//! IP fragments: held until their datagram is whole, judged with it, sent on in its place.

use super::{DropEvent, Ends, Event, Passage, Ruling, Worker};
use crate::counters::{Counter, Counters};
use crate::decode::{ChecksumTrust, DecodeEvent, Transport, apply_edit, decode_ip};
use crate::defrag::{Arrival, DefragConfig, Defragmenter, GivenUp, Refused, Taken, Whole};
use crate::pipeline::event::{EventSink, Frame, Reassembled};
use crate::pipeline::policy::WorkerConfig;
use crate::time::Timestamp;
use crate::verdict::{DropReason, ExceptionPolicy, Verdict};

#[derive(Debug)]
pub(super) struct Fragments {
    table: Defragmenter,
    /// Fragments held before, of the datagram that is being judged.
    in_judgement: u64,
}

impl Fragments {
    pub fn new(config: &WorkerConfig) -> Self {
        Self {
            table: Defragmenter::new(DefragConfig {
                keeps_oldest: config.exceptions.defrag_memory == ExceptionPolicy::Pass,
                ..config.defrag.clone()
            }),
            in_judgement: 0,
        }
    }
}

impl Worker {
    pub(super) fn judge_fragment(
        &mut self,
        trust: ChecksumTrust,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let now = passage.now;
        self.counters.add(Counter::FragmentsReceived, 1);
        // What is around it would have to be cut as well.
        if passage.packet.reassembled {
            let reason = DropReason::DefragNested;
            self.note_drop(None, None, reason, None, passage, sink);
            return Verdict::Drop(reason);
        }
        if let Some(verdict) = self.judge_place(passage, sink) {
            return verdict;
        }
        let arrival = Arrival {
            packet: passage.packet,
            tunnel: passage.packet.tunnel,
            link: passage.frame.link,
            link_header: before(passage.frame.datagram, passage.packet.datagram),
        };
        let counters = &self.counters;
        let taken = self.fragments.table.take(&arrival, now, &mut |given_up| {
            drop_held(given_up, now, counters, sink);
        });
        match taken {
            Taken::Held => Verdict::Held,
            Taken::Refused(Refused { reason, again }) => {
                if !again {
                    self.note_overlap(reason, passage, sink);
                }
                if !again || self.config.drop_event_per_packet {
                    self.note_drop(None, None, reason, None, passage, sink);
                }
                Verdict::Drop(reason)
            }
            Taken::NoRoom => {
                let policy = self.config.exceptions.defrag_memory;
                self.except_packet(policy, DropReason::DefragMemory, passage, sink)
            }
            Taken::Whole(mut whole) => {
                let verdict = self.judge_reassembled(&mut whole, trust, passage, sink);
                self.fragments.table.recycle(whole);
                verdict
            }
        }
    }

    /// All fragments share the datagram's fate: sent on under our own name, or dropped.
    fn judge_reassembled(
        &mut self,
        whole: &mut Whole,
        trust: ChecksumTrust,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        self.counters.add(Counter::DatagramsReassembled, 1);
        let held = whole.packets.saturating_sub(1);
        self.fragments.in_judgement = held;
        let frame = Frame {
            link: whole.link,
            header: whole.link_header(),
            datagram: whole.datagram(),
        };
        let verdict = self.verdict_on(frame, trust, passage, sink);
        if matches!(verdict, Verdict::Forward | Verdict::Rewrite(_)) {
            if let Verdict::Rewrite(edit) = verdict {
                apply_edit(&edit, whole.datagram_mut());
            }
            // In a tunnel, lengths of the headers around are yet those of the fragment at hand.
            let (link, link_header) = match passage.outermost() {
                None => (whole.link, whole.link_header()),
                Some(outermost) => (
                    outermost.frame.link,
                    before(passage.base, passage.packet.datagram),
                ),
            };
            sink.reassembled(Reassembled {
                at: passage.now,
                link,
                link_header,
                wrapping: passage.wrapping(),
                datagram: whole.datagram(),
                cut: whole.cut,
            });
            self.fragments.in_judgement = 0;
            self.counters.settled(whole.packets, verdict);
            return Verdict::Held;
        }
        self.fragments.in_judgement = 0;
        self.counters.settled(held, verdict);
        verdict
    }

    fn verdict_on(
        &mut self,
        frame: Frame<'_>,
        trust: ChecksumTrust,
        fragment: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        // Hardware does not see a datagram in fragments: its checksum is there, and unverified.
        let trust = match trust {
            ChecksumTrust::Ignored => ChecksumTrust::Ignored,
            _ => ChecksumTrust::Unverified,
        };
        let refused = match decode_ip(frame.datagram, trust) {
            // RFC 8200 section 4.5 has one fragment header.
            Ok(packet) if matches!(packet.transport, Transport::Fragment) => {
                DropReason::DefragMalformed
            }
            Ok(mut packet) => {
                packet.vlan = fragment.packet.vlan;
                packet.tunnel = fragment.packet.tunnel;
                packet.reassembled = true;
                let (datagram, around) = (frame.datagram, fragment.around);
                let whole = Passage::new(&packet, frame, datagram, around, fragment.now);
                return self.judge_packet(&whole, trust, sink);
            }
            Err(malformed) => {
                let outer = fragment.ends.tunnel;
                return self.refuse_malformed(&malformed, frame, outer, fragment.now, sink);
            }
        };
        self.note_drop(None, None, refused, None, fragment, sink);
        Verdict::Drop(refused)
    }

    /// Rules that ask for fragments that overlap. The datagram is refused already.
    fn note_overlap(
        &mut self,
        reason: DropReason,
        passage: &Passage<'_>,
        sink: &mut dyn EventSink,
    ) {
        if reason == DropReason::DefragOverlap {
            let event = if passage.packet.ip.is_v6() {
                DecodeEvent::Ipv6FragmentOverlap
            } else {
                DecodeEvent::Ipv4FragmentOverlap
            };
            let events = std::iter::once(event).collect();
            let _: Ruling = self.rule_on_oddities(events, passage, sink);
        }
    }

    pub(super) fn expire_fragments(&mut self, now: Timestamp, sink: &mut dyn EventSink) {
        let counters = &self.counters;
        self.fragments.table.expire(now, &mut |given_up| {
            drop_held(given_up, now, counters, sink);
        });
    }

    pub(super) fn drop_fragments(&mut self, now: Timestamp, sink: &mut dyn EventSink) {
        let counters = &self.counters;
        self.fragments.table.drain(&mut |given_up| {
            drop_held(given_up, now, counters, sink);
        });
    }

    /// After a panic: drops the fragments of the datagram that was being judged; whether there were any.
    pub(super) fn drop_fragments_in_hand(&mut self) -> bool {
        let held = std::mem::take(&mut self.fragments.in_judgement);
        let verdict = Verdict::Drop(DropReason::InternalError);
        self.counters.settled(held, verdict);
        held > 0
    }
}

fn drop_held(given_up: GivenUp, at: Timestamp, counters: &Counters, sink: &mut dyn EventSink) {
    let GivenUp {
        key,
        protocol,
        packets,
        reason,
    } = given_up;
    counters.settled(packets, Verdict::Drop(reason));
    sink.event(Event::Drop(DropEvent {
        at,
        flow_id: None,
        ends: Some(Ends {
            src: (key.src, 0),
            dst: (key.dst, 0),
            protocol,
            vlan: key.vlan,
            icmp: None,
            tunnel: None,
        }),
        direction: None,
        reason,
        packet: None,
        packet_number: None,
        signature: None,
    }));
}

/// What stands in `frame` before `datagram`, which is part of it.
fn before<'a>(frame: &'a [u8], datagram: &[u8]) -> &'a [u8] {
    let length = datagram.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
    frame.get(..length).unwrap_or_default()
}
