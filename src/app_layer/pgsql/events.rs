//! What was wrong with a message, by the names rules know (`app-layer-event:pgsql.NAME`).

use crate::app_layer::event::events;

events! {
    TooManyTransactions = "too_many_transactions", "More unanswered requests than the limit.";
    MalformedRequest = "malformed_request", "A message of the client that is of no known type or not made as its type demands.";
    MalformedResponse = "malformed_response", "A message of the server that is of no known type or not made as its type demands.";
    InvalidLength = "invalid_length", "A length that no message has.";
}
