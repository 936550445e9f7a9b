//! What was wrong with a conversation, by the names rules know (`app-layer-event:nfs.NAME`).

use crate::app_layer::event::events;

events! {
    MalformedData = "malformed_data", "A message that is not made as RPC or its procedure demands.";
    NonExistingVersion = "non_existing_version", "A call of a version that there is not.";
    UnsupportedVersion = "unsupported_version", "A call of version 1, which was never published.";
    TooManyTransactions = "too_many_transactions", "More calls without a reply than the limit.";
}
