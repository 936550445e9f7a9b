//! Ordinary connections over a link that loses, reorders and duplicates, before and behind Stopgap: none
//! is blocked, and none hangs that would not hang on the link alone.
//!
//! `STOPGAP_CONNECTIONS` says how many (`./dev impair` asks for the full number), `STOPGAP_SEED` which.

mod support;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::eve;
use support::netns::{Family, Lab, Place};
use support::nginx::{self, BIG_BODY, Nginx, Purpose, SMALL_BODY};
use support::relay::Impairment;
use support::requirements::live_with_daemon;

const CONNECTIONS: usize = 2_000;
/// At once; most of them wait for a retransmission.
const CLIENTS: usize = 128;
/// A connection that is not complete by then hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const UPLOAD: usize = 100_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn impairment() -> Impairment {
    Impairment {
        seed: setting("STOPGAP_SEED", 4),
        loss_percent: 2,
        reorder_percent: 5,
        duplicate_percent: 1,
    }
}

#[derive(Debug, Default)]
struct Outcome {
    complete: usize,
    /// Not complete in [`PATIENCE`].
    stuck: usize,
    /// Reset, or another answer than the server's.
    broken: Vec<String>,
    took: Duration,
    slowest: Duration,
}

/// One connection: its request, and the whole answer up to the server's close.
fn connect(server: SocketAddr, number: usize) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        (!left.is_zero())
            .then_some(left)
            .ok_or(io::Error::from(io::ErrorKind::TimedOut))
    };
    let (head, upload, body) = match number % 20 {
        0 => ("GET /big".to_owned(), 0, BIG_BODY),
        1 => (format!("POST /upload/{number}"), UPLOAD, SMALL_BODY),
        _ => (format!("GET /page/{number}"), 0, SMALL_BODY),
    };
    let mut request = format!("{head} HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n");
    if upload > 0 {
        request.push_str(&format!("Content-Length: {upload}\r\n"));
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.resize(request.len() + upload, b'u');

    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            n => answer.extend_from_slice(&buffer[..n]),
        }
    }
    let whole = answer.starts_with(b"HTTP/1.1 200")
        && answer
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .is_some_and(|end| answer.len() - end - 4 == body);
    whole
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("{} bytes of another answer", answer.len())))
}

fn run_connections(lab: &Lab, count: usize) -> Fallible<Outcome> {
    let servers = Family::BOTH.map(|f| SocketAddr::new(lab.server_address(f), nginx::PORT));
    let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    let started = Instant::now();
    let client = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let begun = Instant::now();
            let done = connect(servers[number / 20 % 2], number);
            let took = begun.elapsed();
            let Ok(mut outcome) = outcome.lock() else {
                return;
            };
            match done {
                Ok(()) => {
                    outcome.complete += 1;
                    outcome.slowest = outcome.slowest.max(took);
                }
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
                    ) =>
                {
                    outcome.stuck += 1;
                }
                Err(e) => outcome.broken.push(format!("{number}: {e}")),
            }
        }
    };
    lab.inside(&lab.client(), || {
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(client);
            }
        });
    })?;
    let mut outcome = outcome.into_inner()?;
    outcome.took = started.elapsed();
    Ok(outcome)
}

/// The link alone, then with Stopgap at its side.
fn over_the_link(place: Place) -> Fallible<()> {
    let count = setting("STOPGAP_CONNECTIONS", CONNECTIONS as u64) as usize;
    let mut alone = Outcome::default();
    for with_stopgap in [false, true] {
        let lab = Lab::impaired(place, impairment())?;
        let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
        let daemon = match with_stopgap {
            true => Some(Daemon::start(&lab, &Setup::default())?),
            false => None,
        };
        let outcome = run_connections(&lab, count)?;
        println!(
            "{place:?}, {}: {} complete, {} stuck, {} broken in {:.1?}, slowest {:.1?}; {:?}",
            if with_stopgap {
                "with Stopgap"
            } else {
                "the link alone"
            },
            outcome.complete,
            outcome.stuck,
            outcome.broken.len(),
            outcome.took,
            outcome.slowest,
            lab.relay()?.done(),
        );
        for broken in outcome.broken.iter().take(10) {
            println!("  broken: {broken}");
        }
        let Some(daemon) = daemon else {
            alone = outcome;
            continue;
        };
        let stats = daemon.stats()?;
        let dropped = eve::find(&stats, "dropped_packets").or_else(|| eve::find(&stats, "dropped"));
        println!(
            "  dropped: {}",
            dropped.map(eve::nonzero).unwrap_or_default()
        );
        let refused = eve::find(&stats, "flows_refused").and_then(serde_json::Value::as_u64);
        let books = daemon.accounting()?;
        println!("  {books:?}, flows refused: {refused:?}");
        assert_eq!(refused, Some(0), "ordinary connections were blocked");
        assert!(books.holds());
        assert!(
            outcome.stuck <= alone.stuck,
            "{} hang with Stopgap, {} without",
            outcome.stuck,
            alone.stuck
        );
        assert!(
            outcome.broken.len() <= alone.broken.len(),
            "{:?}",
            outcome.broken
        );
        assert!(outcome.complete > 0);
        daemon.stop()?;
    }
    Ok(())
}

#[test]
fn ordinary_connections_over_a_bad_link_before_the_gateway() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a bad link before the gateway", &["nginx"]) else {
        return Ok(());
    };
    over_the_link(Place::BeforeGateway)
}

#[test]
fn ordinary_connections_over_a_bad_link_behind_the_gateway() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a bad link behind the gateway", &["nginx"]) else {
        return Ok(());
    };
    over_the_link(Place::BehindGateway)
}
