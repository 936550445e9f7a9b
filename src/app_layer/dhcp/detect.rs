//! Whether a datagram is DHCP.

use super::message::{COOKIE, FIXED_BYTES};

/// Requests and replies (RFC 2131 section 2), with the cookie before their options.
pub(in crate::app_layer) fn is_datagram(bytes: &[u8]) -> bool {
    let fixed = bytes.get(..FIXED_BYTES);
    fixed.is_some_and(|fixed| matches!(fixed, [1 | 2, _, 0..=16, ..]) && fixed.ends_with(&COOKIE))
}
