//! What was wrong with a message, by the names rules know (`app-layer-event:mqtt.NAME`).

use crate::app_layer::event::events;

events! {
    MissingConnect = "missing_connect", "CONNACK without a CONNECT.";
    MissingPublish = "missing_publish", "An acknowledgement of a publication that was not seen.";
    MissingSubscribe = "missing_subscribe", "SUBACK without a SUBSCRIBE.";
    MissingUnsubscribe = "missing_unsubscribe", "UNSUBACK without an UNSUBSCRIBE.";
    DoubleConnect = "double_connect", "A second CONNECT.";
    UnintroducedMessage = "unintroduced_message", "A message before the connection was accepted.";
    InvalidQosLevel = "invalid_qos_level", "A quality of service of 3.";
    MissingMsgId = "missing_msg_id", "No message identifier where there has to be one.";
    UnassignedMsgType = "unassigned_msg_type", "A message of the reserved type 0.";
    TooManyTransactions = "too_many_transactions", "More unanswered messages than the limit.";
    MalformedTraffic = "malformed_traffic", "A message that is not made as its type demands.";
}
