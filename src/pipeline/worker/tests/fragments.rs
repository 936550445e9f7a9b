//! Packets that come in IP fragments.

use super::*;
use crate::decode::{Transport, decode_ip, internet_checksum};

/// IPv4 fragments of a whole packet, each with so many bytes of it.
pub(super) fn fragments(packet: &[u8], id: u16, bytes: usize) -> Vec<Vec<u8>> {
    let (header, body) = packet.split_at(20);
    let last = body.len().div_ceil(bytes) - 1;
    body.chunks(bytes)
        .enumerate()
        .map(|(n, piece)| fragment(header, id, n * bytes, n < last, piece))
        .collect()
}

fn fragment(header: &[u8], id: u16, offset: usize, more: bool, piece: &[u8]) -> Vec<u8> {
    let mut packet = header.to_vec();
    packet[2..4].copy_from_slice(&((20 + piece.len()) as u16).to_be_bytes());
    packet[4..6].copy_from_slice(&id.to_be_bytes());
    let place = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
    packet[6..8].copy_from_slice(&place.to_be_bytes());
    packet[10..12].fill(0);
    let sum = internet_checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(piece);
    packet
}

pub(super) fn udp(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
        .udp(1000, 2000)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

pub(super) const DROP_UDP: &str =
    "drop udp any any -> any any (msg:\"evil\"; content:\"evil-payload\"; sid:1;)\n";

impl Lab {
    /// The verdicts on these packets, in order.
    pub(super) fn send_all(&mut self, packets: &[Vec<u8>]) -> Vec<Verdict> {
        packets.iter().map(|packet| self.send(packet)).collect()
    }

    fn in_hand(&self) -> u64 {
        self.counters.snapshot().in_hand()
    }
}

#[test]
fn a_datagram_is_judged_once_it_is_whole_and_goes_on_as_it_came() {
    let mut lab = Lab::new(DROP_UDP);
    let payload = b"nothing that anybody would mind, and long enough";
    let packets = fragments(&udp(payload), 7, 16);
    let verdicts = lab.send_all(&packets);
    assert_eq!(verdicts, vec![Verdict::Held; packets.len()]);
    assert_eq!(lab.in_hand(), 0);
    assert_eq!(
        lab.counters.get(Counter::Forwarded),
        packets.len() as u64,
        "each packet counts"
    );
    let [sent] = &lab.seen.reassembled[..] else {
        panic!("one datagram");
    };
    let packet = decode_ip(sent, ChecksumTrust::Unverified).unwrap();
    assert!(matches!(packet.transport, Transport::Udp(_)));
    assert_eq!(packet.payload, payload);
    assert_eq!(lab.counters.get(Counter::FlowsCreated), 1);
}

#[test]
fn an_attack_in_fragments_is_refused_in_any_order() {
    for reversed in [false, true] {
        let mut lab = Lab::new(DROP_UDP);
        let mut packets = fragments(&udp(b"an evil-payload, cut so that no piece has it"), 7, 8);
        if reversed {
            packets.reverse();
        }
        let verdicts = lab.send_all(&packets);
        let (last, before) = verdicts.split_last().unwrap();
        assert_eq!(*last, Verdict::Drop(DropReason::Rules));
        assert!(before.iter().all(|v| *v == Verdict::Held));
        assert_eq!(lab.seen.alerts, [1]);
        assert!(lab.seen.reassembled.is_empty());
        assert_eq!(
            lab.counters.dropped(DropReason::Rules),
            packets.len() as u64
        );
        assert_eq!(lab.in_hand(), 0);
    }
}

/// A15: eight bytes of TCP header in the first fragment (RFC 1858) are what Linux takes.
#[test]
fn a_segment_in_tiny_fragments_is_part_of_its_connection() {
    for (uri, passes) in [("/good", true), ("/evil", false)] {
        let mut lab = Lab::new(DROP_EVIL);
        lab.open();
        let text = format!("GET {uri} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut packet = Vec::new();
        PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
            .tcp(CLIENT.1, SERVER.1, lab.next[0], 60_000)
            .ack(lab.next[1])
            .write(&mut packet, text.as_bytes())
            .unwrap();
        lab.send_all(&fragments(&packet, 9, 8));
        assert_eq!(lab.seen.reassembled.len(), usize::from(passes), "{uri}");
        assert_eq!(lab.seen.alerts.is_empty(), passes);
        assert_eq!(lab.in_hand(), 0);
    }
}

#[test]
fn the_checksum_is_verified_once_the_datagram_is_whole() {
    let mut lab = Lab::new("");
    let mut packet = udp(b"a payload that was damaged on its way");
    *packet.last_mut().unwrap() ^= 1;
    lab.send_all(&fragments(&packet, 1, 24));
    assert_eq!(lab.seen.drops, [DropReason::DecodeL4Checksum]);
    assert_eq!(
        lab.counters.dropped(DropReason::DecodeL4Checksum),
        fragments(&packet, 1, 24).len() as u64
    );
    assert!(lab.seen.reassembled.is_empty());
}

#[test]
fn an_overlap_costs_the_datagram_and_the_rest_of_it() {
    let mut lab = Lab::new("");
    let packets = fragments(&udp(&[b'x'; 56]), 3, 16);
    let header = packets[0][..20].to_vec();
    let across = fragment(&header, 3, 8, true, &[b'y'; 16]);
    assert_eq!(lab.send(&packets[0]), Verdict::Held);
    let overlap = Verdict::Drop(DropReason::DefragOverlap);
    assert_eq!(lab.send(&across), overlap);
    for packet in &packets {
        assert_eq!(lab.send(packet), overlap);
    }
    assert_eq!(lab.in_hand(), 0);
    assert_eq!(lab.counters.dropped(DropReason::DefragOverlap), 6);
    assert_eq!(lab.seen.drops.len(), 2, "what was held, and what ended it");
    lab.now = lab.now + Duration::from_secs(30);
    let verdicts = lab.send_all(&packets);
    assert_eq!(verdicts, [Verdict::Held; 4], "the time is over");
    assert_eq!(lab.seen.reassembled.len(), 1);
}

#[test]
fn what_is_not_whole_in_time_is_dropped() {
    let mut lab = Lab::new("");
    let packets = fragments(&udp(&[b'x'; 100]), 3, 32);
    lab.send(&packets[0]);
    lab.send(&packets[1]);
    lab.now = lab.now + Duration::from_secs(29);
    lab.worker.tick(lab.now, &mut lab.seen);
    assert_eq!(lab.in_hand(), 2);
    lab.now = lab.now + Duration::from_secs(1);
    lab.worker.tick(lab.now, &mut lab.seen);
    assert_eq!(lab.in_hand(), 0);
    assert_eq!(lab.counters.dropped(DropReason::DefragTimeout), 2);
    assert_eq!(lab.seen.drops, [DropReason::DefragTimeout]);
    // The remainder is the beginning of a datagram that never ends.
    lab.send_all(&packets[2..]);
    assert!(lab.seen.reassembled.is_empty());
    lab.worker.finish(lab.now, &mut lab.seen);
    assert_eq!(lab.in_hand(), 0);
    assert!(lab.counters.snapshot().accounts());
}

#[test]
fn without_room_the_oldest_gives_way_or_the_new_one_passes() {
    let first = |id| fragments(&udp(&[b'x'; 100]), id, 32).swap_remove(0);
    for (policy, verdict) in [
        (ExceptionPolicy::Drop, Verdict::Held),
        (ExceptionPolicy::Pass, Verdict::Forward),
    ] {
        let mut config = WorkerConfig::default();
        config.exceptions.defrag_memory = policy;
        config.defrag.max_datagrams = 2;
        let mut lab = Lab::with(config, "");
        assert_eq!(lab.send_all(&[first(1), first(2)]), [Verdict::Held; 2]);
        assert_eq!(lab.send(&first(3)), verdict);
        let passes = policy == ExceptionPolicy::Pass;
        assert_eq!(lab.counters.get(Counter::ExceptionPass), u64::from(passes));
        assert_eq!(
            lab.counters.dropped(DropReason::DefragMemory),
            u64::from(!passes)
        );
        assert_eq!(lab.in_hand(), 2);
    }
}

#[test]
fn a_panic_drops_every_fragment_of_the_datagram() {
    let mut lab = Lab::new(DROP_UDP);
    lab.seen.panics_on_alert = true;
    let packets = fragments(&udp(b"an evil-payload, cut so that no piece has it"), 7, 16);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let verdicts = lab.send_all(&packets);
    std::panic::set_hook(hook);
    assert_eq!(
        verdicts.last(),
        Some(&Verdict::Drop(DropReason::InternalError))
    );
    assert_eq!(
        lab.counters.dropped(DropReason::InternalError),
        packets.len() as u64
    );
    assert_eq!(lab.in_hand(), 0);
}

#[test]
fn rules_may_ask_whether_a_packet_came_in_fragments() {
    let rule = |word: &str| {
        format!("alert udp any any -> any any (msg:\"f\"; flow:{word}; content:\"some\"; sid:1;)\n")
    };
    for (word, whole, in_fragments) in [("only_frag", 0, 1), ("no_frag", 1, 0)] {
        let mut lab = Lab::new(&rule(word));
        let packet = udp(b"some payload that is long enough");
        lab.send(&packet);
        assert_eq!(lab.seen.alerts.len(), whole, "{word}");
        lab.seen.alerts.clear();
        lab.send_all(&fragments(&packet, 1, 16));
        assert_eq!(lab.seen.alerts.len(), in_fragments, "{word}");
    }
}
