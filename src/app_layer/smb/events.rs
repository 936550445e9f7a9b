//! What was wrong with a conversation, by the names rules know (`app-layer-event:smb.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message that is none of SMB, or whose fields lie outside of it.";
    FileOverlap = "file_overlap", "A write or a read of bytes of a file that came before.";
    RequestsExceeded = "max_requests_exceeded", "More requests without a response than the limit allows; ours, not Suricata's.";
}
