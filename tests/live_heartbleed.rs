//! Heartbleed against a live server, with Stopgap between. `tests/live_lab.rs` holds the control.

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::heartbeat::{self, Shape};
use support::load;
use support::netns::{CLIENT_INTERFACE, Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::process;
use support::requirements::live_with_daemon;
use support::tap::{self, Tap};
use support::tls_responder::{CANARY, Certificate, TlsResponder};

#[test]
fn heartbleed_ends_at_the_gateway() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("Heartbleed", &["nmap", "nginx", "curl", "openssl"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let certificate = Certificate::make(lab.folder())?;
    let _nginx = Nginx::start(&lab, Purpose::Witness, Some(&certificate))?;
    let backend = SocketAddr::from(nginx::TLS_BACKEND);
    let responder = TlsResponder::start(&lab, 443, certificate.der, backend)?;
    let without = load::nmap_heartbleed(&lab, Family::V4)?;
    assert!(without.vulnerable, "the control: {}", without.text);

    let daemon = Daemon::start(&lab, &Setup::default())?;
    println!("{}", daemon.ready_line());
    for family in Family::BOTH {
        let leaked_before = responder.leaked_bytes();
        let wire = Tap::start(&lab, &lab.client(), CLIENT_INTERFACE)?;
        let ordinary = OrdinaryClients::default();
        let scan = std::thread::scope(|scope| -> Fallible<_> {
            let clients = scope.spawn(|| ordinary.go_on(&lab, family));
            let download = scope.spawn(|| slow_download(&lab, family));
            let scan = load::nmap_heartbleed(&lab, family);
            let bled = attack_every_way(&lab, family);
            let downloaded = download.join().map_err(|_| "the download panicked")??;
            ordinary.enough.store(true, Ordering::Relaxed);
            clients.join().map_err(|_| "the clients panicked")??;
            assert_eq!(downloaded, nginx::BIG_BODY, "the download came whole");
            bled?;
            scan
        })?;
        let leaking = tap::frames_with(&wire.finish(), CANARY);
        println!(
            "{}: vulnerable: {}, scan {:.2?}; client frames with canary bytes: {leaking}; bytes the server \
             leaked: {}; ordinary TLS requests: {} good, {} failed",
            family.name(),
            scan.vulnerable,
            scan.took,
            responder.leaked_bytes() - leaked_before,
            ordinary.good.load(Ordering::Relaxed),
            ordinary.failed.load(Ordering::Relaxed),
        );
        assert!(!scan.vulnerable, "{}", scan.text);
        assert!(scan.took < Duration::from_secs(5), "{:?}", scan.took);
        assert_eq!(leaking, 0);
        assert!(ordinary.good.load(Ordering::Relaxed) > 0);
        assert_eq!(ordinary.failed.load(Ordering::Relaxed), 0);
        let server = SocketAddr::new(lab.server_address(family), 443);
        assert_eq!(heartbeat::honest(&lab, server, 20)?, 20);
        let session = load::openssl_client(&lab, family)?;
        assert!(session.stdout.contains("200 OK"), "{}", session.text());
    }

    let blocks = daemon.blocks(1);
    println!("{} blocks in the log", blocks.len());
    assert!(!blocks.is_empty());
    for block in &blocks {
        assert!(block.patch().contains("heartbleed"), "{block:?}");
        assert!(
            block.0["patch"]["cve"]
                .to_string()
                .contains("CVE-2014-0160")
        );
        assert!(block.0["evidence"].is_object(), "{block:?}");
    }
    let mut flows: Vec<_> = blocks.iter().map(|b| b.number("/flow_id")).collect();
    let records = flows.len();
    flows.sort_unstable();
    flows.dedup();
    assert_eq!(flows.len(), records, "one record for each blocked flow");
    daemon.stop()?;
    Ok(())
}

fn attack_every_way(lab: &Lab, family: Family) -> Fallible<()> {
    let server = SocketAddr::new(lab.server_address(family), 443);
    for shape in [Shape::Whole, Shape::ByteByByte, Shape::Coalesced] {
        for claimed in [0x4000, 0xffff, 1] {
            let bled = heartbeat::bleed(lab, server, claimed, shape)?;
            println!("{}, {shape:?}, claims {claimed}: {bled:?}", family.name());
            assert_eq!(bled.further_bytes, 0, "beyond the honest heartbeat");
            assert!(!bled.canary && bled.reset);
        }
    }
    Ok(())
}

#[derive(Default)]
struct OrdinaryClients {
    enough: AtomicBool,
    good: AtomicU32,
    failed: AtomicU32,
}

impl OrdinaryClients {
    fn go_on(&self, lab: &Lab, family: Family) -> Fallible<()> {
        let url = format!("https://{}/", lab.authority(family, 443));
        while !self.enough.load(Ordering::Relaxed) {
            let count = match load::curl(lab, &url, Duration::from_secs(5))? {
                200 => &self.good,
                _ => &self.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// One TLS connection that lasts as long as the attacks; the bytes of its body.
fn slow_download(lab: &Lab, family: Family) -> Fallible<usize> {
    let url = format!("https://{}/big", lab.authority(family, 443));
    let mut curl = process::command_in(&lab.client(), "curl");
    curl.args(["-sk", "--limit-rate", "30k", "-o", "/dev/null"])
        .args(["-w", "%{size_download}", &url]);
    let done = process::run(&mut curl, Duration::from_secs(30))?;
    Ok(done.stdout.trim().parse()?)
}
