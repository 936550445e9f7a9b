//! What `./dev` runs in network namespaces: the demo, the side-by-side benchmark, and the sweep of what a
//! killed run left behind.

#[path = "../../tests/support/mod.rs"]
mod support;

mod bundled;
mod demo;
mod evade;
mod peers;
mod suricata;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use support::netns;

#[derive(Parser)]
#[command(about = "Stopgap in network namespaces: client, gateway, server")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Show Heartbleed succeed without Stopgap and fail with it
    Demo,
    /// Measure Stopgap beside Suricata on the same path and core
    BenchPeers {
        /// Rules of which both load what Stopgap can; each file is measured by itself
        #[arg(long, required = true)]
        rules: Vec<PathBuf>,
        /// Bytes of each stream that both inspect; 0: all of them
        #[arg(long, default_value_t = 1024 * 1024)]
        depth_bytes: u64,
        /// Seconds for each measurement
        #[arg(long, default_value_t = 4)]
        seconds: u32,
        /// Rounds; the median of them counts
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Inspectors to measure, out of none, suricata, stopgap
        #[arg(long, value_delimiter = ',', default_value = "none,suricata,stopgap")]
        only: Vec<String>,
    },
    /// Measure Stopgap with the bundled packs beside plain forwarding: within the depth, with all of each
    /// stream inspected, and with bypass
    BenchCore {
        /// Seconds for each measurement
        #[arg(long, default_value_t = 4)]
        seconds: u32,
        /// Rounds; the median of them counts
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// Try to get a marker past Stopgap by how packets are cut, ordered and bent
    Evade(evade::Arguments),
    /// Remove namespaces of runs that were killed
    Sweep,
}

fn main() -> ExitCode {
    netns::sweep();
    let outcome = match Arguments::parse().what {
        What::Demo => demo::run(),
        What::BenchPeers {
            rules,
            depth_bytes,
            seconds,
            rounds,
            only,
        } => rules.iter().try_for_each(|rules| {
            let pace = peers::Pace { seconds, rounds };
            peers::run(rules, depth_bytes, pace, &only)
        }),
        What::BenchCore { seconds, rounds } => bundled::run(peers::Pace { seconds, rounds }),
        What::Evade(arguments) => evade::run(&arguments),
        What::Sweep => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
