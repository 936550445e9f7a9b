//! `stopgap detach`: removes the kernel rules, with or without a daemon.

use super::{Failure, Outcome, Result};
use crate::netfilter;

/// Remove the kernel rules of Stopgap; for when no daemon runs.
///
/// With a daemon, `stopgap ctl detach` also ends it in an orderly way. After
/// this, traffic flows uninspected.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result {
    let removed = netfilter::remove().map_err(|e| Failure(e.to_string()))?;
    if removed {
        anstream::println!("kernel rules removed: traffic flows uninspected");
    } else {
        anstream::println!("no kernel rules of ours were there");
    }
    Ok(Outcome::Holds)
}
