//! What was wrong with a message, by the names rules know (`app-layer-event:snmp.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message that cannot be read.";
    UnknownSecurityModel = "unknown_security_model", "A security model other than that of RFC 3414.";
}
