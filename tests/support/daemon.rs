//! The daemon under test, in the gateway namespace, reached as an operator reaches it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::eve::{self, Accounting, Event};
use super::netns::Lab;
use super::process::{self, Finished, Running, command_in};
use super::{Fallible, wait_for};

/// How long a start may take; a debug build compiling the bundled packs is the slow case.
const START: Duration = Duration::from_secs(60);
/// Until a record is in the log.
const LOGGED: Duration = Duration::from_secs(5);
/// How long a stop may take, whatever the load.
const STOP: Duration = Duration::from_secs(2);

/// What happens to traffic while the daemon does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStopped {
    Closed,
    Open,
}

/// How the daemon is started. Everything but the command line's own flags goes to a config file.
#[derive(Clone, Debug)]
pub struct Setup {
    pub packs: Option<PathBuf>,
    pub rules: Vec<PathBuf>,
    pub mode: Option<&'static str>,
    pub log_dir: Option<PathBuf>,
    /// Records that wait for the log at most.
    pub log_queue_records: Option<u32>,
    pub when_stopped: WhenStopped,
    /// Whether the kernel forwards what the queue cannot hold.
    pub queue_fail_open: bool,
    /// Queues, each with a worker; 0 for one on each processor.
    pub queues: u16,
    /// Whether a changed file starts a reload by itself.
    pub watch: bool,
    pub metrics: Option<String>,
    /// What operators decided is kept here; without it, in a folder of this start's own.
    pub state_dir: Option<PathBuf>,
    /// Lines that go to the config file as they are.
    pub extra_config: String,
    /// A command that runs the daemon with these words behind its own, for example `taskset -c 1`.
    pub wrapper: Vec<String>,
}

impl Default for Setup {
    /// The bundled packs, prevent, closed.
    fn default() -> Self {
        Self {
            packs: Some(bundled_packs()),
            rules: Vec::new(),
            mode: None,
            log_dir: None,
            log_queue_records: None,
            when_stopped: WhenStopped::Closed,
            queue_fail_open: false,
            queues: 0,
            watch: false,
            metrics: None,
            state_dir: None,
            extra_config: String::new(),
            wrapper: Vec::new(),
        }
    }
}

impl Setup {
    /// One rules file and no pack.
    pub fn with_rules(file: &Path) -> Self {
        Self {
            packs: None,
            rules: vec![file.to_owned()],
            ..Self::default()
        }
    }

    /// The bundled packs and one rules file.
    pub fn default_and(file: &Path) -> Self {
        Self {
            rules: vec![file.to_owned()],
            ..Self::default()
        }
    }

    /// The config file's text: the one place of the tests that knows its keys. `state_dir` is a folder.
    fn config(&self, state_dir: &Path) -> String {
        let failure = match self.when_stopped {
            WhenStopped::Closed => "closed",
            WhenStopped::Open => "open",
        };
        let mut text = format!(
            "[capture]\nqueues = {}\nfail_open = {}\n\n[netfilter]\nfailure = \"{failure}\"\n\n\
             [log]\nstats_secs = 1\n\n[control]\nstate_dir = \"{}\"\n\n[reload]\nwatch = {}\n",
            self.queues,
            self.queue_fail_open,
            state_dir.display(),
            self.watch,
        );
        if let Some(records) = self.log_queue_records {
            text = text.replace("[log]\n", &format!("[log]\nqueue_records = {records}\n"));
        }
        if self.packs.is_none() {
            text.push_str("\n[packs]\ndirs = []\n");
        }
        match &self.metrics {
            Some(listen) => {
                let _ = writeln!(text, "\n[metrics]\nlisten = \"{listen}\"");
            }
            None => text.push_str("\n[metrics]\nenabled = false\n"),
        }
        text.push_str(&self.extra_config);
        text
    }
}

/// The program under test: `STOPGAP_BIN`, or the one cargo built for the tests.
pub fn binary() -> PathBuf {
    std::env::var_os("STOPGAP_BIN")
        .map(PathBuf::from)
        .or_else(|| option_env!("CARGO_BIN_EXE_stopgap").map(PathBuf::from))
        .unwrap_or_else(|| project().join("target/release/stopgap"))
}

pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn bundled_packs() -> PathBuf {
    project().join("signatures")
}

/// A running daemon. Dropping it kills it; its kernel rules go with the namespace.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    gateway: String,
    folder: PathBuf,
    log_dir: PathBuf,
    ready: String,
}

impl Daemon {
    /// Starts it and waits for `ready`.
    pub fn start(lab: &Lab, setup: &Setup) -> Fallible<Self> {
        let (mut process, folder, log_dir) = launch(lab, setup)?;
        let line = wait_for(START, || {
            let said = process.stdout();
            match said.lines().find(|line| line.contains("ready")) {
                Some(line) => Some(Ok(line.to_owned())),
                None => process.exit_status().map(Err),
            }
        });
        match line {
            Some(Ok(ready)) => Ok(Self {
                process,
                gateway: lab.gateway(),
                folder,
                log_dir,
                ready,
            }),
            Some(Err(status)) => Err(format!(
                "the daemon ended with {status}: {}{}",
                process.stdout(),
                process.stderr()
            )
            .into()),
            None => Err(format!(
                "the daemon is not ready after {START:?}: {}{}",
                process.stdout(),
                process.stderr()
            )
            .into()),
        }
    }

    /// Starts it where it is expected to give up by itself.
    pub fn fails_to_start(lab: &Lab, setup: &Setup) -> Fallible<Finished> {
        let started = Instant::now();
        let (mut process, ..) = launch(lab, setup)?;
        let status = process.wait(START);
        let (stdout, stderr) = (process.stdout(), process.stderr());
        match status {
            Some(status) => Ok(Finished {
                status,
                stdout,
                stderr,
                took: started.elapsed(),
            }),
            None => Err(format!("it runs, and should not: {stdout}{stderr}").into()),
        }
    }

    /// The line that said packets flow.
    pub fn ready_line(&self) -> &str {
        &self.ready
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    pub fn runs(&mut self) -> bool {
        self.process.exit_status().is_none()
    }

    pub fn signal(&mut self, signal: i32) {
        self.process.signal(signal);
    }

    pub fn log_dir(&self) -> &Path {
        &self.log_dir
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("control.sock")
    }

    /// `stopgap ctl` with these arguments.
    pub fn ctl(&self, args: &[&str]) -> Fallible<Finished> {
        let mut command = command_in(&self.gateway, binary());
        command.arg("ctl").arg("--socket").arg(self.socket());
        process::run(command.args(args), Duration::from_secs(120))
    }

    /// Returns when the new ruleset is in force, with the time it took, or with what was said.
    pub fn reload(&self) -> Fallible<Duration> {
        let done = self.ctl(&["reload"])?;
        if done.code() != 0 {
            return Err(format!("reload failed: {}", done.text()).into());
        }
        Ok(done.took)
    }

    pub fn stats(&self) -> Fallible<Value> {
        let done = self.ctl(&["stats", "--json"])?;
        serde_json::from_str(&done.stdout).map_err(|e| format!("{e}: {}", done.text()).into())
    }

    pub fn accounting(&self) -> Fallible<Accounting> {
        let stats = self.stats()?;
        Accounting::of(&stats).ok_or_else(|| format!("no accounting in {stats}").into())
    }

    /// The books once two readings in a row are the same.
    pub fn books_at_rest(&self) -> Fallible<Accounting> {
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut last = self.accounting()?;
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.accounting()?;
            if now == last || Instant::now() > deadline {
                return Ok(now);
            }
            last = now;
        }
    }

    pub fn events(&self) -> Vec<Event> {
        eve::read(&self.log_dir.join("eve.json"))
    }

    /// Alert records that say the traffic was stopped. A thread of its own writes them: as long as
    /// there are fewer than `expected`, they are waited for.
    pub fn blocks(&self, expected: usize) -> Vec<Event> {
        let mut events = Vec::new();
        wait_for(LOGGED, || {
            events = self.events();
            events.retain(|e| e.kind() == "alert" && e.text("/alert/action") == "blocked");
            (events.len() >= expected).then_some(())
        });
        events
    }

    /// `stopgap blocks` over this daemon's log, as a person sees it.
    pub fn blocks_table(&self) -> Fallible<Finished> {
        let mut command = command_in(&self.gateway, binary());
        command.arg("blocks").arg("--log-dir").arg(&self.log_dir);
        process::run(&mut command, Duration::from_secs(10))
    }

    /// Checks received = forwarded + dropped + in hand in every `stats` event so far; gives their number.
    pub fn assert_accounts(&self) -> usize {
        let events = self.events();
        let stats: Vec<_> = events.iter().filter(|e| e.kind() == "stats").collect();
        for event in &stats {
            let accounting = Accounting::of(&event.0).expect("a stats event holds the accounting");
            assert!(accounting.holds(), "{accounting:?}");
        }
        stats.len()
    }

    /// Asks it to end, and checks that it did well and that its books balance.
    pub fn stop(mut self) -> Fallible<ExitStatus> {
        let asked = Instant::now();
        let status = self.process.stop().ok_or("it does not end")?;
        let took = asked.elapsed();
        eprintln!("stopped in {took:.2?}");
        assert!(took <= STOP, "a stop took {took:?}");
        if !status.success() {
            return Err(format!("it ended with {status}: {}", self.process.stderr()).into());
        }
        assert!(self.assert_accounts() > 0, "no stats event at exit");
        Ok(status)
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.process.signal(libc::SIGKILL);
        self.process.wait(Duration::from_secs(5));
    }
}

fn launch(lab: &Lab, setup: &Setup) -> Fallible<(Running, PathBuf, PathBuf)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = lab.folder().join(format!("daemon-{number}"));
    let log_dir = setup.log_dir.clone().unwrap_or_else(|| folder.join("log"));
    fs::create_dir(&folder)?;
    fs::create_dir_all(&log_dir)?;
    let state_dir = setup
        .state_dir
        .clone()
        .unwrap_or_else(|| folder.join("state"));
    fs::create_dir_all(&state_dir)?;
    let config = folder.join("stopgap.toml");
    fs::write(&config, setup.config(&state_dir))?;

    let mut command = match setup.wrapper.split_first() {
        None => command_in(&lab.gateway(), binary()),
        Some((wrapper, words)) => {
            let mut command = command_in(&lab.gateway(), wrapper);
            command.args(words).arg(binary());
            command
        }
    };
    command.arg("run").arg("--config").arg(&config);
    if let Some(packs) = &setup.packs {
        command.arg("--packs").arg(packs);
    }
    for file in &setup.rules {
        command.arg("--rules").arg(file);
    }
    if let Some(mode) = setup.mode {
        command.args(["--mode", mode]);
    }
    command.arg("--log-dir").arg(&log_dir);
    command.arg("--socket").arg(folder.join("control.sock"));
    command.arg("--cache-dir").arg(folder.join("cache"));
    let process = Running::start(&mut command, &folder, "daemon")?;
    Ok((process, folder, log_dir))
}

/// The rules that any firewall tool shows in the gateway, without counters and comments.
pub fn kernel_rules(lab: &Lab) -> Fallible<String> {
    let mut all = String::new();
    for (tool, args) in [
        ("iptables-save", &[][..]),
        ("ip6tables-save", &[]),
        ("iptables-legacy-save", &[]),
        ("ip6tables-legacy-save", &[]),
        ("nft", &["list", "ruleset"]),
    ] {
        let done = lab.gateway_runs(tool, args, Duration::from_secs(10))?;
        for line in done.stdout.lines() {
            // Chain headers and an empty table say nothing about rules.
            if line.starts_with("-A") || line.contains("queue") || line.contains("stopgap") {
                let _ = writeln!(all, "{tool}: {line}");
            }
        }
    }
    Ok(all)
}
