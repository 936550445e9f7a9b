//! Sorts signatures into the tables of a layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::address_index::AddressIndex;
use super::addresses::Interner;
use super::fast_pattern::{self, Choice};
use super::firewall::Firewall;
use super::kept::KeptRules;
use super::packet_index::PacketIndex;
use super::ports::{self, Entry, Plan, PortGroups};
use super::rule::{AppTest, BitRules, BufferGroup, FlowTest, HeaderTest, PayloadTests, Rule, Sets};
use super::screen::Screen;
use super::{
    CompileOptions, CompiledSignature, Layer, RuleInput, Slot, Summary, Traffic, TransactionPlaces,
    claims, program, transaction_place,
};
use crate::app_layer::FrameProtocols;
use crate::buffer::{Buffer, Owner};
use crate::detect::buffers::Shaper;
use crate::detect::prefilter::{Kind, Pattern};
use crate::direction::Direction;
use crate::parallel;
use crate::protocol::Protocol;
use crate::signature::ast::{
    BufferTests, Content, Hook, PacketHook, PacketTest, Proto, ProtocolMode, SetDefinition,
    Signature, Test, Transform,
};
use crate::signature::header_number::HeaderNumber;

/// What stands in so many first bytes of a packet is looked for apart from the rest.
const NEAR_BYTES: u32 = 256;

/// A fast pattern, and the rule it calls for.
type Call = (Pattern, u32);

pub(crate) struct Builder {
    options: CompileOptions,
    sets: Interner,
    sets_used: Vec<(SetDefinition, bool)>,
    slots: Vec<Slot>,
    rules: Vec<Rule>,
    payload: [[Vec<Entry>; 2]; Traffic::COUNT],
    first_packet: Vec<u32>,
    each_packet: Vec<u32>,
    protocol_only: Vec<u32>,
    odd: Vec<u32>,
    fragments: Vec<u32>,
    /// Fast patterns by protocol and slot; slots are of one direction.
    patterns: BTreeMap<(usize, u32), Vec<Call>>,
    transactions: Box<TransactionPlaces>,
    frames_asked: FrameProtocols,
    firewall: Option<Firewall>,
    summary: Summary,
}

impl Builder {
    pub(crate) fn new(options: CompileOptions) -> Self {
        Self {
            options,
            sets: Interner::default(),
            sets_used: Vec::new(),
            slots: Vec::new(),
            rules: Vec::new(),
            payload: Default::default(),
            first_packet: Vec::new(),
            each_packet: Vec::new(),
            protocol_only: Vec::new(),
            odd: Vec::new(),
            fragments: Vec::new(),
            patterns: BTreeMap::new(),
            transactions: Box::new(std::array::from_fn(|_| Default::default())),
            frames_asked: FrameProtocols::default(),
            firewall: None,
            summary: Summary::default(),
        }
    }

    pub(crate) fn build(mut self, mut inputs: Vec<RuleInput>) -> Layer {
        // A firewall's rules are asked in the order written.
        if inputs.iter().all(|i| i.signature.firewall.is_none()) {
            super::order::sort(&mut inputs, |i| &i.signature);
        }
        let mut signatures = Vec::with_capacity(inputs.len());
        self.rules.reserve(inputs.len());
        for RuleInput { signature, patch } in inputs {
            let mut signature = Arc::unwrap_or_clone(signature);
            let buffers = merge(std::mem::take(&mut signature.buffers));
            self.add(&signature, &buffers);
            signatures.push(CompiledSignature {
                signature: signature.into(),
                patch,
            });
        }
        self.finish(signatures)
    }

    fn add(&mut self, signature: &Signature, buffers: &[BufferTests]) {
        let number = self.rules.len() as u32;
        let app = AppTest {
            protocol: match signature.header.protocol {
                Proto::App(protocol) => Some(protocol),
                _ => None,
            },
            tests: signature.protocols.clone().into(),
        };
        let bits = BitRules::new(&signature.flowbits);
        let kept = KeptRules::new(signature);
        self.note_sets(buffers);
        self.note_frames(buffers);
        let of = |buffer| buffers.iter().find(move |b| b.buffer == buffer);
        let raw = of(Buffer::Payload);
        let decoded = of(Buffer::Base64Data).map(|b| b.tests.as_slice());
        let headers: Box<[_]> = buffers
            .iter()
            .filter(|b| b.buffer.owner() == Owner::Packet)
            .map(|b| (b.buffer, program::compile(&b.tests, None, decoded)))
            .collect();
        let of_transaction = || {
            buffers
                .iter()
                .filter(|b| !matches!(b.buffer.owner(), Owner::Raw | Owner::Packet))
                .enumerate()
        };
        let numbers = signature.numbers.iter().map(|t| t.number.direction());
        let sided = of_transaction().map(|(_, b)| b.buffer.direction());
        let hook = match signature.header.hook {
            Some(Hook::App(hook)) => Some(hook),
            _ => None,
        };
        let directions = directions(
            signature,
            sided
                .chain(numbers)
                .chain([hook.map(|h| h.direction)])
                .flatten(),
        );

        // Only what is scanned when the rule is evaluated can call for the rule.
        let scanned = |b: &BufferTests| {
            b.absent.is_none() && b.buffer.direction().is_none_or(|d| directions[d.index()])
        };
        let transaction_choice =
            fast_pattern::choose(of_transaction().filter(|(_, b)| scanned(b)), |_| true);
        let groups: Box<[BufferGroup]> = of_transaction()
            .map(|(at, tests)| {
                self.buffer_group(tests, fast_test(&transaction_choice, at), decoded)
            })
            .collect();
        let is_transaction_rule = !groups.is_empty()
            || !signature.events.is_empty()
            || !signature.numbers.is_empty()
            || hook.is_some();
        let fast_buffer = transaction_choice
            .as_ref()
            .filter(|_| self.options.prefilter.is_some() && signature.events.is_empty())
            .and_then(|c| {
                let (_, tests) = of_transaction().find(|(at, _)| *at == c.buffer)?;
                Some((tests.buffer, u8::try_from(c.buffer).ok()?))
            });
        let payload_choice = fast_pattern::choose(raw.map(|b| (0, b)).into_iter(), |_| true);
        let payload = raw.map(|tests| {
            let fast = fast_test(&payload_choice, 0);
            let of_packet = headers.iter().any(|(b, _)| !b.is_address());
            let mut payload = payload_tests(signature, tests, fast, decoded, of_packet);
            payload.has_fast_pattern = self.options.prefilter.is_some() && fast.is_some();
            payload.span = self.span(tests, app.is_some() || bits.asks() || kept.asks());
            // What a protocol carries is looked at as its stream, unless the rule asks for packets.
            if is_transaction_rule || (app.is_some() && payload.on_stream) {
                payload.on_packet = false;
                payload.on_loose_packet = false;
            }
            payload
        });

        let mut rule = Rule {
            header: self.header(signature),
            flow: flow_test(signature),
            app,
            bits,
            kept,
            packet: signature.packet.clone().into(),
            headers,
            payload,
            buffers: groups,
            events: signature.events.clone().into(),
            numbers: signature.numbers.clone().into(),
            decode_events: signature.decode_events,
            directions,
            hook,
            first_only: signature.header.hook == Some(Hook::Packet(PacketHook::FlowStart)),
            has_variables: !signature.variables.is_empty() || captures(buffers),
            noalert: signature.noalert,
            fast_buffer,
        };
        if signature.firewall.is_some() {
            let firewall = self.firewall.get_or_insert_default();
            firewall.place(number, signature);
            self.rules.push(rule);
            return;
        }
        if let Some(tests) = raw {
            self.place_payload(number, signature, &mut rule, tests, payload_choice.as_ref());
        }
        if rule.has_transaction_part() {
            let places = places(signature, buffers);
            self.place_transaction(number, &rule, &places, transaction_choice.as_ref());
        }
        if rule.payload.is_none() && !rule.has_transaction_part() {
            self.place_header_only(number, &rule);
        }
        self.rules.push(rule);
    }

    /// Notes whose frames a rule asks for.
    fn note_frames(&mut self, buffers: &[BufferTests]) {
        for tests in buffers {
            if let Owner::Frame(protocol) = tests.buffer.owner() {
                self.frames_asked.add(protocol);
            }
        }
    }

    fn note_sets(&mut self, buffers: &[BufferTests]) {
        for test in buffers.iter().flat_map(|b| &b.tests) {
            if let Test::Dataset(d) = test {
                self.sets_used.push((d.set.clone(), d.command.changes()));
            }
        }
    }

    fn header(&mut self, signature: &Signature) -> HeaderTest {
        let h = &signature.header;
        let (src, src_ports) = (self.sets.addresses(&h.src), self.sets.ports(&h.src_ports));
        let (dst, dst_ports) = (self.sets.addresses(&h.dst), self.sets.ports(&h.dst_ports));
        let mut test = HeaderTest {
            protocol: h.protocol,
            src,
            dst,
            src_ports,
            dst_ports,
            bidirectional: h.bidirectional,
        };
        // It is evaluated with the response.
        if h.transactional {
            std::mem::swap(&mut test.src, &mut test.dst);
            std::mem::swap(&mut test.src_ports, &mut test.dst_ports);
        }
        test
    }

    /// How far apart the parts of a match may lie. Zero: one content alone, found or not at once.
    fn span(&self, tests: &BufferTests, may_wait: bool) -> u32 {
        let window = self.options.stream_window;
        if may_wait {
            return window;
        }
        match tests.tests.as_slice() {
            [Test::Content(c)] if !c.negated => 0,
            tests => program::span(tests).map_or(window, |s| s.min(window)),
        }
    }

    fn buffer_group(
        &mut self,
        tests: &BufferTests,
        fast: Option<usize>,
        decoded: Option<&[Test]>,
    ) -> BufferGroup {
        let slots = Direction::BOTH.map(|evaluated| {
            let direction = tests.buffer.direction().unwrap_or(evaluated);
            self.slot(tests.buffer, direction, &tests.transforms)
        });
        BufferGroup {
            slots,
            program: program::compile(&tests.tests, fast, decoded),
            absent: tests.absent,
            needs_whole: program::needs_whole_buffer(&tests.tests, decoded),
        }
    }

    fn slot(&mut self, buffer: Buffer, direction: Direction, transforms: &[Transform]) -> u32 {
        let known = self.slots.iter().position(|s| {
            s.buffer == buffer && s.direction == direction && s.transforms == transforms
        });
        if let Some(id) = known {
            return id as u32;
        }
        self.slots.push(Slot {
            buffer,
            direction,
            transforms: transforms.to_vec(),
            shaper: Shaper::new(transforms),
        });
        self.slots.len() as u32 - 1
    }

    fn place_payload(
        &mut self,
        number: u32,
        signature: &Signature,
        rule: &mut Rule,
        tests: &BufferTests,
        choice: Option<&Choice>,
    ) {
        let Some(payload) = &mut rule.payload else {
            return;
        };
        let choice = choice.filter(|_| self.options.prefilter.is_some());
        let near = choice
            .filter(|_| payload.on_packet)
            .and_then(|best| near_start(tests, best));
        let longest_payload = longest_payload(signature);
        payload.packet_by_stream = payload.on_packet
            && choice.is_some()
            && near.is_none()
            && longest_payload > ports::SMALL_PAYLOAD;
        for traffic in Traffic::ALL {
            let wanted = match traffic {
                Traffic::TcpStream => payload.on_stream || payload.packet_by_stream,
                Traffic::TcpPacket => payload.on_packet,
                Traffic::Udp | Traffic::Icmp4 | Traffic::Icmp6 | Traffic::Other => {
                    carries(signature.header.protocol, traffic)
                }
            };
            if !wanted {
                continue;
            }
            let near = near.as_ref().filter(|_| traffic == Traffic::TcpPacket);
            let choice = near.or(choice);
            let content = choice.and_then(|c| match tests.tests.get(c.test) {
                Some(Test::Content(content)) => Some(content),
                _ => None,
            });
            // Where it stands in a stream says nothing of where it stands in a packet.
            let anywhere = match traffic {
                Traffic::TcpStream => payload.packet_by_stream,
                Traffic::TcpPacket => near.is_none(),
                _ => false,
            };
            let own = match tests.tests.as_slice() {
                [Test::Content(only)] => only.pattern.len() as u32,
                _ => content.map_or(0, |c| c.pattern.len() as u32),
            };
            let entry = Entry {
                rule: number,
                pattern: choice.map(|c| c.pattern.clone()),
                head: content.filter(|_| !anywhere).and_then(program::head),
                lookback: payload.span.max(own),
                longest_payload,
            };
            for direction in Direction::BOTH {
                if rule.flow.direction.is_none_or(|d| d == direction) {
                    self.payload[traffic as usize][direction.index()].push(entry.clone());
                }
            }
            self.summary.without_prefilter += usize::from(choice.is_none());
        }
        self.summary.payload += 1;
    }

    fn place_transaction(
        &mut self,
        number: u32,
        rule: &Rule,
        places: &[usize],
        choice: Option<&Choice>,
    ) {
        self.summary.transaction += 1;
        let choice = choice.filter(|_| self.options.prefilter.is_some() && rule.events.is_empty());
        self.summary.without_prefilter +=
            usize::from(choice.is_none() && rule.events.is_empty() && !places.is_empty());
        let ways = places
            .iter()
            .flat_map(|&place| Direction::BOTH.map(|d| (place, d)));
        for (place, direction) in ways {
            if !rule.directions[direction.index()] {
                continue;
            }
            let side = &mut self.transactions[place][direction.index()];
            if let Some(&event) = rule.events.first() {
                side.events.push((event, number));
                continue;
            }
            let slot = choice.and_then(|c| {
                let slot = rule.buffers.get(c.buffer)?.slots[direction.index()];
                Some((slot, c.pattern.clone()))
            });
            match slot {
                Some((slot, pattern)) => {
                    let patterns = self.patterns.entry((place, slot)).or_default();
                    patterns.push((pattern, number));
                }
                None => side.always.push(number),
            }
        }
    }

    /// One matcher for each buffer of each protocol; the same patterns share one.
    fn build_screens(&mut self) {
        let patterns = std::mem::take(&mut self.patterns);
        let mut by_slot: BTreeMap<u32, Vec<(usize, Vec<Call>)>> = BTreeMap::new();
        for ((place, slot), patterns) in patterns {
            by_slot.entry(slot).or_default().push((place, patterns));
        }
        let slots: Vec<_> = by_slot.into_iter().collect();
        let kind = self.options.prefilter.unwrap_or_default();
        let built = parallel::map(&slots, 1, || (), |(), (_, places)| screens(places, kind));
        for ((id, _), screens) in slots.iter().zip(built) {
            let direction = self.slots[*id as usize].direction.index();
            for (place, screen) in screens {
                self.transactions[place][direction]
                    .screens
                    .push((*id, screen));
            }
        }
    }

    fn place_header_only(&mut self, number: u32, rule: &Rule) {
        let flow = &rule.flow;
        let plain = !rule.asks()
            && !rule.asks_each_packet()
            && flow.stream_sizes.is_empty()
            && flow.counts.is_empty();
        self.summary.header_only += 1;
        if !rule.decode_events.is_empty() {
            self.odd.push(number);
            return;
        }
        let place =
            |t: &PacketTest| matches!(t, PacketTest::Number(HeaderNumber::FragmentOffset, _));
        if rule.packet.iter().any(place) {
            self.fragments.push(number);
        } else if rule.first_only {
            self.first_packet.push(number);
        } else if plain && rule.app.is_some() {
            self.protocol_only.push(number);
        } else if plain
            && !flow.needs_flow
            && flow.only_fragments.is_none()
            && flow.established.is_none()
        {
            self.first_packet.push(number);
        } else {
            self.each_packet.push(number);
        }
    }

    fn finish(mut self, signatures: Vec<CompiledSignature>) -> Layer {
        self.build_screens();
        let kind = self.options.prefilter.unwrap_or_default();
        let sets = Sets {
            addresses: self.sets.addresses,
            ports: self.sets.ports,
        };
        let rules = self.rules;
        let claimants = claims::of_rules(&rules, &self.slots, &self.first_packet);
        let index = |numbers: &[u32]| {
            let rules: Vec<_> = numbers
                .iter()
                .filter_map(|&n| {
                    let h = &rules.get(n as usize)?.header;
                    Some((n, h.src, h.dst, h.bidirectional))
                })
                .collect();
            AddressIndex::build(&rules, &sets.addresses)
        };
        let first_packet = index(&self.first_packet);
        let each_packet = PacketIndex::build(&self.each_packet, &rules, &sets.addresses);
        let ways: Vec<(Direction, Vec<Entry>)> = self
            .payload
            .into_iter()
            .flat_map(|both| Direction::BOTH.into_iter().zip(both))
            .collect();
        let plans = parallel::map(
            &ways,
            1,
            || (),
            |(), (direction, entries)| Plan::new(entries, *direction, &rules, |id| sets.ports(id)),
        );
        let plans = plans.collect();
        let mut built = PortGroups::build(plans, kind);
        let mut next = || built.next().unwrap_or_default();
        let payload = std::array::from_fn(|_| [next(), next()]);
        for side in self.transactions.iter_mut().flatten() {
            side.events.sort_unstable();
        }
        let mut summary = Summary {
            signatures: signatures.len(),
            ..self.summary
        };
        let of_payload = payload.iter().flatten();
        summary.port_groups = of_payload.clone().map(|p| p.groups().len()).sum();
        let screens = of_payload.flat_map(PortGroups::screens).chain(
            self.transactions
                .iter()
                .flatten()
                .flat_map(|t| t.screens.iter().map(|(_, s)| &**s)),
        );
        for screen in screens {
            summary.matchers += 1;
            summary.patterns += screen.patterns();
            summary.matcher_bytes += screen.memory_bytes();
        }
        Layer {
            signatures,
            rules,
            sets,
            slots: self.slots,
            payload,
            first_packet,
            each_packet,
            protocol_only: self.protocol_only,
            odd: self.odd,
            fragments: self.fragments,
            sets_used: self.sets_used,
            transactions: self.transactions,
            claimants,
            frames_asked: self.frames_asked,
            firewall: self.firewall,
            summary,
        }
    }
}

/// The screens of one slot, by the place of their protocol.
fn screens(places: &[(usize, Vec<Call>)], kind: Kind) -> Vec<(usize, Arc<Screen>)> {
    let mut built: Vec<(&[Call], usize, Arc<Screen>)> = Vec::new();
    for (place, patterns) in places {
        let known = built.iter().find(|(p, ..)| *p == patterns.as_slice());
        let screen = known.map(|(.., screen)| Arc::clone(screen)).or_else(|| {
            let each = patterns.iter().map(|(p, rule)| (p, *rule));
            Screen::build(each, kind).map(Arc::new)
        });
        built.extend(screen.map(|screen| (patterns.as_slice(), *place, screen)));
    }
    let placed = built.into_iter().map(|(_, place, screen)| (place, screen));
    placed.collect()
}

/// A rule that asks for frames asks for nothing else of its protocol.
fn asks_for_frames(buffers: &[BufferTests]) -> bool {
    buffers.iter().any(|b| b.buffer.is_frame())
}

/// Whether a match leaves something to keep: then all tests are held anew each time.
fn captures(buffers: &[BufferTests]) -> bool {
    let mut tests = buffers.iter().flat_map(|b| &b.tests);
    tests.any(|test| match test {
        Test::Pcre(p) => !p.captures.is_empty(),
        Test::Dataset(d) => d.context.is_some(),
        _ => false,
    })
}

/// Tests behind the same buffer are one list, wherever they were written; a buffer with many
/// instances begins anew each time.
fn merge(written: Vec<BufferTests>) -> Vec<BufferTests> {
    let mut merged: Vec<BufferTests> = Vec::with_capacity(written.len());
    for tests in written {
        let same = merged.iter_mut().find(|m| {
            m.buffer == tests.buffer
                && m.transforms == tests.transforms
                && m.absent.is_none()
                && tests.absent.is_none()
                && !tests.buffer.has_instances()
        });
        match same {
            Some(m) => m.tests.extend(tests.tests),
            None => merged.push(tests),
        }
    }
    merged
}

/// A content to look for in the first bytes of packets instead of the best one, which may stand
/// anywhere. Not one that tells little: it would call for its rule too often.
fn near_start(tests: &BufferTests, best: &Choice) -> Option<Choice> {
    let near = |c: &Content| program::head(c).is_some_and(|head| head <= NEAR_BYTES);
    let near = fast_pattern::choose(std::iter::once((0, tests)), near);
    near.filter(|near| 2 * near.worth >= best.worth)
}

/// The test that the choice names, if it is behind this buffer.
fn fast_test(choice: &Option<Choice>, buffer: usize) -> Option<usize> {
    choice
        .as_ref()
        .filter(|c| c.buffer == buffer)
        .map(|c| c.test)
}

/// The protocols to whose transactions (or units of frames) a rule belongs, by their place: those
/// that have all it asks for.
fn places(signature: &Signature, buffers: &[BufferTests]) -> Vec<usize> {
    let may_be = |protocol: &&Protocol| {
        let protocol = **protocol;
        let by_header = match signature.header.protocol {
            Proto::App(app) => app.covers(protocol),
            Proto::Tcp | Proto::TcpStream => protocol.carrier().has_streams(),
            Proto::Udp => protocol.carrier().has_datagrams(),
            _ => true,
        };
        let of_transaction =
            |b: &&BufferTests| !matches!(b.buffer.owner(), Owner::Raw | Owner::Packet);
        by_header
            && buffers
                .iter()
                .filter(of_transaction)
                .all(|b| b.buffer.owner().has(protocol))
            && signature.events.iter().all(|e| e.protocol() == protocol)
            && signature
                .numbers
                .iter()
                .all(|t| t.number.protocol().covers(protocol))
            && signature
                .protocols
                .iter()
                .filter(|t| t.mode == ProtocolMode::Final)
                .all(|t| t.protocol.covers(protocol) != t.negated)
    };
    let of_units = asks_for_frames(buffers);
    Protocol::ALL
        .iter()
        .filter(may_be)
        .filter_map(|p| transaction_place(*p, of_units))
        .collect()
}

/// In which directions a rule is held against transactions: as `flow` says, else where the last
/// of what it asks for comes from, else both.
fn directions(signature: &Signature, sided: impl Iterator<Item = Direction>) -> [bool; 2] {
    match signature.flow.direction.or(sided.max()) {
        Some(Direction::ToServer) => [true, false],
        Some(Direction::ToClient) => [false, true],
        None => [true, true],
    }
}

fn flow_test(signature: &Signature) -> FlowTest {
    let f = &signature.flow;
    FlowTest {
        direction: f.direction,
        established: f.established.filter(|_| !f.stateless),
        only_fragments: f.only_frag,
        stream_sizes: signature.stream_sizes.clone().into(),
        counts: signature.flow_counts.clone().into(),
        needs_flow: f.direction.is_some()
            || f.established == Some(true)
            || !signature.stream_sizes.is_empty()
            || !signature.flow_counts.is_empty(),
    }
}

fn payload_tests(
    signature: &Signature,
    tests: &BufferTests,
    fast: Option<usize>,
    decoded: Option<&[Test]>,
    with_headers: bool,
) -> PayloadTests {
    let protocol = signature.header.protocol;
    let tcp = !matches!(
        protocol,
        Proto::Udp | Proto::Icmp | Proto::Icmp4 | Proto::Icmp6
    );
    let packet_only = protocol == Proto::TcpPacket
        || !signature.packet.is_empty()
        || with_headers
        || matches!(signature.header.hook, Some(Hook::Packet(_)))
        || signature.flow.stream == Some(false);
    let stream_only = protocol == Proto::TcpStream || signature.flow.stream == Some(true);
    // What stands at a place counted from the start may mean the start of a packet as well.
    let anchored = tests.tests.iter().any(|t| match t {
        Test::Content(c) => c.offset.is_some() || c.depth.is_some() || c.startswith,
        _ => false,
    });
    PayloadTests {
        program: program::compile(&tests.tests, fast, decoded),
        has_fast_pattern: false,
        span: 0,
        on_stream: tcp && !packet_only,
        on_packet: tcp && !stream_only && (packet_only || anchored),
        packet_by_stream: false,
        on_loose_packet: tcp && !stream_only,
    }
}

/// What `dsize` allows.
fn longest_payload(signature: &Signature) -> u64 {
    let bounds = signature.packet.iter().filter_map(|t| match t {
        PacketTest::PayloadLength(range) if !range.negated => Some(range.max),
        _ => None,
    });
    bounds.min().unwrap_or(u64::MAX)
}

/// Whether rules of this protocol look at that traffic.
const fn carries(protocol: Proto, traffic: Traffic) -> bool {
    match (protocol, traffic) {
        (Proto::Ip, _) => true,
        (Proto::Ipv4, t) => !matches!(t, Traffic::Icmp6),
        (Proto::Ipv6, t) => !matches!(t, Traffic::Icmp4),
        (Proto::Udp, Traffic::Udp) => true,
        (Proto::App(app), Traffic::Udp) => app.carrier().has_datagrams(),
        (Proto::Icmp | Proto::Icmp4, Traffic::Icmp4) => true,
        (Proto::Icmp | Proto::Icmp6, Traffic::Icmp6) => true,
        _ => false,
    }
}
