//! QUIC: what its Initial packets say in the open (RFC 9000, RFC 9001, RFC 9369).
//!
//! The keys of Initial packets come from the packet itself, so whoever sees
//! them can read the TLS hellos inside: server name, protocols, fingerprints.
//! Everything later is encrypted with keys that only the ends know, and is not
//! looked at. Google's QUIC before that (Q043 to Q046) said hello in the clear;
//! its tags are read too.

mod connection;
mod crypto_stream;
mod detect;
mod events;
mod frames;
mod google;
mod header;
mod hello;
mod keys;
mod parser;
mod sealing;
mod version;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;
pub use sealing::{Initial, crypto_frame};

#[cfg(test)]
mod tests;
