//! `stopgap ctl`: talks to the running daemon.

use std::path::PathBuf;

use clap::Subcommand;

use super::style::{FAINT, GOOD, STRONG, WARNING};
use super::{Failure, Outcome, Result, report};
use crate::config::Config;
use crate::control::{Request, Response, Stats, Status, client};
use crate::reload::{Exception, Network, RulesetSummary, Side};
use crate::verdict::Mode;

/// Talk to the running daemon over its socket.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The daemon's socket.
    #[arg(long, global = true, value_name = "PATH", default_value_os_t = Config::default().control.socket)]
    socket: PathBuf,
    /// Print the daemon's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is loaded, in which mode, with which exceptions, and how the gateway stands.
    Status,
    /// Build, test and take up the packs and rules as they are on disk now.
    ///
    /// Returns when the new ruleset is in force. On any error the ruleset in
    /// force stays, whole, and the exit code is 1.
    Reload {
        /// Keep the previous version of each failing file or patch and take the rest.
        #[arg(long)]
        partial: bool,
    },
    /// Go back to the ruleset before the last reload.
    Rollback,
    /// Hold one patch at a mode, at once; `default` lifts the hold.
    ///
    /// A hold only lowers: it never makes a patch do more than its pack says.
    Mode {
        /// The patch, for example openssl-heartbleed.
        patch: String,
        /// off, detect, canary, prevent, or default.
        #[arg(value_parser = held_mode)]
        mode: HeldMode,
    },
    /// Let a client, server or network through a patch, which then only logs.
    ///
    /// Kept across restarts and listed in `status`.
    Except {
        /// The address or network, for example 192.0.2.0/24.
        network: Network,
        /// Only this patch; without it, every patch.
        #[arg(long, value_name = "PATCH")]
        patch: Option<String>,
        /// Which end of the flow is meant.
        #[arg(long, value_enum, default_value = "any")]
        side: Side,
        /// Take the exception back.
        #[arg(long)]
        remove: bool,
    },
    /// Counters, the accounting, and what the kernel dropped before us.
    Stats,
    /// The flows in the table.
    Flows {
        /// At most this many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Remove the kernel rules, then end the daemon: traffic flows uninspected.
    Detach,
}

#[derive(Clone, Copy, Debug)]
struct HeldMode(Option<Mode>);

fn held_mode(text: &str) -> std::result::Result<HeldMode, String> {
    if text == "default" {
        return Ok(HeldMode(None));
    }
    text.parse()
        .map(|mode| HeldMode(Some(mode)))
        .map_err(|e| format!("{e}, default"))
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        match command {
            Command::Status => Self::Status,
            Command::Reload { partial } => Self::Reload { partial },
            Command::Rollback => Self::Rollback,
            Command::Mode { patch, mode } => Self::Mode {
                patch,
                mode: mode.0,
            },
            Command::Except {
                network,
                patch,
                side,
                remove,
            } => {
                let exception = Exception {
                    patch,
                    side,
                    network,
                };
                if remove {
                    Self::ExceptRemove { exception }
                } else {
                    Self::ExceptAdd { exception }
                }
            }
            Command::Stats => Self::Stats,
            Command::Flows { limit } => Self::Flows { limit },
            Command::Detach => Self::Detach,
        }
    }
}

pub fn run(args: Args) -> Result {
    let response = client::ask(&args.socket, &args.command.into()).map_err(Failure)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&response)?);
    }
    if let Response::Failed { message } = &response {
        anstream::eprintln!("{}{message}{:#}", WARNING, WARNING);
        return Ok(Outcome::DoesNotHold);
    }
    if !args.json {
        print(&response);
    }
    Ok(Outcome::Holds)
}

fn print(response: &Response) {
    match response {
        Response::Status(status) => print_status(status),
        Response::Reloaded(summary) => print_reloaded(summary),
        Response::Changed { holds, epoch } => {
            anstream::println!("{GOOD}in force{GOOD:#} since epoch {epoch}");
            print_holds(holds);
        }
        Response::Stats(stats) => print_stats(stats),
        Response::Flows { flows, total } => {
            report::flows(flows);
            anstream::println!("{} of {total} flows", flows.len());
        }
        Response::Detaching => {
            anstream::println!("kernel rules removed; the daemon ends");
        }
        Response::Failed { .. } => {}
    }
}

fn print_reloaded(summary: &RulesetSummary) {
    let loaded = summary.patches.iter().filter(|p| p.refused.is_none());
    anstream::println!(
        "{GOOD}in force{GOOD:#}: epoch {}, {} patches, {} signatures, built in {} ms",
        summary.epoch,
        loaded.count(),
        summary.signatures,
        summary.build_ms
    );
    for text in &summary.diagnostics {
        anstream::eprintln!("{text}");
    }
}

fn print_status(status: &Status) {
    anstream::println!(
        "{STRONG}stopgap {}{STRONG:#}  pid {}  up {}  mode {}  queues {:?}",
        status.version,
        status.pid,
        report::duration(status.uptime_secs),
        status.mode,
        status.queues,
    );
    anstream::println!(
        "flows {}  blocked {}  kernel rules: {}",
        status.active_flows,
        status.blocked_flows,
        status.kernel_rules
    );
    match &status.log.trouble {
        None => anstream::println!("log {}", status.log.path),
        Some(trouble) => anstream::println!(
            "{WARNING}log {}: {trouble}{WARNING:#} ({} records lost)",
            status.log.path,
            status.log.lost
        ),
    }
    let r = &status.ruleset;
    anstream::println!(
        "ruleset epoch {}: {} signatures, {} not loaded{}",
        r.epoch,
        r.signatures,
        r.failed,
        match status.previous_epoch {
            Some(previous) => format!("; rollback goes to epoch {previous}"),
            None => String::new(),
        }
    );
    report::patches(&r.patches);
    print_holds(&status.holds);
    for text in &r.diagnostics {
        anstream::println!("{text}");
    }
}

fn print_holds(holds: &crate::reload::Holds) {
    for (patch, mode) in &holds.modes {
        anstream::println!("{WARNING}hold{WARNING:#}  {patch} at most {mode}");
    }
    for e in &holds.exceptions {
        let patch = e.patch.as_deref().unwrap_or("every patch");
        let side = match e.side {
            Side::Client => "client",
            Side::Server => "server",
            Side::Any => "client or server",
        };
        anstream::println!(
            "{WARNING}except{WARNING:#}  {side} {} from {patch}: logged only",
            e.network
        );
    }
}

fn print_stats(stats: &Stats) {
    for (name, value) in &stats.counters {
        if *value > 0 {
            anstream::println!("{name:<28} {value:>16}");
        }
    }
    for (name, value) in &stats.dropped_packets {
        if *value > 0 {
            anstream::println!("dropped: {name:<19} {value:>16}");
        }
    }
    anstream::println!("{:<28} {:>16}", "in_hand", stats.in_hand);
    anstream::println!("{:<28} {:>16}", "active_flows", stats.active_flows);
    anstream::println!("{:<28} {:>16}", "lost_before_us", stats.lost_before_us);
    anstream::println!("{:<28} {:>16}", "passed_unseen", stats.passed_unseen);
    let wait = &stats.latency_us.percentiles;
    anstream::println!(
        "{:<28} {:>16}",
        "latency_us p50/p99/p99.9",
        format!("{}/{}/{}", wait.p50, wait.p99, wait.p999)
    );
    if stats.accounts {
        anstream::println!("{FAINT}received = forwarded + dropped + in hand: exact{FAINT:#}");
    } else {
        anstream::println!(
            "{WARNING}received differs from forwarded + dropped + in hand{WARNING:#}"
        );
    }
}
