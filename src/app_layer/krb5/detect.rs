//! Whether the first bytes of a flow are Kerberos.

use super::message::kind_name;

/// Application tags that are constructed, with a number below 31 (X.690 section 8.1.2).
const APPLICATION: u8 = 0x60;
const SEQUENCE: u8 = 0x30;
/// The version, 5, in the first field, which is 0 or 1.
const VERSION: [u8; 4] = [3, 2, 1, 5];

/// A stream: messages behind their lengths. `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(bytes: &[u8]) -> Option<bool> {
    // No message has 16 MiB.
    if bytes.first().is_some_and(|b| *b != 0) {
        return Some(false);
    }
    begins(bytes.get(4..)?)
}

pub(in crate::app_layer) fn is_datagram(bytes: &[u8]) -> bool {
    begins(bytes) == Some(true)
}

/// Whether a message begins as all do, as far as it is there: its tag, a sequence, the version.
fn begins(message: &[u8]) -> Option<bool> {
    let (tag, rest) = message.split_first()?;
    if tag & 0xe0 != APPLICATION || kind_name(u32::from(tag & 0x1f)).is_none() {
        return Some(false);
    }
    let rest = behind_length(rest)?;
    let (sequence, rest) = rest.split_first()?;
    if *sequence != SEQUENCE {
        return Some(false);
    }
    let rest = behind_length(rest)?;
    let (field, rest) = rest.split_first()?;
    let version = rest.get(..VERSION.len())?;
    Some(matches!(field, 0xa0 | 0xa1) && version == VERSION)
}

/// Behind the bytes of a length; what is no length leaves nothing that fits.
fn behind_length(bytes: &[u8]) -> Option<&[u8]> {
    let (first, rest) = bytes.split_first()?;
    match first {
        0x81..=0x84 => rest.get(usize::from(first & 0x7f)..),
        _ => Some(rest),
    }
}
