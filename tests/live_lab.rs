//! The lab itself, without Stopgap: every attack of the other live tests must land here, or their
//! silence would prove nothing.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::Fallible;
use support::attacks;
use support::heartbeat::{self, Shape};
use support::load;
use support::netns::{self, CLIENT_INTERFACE, Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::rawtcp::{Delivery, End, RawClient};
use support::requirements::live;
use support::tap::{self, Tap};
use support::tls_responder::{CANARY, Certificate, TlsResponder};
use support::udp::{self, Sink};

#[test]
fn nmap_calls_the_server_vulnerable_and_ordinary_tls_works_beside_it() -> Fallible<()> {
    let Some(_turn) = live(
        "the Heartbleed control",
        &["nmap", "nginx", "curl", "openssl"],
    ) else {
        return Ok(());
    };
    netns::sweep();
    let lab = Lab::new()?;
    let certificate = Certificate::make(lab.folder())?;
    let _nginx = Nginx::start(&lab, Purpose::Witness, Some(&certificate))?;
    let backend = SocketAddr::from(nginx::TLS_BACKEND);
    let responder = TlsResponder::start(&lab, 443, certificate.der, backend)?;

    for family in Family::BOTH {
        let wire = Tap::start(&lab, &lab.client(), CLIENT_INTERFACE)?;
        let scan = load::nmap_heartbleed(&lab, family)?;
        let leaking = tap::frames_with(&wire.finish(), CANARY);
        println!(
            "{}: nmap says vulnerable: {}, after {:.1?}; frames with canary bytes: {leaking}",
            family.name(),
            scan.vulnerable,
            scan.took
        );
        assert!(scan.vulnerable, "{}", scan.text);
        assert!(leaking > 0);

        let server = SocketAddr::new(lab.server_address(family), 443);
        assert_eq!(heartbeat::honest(&lab, server, 5)?, 5);
        for shape in [Shape::Whole, Shape::ByteByByte, Shape::Coalesced] {
            let bled = heartbeat::bleed(&lab, server, 0x4000, shape)?;
            println!("{}, {shape:?}: {bled:?}", family.name());
            assert!(bled.canary && bled.further_bytes > 0x4000 && !bled.reset);
        }

        let url = format!("https://{}/", lab.authority(family, 443));
        assert_eq!(load::curl(&lab, &url, Duration::from_secs(5))?, 200);
        let session = load::openssl_client(&lab, family)?;
        assert!(session.stdout.contains("200 OK"), "{}", session.text());
    }
    println!(
        "heartbeats {}, bytes leaked {}, ordinary connections {}",
        responder.heartbeats(),
        responder.leaked_bytes(),
        responder.relayed()
    );
    Ok(())
}

#[test]
fn every_attack_and_twin_lands_in_any_delivery() -> Fallible<()> {
    let Some(_turn) = live("the HTTP control", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let mut client = RawClient::new(&lab)?;
    let mut sent = 0;
    for family in Family::BOTH {
        for delivery in Delivery::ALL {
            let run = format!("{family:?}-{delivery:?}");
            let cases = attacks::cases(&run);
            for case in &cases {
                let patience = Duration::from_secs(10);
                let exchange =
                    client.exchange(family, nginx::PORT, &case.request, delivery, patience)?;
                // nginx refuses a way up as soon as the request's line is there, and resets when more comes.
                assert_ne!(exchange.status(), 0, "{}: {exchange:?}", case.id);
                if !case.attack {
                    assert_eq!(exchange.status(), 200, "{}", case.id);
                    assert_eq!(exchange.end, End::Closed, "{}", case.id);
                    assert_eq!(exchange.acknowledged, case.request.len(), "{}", case.id);
                }
            }
            nginx.settle(&lab)?;
            for case in &cases {
                let logged = nginx.requests_with(&case.id);
                assert!(
                    logged.len() == 1 && logged[0].answered(),
                    "{}: {logged:?}",
                    case.id
                );
            }
            sent += cases.len();
        }
    }
    println!("{sent} requests in three deliveries over IPv4 and IPv6: all in the server's log");
    Ok(())
}

#[test]
fn a_request_that_breaks_off_is_not_taken_for_an_answered_one() -> Fallible<()> {
    let Some(_turn) = live("the witness control", &["nginx"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let mut client = RawClient::new(&lab)?;
    let request = b"GET /broken-off HTTP/1.1\r\nHost: x\r\nUser-Agent: half\r\nX-Rest: ";
    client.exchange(
        Family::V4,
        nginx::PORT,
        request,
        Delivery::Whole,
        Duration::from_millis(300),
    )?;
    nginx.settle(&lab)?;
    let logged = nginx.requests_with("broken-off");
    println!("{logged:?}");
    assert!(logged.iter().all(|request| !request.answered()));
    Ok(())
}

#[test]
fn a_flood_arrives_to_its_last_packet() -> Fallible<()> {
    let Some(_turn) = live("the flood control", &[]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let sink = Sink::open(&lab)?;
    udp::flood(&lab, 10)?;
    std::thread::sleep(Duration::from_millis(200));
    let before = sink.arrived()?;
    let sent = udp::flood(&lab, 60_000)?;
    std::thread::sleep(Duration::from_millis(200));
    let arrived = sink.arrived()? - before;
    println!("{sent} sent, {arrived} arrived");
    assert_eq!(arrived, sent);
    Ok(())
}

#[test]
fn wrk_and_iperf3_are_understood() -> Fallible<()> {
    let Some(_turn) = live("the load control", &["nginx", "wrk", "iperf3"]) else {
        return Ok(());
    };
    let lab = Lab::new()?;
    let _nginx = Nginx::start(&lab, Purpose::Load, None)?;
    for family in Family::BOTH {
        let load = load::Wrk {
            url: format!("http://{}/", lab.authority(family, nginx::PORT)),
            connections: 4,
            seconds: 1,
            new_connections: family == Family::V6,
            cpu: None,
        }
        .run(&lab)?;
        println!("{}: {load:?}", family.name());
        assert!(load.requests > 0 && load.failed == 0 && load.p99_ms > 0.0);
        let gbit = load::iperf3(&lab, family, 1, None)?;
        println!("{}: iperf3 {gbit:.1} Gbit/s", family.name());
        assert!(gbit > 0.0);
    }
    Ok(())
}
