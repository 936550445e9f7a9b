//! Connections that are left to the kernel, and called back by a reload.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::daemon::{Daemon, Setup};
use support::http::Connection;
use support::load;
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;
use support::{Fallible, wait_for};

const PATIENCE: Duration = Duration::from_secs(3);
/// Connections whose handshake was not seen are dropped at once, unless they were left to the kernel.
const CONFIG: &str = "\n[bypass]\nenabled = true\n\n[policy]\nmidstream_grace_secs = 0\n";
const REQUESTS: usize = 200;

struct Scene {
    lab: Lab,
    nginx: Nginx,
    rules: PathBuf,
    server: SocketAddr,
}

impl Scene {
    /// A lab with nginx, and rules that concern another port.
    fn new() -> Fallible<Self> {
        let lab = Lab::new()?;
        let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
        let rules = lab.folder().join("local.rules");
        let server = SocketAddr::new(lab.server_address(Family::V4), nginx::PORT);
        let scene = Self {
            lab,
            nginx,
            rules,
            server,
        };
        scene.write(&elsewhere(1))?;
        Ok(scene)
    }

    fn write(&self, rules: &str) -> Fallible<()> {
        Ok(fs::write(&self.rules, rules)?)
    }

    fn setup(&self) -> Setup {
        Setup {
            extra_config: CONFIG.to_owned(),
            state_dir: Some(self.lab.folder().join("state")),
            ..Setup::with_rules(&self.rules)
        }
    }

    fn connect(&self) -> Fallible<Connection> {
        Connection::open(&self.lab, self.server, PATIENCE)
    }
}

fn elsewhere(sid: u32) -> String {
    format!(
        "drop http any any -> any 9999 (msg:\"live test\"; http.uri; content:\"word\"; sid:{sid};)\n"
    )
}

fn everywhere(word: &str) -> String {
    format!(
        "drop http any any -> any any (msg:\"live test\"; flow:established,to_server; http.uri; \
         content:\"{word}\"; sid:9;)\n"
    )
}

fn counter(daemon: &Daemon, name: &str) -> Fallible<u64> {
    let stats = daemon.stats()?;
    let value = stats.pointer(&format!("/counters/{name}"));
    let value = value.and_then(serde_json::Value::as_u64);
    value.ok_or_else(|| format!("no {name} in {stats}").into())
}

fn ask(connection: &mut Connection, times: usize) -> Fallible<()> {
    for _ in 0..times {
        assert_eq!(connection.get("/fine")?, 200);
    }
    Ok(())
}

/// Packets that came to the daemon for so many requests on each connection.
fn cost(daemon: &Daemon, connections: &mut [&mut Connection], times: usize) -> Fallible<u64> {
    let before = counter(daemon, "received_packets")?;
    for connection in connections {
        ask(connection, times)?;
    }
    Ok(counter(daemon, "received_packets")? - before)
}

#[test]
fn a_pushed_rule_blocks_the_next_request_of_a_connection_left_to_the_kernel() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a rule for a bypassed connection", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new()?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    let (mut watched, mut twin) = (scene.connect()?, scene.connect()?);
    let inspected = cost(&daemon, &mut [&mut watched, &mut twin], 20)?;
    assert_eq!(counter(&daemon, "flows_left_to_kernel")?, 2);
    let left = cost(&daemon, &mut [&mut watched, &mut twin], REQUESTS)?;
    println!(
        "packets for 20 requests on each connection: {inspected}; for {REQUESTS} more: {left}"
    );
    assert_eq!(left, 0, "they are in the kernel's hands");

    // What does not concern them leaves them there, but for a packet or two each.
    scene.write(&elsewhere(2))?;
    daemon.reload()?;
    let again = cost(&daemon, &mut [&mut watched, &mut twin], REQUESTS)?;
    println!("after a reload that does not concern them: {again}");
    assert!((2..=8).contains(&again), "{again}");
    assert_eq!(counter(&daemon, "flows_resynchronised")?, 0);

    scene.write(&everywhere("forbidden-word"))?;
    let called = Instant::now();
    let reload = daemon.reload()?;
    let blocked = watched.get("/next?forbidden-word");
    println!(
        "reload took {reload:.1?}; {:.1?} later: {blocked:?}",
        called.elapsed() - reload
    );
    assert!(blocked.is_err());
    let came = cost(&daemon, &mut [&mut twin], REQUESTS)?;
    println!("packets for {REQUESTS} requests on the twin: {came}");
    assert!(came as usize > REQUESTS);
    assert_eq!(counter(&daemon, "flows_resynchronised")?, 2);
    assert!(twin.get("/and?forbidden-word").is_err());

    scene.nginx.settle(&scene.lab)?;
    assert!(scene.nginx.requests_with("forbidden-word").is_empty());
    assert_eq!(daemon.blocks(2).len(), 2);
    let books = daemon.books_at_rest()?;
    println!("{books:?}");
    assert!(books.holds());
    daemon.stop()?;
    Ok(())
}

#[test]
fn records_tell_of_connections_left_and_their_ends_are_seen() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the end of bypassed connections", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new()?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    let mut connection = scene.connect()?;
    ask(&mut connection, 50)?;
    drop(connection);
    let told = wait_for(Duration::from_secs(40), || {
        let events = daemon.events();
        let flow = events.iter().find(|e| e.kind() == "flow")?;
        Some(flow.text("/flow/state").to_owned())
    });
    assert_eq!(told.as_deref(), Some("bypassed"));
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_restart_calls_connections_back_and_takes_them_up() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a restart and bypassed connections", &["nginx"]) else {
        return Ok(());
    };
    let scene = Scene::new()?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    let mut connection = scene.connect()?;
    let mut never_left = scene.connect()?;
    ask(&mut connection, 20)?;
    ask(&mut never_left, 1)?;
    daemon.stop()?;
    ask(&mut connection, 5)?;

    scene.write(&everywhere("forbidden-word"))?;
    let daemon = Daemon::start(&scene.lab, &scene.setup())?;
    ask(&mut connection, 20)?;
    assert!(never_left.get("/fine").is_err(), "nobody knows it");
    assert!(connection.get("/?forbidden-word").is_err());
    scene.nginx.settle(&scene.lab)?;
    assert!(scene.nginx.requests_with("forbidden-word").is_empty());
    daemon.stop()?;
    Ok(())
}

#[test]
fn bulk_data_goes_at_the_kernels_pace() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("throughput of bypassed connections", &["nginx", "iperf3"])
    else {
        return Ok(());
    };
    let scene = Scene::new()?;
    let plain = load::iperf3(&scene.lab, Family::V4, 3, None)?;
    let setup = Setup {
        extra_config: CONFIG.to_owned(),
        ..Setup::default()
    };
    let daemon = Daemon::start(&scene.lab, &setup)?;
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let before = counter(&daemon, "received_bytes")?;
        let bypassed = load::iperf3(&scene.lab, Family::V4, 3, None)?;
        let came = counter(&daemon, "received_bytes")? - before;
        ratios.push(bypassed / plain);
        println!(
            "iperf3 with the bundled packs: {bypassed:.1} Gbit/s, {came} bytes inspected; plain {plain:.1}"
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("ratios: {ratios:.2?}");
    assert!(counter(&daemon, "flows_left_to_kernel")? >= 3);
    // The aim is 0.9. The rest is room for what else runs on the machine of a test.
    assert!(ratios[1] > 0.6, "{ratios:.2?}");
    daemon.stop()?;
    Ok(())
}
