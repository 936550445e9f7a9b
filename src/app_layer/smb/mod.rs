//! SMB 1 (MS-CIFS, MS-SMB), 2 and 3 (MS-SMB2), over TCP and NetBIOS sessions (RFC 1002).
//!
//! A transaction is a request with its response; a file that is read or written has one of its own,
//! from its first bytes until it is closed. What SMB 3 encrypts is not seen.

mod conversation;
mod detect;
mod events;
mod fields;
pub(in crate::app_layer) mod frames;
mod parser;
mod smb1;
mod smb2;

pub(super) use detect::detect;
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
