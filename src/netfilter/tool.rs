//! Running the firewall's command-line tools.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::error::Error;

/// Where the tools are; a daemon's PATH often lacks these.
const SYSTEM_PATHS: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// Runs a command to its end and gives its standard output.
pub(super) fn run(command: &str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::Missing(command.to_owned()),
        _ => Error::Run(command.to_owned(), error),
    };
    let mut child = Command::new(command)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("PATH", search_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that fails early closes its input; its own message says more.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let message = match message.trim() {
        "" => output.status.to_string(),
        text => text.to_owned(),
    };
    Err(Error::Refused {
        command: [&[command], arguments].concat().join(" "),
        message,
    })
}

fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    if !path.is_empty() {
        path.push(":");
    }
    path.push(SYSTEM_PATHS);
    path
}
