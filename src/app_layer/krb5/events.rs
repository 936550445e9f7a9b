//! What was wrong with a message, by the names rules know (`app-layer-event:krb5.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message that cannot be read.";
    WeakEncryption = "weak_encryption", "A reply encrypted with DES, 3DES or RC4 (RFC 6649, RFC 8429).";
}
