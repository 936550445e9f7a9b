//! The bundled pack's HTTP patches against a live nginx. The server's own log is the witness.
//! `tests/live_lab.rs` shows that each of these requests arrives without Stopgap.

mod support;

use std::time::Duration;

use support::Fallible;
use support::attacks::{self, Case, SUBJECTS};
use support::daemon::{Daemon, Setup};
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::rawtcp::{Delivery, End, RawClient};
use support::requirements::live_with_daemon;

#[test]
fn attacks_never_reach_the_server_and_their_twins_do() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("the five attacks", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let mut client = RawClient::new(&lab)?;
    control(&lab, &nginx, &mut client)?;

    let daemon = Daemon::start(&lab, &Setup::default())?;
    println!("{}", daemon.ready_line());
    let mut blocked = 0;
    let mut wrong = Vec::new();
    for family in Family::BOTH {
        for delivery in Delivery::ALL {
            let cases = attacks::cases(&format!("{family:?}-{delivery:?}"));
            for case in &cases {
                // A twin is given the time of retransmissions; a refused flow ends at once by its reset.
                let patience = Duration::from_secs(if case.attack { 2 } else { 10 });
                let exchange =
                    client.exchange(family, nginx::PORT, &case.request, delivery, patience)?;
                let good = match case.attack {
                    true => exchange.status() == 0 && exchange.end == End::Reset,
                    false => exchange.status() == 200 && exchange.end == End::Closed,
                };
                if !good {
                    wrong.push(format!(
                        "{}: {:?}, {}",
                        case.id,
                        exchange.end,
                        exchange.status()
                    ));
                }
            }
            nginx.settle(&lab)?;
            for case in &cases {
                wrong.extend(what_the_witness_objects(&nginx, case, delivery));
            }
            report(&cases, family, delivery, &nginx);
            blocked += cases.iter().filter(|c| c.attack).count();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let blocks = daemon.blocks(blocked);
    println!("{blocked} attacks, {} blocks in the log", blocks.len());
    assert_eq!(blocks.len(), blocked, "one record for each blocked flow");
    daemon.stop()?;
    Ok(())
}

fn control(lab: &Lab, nginx: &Nginx, client: &mut RawClient) -> Fallible<()> {
    let cases = attacks::cases("control");
    let patience = Duration::from_secs(5);
    for case in &cases {
        client.exchange(
            Family::V4,
            nginx::PORT,
            &case.request,
            Delivery::Whole,
            patience,
        )?;
    }
    nginx.settle(lab)?;
    for case in &cases {
        assert!(
            !nginx.requests_with(&case.id).is_empty(),
            "without Stopgap {} arrives",
            case.id
        );
    }
    Ok(())
}

/// An attack sent byte by byte shows its harmless beginning before it is one, so nginx may log a request
/// that broke off; it must not have answered it. Sent whole or reversed, nothing of it may arrive.
fn what_the_witness_objects(nginx: &Nginx, case: &Case, delivery: Delivery) -> Option<String> {
    let logged = nginx.requests_with(&case.id);
    let fine = match (case.attack, delivery) {
        (true, Delivery::ByteByByte) => logged.iter().all(|request| !request.answered()),
        (true, _) => logged.is_empty(),
        (false, _) => logged.len() == 1 && logged[0].field("status") == "200",
    };
    (!fine).then(|| format!("{}: the server's log has {logged:?}", case.id))
}

fn report(cases: &[Case], family: Family, delivery: Delivery, nginx: &Nginx) {
    for subject in SUBJECTS {
        let answered = |attack: bool| {
            let of_kind = cases
                .iter()
                .filter(|c| c.against == subject && c.attack == attack);
            let total = of_kind.clone().count();
            let seen = of_kind
                .filter(|c| nginx.requests_with(&c.id).iter().any(|r| r.answered()))
                .count();
            format!("{seen}/{total}")
        };
        println!(
            "{subject:17} {:4} {:20} attacks that landed {}, twins that arrived {}",
            family.name(),
            delivery.name(),
            answered(true),
            answered(false)
        );
    }
}
