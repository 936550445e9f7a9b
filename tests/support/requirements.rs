//! Whether this machine can run a live test, and the turn-taking among live tests.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One live test at a time: they measure time and load the machine.
static TURN: Mutex<()> = Mutex::new(());

/// Held by a live test while it runs.
pub struct Turn(#[allow(dead_code)] MutexGuard<'static, ()>);

/// Gives the turn when the test can run here. Prints why and gives nothing when it cannot; with
/// `STOPGAP_REQUIRE_LIVE=1` that is a failure.
pub fn live(test: &str, tools: &[&str]) -> Option<Turn> {
    match missing(tools) {
        None => Some(Turn(TURN.lock().unwrap_or_else(PoisonError::into_inner))),
        Some(reason) => {
            refuse_or_skip(test, &reason);
            None
        }
    }
}

/// As [`live`], for a test that starts the daemon: the program must have one to start.
pub fn live_with_daemon(test: &str, tools: &[&str]) -> Option<Turn> {
    let program = super::daemon::binary();
    let help = Command::new(&program).args(["run", "--help"]).output();
    if help.is_ok_and(|said| said.status.success() && !said.stdout.is_empty()) {
        return live(test, tools);
    }
    let reason = format!("{} has no `run`", program.display());
    refuse_or_skip(test, &reason);
    None
}

fn refuse_or_skip(test: &str, reason: &str) {
    let required = std::env::var_os("STOPGAP_REQUIRE_LIVE").is_some_and(|v| v == "1");
    assert!(!required, "{test} cannot run here: {reason}");
    println!("skipped {test}: {reason}");
}

fn missing(tools: &[&str]) -> Option<String> {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return Some("needs root, to make network namespaces".to_owned());
    }
    ["ip"]
        .iter()
        .chain(tools)
        .find(|tool| find_program(tool).is_none())
        .map(|tool| format!("`{tool}` is not installed"))
}

/// The full path of a program, searched in `PATH` and in the system folders that a plain user's
/// `PATH` lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into(), "/usr/bin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
