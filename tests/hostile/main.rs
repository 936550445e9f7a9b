//! Traffic that is meant to cost. No transaction takes more than a mebibyte or a tenth of a second,
//! parsing and inspection together, and what is given up is told by an event or a counter.
//!
//! `cargo test --release --test hostile -- --nocapture` prints what each costs.

mod http1;
mod http2;
mod openings;
mod run;
