//! Whether a datagram is SNMP.

use super::message::Head;
use crate::app_layer::ber::Elements;

/// One message from its first to its last byte has a mark of its own.
pub(in crate::app_layer) fn is_datagram(bytes: &[u8]) -> bool {
    let mut outer = Elements(bytes);
    let Some(message) = outer.sequence() else {
        return false;
    };
    outer.is_empty() && Head::read(message).is_some()
}
