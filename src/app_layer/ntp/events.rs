//! What was wrong with a packet, by the names rules know (`app-layer-event:ntp.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A packet that is shorter than its header.";
}
