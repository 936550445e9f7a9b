//! What was wrong with a message, by the names rules know (`app-layer-event:ldap.NAME`).

use crate::app_layer::event::events;

events! {
    TooManyTransactions = "too_many_transactions", "More unanswered requests than the limit.";
    InvalidData = "invalid_data", "A message that cannot be read, or that the other end should have sent.";
    RequestNotFound = "request_not_found", "A response without a request.";
    IncompleteData = "incomplete_data", "A message that breaks off.";
    TooManyAttributes = "too_many_attributes", "More attributes in one message than the limit; the rest of it is not read.";
}
