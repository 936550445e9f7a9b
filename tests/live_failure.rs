//! Stop, kill and start under load: closed lets nothing through unseen, open keeps traffic flowing.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use support::Fallible;
use support::daemon::{self, Daemon, Setup, WhenStopped};
use support::http::{self, Connection};
use support::load::{Wrk, WrkResult};
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::process;
use support::requirements::live_with_daemon;

const TOOLS: &[&str] = &["nginx", "wrk", "iptables-save", "nft"];
const PATIENCE: Duration = Duration::from_millis(400);
const PHASE: Duration = Duration::from_millis(1500);

/// Clients that ask all the time, each request on a connection of its own: for `/forbidden-word`, which
/// must never be served, and for `/welcome`.
#[derive(Default)]
struct Asking {
    enough: AtomicBool,
    forbidden_sent: AtomicU32,
    forbidden_answered: AtomicU32,
    welcome_answered: AtomicU32,
}

impl Asking {
    fn ask(&self, lab: &Lab, family: Family) -> Fallible<()> {
        let server = SocketAddr::new(lab.server_address(family), nginx::PORT);
        let namespace = lab.client();
        lab.inside(&namespace, || {
            while !self.enough.load(Ordering::Relaxed) {
                self.forbidden_sent.fetch_add(1, Ordering::Relaxed);
                let answered = http::once_here(server, "/forbidden-word", PATIENCE) != 0;
                self.forbidden_answered
                    .fetch_add(u32::from(answered), Ordering::Relaxed);
            }
        })
    }

    fn welcome(&self, lab: &Lab, family: Family) -> Fallible<()> {
        let server = SocketAddr::new(lab.server_address(family), nginx::PORT);
        let namespace = lab.client();
        lab.inside(&namespace, || {
            while !self.enough.load(Ordering::Relaxed) {
                let answered = http::once_here(server, "/welcome", PATIENCE) == 200;
                self.welcome_answered
                    .fetch_add(u32::from(answered), Ordering::Relaxed);
            }
        })
    }

    /// Lets a phase pass; how many `/welcome` were answered in it.
    fn phase(&self) -> u32 {
        let before = self.welcome_answered.load(Ordering::Relaxed);
        std::thread::sleep(PHASE);
        self.welcome_answered.load(Ordering::Relaxed) - before
    }

    /// Runs `work` while the clients of both families ask.
    fn during(&self, lab: &Lab, work: impl FnOnce() -> Fallible<()>) -> Fallible<()> {
        std::thread::scope(|scope| {
            for family in Family::BOTH {
                scope.spawn(move || self.ask(lab, family));
                scope.spawn(move || self.welcome(lab, family));
            }
            // The clients must end even when the work panics, or the scope would never.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            self.enough.store(true, Ordering::Relaxed);
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

fn setup(lab: &Lab, when_stopped: WhenStopped) -> Fallible<Setup> {
    let rules = lab.folder().join("failure.rules");
    fs::write(
        &rules,
        "drop http any any -> any any (msg:\"live test\"; http.uri; content:\"forbidden-word\"; sid:1; rev:1;)\n",
    )?;
    Ok(Setup {
        when_stopped,
        ..Setup::with_rules(&rules)
    })
}

fn background_load(lab: &Lab) -> Fallible<process::Running> {
    Wrk {
        url: format!("http://{}/load", lab.authority(Family::V4, nginx::PORT)),
        connections: 8,
        seconds: 60,
        new_connections: false,
        cpu: None,
    }
    .start(lab)
}

#[test]
fn closed_passes_nothing_uninspected() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("fail closed", TOOLS) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let setup = setup(&lab, WhenStopped::Closed)?;
    let client = lab.client();
    let server = SocketAddr::new(lab.server_address(Family::V4), nginx::PORT);
    let control = lab.inside(&client, || {
        http::once_here(server, "/forbidden-word", PATIENCE)
    })?;
    assert_eq!(control, 200, "without Stopgap the request is served");
    let served_before = served(&nginx);

    let first = Daemon::start(&lab, &setup)?;
    let asking = Asking::default();
    asking.during(&lab, || {
        let _load = background_load(&lab)?;
        let mut opened_before = Vec::new();
        for family in Family::BOTH {
            let address = SocketAddr::new(lab.server_address(family), nginx::PORT);
            opened_before.push(Connection::open(&lab, address, PATIENCE)?);
        }
        println!("running: {} welcome requests served", asking.phase());
        first.stop()?;
        let stopped = asking.phase();
        let second = Daemon::start(&lab, &setup)?;
        println!(
            "stopped: {stopped} served; started again: {}",
            asking.phase()
        );
        second.kill();
        let killed = asking.phase();
        let third = Daemon::start(&lab, &setup)?;
        let again = asking.phase();
        println!("killed: {killed} served; started again: {again}");
        assert_eq!((stopped, killed), (0, 0), "closed");
        assert!(again > 0);
        // Started over a running daemon's leftovers, under load, and connections from before it: they are
        // picked up midstream, and inspected.
        for connection in &mut opened_before {
            let _ = connection.get("/forbidden-word");
        }
        third.stop()?;
        Ok(())
    })?;
    nginx.settle(&lab)?;
    println!(
        "{} forbidden requests sent over IPv4 and IPv6, {} answered, {} in the server's log",
        asking.forbidden_sent.load(Ordering::Relaxed),
        asking.forbidden_answered.load(Ordering::Relaxed),
        served(&nginx) - served_before
    );
    assert_eq!(asking.forbidden_answered.load(Ordering::Relaxed), 0);
    assert_eq!(served(&nginx), served_before);
    Ok(())
}

fn served(nginx: &Nginx) -> usize {
    let log = nginx.requests_with("forbidden-word");
    log.iter().filter(|request| request.answered()).count()
}

#[test]
fn open_keeps_traffic_flowing() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("fail open", TOOLS) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    let setup = setup(&lab, WhenStopped::Open)?;
    let first = Daemon::start(&lab, &setup)?;
    let asking = Asking::default();
    asking.during(&lab, || {
        let mut load = Wrk {
            url: format!("http://{}/load", lab.authority(Family::V6, nginx::PORT)),
            connections: 8,
            seconds: 12,
            new_connections: false,
            cpu: None,
        }
        .start(&lab)?;
        let running = asking.phase();
        first.stop()?;
        let stopped = asking.phase();
        let second = Daemon::start(&lab, &setup)?;
        let again = asking.phase();
        second.kill();
        let killed = asking.phase();
        let third = Daemon::start(&lab, &setup)?;
        let at_last = asking.phase();
        println!(
            "welcome requests served: running {running}, stopped {stopped}, again {again}, killed {killed}, \
             again {at_last}"
        );
        assert!([running, stopped, again, killed, at_last].iter().all(|&n| n > 0));
        let load = WrkResult::of(&mut load, Duration::from_secs(30))?;
        println!("keep-alive load through all of it: {} requests, {} failed", load.requests, load.failed);
        assert_eq!(load.failed, 0);
        third.stop()?;
        Ok(())
    })
}

#[test]
fn detach_leaves_no_rule_behind() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("detach", TOOLS) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    let setup = setup(&lab, WhenStopped::Closed)?;
    let client = lab.client();
    let before = daemon::kernel_rules(&lab)?;

    let running = Daemon::start(&lab, &setup)?;
    assert_ne!(
        daemon::kernel_rules(&lab)?,
        before,
        "rules are there while it runs"
    );
    let said = running.ctl(&["detach"])?;
    assert_eq!(said.code(), 0, "{}", said.text());
    assert_eq!(daemon::kernel_rules(&lab)?, before, "`ctl detach`");
    running.stop()?;
    assert_eq!(
        daemon::kernel_rules(&lab)?,
        before,
        "and a stop after it adds none"
    );

    Daemon::start(&lab, &setup)?.kill();
    assert_ne!(
        daemon::kernel_rules(&lab)?,
        before,
        "closed: rules survive a crash"
    );
    let binary = daemon::binary();
    let said = lab.gateway_runs(
        &binary.to_string_lossy(),
        &["detach"],
        Duration::from_secs(10),
    )?;
    assert_eq!(said.code(), 0, "{}", said.text());
    assert_eq!(daemon::kernel_rules(&lab)?, before, "`stopgap detach`");
    for family in Family::BOTH {
        let server = SocketAddr::new(lab.server_address(family), nginx::PORT);
        let status = lab.inside(&client, || http::once_here(server, "/welcome", PATIENCE))?;
        assert_eq!(status, 200, "{} flows again", family.name());
    }
    println!("no rule is left by `ctl detach`, nor by `stopgap detach` after a crash");
    Ok(())
}
