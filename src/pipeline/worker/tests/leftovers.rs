//! Flows that end before all of them was looked at, and workers that only look on.

use super::*;

const STREAM_RULES: &str = concat!(
    "drop tcp-stream any any -> any any (msg:\"t\"; content:\"GOOD\"; sid:1;)\n",
    "drop tcp-stream any any -> any any (msg:\"t\"; content:\"DATA\"; sid:2;)\n",
    "alert tcp-stream any any -> any any (msg:\"t\"; content:\"GOODDATA\"; sid:3;)\n",
    "alert tcp-pkt any any -> any any (msg:\"t\"; content:\"EVIL\"; sid:4;)\n",
);

/// The alerts of a worker: sid, whether at the end of the flow, source port, payload, action.
#[derive(Debug, Default)]
struct Alerts(Vec<(u32, bool, u16, String, crate::verdict::Action)>);

impl EventSink for Alerts {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(alert) = event {
            let payload = alert.shown.payload.unwrap_or_default();
            self.0.push((
                alert.signature.id().sid,
                alert.shown.at_flow_end,
                alert.ends.unwrap().src.1,
                String::from_utf8_lossy(payload).into_owned(),
                alert.done,
            ));
        }
    }

    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, _: crate::pipeline::Reassembled<'_>) {}
}

fn finish(lab: &mut Lab) -> Vec<(u32, bool, u16, String)> {
    let mut alerts = Alerts::default();
    lab.worker.finish(lab.now, &mut alerts);
    assert!(alerts.0.iter().all(|a| !a.4.blocks()), "nothing is blocked");
    let told = alerts.0.into_iter();
    told.map(|(sid, end, port, payload, _)| (sid, end, port, payload))
        .collect()
}

#[test]
fn what_waits_behind_a_hole_is_looked_at_when_its_flow_ends() {
    let config = WorkerConfig {
        alert_payload_bytes: 100,
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, STREAM_RULES);
    lab.open();
    lab.next[0] += 4;
    assert_eq!(lab.segment(0, "A", b"GOOD"), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", b"DATA"), Verdict::Forward);
    assert!(lab.seen.alerts.is_empty());
    let payload = "[4 bytes missing]GOODDATA".to_owned();
    let told = finish(&mut lab);
    assert_eq!(
        told,
        [1, 2, 3].map(|sid| (sid, true, CLIENT.1, payload.clone()))
    );
}

#[test]
fn a_flow_that_was_looked_at_has_no_leftovers() {
    let mut lab = Lab::new(STREAM_RULES);
    lab.open();
    assert_eq!(
        lab.segment(0, "A", b"GOOD"),
        Verdict::Drop(DropReason::Rules)
    );
    assert!(finish(&mut lab).is_empty());
}

fn onlooker() -> Lab {
    let config = WorkerConfig {
        passive: true,
        alert_payload_bytes: 100,
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, STREAM_RULES);
    lab.open();
    lab
}

#[test]
fn who_only_looks_on_forwards_all_and_tells_of_no_drop() {
    let mut lab = onlooker();
    assert_eq!(lab.segment(0, "A", b"GOOD"), Verdict::Forward);
    lab.next[0] -= 4;
    assert_eq!(lab.segment(0, "A", b"EVIL"), Verdict::Forward);
    assert_eq!(
        lab.seen.alerts,
        [4],
        "the packet is looked at, whoever takes it"
    );
    assert!(lab.seen.drops.is_empty());
    assert_eq!(finish(&mut lab), [(1, true, CLIENT.1, "GOOD".to_owned())]);
}

#[test]
fn who_only_looks_on_tells_of_bytes_once_they_are_answered() {
    let mut lab = onlooker();
    lab.segment(0, "A", b"GET /GOOD HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(lab.seen.alerts.is_empty());
    let mut alerts = Alerts::default();
    let mut answer = Vec::new();
    PacketBuilder::ipv4(SERVER.0.octets(), CLIENT.0.octets(), 64)
        .tcp(SERVER.1, CLIENT.1, lab.next[1], 60_000)
        .ack(lab.next[0])
        .write(&mut answer, b"HTTP/1.1 204 No Content\r\n\r\n")
        .unwrap();
    let raw = RawPacket {
        data: &answer,
        link: LinkType::RawIp,
        trust: ChecksumTrust::Unverified,
        returned: false,
    };
    lab.worker.process(&raw, lab.now, &mut alerts);
    let told: Vec<_> = alerts.0.iter().map(|a| (a.0, a.1, a.2)).collect();
    assert_eq!(told, [(1, false, CLIENT.1)], "from who sent the bytes");
    assert!(finish(&mut lab).is_empty());
}

/// As Suricata does; found in recorded chats, where it tells of several commands once.
#[test]
fn who_only_looks_on_tells_once_of_a_piece_of_a_dialogue_without_a_protocol() {
    let rules = concat!(
        "alert tcp any any -> any any (msg:\"t\"; content:\"GOOD\"; sid:1;)\n",
        "alert tcp any any -> any any (msg:\"t\"; content:\"GOOD\"; flowbits:set,good; sid:2;)\n",
        "alert tcp any any -> any any (msg:\"t\"; content:\"GOOD\"; flow:no_stream; sid:3;)\n",
    );
    let config = WorkerConfig {
        passive: true,
        ..WorkerConfig::default()
    };
    let mut lab = Lab::with(config, rules);
    lab.open();
    for _ in 0..3 {
        lab.segment(0, "A", b"\x01GOOD");
        lab.segment(1, "A", b"\x02thanks");
    }
    assert_eq!(lab.seen.alerts, [3, 3, 3]);
    lab.segment(0, "FA", b"");
    assert_eq!(lab.seen.alerts, [3, 3, 3, 2, 1]);
    assert!(finish(&mut lab).is_empty());
}

#[test]
fn a_long_monologue_is_looked_at_in_pieces() {
    let mut lab = onlooker();
    for _ in 0..40 {
        assert_eq!(lab.segment(0, "A", &[b'x'; 100]), Verdict::Forward);
    }
    assert_eq!(lab.segment(0, "A", b"GO"), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", b"OD"), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", &[b'x'; 2600]), Verdict::Forward);
    assert_eq!(lab.seen.alerts, [1]);
}
