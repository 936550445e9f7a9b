//! What was wrong with a message, by the names rules know (`app-layer-event:dhcp.NAME`).

use crate::app_layer::event::events;

events! {
    TruncatedOptions = "truncated_options", "Options that end without their end (RFC 2132 section 3.2).";
    MalformedOptions = "malformed_options", "A header that is cut short, or an option whose length its kind does not allow.";
}
