//! What the model test found, as the packets that showed it.

use stopgap::stream::Normaliser;

use super::middle::{Middle, Stopgap};
use super::segment::{ACK, FIN, PSH, SYN, Segment, Side};

const CLIENT: u32 = 1_000;
const SERVER: u32 = 9_000;
const NOW: u32 = 500_000;

/// The engine with a connection through it.
struct Lab {
    engine: Stopgap,
    /// Both ends use timestamps.
    timestamps: bool,
}

impl Lab {
    fn new(timestamps: bool) -> Self {
        let engine = Stopgap::with(Normaliser::NORMAL);
        Self { engine, timestamps }
    }

    /// Both ends let the other send 4,000 bytes.
    fn open(timestamps: bool) -> Self {
        let mut lab = Self::new(timestamps);
        assert!(lab.client(SYN, -1, "", |s| s.ack = 0));
        assert!(lab.server(SYN | ACK, -1, "", |_| {}));
        assert!(lab.client(ACK, 0, "", |_| {}));
        lab
    }

    /// At a stream offset, with an ACK of the other's first byte; whether it is forwarded.
    fn client(
        &mut self,
        flags: u8,
        offset: i32,
        text: &str,
        set: impl FnOnce(&mut Segment),
    ) -> bool {
        self.send(Side::Client, flags, [CLIENT, SERVER], offset, text, set)
    }

    fn server(
        &mut self,
        flags: u8,
        offset: i32,
        text: &str,
        set: impl FnOnce(&mut Segment),
    ) -> bool {
        self.send(Side::Server, flags, [SERVER, CLIENT], offset, text, set)
    }

    fn send(
        &mut self,
        from: Side,
        flags: u8,
        [isn, other]: [u32; 2],
        offset: i32,
        text: &str,
        set: impl FnOnce(&mut Segment),
    ) -> bool {
        let seq = (isn + 1).wrapping_add(offset as u32);
        let mut segment = Segment::new(from, flags, seq, other + 1);
        segment.window = 4_000;
        segment.options.timestamps = self.timestamps.then_some((NOW, NOW));
        segment.payload = text.as_bytes().to_vec();
        set(&mut segment);
        self.engine.judge(&mut segment).is_ok()
    }

    /// What was delivered of the client's bytes, connection by connection.
    fn delivered(&self) -> Vec<String> {
        let connections = self.engine.connections().iter();
        let text = |bytes: &[u16]| bytes.iter().map(|b| char::from(*b as u8)).collect();
        connections
            .map(|c| text(&c.delivered[Side::Client.index()]))
            .collect()
    }
}

const SEGMENT: u8 = ACK | PSH;

#[test]
fn an_ignored_acknowledgement_offers_no_window() {
    let mut lab = Lab::open(false);
    lab.client(SEGMENT, 0, "abc", |_| {});
    lab.server(ACK, 0, "", |s| s.ack += 3);
    lab.server(ACK, -1, "", |s| s.window = 60_000);
    assert!(!lab.client(SEGMENT, 5_000, "evil", |_| {}));
}

#[test]
fn a_refused_segment_offers_no_window() {
    let mut lab = Lab::open(false);
    lab.server(SEGMENT, 0, "abc", |_| {});
    assert!(!lab.server(SEGMENT, 0, "abX", |s| s.window = 60_000));
    assert!(!lab.client(SEGMENT, 5_000, "evil", |_| {}));
}

#[test]
fn no_byte_lies_beyond_the_window() {
    let mut lab = Lab::open(false);
    assert!(!lab.client(SEGMENT, 3_999, "evil", |_| {}));
    assert!(!lab.client(SEGMENT | FIN, 3_998, "evil", |_| {}));
    assert!(lab.client(SEGMENT | FIN, 3_996, "good", |_| {}));
}

/// A stack other than Linux sends one byte to learn whether a closed window is open again.
#[test]
fn a_closed_window_is_probed() {
    let mut lab = Lab::open(false);
    lab.server(ACK, 0, "", |s| s.window = 0);
    let all = "x".repeat(4_000);
    assert!(lab.client(SEGMENT, 0, &all, |_| {}));
    assert!(lab.client(SEGMENT, 4_000, "y", |_| {}));
    assert!(!lab.client(SEGMENT, 4_002, "y", |_| {}));
}

#[test]
fn the_acknowledgement_behind_a_fin_that_filled_the_window_counts() {
    let mut lab = Lab::open(false);
    let all = "x".repeat(4_000);
    assert!(lab.client(SEGMENT | FIN, 0, &all, |_| {}));
    assert!(lab.client(ACK, 4_001, "", |s| s.window = 5_000));
    assert!(lab.server(SEGMENT, 4_500, "good", |_| {}));
}

#[test]
fn a_syn_ack_that_was_overtaken_may_be_echoed() {
    let mut lab = Lab::new(true);
    lab.client(SYN, -1, "", |s| s.ack = 0);
    lab.server(SYN | ACK, -1, "", |_| {});
    lab.server(SYN | ACK, -1, "", |s| {
        s.options.timestamps = Some((NOW - 5, NOW))
    });
    assert!(lab.client(SEGMENT, 0, "abc", |s| {
        s.options.timestamps = Some((NOW + 1, NOW - 5));
    }));
    assert_eq!(lab.delivered(), ["abc"]);
}

#[test]
fn what_is_echoed_is_remembered() {
    let mut lab = Lab::open(true);
    let at = |value| move |s: &mut Segment| s.options.timestamps = Some((value, NOW));
    lab.client(SEGMENT, 0, "abc", at(NOW + 1));
    lab.client(SEGMENT, 3, "def", at(NOW + 9));
    lab.server(ACK, 0, "", |s| {
        s.ack += 6;
        s.options.timestamps = Some((NOW, NOW + 9));
    });
    assert!(!lab.client(SEGMENT, 6, "evil", at(NOW + 7)));
    assert!(lab.client(SEGMENT, 6, "good", at(NOW + 8)));
}

#[test]
fn an_old_acknowledgement_brings_no_timestamp() {
    let mut lab = Lab::open(true);
    lab.client(ACK, 0, "", |s| {
        s.ack -= 1;
        s.options.timestamps = Some((NOW + 1_000, NOW));
    });
    assert!(lab.client(SEGMENT, 0, "good", |_| {}));
}

#[test]
fn a_refused_syn_ack_is_no_restart() {
    let mut lab = Lab::open(false);
    lab.client(SYN, 700, "", |_| {});
    assert!(!lab.server(SYN | ACK, 90, "", |s| {
        s.ack = CLIENT + 702;
        s.options.md5 = true;
    }));
    assert!(lab.client(SEGMENT, 0, "good", |_| {}));
    assert_eq!(lab.delivered(), ["good"]);
}

#[test]
fn a_server_takes_all_data_of_a_syn_or_none() {
    let mut lab = Lab::new(false);
    lab.client(SYN, -1, "0123456789", |s| s.ack = 0);
    assert!(lab.client(SYN, 15, "", |s| s.ack = 0));
    assert!(!lab.client(SYN, 4, "", |s| s.ack = 0), "within the data");
    assert!(lab.server(SYN | ACK, -1, "", |s| s.ack += 5));
    assert!(!lab.client(SEGMENT, 5, "evil", |_| {}), "nobody answered");
    assert!(lab.server(SYN | ACK, -1, "", |s| s.ack += 16));
    assert!(lab.client(SEGMENT, 16, "good", |_| {}));
    assert_eq!(lab.delivered(), ["0123456789", "good"]);
}

#[test]
fn another_answer_from_the_same_server_number_is_another_connection() {
    let mut lab = Lab::open(false);
    lab.client(SEGMENT, 0, "old", |_| {});
    lab.server(ACK, 0, "", |s| s.ack += 3);
    lab.client(SYN, 700, "", |_| {});
    assert!(lab.server(SYN | ACK, -1, "", |s| s.ack = CLIENT + 702));
    assert!(lab.client(SEGMENT, 701, "new", |_| {}));
    assert_eq!(lab.delivered(), ["old", "new"]);
}

#[test]
fn a_server_waits_until_the_client_has_chosen() {
    let mut lab = Lab::new(false);
    lab.client(SYN, -1, "", |s| s.ack = 0);
    assert!(lab.server(SYN | ACK, -1, "with", |_| {}));
    assert!(
        !lab.server(SEGMENT, 4, "evil", |_| {}),
        "it may ignore the data"
    );
    assert!(lab.client(ACK, 0, "", |s| s.ack += 4));
    assert!(lab.server(SEGMENT, 4, "good", |_| {}));

    let mut lab = Lab::new(false);
    lab.client(SYN, -1, "", |s| s.ack = 0);
    assert!(lab.server(SYN | ACK, -1, "with", |_| {}));
    assert!(
        !lab.server(SYN | ACK, 3, "", |_| {}),
        "an answer would fit both"
    );
    assert!(lab.server(SYN | ACK, 62, "", |_| {}));
    assert!(
        !lab.server(SEGMENT, 63, "evil", |_| {}),
        "which one it takes"
    );
    assert!(lab.client(ACK, 0, "", |s| s.ack += 63));
    assert!(lab.server(SEGMENT, 63, "good", |_| {}));
}
