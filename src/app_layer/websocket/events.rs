//! What was wrong with a frame, by the names rules know (`app-layer-event:websocket.NAME`).

use crate::app_layer::event::events;

events! {
    SkipEndOfPayload = "skip_end_of_payload", "A frame that is longer than the limit; its end is not inspected.";
    ReassemblyLimitReached = "reassembly_limit_reached", "A message in pieces, or a compressed one, that is longer than the limit; its end is not inspected.";
    InvalidData = "invalid_data", "A compressed message that does not decompress; ours, not Suricata's.";
}
