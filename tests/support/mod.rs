//! What the live tests, the demo and the peer benchmark share: three network namespaces with real
//! programs in them. Everything that can be done without Stopgap is proven by `tests/live_lab.rs`.

// Each test binary compiles this tree and uses its own part of it.
#![allow(dead_code)]

pub mod attacks;
pub mod daemon;
pub mod evade;
pub mod eve;
pub mod flood;
pub mod fragments;
pub mod heartbeat;
pub mod http;
pub mod http_evasion;
pub mod load;
pub mod netns;
pub mod nginx;
pub mod process;
pub mod random;
pub mod rawtcp;
pub mod relay;
pub mod requirements;
pub mod tap;
pub mod tls_responder;
pub mod udp;

use std::error::Error;
use std::time::{Duration, Instant};

/// What a lab step says when it cannot go on.
pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Asks `done` every few milliseconds until it answers or the time is over.
pub fn wait_for<T>(within: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
