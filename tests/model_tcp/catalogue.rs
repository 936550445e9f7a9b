//! The model against what a live Linux kernel was seen to do, by the numbers of the catalogue.

use super::host::{Host, Kernel, State};
use super::random::Random;
use super::segment::{ACK, FIN, PSH, RST, SYN, Segment, Side, URG};

const ISN: u32 = u32::MAX - 3;
const NOW: u32 = 1_000_000;

const KERNEL: Kernel = Kernel {
    fast_open: false,
    timestamps: true,
    sack: true,
    window_scale: None,
    receive_buffer: 60_000,
    takes_beyond_window: false,
    predicts: false,
    checks_echo: true,
};

/// A host that is attacked, and the attacker's side of the connection.
struct Lab {
    victim: Host,
}

impl Lab {
    fn with(side: Side, kernel: Kernel) -> Self {
        let data = vec![b'.'; 1_000];
        Self {
            victim: Host::new(side, kernel, data, Random::new(1)),
        }
    }

    fn listening() -> Self {
        Self::with(Side::Server, KERNEL)
    }

    /// A client that has sent its SYN.
    fn connecting() -> Self {
        let mut lab = Self::with(Side::Client, KERNEL);
        lab.victim.connect(NOW, 0);
        lab.victim.outbox.clear();
        lab
    }

    /// A server with a connection; timestamps at [`NOW`] where they are used.
    fn open(timestamps: bool) -> Self {
        let mut lab = Self::listening();
        lab.send(SYN, 0, "", |s| {
            s.seq = ISN;
            s.options.sack_permitted = true;
            s.options.timestamps = timestamps.then_some((NOW, 0));
        });
        lab.send(ACK, 0, "", |s| {
            s.options.timestamps = timestamps.then_some((NOW, 0));
        });
        assert_eq!(lab.victim.state, State::Established);
        lab
    }

    /// At a stream offset, with an ACK of all that the victim sent.
    fn send(&mut self, flags: u8, offset: i32, text: &str, set: impl FnOnce(&mut Segment)) {
        let seq = ISN.wrapping_add(1).wrapping_add(offset as u32);
        let from = self.victim.side.peer();
        let mut segment = Segment::new(from, flags, seq, self.victim.snd_nxt);
        segment.payload = text.as_bytes().to_vec();
        set(&mut segment);
        self.victim.outbox.clear();
        self.victim.receive(&segment, NOW);
    }

    fn data(&mut self, offset: i32, text: &str) {
        self.send(ACK | PSH, offset, text, |_| {});
    }

    fn read(&self) -> &str {
        std::str::from_utf8(&self.victim.read).unwrap()
    }

    fn answered_with(&self, flags: u8) -> bool {
        self.victim.outbox.last().is_some_and(|s| s.has(flags))
    }

    /// What a segment at the next offset does, with `set` applied.
    fn ignores(mut self, flags: u8, set: impl FnOnce(&mut Segment)) -> bool {
        let before = self.victim.fingerprint();
        self.send(flags, 0, "evil", set);
        let ignored = self.victim.fingerprint() == before;
        self.send(ACK, 0, "good", |_| {});
        ignored && self.read() == "good"
    }
}

/// Segments in order of sending, and what the application reads.
fn reads(segments: &[(i32, &str)]) -> String {
    let mut lab = Lab::open(false);
    for (offset, text) in segments {
        lab.data(*offset, text);
    }
    lab.read().to_owned()
}

#[test]
fn c01_c02_data_of_a_syn() {
    for (fast_open, read) in [(false, ""), (true, "early")] {
        let kernel = Kernel {
            fast_open,
            ..KERNEL
        };
        let mut lab = Lab::with(Side::Server, kernel);
        lab.send(SYN, -1, "early", |s| s.options.fast_open = true);
        assert_eq!(lab.read(), read);
        assert!(lab.answered_with(SYN | ACK));
        lab.send(ACK, read.len() as i32, "late", |_| {});
        assert_eq!(lab.read(), format!("{read}late"));
    }
}

#[test]
fn c03_data_of_the_third_ack() {
    let mut lab = Lab::listening();
    lab.send(SYN, -1, "", |_| {});
    lab.data(0, "abc");
    assert_eq!(lab.read(), "abc");
}

#[test]
fn c04_data_before_the_end_of_the_handshake() {
    let mut lab = Lab::listening();
    lab.send(SYN, -1, "", |_| {});
    lab.send(PSH, 0, "evil", |_| {});
    lab.data(0, "good");
    assert_eq!(lab.read(), "good");
}

#[test]
fn c05_to_c08_odd_syns() {
    for (flags, md5, opens) in [
        (SYN | FIN, false, false),
        (SYN | RST, false, false),
        (SYN | PSH | URG, false, true),
        (SYN | 0xc0, false, true),
        (SYN, true, false),
    ] {
        let mut lab = Lab::listening();
        lab.send(flags, -1, "", |s| s.options.md5 = md5);
        assert_eq!(lab.victim.state == State::SynReceived, opens, "{flags:#x}");
    }
}

#[test]
fn c09_the_first_initial_sequence_number_stays() {
    let mut lab = Lab::listening();
    lab.send(SYN, -1, "", |_| {});
    lab.send(SYN, 500_000, "", |_| {});
    assert!(lab.answered_with(ACK));
    lab.data(0, "abc");
    assert_eq!(lab.read(), "abc");
}

#[test]
fn c10_a_reset_makes_room_for_another_connection() {
    let mut lab = Lab::open(false);
    lab.data(0, "old");
    lab.send(RST, 3, "", |_| {});
    lab.send(SYN, 700_000 - 1, "", |_| {});
    lab.data(700_000, "new");
    assert_eq!(lab.read(), "new");
}

#[test]
fn c11_c12_no_new_connection_and_none_at_all() {
    let mut lab = Lab::open(false);
    lab.send(SYN, 700_000, "", |_| {});
    assert!(lab.answered_with(ACK));
    lab.data(0, "abc");
    assert_eq!(lab.read(), "abc");
    let mut lab = Lab::listening();
    lab.data(0, "abc");
    assert!(lab.answered_with(RST));
}

#[test]
fn c14_c15_a_split_handshake() {
    for five_way in [false, true] {
        let mut lab = Lab::connecting();
        lab.send(SYN, -1, "", |_| {});
        assert!(lab.answered_with(SYN | ACK));
        if five_way {
            lab.send(SYN | ACK, -1, "", |_| {});
        }
        lab.data(0, "abc");
        assert_eq!(lab.read(), "abc", "five-way: {five_way}");
    }
}

#[test]
fn c16_to_c18_data_of_the_server() {
    let mut lab = Lab::connecting();
    lab.data(0, "before");
    lab.send(SYN | ACK, -1, "with", |_| {});
    assert_eq!(lab.read(), "");
    lab.data(0, "after");
    assert_eq!(lab.read(), "after");
}

#[test]
fn c19_to_c23_before_the_syn_ack() {
    let mut lab = Lab::connecting();
    let first = lab.victim.first();
    lab.send(RST | ACK, 5, "", |s| s.ack = first + 9);
    lab.send(FIN | ACK, 5, "", |_| {});
    lab.send(RST, 0, "", |s| s.ack = 0);
    lab.send(SYN | ACK, 800, "", |s| s.ack = first + 9);
    assert!(lab.answered_with(RST));
    lab.send(SYN | ACK | FIN, -1, "", |_| {});
    lab.send(SYN | ACK, 900, "", |_| {});
    lab.data(0, "abc");
    assert_eq!(lab.read(), "abc");
    assert!(!lab.victim.eof);
}

#[test]
fn d01_to_d10_resets() {
    let closes = |flags: u8, offset: i32, set: &dyn Fn(&mut Segment)| {
        let mut lab = Lab::open(true);
        lab.data(0, "abc");
        lab.data(10, "klm");
        lab.send(flags, offset, "", set);
        lab.victim.was_reset
    };
    let as_is: &dyn Fn(&mut Segment) = &|_| {};
    assert!(closes(RST, 3, as_is), "D01");
    assert!(!closes(RST, 100, as_is), "D02");
    assert!(!closes(RST, 3_000_000, as_is), "D03");
    assert!(!closes(RST, 3, &|s| s.bad_checksum = true), "D04");
    assert!(!closes(RST, 3, &|s| s.options.md5 = true), "D05");
    assert!(closes(RST | ACK, 3, &|s| s.ack ^= 1 << 30), "D06");
    assert!(
        closes(RST, 3, &|s| s.options.timestamps = Some((5, 0))),
        "D07"
    );
    assert!(closes(RST, 13, as_is), "D08");
    assert!(!closes(RST, 2, as_is), "D09");
    let mut lab = Lab::open(true);
    lab.send(RST, 0, "evil", |_| {});
    lab.data(0, "good");
    assert_eq!((lab.read(), lab.victim.was_reset), ("", true), "D10");
}

#[test]
fn d12_to_d16_fins() {
    let fin = |flags: u8, offset: i32, set: &dyn Fn(&mut Segment)| {
        let mut lab = Lab::open(false);
        lab.send(flags, offset, "", set);
        lab.data(0, "abc");
        (lab.read().to_owned(), lab.victim.eof)
    };
    let goes_on = ("abc".to_owned(), false);
    assert_eq!(fin(FIN, 0, &|_| {}), goes_on, "D12");
    assert_eq!(fin(FIN | ACK, 0, &|s| s.ack += 1), goes_on, "D13");
    assert_eq!(fin(FIN | ACK, -5, &|_| {}), goes_on, "D14");
    let all_then_end = ("abc".to_owned(), true);
    assert_eq!(fin(FIN | ACK, 3, &|_| {}), all_then_end, "D15");
    let nothing = (String::new(), true);
    assert_eq!(fin(FIN | ACK, 0, &|_| {}), nothing, "D16");
}

#[test]
fn d19_the_ports_are_used_again() {
    let mut lab = Lab::open(false);
    lab.victim.data.clear();
    lab.send(FIN | ACK, 0, "", |_| {});
    lab.victim.send_new(1, NOW);
    lab.send(ACK, 1, "", |_| {});
    assert_eq!(lab.victim.state, State::Done);
    lab.send(SYN, 90_000 - 1, "", |_| {});
    lab.data(90_000, "new");
    assert_eq!(lab.read(), "new");
}

#[test]
fn e01_e02_one_byte_at_a_time() {
    assert_eq!(reads(&[(0, "a"), (1, "b"), (2, "c")]), "abc");
    assert_eq!(reads(&[(2, "c"), (1, "b"), (0, "a")]), "abc");
}

#[test]
fn e03_to_e13_overlaps() {
    for (name, segments, expected) in [
        ("E03", &[(0, "AAAA"), (0, "BBBB")][..], "AAAA"),
        ("E04", &[(0, "AAAA"), (0, "BBBBCC")], "AAAACC"),
        ("E05", &[(1, "AAA"), (1, "BBB"), (0, "x")], "xAAA"),
        ("E06", &[(2, "BB"), (0, "AAAAAA")], "AAAAAA"),
        ("E07", &[(2, "BBBB"), (0, "AAAA")], "AAAABB"),
        ("E08", &[(2, "AA"), (1, "BBBB"), (0, "x")], "xBBBB"),
        ("E09", &[(1, "AA"), (1, "BBBB"), (0, "x")], "xBBBB"),
        ("E10", &[(3, "BBBB"), (1, "AAAA"), (0, "x")], "xAAAABB"),
        ("E11", &[(1, "BBBB"), (3, "AAAA"), (0, "x")], "xBBBBAA"),
        ("E12", &[(1, "AAAA"), (2, "BB"), (0, "x")], "xAAAA"),
    ] {
        assert_eq!(reads(segments), expected, "{name}");
    }
}

#[test]
fn e14_to_e29_what_is_ignored() {
    assert!(
        Lab::open(true).ignores(ACK, |s| s.bad_checksum = true),
        "E14"
    );
    assert!(Lab::open(true).ignores(PSH, |_| {}), "E15");
    assert!(Lab::open(true).ignores(0, |_| {}), "E15");
    assert!(Lab::open(true).ignores(SYN, |_| {}), "E16");
    assert!(Lab::open(true).ignores(SYN | ACK, |_| {}), "E16");
    let stamped = |value: u32| move |s: &mut Segment| s.options.timestamps = Some((value, 0));
    assert!(Lab::open(true).ignores(ACK, stamped(NOW - 2)), "E17");
    assert!(!Lab::open(true).ignores(ACK, stamped(NOW - 1)), "E18");
    assert!(Lab::open(true).ignores(ACK, stamped(0)), "E19");
    assert!(!Lab::open(true).ignores(ACK, |_| {}), "E20");
    assert!(!Lab::open(false).ignores(ACK, stamped(1)), "E21");
    assert!(Lab::open(true).ignores(ACK, |s| s.ack += 1), "E23");
    assert!(Lab::open(true).ignores(ACK, |s| s.ack -= 11), "E24");
    assert!(
        Lab::open(true).ignores(ACK, |s| s.seq = s.seq.wrapping_add(3_000_000)),
        "E25"
    );
    assert!(
        Lab::open(true).ignores(ACK, |s| s.options.md5 = true),
        "E26"
    );
    assert!(!Lab::open(true).ignores(ACK, |s| s.window = 0), "E28");
    assert!(
        Lab::open(true).ignores(ACK, |s| {
            s.seq = s.seq.wrapping_sub(1);
            s.payload.truncate(1);
        }),
        "E36"
    );
}

#[test]
fn e31_to_e35_urgent_bytes() {
    let mut read = Vec::new();
    for (flags, pointer) in [
        (ACK | URG, 1),
        (ACK | URG, 3),
        (ACK | URG, 0),
        (ACK | URG, 9),
        (ACK, 3),
    ] {
        let mut lab = Lab::open(false);
        lab.send(flags, 0, "abcdef", |s| s.urgent = pointer);
        read.push(lab.read().to_owned());
    }
    assert_eq!(read, ["bcdef", "abdef", "bcdef", "abcdef", "abcdef"]);
    let mut lab = Lab::open(false);
    lab.send(ACK | URG, 0, "abc", |s| s.urgent = 2);
    lab.send(ACK | URG, 3, "def", |s| s.urgent = 2);
    assert_eq!(lab.read(), "acdf", "E33");
}
