//! NFS of version 2 (RFC 1094), 3 (RFC 1813) and 4 (RFC 7530, and the operations of RFC 8881 that stand beside its own)
//! over ONC RPC (RFC 5531), in streams and in datagrams.
//!
//! A transaction is a call with its reply; a file that is read or written has one of its own. What Kerberos
//! encrypts is not seen.

mod conversation;
mod deed;
mod detect;
mod events;
mod operations;
mod parser;
mod record;
mod rpc;
mod version2;
mod version3;
mod version4;
mod xdr;

pub(super) use detect::{detect, is_datagram};
pub use events::Event;
pub use parser::Parser;

#[cfg(test)]
mod tests;
