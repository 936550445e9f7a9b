//! HTTP/2 (RFC 9113) with HPACK (RFC 7541), without TLS.
//!
//! A stream is a [`Transaction`]: one of HTTP/1 with its request, response and
//! bodies, and what frames say beside that. A frame of the connection itself
//! is a transaction of its own, complete at once.

mod control;
mod detect;
mod events;
mod frame;
pub(in crate::app_layer) mod frames;
mod hpack;
mod huffman;
mod parser;
mod reader;
mod request;
mod streams;
mod table;
mod transaction;
mod upgrade;

pub(super) use detect::detect;

pub use events::Event;
pub use parser::Parser;
pub use transaction::Transaction;

#[cfg(test)]
mod tests;
