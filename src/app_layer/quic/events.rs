//! What was wrong with packets, by the names rules know (`app-layer-event:quic.NAME`).

use crate::app_layer::event::events;

events! {
    FailedDecrypt = "failed_decrypt", "An Initial packet whose own keys do not open it; its receiver drops it.";
    ErrorOnData = "error_on_data", "Frames in an Initial packet that do not parse, or do not belong there.";
    ErrorOnHeader = "error_on_header", "A long header that is cut short.";
    CryptoFragTooLong = "crypto_frag_too_long", "A hello longer than the limit, or in more pieces than are kept.";
    CryptoOverlapDiffers = "crypto_overlap_differs", "Bytes of a hello that came twice and were not the same.";
    TooManyConnections = "too_many_connections", "More connections of one flow at once than are followed.";
}
