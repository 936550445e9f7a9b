//! The catalogue's cases, in simulated time: a client that may send anything, the engine, and a
//! model of a Linux server behind it.
//!
//! Two things hold after each segment: what the application read was inspected before (the attack
//! does not get through), and at the end it has read what it would have read without the odd
//! segments (the benign twin arrives).

use etherparse::TcpHeader as Builder;
use proptest::prelude::*;

use super::linux::{Answer, Arriving, Server};
use super::tests::{packet, with_tcp};
use super::*;
use crate::counters::Counters;
use crate::stream::StreamConfig;

const FIN: u8 = TcpFlags::FIN;
const SYN: u8 = TcpFlags::SYN;
const RST: u8 = TcpFlags::RST;
const PSH: u8 = TcpFlags::PSH;
const ACK: u8 = TcpFlags::ACK;
const URG: u8 = TcpFlags::URG;

const ISN: u32 = 0xffff_fffc;
const CLOCK: u32 = 1_000_000;
/// Routers between the engine and the server.
const HOPS: u8 = 2;

/// What the client sends. Numbers count from the SYN; those of the server from its own.
#[derive(Clone, Debug)]
struct Sent {
    isn: u32,
    offset: i64,
    ack: Option<i64>,
    flags: u8,
    payload: Vec<u8>,
    /// Against the client's clock, which stands still.
    clock: Option<i64>,
    window: u16,
    ttl: u8,
    options: Vec<u8>,
    urgent: u16,
    /// Behind the engine.
    is_lost: bool,
}

fn segment(flags: u8, offset: i64, payload: &str) -> Sent {
    Sent {
        isn: ISN,
        offset,
        ack: None,
        flags,
        payload: payload.into(),
        clock: Some(0),
        window: 60_000,
        ttl: 60,
        options: Vec::new(),
        urgent: 0,
        is_lost: false,
    }
}

fn syn() -> Sent {
    segment(SYN, -1, "")
}

fn ack() -> Sent {
    segment(ACK, 0, "")
}

fn data(offset: i64, text: &str) -> Sent {
    segment(ACK | PSH, offset, text)
}

impl Sent {
    fn flags(self, flags: u8) -> Self {
        Self { flags, ..self }
    }

    fn acks(self, ack: i64) -> Self {
        Self {
            ack: Some(ack),
            ..self
        }
    }

    fn isn(self, isn: u32) -> Self {
        Self { isn, ..self }
    }

    fn at(self, clock: i64) -> Self {
        Self {
            clock: Some(clock),
            ..self
        }
    }

    fn without_clock(self) -> Self {
        Self {
            clock: None,
            ..self
        }
    }

    fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    fn options(self, options: &[u8]) -> Self {
        Self {
            options: options.to_vec(),
            ..self
        }
    }

    fn urgent(self, pointer: u16) -> Self {
        Self {
            flags: self.flags | URG,
            urgent: pointer,
            ..self
        }
    }

    fn text(self, text: &str) -> Self {
        Self {
            payload: text.into(),
            ..self
        }
    }

    fn lost(self) -> Self {
        Self {
            is_lost: true,
            ..self
        }
    }
}

const MD5: [u8; 20] = [
    19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0,
];

struct World {
    session: Option<TcpSession>,
    pool: ChunkPool,
    config: StreamConfig,
    counters: Counters,
    /// To the server.
    inspected: Vec<u8>,
    server: Server,
    /// The server's last sequence number, and its clock.
    server_isn: u32,
    server_clock: u32,
    /// It may confuse itself about the server.
    client_is_wild: bool,
}

impl World {
    fn new(fast_open: bool) -> Self {
        let config = StreamConfig::default();
        Self {
            session: None,
            pool: ChunkPool::new(&config),
            config,
            counters: Counters::default(),
            inspected: Vec::new(),
            server: Server::new(fast_open),
            server_isn: 0,
            server_clock: 0,
            client_is_wild: false,
        }
    }

    fn bytes_of(&self, s: &Sent) -> Vec<u8> {
        let ack = s.ack.unwrap_or(0) as u32;
        let mut options = s.options.clone();
        if let Some(clock) = s.clock
            && options.is_empty()
        {
            options.extend_from_slice(&[1, 1, 8, 10]);
            options.extend_from_slice(&CLOCK.wrapping_add(clock as u32).to_be_bytes());
            options.extend_from_slice(&self.server_clock.to_be_bytes());
        }
        let set = |t: &mut Builder| {
            t.sequence_number = s.isn.wrapping_add(1).wrapping_add(s.offset as u32);
            t.acknowledgment_number = if s.flags & ACK != 0 {
                self.server_isn.wrapping_add(1).wrapping_add(ack)
            } else {
                0
            };
            t.window_size = s.window;
            t.urgent_pointer = s.urgent;
            t.set_options_raw(&options).unwrap();
            t.fin = s.flags & FIN != 0;
            t.syn = s.flags & SYN != 0;
            t.rst = s.flags & RST != 0;
            t.psh = s.flags & PSH != 0;
            t.ack = s.flags & ACK != 0;
            t.urg = s.flags & URG != 0;
        };
        packet(set, &s.payload)
    }

    fn judge(&mut self, dir: Direction, bytes: &[u8], ttl: u8) -> SegmentOutcome {
        with_tcp(bytes, |tcp, payload| {
            let segment = Segment {
                dir,
                tcp,
                payload,
                ttl,
            };
            let opens = tcp.flags().0 & (SYN | ACK | RST | FIN) == SYN;
            if opens && self.session.is_none() {
                self.session = Some(TcpSession::from_syn(&segment));
            }
            let Some(session) = &mut self.session else {
                return SegmentOutcome {
                    refused: Some(DropReason::StreamMidstream),
                    ..SegmentOutcome::default()
                };
            };
            let inspected = &mut self.inspected;
            let mut shared = Shared {
                pool: &mut self.pool,
                config: &self.config,
                counters: &self.counters,
            };
            session.on_segment(&segment, &mut shared, &mut |dir, delivery| match delivery {
                Delivery::Bytes(bytes) if dir == Direction::ToServer => {
                    inspected.extend_from_slice(bytes);
                }
                Delivery::Bytes(_) => panic!("the server sends nothing"),
                Delivery::Gap(_) => panic!("no gap is tolerated"),
                Delivery::Restart | Delivery::Resume => inspected.clear(),
            })
        })
    }

    fn send(&mut self, s: &Sent) -> SegmentOutcome {
        let bytes = self.bytes_of(s);
        let outcome = self.judge(Direction::ToServer, &bytes, s.ttl);
        let ttl = outcome.edit.ttl.unwrap_or(s.ttl);
        if outcome.refused.is_some() || s.is_lost || ttl <= HOPS {
            return outcome;
        }
        let mut bytes = bytes;
        assert!(crate::decode::apply_edit(&outcome.edit, &mut bytes));
        let arriving = with_tcp(&bytes, |tcp, payload| Arriving {
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags().0,
            window: u32::from(tcp.window()),
            timestamp: tcp.options.timestamps,
            md5: tcp.options.md5,
            urgent: u16::from_be_bytes([tcp.bytes()[18], tcp.bytes()[19]]),
            payload: payload.to_vec(),
        });
        let before = (self.server.connections, self.server.application.len());
        let answer = self.server.take(&arriving);
        let read = &self.server.application;
        let has_read = before != (self.server.connections, read.len());
        assert!(
            !has_read || self.inspected.starts_with(read),
            "read without inspection: {:?}, inspected {:?}, by {s:?}",
            String::from_utf8_lossy(read),
            String::from_utf8_lossy(&self.inspected),
        );
        if let Some(answer) = answer {
            self.answer(&answer);
        }
        outcome
    }

    fn answer(&mut self, answer: &Answer) {
        let mut options = Vec::new();
        if let Some((value, echo)) = answer.timestamp {
            options.extend_from_slice(&[1, 1, 8, 10]);
            options.extend_from_slice(&value.to_be_bytes());
            options.extend_from_slice(&echo.to_be_bytes());
        }
        let set = |t: &mut Builder| {
            t.sequence_number = answer.seq;
            t.acknowledgment_number = answer.ack;
            t.window_size = 65_000;
            t.syn = answer.flags & SYN != 0;
            t.ack = answer.flags & ACK != 0;
            t.set_options_raw(&options).unwrap();
        };
        let outcome = self.judge(Direction::ToClient, &packet(set, b""), 60);
        assert!(
            self.client_is_wild || outcome.refused.is_none(),
            "the server is honest: {answer:?} {outcome:?}"
        );
        if answer.flags & SYN != 0 {
            self.server_isn = answer.seq;
        }
        if let Some((value, _)) = answer.timestamp {
            self.server_clock = value;
        }
    }
}

/// Number, what the client sends, what the server's application has read at the end.
type Case = (&'static str, Vec<Sent>, &'static str);

/// Behind a handshake.
fn connected(number: &'static str, segments: Vec<Sent>, read: &'static str) -> Case {
    let mut all = vec![syn(), ack()];
    all.extend(segments);
    (number, all, read)
}

fn cases() -> Vec<Case> {
    let unknown_option = [77, 4, 1, 2];
    vec![
        (
            "C01",
            vec![syn().text("evil"), ack(), data(0, "good")],
            "good",
        ),
        ("C03", vec![syn(), data(0, "good")], "good"),
        (
            "C04",
            vec![syn(), data(0, "evil").flags(PSH), ack(), data(0, "good")],
            "good",
        ),
        (
            "C05 fin",
            vec![syn().flags(SYN | FIN), syn(), ack(), data(0, "good")],
            "good",
        ),
        (
            "C05 rst",
            vec![syn().flags(SYN | RST), syn(), ack(), data(0, "good")],
            "good",
        ),
        (
            "C06",
            vec![syn().flags(SYN | PSH).urgent(1), ack(), data(0, "good")],
            "good",
        ),
        (
            "C08",
            vec![syn().options(&MD5), syn(), ack(), data(0, "good")],
            "good",
        ),
        (
            "C08 other",
            vec![
                syn().options(&MD5),
                syn().isn(9),
                ack().isn(9),
                data(0, "good").isn(9),
            ],
            "good",
        ),
        (
            "C09",
            vec![syn(), syn().isn(7_777_777), ack(), data(0, "good")],
            "good",
        ),
        (
            "C09 lost",
            vec![
                syn().lost(),
                syn().isn(777),
                ack().isn(777),
                data(0, "good").isn(777),
            ],
            "good",
        ),
        (
            "C10",
            vec![
                syn(),
                segment(RST, 0, ""),
                syn().isn(777),
                ack().isn(777),
                data(0, "good").isn(777),
            ],
            "good",
        ),
        connected(
            "C11",
            vec![
                data(0, "go"),
                syn().isn(777),
                ack().isn(777),
                data(0, "evil").isn(777),
                data(2, "od"),
            ],
            "good",
        ),
        (
            "C12",
            vec![data(0, "evil"), syn(), ack(), data(0, "good")],
            "good",
        ),
        (
            "C13",
            vec![segment(SYN | ACK, -1, ""), syn(), ack(), data(0, "good")],
            "good",
        ),
        (
            "C13 after",
            vec![
                syn().lost(),
                segment(SYN | ACK, -1, ""),
                syn(),
                ack(),
                data(0, "good"),
            ],
            "good",
        ),
        (
            "C25",
            vec![syn().acks(12345), ack(), data(0, "good")],
            "good",
        ),
        (
            "C third ack",
            vec![syn(), data(0, "evil").acks(9), data(0, "good")],
            "good",
        ),
        (
            "C third ack, old",
            vec![syn(), data(0, "evil").at(-1), data(0, "good")],
            "good",
        ),
        connected(
            "D01",
            vec![data(0, "good"), segment(RST, 4, ""), data(4, "evil")],
            "good",
        ),
        connected(
            "D02",
            vec![data(0, "go"), segment(RST, 50, ""), data(2, "od")],
            "good",
        ),
        connected(
            "D03",
            vec![data(0, "go"), segment(RST, 3_000_000, ""), data(2, "od")],
            "good",
        ),
        connected(
            "D05",
            vec![
                data(0, "go"),
                segment(RST, 2, "").options(&MD5),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "D06",
            vec![
                data(0, "good"),
                segment(RST | ACK, 4, "").acks(-99_999),
                data(4, "evil"),
            ],
            "good",
        ),
        connected(
            "D07",
            vec![
                data(0, "good"),
                segment(RST, 4, "").at(-99_999),
                data(4, "evil"),
            ],
            "good",
        ),
        connected(
            "D08",
            vec![
                data(0, "good"),
                data(9, "x"),
                segment(RST, 10, ""),
                data(4, "evil"),
            ],
            "good",
        ),
        connected(
            "D09",
            vec![data(0, "go"), segment(RST, 1, ""), data(2, "od")],
            "good",
        ),
        connected(
            "D10",
            vec![data(0, "good"), segment(RST, 4, "evil"), data(4, "evil")],
            "good",
        ),
        connected(
            "D11",
            vec![data(0, "go"), segment(0x3f, 2, "evil"), data(2, "od")],
            "good",
        ),
        connected(
            "D12",
            vec![data(0, "go"), segment(FIN, 2, ""), data(2, "od")],
            "good",
        ),
        connected(
            "D12 data",
            vec![data(0, "go"), segment(FIN, 2, "evil"), data(2, "od")],
            "good",
        ),
        connected(
            "D13",
            vec![
                data(0, "go"),
                segment(FIN | ACK, 2, "").acks(500),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "D14",
            vec![data(0, "go"), segment(FIN | ACK, 0, ""), data(2, "od")],
            "good",
        ),
        connected(
            "D15",
            vec![segment(FIN | ACK, 4, ""), data(2, "od"), data(0, "go")],
            "good",
        ),
        connected(
            "D16",
            vec![
                data(0, "good"),
                segment(FIN | ACK, 4, ""),
                data(4, "evil"),
                data(5, "evil"),
            ],
            "good",
        ),
        connected(
            "D17",
            vec![data(0, "go"), segment(RST, 2, "").ttl(1), data(2, "od")],
            "good",
        ),
        connected(
            "D18",
            vec![
                data(0, "good"),
                segment(RST, 4, ""),
                data(4, "more"),
                data(8, "evil"),
            ],
            "good",
        ),
        connected(
            "D19",
            vec![
                data(0, "old"),
                segment(RST, 3, ""),
                syn().isn(777),
                ack().isn(777),
                data(0, "good").isn(777),
            ],
            "good",
        ),
        connected(
            "E01",
            vec![data(0, "g"), data(1, "o"), data(2, "o"), data(3, "d")],
            "good",
        ),
        connected(
            "E02",
            vec![data(3, "d"), data(2, "o"), data(1, "o"), data(0, "g")],
            "good",
        ),
        connected("E03", vec![data(0, "good"), data(0, "evil")], "good"),
        connected("E04", vec![data(0, "good"), data(0, "evilly")], "goodly"),
        connected(
            "E05",
            vec![data(2, "od"), data(2, "XX"), data(0, "go")],
            "good",
        ),
        connected(
            "E06",
            vec![data(2, "od"), data(0, "evil"), data(0, "go")],
            "good",
        ),
        connected(
            "E07",
            vec![data(2, "od"), data(0, "evi"), data(0, "go")],
            "good",
        ),
        connected(
            "E08",
            vec![data(2, "o"), data(1, "evil"), data(3, "d"), data(0, "go")],
            "good",
        ),
        connected(
            "E09",
            vec![data(2, "o"), data(2, "vil"), data(3, "d"), data(0, "go")],
            "good",
        ),
        connected(
            "E10",
            vec![data(2, "od"), data(1, "vi"), data(0, "go")],
            "good",
        ),
        connected(
            "E11",
            vec![data(1, "oo"), data(2, "il"), data(3, "d"), data(0, "g")],
            "good",
        ),
        connected(
            "E12",
            vec![data(1, "ood"), data(2, "i"), data(0, "g")],
            "good",
        ),
        connected(
            "E15",
            vec![
                data(0, "go"),
                data(2, "evil").flags(0),
                data(2, "evil").flags(PSH),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E16",
            vec![
                data(0, "go"),
                data(2, "evil").flags(SYN),
                data(2, "evil").flags(SYN | ACK),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E17",
            vec![
                data(0, "go").at(10),
                data(2, "evil").at(-10),
                data(2, "od").at(11),
            ],
            "good",
        ),
        connected(
            "E18",
            vec![data(0, "go").at(10), data(2, "od").at(9)],
            "good",
        ),
        connected(
            "E19",
            vec![
                data(0, "go"),
                data(2, "evil").at(-i64::from(CLOCK)),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E20",
            vec![data(0, "go"), data(2, "od").without_clock()],
            "good",
        ),
        (
            "E21",
            vec![
                syn().without_clock(),
                ack().without_clock(),
                data(0, "go").at(-99),
                data(2, "od").at(-9999),
            ],
            "good",
        ),
        connected(
            "E22",
            vec![
                data(0, "go").options(&[8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E23",
            vec![data(0, "go"), data(2, "evil").acks(70_000), data(2, "od")],
            "good",
        ),
        connected(
            "E24",
            vec![
                data(0, "go"),
                data(2, "evil").acks(-11),
                data(2, "evil").acks(-99_999),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E25",
            vec![
                data(0, "go"),
                data(3_000_000, "evil"),
                data(65_003, "evil"),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "E26",
            vec![data(0, "go"), data(2, "evil").options(&MD5), data(2, "od")],
            "good",
        ),
        connected(
            "E27",
            vec![
                data(0, "go"),
                data(2, "od").options(&[29, 8, 1, 1, 0, 0, 0, 0]),
            ],
            "good",
        ),
        connected(
            "E28 unknown",
            vec![data(0, "go"), data(2, "od").options(&unknown_option)],
            "good",
        ),
        connected(
            "E28 end",
            vec![data(0, "go"), data(2, "od").options(&[0, 19, 18, 1])],
            "good",
        ),
        connected(
            "E28 window",
            vec![data(0, "go").window(0), data(2, "od").window(0)],
            "good",
        ),
        connected(
            "E31",
            vec![data(0, "good").urgent(1), data(4, "ness").urgent(3)],
            "goodness",
        ),
        connected("E32", vec![data(0, "good").urgent(0)], "good"),
        connected(
            "E33",
            vec![data(0, "go").urgent(1), data(2, "od").urgent(2)],
            "good",
        ),
        connected("E34", vec![data(0, "go").urgent(4), data(2, "od")], "good"),
        connected("E34 bare", vec![ack().urgent(3), data(0, "good")], "good"),
        connected(
            "E35",
            vec![Sent {
                urgent: 2,
                ..data(0, "good")
            }],
            "good",
        ),
        connected(
            "E36",
            vec![data(0, "go"), data(1, "X"), data(2, "od")],
            "good",
        ),
        connected("E36 first", vec![data(-1, "X"), data(0, "good")], "good"),
        connected(
            "E38",
            vec![data(0, "good").lost(), data(0, "evil"), data(0, "good")],
            "good",
        ),
        connected(
            "E38 part",
            vec![
                data(0, "good").lost(),
                data(2, "il"),
                data(0, "go"),
                data(2, "od"),
            ],
            "good",
        ),
        connected(
            "A32",
            vec![data(0, "go"), data(2, "evil").ttl(1), data(2, "od")],
            "good",
        ),
        connected(
            "A32 raised",
            vec![data(0, "go"), data(2, "od").ttl(40)],
            "good",
        ),
    ]
}

#[test]
fn the_attack_is_inspected_and_the_twin_arrives() {
    for (number, segments, read) in cases() {
        let mut world = World::new(false);
        for segment in &segments {
            world.send(segment);
        }
        let got = String::from_utf8_lossy(&world.server.application).into_owned();
        assert_eq!(got, read, "{number}");
    }
}

/// C02: a server that takes the data of a SYN, and one SYN sent again without.
#[test]
fn data_of_a_syn_that_the_server_takes_is_inspected() {
    let mut world = World::new(true);
    world.send(&syn().text("go"));
    assert_eq!(world.inspected, b"go");
    assert_eq!(
        world.send(&syn().text("evil")).refused,
        Some(DropReason::StreamHandshakeData)
    );
    world.send(&syn());
    world.send(&data(2, "od"));
    assert_eq!(world.server.application, b"good");
    let mut world = World::new(true);
    world.config.normalise = crate::stream::Normaliser::STRICT;
    let refused = world.send(&syn().text("go")).refused;
    assert_eq!(refused, Some(DropReason::StreamHandshakeData));
    assert!(world.inspected.is_empty());
}

/// What a client may do that knows the engine and the server.
fn any_segment() -> impl Strategy<Value = Sent> {
    let flags = prop_oneof![
        8 => Just(ACK | PSH),
        1 => Just(ACK | FIN),
        1 => Just(RST),
        1 => Just(SYN),
        1 => any::<u8>().prop_map(|f| f & 0x3f),
    ];
    let isn = prop_oneof![12 => Just(ISN), 1 => Just(777_u32), 1 => Just(ISN.wrapping_add(9))];
    let ack = prop_oneof![8 => Just(0_i64), 1 => -20_i64..20];
    let clock =
        prop_oneof![8 => Just(Some(0_i64)), 2 => (-3_i64..4).prop_map(Some), 1 => Just(None)];
    let ttl = prop_oneof![8 => Just(60_u8), 1 => 1_u8..70];
    let numbers = (-2_i64..14, 0_usize..6, 0_u16..4);
    let oddities = (any::<bool>(), 0_u8..12, 0_u8..24);
    (flags, isn, ack, clock, ttl, numbers, oddities).prop_map(
        |(flags, isn, ack, clock, ttl, (offset, length, urgent), (upper, lost, md5))| {
            let letters = if upper {
                "ABCDEFGHIJKLMNOPQRSTU"
            } else {
                "abcdefghijklmnopqrstu"
            };
            let from = offset.unsigned_abs() as usize;
            Sent {
                isn,
                ack: Some(ack),
                clock,
                ttl,
                urgent,
                options: if md5 == 0 { MD5.to_vec() } else { Vec::new() },
                is_lost: lost == 0,
                offset: if flags & SYN != 0 { -1 } else { offset },
                ..segment(flags, 0, &letters[from..from + length])
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(model_cases()))]

    /// Whatever a client sends, in whatever order: nothing is read that was not inspected.
    #[test]
    fn nothing_is_read_without_inspection(
        fast_open in any::<bool>(),
        profile in 0_usize..3,
        handshake in any::<bool>(),
        segments in proptest::collection::vec(any_segment(), 1..40),
    ) {
        use crate::stream::Normaliser;
        let mut world = World::new(fast_open);
        world.client_is_wild = true;
        world.config.normalise = [Normaliser::STRICT, Normaliser::NORMAL, Normaliser::OFF][profile];
        if handshake {
            world.send(&syn());
            world.send(&ack());
        }
        for segment in &segments {
            world.send(segment);
        }
    }
}

/// `STOPGAP_MODEL_CASES` looks further than every run of the tests does.
fn model_cases() -> u32 {
    std::env::var("STOPGAP_MODEL_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2_000)
}

/// What a Linux server provably ignores, with bytes that nobody sent otherwise.
fn ignored() -> impl Strategy<Value = Sent> {
    let numbers = (0_i64..20, 1_usize..6, 0_usize..14);
    numbers.prop_map(|(offset, length, kind)| {
        let evil = data(offset, &"XXXXXX"[..length]);
        match kind {
            0 => evil.flags(0),
            1 => evil.flags(PSH),
            2 => evil.flags(SYN),
            3 => evil.flags(SYN | ACK),
            4 => evil.flags(FIN),
            5 => evil.at(-50),
            6 => evil.at(-i64::from(CLOCK)),
            7 => evil.acks(400),
            8 => evil.acks(-12),
            9 => evil.options(&MD5),
            10 => evil.ttl(1),
            11 => segment(RST, offset + 100, ""),
            12 => segment(RST, offset, "").options(&MD5),
            _ => data(offset + 70_000, "XXXXXX"),
        }
    })
}

const TEXT: &str = "abcdefghijklmnopqrst";

/// Honest pieces, some of which are lost behind the engine.
fn honest() -> impl Strategy<Value = Sent> {
    (0_usize..20, 1_usize..8, 0_u8..4).prop_map(|(from, length, lost)| {
        let to = (from + length).min(TEXT.len());
        Sent {
            is_lost: lost == 0,
            ..data(from as i64, &TEXT[from..to])
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(model_cases()))]

    /// What the receiver ignores neither reaches it nor stands in the way of what it takes; nor do
    /// loss, repetition, order and other cuts of honest bytes.
    #[test]
    fn what_is_ignored_changes_nothing(
        segments in proptest::collection::vec(
            prop_oneof![1 => ignored(), 2 => honest()], 1..40,
        ),
    ) {
        let mut world = World::new(false);
        world.send(&syn());
        world.send(&ack());
        for segment in &segments {
            let evil = segment.payload.starts_with(b"X");
            let refused = world.send(segment).refused;
            prop_assert!(evil || segment.flags & RST != 0 || refused.is_none(), "{refused:?} {segment:?}");
        }
        for at in 0..TEXT.len() {
            prop_assert_eq!(world.send(&data(at as i64, &TEXT[at..])).refused, None);
        }
        prop_assert_eq!(&world.server.application[..], TEXT.as_bytes());
    }
}
