//! `stopgap run`: the daemon.

use std::path::PathBuf;

use super::{Outcome, Result, RuleArgs, style};
use crate::reload::Cache;
use crate::runtime::{self, RunOptions};

/// Run the daemon: inspect the gateway's traffic until told to stop.
///
/// Prints one line when packets flow: `ready`, with queues, patches and
/// signatures. SIGHUP takes up packs and rules as they are on disk and opens
/// the log anew; SIGTERM ends.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rules: RuleArgs,
    /// Where eve.json is written.
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,
    /// The socket that `stopgap ctl` talks to.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

pub fn run(args: Args) -> Result {
    let mut config = args.rules.configuration()?;
    if let Some(dir) = args.log_dir {
        config.log.dir = dir;
    }
    if let Some(socket) = args.socket {
        config.control.socket = socket;
    }
    let mut sources = args.rules.sources(&config)?;
    if args.rules.cache_dir.is_none() {
        sources.cache = Cache::new(&config.engine.cache_dir);
    }
    match runtime::run(RunOptions { config, sources }) {
        Ok(()) => Ok(Outcome::Holds),
        Err(error) => {
            anstream::eprintln!("{}error:{:#} {error}", style::ERROR, style::ERROR);
            Ok(Outcome::DoesNotHold)
        }
    }
}
