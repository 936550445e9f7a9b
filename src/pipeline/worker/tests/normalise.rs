//! What the normaliser changes on the way, data of a SYN, and paths of one direction only.

use etherparse::{PacketBuilderStep, TcpHeader as Builder};

use super::*;
use crate::decode::{apply_edit, decode_ip};
use crate::stream::Normaliser;

impl Lab {
    /// From the client, with its next numbers; `set` may change the header.
    fn client(
        &mut self,
        ttl: u8,
        set: impl FnOnce(PacketBuilderStep<Builder>) -> PacketBuilderStep<Builder>,
        payload: &[u8],
    ) -> (Verdict, Vec<u8>) {
        let tcp = PacketBuilder::ipv4(CLIENT.0.octets(), SERVER.0.octets(), ttl).tcp(
            CLIENT.1,
            SERVER.1,
            self.next[0],
            60_000,
        );
        let mut packet = Vec::new();
        set(tcp).write(&mut packet, payload).unwrap();
        (self.send(&packet), packet)
    }
}

fn edited(verdict: Verdict, mut packet: Vec<u8>) -> (u8, bool) {
    let Verdict::Rewrite(edit) = verdict else {
        panic!("{verdict:?}");
    };
    assert!(apply_edit(&edit, &mut packet));
    let packet = decode_ip(&packet, ChecksumTrust::Unverified).unwrap();
    let Transport::Tcp(tcp) = packet.transport else {
        panic!("not TCP");
    };
    (packet.ip.ttl, tcp.flags().has(TcpFlags::URG))
}

#[test]
fn urgent_bytes_stay_in_the_stream_for_the_receiver_and_for_the_rules() {
    let mut lab = Lab::new(DROP_EVIL);
    lab.open();
    let server = lab.next[1];
    let (verdict, packet) = lab.client(64, |t| t.ack(server).urg(6), b"GET /e");
    assert_eq!(edited(verdict, packet), (64, false));
    assert_eq!(lab.counters.get(Counter::NormalisedUrgent), 1);
    assert_eq!(lab.counters.get(Counter::Rewritten), 1);
    lab.next[0] += 6;
    let rest = lab.segment(0, "A", b"vil HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(rest, Verdict::Drop(DropReason::Rules));
    for profile in [Normaliser::STRICT, Normaliser::OFF] {
        let mut config = WorkerConfig::default();
        config.stream.normalise = profile;
        let mut lab = Lab::with(config, "");
        lab.open();
        let (verdict, _) = lab.client(64, |t| t.ack(server).urg(6), b"GET /e");
        assert_eq!(verdict, Verdict::Drop(DropReason::StreamUrgent));
    }
}

#[test]
fn a_low_ttl_is_raised_and_one_that_dies_is_dropped() {
    let mut lab = Lab::new("");
    lab.open();
    let server = lab.next[1];
    let (verdict, packet) = lab.client(40, |t| t.ack(server), b"GET /");
    assert_eq!(edited(verdict, packet), (64, false));
    let (verdict, _) = lab.client(2, |t| t.rst(), b"");
    assert_eq!(verdict, Verdict::Drop(DropReason::StreamLowTtl));
    lab.next[0] += 5;
    let rest = lab.segment(0, "A", b" HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(rest, Verdict::Forward);
}

#[test]
fn data_of_a_syn_is_inspected_and_forgotten_where_the_server_does_not_take_it() {
    let mut lab = Lab::new(DROP_EVIL);
    let evil = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";
    let (verdict, _) = lab.client(64, |t| t.syn(), evil);
    assert_eq!(verdict, Verdict::Drop(DropReason::Rules));

    let mut lab = Lab::new(DROP_EVIL);
    let (verdict, _) = lab.client(64, |t| t.syn(), b"GET /ev");
    assert_eq!(verdict, Verdict::Forward);
    lab.next[0] += 1;
    assert_eq!(lab.segment(1, "SA", b""), Verdict::Forward);
    assert_eq!(lab.segment(0, "A", b"il"), Verdict::Forward);
    lab.next[0] -= 2;
    assert_eq!(
        lab.request("/evil"),
        Verdict::Drop(DropReason::StreamRetransmitDiffers)
    );

    let mut lab = Lab::new(DROP_EVIL);
    lab.client(64, |t| t.syn(), b"GET /ev");
    lab.next[0] += 1;
    lab.segment(1, "SA", b"");
    assert_eq!(lab.request("/good"), Verdict::Forward);
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}

#[test]
fn one_direction_alone_follows_its_policy() {
    for (policy, expected, resets) in [
        (
            ExceptionPolicy::Drop,
            Verdict::Drop(DropReason::StreamAsymmetric),
            0,
        ),
        (
            ExceptionPolicy::Reject,
            Verdict::Drop(DropReason::StreamAsymmetric),
            1,
        ),
        (ExceptionPolicy::Pass, Verdict::Forward, 0),
    ] {
        let mut config = WorkerConfig::default();
        config.exceptions.asymmetric = policy;
        let mut lab = Lab::with(config, DROP_EVIL);
        assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
        assert_eq!(lab.request("/good"), expected);
        assert_eq!(lab.seen.resets.len(), resets);
        let passed = u64::from(policy == ExceptionPolicy::Pass);
        assert_eq!(lab.counters.get(Counter::ExceptionPass), passed);
    }
}

/// C13: roles are not swapped by a SYN-ACK that comes first.
#[test]
fn a_syn_ack_without_its_syn_opens_nothing() {
    let mut lab = Lab::new(DROP_EVIL);
    assert_eq!(
        lab.segment(0, "SA", b""),
        Verdict::Drop(DropReason::StreamMidstream)
    );
    lab.next = [1000, 9000];
    lab.open();
    assert_eq!(lab.request("/evil"), Verdict::Drop(DropReason::Rules));
}

#[test]
fn a_refused_connection_does_not_go_on_behind_a_new_syn() {
    let mut config = WorkerConfig::default();
    config.stream.tolerate_gaps = true;
    let mut lab = Lab::with(config, DROP_EVIL);
    lab.open();
    lab.segment(0, "A", b"GET /ev");
    let second = b"il HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(
        lab.segment(0, "A", second),
        Verdict::Drop(DropReason::Rules)
    );
    lab.next[0] -= second.len() as u32 + 1;
    assert_eq!(lab.segment(0, "S", b""), Verdict::Forward);
    assert_eq!(
        lab.segment(0, "A", second),
        Verdict::Drop(DropReason::StreamAsymmetric)
    );
}
