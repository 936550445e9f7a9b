//! What the kernel does to packets behind the daemon's back, and whether the daemon tells the truth about
//! it: a reader that stands still under load, fail-closed and fail-open.

mod support;

use std::fs;
use std::time::Duration;

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::load::Wrk;
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;
use support::udp::{self, Sink};

const PACKETS: u64 = 60_000;
const QUIET: &str = "alert udp any any -> any 1 (msg:\"never\"; sid:1; rev:1;)\n";

/// Books before and after a flood that met a reader standing still.
struct Stalled {
    sent: u64,
    arrived: u64,
    received: u64,
    lost_before_us: u64,
    passed_unseen: i64,
    dropped: u64,
}

fn stall(queue_fail_open: bool) -> Fallible<Stalled> {
    let lab = Lab::new()?;
    let rules = lab.folder().join("quiet.rules");
    fs::write(&rules, QUIET)?;
    let setup = Setup {
        queue_fail_open,
        ..Setup::with_rules(&rules)
    };
    let mut daemon = Daemon::start(&lab, &setup)?;
    let sink = Sink::open(&lab)?;
    // The first packet resolves neighbours, so that the flood is nothing but the flood.
    udp::flood(&lab, 10)?;
    std::thread::sleep(Duration::from_millis(300));
    let (books, arrived) = (daemon.accounting()?, sink.arrived()?);

    daemon.signal(libc::SIGSTOP);
    let sent = udp::flood(&lab, PACKETS)?;
    daemon.signal(libc::SIGCONT);
    let after = daemon.books_at_rest()?;
    assert!(after.holds(), "{after:?}");
    let stalled = Stalled {
        sent,
        arrived: sink.arrived()? - arrived,
        received: after.received - books.received,
        lost_before_us: after.lost_before_us - books.lost_before_us,
        passed_unseen: after.passed_unseen - books.passed_unseen,
        dropped: after.dropped - books.dropped,
    };
    println!(
        "{} sent while the reader stood still, {} arrived at the server; the daemon says: received {}, dropped {}, \
         lost before us {}, passed unseen {}",
        stalled.sent,
        stalled.arrived,
        stalled.received,
        stalled.dropped,
        stalled.lost_before_us,
        stalled.passed_unseen
    );
    daemon.stop()?;
    Ok(stalled)
}

#[test]
fn a_stalled_reader_fail_closed_loses_and_says_so() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a stalled reader, closed", &[]) else {
        return Ok(());
    };
    let books = stall(false)?;
    assert!(books.sent > books.received, "the queue overflowed");
    assert_eq!(books.passed_unseen, 0);
    assert_eq!(
        books.arrived,
        books.received - books.dropped,
        "nothing unseen"
    );
    assert_eq!(books.lost_before_us, books.sent - books.received);
    Ok(())
}

#[test]
fn a_stalled_reader_fail_open_passes_unseen_and_says_so() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a stalled reader, open", &[]) else {
        return Ok(());
    };
    let books = stall(true)?;
    assert!(books.sent > books.received, "the queue overflowed");
    assert!(
        books.arrived > books.received - books.dropped,
        "some passed unseen"
    );
    let unseen = books.passed_unseen.cast_unsigned();
    assert_eq!(unseen + books.lost_before_us, books.sent - books.received);
    assert_eq!(unseen, books.arrived + books.dropped - books.received);
    Ok(())
}

#[test]
fn the_books_balance_under_tcp_load() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("accounting under load", &["nginx", "wrk"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    let daemon = Daemon::start(&lab, &Setup::default())?;
    for (new_connections, page) in [(false, ""), (true, ""), (false, "big")] {
        let load = Wrk {
            url: format!("http://{}/{page}", lab.authority(Family::V4, nginx::PORT)),
            connections: 16,
            seconds: 3,
            new_connections,
            cpu: None,
        }
        .run(&lab)?;
        let books = daemon.accounting()?;
        println!(
            "{} requests, {} failed; {books:?}",
            load.requests, load.failed
        );
        assert!(books.holds());
        assert_eq!(load.failed, 0);
    }
    let at_rest = daemon.books_at_rest()?;
    assert_eq!((at_rest.in_hand, at_rest.passed_unseen), (0, 0));
    daemon.stop()?;
    Ok(())
}

#[test]
fn the_books_balance_after_a_crash_under_load() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("accounting after a crash", &["nginx", "wrk"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    // One rule, so that it is back before the load's retransmissions grow rare.
    let rules = lab.folder().join("quiet.rules");
    fs::write(&rules, QUIET)?;
    let setup = Setup::with_rules(&rules);
    let first = Daemon::start(&lab, &setup)?;
    let mut load = Wrk {
        url: format!("http://{}/", lab.authority(Family::V4, nginx::PORT)),
        connections: 16,
        seconds: 6,
        new_connections: false,
        cpu: None,
    }
    .start(&lab)?;
    std::thread::sleep(Duration::from_secs(1));
    first.kill();
    // The rules of the first bring packets to the second before it has rules of its own.
    let second = Daemon::start(&lab, &setup)?;
    load.wait(Duration::from_secs(20))
        .ok_or("the load does not end")?;
    let books = second.books_at_rest()?;
    println!("after a crash: {books:?}");
    assert!(books.holds() && books.received > 0);
    assert_eq!((books.in_hand, books.passed_unseen), (0, 0));
    second.stop()?;
    Ok(())
}
