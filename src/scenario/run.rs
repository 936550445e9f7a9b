//! Plays one variant past an engine and judges by what was received.

use std::time::Duration;

use super::model::{Message, Scenario, Side, Transport};
use super::receiver::Receiver;
use super::variant::{Sending, Variant};
use super::wire::{Path, Segment};
use crate::direction::Direction;
use crate::time::Timestamp;
use crate::verdict::{DropReason, Verdict};

/// What stands in the path: takes IP datagrams, as a worker does.
pub trait Engine {
    /// Judges one IP datagram. What it leaves in `packet` is what is forwarded.
    fn process(&mut self, packet: &mut [u8], now: Timestamp) -> Verdict;
    /// No more packets come: what was seen since the engine was made.
    fn finish(&mut self) -> Outcome;
}

/// What an engine says it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub blocked_flows: u64,
    /// Every alert's signature, in order.
    pub alerts: Vec<FiredSignature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiredSignature {
    pub gid: u32,
    pub sid: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// An attack: its message must not arrive whole, and the patch must say it was the one.
    Stopped,
    /// A look-alike: every byte must arrive, no packet be dropped, and the patch stay silent.
    Untouched,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantResult {
    pub held: bool,
    /// Why it did not hold.
    pub reason: Option<String>,
    /// Packets given to the engine.
    pub packets: u64,
}

const START: Timestamp = Timestamp::from_secs(1_700_000_000);
const BETWEEN_PACKETS: Duration = Duration::from_micros(100);
/// Near the end of the sequence space, so that most scenarios wrap.
const CLIENT_ISN: u32 = u32::MAX - 100;
const SERVER_ISN: u32 = 0x5eed_0000;

/// Plays `scenario` as `variant` past a fresh `engine`. `is_own` tells the
/// signatures of the patch that is tested.
pub fn run<E: Engine + ?Sized>(
    scenario: &Scenario,
    variant: &Variant,
    expectation: Expectation,
    is_own: &dyn Fn(FiredSignature) -> bool,
    engine: &mut E,
) -> VariantResult {
    let mut link = Link {
        engine,
        now: START,
        packets: 0,
        dropped: 0,
        first_drop: None,
    };
    let path = Path::new(scenario.ip_version, scenario.server_port);
    let exchange = match scenario.transport {
        Transport::Tcp => tcp_exchange(scenario, variant, &path, &mut link),
        Transport::Udp => udp_exchange(scenario, variant, &path, &mut link),
    };
    let Link {
        packets,
        dropped,
        first_drop,
        ..
    } = link;
    let judgement = Judgement {
        scenario,
        exchange,
        dropped,
        first_drop,
        outcome: engine.finish(),
        is_own,
    };
    let fault = match expectation {
        Expectation::Stopped => judgement.fault_as_attack(),
        Expectation::Untouched => judgement.fault_as_benign(),
    };
    VariantResult {
        held: fault.is_none(),
        reason: fault,
        packets,
    }
}

/// The engine with a clock and a tally.
struct Link<'a, E: ?Sized> {
    engine: &'a mut E,
    now: Timestamp,
    packets: u64,
    dropped: u64,
    first_drop: Option<DropReason>,
}

impl<E: Engine + ?Sized> Link<'_, E> {
    /// The packet as forwarded, if it was.
    fn send(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        self.now = self.now + BETWEEN_PACKETS;
        self.packets += 1;
        match self.engine.process(&mut packet, self.now) {
            // No change touches what is judged here, the payload.
            Verdict::Forward | Verdict::Rewrite(_) => Some(packet),
            Verdict::Drop(reason) => {
                self.dropped += 1;
                self.first_drop.get_or_insert(reason);
                None
            }
            Verdict::Held => None,
        }
    }
}

/// How far an exchange got.
struct Exchange {
    connected: bool,
    /// Messages that arrived whole, from the first on.
    arrived: usize,
    /// Every byte that arrived is the one that was sent.
    unchanged: bool,
}

fn tcp_exchange<E: Engine + ?Sized>(
    scenario: &Scenario,
    variant: &Variant,
    path: &Path,
    link: &mut Link<'_, E>,
) -> Exchange {
    let mut connection = Connection::new(scenario, path);
    let connected = connection.handshake(link);
    let mut arrived = 0;
    for (index, message) in scenario.messages.iter().enumerate() {
        if !connected || !connection.deliver(index, message, variant, link) {
            break;
        }
        arrived += 1;
    }
    if connected && arrived == scenario.messages.len() {
        connection.close(link);
    }
    Exchange {
        connected,
        arrived,
        unchanged: connection.unchanged(&scenario.messages),
    }
}

/// Both ends of one TCP connection. Arrays are by direction of the bytes.
struct Connection<'a> {
    path: &'a Path,
    /// Sequence number of the first byte.
    first: [u32; 2],
    sent: [usize; 2],
    receivers: [Receiver; 2],
}

impl<'a> Connection<'a> {
    fn new(scenario: &Scenario, path: &'a Path) -> Self {
        let first = [CLIENT_ISN, SERVER_ISN].map(|isn| isn.wrapping_add(1));
        let receivers = [Side::Client, Side::Server].map(|side| {
            let own = scenario.messages.iter().filter(|m| m.from == side);
            let length = own.map(|m| m.bytes.len()).sum();
            Receiver::new(first[side.sends().index()], length)
        });
        Self {
            path,
            first,
            sent: [0; 2],
            receivers,
        }
    }

    fn handshake<E: Engine + ?Sized>(&self, link: &mut Link<'_, E>) -> bool {
        let syn = Segment {
            seq: CLIENT_ISN,
            syn: true,
            ..Segment::default()
        };
        let syn_ack = Segment {
            seq: SERVER_ISN,
            ack: Some(self.first[Direction::ToServer.index()]),
            syn: true,
            ..Segment::default()
        };
        link.send(self.path.tcp(Direction::ToServer, &syn))
            .is_some()
            && link
                .send(self.path.tcp(Direction::ToClient, &syn_ack))
                .is_some()
            && self.acknowledge(Direction::ToServer, link)
    }

    /// Sends one message and its acknowledgement; whether it arrived whole.
    fn deliver<E: Engine + ?Sized>(
        &mut self,
        index: usize,
        message: &Message,
        variant: &Variant,
        link: &mut Link<'_, E>,
    ) -> bool {
        let direction = message.from.sends();
        let start = self.sent[direction.index()];
        self.sent[direction.index()] += message.bytes.len();
        let mut segments = variant.segments(index, message.bytes.len());
        if variant.sending == Sending::Reversed {
            segments.reverse();
        }
        let copies = if variant.sending == Sending::Repeated {
            2
        } else {
            1
        };
        for segment in segments {
            let payload = message.bytes.get(segment.clone()).unwrap_or_default();
            for _ in 0..copies {
                self.send(direction, start + segment.start, payload, link);
            }
        }
        if !self.all_received(direction) {
            // A sender does not give up: what was refused must stay refused.
            let received = self.receivers[direction.index()].received();
            let rest = received.saturating_sub(start);
            for piece in message.bytes.get(rest..).unwrap_or_default().chunks(1_460) {
                let at = self.receivers[direction.index()].received();
                self.send(direction, at, piece, link);
            }
        }
        self.all_received(direction) && {
            self.acknowledge(direction.opposite(), link);
            true
        }
    }

    fn send<E: Engine + ?Sized>(
        &mut self,
        direction: Direction,
        offset: usize,
        payload: &[u8],
        link: &mut Link<'_, E>,
    ) {
        let segment = Segment {
            seq: sequence(self.first[direction.index()], offset),
            ack: Some(self.acknowledged(direction)),
            payload,
            ..Segment::default()
        };
        if let Some(forwarded) = link.send(self.path.tcp(direction, &segment)) {
            self.receivers[direction.index()].take(&forwarded);
        }
    }

    fn all_received(&self, direction: Direction) -> bool {
        self.receivers[direction.index()].received() >= self.sent[direction.index()]
    }

    /// What a segment that goes in `direction` acknowledges of the other one.
    fn acknowledged(&self, direction: Direction) -> u32 {
        let other = direction.opposite().index();
        sequence(self.first[other], self.receivers[other].received())
    }

    fn acknowledge<E: Engine + ?Sized>(
        &self,
        direction: Direction,
        link: &mut Link<'_, E>,
    ) -> bool {
        let segment = Segment {
            seq: sequence(self.first[direction.index()], self.sent[direction.index()]),
            ack: Some(self.acknowledged(direction)),
            ..Segment::default()
        };
        link.send(self.path.tcp(direction, &segment)).is_some()
    }

    /// The client closes, then the server; each FIN takes one sequence number.
    fn close<E: Engine + ?Sized>(&self, link: &mut Link<'_, E>) {
        let end = Direction::BOTH.map(|direction| {
            let index = direction.index();
            sequence(self.first[index], self.sent[index])
        });
        let steps = [
            (Direction::ToServer, end[0], end[1], true),
            (Direction::ToClient, end[1], end[0].wrapping_add(1), true),
            (
                Direction::ToServer,
                end[0].wrapping_add(1),
                end[1].wrapping_add(1),
                false,
            ),
        ];
        for (direction, seq, ack, fin) in steps {
            let segment = Segment {
                seq,
                ack: Some(ack),
                fin,
                ..Segment::default()
            };
            link.send(self.path.tcp(direction, &segment));
        }
    }

    fn unchanged(&self, messages: &[Message]) -> bool {
        [Side::Client, Side::Server].into_iter().all(|side| {
            let receiver = &self.receivers[side.sends().index()];
            let sent = messages.iter().filter(|message| message.from == side);
            let mut expected: Vec<u8> = sent.flat_map(|message| message.bytes.clone()).collect();
            expected.truncate(receiver.received());
            receiver.received_exactly(&expected)
        })
    }
}

/// The sequence number of the byte at `offset`; sequence numbers wrap (RFC 9293 section 3.4).
fn sequence(first: u32, offset: usize) -> u32 {
    first.wrapping_add(offset as u32)
}

fn udp_exchange<E: Engine + ?Sized>(
    scenario: &Scenario,
    variant: &Variant,
    path: &Path,
    link: &mut Link<'_, E>,
) -> Exchange {
    let copies = if variant.sending == Sending::Repeated {
        2
    } else {
        1
    };
    let mut exchange = Exchange {
        connected: true,
        arrived: 0,
        unchanged: true,
    };
    for message in &scenario.messages {
        let packet = path.udp(message.from.sends(), &message.bytes);
        let mut arrived = false;
        for _ in 0..copies {
            if let Some(forwarded) = link.send(packet.clone()) {
                arrived = true;
                exchange.unchanged &= forwarded == packet;
            }
        }
        if !arrived {
            break;
        }
        exchange.arrived += 1;
    }
    exchange
}

struct Judgement<'a> {
    scenario: &'a Scenario,
    exchange: Exchange,
    dropped: u64,
    first_drop: Option<DropReason>,
    outcome: Outcome,
    is_own: &'a dyn Fn(FiredSignature) -> bool,
}

impl Judgement<'_> {
    fn own_alert(&self) -> Option<FiredSignature> {
        let mut alerts = self.outcome.alerts.iter().copied();
        alerts.find(|&alert| (self.is_own)(alert))
    }

    /// Why this attack was not stopped by the patch; `None`: it was.
    fn fault_as_attack(&self) -> Option<String> {
        let attacking = self.scenario.attacking_message();
        if !self.exchange.connected {
            return Some(self.no_connection());
        }
        if self.exchange.arrived > attacking {
            return Some(match self.own_alert() {
                None => "the attack arrived, and the patch did not see it".to_owned(),
                Some(id) => format!("{}:{} fired, but the attack arrived", id.gid, id.sid),
            });
        }
        if self.own_alert().is_none() {
            return Some(format!(
                "message {} did not arrive whole, but no signature of the patch fired{}",
                self.exchange.arrived + 1,
                self.because()
            ));
        }
        if self.outcome.blocked_flows == 0 {
            return Some("packets were dropped, but the flow was not blocked".to_owned());
        }
        None
    }

    /// Why this look-alike did not pass untouched; `None`: it did.
    fn fault_as_benign(&self) -> Option<String> {
        if let Some(id) = self.own_alert() {
            return Some(format!("{}:{} fired", id.gid, id.sid));
        }
        if !self.exchange.connected {
            return Some(self.no_connection());
        }
        if self.exchange.arrived < self.scenario.messages.len() {
            let message = self.exchange.arrived + 1;
            return Some(format!(
                "message {message} did not arrive whole{}",
                self.because()
            ));
        }
        if !self.exchange.unchanged {
            return Some("bytes arrived that are not those sent".to_owned());
        }
        (self.dropped > 0).then(|| {
            let dropped = self.dropped;
            format!("{dropped} packets were dropped{}", self.because())
        })
    }

    fn no_connection(&self) -> String {
        format!("the handshake did not get through{}", self.because())
    }

    fn because(&self) -> String {
        self.first_drop
            .map_or_else(String::new, |reason| format!(" (first drop: {reason})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::variant::{ContentPattern, Segmentation, variants};
    use etherparse::{SlicedPacket, TransportSlice};

    const OWN: FiredSignature = FiredSignature { gid: 1, sid: 9 };

    /// Looks for `needle` in the client's bytes in order, as a real engine must.
    struct Toy {
        needle: &'static [u8],
        /// Only within single segments: what an engine without reassembly would see.
        blind_to_cuts: bool,
        /// Forgets that it refused a flow.
        forgetful: bool,
        fires_only: bool,
        stream: Receiver,
        whole: Vec<u8>,
        refused: bool,
        outcome: Outcome,
    }

    impl Toy {
        fn new(needle: &'static [u8]) -> Self {
            Self {
                needle,
                blind_to_cuts: false,
                forgetful: false,
                fires_only: false,
                stream: Receiver::new(CLIENT_ISN.wrapping_add(1), 1 << 16),
                whole: vec![0; 1 << 16],
                refused: false,
                outcome: Outcome::default(),
            }
        }

        fn sees(&mut self, packet: &[u8]) -> bool {
            let Ok(SlicedPacket {
                transport: Some(transport),
                ..
            }) = SlicedPacket::from_ip(packet)
            else {
                return false;
            };
            match transport {
                TransportSlice::Udp(udp) => contains(udp.payload(), self.needle),
                TransportSlice::Tcp(tcp) if self.blind_to_cuts => {
                    contains(tcp.payload(), self.needle)
                }
                TransportSlice::Tcp(tcp) => {
                    let at = tcp
                        .sequence_number()
                        .wrapping_sub(CLIENT_ISN.wrapping_add(1));
                    if let Some(place) = self.whole.get_mut(at as usize..) {
                        for (slot, byte) in place.iter_mut().zip(tcp.payload()) {
                            *slot = *byte;
                        }
                    }
                    self.stream.take(packet);
                    contains(&self.whole[..self.stream.received()], self.needle)
                }
                _ => false,
            }
        }
    }

    fn contains(haystack: &[u8], needle: &[u8]) -> bool {
        haystack
            .windows(needle.len())
            .any(|window| window == needle)
    }

    impl Engine for Toy {
        fn process(&mut self, packet: &mut [u8], _now: Timestamp) -> Verdict {
            if self.refused && !self.forgetful {
                return Verdict::Drop(DropReason::FlowDrop);
            }
            if self.refused || !self.sees(packet) {
                return Verdict::Forward;
            }
            self.outcome.alerts.push(OWN);
            if self.fires_only {
                return Verdict::Forward;
            }
            self.refused = true;
            self.outcome.blocked_flows = 1;
            Verdict::Drop(DropReason::Rules)
        }

        fn finish(&mut self) -> Outcome {
            std::mem::take(&mut self.outcome)
        }
    }

    fn scenario(transport: Transport) -> Scenario {
        let message = |from, bytes: &[u8]| Message {
            from,
            bytes: bytes.to_vec(),
            attack: false,
        };
        Scenario {
            name: "s".into(),
            title: "s".into(),
            transport,
            server_port: 80,
            ip_version: 4,
            messages: vec![
                message(Side::Client, b"GET /"),
                message(Side::Server, b"100 Continue"),
                message(Side::Client, b"some evil bytes and some more of them"),
            ],
        }
    }

    fn play(
        scenario: &Scenario,
        expectation: Expectation,
        mut toy: impl FnMut() -> Toy,
    ) -> Vec<VariantResult> {
        let contents = [ContentPattern {
            bytes: b"evil".to_vec(),
            nocase: false,
        }];
        variants(scenario, &contents)
            .all
            .iter()
            .map(|variant| run(scenario, variant, expectation, &|id| id == OWN, &mut toy()))
            .collect()
    }

    #[test]
    fn an_engine_that_reassembles_stops_every_variant() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let results = play(&scenario(transport), Expectation::Stopped, || {
                Toy::new(b"evil")
            });
            assert!(results.iter().all(|r| r.held), "{results:?}");
        }
    }

    #[test]
    fn an_engine_that_sees_single_segments_is_found_out() {
        let results = play(&scenario(Transport::Tcp), Expectation::Stopped, || Toy {
            blind_to_cuts: true,
            ..Toy::new(b"evil")
        });
        let held = results.iter().filter(|r| r.held).count();
        assert_eq!(held, 2, "only the whole ones: {results:?}");
    }

    #[test]
    fn a_refusal_that_a_retransmission_undoes_does_not_count() {
        let results = play(&scenario(Transport::Tcp), Expectation::Stopped, || Toy {
            forgetful: true,
            ..Toy::new(b"evil")
        });
        assert!(results.iter().all(|r| !r.held), "{results:?}");
    }

    #[test]
    fn an_alert_alone_stops_nothing() {
        let results = play(&scenario(Transport::Tcp), Expectation::Stopped, || Toy {
            fires_only: true,
            ..Toy::new(b"evil")
        });
        assert!(results.iter().all(|r| !r.held));
        assert!(results[0].reason.as_deref().unwrap().contains("arrived"));
    }

    #[test]
    fn a_block_by_another_patch_does_not_count() {
        let scenario = scenario(Transport::Tcp);
        let whole = variants(&scenario, &[]).all[0];
        let result = run(
            &scenario,
            &whole,
            Expectation::Stopped,
            &|_| false,
            &mut Toy::new(b"evil"),
        );
        assert!(!result.held);
    }

    #[test]
    fn look_alikes_pass_unless_something_fires() {
        for transport in [Transport::Tcp, Transport::Udp] {
            let scenario = scenario(transport);
            let quiet = play(&scenario, Expectation::Untouched, || Toy::new(b"absent"));
            assert!(quiet.iter().all(|r| r.held), "{quiet:?}");
            let noisy = play(&scenario, Expectation::Untouched, || Toy::new(b"evil"));
            assert!(noisy.iter().all(|r| !r.held), "{noisy:?}");
        }
    }

    #[test]
    fn an_engine_that_drops_the_handshake_is_named_so() {
        struct Wall;
        impl Engine for Wall {
            fn process(&mut self, _: &mut [u8], _: Timestamp) -> Verdict {
                Verdict::Drop(DropReason::StreamMidstream)
            }
            fn finish(&mut self) -> Outcome {
                Outcome::default()
            }
        }
        let scenario = scenario(Transport::Tcp);
        let variant = Variant {
            segmentation: Segmentation::Whole,
            sending: Sending::InOrder,
        };
        for expectation in [Expectation::Stopped, Expectation::Untouched] {
            let result = run(&scenario, &variant, expectation, &|_| true, &mut Wall);
            let reason = result.reason.unwrap();
            assert!(reason.contains("handshake"), "{reason}");
            assert!(reason.contains("stream_midstream"), "{reason}");
        }
    }

    #[test]
    fn changed_bytes_are_noticed() {
        struct Scribbler;
        impl Engine for Scribbler {
            fn process(&mut self, packet: &mut [u8], _: Timestamp) -> Verdict {
                if let Some(last) = packet.last_mut().filter(|byte| **byte == b'm') {
                    *last = b'X';
                }
                Verdict::Forward
            }
            fn finish(&mut self) -> Outcome {
                Outcome::default()
            }
        }
        let scenario = scenario(Transport::Tcp);
        let variant = variants(&scenario, &[]).all[0];
        let result = run(
            &scenario,
            &variant,
            Expectation::Untouched,
            &|_| true,
            &mut Scribbler,
        );
        assert!(!result.held, "{result:?}");
    }
}
