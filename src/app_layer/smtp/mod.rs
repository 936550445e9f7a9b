//! SMTP (RFC 5321), with chunks (RFC 3030) and STARTTLS (RFC 3207).
//!
//! A transaction is one mail: the commands up to its data, the data, and what the server said to
//! them. What comes behind an accepted STARTTLS is of another protocol.

mod client;
mod command;
mod detect;
mod events;
mod parser;
mod server;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

/// How far one direction of a mail has come.
pub mod progress {
    /// A command, or a reply, was read.
    pub const STARTED: u8 = 1;
    /// Client: the mail itself has begun.
    pub const DATA: u8 = 2;
}

#[cfg(test)]
mod tests;
