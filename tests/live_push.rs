//! A patch pushed on top of a large ruleset: how soon it blocks on connections that are open, and at what cost.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::Fallible;
use support::daemon::{Daemon, Setup, bundled_packs};
use support::http::{self, Connection};
use support::netns::{Family, Lab};
use support::nginx::{self, Nginx, Purpose};
use support::requirements::live_with_daemon;

const PATIENCE: Duration = Duration::from_secs(5);
const ROUNDS: u32 = 5;
/// Between two requests of the connection that is to be blocked.
const ASKED_EVERY: Duration = Duration::from_millis(1);

/// The bundled packs in a folder of the test's own, to which patches are pushed.
struct Packs(PathBuf);

impl Packs {
    fn new(folder: &Path) -> Fallible<Self> {
        let packs = folder.join("packs");
        copy(&bundled_packs(), &packs)?;
        Ok(Self(packs))
    }

    /// Adds a patch to the pack `core`, whole at once: names that begin with a dot are not read.
    fn push(&self, round: u32) -> Fallible<()> {
        let id = format!("pushed-{round}");
        let (new, last) = (
            self.0.join(format!("core/.{id}")),
            self.0.join("core").join(&id),
        );
        for kind in ["attack", "benign"] {
            fs::create_dir_all(new.join(kind))?;
        }
        fs::write(
            new.join("patch.toml"),
            format!(
                "id = \"{id}\"\ntitle = \"Pushed by a live test\"\ncve = [\"CVE-2020-0001\"]\n\
                 published = 2020-01-01\nowner = \"tests\"\nmode = \"prevent\"\nresponse = \"reset\"\n\
                 coverage = \"One word in a target.\"\naffects = []\n"
            ),
        )?;
        let (word, sid) = (word(round), 9_000_900 + round);
        fs::write(
            new.join("patch.rules"),
            format!(
                "drop http any any -> any any (msg:\"live test\"; flow:established,to_server; \
                 http.uri; content:\"{word}\"; pcre:\"/[?&]q={word}$/\"; sid:{sid}; rev:1;)\n"
            ),
        )?;
        for (name, target) in [
            ("attack/plain", format!("/?q={word}")),
            ("attack/second", format!("/path/?a=b&q={word}")),
            ("attack/long", format!("/{}?q={word}", "a/".repeat(100))),
            ("benign/longer", format!("/?q={word}-and-more")),
            ("benign/other", format!("/?p={word}")),
            ("benign/none", "/".to_owned()),
        ] {
            fs::write(
                new.join(format!("{name}.toml")),
                format!(
                    "title = \"{name}\"\nserver_port = 80\n\n[[message]]\nfrom = \"client\"\n\
                     text = \"GET {target} HTTP/1.1\\r\\nHost: app.test\\r\\n\\r\\n\"\n"
                ),
            )?;
        }
        Ok(fs::rename(new, last)?)
    }
}

/// What the patch of a round looks for.
fn word(round: u32) -> String {
    format!("word-of-round-{round}")
}

fn copy(from: &Path, to: &Path) -> Fallible<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Memory of the daemon, in KiB.
struct Memory {
    resident: u64,
    peak: u64,
}

impl Memory {
    fn of(pid: u32) -> Fallible<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.and_then(|n| n.parse().ok())
        };
        Ok(Self {
            resident: field("VmRSS:").ok_or("no VmRSS")?,
            peak: field("VmHWM:").ok_or("no VmHWM")?,
        })
    }

    /// From now on the peak counts anew.
    fn forget_peak(pid: u32) -> Fallible<()> {
        Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
    }
}

/// What became of the connection that was open before the push.
struct Refused {
    /// From the command to the first request without an answer, when it was sent.
    asked: Duration,
    /// Requests before it, all answered.
    answered: usize,
}

/// Pushes a patch and asks for what it forbids on `connection` until that is refused.
fn push(
    lab: &Lab,
    packs: &Packs,
    daemon: &Daemon,
    connection: &mut Connection,
    round: u32,
) -> Fallible<(Refused, Duration)> {
    let target = format!("/?q={}", word(round));
    assert_eq!(connection.get(&target)?, 200, "not forbidden yet");
    packs.push(round)?;
    let called = Instant::now();
    let client = lab.client();
    std::thread::scope(|scope| -> Fallible<_> {
        let asking = scope.spawn(|| {
            lab.inside(&client, || {
                let mut answered = 1;
                while called.elapsed() < Duration::from_secs(60) {
                    let asked = called.elapsed();
                    match connection.get(&target) {
                        Ok(_) => answered += 1,
                        Err(_) => return Some(Refused { asked, answered }),
                    }
                    std::thread::sleep(ASKED_EVERY);
                }
                None
            })
        });
        let took = daemon.reload()?;
        let refused = asking.join().map_err(|_| "the asking thread panicked")??;
        Ok((refused.ok_or("never blocked")?, took))
    })
}

/// Set `STOPGAP_CORPUS` to the folder that has `rules/et-open.rules`.
#[test]
fn a_pushed_patch_blocks_at_once_on_top_of_a_large_ruleset() -> Fallible<()> {
    let Some(_turn) = live_with_daemon("a patch pushed onto a large ruleset", &["nginx"]) else {
        return Ok(());
    };
    let Some(corpus) = std::env::var_os("STOPGAP_CORPUS") else {
        println!("skipped a patch pushed onto a large ruleset: STOPGAP_CORPUS is not set");
        return Ok(());
    };
    let lab = Lab::new()?;
    let nginx = Nginx::start(&lab, Purpose::Witness, None)?;
    let packs = Packs::new(lab.folder())?;
    let server = SocketAddr::new(lab.server_address(Family::V4), nginx::PORT);
    let setup = Setup {
        packs: Some(packs.0.clone()),
        ..Setup::with_rules(&Path::new(&corpus).join("rules/et-open.rules"))
    };
    let daemon = Daemon::start(&lab, &setup)?;
    println!("{}", daemon.ready_line());

    let mut open = Vec::new();
    for _ in 0..ROUNDS {
        open.push(Connection::open(&lab, server, PATIENCE)?);
    }
    // As it is in use, and not as it is just after loading.
    http::latencies(&lab, server, ASKED_EVERY, {
        let until = Instant::now() + Duration::from_secs(2);
        move || Instant::now() < until
    })?;
    Memory::forget_peak(daemon.pid())?;
    let before = Memory::of(daemon.pid())?;

    let done = AtomicBool::new(false);
    let client = lab.client();
    let (refused, twins) = std::thread::scope(|scope| -> Fallible<_> {
        // Asks for what looks like it, through all pushes, on one connection.
        let twin = scope.spawn(|| {
            lab.inside(&client, || -> std::io::Result<usize> {
                let mut connection = Connection::open_here(server, PATIENCE)?;
                let mut answered = 0;
                while !done.load(Ordering::Relaxed) {
                    for round in 0..ROUNDS {
                        let target = format!("/twin?q={}-and-more", word(round));
                        let status = connection.get(&target)?;
                        assert_eq!(status, 200);
                        answered += 1;
                    }
                    std::thread::sleep(ASKED_EVERY);
                }
                Ok(answered)
            })
        });
        let pushed = open.iter_mut().zip(0..).map(|(connection, round)| {
            let pushed = push(&lab, &packs, &daemon, connection, round)?;
            println!(
                "push {round}: refused {:.1?} after the command began, which took {:.1?}; {} requests before it",
                pushed.0.asked, pushed.1, pushed.0.answered
            );
            Ok(pushed.0)
        });
        let refused: Fallible<Vec<Refused>> = pushed.collect();
        done.store(true, Ordering::Relaxed);
        let twins = twin.join().map_err(|_| "the twin panicked")???;
        Ok((refused?, twins))
    })?;
    let after = Memory::of(daemon.pid())?;
    let memory = after.peak as f64 / before.resident as f64;
    let accounting = daemon.books_at_rest()?;
    nginx.settle(&lab)?;
    let mut times: Vec<Duration> = refused.iter().map(|r| r.asked).collect();
    let median = http::percentile(&mut times, 50);
    println!(
        "from the command to the first request refused on an open connection: median {median:.1?} of {times:.1?}; \
         {} packets lost, {} passed unseen; peak memory {memory:.3}x ({} of {} KiB); {twins} requests of the twin, all answered",
        accounting.lost_before_us, accounting.passed_unseen, after.peak, before.resident,
    );

    assert!(accounting.holds(), "{accounting:?}");
    assert_eq!(accounting.lost_before_us, 0);
    assert_eq!(accounting.passed_unseen, 0);
    for (round, refused) in (0..).zip(&refused) {
        let target = format!("GET /?q={} ", word(round));
        let reached = nginx.requests_with(&target);
        let served = reached.iter().filter(|r| r.answered()).count();
        // An answer that was on its way when the patch came in force is refused with its request.
        let behind = served - refused.answered;
        assert!(
            behind <= 1,
            "{served} served, {} answered",
            refused.answered
        );
    }
    let served = nginx
        .requests_with("/twin")
        .into_iter()
        .filter(nginx::Logged::answered);
    assert_eq!(served.count(), twins);
    assert_eq!(daemon.blocks(ROUNDS as usize).len(), ROUNDS as usize);
    assert!(memory < 1.2, "{memory:.3}");
    // The aim is a tenth of it. The rest is room for what else runs on the machine of a test.
    assert!(median < Duration::from_secs(1), "{times:.1?}");
    daemon.stop()?;
    Ok(())
}
