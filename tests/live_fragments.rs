//! Attacks in IP fragments, past a gateway whose kernel leaves fragments alone and past one whose
//! connection tracking puts them together. The server's socket, and its log, are the witnesses.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use support::Fallible;
use support::attacks;
use support::daemon::{Daemon, Setup};
use support::fragments::{self, Piece};
use support::netns::{Family, Lab, RAW_INTERFACE};
use support::nginx::{self, Nginx, Purpose};
use support::rawtcp::{Delivery, RawClient};
use support::requirements::live_with_daemon;
use support::tap::PacketSocket;

const PORT: u16 = 9100;
const UDP: u8 = 17;
const RULE: &str =
    "drop udp any any -> any any (msg:\"evil\"; content:\"evil-payload\"; sid:1; rev:1;)\n";

/// Who puts fragments together at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gateway {
    /// Stopgap.
    Plain,
    /// The kernel.
    Tracking,
}

impl Gateway {
    fn prepare(self, lab: &Lab) -> Fallible<()> {
        if self == Self::Plain {
            return Ok(());
        }
        for tool in ["iptables", "ip6tables"] {
            let args = ["-A", "FORWARD", "-m", "conntrack", "--ctstate", "NEW"];
            let args = [&args[..], &["-j", "ACCEPT"]].concat();
            let done = lab.gateway_runs(tool, &args, Duration::from_secs(10))?;
            assert_eq!(done.code(), 0, "{}", done.text());
        }
        Ok(())
    }
}

/// A way to cut a datagram.
struct Shape {
    name: &'static str,
    /// From the datagram, and one of the same length that differs in its middle.
    cut: fn(&[u8], &[u8]) -> Vec<Piece>,
    /// Whether a Linux server takes it.
    arrives: bool,
    /// Whether it may be refused though the server would take it.
    ambiguous: bool,
    only: Option<Family>,
}

const fn shape(name: &'static str, cut: fn(&[u8], &[u8]) -> Vec<Piece>) -> Shape {
    Shape {
        name,
        cut,
        arrives: true,
        ambiguous: false,
        only: None,
    }
}

fn reversed(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.reverse();
    pieces
}

const SHAPES: &[Shape] = &[
    shape("A01 ordered, 8 bytes each", |b, _| fragments::pieces(b, 8)),
    shape("A02 reversed", |b, _| reversed(fragments::pieces(b, 8))),
    shape("A03 last first", |b, _| {
        let mut pieces = fragments::pieces(b, 16);
        pieces.rotate_right(1);
        pieces
    }),
    shape("A04 one twice", |b, _| {
        let mut pieces = fragments::pieces(b, 24);
        pieces.insert(1, pieces[0].clone());
        pieces
    }),
    shape("B08 24 bytes each, reversed", |b, _| {
        reversed(fragments::pieces(b, 24))
    }),
    Shape {
        ambiguous: true,
        ..shape(
            "A05 a copy that differs, behind the one that counts",
            |b, other| {
                let mut pieces = fragments::pieces(b, 24);
                let copy = fragments::pieces(other, 24)[1].clone();
                pieces.insert(2, copy);
                pieces
            },
        )
    },
    Shape {
        only: Some(Family::V4),
        ..shape("A13 a middle piece of 21 bytes", |b, _| {
            vec![
                Piece::new(0, true, &b[..21]),
                Piece::new(16, true, &b[16..40]),
                Piece::new(40, false, &b[40..]),
            ]
        })
    },
    Shape {
        arrives: false,
        ..shape("A08 a partial overlap", |b, _| {
            vec![
                Piece::new(0, true, &b[..24]),
                Piece::new(16, true, &b[16..48]),
                Piece::new(48, false, &b[48..]),
            ]
        })
    },
    Shape {
        arrives: false,
        ..shape("A10 two ends", |b, _| {
            vec![
                Piece::new(0, true, &b[..24]),
                Piece::new(24, false, &b[24..32]),
                Piece::new(24, false, &b[24..]),
            ]
        })
    },
    Shape {
        arrives: false,
        ..shape("A22 never whole", |b, _| {
            fragments::pieces(b, 16).split_off(1)
        })
    },
];

struct Wire<'a> {
    lab: &'a Lab,
    socket: PacketSocket,
    servers: [UdpSocket; 2],
    /// Of the last datagram.
    id: u32,
}

impl<'a> Wire<'a> {
    fn new(lab: &'a Lab) -> Fallible<Self> {
        let socket = lab.inside(&lab.client(), || PacketSocket::open(RAW_INTERFACE))??;
        let server = |family| -> Fallible<UdpSocket> {
            let address = lab.server_address(family);
            let socket = lab.inside(&lab.server(), || UdpSocket::bind((address, PORT)))??;
            socket.set_read_timeout(Some(Duration::from_millis(400)))?;
            Ok(socket)
        };
        Ok(Self {
            lab,
            socket,
            servers: [server(Family::V4)?, server(Family::V6)?],
            id: 1000,
        })
    }

    /// Sends one datagram in this shape; it says who it is.
    fn send(&mut self, family: Family, shape: &Shape, payload: &str) -> Fallible<()> {
        self.id += 1;
        let from: (IpAddr, u16) = (self.lab.raw_address(family), 5000 + (self.id % 1000) as u16);
        let to = (self.lab.server_address(family), PORT);
        let text = format!("{payload} {:60} {}", shape.name, "end of the datagram");
        let body = fragments::udp(from, to, text.as_bytes());
        let mut other = body.clone();
        for byte in &mut other[24..48] {
            *byte = b'#';
        }
        for piece in (shape.cut)(&body, &other) {
            let frame = fragments::frame(from.0, to.0, UDP, self.id, &piece);
            self.socket.send(&frame)?;
        }
        Ok(())
    }

    /// All that the server's socket got until it was silent.
    fn received(&self, family: Family) -> BTreeSet<String> {
        let server = &self.servers[usize::from(family == Family::V6)];
        let mut buffer = [0; 2048];
        std::iter::from_fn(|| {
            let length = server.recv(&mut buffer).ok()?;
            Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
        })
        .collect()
    }
}

/// For each shape, whether attack and twin arrived; complaints are gathered.
fn try_shapes(wire: &mut Wire<'_>, guarded: bool, wrong: &mut Vec<String>) -> Fallible<()> {
    for family in Family::BOTH {
        let shapes = || SHAPES.iter().filter(|s| s.only.is_none_or(|f| f == family));
        for shape in shapes() {
            wire.send(family, shape, "evil-payload")?;
            wire.send(family, shape, "good-payload")?;
        }
        let received = wire.received(family);
        let got = |word: &str, shape: &Shape| {
            received
                .iter()
                .any(|text| text.starts_with(word) && text.contains(shape.name))
        };
        for shape in shapes() {
            let (attack, twin) = (got("evil", shape), got("good", shape));
            println!(
                "{:4} {:52} attack {attack}, twin {twin}",
                family.name(),
                shape.name
            );
            let attack_wanted = shape.arrives && !guarded;
            let twin_is_fine = twin == shape.arrives || (guarded && shape.ambiguous && !twin);
            if attack != attack_wanted || !twin_is_fine {
                wrong.push(format!(
                    "{} {}, guarded {guarded}: attack arrived {attack}, twin {twin}",
                    family.name(),
                    shape.name
                ));
            }
        }
    }
    Ok(())
}

fn datagrams_through(gateway: Gateway) -> Fallible<()> {
    let lab = Lab::new()?;
    gateway.prepare(&lab)?;
    let rules = lab.folder().join("evil.rules");
    fs::write(&rules, RULE)?;
    let mut wire = Wire::new(&lab)?;
    let mut wrong = Vec::new();
    println!("{gateway:?}, without Stopgap");
    try_shapes(&mut wire, false, &mut wrong)?;

    let daemon = Daemon::start(&lab, &Setup::with_rules(&rules))?;
    println!("{gateway:?}, {}", daemon.ready_line());
    try_shapes(&mut wire, true, &mut wrong)?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let books = daemon.accounting()?;
    let stats = daemon.stats()?;
    let count = |name: &str| {
        support::eve::find(&stats, name)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_else(|| panic!("no {name} in {stats}"))
    };
    println!("{books:?}");
    assert!(books.holds());
    assert_eq!((books.lost_before_us, books.passed_unseen), (0, 0));
    assert_eq!(count("fragments_failed"), 0);
    match gateway {
        Gateway::Plain => {
            assert!(count("datagrams_reassembled") >= 20);
            assert!(count("fragments_sent") > 0);
            assert!(books.in_hand > 0, "the datagrams that never get whole");
        }
        Gateway::Tracking => {
            assert_eq!(count("fragments_received"), 0, "the kernel was first");
            assert_eq!(books.in_hand, 0);
        }
    }
    let log = daemon.log_dir().join("eve.json");
    daemon.stop()?;
    let events = support::eve::read(&log);
    let last = events.iter().rfind(|e| e.kind() == "stats");
    let books = last.and_then(|e| support::eve::Accounting::of(&e.0));
    let books = books.ok_or("no stats at the end")?;
    assert!(books.holds() && books.in_hand == 0, "{books:?}");
    Ok(())
}

/// RFC 791 section 3.2: a router cuts finer where the next link takes less. Held fragments are sent
/// by us, so we must.
#[test]
fn fragments_are_cut_finer_for_a_smaller_link() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("fragments for a smaller link", &[]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let args = ["link", "set", "g1", "mtu", "900"];
    let done = lab.gateway_runs("ip", &args, Duration::from_secs(10))?;
    assert_eq!(done.code(), 0, "{}", done.text());
    let rules = lab.folder().join("evil.rules");
    fs::write(&rules, RULE)?;
    let mut wire = Wire::new(&lab)?;
    let daemon = Daemon::start(&lab, &Setup::with_rules(&rules))?;
    let large = shape("in pieces of 1200 bytes", |b, _| fragments::pieces(b, 1200));
    let payload = format!("good {}", "long ".repeat(380));
    wire.send(Family::V4, &large, &payload)?;
    let received = wire.received(Family::V4);
    assert!(received.iter().any(|text| text.starts_with(&payload)));
    let stats = daemon.stats()?;
    let sent = support::eve::find(&stats, "fragments_sent").and_then(serde_json::Value::as_u64);
    println!("{sent:?} fragments sent for two");
    assert!(sent >= Some(3));
    daemon.stop()?;
    Ok(())
}

#[test]
fn datagrams_in_fragments_are_judged_whole() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("fragments without conntrack", &["iptables"]) else {
        return Ok(());
    };
    datagrams_through(Gateway::Plain)
}

#[test]
fn datagrams_in_fragments_are_judged_whole_behind_conntrack() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("fragments with conntrack", &["iptables"]) else {
        return Ok(());
    };
    datagrams_through(Gateway::Tracking)
}

/// Every segment of the client in the smallest fragments that Linux takes: A15 for IPv4, where the
/// first holds eight bytes of the TCP header; for IPv6 it must hold all of it.
#[test]
fn requests_in_fragments_are_stopped_and_their_twins_are_not() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("requests in fragments", &["nginx", "iptables"]) else {
        return Ok(());
    };
    for gateway in [Gateway::Plain, Gateway::Tracking] {
        let lab = Lab::new()?;
        gateway.prepare(&lab)?;
        let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
        let mut client = RawClient::new(&lab)?;
        let daemon = Daemon::start(&lab, &Setup::default())?;
        let mut wrong = Vec::new();
        for (family, bytes) in [(Family::V4, 8), (Family::V6, 24)] {
            client.fragment_bytes = Some(bytes);
            let cases = attacks::cases(&format!("{gateway:?}-{family:?}"));
            for case in &cases {
                let patience = Duration::from_secs(if case.attack { 2 } else { 10 });
                let exchange = client.exchange(
                    family,
                    nginx::PORT,
                    &case.request,
                    Delivery::Whole,
                    patience,
                )?;
                if (exchange.status() == 200) == case.attack {
                    wrong.push(format!("{}: {}", case.id, exchange.status()));
                }
            }
            nginx.settle(&lab)?;
            for case in &cases {
                let logged = nginx.requests_with(&case.id);
                if logged.is_empty() != case.attack {
                    wrong.push(format!("{}: the server's log has {logged:?}", case.id));
                }
            }
            let attacks = cases.iter().filter(|case| case.attack).count();
            println!(
                "{gateway:?} {:4}: {attacks} attacks, {} twins, fragments of {bytes} bytes",
                family.name(),
                cases.len() - attacks
            );
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(daemon.accounting()?.holds());
        daemon.stop()?;
    }
    Ok(())
}
