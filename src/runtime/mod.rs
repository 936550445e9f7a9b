//! Threads, signals, wiring.
