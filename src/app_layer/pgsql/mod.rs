//! PostgreSQL's protocol of version 3 (PostgreSQL documentation, chapter "Frontend/Backend Protocol").
//!
//! A request and what the server answers up to its next ReadyForQuery are one transaction: the
//! startup, a password, a simple query. A statement that is prepared is one by itself. What comes
//! behind an accepted SSLRequest is of another protocol.

mod detect;
mod events;
mod message;
mod parser;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
