//! What was wrong with a handshake, by the names rules know (`app-layer-event:rfb.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedMessage = "malformed_message", "A version that cannot be read, or a text of no possible length.";
    ConfusedState = "confused_state", "An end that goes on speaking when it is the other's turn.";
    UnimplementedSecurityType = "unimplemented_security_type", "A way of authentication whose messages are not known; no more is read.";
    UnknownSecurityResult = "unknown_security_result", "A result of authentication that nothing defines.";
}
