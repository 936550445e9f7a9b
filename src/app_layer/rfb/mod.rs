//! RFB, the protocol of VNC (RFC 6143): the handshake of a connection is one transaction.

mod events;
mod parser;

pub use events::Event;
pub use parser::Parser;

/// A stream: both ends begin with their version. `None`: more bytes are needed.
pub(super) fn detect(bytes: &[u8]) -> Option<bool> {
    const BEGIN: &[u8] = b"RFB 00";
    let there = bytes.len().min(BEGIN.len());
    match bytes[..there] == BEGIN[..there] {
        true if there < BEGIN.len() => None,
        fits => Some(fits),
    }
}

#[cfg(test)]
mod tests;
