//! Threads, signals, wiring: the only room that reads a clock and does I/O.

pub mod priority;
pub mod settings;
