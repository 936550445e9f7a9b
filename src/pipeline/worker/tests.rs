//! One worker in simulated time, over packets that an independent library builds.

mod leftovers;
mod normalise;

use std::net::Ipv4Addr;
use std::time::Duration;

use etherparse::PacketBuilder;

use super::*;
use crate::detect::{CompileOptions, Layer, Policy, RuleInput, State};
use crate::signature::{Classes, Variables, parse_file};

const CLIENT: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 1), 40_000);
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 80);

mod budget;
mod bypass;
mod firewall;
mod fragments;
mod late;
mod odd;
mod packets;
mod segmentation;
mod tunnels;
mod variants;

/// What a sink saw; can be told to panic.
#[derive(Debug, Default)]
struct Seen {
    alerts: Vec<u32>,
    drops: Vec<DropReason>,
    flows: Vec<FlowEvent>,
    /// Rules by their sid.
    suspended: Vec<u32>,
    /// The packet around that of the newest alert.
    outer: Option<Outer>,
    resets: Vec<Reset>,
    /// Datagrams that went on in fragments.
    reassembled: Vec<Vec<u8>>,
    /// Their fragments, with all that is around them.
    sent_on: Vec<Vec<u8>>,
    panics_on_alert: bool,
}

use super::super::event::{Reassembled, Reset};

impl EventSink for Seen {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Alert(_) if self.panics_on_alert => panic!("the sink was told to"),
            Event::Alert(alert) => {
                self.outer = alert.ends.and_then(|ends| ends.tunnel);
                self.alerts.push(alert.signature.id().sid);
            }
            Event::Drop(drop) => self.drops.push(drop.reason),
            Event::Flow(flow) => self.flows.push(flow),
            Event::Tagged(_) => {}
            Event::Suspended(rule) => self.suspended.push(rule.signature.id().sid),
        }
    }

    fn reset(&mut self, reset: Reset) {
        self.resets.push(reset);
    }

    fn reassembled(&mut self, datagram: Reassembled<'_>) {
        self.reassembled.push(datagram.datagram.to_vec());
        let cut = &datagram.cut;
        let mut offset = Some(0);
        while let Some(at) = offset {
            let mut frame = datagram.link_header.to_vec();
            offset = cut.write(datagram.datagram, at, cut.fragment_bytes(), &mut frame);
            assert!(datagram.wrapping.fit(&mut frame));
            self.sent_on.push(frame);
        }
    }
}

struct Lab {
    worker: Worker,
    counters: Arc<Counters>,
    seen: Seen,
    now: Timestamp,
    /// Next sequence number of client and server.
    next: [u32; 2],
    /// Puts a segment into a tunnel.
    wrap: fn(&[u8]) -> Vec<u8>,
    /// The kernel says that packets are of a flow that was left to it.
    returned: bool,
}

fn ruleset(epoch: u64, rules: &str) -> Arc<Ruleset> {
    ruleset_with(epoch, rules, &CompileOptions::default())
}

fn ruleset_with(epoch: u64, rules: &str, options: &CompileOptions) -> Arc<Ruleset> {
    let parsed = parse_file(
        "test.rules",
        rules,
        &Variables::default(),
        &Classes::default(),
    );
    assert!(parsed.failures.is_empty(), "{:?}", parsed.failures);
    let inputs = parsed
        .signatures
        .into_iter()
        .map(|signature| RuleInput {
            signature,
            patch: None,
        })
        .collect();
    Arc::new(Ruleset::new(
        epoch,
        vec![Arc::new(Layer::compile(inputs, options))],
        Arc::new(Policy::default()),
        &State::default(),
        Arc::default(),
    ))
}

impl Lab {
    fn new(rules: &str) -> Self {
        Self::with(WorkerConfig::default(), rules)
    }

    fn with(config: WorkerConfig, rules: &str) -> Self {
        let counters = Arc::new(Counters::default());
        Self {
            worker: Worker::new(config, ruleset(1, rules), counters.clone()),
            counters,
            seen: Seen::default(),
            now: Timestamp::from_secs(1_700_000_000),
            next: [1000, 9000],
            wrap: <[u8]>::to_vec,
            returned: false,
        }
    }

    fn send(&mut self, packet: &[u8]) -> Verdict {
        self.now = self.now + Duration::from_millis(1);
        let raw = RawPacket {
            data: packet,
            link: LinkType::RawIp,
            trust: ChecksumTrust::Unverified,
            returned: self.returned,
        };
        let verdict = self.worker.process(&raw, self.now, &mut self.seen);
        // Nothing may depend on whether a flow has lain idle in between.
        self.worker.rest(self.now, Duration::ZERO);
        assert!(self.counters.snapshot().accounts());
        verdict
    }

    fn segment(&mut self, from: usize, flags: &str, payload: &[u8]) -> Verdict {
        let (src, dst) = [(CLIENT, SERVER), (SERVER, CLIENT)][from];
        let mut tcp = PacketBuilder::ipv4(src.0.octets(), dst.0.octets(), 64).tcp(
            src.1,
            dst.1,
            self.next[from],
            60_000,
        );
        if flags.contains('S') {
            tcp = tcp.syn();
        }
        if flags.contains('A') {
            tcp = tcp.ack(self.next[1 - from]);
        }
        if flags.contains('F') {
            tcp = tcp.fin();
        }
        if flags.contains('R') {
            tcp = tcp.rst();
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, payload).unwrap();
        let length = payload.len() as u32 + u32::from(flags.contains(['S', 'F']));
        self.next[from] = self.next[from].wrapping_add(length);
        self.send(&(self.wrap)(&packet))
    }

    fn open(&mut self) {
        assert_eq!(self.segment(0, "S", b""), Verdict::Forward);
        assert_eq!(self.segment(1, "SA", b""), Verdict::Forward);
        assert_eq!(self.segment(0, "A", b""), Verdict::Forward);
    }

    fn request(&mut self, uri: &str) -> Verdict {
        let text = format!("GET {uri} HTTP/1.1\r\nHost: a\r\n\r\n");
        self.segment(0, "A", text.as_bytes())
    }
}

const DROP_EVIL: &str =
    "drop http any any -> any any (msg:\"evil\"; http.uri; content:\"/evil\"; sid:1;)\n";

#[test]
fn a_refused_flow_stays_refused_and_others_live() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    assert_eq!(lab.request("/good"), Verdict::Drop(DropReason::FlowDrop));
    assert_eq!(
        lab.segment(1, "A", b"x"),
        Verdict::Drop(DropReason::FlowDrop)
    );
    assert_eq!(lab.seen.alerts, [1]);
    assert_eq!(
        lab.seen.drops,
        [DropReason::Rules],
        "one record for one flow"
    );
    assert!(lab.seen.resets.is_empty(), "drop is silent");
    // The client opens a new connection from the same port.
    lab.next = [500_000, 700_000];
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
}

/// Found by the model test: the server ignores a reset of bytes that it has, and the SYN.
#[test]
fn a_syn_behind_a_reset_does_not_make_the_connection_forgotten() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.open();
    let first = lab.next;
    assert_eq!(lab.request("/good"), Verdict::Forward);
    let next = std::mem::replace(&mut lab.next, first);
    assert_eq!(lab.segment(0, "R", b""), Verdict::Forward);
    lab.next[0] = first[0] - 17;
    assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
    lab.next = next;
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}

#[test]
fn a_reject_answers_both_ends_with_what_they_expect() {
    let mut lab = Lab::new(
        "rejectboth http any any -> any any (msg:\"evil\"; http.uri; content:\"/evil\"; sid:1;)\n",
    );
    lab.open();
    lab.request("/good");
    let [client, server] = lab.next;
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    let to = |end: (Ipv4Addr, u16)| {
        let end = (end.0.into(), end.1);
        move |reset: &&Reset| reset.dst == end
    };
    let resets = lab.seen.resets.clone();
    assert_eq!(resets.iter().find(to(CLIENT)).unwrap().seq, server);
    assert_eq!(resets.iter().find(to(SERVER)).unwrap().seq, client);
    // A lost reset does no harm: the next packet of each end is answered again, at a bounded rate.
    lab.seen.resets.clear();
    lab.segment(0, "A", b"again");
    lab.segment(0, "A", b"and again");
    assert_eq!(lab.seen.resets.len(), 1);
    assert_eq!(lab.counters.get(Counter::ResetsLimited), 1);
}

#[test]
fn a_panic_costs_one_flow() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.open();
    lab.seen.panics_on_alert = true;
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let verdict = lab.request("/evil");
    std::panic::set_hook(hook);
    assert_eq!(verdict, Verdict::Drop(DropReason::InternalError));
    assert_eq!(lab.counters.get(Counter::Panics), 1);
    assert_eq!(lab.request("/good"), Verdict::Drop(DropReason::FlowDrop));
    lab.seen.panics_on_alert = false;
    lab.next = [500_000, 700_000];
    lab.open();
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}

#[test]
fn a_new_ruleset_meets_what_is_buffered() {
    let mut lab = Lab::new("");
    lab.open();
    assert_eq!(
        lab.segment(0, "A", b"GET /evil HTTP/1.1\r\nHo"),
        Verdict::Forward
    );
    lab.worker.set_ruleset(ruleset(2, DROP_EVIL));
    assert_eq!(
        lab.segment(0, "A", b"st: a\r\n\r\n"),
        Verdict::Drop(DropReason::Rules)
    );
}

#[test]
fn a_pass_rule_ends_inspection_of_its_flow() {
    let mut lab = Lab::new(&format!(
        "{DROP_EVIL}pass http any any -> any any (msg:\"ok\"; http.uri; content:\"/trusted\"; sid:2;)\n"
    ));
    lab.open();
    assert_eq!(lab.request("/trusted"), Verdict::Forward);
    assert_eq!(lab.request("/evil"), Verdict::Forward);
    assert!(lab.seen.alerts.is_empty());
}

#[test]
fn midstream_flows_are_picked_up_for_a_while() {
    let mut lab = Lab::new(DROP_EVIL);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
    let mut lab = Lab::new(DROP_EVIL);
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.counters.get(Counter::FlowsMidstream), 1);
    lab.now = lab.now + Duration::from_secs(61);
    let other = PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
        .tcp(CLIENT.1 + 1, SERVER.1, 5, 60_000)
        .ack(6);
    let mut packet = Vec::new();
    other
        .write(&mut packet, b"GET /good HTTP/1.1\r\n\r\n")
        .unwrap();
    assert_eq!(
        lab.send(&packet),
        Verdict::Drop(DropReason::StreamMidstream)
    );
    assert_eq!(lab.request("/good"), Verdict::Forward, "known by then");
}

#[test]
fn every_flow_has_its_record() {
    let mut lab = Lab::new("");
    lab.open();
    lab.request("/a");
    lab.now = lab.now + Duration::from_secs(4000);
    lab.worker.tick(lab.now, &mut lab.seen);
    assert_eq!(lab.seen.flows.len(), 1);
    let flow = lab.seen.flows[0];
    assert_eq!(
        (flow.packets, flow.reason),
        ([3, 1], FlowEndReason::Timeout)
    );
    assert_eq!(flow.app, crate::app_layer::Protocol::Http1);
    assert_eq!(lab.worker.active_flows(), 0);
}

/// What is held is counted exactly, comes back, and the last eighth is for flows that have begun.
#[test]
fn parsers_stop_at_their_memory_and_go_on_when_there_is_room() {
    let config = WorkerConfig {
        app_layer_memory_bytes: 64 * 1024,
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, "");
    lab.open();
    let body = vec![b'b'; 1_000];
    lab.segment(
        0,
        "A",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
    );
    let mut verdict = Verdict::Forward;
    for _ in 0..200 {
        verdict = lab.segment(0, "A", &body);
        if verdict != Verdict::Forward {
            break;
        }
        lab.segment(1, "A", b"");
    }
    assert_eq!(verdict, Verdict::Drop(DropReason::AppLayerMemory));
    let held = lab.worker.engine.held_bytes;
    let most = lab.worker.config.app_layer_memory_bytes;
    // One packet beyond the bound, at which a buffer may double.
    assert!((most..3 * most).contains(&held), "{held}");
    assert_eq!(lab.worker.flows.len(), 1, "the flow lives");
    let mut sum = 0;
    let flows = &mut lab.worker.flows;
    flows.show(usize::MAX, &mut |flow| sum += flow.state.held_bytes);
    assert_eq!(held, sum as u64);

    lab.worker.finish(lab.now, &mut lab.seen);
    assert_eq!(lab.worker.engine.held_bytes, 0);
}

#[test]
fn a_refused_flow_holds_nothing_but_its_verdict() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.open();
    assert!(lab.worker.engine.held_bytes == 0);
    lab.segment(0, "A", b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(lab.counters.get(Counter::FlowsRefused), 1);
    assert_eq!(lab.worker.engine.held_bytes, 0);
    lab.worker.finish(lab.now, &mut lab.seen);
    let last = lab.seen.flows.last().unwrap();
    assert!(last.refused && last.app == crate::app_layer::Protocol::Http1);
}

/// Found by the flood of holes: a Linux server under SYN cookies takes the first segment with a valid
/// cookie for the beginning, and up to three numbers beside the first it is valid.
#[test]
fn a_syn_cookie_does_not_let_a_stream_begin_elsewhere() {
    for (completed, flood) in [(false, false), (true, false), (true, true)] {
        for distance in -3_i32..=5 {
            let mut lab = Lab::new(DROP_EVIL);
            if flood {
                for port in 0..super::connection::MANY_HALF_OPEN as u16 {
                    let mut syn = Vec::new();
                    PacketBuilder::ipv4([10, 9, 9, 9], SERVER.0.octets(), 64)
                        .tcp(port, 80, 1, 1)
                        .syn()
                        .write(&mut syn, b"")
                        .unwrap();
                    assert_eq!(lab.send(&syn), Verdict::Forward);
                }
            }
            assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
            assert_eq!(lab.segment(1, "SA", b""), Verdict::Forward);
            if completed {
                assert_eq!(lab.segment(0, "A", b""), Verdict::Forward);
            }
            assert_eq!(lab.worker.engine.awaiting, usize::from(completed));
            let first = lab.next[0];
            lab.next[0] = first.wrapping_add_signed(distance);
            let verdict = lab.segment(0, "A", b"");
            let beside = distance != 0 && distance.abs() <= 3;
            let dropped = verdict == Verdict::Drop(DropReason::StreamCookieStart);
            assert_eq!(
                dropped,
                beside && (!completed || flood),
                "{distance}: {verdict:?}"
            );
            // Once the server has said where it stands, a hole is a hole.
            lab.next[0] = first;
            assert_eq!(lab.segment(1, "A", b""), Verdict::Forward);
            lab.next[0] = first + 2;
            let hole = lab.segment(0, "A", b"x");
            assert!(!completed || hole == Verdict::Forward, "{hole:?}");
            lab.worker.finish(lab.now, &mut lab.seen);
            assert_eq!(lab.worker.engine.awaiting, 0);
        }
    }
}

#[test]
fn a_datagram_reaches_its_parser() {
    let rule = "drop udp any any -> any 5060 (msg:\"t\"; sip.uri; content:\"sip:evil\"; sid:1;)\n";
    let mut lab = Lab::new(rule);
    let mut send = |text: &str| {
        let mut packet = Vec::new();
        PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
            .udp(5060, 5060)
            .write(&mut packet, text.as_bytes())
            .unwrap();
        lab.send(&packet)
    };
    assert_eq!(send("not a message at all"), Verdict::Forward);
    assert_eq!(send("OPTIONS sip:good SIP/2.0\r\n\r\n"), Verdict::Forward);
    assert_eq!(
        send("OPTIONS sip:evil SIP/2.0\r\n\r\n"),
        Verdict::Drop(DropReason::Rules)
    );
}

#[test]
fn dns_rules_hold_names_of_datagrams_on_any_port() {
    let rules = "drop dns any any -> any any (msg:\"t\"; dns.query; content:\"evil.example\"; nocase; endswith; sid:1;)\n\
        drop dns any any -> any any (msg:\"t\"; dns.rrtype:AXFR; sid:2;)\n";
    let mut lab = Lab::new(rules);
    let mut ask = |port, name: &[u8], kind: u8| {
        let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        let message = [&head[..], name, &[0, 0, kind, 0, 1]].concat();
        let mut packet = Vec::new();
        PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), 64)
            .udp(5060, port)
            .write(&mut packet, &message)
            .unwrap();
        lab.send(&packet)
    };
    for port in [53, 5399] {
        let dropped = Verdict::Drop(DropReason::Rules);
        assert_eq!(ask(port, b"\x04good\x07example", 1), Verdict::Forward);
        assert_eq!(ask(port, b"\x08evilexam\x04ples", 1), Verdict::Forward);
        assert_eq!(ask(port + 1, b"\x02my\x04Evil\x07example", 1), dropped);
        assert_eq!(ask(port, b"\x04good\x07example", 252), dropped);
    }
}

#[test]
fn a_flow_that_is_picked_up_at_its_syn_ack_lives() {
    let config = WorkerConfig {
        midstream: Midstream::PickUp,
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, DROP_EVIL);
    lab.next[0] += 1;
    assert_eq!(lab.segment(1, "SA", b""), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", b""), Verdict::Forward);
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(
        lab.segment(1, "A", b"HTTP/1.1 200 OK\r\n\r\n"),
        Verdict::Forward
    );
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}
