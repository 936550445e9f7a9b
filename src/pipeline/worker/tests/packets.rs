//! Rules about single packets, whose payload the scan of their stream also covers.

use super::*;

const NEEDLE: &str = concat!(
    "alert tcp any any -> any any (msg:\"t\"; flags:A+; content:\"needle-here\"; sid:1;)\n",
    "alert tcp any any -> any any (msg:\"t\"; content:\"far-needle\"; offset:300; sid:2;)\n",
    "alert tcp any any -> any any (msg:\"t\"; dsize:<100; content:\"needle-small\"; sid:3;)\n",
);

fn alerts(send: impl FnOnce(&mut Lab)) -> Vec<u32> {
    let mut lab = Lab::new(NEEDLE);
    lab.open();
    send(&mut lab);
    lab.seen.alerts.sort_unstable();
    lab.seen.alerts
}

#[test]
fn what_stands_in_one_packet_is_found_there() {
    let in_one = alerts(|lab| {
        lab.segment(0, "A", b"\x01\x02 needle-here");
    });
    assert_eq!(in_one, [1]);
    let one_after_the_other = alerts(|lab| {
        lab.segment(0, "A", b"\x01\x02 needle-here");
        lab.segment(0, "A", b" needle-here needle-small");
    });
    assert_eq!(one_after_the_other, [1, 1, 3]);
}

#[test]
fn what_stands_in_two_packets_is_in_neither() {
    let cut = alerts(|lab| {
        lab.segment(0, "A", b"\x01\x02 needle-he");
        lab.segment(0, "A", b"re needle-sm");
        lab.segment(0, "A", b"all");
    });
    assert_eq!(cut, [0u32; 0]);
}

#[test]
fn a_packet_that_is_not_in_turn_is_looked_at_by_itself() {
    let early = alerts(|lab| {
        let first = lab.next[0];
        lab.next[0] += 3;
        lab.segment(0, "A", b"needle-here");
        lab.next[0] = first;
        lab.segment(0, "A", b"\x01\x02\x03");
    });
    assert_eq!(early, [1]);
}

#[test]
fn a_place_is_counted_from_the_start_of_the_packet_too() {
    let far = [vec![b' '; 300], b"far-needle".to_vec()].concat();
    let second = alerts(|lab| {
        lab.segment(0, "A", &[1; 50]);
        lab.segment(0, "A", b"far-needle");
    });
    assert_eq!(second, [0u32; 0]);
    let behind_others = alerts(|lab| {
        lab.segment(0, "A", &[1; 50]);
        lab.segment(0, "A", &far);
    });
    assert!(behind_others.contains(&2));
}
