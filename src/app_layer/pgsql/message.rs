//! The form of messages (section "Message Formats").

use super::Event;
use crate::app_layer::message::{Bytes, Length};
use crate::direction::Direction::{self, ToClient, ToServer};

/// What a client may say before it has started its session, by its code.
pub(super) const CANCEL: u32 = 80_877_102;
pub(super) const SSL: u32 = 80_877_103;
pub(super) const GSS: u32 = 80_877_104;
/// The upper half of the code of a startup: the protocol's version.
pub(super) const MAJOR_VERSION: u32 = 3;

/// The longest message that a server takes before a session.
const LONGEST_OPENING: u32 = 10_000;
/// Length and code.
const SHORTEST_OPENING: u32 = 8;
/// The length itself.
const SHORTEST: u32 = 4;

/// Types of message.
const CLIENT: &[u8] = b"BCDEFHPQSXcdfp";
const SERVER: &[u8] = b"123ACDEGHIKNRSTVWZcdnstv";

/// The length of a message before the session.
pub(super) fn opening_length(bytes: &[u8]) -> Result<Length, Event> {
    match Bytes(bytes).u32() {
        None => Ok(Length::Open),
        Some(length @ SHORTEST_OPENING..=LONGEST_OPENING) => Ok(Length::Known(length.into())),
        Some(_) => Err(Event::InvalidLength),
    }
}

/// The length of a message of a session: behind its type.
pub(super) fn length(direction: Direction, bytes: &[u8]) -> Result<Length, Event> {
    let (known, wrong) = match direction {
        ToServer => (CLIENT, Event::MalformedRequest),
        ToClient => (SERVER, Event::MalformedResponse),
    };
    let mut left = Bytes(bytes);
    match left.u8() {
        None => return Ok(Length::Open),
        Some(kind) if known.contains(&kind) => {}
        Some(_) => return Err(wrong),
    }
    match left.u32() {
        None => Ok(Length::Open),
        Some(length @ SHORTEST..) => Ok(Length::Known(1 + u64::from(length))),
        Some(_) => Err(Event::InvalidLength),
    }
}

/// A text up to its zero byte; of one that is `cut` what is there.
pub(super) fn text<'a>(left: &mut Bytes<'a>, cut: bool) -> Option<&'a [u8]> {
    match memchr::memchr(0, left.0) {
        Some(end) => {
            let text = left.take(end);
            left.u8();
            text
        }
        None if cut => Some(left.rest()),
        None => None,
    }
}
