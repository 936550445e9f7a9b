//! Heartbleed, without and with Stopgap, told step by step.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::Fallible;
use crate::support::attacks;
use crate::support::daemon::{Daemon, Setup};
use crate::support::heartbeat::{self, Shape};
use crate::support::load;
use crate::support::netns::{CLIENT_INTERFACE, Family, Lab};
use crate::support::nginx::{self, Nginx, Purpose};
use crate::support::rawtcp::{Delivery, RawClient};
use crate::support::tap::{self, Tap};
use crate::support::tls_responder::{CANARY, Certificate, TlsResponder};

pub fn run() -> Fallible<()> {
    let said = Voice::new();
    let started = Instant::now();
    said.title("Stopgap: a virtual patch at the gateway");
    let lab = Lab::new()?;
    let certificate = Certificate::make(lab.folder())?;
    let nginx = Nginx::start(&lab, Purpose::Witness, Some(&certificate))?;
    let backend = SocketAddr::from(nginx::TLS_BACKEND);
    let responder = TlsResponder::start(&lab, 443, certificate.der, backend)?;
    said.plain(&format!(
        "  client {}  ──▶  gateway  ──▶  server {} (nginx; TLS with the Heartbleed bug)\n  \
         Three network namespaces on this machine; nothing leaves it.",
        lab.client_address(Family::V4),
        lab.server_address(Family::V4)
    ));
    let scene = Scene {
        lab,
        nginx,
        responder,
    };

    said.title("1. Without Stopgap");
    let exposed = scene.look(&said)?;
    said.expect(
        exposed.is_open(),
        "the server bleeds, as it must for this demo to mean anything",
    )?;

    said.title("2. Stopgap starts on the gateway");
    let asked = Instant::now();
    let daemon = Daemon::start(&scene.lab, &Setup::default())?;
    said.plain(&format!(
        "  $ stopgap run\n  {}\n  packets flow {:.2?} after the start; no connection to the server was touched",
        daemon.ready_line(),
        asked.elapsed()
    ));

    said.title("3. With Stopgap");
    let protected = scene.look(&said)?;
    said.expect(
        protected.is_shut(),
        "both attacks end at the gateway, ordinary clients go on",
    )?;

    said.title("4. What the block log says");
    let blocks = daemon.blocks_table()?;
    said.plain("  $ stopgap blocks");
    said.plain(blocks.stdout.trim_end());
    said.expect(
        blocks.code() == 0 && !daemon.blocks(1).is_empty(),
        "every block is explained",
    )?;
    daemon.stop()?;
    said.plain(&format!(
        "\nThe namespaces are removed again. All of it took {:.0} s.",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

struct Scene {
    lab: Lab,
    nginx: Nginx,
    responder: TlsResponder,
}

/// What the attacks and the ordinary clients got.
struct Outcome {
    vulnerable: bool,
    stolen_frames: usize,
    further_bytes: usize,
    shellshock_arrived: bool,
    ordinary_clients: bool,
}

impl Outcome {
    fn is_open(&self) -> bool {
        self.vulnerable
            && self.stolen_frames > 0
            && self.shellshock_arrived
            && self.ordinary_clients
    }

    fn is_shut(&self) -> bool {
        !self.vulnerable
            && self.stolen_frames == 0
            && self.further_bytes == 0
            && !self.shellshock_arrived
            && self.ordinary_clients
    }
}

impl Scene {
    fn look(&self, said: &Voice) -> Fallible<Outcome> {
        let lab = &self.lab;
        let wire = Tap::start(lab, &lab.client(), CLIENT_INTERFACE)?;
        let address = lab.server_address(Family::V4);
        let scan = load::nmap_heartbleed(lab, Family::V4)?;
        said.plain(&format!(
            "  $ nmap -Pn -n -p443 --script ssl-heartbleed {address}"
        ));
        said.verdict(
            !scan.vulnerable,
            &format!(
                "nmap: {} ({:.1} s)",
                if scan.vulnerable {
                    "State: VULNERABLE"
                } else {
                    "not vulnerable"
                },
                scan.took.as_secs_f32()
            ),
        );
        let leaked_before = self.responder.leaked_bytes();
        let server = SocketAddr::new(address, 443);
        let bled = heartbeat::bleed(lab, server, 0x4000, Shape::Whole)?;
        said.plain("  $ a heartbeat that holds 0 bytes and asks for 16,384");
        let stolen = match bled.canary {
            true => format!(
                "the server answers with its memory: \"{}...\"",
                String::from_utf8_lossy(CANARY)
            ),
            false => {
                "the connection is reset; an honest heartbeat before it was answered".to_owned()
            }
        };
        said.verdict(
            !bled.canary,
            &format!(
                "{stolen} ({} bytes leaked by the server)",
                self.responder.leaked_bytes() - leaked_before
            ),
        );
        let shellshock_arrived = self.shellshock(said)?;
        let ordinary_clients = self.ordinary_clients(said)?;
        Ok(Outcome {
            vulnerable: scan.vulnerable,
            stolen_frames: tap::frames_with(&wire.finish(), CANARY),
            further_bytes: bled.further_bytes,
            shellshock_arrived,
            ordinary_clients,
        })
    }

    fn shellshock(&self, said: &Voice) -> Fallible<bool> {
        let run = format!("demo-{}", self.nginx.log().len());
        let cases = attacks::cases(&run);
        let case = cases
            .iter()
            .find(|case| case.attack && case.against == "shellshock")
            .ok_or("no such case")?;
        RawClient::new(&self.lab)?.exchange(
            Family::V4,
            nginx::PORT,
            &case.request,
            Delivery::ByteByByte,
            Duration::from_secs(2),
        )?;
        self.nginx.settle(&self.lab)?;
        let arrived = self
            .nginx
            .requests_with(&case.id)
            .iter()
            .any(|request| request.answered());
        said.plain("  $ Shellshock in a User-Agent, one byte per segment");
        let words = if arrived {
            "nginx logged and answered it"
        } else {
            "nginx never got it"
        };
        said.verdict(!arrived, words);
        Ok(arrived)
    }

    fn ordinary_clients(&self, said: &Voice) -> Fallible<bool> {
        let url = format!("https://{}/", self.lab.authority(Family::V4, 443));
        let curl = load::curl(&self.lab, &url, Duration::from_secs(5))?;
        let openssl = load::openssl_client(&self.lab, Family::V4)?;
        let openssl_good = openssl.stdout.contains("200 OK");
        said.plain(&format!("  $ curl {url}    $ openssl s_client"));
        said.verdict(
            curl == 200 && openssl_good,
            &format!(
                "ordinary TLS clients: curl {curl}, openssl {}",
                if openssl_good { "200" } else { "failed" }
            ),
        );
        Ok(curl == 200 && openssl_good)
    }
}

/// Colour on a terminal, plain text elsewhere.
struct Voice {
    colour: bool,
}

impl Voice {
    fn new() -> Self {
        Self {
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn title(&self, text: &str) {
        println!("\n{}", self.paint("1", text));
    }

    fn plain(&self, text: &str) {
        println!("{text}");
    }

    /// A line that is good or bad for the server's owner.
    fn verdict(&self, good: bool, text: &str) {
        let (sign, code) = if good { ("✔", "32") } else { ("✘", "31") };
        println!("    {}", self.paint(code, &format!("{sign} {text}")));
    }

    fn expect(&self, held: bool, what: &str) -> Fallible<()> {
        match held {
            true => {
                println!("  {}", self.paint("1;32", &format!("So {what}.")));
                Ok(())
            }
            false => Err(format!("this did not hold: {what}").into()),
        }
    }
}
