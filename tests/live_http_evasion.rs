//! Section F of the evasion catalogue, HTTP/1, against a live nginx: what reached it judges. Each
//! attack has a twin that hides a harmless word in the same way.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use support::Fallible;
use support::daemon::{Daemon, Setup};
use support::http_evasion::catalogue::CASES;
use support::http_evasion::receiver::{self, Switching};
use support::http_evasion::{Case, EVIL, GOOD, Hidden, RULES, Server};
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Connections of refused flows wait for all of it.
const AT_ONCE: usize = 24;

#[test]
fn no_disguise_of_http_gets_an_attack_through_and_twins_arrive() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("HTTP evasions", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let witness = Witness {
        nginx: Nginx::start(&lab, Purpose::Witness, None)?,
        switching: Switching::start(&lab)?,
    };
    let mut wrong = control(&lab, &witness)?;

    let rules = lab.folder().join("evasion.rules");
    std::fs::write(&rules, RULES)?;
    let daemon = Daemon::start(&lab, &Setup::with_rules(&rules))?;
    let attacks = play(&lab, &witness, EVIL, "attack", |case| case.lands)?;
    let twins = play(&lab, &witness, GOOD, "twin", |case| case.twin_arrives)?;
    for (case, landed) in &attacks {
        if *landed {
            wrong.push(format!(
                "{} {}: LOST, the attack landed",
                case.number, case.title
            ));
        }
    }
    for (case, landed) in &twins {
        if !landed {
            wrong.push(format!(
                "{} {}: BLIND, the twin did not arrive",
                case.number, case.title
            ));
        }
    }
    println!(
        "{} attacks of {} cases that land, {} twins",
        attacks.len(),
        CASES.len(),
        twins.len()
    );
    daemon.stop()?;
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// Who saw what arrived.
struct Witness {
    nginx: Nginx,
    switching: Switching,
}

impl Witness {
    fn saw(&self, server: Server, id: &str) -> bool {
        match server {
            Server::Switching => self.switching.was_told(id),
            Server::Nginx | Server::OtherPort => {
                let requests = self.nginx.requests_with(id);
                requests.iter().any(|r| r.field("status") == "200")
            }
        }
    }
}

/// Without Stopgap each case does what its row says.
fn control(lab: &Lab, witness: &Witness) -> Fallible<Vec<String>> {
    let mut wrong = Vec::new();
    for (case, landed) in play(lab, witness, EVIL, "control", |_| true)? {
        if landed != case.lands {
            wrong.push(format!(
                "{} {}: without Stopgap it {}",
                case.number,
                case.title,
                if landed { "lands" } else { "does not land" }
            ));
        }
    }
    Ok(wrong)
}

/// Sends the cases that `wanted` names, and says of each whether it got through.
fn play(
    lab: &Lab,
    witness: &Witness,
    word: &'static str,
    round: &str,
    wanted: impl Fn(&Case) -> bool,
) -> Fallible<Vec<(&'static Case, bool)>> {
    let cases: Vec<_> = CASES.iter().filter(|case| wanted(case)).collect();
    let id = |case: &Case| format!("{round}-{}-", case.number);
    let namespace = lab.client();
    for some in cases.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            for case in some {
                let hidden = Hidden { word, id: id(case) };
                let port = match case.server {
                    Server::Nginx => nginx::PORT,
                    Server::OtherPort => nginx::OTHER_PORT,
                    Server::Switching => receiver::PORT,
                };
                let server = SocketAddr::new(lab.server_address(Family::V4), port);
                let namespace = &namespace;
                // A connection that is reset or silent has its answer in what arrived.
                scope.spawn(move || -> Fallible<()> {
                    support::netns::enter(namespace)?;
                    exchange(server, &(case.build)(&hidden))
                });
            }
        });
    }
    witness.nginx.settle(lab)?;
    Ok(cases
        .into_iter()
        .map(|case| (case, witness.saw(case.server, &id(case))))
        .collect())
}

/// Sends a request in its pieces; an answer is awaited behind each.
fn exchange(server: SocketAddr, pieces: &[Vec<u8>]) -> Fallible<()> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 65_536];
    for (at, piece) in pieces.iter().enumerate() {
        stream.write_all(piece)?;
        if at + 1 < pieces.len() && stream.read(&mut buffer)? == 0 {
            return Ok(());
        }
    }
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}
