//! Under pressure from a false positive: an operator lowers a patch, or lets one
//! client through it, at once, and it stays so across a restart.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::http::Connection;
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;

const PATIENCE: Duration = Duration::from_secs(1);
const PATCH: &str = "apache-path-traversal";
const ATTACK: &str = "/cgi-bin/.%2e/.%2e/.%2e/etc/passwd";

/// Whether the attack gets an answer from the server.
fn lands(lab: &Lab, server: SocketAddr) -> Fallible<bool> {
    Ok(Connection::open(lab, server, PATIENCE)?.get(ATTACK).is_ok())
}

#[test]
fn a_false_positive_is_relieved_at_once_and_stays_so() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("holds and exceptions", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let server = SocketAddr::new(lab.server_address(Family::V4), nginx::PORT);
    let client = lab.client_address(Family::V4).to_string();
    let setup = Setup {
        state_dir: Some(lab.folder().join("operators")),
        ..Setup::default()
    };
    let daemon = Daemon::start(&lab, &setup)?;
    let ctl = |daemon: &Daemon, args: &[&str]| -> Fallible<String> {
        let said = daemon.ctl(args)?;
        assert!(said.status.success(), "{args:?}: {}", said.stderr);
        Ok(said.stdout)
    };
    assert!(!lands(&lab, server)?, "prevented at first");

    ctl(&daemon, &["mode", PATCH, "detect"])?;
    assert!(lands(&lab, server)?, "logged only");
    ctl(&daemon, &["mode", PATCH, "off"])?;
    assert!(lands(&lab, server)?, "off");
    ctl(&daemon, &["mode", PATCH, "default"])?;
    assert!(!lands(&lab, server)?, "the hold is lifted");

    ctl(
        &daemon,
        &["except", &client, "--patch", PATCH, "--side", "client"],
    )?;
    assert!(lands(&lab, server)?, "excepted");
    assert!(
        !daemon
            .ctl(&["mode", "no-such-patch", "off"])?
            .status
            .success()
    );
    daemon.stop()?;

    let daemon = Daemon::start(&lab, &setup)?;
    assert!(lands(&lab, server)?, "excepted after a restart");
    let status = ctl(&daemon, &["status"])?;
    assert!(status.contains(&client), "{status}");
    ctl(
        &daemon,
        &[
            "except", &client, "--patch", PATCH, "--side", "client", "--remove",
        ],
    )?;
    assert!(!lands(&lab, server)?, "taken back");

    let logged_only = daemon
        .events()
        .iter()
        .filter(|e| e.text("/alert/action") == "allowed")
        .count();
    println!("{logged_only} alerts of what was let through");
    daemon.stop()?;
    Ok(())
}
