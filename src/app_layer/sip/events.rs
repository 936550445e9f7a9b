//! What was wrong with a message, by the names rules know (`app-layer-event:sip.NAME`).

use crate::app_layer::event::events;

events! {
    IncompleteData = "incomplete_data", "A datagram or a direction that ends within the head of a message.";
    InvalidData = "invalid_data", "A first line that is neither a request's nor a response's, or a Content-Length that is no number.";
    HeaderTooLong = "header_too_long", "A head beyond the limit; ours, not Suricata's.";
}
