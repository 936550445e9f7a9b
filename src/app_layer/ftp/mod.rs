//! FTP (RFC 959), with the extensions of RFC 2428 and 4217, and the connections that carry its files.
//!
//! A transaction is one command with its replies. When a command moves a file, the connection that
//! will carry it is known by its port; it is a flow of its own, of the protocol `ftp-data`.

mod command;
mod data;
mod detect;
mod events;
mod parser;
mod reply;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
