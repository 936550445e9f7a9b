//! SSH (RFC 4253): banners, and key exchange messages up to where encryption begins.

mod detect;
mod events;
mod fingerprint;
pub(in crate::app_layer) mod frames;
mod parser;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

/// How far one direction has come.
pub mod progress {
    /// The banner has begun and is longer than it may be.
    pub const BANNER_WAIT_EOL: u8 = 1;
    /// The banner is read.
    pub const BANNER_DONE: u8 = 2;
}

#[cfg(test)]
mod tests;
