//! Floods past Stopgap while a client goes on asking on connections it has: its requests succeed, the
//! daemon's memory stays under what its configuration says, and the books balance.
//!
//! `STOPGAP_FLOOD_SECS` says for how long each, `STOPGAP_FLOOD_RATE` how many packets a second.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stopgap::config::Config;
use stopgap::pipeline::MemoryBound;
use stopgap::runtime::settings;
use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::eve;
use support::flood::{self, Flood, Holder};
use support::http::Connection;
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;

const SECS: u64 = 5;
const RATE: u64 = 20_000;
/// Connections that ask all the time, and how long each waits before it asks again.
const KNOWN: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);
/// A request without its answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bounds that the floods reach.
const CAPS: &str = "\n[flow]\nmax_flows = 50000\n\n[stream]\npool_bytes = 67108864\n\n\
    [app_layer]\nmemory_bytes = 33554432\n";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[derive(Debug, Default)]
struct Asked {
    answered: u64,
    failed: u64,
    slowest: Duration,
}

/// Asks on known connections until it is told to stop.
fn ask(lab: &Lab, stop: &AtomicBool, ready: &AtomicBool) -> Fallible<Asked> {
    let server = SocketAddr::new(lab.server_address(Family::V4), nginx::PORT);
    lab.inside(&lab.client(), || {
        let mut known = Vec::new();
        for _ in 0..KNOWN {
            let mut connection = Connection::open_here(server, PATIENCE)?;
            connection.get("/")?;
            known.push(connection);
        }
        ready.store(true, Ordering::Release);
        let parts = thread::scope(|scope| {
            let askers: Vec<_> = known
                .into_iter()
                .map(|connection| scope.spawn(|| ask_on(connection, server, stop)))
                .collect();
            let parts = askers.into_iter().map(|asker| asker.join());
            parts.collect::<Result<Vec<_>, _>>()
        });
        let parts = parts.map_err(|_| "an asker panicked")?;
        Ok(parts.into_iter().fold(Asked::default(), |sum, part| Asked {
            answered: sum.answered + part.answered,
            failed: sum.failed + part.failed,
            slowest: sum.slowest.max(part.slowest),
        }))
    })?
}

fn ask_on(mut connection: Connection, server: SocketAddr, stop: &AtomicBool) -> Asked {
    let mut asked = Asked::default();
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match connection.get("/") {
            Ok(200) => asked.answered += 1,
            _ => {
                asked.failed += 1;
                if let Ok(another) = Connection::open_here(server, PATIENCE) {
                    connection = another;
                }
            }
        }
        asked.slowest = asked.slowest.max(begun.elapsed());
        thread::sleep(PAUSE);
    }
    asked
}

/// A line of `/proc/PID/status`, in bytes.
fn memory(daemon: &Daemon, name: &str) -> Fallible<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", daemon.pid()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| {
        rest.trim_matches([':', ' ', '\t', 'k', 'B'])
            .parse::<u64>()
            .ok()
    });
    kib.map(|n| n << 10)
        .ok_or_else(|| format!("no {name} in {text}").into())
}

/// What the worker's tables may take together, by the configuration.
fn memory_cap(config: &str) -> Fallible<u64> {
    let config = Config::parse("stopgap.toml", config)?;
    let bound = MemoryBound::of(&settings::worker(&config));
    Ok(bound.total_bytes())
}

fn under(flood: Flood) -> Fallible<()> {
    let during = Duration::from_secs(setting("STOPGAP_FLOOD_SECS", SECS));
    let rate = setting("STOPGAP_FLOOD_RATE", RATE);
    let lab = Lab::new()?;
    flood::prepare(&lab)?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    let _holder = Holder::start(&lab)?;
    let setup = Setup {
        // One worker has the flood and the known flows.
        queues: 1,
        extra_config: CAPS.to_owned(),
        ..Setup::default()
    };
    let daemon = Daemon::start(&lab, &setup)?;
    let before = memory(&daemon, "VmRSS")?;
    let cap = memory_cap(CAPS)?;

    let (stop, ready) = (AtomicBool::new(false), AtomicBool::new(false));
    let (sent, asked) = thread::scope(|scope| -> Fallible<_> {
        let asker = scope.spawn(|| ask(&lab, &stop, &ready));
        support::wait_for(PATIENCE, || ready.load(Ordering::Acquire).then_some(()));
        let sent = flood::run(&lab, flood, rate, during);
        stop.store(true, Ordering::Relaxed);
        let asked = asker.join().map_err(|_| "the client panicked")??;
        Ok((sent?, asked))
    })?;

    let most = memory(&daemon, "VmHWM")?;
    let books = daemon.books_at_rest()?;
    let stats = daemon.stats()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{flood:?}: {sent} sent in {during:?}; {} requests answered, {} failed, slowest {:.0?}",
        asked.answered, asked.failed, asked.slowest
    );
    println!(
        "  memory {:.0} MiB at rest, {:.0} MiB at most, {:.0} MiB allowed beside the rest",
        mib(before),
        mib(most),
        mib(cap)
    );
    println!("  {books:?}");
    for name in [
        "flows_created",
        "flows_evicted",
        "flows_pressed",
        "flows_established_evicted",
    ] {
        println!("  {name}: {}", eve::find(&stats, name).ok_or(name)?);
    }
    let dropped = eve::find(&stats, "dropped_packets").or_else(|| eve::find(&stats, "dropped"));
    println!(
        "  dropped: {}",
        dropped.map(eve::nonzero).unwrap_or_default()
    );

    assert!(sent > 0 && asked.answered > 0);
    assert!(
        asked.failed * 1000 <= asked.answered + asked.failed,
        "{asked:?}"
    );
    assert!(most - before <= cap, "{} MiB", mib(most));
    assert!(books.holds());
    // Fragments are held until their datagram is whole or their time is over.
    assert!(books.in_hand == 0 || flood == Flood::FirstFragments);
    assert_eq!(books.passed_unseen, 0);
    daemon.stop()?;
    Ok(())
}

#[test]
fn a_syn_flood() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a SYN flood", &["nginx"]) else {
        return Ok(());
    };
    under(Flood::Syn)
}

#[test]
fn a_flood_of_first_fragments() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a flood of first fragments", &["nginx"]) else {
        return Ok(());
    };
    under(Flood::FirstFragments)
}

#[test]
fn holes_on_ten_thousand_flows() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("holes on 10,000 flows", &["nginx"]) else {
        return Ok(());
    };
    under(Flood::Holes { flows: 10_000 })
}

#[test]
fn a_flood_of_one_byte_segments() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("one-byte segments", &["nginx"]) else {
        return Ok(());
    };
    under(Flood::OneByte { flows: 1_000 })
}
