//! Whether a direction begins like SSH.

use crate::app_layer::words::begins_with_one;

/// `None`: more bytes are needed.
pub(in crate::app_layer) fn detect(bytes: &[u8]) -> Option<bool> {
    begins_with_one(bytes, [&b"SSH-"[..]].iter())
}
