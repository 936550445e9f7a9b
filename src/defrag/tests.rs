//! Properties, a model of what Linux does, and the cases of fragmentation by name.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::decode::{ChecksumTrust, decode_ip, internet_checksum};
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
/// A protocol that nobody reads.
const PROTOCOL: u8 = 253;

/// A fragment as tests speak of it.
#[derive(Clone, Debug)]
struct Spec {
    v6: bool,
    id: u32,
    protocol: u8,
    offset: usize,
    more: bool,
    ttl: u8,
    payload: Vec<u8>,
}

impl Spec {
    fn new(offset: usize, more: bool, payload: &[u8]) -> Self {
        Self {
            v6: false,
            id: 77,
            protocol: PROTOCOL,
            offset,
            more,
            ttl: 60,
            payload: payload.to_vec(),
        }
    }

    fn v6(offset: usize, more: bool, payload: &[u8]) -> Self {
        Self {
            v6: true,
            ..Self::new(offset, more, payload)
        }
    }

    fn packet(&self) -> Vec<u8> {
        let mut packet = if self.v6 {
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend_from_slice(&(8 + self.payload.len() as u16).to_be_bytes());
            packet.extend_from_slice(&[44, self.ttl]);
            packet.extend_from_slice(&[1; 16]);
            packet.extend_from_slice(&[2; 16]);
            packet.extend_from_slice(&[self.protocol, 0]);
            let place = self.offset as u16 | u16::from(self.more);
            packet.extend_from_slice(&place.to_be_bytes());
            packet.extend_from_slice(&self.id.to_be_bytes());
            packet
        } else {
            let mut packet = vec![0x45, 0x28];
            packet.extend_from_slice(&(20 + self.payload.len() as u16).to_be_bytes());
            packet.extend_from_slice(&(self.id as u16).to_be_bytes());
            let place = (self.offset / 8) as u16 | if self.more { 0x2000 } else { 0 };
            packet.extend_from_slice(&place.to_be_bytes());
            packet.extend_from_slice(&[self.ttl, self.protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
            let sum = internet_checksum(&packet);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            packet
        };
        packet.extend_from_slice(&self.payload);
        packet
    }
}

/// What became of a fragment, without what is borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Became {
    Held,
    Dropped(DropReason),
    NoRoom,
    /// The payload.
    Whole(Vec<u8>),
}

struct Lab {
    table: Defragmenter,
    now: Timestamp,
    given_up: Vec<GivenUp>,
    /// Packets of the last whole datagram, as they would be sent on.
    sent: Vec<Vec<u8>>,
}

impl Lab {
    fn new() -> Self {
        Self::with(DefragConfig::default())
    }

    fn with(config: DefragConfig) -> Self {
        Self {
            table: Defragmenter::new(config),
            now: START,
            given_up: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn add(&mut self, spec: &Spec) -> Became {
        self.add_packet(&spec.packet())
    }

    fn add_packet(&mut self, packet: &[u8]) -> Became {
        let packet = decode_ip(packet, ChecksumTrust::Unverified).unwrap();
        let arrival = Arrival {
            packet: &packet,
            tunnel: 0,
            link: LinkType::RawIp,
            link_header: &[],
        };
        let given_up = &mut self.given_up;
        match self
            .table
            .take(&arrival, self.now, &mut |g| given_up.push(g))
        {
            Taken::Held => Became::Held,
            Taken::Refused(refused) => Became::Dropped(refused.reason),
            Taken::NoRoom => Became::NoRoom,
            Taken::Whole(whole) => {
                self.sent.clear();
                let mut offset = Some(0);
                while let Some(at) = offset {
                    let mut packet = Vec::new();
                    offset = whole.cut.write(
                        whole.datagram(),
                        at,
                        whole.cut.fragment_bytes(),
                        &mut packet,
                    );
                    self.sent.push(packet);
                }
                // What is handed out is a datagram like any other.
                let packet = decode_ip(whole.datagram(), ChecksumTrust::Unverified).unwrap();
                let became = Became::Whole(packet.payload.to_vec());
                self.table.recycle(whole);
                became
            }
        }
    }

    fn add_all(&mut self, specs: &[Spec]) -> Vec<Became> {
        specs.iter().map(|spec| self.add(spec)).collect()
    }

    fn given_up_packets(&self) -> u64 {
        self.given_up.iter().map(|g| g.packets).sum()
    }
}

fn bytes(from: usize, length: usize) -> Vec<u8> {
    (from..from + length)
        .map(|n| (n * 7 + n / 256) as u8)
        .collect()
}

const OVERLAP: Became = Became::Dropped(DropReason::DefragOverlap);
const MALFORMED: Became = Became::Dropped(DropReason::DefragMalformed);
const DUPLICATE: Became = Became::Dropped(DropReason::DefragDuplicate);

/// Fragments of `payload` at multiples of eight, as cut by `lengths` in turn.
fn cut_up(v6: bool, payload: &[u8], lengths: &[usize]) -> Vec<Spec> {
    let mut specs = Vec::new();
    let mut at = 0;
    for &units in lengths.iter().cycle() {
        let end = (at + units * 8).min(payload.len());
        let more = end < payload.len();
        let piece = &payload[at..end];
        specs.push(if v6 {
            Spec::v6(at, more, piece)
        } else {
            Spec::new(at, more, piece)
        });
        at = end;
        if !more {
            break;
        }
    }
    specs
}

proptest! {
    #[test]
    fn any_cut_order_and_duplication_gives_the_datagram(
        v6: bool,
        length in 9_usize..4000,
        lengths in prop::collection::vec(1_usize..60, 1..12),
        order in prop::collection::vec(any::<u32>(), 600),
        copies in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let payload = bytes(3, length);
        let mut specs = cut_up(v6, &payload, &lengths);
        prop_assume!(specs.len() > 1);
        let mut keyed: Vec<_> = specs.drain(..).zip(order).collect();
        keyed.sort_by_key(|(_, key)| *key);
        let mut specs: Vec<Spec> = keyed.into_iter().map(|(spec, _)| spec).collect();
        let fragments = specs.len();
        let longest = specs.iter().map(|s| s.packet().len()).max().unwrap();
        // Copies come before the last fragment; behind it they would begin a new datagram.
        for (of, at) in copies {
            let of = of.index(specs.len() - 1);
            let copy = specs[of].clone();
            let at = of + 1 + at.index(specs.len() - 1 - of);
            specs.insert(at, copy);
        }
        let mut lab = Lab::new();
        let became = lab.add_all(&specs);
        let (last, before) = became.split_last().unwrap();
        prop_assert_eq!(last, &Became::Whole(payload.clone()));
        let held = before.iter().filter(|b| **b == Became::Held).count();
        prop_assert_eq!(held, fragments - 1);
        prop_assert!(before.iter().all(|b| [Became::Held, DUPLICATE].contains(b)));
        prop_assert!(lab.table.is_empty());
        // What goes on is the same datagram, in no longer pieces.
        let sent = std::mem::take(&mut lab.sent);
        prop_assert!(sent.iter().all(|packet| packet.len() <= longest));
        let mut receiver = Lab::new();
        let mut got = Became::Held;
        for packet in &sent {
            got = receiver.add_packet(packet);
        }
        prop_assert_eq!(got, Became::Whole(payload));
    }

    #[test]
    fn memory_and_books_hold_under_anything(
        keeps_oldest: bool,
        steps in prop::collection::vec((0_u32..400, 0_usize..40, any::<bool>(), 1_usize..200, 0_u64..3), 1..800),
    ) {
        let config = DefragConfig {
            memory_bytes: 64 << 10,
            max_datagrams: 50,
            max_fragments: 10,
            timeout: Duration::from_secs(30),
            keeps_oldest,
        };
        let mut lab = Lab::with(config.clone());
        let (mut held, mut whole) = (0_u64, 0_u64);
        for (id, unit, more, units, seconds) in steps {
            lab.now = lab.now + Duration::from_secs(seconds);
            if !more && unit == 0 {
                continue;
            }
            let spec = Spec { id, ..Spec::new(unit * 8, more, &bytes(unit * 8, units * 8)) };
            match lab.add(&spec) {
                Became::Held => held += 1,
                Became::Whole(_) => whole += 1,
                Became::Dropped(_) | Became::NoRoom => {}
            }
            prop_assert!(lab.table.memory_bytes() <= config.memory_bytes);
            prop_assert!(lab.table.len() <= config.max_datagrams);
        }
        let Lab { table, given_up, .. } = &mut lab;
        table.drain(&mut |g| given_up.push(g));
        prop_assert!(table.is_empty());
        // What was held went on with a datagram, of at least two fragments, or was given up.
        prop_assert!(held - lab.given_up_packets() >= whole);
    }

    #[test]
    fn what_goes_on_is_what_linux_would_have_got(
        v6: bool,
        steps in prop::collection::vec((0_usize..6, 0_usize..4, any::<bool>(), 0_u8..3, 0_usize..9), 1..14),
    ) {
        let mut lab = Lab::new();
        let mut linux = Linux::default();
        let mut ambiguous = false;
        for (unit, units, more, fill, odd) in steps {
            if unit == 0 && !more {
                continue;
            }
            let mut payload: Vec<u8> = (0..units * 8 + odd % 8)
                // Copies agree more often than not.
                .map(|n| ((unit * 8 + n) as u8).wrapping_add(if fill == 2 { 100 } else { 0 }))
                .collect();
            if v6 && more {
                payload.truncate(units * 8);
            }
            let spec = Spec { v6, ..Spec::new(unit * 8, more, &payload) };
            let ours = lab.add(&spec);
            let theirs = linux.add(spec.offset, more, &payload);
            match (&ours, &theirs) {
                (Became::Whole(ours), Theirs::Whole(theirs)) => {
                    prop_assert!(ambiguous || ours == theirs);
                }
                // Ours may end later or never, once Linux discarded; or Linux begins anew while
                // the datagram is refused here.
                (Became::Whole(_) | Became::Held, Theirs::Discarded) => ambiguous = true,
                (Became::Whole(_), _) => prop_assert!(ambiguous, "{:?}", theirs),
                (Became::Dropped(reason), _) if *reason != DropReason::DefragDuplicate => {
                    ambiguous = true;
                }
                _ => {}
            }
            if let Became::Whole(payload) = &ours {
                // Whatever came, our own fragments leave the receiver no choice.
                let mut receiver = Linux::default();
                let mut got = Theirs::Held;
                for packet in &lab.sent {
                    let packet = decode_ip(packet, ChecksumTrust::Unverified).unwrap();
                    got = match packet.ip.fragment {
                        None => Theirs::Whole(packet.payload.to_vec()),
                        Some(f) => receiver.add(f.offset_bytes as usize, f.more, packet.payload),
                    };
                }
                prop_assert_eq!(got, Theirs::Whole(payload.clone()));
            }
        }
    }
}

/// `net/ipv4/ip_fragment.c` and `inet_fragment.c` of Linux 6.18, as far as bytes are concerned.
#[derive(Default)]
struct Linux {
    /// (start, bytes), sorted.
    fragments: Vec<(usize, Vec<u8>)>,
    /// Fragments that came one behind the other at the end of the queue make one run.
    runs: Vec<std::ops::Range<usize>>,
    length: usize,
    last_in: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Theirs {
    Held,
    Ignored,
    Discarded,
    Whole(Vec<u8>),
}

impl Linux {
    fn add(&mut self, start: usize, more: bool, payload: &[u8]) -> Theirs {
        let mut end = start + payload.len();
        if more {
            end &= !7;
            if end > self.length {
                if self.last_in {
                    return self.discard();
                }
                self.length = end;
            }
        } else {
            if end < self.length || (self.last_in && end != self.length) {
                return self.discard();
            }
            self.last_in = true;
            self.length = end;
        }
        if end <= start {
            return self.discard();
        }
        match self.runs.last_mut() {
            Some(last) if last.end < end => {
                if start < last.end {
                    return self.discard();
                }
                if start == last.end {
                    last.end = end;
                } else {
                    self.runs.push(start..end);
                }
            }
            None => self.runs.push(start..end),
            Some(_) => {
                let touched = self.runs.iter().find(|r| start < r.end && r.start < end);
                match touched {
                    Some(run) if run.start <= start && end <= run.end => return Theirs::Ignored,
                    Some(_) => return self.discard(),
                    None => {
                        self.runs.push(start..end);
                        self.runs.sort_by_key(|run| run.start);
                    }
                }
            }
        }
        self.fragments
            .push((start, payload[..end - start].to_vec()));
        self.fragments.sort();
        let received: usize = self.fragments.iter().map(|(_, bytes)| bytes.len()).sum();
        if !self.last_in || received != self.length {
            return Theirs::Held;
        }
        let whole = self.fragments.iter().flat_map(|(_, bytes)| bytes.clone());
        let whole = whole.collect();
        *self = Self::default();
        Theirs::Whole(whole)
    }

    fn discard(&mut self) -> Theirs {
        *self = Self::default();
        Theirs::Discarded
    }
}

#[test]
fn a05_a06_a_contained_copy_that_differs_costs_the_datagram() {
    let mut lab = Lab::new();
    let became = lab.add_all(&[
        Spec::new(0, true, &bytes(0, 32)),
        Spec::new(8, true, b"another!"),
        Spec::new(32, false, &bytes(32, 8)),
    ]);
    assert_eq!(became, [Became::Held, OVERLAP, OVERLAP]);
    assert_eq!(lab.given_up_packets(), 1);
}

#[test]
fn a_contained_copy_that_agrees_is_dropped_alone() {
    let mut lab = Lab::new();
    let became = lab.add_all(&[
        Spec::new(0, true, &bytes(0, 16)),
        Spec::new(16, true, &bytes(16, 16)),
        Spec::new(8, true, &bytes(8, 16)),
        Spec::new(32, false, &bytes(32, 5)),
    ]);
    assert_eq!(
        became,
        [
            Became::Held,
            Became::Held,
            DUPLICATE,
            Became::Whole(bytes(0, 37))
        ]
    );
}

/// Found by `what_goes_on_is_what_linux_would_have_got`; a live kernel (6.18) was seen to throw the
/// first of these datagrams and the last away, over IPv4 and IPv6, and to deliver the others.
#[test]
fn a_copy_that_reaches_from_one_run_into_the_next_costs_the_datagram() {
    let first_behind = [(24, 40), (0, 24), (16, 32)];
    let in_order = [(0, 24), (24, 40), (16, 32)];
    let joined_behind_a_hole = [(0, 8), (16, 24), (24, 40), (16, 40), (8, 16)];
    let hole_filled = [(0, 16), (24, 40), (16, 24), (8, 24)];
    let cases: [(&[(usize, usize)], bool); 4] = [
        (&first_behind, false),
        (&in_order, true),
        (&joined_behind_a_hole, true),
        (&hole_filled, false),
    ];
    for v6 in [false, true] {
        for (ranges, arrives) in cases {
            let spec = |start, end, more| Spec {
                v6,
                ..Spec::new(start, more, &bytes(start, end - start))
            };
            let mut lab = Lab::new();
            for &(start, end) in ranges {
                lab.add(&spec(start, end, true));
            }
            let expected = if arrives {
                Became::Whole(bytes(0, 41))
            } else {
                OVERLAP
            };
            assert_eq!(lab.add(&spec(40, 41, false)), expected, "{ranges:?}");
        }
    }
}

#[test]
fn a08_a09_partial_and_covering_overlaps_cost_the_datagram_even_if_they_agree() {
    for (start, length) in [(8, 16), (0, 24)] {
        let mut lab = Lab::new();
        lab.add(&Spec::new(0, true, &bytes(0, 16)));
        assert_eq!(
            lab.add(&Spec::new(start, true, &bytes(start, length))),
            OVERLAP
        );
        assert_eq!(lab.add(&Spec::new(24, false, &bytes(24, 8))), OVERLAP);
    }
}

#[test]
fn a10_to_a14_impossible_lengths_cost_the_datagram() {
    let two_ends = [
        Spec::new(8, false, &bytes(8, 8)),
        Spec::new(8, false, &bytes(8, 16)),
    ];
    let beyond = [
        Spec::new(8, false, &bytes(8, 8)),
        Spec::new(16, true, &bytes(16, 8)),
    ];
    let before = [
        Spec::new(16, true, &bytes(16, 8)),
        Spec::new(8, false, &bytes(8, 8)),
    ];
    let empty = [Spec::new(8, true, &[]), Spec::new(0, true, &bytes(0, 8))];
    let too_long = [
        Spec::new(65_528, false, &bytes(0, 8)),
        Spec::new(0, true, &bytes(0, 8)),
    ];
    let amidst = [
        Spec::new(0, true, &bytes(0, 32)),
        Spec::new(8, false, &bytes(8, 1)),
    ];
    let overlap = Became::Dropped(DropReason::DefragOverlap);
    assert_eq!(Lab::new().add_all(&amidst), [Became::Held, overlap]);
    for specs in [two_ends, beyond, before] {
        assert_eq!(Lab::new().add_all(&specs), [Became::Held, MALFORMED]);
    }
    for specs in [empty, too_long] {
        assert_eq!(Lab::new().add_all(&specs), [MALFORMED, MALFORMED]);
    }
    let within = [
        Spec::new(8, true, &bytes(8, 16)),
        Spec::new(8, false, &bytes(8, 1)),
    ];
    assert_eq!(Lab::new().add_all(&within), [Became::Held, OVERLAP]);
}

#[test]
fn a13_a_middle_fragment_is_trimmed_to_whole_units() {
    let mut lab = Lab::new();
    let became = lab.add_all(&[
        Spec::new(0, true, &bytes(0, 21)),
        Spec::new(16, false, &bytes(16, 9)),
    ]);
    assert_eq!(became[1], Became::Whole(bytes(0, 25)));
    // RFC 8200 section 4.5 has it discarded.
    let mut lab = Lab::new();
    assert_eq!(lab.add(&Spec::v6(0, true, &bytes(0, 21))), MALFORMED);
}

#[test]
fn a_datagram_whose_first_header_makes_it_too_long_is_dropped() {
    let mut lab = Lab::new();
    let last = 65_535 - 20;
    let at = last / 8 * 8;
    lab.add(&Spec::new(at, false, &bytes(at, last - at)));
    lab.add(&Spec::new(8, true, &bytes(8, at - 8)));
    let mut first = Spec::new(0, true, &bytes(0, 8)).packet();
    first.splice(20..20, [1; 4]);
    first[0] = 0x46;
    first[2..4].copy_from_slice(&32_u16.to_be_bytes());
    first[10..12].fill(0);
    let sum = internet_checksum(&first[..24]);
    first[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(lab.add_packet(&first), MALFORMED);
    assert_eq!(lab.given_up_packets(), 2);
    assert!(lab.table.is_empty());
}

#[test]
fn a18_an_identification_may_come_again_at_once() {
    let mut lab = Lab::new();
    for seed in 0..3 {
        let became = lab.add_all(&[
            Spec::new(0, true, &bytes(seed, 8)),
            Spec::new(8, false, &bytes(seed + 8, 8)),
        ]);
        assert_eq!(became, [Became::Held, Became::Whole(bytes(seed, 16))]);
    }
}

#[test]
fn a19_a20_datagrams_are_told_apart_by_identification_and_protocol() {
    let mut lab = Lab::new();
    let other = |spec: Spec| Spec { id: 78, ..spec };
    let tcp = |spec: Spec| Spec {
        protocol: 6,
        ..spec
    };
    let became = lab.add_all(&[
        Spec::new(0, true, &bytes(0, 8)),
        other(Spec::new(0, true, &bytes(50, 8))),
        tcp(Spec::new(0, true, &bytes(90, 8))),
        other(Spec::new(8, false, &bytes(58, 8))),
        Spec::new(8, false, &bytes(8, 8)),
    ]);
    assert_eq!(became[3], Became::Whole(bytes(50, 16)));
    assert_eq!(became[4], Became::Whole(bytes(0, 16)));
    assert_eq!(lab.table.len(), 1);
}

/// RFC 8200 section 4.5: the next header of the first fragment counts, and is no part of the key.
#[test]
fn ipv6_fragments_may_name_different_next_headers() {
    let mut lab = Lab::new();
    let odd = Spec {
        protocol: 17,
        ..Spec::v6(8, false, &bytes(8, 8))
    };
    lab.add(&odd);
    let became = lab.add(&Spec::v6(0, true, &bytes(0, 8)));
    assert_eq!(became, Became::Whole(bytes(0, 16)));
}

#[test]
fn a21_the_smallest_ttl_goes_on_with_the_first_header() {
    for v6 in [false, true] {
        let mut lab = Lab::new();
        let spec = |offset, more, ttl| Spec {
            ttl,
            v6,
            ..Spec::new(offset, more, &bytes(offset, 8))
        };
        lab.add(&spec(0, true, 60));
        lab.add(&spec(16, false, 9));
        lab.add(&spec(8, true, 61));
        assert_eq!(lab.sent.len(), 3);
        for packet in &lab.sent {
            let packet = decode_ip(packet, ChecksumTrust::Unverified).unwrap();
            assert_eq!(packet.ip.ttl, 9);
            assert_eq!(packet.ip.tos(), if v6 { 0 } else { 0x28 });
            assert_ne!(packet.ip.fragment.unwrap().id, 77, "ours");
        }
    }
}

#[test]
fn a22_the_time_counts_from_the_first_fragment() {
    let mut lab = Lab::new();
    lab.add(&Spec::new(0, true, &bytes(0, 8)));
    lab.now = lab.now + Duration::from_secs(20);
    lab.add(&Spec::new(8, true, &bytes(8, 8)));
    lab.now = lab.now + Duration::from_secs(10);
    let became = lab.add(&Spec::new(16, false, &bytes(16, 8)));
    assert_eq!(became, Became::Held, "a new datagram");
    assert_eq!(lab.given_up_packets(), 2);
    assert_eq!(lab.given_up[0].reason, DropReason::DefragTimeout);
}

#[test]
fn b09_b10_the_first_ipv6_fragment_holds_all_headers() {
    let chain = DropReason::DefragHeaderChain;
    let options = [6, 0, 1, 4, 0, 0, 0, 0];
    let tcp = bytes(0, 24);
    let cases = [
        (6, tcp[..8].to_vec(), Err(chain)),
        (6, tcp.clone(), Ok(())),
        (17, bytes(0, 8), Ok(())),
        (60, options.to_vec(), Err(chain)),
        (60, [&options[..], &tcp].concat(), Ok(())),
        (60, vec![6, 9, 0, 0, 0, 0, 0, 0], Err(chain)),
    ];
    for (protocol, payload, expected) in cases {
        let spec = Spec {
            protocol,
            ..Spec::v6(0, true, &payload)
        };
        let became = Lab::new().add(&spec);
        match expected {
            Ok(()) => assert_eq!(became, Became::Held, "{spec:?}"),
            Err(reason) => assert_eq!(became, Became::Dropped(reason), "{spec:?}"),
        }
    }
}

/// What stands before the fragment header goes on.
#[test]
fn the_unfragmentable_part_of_ipv6_is_kept() {
    let fragment = |offset: u16, more: bool, payload: &[u8]| {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 0, 33];
        packet.extend_from_slice(&[1; 16]);
        packet.extend_from_slice(&[2; 16]);
        packet.extend_from_slice(&[44, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend_from_slice(&[PROTOCOL, 0]);
        packet.extend_from_slice(&(offset | u16::from(more)).to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 9]);
        packet.extend_from_slice(payload);
        let length = packet.len() as u16 - 40;
        packet[4..6].copy_from_slice(&length.to_be_bytes());
        packet
    };
    let mut lab = Lab::new();
    lab.add_packet(&fragment(0, true, &bytes(0, 16)));
    let became = lab.add_packet(&fragment(16, false, &bytes(16, 4)));
    assert_eq!(became, Became::Whole(bytes(0, 20)));
    for (packet, before) in lab.sent.iter().zip([
        fragment(0, true, &bytes(0, 16)),
        fragment(16, false, &bytes(16, 4)),
    ]) {
        assert_eq!(packet[..52], before[..52]);
        assert_eq!(packet[56..], before[56..], "all but the identification");
    }
}

/// RFC 791 section 3.1: of the options, those with the copied flag are in every fragment.
#[test]
fn options_of_the_first_header_go_on_as_they_should() {
    let mut lab = Lab::new();
    let mut first = Spec::new(0, true, &bytes(0, 16)).packet();
    // Record route is not copied, the router alert is.
    first.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0]);
    first[0] = 0x48;
    first[2..4].copy_from_slice(&48_u16.to_be_bytes());
    first[10..12].fill(0);
    let sum = internet_checksum(&first[..32]);
    first[10..12].copy_from_slice(&sum.to_be_bytes());
    lab.add_packet(&first);
    let became = lab.add(&Spec::new(16, false, &bytes(16, 3)));
    assert_eq!(became, Became::Whole(bytes(0, 19)));
    assert_eq!(lab.sent[0][20..32], first[20..32]);
    assert_eq!(lab.sent[1][20..32], [1, 1, 1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0]);
}

#[test]
fn congestion_experienced_by_one_fragment_is_the_datagrams() {
    let mut lab = Lab::new();
    lab.add(&Spec::new(0, true, &bytes(0, 8)));
    let mut last = Spec::new(8, false, &bytes(8, 8)).packet();
    last[1] = 0x2b;
    last[10..12].fill(0);
    let sum = internet_checksum(&last[..20]);
    last[10..12].copy_from_slice(&sum.to_be_bytes());
    lab.add_packet(&last);
    assert_eq!(lab.sent[0][1], 0x2b);
}

#[test]
fn dont_fragment_is_what_the_first_fragment_says() {
    for dont in [false, true] {
        let mut lab = Lab::new();
        let mut first = Spec::new(0, true, &bytes(0, 8)).packet();
        first[6] |= if dont { 0x40 } else { 0x80 };
        first[10..12].fill(0);
        let sum = internet_checksum(&first[..20]);
        first[10..12].copy_from_slice(&sum.to_be_bytes());
        lab.add_packet(&first);
        lab.add(&Spec::new(8, false, &bytes(8, 8)));
        let flags = lab.sent.iter().map(|packet| packet[6] & 0xc0);
        let expected = if dont { 0x40 } else { 0 };
        assert_eq!(flags.collect::<Vec<_>>(), [expected; 2]);
    }
}

#[test]
fn vlans_and_tunnels_are_worlds_of_their_own() {
    let mut table = Defragmenter::new(DefragConfig::default());
    let first = Spec::new(0, true, &bytes(0, 8)).packet();
    let last = Spec::new(8, false, &bytes(8, 8)).packet();
    let mut add = |bytes: &[u8], vlan: [u16; 3], tunnel: u64| {
        let mut packet = decode_ip(bytes, ChecksumTrust::Unverified).unwrap();
        packet.vlan = vlan;
        let arrival = Arrival {
            packet: &packet,
            tunnel,
            link: LinkType::RawIp,
            link_header: &[],
        };
        matches!(table.take(&arrival, START, &mut |_| {}), Taken::Whole(_))
    };
    assert!(!add(&first, [0; 3], 0));
    assert!(!add(&last, [7, 0, 0], 0));
    assert!(!add(&last, [7, 8, 0], 0));
    assert!(!add(&last, [0; 3], 5));
    assert!(add(&first, [7, 0, 0], 0));
    assert!(add(&first, [0; 3], 5));
    assert!(add(&last, [0; 3], 0));
}

#[test]
fn a_link_that_takes_less_gets_smaller_fragments_where_a_router_may_cut() {
    let cut = Cut {
        header_bytes: 20,
        next_header_at: 0,
        id: 1,
        fragment_bytes: 1500,
    };
    let datagram = Spec::new(0, false, &bytes(0, 3000)).packet();
    assert_eq!(cut.smaller_than(&datagram, 1500), Some(1280));
    assert_eq!(cut.smaller_than(&datagram, 1280), Some(576));
    assert_eq!(cut.smaller_than(&datagram, 68), None);
    let mut forbidden = datagram.clone();
    forbidden[6] = 0x40;
    assert_eq!(cut.smaller_than(&forbidden, 1500), None);
    assert_eq!(
        cut.smaller_than(&Spec::v6(0, false, &[]).packet(), 1500),
        None
    );
}

#[test]
fn tiny_fragments_are_counted_up_to_a_bound() {
    let config = DefragConfig {
        max_fragments: 20,
        ..DefragConfig::default()
    };
    let mut lab = Lab::with(config);
    for n in 0..20 {
        assert_eq!(
            lab.add(&Spec::new(n * 8, true, &bytes(n * 8, 8))),
            Became::Held
        );
    }
    let one_more = lab.add(&Spec::new(160, false, &bytes(160, 8)));
    assert_eq!(one_more, Became::Dropped(DropReason::DefragFragments));
    assert_eq!(lab.given_up_packets(), 20);
}

#[test]
fn a_flood_of_first_fragments_leaves_room_for_whole_datagrams() {
    let config = DefragConfig {
        memory_bytes: 256 << 10,
        max_datagrams: 100,
        ..DefragConfig::default()
    };
    let mut lab = Lab::with(config.clone());
    for id in 0..60_000 {
        lab.add(&Spec {
            id: 1000 + id,
            ..Spec::new(0, true, &bytes(0, 1480))
        });
        if id % 50 == 0 {
            let became = lab.add_all(&[
                Spec::new(0, true, &bytes(0, 1480)),
                Spec::new(1480, false, &bytes(1480, 100)),
            ]);
            assert_eq!(became[1], Became::Whole(bytes(0, 1580)));
        }
        assert!(lab.table.memory_bytes() <= config.memory_bytes);
        assert!(lab.table.len() <= config.max_datagrams);
    }
}

#[test]
fn every_identification_comes_before_one_comes_again() {
    let hasher = ahash::RandomState::new();
    let mut ids = identification::Identifications::new(&hasher);
    let pair = (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::BROADCAST.into());
    let seen: std::collections::HashSet<u16> = (0..65_535)
        .map(|_| ids.next(&hasher, pair.0, pair.1) as u16)
        .collect();
    assert_eq!(seen.len(), 65_535);
    assert!(!seen.contains(&0));
}
