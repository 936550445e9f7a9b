//! Simulated connections: what is delivered depends on the bytes, not on how they came.

use etherparse::TcpHeader as Builder;
use proptest::prelude::*;

use super::*;
use crate::counters::Counters;
use crate::decode::{ChecksumTrust, Transport, decode_ip};
use crate::stream::StreamConfig;

const CLIENT_ISN: u32 = 0xffff_fff0;
const SERVER_ISN: u32 = 77;

struct Lab {
    session: TcpSession,
    pool: ChunkPool,
    config: StreamConfig,
    counters: Counters,
    delivered: [Vec<u8>; 2],
    gaps: u64,
    restarts: u32,
    ttl: u8,
}

pub(super) fn packet(set: impl FnOnce(&mut Builder), payload: &[u8]) -> Vec<u8> {
    let mut tcp = Builder::new(1, 2, 0, 0xffff);
    set(&mut tcp);
    let mut bytes = Vec::new();
    let mut ip = etherparse::Ipv4Header::new(
        (tcp.header_len() + payload.len()) as u16,
        64,
        etherparse::IpNumber::TCP,
        [1; 4],
        [2; 4],
    )
    .unwrap();
    ip.header_checksum = ip.calc_header_checksum();
    ip.write(&mut bytes).unwrap();
    tcp.write(&mut bytes).unwrap();
    bytes.extend_from_slice(payload);
    bytes
}

pub(super) fn with_tcp<R>(bytes: &[u8], f: impl FnOnce(&TcpHeader<'_>, &[u8]) -> R) -> R {
    let packet = decode_ip(bytes, ChecksumTrust::Ignored).unwrap();
    let Transport::Tcp(tcp) = packet.transport else {
        panic!("not TCP")
    };
    f(&tcp, packet.payload)
}

impl Lab {
    fn new() -> Self {
        let syn = packet(
            |t| {
                t.syn = true;
                t.sequence_number = CLIENT_ISN;
            },
            b"",
        );
        let config = StreamConfig::default();
        Self {
            session: with_tcp(&syn, |tcp, payload| {
                TcpSession::from_syn(&Segment {
                    dir: Direction::ToServer,
                    tcp,
                    payload,
                    ttl: 64,
                })
            }),
            pool: ChunkPool::new(&config),
            config,
            counters: Counters::default(),
            delivered: [Vec::new(), Vec::new()],
            gaps: 0,
            restarts: 0,
            ttl: 64,
        }
    }

    fn open() -> Self {
        let mut lab = Self::new();
        assert_eq!(lab.syn_ack(SERVER_ISN, CLIENT_ISN), None);
        assert_eq!(lab.data(0, b""), None);
        assert!(lab.session.is_established());
        lab
    }

    fn send(
        &mut self,
        dir: Direction,
        set: impl FnOnce(&mut Builder),
        payload: &[u8],
    ) -> SegmentOutcome {
        let bytes = packet(set, payload);
        let (delivered, gaps, restarts) = (&mut self.delivered, &mut self.gaps, &mut self.restarts);
        let ttl = self.ttl;
        with_tcp(&bytes, |tcp, payload| {
            self.session.on_segment(
                &Segment {
                    dir,
                    tcp,
                    payload,
                    ttl,
                },
                &mut Shared {
                    pool: &mut self.pool,
                    config: &self.config,
                    counters: &self.counters,
                },
                &mut |dir, delivery| match delivery {
                    Delivery::Bytes(b) => delivered[dir.index()].extend_from_slice(b),
                    Delivery::Gap(n) => *gaps += n,
                    Delivery::Resume => delivered[dir.index()].clear(),
                    Delivery::Restart => {
                        *restarts += 1;
                        delivered.iter_mut().for_each(Vec::clear);
                    }
                },
            )
        })
    }

    fn syn_ack(&mut self, isn: u32, acknowledged_isn: u32) -> Option<DropReason> {
        let set = |t: &mut Builder| {
            t.syn = true;
            t.ack = true;
            t.sequence_number = isn;
            t.acknowledgment_number = acknowledged_isn.wrapping_add(1);
        };
        self.send(Direction::ToClient, set, b"").refused
    }

    /// From the client, at a stream offset.
    fn data(&mut self, offset: u32, payload: &[u8]) -> Option<DropReason> {
        let ack = self.session.next_sequence(Direction::ToClient);
        let set = |t: &mut Builder| {
            t.ack = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
            t.acknowledgment_number = ack;
        };
        self.send(Direction::ToServer, set, payload).refused
    }

    /// From the server: an ACK of the client's bytes below `offset`.
    fn acknowledge(&mut self, offset: u32) -> Option<DropReason> {
        let seq = self.session.next_sequence(Direction::ToClient);
        let set = |t: &mut Builder| {
            t.ack = true;
            t.sequence_number = seq;
            t.acknowledgment_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
        };
        self.send(Direction::ToClient, set, b"").refused
    }

    fn reset(&mut self, offset: u32) -> Option<DropReason> {
        let set = |t: &mut Builder| {
            t.rst = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
        };
        self.send(Direction::ToServer, set, b"").refused
    }

    fn by_client(&self) -> &[u8] {
        &self.delivered[0]
    }
}

#[test]
fn the_segment_that_fills_the_hole_delivers_all() {
    let mut lab = Lab::open();
    assert_eq!(lab.data(3, b"def"), None);
    assert_eq!(lab.data(9, b"jkl"), None);
    assert_eq!(lab.by_client(), b"");
    assert_eq!(lab.data(0, b"abc"), None);
    assert_eq!(lab.by_client(), b"abcdef");
    assert_eq!(lab.data(6, b"ghi"), None);
    assert_eq!(lab.by_client(), b"abcdefghijkl");
}

#[test]
fn a_copy_that_differs_is_refused_until_the_first_is_acknowledged() {
    let mut lab = Lab::open();
    lab.data(0, b"abcdef");
    lab.data(10, b"klm");
    assert_eq!(lab.data(2, b"cdef"), None, "identical");
    assert_eq!(
        lab.data(2, b"cXef"),
        Some(DropReason::StreamRetransmitDiffers)
    );
    assert_eq!(
        lab.data(4, b"efghijkXm"),
        Some(DropReason::StreamRetransmitDiffers)
    );
    assert_eq!(
        lab.data(10, b"kXm"),
        Some(DropReason::StreamRetransmitDiffers)
    );
    lab.acknowledge(6);
    assert_eq!(lab.data(0, b"XXXXXX"), None, "the receiver ignores it");
    assert_eq!(lab.data(2, b"XXXXghi"), None, "only the tail is new");
    assert_eq!(lab.by_client(), b"abcdefghi");
    assert_eq!(lab.session.retained_bytes(), 3 + 3);
}

#[test]
fn what_the_receiver_ignores_is_refused() {
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    assert_eq!(
        lab.data(90_000_000, b"x"),
        Some(DropReason::StreamOutOfWindow)
    );
    let seq = CLIENT_ISN.wrapping_add(4);
    let refused = |lab: &mut Lab, set: &dyn Fn(&mut Builder)| {
        let ack = lab.session.next_sequence(Direction::ToClient);
        lab.send(
            Direction::ToServer,
            |t| {
                t.ack = true;
                t.sequence_number = seq;
                t.acknowledgment_number = ack;
                set(t);
            },
            b"evil",
        )
        .refused
    };
    assert_eq!(
        refused(&mut lab, &|t| t.ack = false),
        Some(DropReason::StreamNoAck)
    );
    assert_eq!(
        refused(&mut lab, &|t| t.acknowledgment_number =
            SERVER_ISN.wrapping_add(500)),
        Some(DropReason::StreamInvalidAck)
    );
    assert_eq!(
        refused(&mut lab, &|t| t.acknowledgment_number =
            SERVER_ISN.wrapping_sub(10)),
        Some(DropReason::StreamInvalidAck)
    );
    assert_eq!(
        refused(&mut lab, &|t| t.syn = true),
        Some(DropReason::StreamInvalidFlags)
    );
    assert_eq!(
        refused(&mut lab, &|t| {
            let md5 = [19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            t.set_options_raw(&md5).unwrap();
        }),
        Some(DropReason::StreamUnexpectedMd5)
    );
    assert_eq!(lab.by_client(), b"abc");
    assert_eq!(lab.data(3, b"def"), None);
    assert_eq!(lab.by_client(), b"abcdef");
}

#[test]
fn resets_count_only_where_the_receiver_takes_them_and_end_no_inspection() {
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    lab.data(10, b"klm");
    assert_eq!(
        lab.reset(5),
        Some(DropReason::StreamBadReset),
        "in the window, inexact"
    );
    assert_eq!(lab.reset(900_000), Some(DropReason::StreamBadReset));
    assert!(!lab.session.is_closed());
    assert_eq!(
        lab.reset(13),
        None,
        "right edge of what was selectively acknowledged"
    );
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    lab.acknowledge(3);
    assert_eq!(lab.reset(3), None);
    assert!(lab.session.is_closed());
    assert_eq!(lab.data(3, b"def"), None);
    assert_eq!(lab.by_client(), b"abcdef");
}

#[test]
fn handshakes() {
    let mut lab = Lab::new();
    assert_eq!(lab.data(0, b"early"), Some(DropReason::StreamAsymmetric));
    assert_eq!(
        lab.syn_ack(5, 12345),
        None,
        "the client resets it and tries again"
    );
    assert_eq!(lab.syn_ack(SERVER_ISN, CLIENT_ISN), None);
    assert_eq!(lab.syn_ack(SERVER_ISN, CLIENT_ISN), None, "sent again");
    let ack = |t: &mut Builder| {
        t.ack = true;
        t.sequence_number = SERVER_ISN + 1;
        t.acknowledgment_number = CLIENT_ISN.wrapping_add(1);
    };
    assert_eq!(lab.send(Direction::ToClient, ack, b"220 hi").refused, None);
    assert_eq!(lab.delivered[1], b"220 hi", "before the client's own ACK");
    assert_eq!(lab.data(0, b"on the third"), None);
    assert_eq!(lab.by_client(), b"on the third");
    let syn_fin = |t: &mut Builder| {
        t.syn = true;
        t.fin = true;
    };
    let refused = lab.send(Direction::ToServer, syn_fin, b"").refused;
    assert_eq!(refused, Some(DropReason::StreamInvalidFlags));
}

#[test]
fn a_new_connection_on_the_same_ports_begins_when_the_server_says_so() {
    let mut lab = Lab::open();
    lab.data(0, b"old");
    let syn = |t: &mut Builder| {
        t.syn = true;
        t.sequence_number = 5000;
    };
    assert_eq!(lab.send(Direction::ToServer, syn, b"").refused, None);
    assert_eq!(lab.restarts, 0);
    lab.data(3, b"still old");
    assert_eq!(lab.by_client(), b"oldstill old");
    let answer = |t: &mut Builder| {
        t.syn = true;
        t.ack = true;
        t.sequence_number = 9000;
        t.acknowledgment_number = 5001;
    };
    assert_eq!(lab.send(Direction::ToClient, answer, b"").refused, None);
    assert_eq!(lab.restarts, 1);
    let new = |t: &mut Builder| {
        t.ack = true;
        t.sequence_number = 5001;
        t.acknowledgment_number = 9001;
    };
    assert_eq!(lab.send(Direction::ToServer, new, b"new").refused, None);
    assert_eq!(lab.by_client(), b"new");
}

#[test]
fn after_a_fin_nothing_more_is_let_through() {
    let mut lab = Lab::open();
    let fin = |offset: u32| {
        move |t: &mut Builder| {
            t.fin = true;
            t.ack = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
            t.acknowledgment_number = SERVER_ISN + 1;
        }
    };
    assert_eq!(
        lab.send(Direction::ToServer, fin(5), b"").refused,
        None,
        "a FIN ahead of its data"
    );
    assert_eq!(lab.data(0, b"abcde"), None);
    assert_eq!(lab.data(5, b"more"), Some(DropReason::StreamAfterClose));
    assert_eq!(lab.by_client(), b"abcde");
    assert_eq!(lab.acknowledge(6), None, "the FIN counts for one");
}

#[test]
fn keep_alives_pass() {
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    lab.acknowledge(3);
    assert_eq!(lab.data(2, b"X"), None);
    assert_eq!(lab.data(2, b""), None);
    assert_eq!(lab.by_client(), b"abc");
}

#[test]
fn midstream_starts_with_the_first_payload_of_each_end() {
    let first = packet(
        |t| {
            t.ack = true;
            t.sequence_number = 1000;
            t.acknowledgment_number = 2000;
        },
        b"",
    );
    let mut lab = Lab::new();
    lab.session = with_tcp(&first, |tcp, _| {
        TcpSession::midstream(Direction::ToServer, tcp)
    });
    let from = |seq: u32, ack: u32| {
        move |t: &mut Builder| {
            t.ack = true;
            t.sequence_number = seq;
            t.acknowledgment_number = ack;
        }
    };
    assert_eq!(
        lab.send(Direction::ToClient, from(7000, 1000), b"answer")
            .refused,
        None
    );
    assert_eq!(
        lab.send(Direction::ToServer, from(1000, 7006), b"request")
            .refused,
        None
    );
    assert_eq!(lab.delivered, [b"request".to_vec(), b"answer".to_vec()]);
    assert!(lab.session.midstream && lab.session.is_established());
}

#[test]
fn what_passed_unseen_is_a_gap_where_that_can_be() {
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    assert_eq!(lab.acknowledge(10), Some(DropReason::StreamInvalidAck));
    lab.config.tolerate_gaps = true;
    assert_eq!(lab.acknowledge(10), None);
    assert_eq!(lab.gaps, 0, "it may only be late");
    assert_eq!(lab.data(10, b"klm"), None);
    assert_eq!(lab.gaps, 7);
    assert_eq!(lab.by_client(), b"abcklm");
    let hole = lab.data(3, b"defghij");
    assert_eq!(hole, Some(DropReason::StreamOutOfWindow), "a lie, maybe");
    assert_eq!(lab.data(13, b"nop"), None);
    assert_eq!(lab.by_client(), b"abcklmnop");
}

#[test]
fn an_acknowledgement_may_overtake_its_data() {
    let mut lab = Lab::open();
    lab.config.tolerate_gaps = true;
    assert_eq!(lab.data(3, b"def"), None);
    assert_eq!(lab.acknowledge(6), None);
    assert_eq!(lab.data(0, b"abc"), None);
    assert_eq!(lab.by_client(), b"abcdef");
    assert_eq!((lab.gaps, lab.acknowledge(6)), (0, None));
    assert_eq!(lab.pool.lent_bytes(), 0);
}

#[test]
fn what_waits_behind_a_hole_that_is_given_up_is_delivered() {
    let mut lab = Lab::open();
    lab.config.tolerate_gaps = true;
    lab.data(5, b"fgh");
    lab.data(10, b"klm");
    assert_eq!((lab.acknowledge(13), lab.acknowledge(13)), (None, None));
    assert_eq!(lab.by_client(), b"fghklm");
    assert_eq!(lab.gaps, 7);
}

#[test]
fn a_fin_that_contradicts_earlier_bytes_ends_nothing() {
    let mut lab = Lab::open();
    lab.data(0, b"abcdef");
    lab.data(8, b"ij");
    let fin = |offset: u32| {
        move |t: &mut Builder| {
            t.fin = true;
            t.ack = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
            t.acknowledgment_number = SERVER_ISN + 1;
        }
    };
    for offset in [2, 9] {
        let refused = lab.send(Direction::ToServer, fin(offset), b"").refused;
        assert_eq!(refused, Some(DropReason::StreamOutOfWindow));
    }
    assert_eq!(lab.data(6, b"gh"), None);
    assert_eq!(lab.send(Direction::ToServer, fin(10), b"").refused, None);
    let other = lab.send(Direction::ToServer, fin(9), b"").refused;
    assert_eq!(other, Some(DropReason::StreamAfterClose));
    assert_eq!(lab.by_client(), b"abcdefghij");
    assert!(lab.session.has_ended(Direction::ToServer));
}

#[test]
fn data_below_the_first_byte_is_refused() {
    let mut lab = Lab::open();
    let below = 0_u32.wrapping_sub(10);
    assert_eq!(
        lab.data(below, b"never sent"),
        Some(DropReason::StreamOutOfWindow)
    );
    assert_eq!(lab.data(0_u32.wrapping_sub(1), b"?"), None, "a keep-alive");
}

#[test]
fn memory_is_bounded_and_given_back() {
    let mut lab = Lab::open();
    lab.config.max_out_of_order_bytes = 10_000;
    let mut refused = 0;
    for n in 1..1000 {
        refused += u32::from(lab.data(n * 100, &[7; 50]).is_some());
    }
    assert_eq!(refused, 999 - 200);
    assert!(lab.pool.lent_bytes() < 40_000);
    let mut lab = Lab::open();
    lab.pool = ChunkPool::new(&StreamConfig {
        pool_bytes: 8192,
        ..StreamConfig::default()
    });
    assert_eq!(lab.data(0, &[1; 8192]), None);
    assert_eq!(
        lab.data(8192, &[1; 8192]),
        Some(DropReason::StreamReassemblyMemory)
    );
    lab.acknowledge(8192);
    assert_eq!(lab.pool.lent_bytes(), 0);
    assert_eq!(lab.data(8192, &[1; 8192]), None);
    lab.session.release(&mut lab.pool);
    assert_eq!(lab.pool.lent_bytes(), 0);
}

proptest! {
    /// Whatever the cuts, the order and the repetitions, the bytes are delivered once, in order.
    #[test]
    fn delivery_does_not_depend_on_segmentation(
        stream in proptest::collection::vec(any::<u8>(), 1..20_000),
        mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        order in any::<u64>(),
        acks in any::<u64>(),
    ) {
        let mut at: Vec<usize> = cuts.drain(..).map(|i| i.index(stream.len())).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        at.dedup();
        let mut segments: Vec<(usize, usize)> = at.windows(2).map(|w| (w[0], w[1])).collect();
        // Overlapping repetitions with the same bytes.
        for n in 0..segments.len().min(5) {
            let (from, to) = segments[n];
            segments.push((from / 2, to));
        }
        let mut seed = order;
        for n in (1..segments.len()).rev() {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            segments.swap(n, (seed >> 33) as usize % (n + 1));
        }
        let mut lab = Lab::open();
        for (n, (from, to)) in segments.iter().enumerate() {
            prop_assert_eq!(lab.data(*from as u32, &stream[*from..*to]), None);
            if acks >> (n % 64) & 1 == 1 {
                let got = lab.by_client().len() as u32;
                prop_assert_eq!(lab.acknowledge(got), None);
            }
        }
        prop_assert_eq!(lab.by_client(), &stream[..]);
        lab.acknowledge(stream.len() as u32);
        prop_assert_eq!(lab.session.retained_bytes(), 0);
        prop_assert_eq!(lab.pool.lent_bytes(), 0);
    }

    /// A copy with other bytes never passes while the first may still be lost behind us.
    #[test]
    fn differing_copies_never_pass(
        segments in proptest::collection::vec((0_u32..200, 1_usize..40, any::<bool>()), 1..60),
    ) {
        let mut lab = Lab::open();
        let mut truth: Vec<Option<u8>> = vec![None; 300];
        for (offset, length, evil) in segments {
            let byte = |n: usize| if evil { 0xee } else { n as u8 };
            let payload: Vec<u8> = (offset as usize..offset as usize + length).map(byte).collect();
            let passed = lab.data(offset, &payload).is_none();
            let agrees = payload.iter().enumerate()
                .all(|(n, b)| truth[offset as usize + n].is_none_or(|t| t == *b));
            prop_assert_eq!(passed, agrees);
            if passed {
                for (n, b) in payload.iter().enumerate() {
                    truth[offset as usize + n] = Some(*b);
                }
            }
        }
        let contiguous: Vec<u8> = truth.iter().map_while(|b| *b).collect();
        prop_assert_eq!(lab.by_client(), &contiguous[..]);
    }
}

impl Lab {
    /// From the server, numbered from `isn`.
    fn server_sends(
        &mut self,
        flags: u8,
        isn: u32,
        acknowledged: u32,
        payload: &[u8],
    ) -> Option<DropReason> {
        let set = |t: &mut Builder| {
            t.syn = flags & TcpFlags::SYN != 0;
            t.ack = flags & TcpFlags::ACK != 0;
            t.fin = flags & TcpFlags::FIN != 0;
            t.rst = flags & TcpFlags::RST != 0;
            t.sequence_number = isn.wrapping_add(u32::from(!t.syn));
            t.acknowledgment_number = CLIENT_ISN.wrapping_add(1).wrapping_add(acknowledged);
        };
        self.send(Direction::ToClient, set, payload).refused
    }

    /// From the client, with all numbers as given.
    fn client_sends(
        &mut self,
        flags: u8,
        seq: u32,
        ack: u32,
        payload: &[u8],
    ) -> Option<DropReason> {
        let set = |t: &mut Builder| {
            t.syn = flags & TcpFlags::SYN != 0;
            t.ack = flags & TcpFlags::ACK != 0;
            t.rst = flags & TcpFlags::RST != 0;
            t.sequence_number = seq;
            t.acknowledgment_number = ack;
        };
        self.send(Direction::ToServer, set, payload).refused
    }

    fn by_server(&self) -> &[u8] {
        &self.delivered[1]
    }
}

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const RST: u8 = TcpFlags::RST;
const FIN: u8 = TcpFlags::FIN;

/// C14 and C15: the client answers a bare SYN with a SYN-ACK; roles stay as they are.
#[test]
fn a_split_handshake_is_followed_with_the_right_roles() {
    for five_way in [false, true] {
        let mut lab = Lab::new();
        if five_way {
            assert_eq!(lab.server_sends(ACK, 0, 0, b""), None);
        }
        assert_eq!(lab.server_sends(SYN, SERVER_ISN, 0, b""), None);
        let answer = lab.client_sends(SYN | ACK, CLIENT_ISN, SERVER_ISN + 1, b"");
        assert_eq!(answer, None);
        assert_eq!(lab.server_sends(ACK, SERVER_ISN, 0, b"evil page"), None);
        assert_eq!(lab.data(0, b"evil request"), None);
        assert_eq!(lab.by_server(), b"evil page");
        assert_eq!(lab.by_client(), b"evil request");
        assert!(lab.session.is_established());
    }
    let mut lab = Lab::new();
    lab.config.normalise = crate::stream::Normaliser::STRICT;
    let refused = lab.server_sends(SYN, SERVER_ISN, 0, b"");
    assert_eq!(refused, Some(DropReason::StreamInvalidFlags));
}

/// C16: the client did not take the data of the SYN-ACK; and where it does, it was inspected.
#[test]
fn data_of_a_syn_ack_counts_if_the_client_says_so() {
    let mut lab = Lab::new();
    assert_eq!(lab.server_sends(SYN | ACK, SERVER_ISN, 0, b"evil"), None);
    assert_eq!(lab.by_server(), b"evil");
    assert_eq!(
        lab.client_sends(ACK, CLIENT_ISN.wrapping_add(1), SERVER_ISN + 1, b""),
        None
    );
    assert_eq!((lab.restarts, lab.by_server()), (1, &b""[..]));
    assert_eq!(lab.server_sends(ACK, SERVER_ISN, 0, b"good"), None);
    assert_eq!(lab.by_server(), b"good");
    let mut lab = Lab::new();
    lab.server_sends(SYN | ACK, SERVER_ISN, 0, b"taken");
    assert_eq!(
        lab.client_sends(ACK, CLIENT_ISN.wrapping_add(1), SERVER_ISN + 6, b""),
        None
    );
    assert_eq!((lab.restarts, lab.by_server()), (0, &b"taken"[..]));
}

/// C18 to C20: before the server's SYN, nothing but a reset that acknowledges ours counts.
#[test]
fn what_precedes_the_servers_syn_ends_nothing() {
    let mut lab = Lab::new();
    let early = lab.server_sends(ACK, SERVER_ISN, 0, b"evil");
    assert_eq!(early, Some(DropReason::StreamOutOfWindow));
    let fin = lab.server_sends(FIN | ACK, SERVER_ISN, 0, b"");
    assert_eq!(fin, Some(DropReason::StreamOutOfWindow));
    let unrelated = lab.server_sends(RST | ACK, SERVER_ISN, 99, b"");
    assert_eq!(unrelated, Some(DropReason::StreamBadReset));
    let plain = lab.server_sends(RST, SERVER_ISN, 0, b"");
    assert_eq!(plain, Some(DropReason::StreamBadReset));
    assert!(!lab.session.is_closed());
    // Linux ignores this one as well if its timestamp is wrong, and then goes on.
    assert_eq!(lab.server_sends(RST | ACK, SERVER_ISN, 0, b""), None);
    assert!(lab.session.is_closed());
    assert_eq!(lab.server_sends(SYN | ACK, SERVER_ISN, 0, b""), None);
    assert!(!lab.session.is_closed());
    assert_eq!(lab.data(0, b"request"), None);
    assert_eq!(lab.by_client(), b"request");
}

/// C21 to C23.
#[test]
fn the_client_says_which_syn_ack_it_took() {
    let first = CLIENT_ISN.wrapping_add(1);
    let mut lab = Lab::new();
    assert_eq!(lab.server_sends(SYN | ACK, SERVER_ISN, 70, b""), None);
    assert_eq!(lab.client_sends(RST, first.wrapping_add(70), 0, b""), None);
    assert_eq!(lab.server_sends(SYN | ACK | FIN, SERVER_ISN, 0, b""), None);
    assert_eq!(lab.data(0, b"request"), None);
    assert_eq!(lab.by_client(), b"request");
    for taken in [SERVER_ISN, 9000] {
        let mut lab = Lab::new();
        assert_eq!(lab.server_sends(SYN | ACK, SERVER_ISN, 0, b""), None);
        assert_eq!(lab.server_sends(SYN | ACK, 9000, 0, b""), None);
        assert_eq!(lab.client_sends(ACK, first, taken + 1, b"request"), None);
        assert_eq!(lab.server_sends(ACK, taken, 7, b"page"), None);
        assert_eq!(
            (lab.by_client(), lab.by_server()),
            (&b"request"[..], &b"page"[..])
        );
        let late = lab.server_sends(SYN | ACK, 7777, 0, b"");
        assert_eq!(late, Some(DropReason::StreamInvalidFlags));
    }
}

/// A server may refuse a new connection on the ports of one that is known here.
#[test]
fn a_refusal_of_a_new_connection_reaches_the_client() {
    let mut lab = Lab::open();
    assert_eq!(lab.client_sends(SYN, 5000, 0, b""), None);
    let set = |t: &mut Builder| {
        t.rst = true;
        t.ack = true;
        t.acknowledgment_number = 5001;
    };
    assert_eq!(lab.send(Direction::ToClient, set, b"").refused, None);
    assert_eq!(lab.data(0, b"still the old"), None);
    assert_eq!(lab.by_client(), b"still the old");
}

#[test]
fn events_name_what_was_odd() {
    use StreamEvent as E;
    let ack = |offset: u32, ack: u32| {
        move |t: &mut Builder| {
            t.ack = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(1).wrapping_add(offset);
            t.acknowledgment_number = ack;
        }
    };
    let rst = |t: &mut Builder| {
        t.rst = true;
        t.sequence_number = 12;
    };
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    let to_server = Direction::ToServer;
    let mut expect = |set: &dyn Fn(&mut Builder), payload: &[u8], event: StreamEvent| {
        let outcome = lab.send(to_server, set, payload);
        assert!(outcome.events.has(event), "{event:?} {outcome:?}");
    };
    expect(&ack(0, SERVER_ISN + 1), b"abc", E::PktRetransmission);
    expect(
        &ack(0, SERVER_ISN + 1),
        b"abX",
        E::ReassemblyOverlapDifferentData,
    );
    expect(&ack(3, SERVER_ISN + 99), b"x", E::PktInvalidAck);
    expect(
        &ack(9_000_000, SERVER_ISN + 1),
        b"x",
        E::EstPacketOutOfWindow,
    );
    expect(&rst, b"", E::RstInvalidAck);
    assert!(
        lab.send(to_server, ack(3, SERVER_ISN + 1), b"d")
            .events
            .is_empty()
    );
}

/// Honest ends change their windows, probe them, and repeat themselves late.
#[test]
fn windows_are_kept_as_offered() {
    let mut lab = Lab::new();
    lab.syn_ack(SERVER_ISN, CLIENT_ISN);
    lab.data(0, b"");
    let offer = |lab: &mut Lab, acked: u32, window: u16| {
        let set = |t: &mut Builder| {
            t.ack = true;
            t.sequence_number = SERVER_ISN + 1;
            t.acknowledgment_number = CLIENT_ISN.wrapping_add(1).wrapping_add(acked);
            t.window_size = window;
        };
        lab.send(Direction::ToClient, set, b"").refused
    };
    let beyond = Some(DropReason::StreamOutOfWindow);
    assert_eq!(lab.data(65_530, b"probe"), None, "up to the edge");
    assert_eq!(lab.data(65_531, b"probe"), beyond);
    assert_eq!(offer(&mut lab, 0, 0), None);
    assert_eq!(lab.data(0, b"what was offered stays offered"), None);
    assert_eq!(offer(&mut lab, 30, 65_535), None);
    assert_eq!(lab.data(65_564, b"!"), None);
    assert_eq!(lab.data(65_565, b"!"), beyond);
    assert_eq!(
        offer(&mut lab, 0, 100),
        None,
        "an old acknowledgement, late"
    );
}

/// BGP speakers send their SYN with one TTL, and everything else with a TTL of 1.
#[test]
fn an_end_that_goes_on_with_a_low_ttl_is_helped_along() {
    let mut lab = Lab::open();
    let segment = |t: &mut Builder| {
        t.ack = true;
        t.sequence_number = CLIENT_ISN.wrapping_add(1);
        t.acknowledgment_number = SERVER_ISN + 1;
    };
    let to_server = Direction::ToServer;
    lab.ttl = 1;
    for _ in 0..2 {
        let first = lab.send(to_server, segment, b"open").refused;
        assert_eq!(first, Some(DropReason::StreamLowTtl));
    }
    for _ in 0..2 {
        let again = lab.send(to_server, segment, b"open");
        assert_eq!((again.refused, again.edit.ttl), (None, Some(64)));
    }
    assert_eq!(lab.by_client(), b"open");
    lab.ttl = 40;
    assert_eq!(lab.send(to_server, segment, b"open").edit.ttl, Some(64));
}

#[test]
fn where_packets_pass_unseen_a_handshake_may_have_too() {
    let mut lab = Lab::new();
    lab.config.tolerate_gaps = true;
    let request = lab.client_sends(ACK, CLIENT_ISN.wrapping_add(1), 5000, b"request");
    assert_eq!(request, None);
    assert_eq!(lab.server_sends(ACK, 4999, 7, b"page"), None);
    assert_eq!(
        (lab.by_client(), lab.by_server()),
        (&b"request"[..], &b"page"[..])
    );
}

/// Found by the model (tests/model_tcp): the SYN-ACK to the second would read as one to the first that
/// took a byte of its data.
#[test]
fn a_syn_that_could_be_mistaken_for_anothers_data_is_refused() {
    let syn = |at: u32| {
        move |t: &mut Builder| {
            t.syn = true;
            t.sequence_number = CLIENT_ISN.wrapping_add(at);
        }
    };
    let refused = Some(DropReason::StreamHandshakeData);
    let mut lab = Lab::new();
    assert_eq!(lab.send(Direction::ToServer, syn(0), b"ab").refused, None);
    for (at, expected) in [(1, refused), (2, refused), (3, None), (u32::MAX, None)] {
        let outcome = lab.send(Direction::ToServer, syn(at), b"");
        assert_eq!(outcome.refused, expected, "{at}");
    }
    let mut lab = Lab::new();
    assert_eq!(lab.send(Direction::ToServer, syn(2), b"").refused, None);
    assert_eq!(
        lab.send(Direction::ToServer, syn(0), b"ab").refused,
        refused
    );
    assert_eq!(lab.send(Direction::ToServer, syn(0), b"a").refused, None);
}

/// D09: while an acknowledgement is on its way, several numbers may be the exact one.
#[test]
fn a_reset_that_may_be_exact_passes_and_closes_nothing() {
    let mut lab = Lab::open();
    lab.data(0, b"abc");
    assert_eq!(lab.reset(2), None);
    assert!(!lab.session.is_closed());
    assert_eq!(lab.data(3, b"def"), None);
    lab.acknowledge(6);
    assert_eq!(lab.reset(6), None);
    assert!(lab.session.is_closed());
}
