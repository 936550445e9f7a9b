//! What was wrong with a session, by the names rules know (`app-layer-event:ssh.NAME`).

use crate::app_layer::event::events;

events! {
    InvalidBanner = "invalid_banner", "A first line that names no version of the protocol.";
    LongBanner = "long_banner", "A banner of more than 255 bytes (RFC 4253 section 4.2).";
    InvalidRecord = "invalid_record", "A packet whose length cannot be, which ends the session at any receiver.";
    LongKexRecord = "long_kex_record", "Algorithms beyond the limit of one message; they are not read.";
}
