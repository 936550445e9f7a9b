//! The queue, the kernel rules and the injector against the real kernel:
//! client, gateway and server, each in a network namespace of its own.
//!
//! Needs root, `ip`, `iptables` and `nft`. Without them each test says so and
//! passes, unless `STOPGAP_REQUIRE_LIVE` is set.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Command, id};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use stopgap::capture::inject::Injector;
use stopgap::capture::nfqueue::{Decision, Hook, OpenError, Packet, Queue, QueueConfig};
use stopgap::capture::reset::{Reset, ResetFields};
use stopgap::netfilter::{self, Backend, Failure, Hooks, Plan, PlanConfig};

const MTU: usize = 1500;
const CLIENT: [&str; 2] = ["10.71.1.2", "fd71:1::2"];
const SERVER: [&str; 2] = ["10.71.2.2", "fd71:2::2"];
const SOON: Duration = Duration::from_secs(3);
const NEVER: Duration = Duration::from_millis(400);

// ---------------------------------------------------------------- the place

fn can_run() -> bool {
    let missing: Vec<_> = ["ip", "iptables-save", "ip6tables-save", "nft"]
        .into_iter()
        .filter(|tool| Command::new(tool).arg("--version").output().is_err())
        .collect();
    // SAFETY: takes no pointers.
    let root = unsafe { libc::geteuid() } == 0;
    if root && missing.is_empty() {
        return true;
    }
    assert!(
        std::env::var_os("STOPGAP_REQUIRE_LIVE").is_none(),
        "live tests are required: root {root}, missing {missing:?}"
    );
    println!("skipped: live tests need root ({root}) and {missing:?}");
    false
}

/// Three namespaces in a row; gone when this is dropped.
struct Net {
    name: String,
}

#[derive(Clone, Copy)]
enum Place {
    Client,
    Gateway,
    Server,
}

impl Net {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let net = Self {
            name: format!("sgq{}x{number}", id()),
        };
        let (c, g, s) = (
            net.of(Place::Client),
            net.of(Place::Gateway),
            net.of(Place::Server),
        );
        for ns in [&c, &g, &s] {
            ip(&format!("netns add {ns}"));
            ip(&format!("-n {ns} link set lo up"));
        }
        for place in [Place::Client, Place::Gateway, Place::Server] {
            net.run(place, || {
                // Without a link-local address there is no neighbour discovery, and
                // detection of duplicates would keep it back for a second.
                std::fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0").unwrap();
            });
        }
        ip(&format!(
            "-n {c} link add c0 type veth peer name g0 netns {g}"
        ));
        ip(&format!(
            "-n {s} link add s0 type veth peer name g1 netns {g}"
        ));
        for (ns, device, host, gateway) in [
            (&c, "c0", "1", false),
            (&s, "s0", "2", false),
            (&g, "g0", "1", true),
            (&g, "g1", "2", true),
        ] {
            let last = if gateway { 1 } else { 2 };
            ip(&format!(
                "-n {ns} addr add 10.71.{host}.{last}/24 dev {device}"
            ));
            ip(&format!(
                "-n {ns} addr add fd71:{host}::{last}/64 dev {device} nodad"
            ));
            ip(&format!("-n {ns} link set {device} up"));
            if !gateway {
                ip(&format!("-n {ns} route add default via 10.71.{host}.1"));
                ip(&format!("-n {ns} -6 route add default via fd71:{host}::1"));
            }
        }
        net.run(Place::Gateway, || {
            for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{switch}"), "1").unwrap();
            }
        });
        net.run(Place::Client, || {
            // Neighbours are found once and for all; nobody listens on this port.
            for server in SERVER {
                let refused = TcpStream::connect_timeout(&address(server, 1), SOON).unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            }
        });
        net
    }

    fn of(&self, place: Place) -> String {
        let letter = match place {
            Place::Client => 'c',
            Place::Gateway => 'g',
            Place::Server => 's',
        };
        format!("{}{letter}", self.name)
    }

    fn spawn<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let path = format!("/run/netns/{}", self.of(place));
        thread::spawn(move || {
            let namespace = File::open(path).unwrap();
            // SAFETY: takes no pointers; changes this thread only.
            let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            assert_eq!(result, 0, "{}", io::Error::last_os_error());
            work()
        })
    }

    fn run<T: Send + 'static>(&self, place: Place, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.spawn(place, work).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn install(&self, place: Place, config: PlanConfig) -> netfilter::Installation {
        let plan = Plan::new(config).unwrap();
        self.run(place, move || netfilter::install(&plan).unwrap())
    }

    fn counter(&self) -> u64 {
        self.run(Place::Gateway, || {
            netfilter::packet_counter().unwrap().unwrap()
        })
    }

    /// Everything a firewall tool lists, without packet counts.
    fn listings(&self, place: Place) -> String {
        let ns = self.of(place);
        let mut all = String::new();
        for tool in [
            "iptables-save",
            "ip6tables-save",
            "iptables-legacy-save",
            "nft list ruleset",
        ] {
            let output = Command::new("ip")
                .args(["netns", "exec", &ns])
                .args(tool.split(' '))
                .output()
                .unwrap();
            assert!(output.status.success());
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                if !line.starts_with('#') {
                    all.push_str(line.split(" [").next().unwrap_or(line));
                    all.push('\n');
                }
            }
        }
        all
    }

    fn exec(&self, place: Place, command: &str) {
        ip(&format!("netns exec {} {command}", self.of(place)));
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for place in [Place::Client, Place::Gateway, Place::Server] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.of(place)])
                .output();
        }
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {message}");
}

// ---------------------------------------------------------------- the reader

/// What a test wants done with a packet.
enum Choice {
    Accept,
    Drop,
    /// Forward the bytes as they now are.
    Rewritten,
    /// Drop, and inject these.
    Answer([Reset; 2]),
}

#[derive(Debug, Default)]
struct Seen {
    packets: u64,
    largest: usize,
    gso: u64,
    lost: u64,
    overruns: u32,
    refused: u64,
}

struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

impl Reader {
    /// Reads a queue in the gateway until told to stop.
    fn start(
        net: &Net,
        config: QueueConfig,
        mut choose: impl FnMut(&mut Packet<'_>) -> Choice + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = net.spawn(Place::Gateway, move || {
            let mut queue = once_free(|| Queue::open(&config));
            let injector = Injector::open(PlanConfig::default().mark).unwrap();
            let mut answers = Vec::new();
            ready.send(()).unwrap();
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                let mut batch = queue.receive(Duration::from_millis(20)).unwrap();
                for mut packet in batch.packets {
                    seen.packets += 1;
                    seen.largest = seen.largest.max(packet.data.len());
                    seen.gso += u64::from(packet.gso);
                    assert_eq!(packet.hook, Hook::Forward);
                    assert!(!packet.truncated);
                    let decision = match choose(&mut packet) {
                        Choice::Accept => Decision::ACCEPT,
                        Choice::Drop => Decision::DROP,
                        Choice::Rewritten => Decision::rewrite(packet.data),
                        Choice::Answer(resets) => {
                            answers.extend(resets);
                            Decision::DROP
                        }
                    };
                    batch.verdicts.decide(packet.id, decision).unwrap();
                }
                assert_eq!(batch.verdicts.undecided(), 0);
                // Verdicts first: a reset must not overtake what was accepted before it.
                batch.verdicts.flush().unwrap();
                for reset in answers.drain(..) {
                    injector.send(reset.as_bytes()).unwrap();
                }
            }
            let stats = queue.stats().unwrap();
            assert_eq!(stats.malformed, 0);
            assert_eq!(stats.kernel.waiting, 0);
            seen.lost = stats.lost_before_us();
            seen.overruns = stats.overruns;
            seen.refused = stats.verdicts_refused + stats.verdicts_late;
            seen
        });
        is_ready.recv().unwrap();
        Self { stop, thread }
    }

    fn accept_all(net: &Net) -> Self {
        Self::start(net, QueueConfig::default(), |_| Choice::Accept)
    }

    fn finish(self) -> Seen {
        thread::sleep(Duration::from_millis(100));
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

// ---------------------------------------------------------------- traffic

fn address(host: &str, port: u16) -> SocketAddr {
    SocketAddr::new(host.parse::<IpAddr>().unwrap(), port)
}

/// Opens what was closed a moment ago. The tests of this file run side by side, and a
/// program that another one starts holds a copy of every socket from its fork to its exec.
fn once_free<T, E: std::fmt::Debug>(mut open: impl FnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + SOON;
    loop {
        match open() {
            Ok(opened) => return opened,
            Err(error) => assert!(Instant::now() < end, "not free: {error:?}"),
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A test must fail rather than wait for ever.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let end = Instant::now() + SOON;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(Instant::now() < end, "no connection came");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The client sends so many bytes to the server; gives what arrived.
fn transfer(net: &Net, server: &'static str, bytes: usize) -> Vec<u8> {
    let listener = net.run(Place::Server, move || {
        once_free(|| TcpListener::bind(address(server, 80)))
    });
    let receiver = thread::spawn(move || {
        let mut stream = accept(&listener);
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    net.run(Place::Client, move || {
        let mut stream = TcpStream::connect_timeout(&address(server, 80), SOON).unwrap();
        stream.write_all(&vec![b'a'; bytes]).unwrap();
    });
    receiver.join().unwrap()
}

fn connects(net: &Net, from: Place, server: &'static str, port: u16, within: Duration) -> bool {
    let listener = net.run(Place::Server, move || {
        once_free(|| TcpListener::bind(address(server, port)))
    });
    let connected = net.run(from, move || {
        TcpStream::connect_timeout(&address(server, port), within).is_ok()
    });
    drop(listener);
    connected
}

/// One datagram from client to server; what the server got.
fn datagram(net: &Net, family: usize, text: &'static [u8], within: Duration) -> Option<Vec<u8>> {
    let server = net.run(Place::Server, move || {
        once_free(|| UdpSocket::bind(address(SERVER[family], 53)))
    });
    server.set_read_timeout(Some(within)).unwrap();
    net.run(Place::Client, move || {
        let client = UdpSocket::bind(address(CLIENT[family], 0)).unwrap();
        client.send_to(text, address(SERVER[family], 53)).unwrap();
    });
    let mut buffer = [0; MTU];
    let length = server.recv(&mut buffer).ok()?;
    Some(buffer[..length].to_vec())
}

/// Sends datagrams, one behind the other, until told to stop or `count` are sent.
fn flood(net: &Net, count: usize, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let stop = Arc::clone(stop);
    net.spawn(Place::Client, move || {
        let sockets: Vec<_> = [0, 1]
            .map(|family| UdpSocket::bind(address(CLIENT[family], 0)).unwrap())
            .into();
        let mut sent = 0;
        while sent < count && !stop.load(Ordering::Relaxed) {
            let family = sent % 2;
            let to = address(SERVER[family], 9);
            // What the sender's own buffer refuses was never sent.
            if sockets[family].send_to(&[b'x'; 100], to).is_ok() {
                sent += 1;
            }
        }
        sent
    })
}

/// Packets the server's interface took in.
fn arrived(net: &Net) -> u64 {
    net.run(Place::Server, || {
        let snmp = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
        let snmp6 = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap();
        // Udp: InDatagrams NoPorts InErrors ...
        let udp = snmp
            .lines()
            .filter(|l| l.starts_with("Udp:"))
            .nth(1)
            .unwrap();
        let numbers: Vec<u64> = udp.split(' ').filter_map(|w| w.parse().ok()).collect();
        let six = snmp6
            .lines()
            .filter(|l| l.starts_with("Udp6InDatagrams") || l.starts_with("Udp6NoPorts"))
            .filter_map(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum::<u64>();
        numbers[0] + numbers[1] + six
    })
}

// ---------------------------------------------------------------- tests

#[test]
fn tcp_and_udp_pass_in_both_families_and_every_packet_is_counted() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    let reader = Reader::accept_all(&net);
    net.install(Place::Gateway, PlanConfig::default());
    for family in [0, 1] {
        assert_eq!(transfer(&net, SERVER[family], 4 << 20).len(), 4 << 20);
        assert_eq!(
            datagram(&net, family, b"hello", SOON).as_deref(),
            Some(&b"hello"[..])
        );
    }
    let seen = reader.finish();
    assert!(seen.largest > 4 * MTU && seen.gso > 0, "{seen:?}");
    assert_eq!((seen.lost, seen.overruns, seen.refused), (0, 0, 0));
    assert_eq!(net.counter(), seen.packets);
}

#[test]
fn without_gso_packets_come_one_by_one() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(Place::Gateway, PlanConfig::default());
    let config = QueueConfig {
        gso: false,
        ..QueueConfig::default()
    };
    let reader = Reader::start(&net, config, |_| Choice::Accept);
    assert_eq!(transfer(&net, SERVER[0], 1 << 20).len(), 1 << 20);
    let seen = reader.finish();
    assert!(seen.largest <= MTU && seen.gso == 0, "{seen:?}");
}

#[test]
fn a_drop_holds_for_its_packet_alone() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(Place::Gateway, PlanConfig::default());
    let reader = Reader::start(&net, QueueConfig::default(), |packet| {
        if packet.data.ends_with(b"evil") {
            Choice::Drop
        } else {
            Choice::Accept
        }
    });
    for family in [0, 1] {
        assert_eq!(datagram(&net, family, b"evil", NEVER), None);
        assert!(datagram(&net, family, b"good", SOON).is_some());
    }
    assert_eq!(reader.finish().refused, 0);
}

#[test]
fn rewritten_bytes_arrive_gso_or_not() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(Place::Gateway, PlanConfig::default());
    let reader = Reader::start(&net, QueueConfig::default(), |packet| {
        rewrite(packet.data, packet.gso);
        Choice::Rewritten
    });
    for family in [0, 1] {
        let received = transfer(&net, SERVER[family], 1 << 20);
        assert_eq!(received.len(), 1 << 20);
        assert!(received.iter().all(|&byte| byte == b'b'));
    }
    let seen = reader.finish();
    assert!(seen.gso > 0, "{seen:?}");
    assert_eq!(seen.refused, 0);
}

/// Makes every byte of a TCP payload a `b`; the kernel completes a GSO packet's checksum.
fn rewrite(data: &mut [u8], gso: bool) {
    let Some((header, payload, _)) = tcp_parts(data) else {
        return;
    };
    data[payload..].fill(b'b');
    if !gso {
        let (_, _, checksum) = tcp_parts(data).unwrap();
        data[header + 16..header + 18].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Where a TCP header and its payload start, and what its checksum should be.
fn tcp_parts(data: &[u8]) -> Option<(usize, usize, u16)> {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    let packet = SlicedPacket::from_ip(data).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else {
        return None;
    };
    let payload = data.len() - tcp.payload().len();
    let checksum = match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination())
        }
        NetSlice::Ipv6(ip) => {
            tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination())
        }
        _ => return None,
    };
    Some((
        payload - tcp.header_slice().len(),
        payload,
        checksum.unwrap(),
    ))
}

#[test]
fn without_a_reader_closed_blocks_and_open_passes() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(Place::Gateway, PlanConfig::default());
    let reader = Reader::accept_all(&net);
    assert!(datagram(&net, 0, b"hello", SOON).is_some());
    reader.finish();
    for family in [0, 1] {
        assert_eq!(datagram(&net, family, b"hello", NEVER), None);
    }
    net.install(
        Place::Gateway,
        PlanConfig {
            failure: Failure::Open,
            ..PlanConfig::default()
        },
    );
    for family in [0, 1] {
        assert!(datagram(&net, family, b"hello", SOON).is_some());
    }
}

#[test]
fn a_replacement_lets_nothing_pass_beside_the_queue() {
    if !can_run() {
        return;
    }
    for command in ["iptables", "iptables-nft", "iptables-legacy"] {
        let net = Net::new();
        let backend = Backend::Iptables(command);
        let install = move |queues| {
            let plan = Plan::new(PlanConfig {
                queues,
                ..PlanConfig::default()
            })
            .unwrap();
            netfilter::install_with(&backend, &plan)
        };
        let first = install.clone();
        let there = net.run(Place::Gateway, move || first(0..1).is_ok());
        if !there {
            println!("{command} is the default under another name, or absent");
            continue;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let sender = flood(&net, usize::MAX, &stop);
        net.run(Place::Gateway, move || {
            let end = Instant::now() + Duration::from_secs(1);
            for last in (1..9).cycle().take_while(|_| Instant::now() < end) {
                install(0..last).unwrap();
            }
        });
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap();
        assert!(sent > 1_000, "{sent}");
        assert_eq!(arrived(&net), 0, "{command}: of {sent}");
    }
}

#[test]
fn remove_leaves_everything_as_it_was() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    let host = PlanConfig {
        hooks: Hooks::Host {
            management_ports: vec![22],
        },
        queues: 0..4,
        interfaces: vec!["g0".to_owned()],
        ..PlanConfig::default()
    };
    let round = |net: &Net| {
        let before = net.listings(Place::Gateway);
        let installation = net.install(Place::Gateway, PlanConfig::default());
        assert_ne!(net.listings(Place::Gateway), before);
        net.install(Place::Gateway, host.clone());
        let status = net.run(Place::Gateway, || netfilter::status().unwrap());
        assert_eq!(status.len(), 1);
        assert!(status[0].ipv4 && status[0].ipv6);
        assert!(status[0].rules.iter().any(|rule| rule.contains("22")));
        let removed = net.run(Place::Gateway, || {
            [netfilter::remove().unwrap(), netfilter::remove().unwrap()]
        });
        assert_eq!(removed, [true, false]);
        assert_eq!(net.listings(Place::Gateway), before);
        assert_eq!(net.run(Place::Gateway, || netfilter::status().unwrap()), []);
        installation
    };
    assert!(round(&net).warnings.is_empty());
    let clamp = "-t mangle -A FORWARD -p tcp --syn -j TCPMSS --clamp-mss-to-pmtu";
    net.exec(Place::Gateway, &format!("iptables {clamp}"));
    net.exec(Place::Gateway, &format!("ip6tables {clamp}"));
    net.exec(Place::Gateway, "nft add table inet other");
    let installation = round(&net);
    if matches!(installation.backend, Backend::Iptables(_)) {
        assert_eq!(installation.warnings.len(), 2, "{installation:?}");
    }
}

#[test]
fn another_backend_takes_over_and_remove_finds_both() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.run(Place::Gateway, || {
        let plan = Plan::new(PlanConfig::default()).unwrap();
        let legacy = Backend::Iptables("iptables-legacy");
        if netfilter::install_with(&legacy, &plan).is_err() {
            println!("skipped: no iptables-legacy beside the default");
            return;
        }
        netfilter::install_with(&Backend::Iptables("iptables"), &plan).unwrap();
        let status = netfilter::status().unwrap();
        assert_eq!(status.len(), 1, "{status:?}");
        assert_eq!(status[0].backend, Backend::Iptables("iptables"));
        netfilter::install_with(&legacy, &plan).unwrap();
        assert_eq!(netfilter::status().unwrap()[0].backend, legacy);
        assert!(netfilter::remove().unwrap());
        assert_eq!(netfilter::status().unwrap(), []);
    });
}

#[test]
fn what_nft_is_given_is_right_but_for_the_queue_statement_a_kernel_may_lack() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.run(Place::Gateway, || {
        for hooks in [
            Hooks::Gateway,
            Hooks::Host {
                management_ports: vec![22, 443],
            },
        ] {
            let plan = Plan::new(PlanConfig {
                hooks,
                queues: 0..3,
                failure: Failure::Open,
                interfaces: vec!["g0".to_owned(), "g1".to_owned()],
                ..PlanConfig::default()
            })
            .unwrap();
            match netfilter::install_with(&Backend::Nft, &plan) {
                Ok(_) => assert_eq!(netfilter::status().unwrap()[0].backend, Backend::Nft),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!text.contains("syntax"), "{text}");
                    assert!(text.contains("Could not process rule"), "{text}");
                    // Only the queue statement may be what the kernel does not know.
                    for marked in text.lines().filter(|line| line.contains("Error")) {
                        assert!(marked.contains("No such file"), "{text}");
                    }
                }
            }
            netfilter::remove().unwrap();
        }
    });
}

#[test]
fn a_queue_in_use_is_named() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    let reader = Reader::accept_all(&net);
    let error = net.run(Place::Gateway, || {
        Queue::open(&QueueConfig::default()).unwrap_err()
    });
    assert!(matches!(error, OpenError::InUse { queue: 0, port_id, .. } if port_id != 0));
    assert!(
        error
            .to_string()
            .contains("taken by another process: port id")
    );
    reader.finish();
    net.run(Place::Gateway, || {
        once_free(|| Queue::open(&QueueConfig::default()));
    });
}

#[test]
fn without_privileges_the_error_says_what_is_missing() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.run(Place::Gateway, || {
        const NOBODY: libc::c_long = 65_534;
        // SAFETY: takes no pointers. The bare system call changes this thread only.
        let result = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
        assert_eq!(result, 0);
        let error = Queue::open(&QueueConfig::default()).unwrap_err();
        assert!(
            matches!(error, OpenError::NotPermitted { queue: 0 }),
            "{error:?}"
        );
        assert!(error.to_string().contains("CAP_NET_ADMIN"));
        let error = Injector::open(1).unwrap_err();
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
        let plan = Plan::new(PlanConfig::default()).unwrap();
        let error = netfilter::install(&plan).unwrap_err().to_string();
        assert!(
            error.contains("Permission denied") || error.contains("not permitted"),
            "{error}"
        );
    });
}

/// A reader that reads nothing until the flood is over.
fn stalled(config: QueueConfig) -> (u64, u64, Seen, u64) {
    let net = Net::new();
    let gate = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&gate);
    let reader = Reader::start(&net, config, move |_| {
        while !open.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        Choice::Accept
    });
    net.install(Place::Gateway, PlanConfig::default());
    let sent = flood(&net, 3_000, &Arc::new(AtomicBool::new(false)));
    let sent = sent.join().unwrap() as u64;
    thread::sleep(Duration::from_millis(200));
    gate.store(true, Ordering::Relaxed);
    let seen = reader.finish();
    (sent, net.counter(), seen, arrived(&net))
}

#[test]
fn packets_lost_to_a_stalled_reader_are_counted_exactly() {
    if !can_run() {
        return;
    }
    let short_queue = QueueConfig {
        max_len: 200,
        ..QueueConfig::default()
    };
    let short_buffer = QueueConfig {
        receive_buffer_bytes: 64 << 10,
        ..QueueConfig::default()
    };
    for config in [short_queue, short_buffer] {
        let (sent, counter, seen, arrived) = stalled(config);
        assert!(counter >= sent);
        assert!(seen.lost > 1_000, "{seen:?}");
        assert_eq!(counter, seen.packets + seen.lost, "{seen:?}");
        assert!(arrived <= seen.packets);
    }
}

#[test]
fn under_fail_open_the_rule_counter_tells_what_passed_unseen() {
    if !can_run() {
        return;
    }
    let short_queue = QueueConfig {
        max_len: 200,
        fail_open: true,
        ..QueueConfig::default()
    };
    let (sent, counter, seen, arrived) = stalled(short_queue);
    assert_eq!(seen.lost, 0, "the kernel's own counters stay silent");
    assert!(counter - seen.packets > 1_000, "{counter} {seen:?}");
    assert_eq!(arrived, sent);

    let short_buffer = QueueConfig {
        receive_buffer_bytes: 64 << 10,
        fail_open: true,
        ..QueueConfig::default()
    };
    let (sent, counter, seen, arrived) = stalled(short_buffer);
    assert_eq!(counter - seen.packets, u64::from(seen.overruns), "{seen:?}");
    assert!(seen.overruns > 1_000);
    assert_eq!(arrived, sent);
}

#[test]
fn injected_resets_end_both_sides_and_skip_the_queue() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(Place::Gateway, PlanConfig::default());
    let reader = Reader::start(&net, QueueConfig::default(), |packet| {
        assert_eq!(packet.mark, 0, "an injected packet came to the queue");
        match resets_for(packet.data) {
            Some(resets) => Choice::Answer(resets),
            None => Choice::Accept,
        }
    });
    for family in [0, 1] {
        let listener = net.run(Place::Server, move || {
            once_free(|| TcpListener::bind(address(SERVER[family], 80)))
        });
        let server = thread::spawn(move || {
            let mut stream = accept(&listener);
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.read(&mut [0; 100])
        });
        let client = net.run(Place::Client, move || {
            let mut stream =
                TcpStream::connect_timeout(&address(SERVER[family], 80), SOON).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            stream.write_all(b"attack").unwrap();
            stream.read(&mut [0; 100])
        });
        for end in [client, server.join().unwrap()] {
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        }
    }
    reader.finish();
}

/// Resets for both ends of a connection in which a segment says `attack`.
fn resets_for(data: &[u8]) -> Option<[Reset; 2]> {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    let packet = SlicedPacket::from_ip(data).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        return None;
    };
    if tcp.payload() != b"attack" {
        return None;
    }
    let (source, destination): (IpAddr, IpAddr) = match packet.net? {
        NetSlice::Ipv4(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        NetSlice::Ipv6(ip) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return None,
    };
    let source = (source, tcp.source_port());
    let destination = (destination, tcp.destination_port());
    let to_server = ResetFields {
        source,
        destination,
        sequence: tcp.sequence_number(),
        acknowledgement: Some(tcp.acknowledgment_number()),
    };
    let to_client = ResetFields::answering(
        source,
        destination,
        tcp.sequence_number(),
        Some(tcp.acknowledgment_number()),
        6,
    );
    Some([Reset::new(&to_server)?, Reset::new(&to_client)?])
}

#[test]
fn a_host_without_a_reader_keeps_management_loopback_and_neighbours() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.install(
        Place::Server,
        PlanConfig {
            hooks: Hooks::Host {
                management_ports: vec![22],
            },
            ..PlanConfig::default()
        },
    );
    for server in SERVER {
        assert!(connects(&net, Place::Client, server, 22, SOON), "{server}");
        assert!(
            !connects(&net, Place::Client, server, 80, NEVER),
            "{server}"
        );
        assert!(connects(&net, Place::Server, server, 80, SOON), "{server}");
    }
}

#[test]
fn an_empty_queue_returns_in_time() {
    if !can_run() {
        return;
    }
    let net = Net::new();
    net.run(Place::Gateway, || {
        let mut queue = Queue::open(&QueueConfig::default()).unwrap();
        assert_eq!(queue.receive_buffer_bytes(), 16 << 20);
        let start = Instant::now();
        let batch = queue.receive(Duration::from_millis(50)).unwrap();
        assert_eq!(batch.packets.len(), 0);
        assert!((50..1_000).contains(&start.elapsed().as_millis()));
    });
}
