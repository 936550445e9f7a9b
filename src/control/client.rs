//! The other end of the daemon's socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::protocol::{Request, Response};

/// A reload of a very large ruleset answers within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// An answer larger than this is not the daemon's.
const MAX_ANSWER_BYTES: u64 = 64 * 1024 * 1024;

/// Sends one request and waits for its answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Response, String> {
    let described = |what: &str, e: &dyn std::fmt::Display| {
        format!("{what} the daemon's socket {}: {e}", socket.display())
    };
    let mut stream = UnixStream::connect(socket).map_err(|e| described("cannot connect to", &e))?;
    stream
        .set_read_timeout(Some(ANSWER_TIMEOUT))
        .map_err(|e| described("cannot read", &e))?;
    let mut line = serde_json::to_vec(request).map_err(|e| e.to_string())?;
    line.push(b'\n');
    stream
        .write_all(&line)
        .map_err(|e| described("cannot write to", &e))?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_ANSWER_BYTES))
        .read_line(&mut answer)
        .map_err(|e| described("no answer from", &e))?;
    if answer.is_empty() {
        return Err(described("no answer from", &"it was closed"));
    }
    serde_json::from_str(&answer).map_err(|e| described("cannot understand the answer of", &e))
}
