//! What was wrong with a message, by the names rules know (`app-layer-event:dns.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message without a whole header, or whose questions or answers cannot be read.";
    NotRequest = "not_request" | "not_a_request", "A response sent by the client.";
    NotResponse = "not_response" | "not_a_response", "A request sent by the server.";
    ZFlagSet = "z_flag_set", "The reserved bit of the header is set (RFC 1035 section 4.1.1).";
    InvalidOpcode = "invalid_opcode", "An opcode that nothing defines: 7 and above.";
    NameTooLong = "name_too_long", "A name of more than 1,025 bytes; it is kept up to there.";
    InfiniteLoop = "infinite_loop", "A name whose pointers go round in a circle, or that has more than 127 of them.";
    TooManyLabels = "too_many_labels", "A name of more than 255 labels.";
    InvalidAdditionals = "invalid_additionals", "Additional records that cannot be read.";
    InvalidAuthorities = "invalid_authorities", "Authority records that cannot be read.";
    TooManyNames = "too_many_names", "Names that are longer together than the limit; ours, not Suricata's.";
}
