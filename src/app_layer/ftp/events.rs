//! What was wrong with a conversation, by the names rules know (`app-layer-event:ftp.NAME`).

use crate::app_layer::event::events;

events! {
    LongCommand = "request_command_too_long", "A command beyond the limit; its first bytes are read.";
    LongReply = "response_command_too_long", "A line of a reply beyond the limit; its first bytes are read.";
}
