//! Heartbeats (RFC 6520), and what Heartbleed (CVE-2014-0160) does to them.
//!
//! A request says how long its payload is. A vulnerable server answers with
//! that many bytes, read from beyond its end if the record holds fewer. So:
//!
//! - a request whose payload does not fit its record reads beyond it:
//!   `overflow_heartbeat_message`;
//! - one whose payload fits but leaves less than the 16 bytes of padding that
//!   section 4 asks for is no honest heartbeat, yet reads nothing beyond its
//!   record: `invalid_heartbeat_message`;
//! - a response with more payload than the request's record could carry holds
//!   bytes that are not the client's: `dataleak_heartbeat_mismatch`.
//!
//! All of this is known from a record's first eight bytes. Behind
//! ChangeCipherSpec only lengths are visible: a record much longer than the one
//! it answers is a `dataleak_heartbeat_mismatch`.

use super::Event;
use crate::direction::Direction;

/// Type and payload length.
const MESSAGE_HEADER: usize = 3;
/// The least padding (RFC 6520 section 4).
const MIN_PADDING: usize = 16;
/// How much longer an honest encrypted answer may be: IV, MAC and up to 255 bytes of block padding.
const ENCRYPTED_SLACK: usize = 512;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;

/// The heartbeats of one session, both directions.
#[derive(Debug, Default)]
pub(super) struct Heartbeats {
    /// By the direction of the request.
    asked: [Asked; 2],
    /// Longest unanswered encrypted record, by its direction.
    encrypted: [Option<usize>; 2],
}

/// Requests without their response.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    count: u32,
    /// The most payload that one of their records could carry.
    most: usize,
}

/// A heartbeat record in the clear, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Bytes of the record behind its header.
    pub record: usize,
    head: [u8; MESSAGE_HEADER],
    read: usize,
}

impl Message {
    pub(super) const fn new(record: usize) -> Self {
        Self {
            record,
            head: [0; MESSAGE_HEADER],
            read: 0,
        }
    }

    fn is_read(&self) -> bool {
        self.read == MESSAGE_HEADER.min(self.record)
    }
}

impl Heartbeats {
    /// Takes bytes of a record in the clear; tells of it once its first bytes are there.
    pub(super) fn in_the_clear(
        &mut self,
        direction: Direction,
        message: &mut Message,
        bytes: &[u8],
        raise: &mut dyn FnMut(Event),
    ) {
        if message.is_read() {
            return;
        }
        let wanted = MESSAGE_HEADER.min(message.record);
        for &byte in bytes {
            if message.read < wanted {
                if let Some(slot) = message.head.get_mut(message.read) {
                    *slot = byte;
                }
                message.read += 1;
            }
        }
        if message.is_read() {
            self.judge(direction, message, raise);
        }
    }

    fn judge(&mut self, direction: Direction, message: &Message, raise: &mut dyn FnMut(Event)) {
        let index = direction.index();
        raise(Event::HeartbeatMessage);
        let [kind, high, low] = message.head;
        let payload = usize::from(u16::from_be_bytes([high, low]));
        let whole = message.read == MESSAGE_HEADER;
        let overflows = !whole || MESSAGE_HEADER + payload > message.record;
        match kind {
            REQUEST => {
                if overflows {
                    raise(Event::OverflowHeartbeatMessage);
                } else if MESSAGE_HEADER + payload + MIN_PADDING > message.record {
                    raise(Event::InvalidHeartbeatMessage);
                }
                if let Some(asked) = self.asked.get_mut(index) {
                    asked.count = asked.count.saturating_add(1);
                    asked.most = asked
                        .most
                        .max(message.record.saturating_sub(MESSAGE_HEADER));
                }
            }
            RESPONSE => {
                // OpenSSL sends an answer that is too long for a record in several; each
                // is judged by itself, lest a forged one hide requests behind it.
                if overflows {
                    raise(Event::InvalidHeartbeatMessage);
                }
                if let Some(asked) = self.asked.get_mut(direction.opposite().index()) {
                    if asked.count > 0 && payload > asked.most {
                        raise(Event::DataleakHeartbeatMismatch);
                    }
                    asked.count = asked.count.saturating_sub(1);
                    if asked.count == 0 {
                        asked.most = 0;
                    }
                }
            }
            _ => raise(Event::InvalidHeartbeatMessage),
        }
    }

    /// A record behind ChangeCipherSpec: only its length can be seen.
    pub(super) fn encrypted(
        &mut self,
        direction: Direction,
        record: usize,
        raise: &mut dyn FnMut(Event),
    ) {
        raise(Event::HeartbeatMessage);
        let other = self.encrypted.get_mut(direction.opposite().index());
        if let Some(asked) = other.and_then(Option::take) {
            if record > asked + ENCRYPTED_SLACK {
                raise(Event::DataleakHeartbeatMismatch);
            }
            return;
        }
        if let Some(own) = self.encrypted.get_mut(direction.index()) {
            *own = Some(own.unwrap_or(0).max(record));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};
    use Event::{
        DataleakHeartbeatMismatch as Leak, HeartbeatMessage as Seen,
        InvalidHeartbeatMessage as Invalid, OverflowHeartbeatMessage as Overflow,
    };

    fn run(records: &[(Direction, usize, u8, u16)]) -> Vec<Event> {
        let mut beats = Heartbeats::default();
        let mut events = Vec::new();
        for &(direction, record, kind, payload) in records {
            let mut message = Message::new(record);
            let [high, low] = payload.to_be_bytes();
            let head = [kind, high, low];
            for byte in head.iter().take(record) {
                beats.in_the_clear(direction, &mut message, &[*byte], &mut |e| events.push(e));
            }
        }
        events.retain(|&e| e != Seen);
        events
    }

    #[test]
    fn honest_heartbeats_are_not_flagged() {
        for payload in [0_u16, 1, 18, 1000, 16_365] {
            let record = usize::from(payload) + 19;
            assert_eq!(
                run(&[
                    (ToServer, record, 1, payload),
                    (ToClient, record + 200, 2, payload)
                ]),
                []
            );
            assert_eq!(
                run(&[
                    (ToClient, record, 1, payload),
                    (ToServer, record, 2, payload)
                ]),
                []
            );
        }
    }

    #[test]
    fn a_payload_beyond_its_record_is_an_overflow() {
        for (record, payload, expected) in [
            (3, 0x4000, Overflow),
            (3, 1, Overflow),
            (40, 38, Overflow),
            (40, 37, Invalid),
            (40, 22, Invalid),
            (1, 0, Overflow),
            (2, 0, Overflow),
        ] {
            assert_eq!(
                run(&[(ToServer, record, 1, payload)]),
                [expected],
                "{record} {payload}"
            );
        }
        assert_eq!(run(&[(ToServer, 40, 7, 1)]), [Invalid]);
    }

    #[test]
    fn an_answer_with_more_than_was_sent_is_a_leak() {
        assert_eq!(
            run(&[
                (ToServer, 3, 1, 0x4000),
                (ToClient, 16_384, 2, 0x4000),
                (ToClient, 19, 0x55, 0x5555)
            ]),
            [Overflow, Invalid, Leak, Invalid]
        );
        assert_eq!(
            run(&[(ToServer, 40, 1, 21), (ToClient, 300, 2, 200)]),
            [Leak]
        );
    }

    #[test]
    fn encrypted_answers_are_compared_by_length() {
        let mut beats = Heartbeats::default();
        let mut events = Vec::new();
        let mut raise = |e| events.push(e);
        beats.encrypted(ToServer, 61, &mut raise);
        beats.encrypted(ToClient, 61 + 255, &mut raise);
        beats.encrypted(ToServer, 61, &mut raise);
        beats.encrypted(ToClient, 16_400, &mut raise);
        events.retain(|&e| e != Seen);
        assert_eq!(events, [Leak]);
    }
}
