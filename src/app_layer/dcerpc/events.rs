//! What was wrong with a message, by the names rules know (`app-layer-event:dcerpc.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message that is not made as its type demands; ours, not Suricata's.";
    TooManyInterfaces = "too_many_interfaces", "More interfaces bound on a connection than are kept; ours, not Suricata's.";
}
