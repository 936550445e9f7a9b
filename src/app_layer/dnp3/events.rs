//! What was wrong with a conversation, by the names rules know (`app-layer-event:dnp3.NAME`).

use crate::app_layer::event::events;

events! {
    Flooded = "flooded", "More requests without a response than the limit.";
    LenTooSmall = "len_too_small", "A frame that is shorter than its kind demands.";
    BadLinkCrc = "bad_link_crc", "A frame whose header does not fit its checksum.";
    BadTransportCrc = "bad_transport_crc", "A frame with a block of data that does not fit its checksum.";
    UnknownObject = "unknown_object", "An object of a length that is not known: what follows it is not read.";
    TooManyPoints = "too_many_points", "An object header for more points than are usual.";
    TooManyObjects = "too_many_objects", "More object headers in a message than are kept.";
    TooLongReassembly = "too_long_reassembly", "A message longer than the limit, or more unfinished messages than are kept.";
    Malformed = "malformed", "Bytes that are no frame, segments out of order, or a message that is not made as its function demands.";
}
