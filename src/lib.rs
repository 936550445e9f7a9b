//! Stopgap: an inline network IPS that applies virtual patches.
//!
//! The data path, one way, one module after the other:
//!
//! ```text
//!  capture ─▶ decode ─▶ flow ─▶ stream ─▶ app_layer ─▶ detect ─▶ verdict ─▶ capture
//!                                                        ▲          │
//!                           signature ─▶ detect::compile ┘          └─▶ output
//! ```
//!
//! [`pipeline::Worker`] is that path for one queue: it takes bytes and the
//! current time, and answers with a verdict and events. It does no I/O and
//! reads no clock. [`runtime`] gives it both.
//!
//! `ARCHITECTURE.md` tells what each room is for; `tests/layering.rs` holds
//! which room may call which.

#![deny(unsafe_op_in_unsafe_fn)]

// Words every room may use.
pub mod base64;
pub mod buffer;
pub mod counters;
pub mod direction;
pub mod latency;
pub mod number;
pub mod parallel;
pub mod protocol;
pub mod reuse;
pub mod time;
pub mod verdict;

// The data path.
pub mod app_layer;
pub mod capture;
pub mod decode;
pub mod defrag;
pub mod detect;
pub mod flow;
pub mod pipeline;
pub mod signature;
pub mod stream;

// Around it.
pub mod cli;
pub mod config;
pub mod control;
pub mod netfilter;
pub mod output;
pub mod pack;
pub mod reload;
pub mod runtime;
pub mod scenario;
