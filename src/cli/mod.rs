//! Subcommands. Each is a file with the same shape: `Args`, and `run(Args)`.
//!
//! Exit codes: 0 success; 1 what was checked does not hold; 2 bad usage or
//! unreadable input.

mod blocks;
mod check;
mod ctl;
mod detach;
mod replay;
mod replay_log;
mod report;
mod rule_profile;
mod rules;
mod run;
mod style;
mod test;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use rules::RuleArgs;

use crate::signature::Diagnostic;

/// Stops published exploits at the gateway, without touching the servers behind it.
///
/// Stopgap sits in the path of the traffic, holds every flow against a set of
/// virtual patches, and drops or resets those that match. Patches are pushed,
/// tested and live within a second, on open connections too.
#[derive(Debug, Parser)]
#[command(name = "stopgap", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Test(test::Args),
    Replay(replay::Args),
    Ctl(ctl::Args),
    Blocks(blocks::Args),
    Detach(detach::Args),
}

/// How a subcommand ended, when nothing was wrong with how it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    DoesNotHold,
}

/// Bad usage or unreadable input: the text that standard error gets, whole.
#[derive(Debug)]
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Errors in files, as the text of a failure.
fn failure_of(diagnostics: &[Diagnostic]) -> Failure {
    let colour = std::io::stderr().is_terminal();
    let shown: Vec<String> = diagnostics.iter().map(|d| d.render(colour)).collect();
    Failure(shown.join("\n"))
}

pub type Result = std::result::Result<Outcome, Failure>;

pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::run(args),
        Command::Test(args) => test::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Ctl(args) => ctl::run(args),
        Command::Blocks(args) => blocks::run(args),
        Command::Detach(args) => detach::run(args),
    };
    match result {
        Ok(Outcome::Holds) => ExitCode::SUCCESS,
        Ok(Outcome::DoesNotHold) => ExitCode::from(1),
        Err(Failure(text)) => {
            anstream::eprintln!("{}error:{:#} {text}", style::ERROR, style::ERROR);
            ExitCode::from(2)
        }
    }
}
