//! Threads, signals, wiring: the only room that reads a clock and does I/O.
//!
//! [`run`] is the daemon. Workers have a thread each ([`worker_thread`]);
//! rulesets are built on another ([`builder_thread`]), what is large below all
//! other work; the rest is one thread with tokio ([`daemon`]).

mod answers;
mod builder_thread;
mod bypass;
mod daemon;
pub mod settings;
mod sink;
mod statistics;
mod watch;
mod worker_thread;

pub use daemon::{RunOptions, run};
