//! Frames that carry neither headers nor a body.

use super::Event;
use super::frame::{Head, Kind, SETTINGS_MAX_FRAME_SIZE, long};
use super::parser::Parser;
use super::transaction::Transaction;
use crate::app_layer::Limits;
use crate::direction::Direction;
use crate::number::Number;

impl Parser {
    /// Such a frame is whole.
    pub(super) fn control(&mut self, direction: Direction, head: Head, limits: &Limits) {
        // An acknowledgement says nothing.
        if head.kind == Kind::Settings && head.length == 0 {
            return;
        }
        let payload = std::mem::take(&mut self.readers[direction.index()].control);
        if head.kind == Kind::Settings {
            self.note_frame_size(direction, &payload);
        }
        let Some(tx) = self.streams.teller(direction, head.stream, limits) else {
            return;
        };
        tx.put_number(Number::Http2FrameType, direction, u64::from(head.code));
        if !has_its_length(head) {
            tx.raise(direction, Event::InvalidFrameLength);
        } else if !is_where_it_may_be(head) {
            tx.raise(direction, Event::InvalidFrameHeader);
        }
        tell(tx, direction, head, &payload);
        if head.kind == Kind::RstStream {
            self.reset(head.stream, limits);
        }
        self.keep_room(direction, payload);
    }

    /// Nothing more comes on a stream (RFC 9113 section 6.4).
    fn reset(&mut self, stream: u32, limits: &Limits) {
        let live = self.streams.live(stream).map(Transaction::id);
        if let Some(tx) = live.and_then(|id| self.streams.edit(id)) {
            for direction in Direction::BOTH {
                tx.finish(direction, limits);
            }
        }
    }

    /// What this end takes bounds what the other may send.
    fn note_frame_size(&mut self, direction: Direction, payload: &[u8]) {
        for (id, value) in settings(payload) {
            if id == SETTINGS_MAX_FRAME_SIZE {
                self.readers[direction.opposite().index()].max_frame = value;
            }
        }
    }

    fn keep_room(&mut self, direction: Direction, mut payload: Vec<u8>) {
        payload.clear();
        payload.shrink_to(64);
        self.readers[direction.index()].control = payload;
    }
}

/// Numbers that rules ask for.
fn tell(tx: &mut Transaction, direction: Direction, head: Head, payload: &[u8]) {
    let mut put = |number, value| tx.put_number(number, direction, value);
    match head.kind {
        Kind::Settings => {
            for (id, value) in settings(payload) {
                put(
                    Number::Http2Settings,
                    u64::from(id) << 32 | u64::from(value),
                );
            }
        }
        Kind::RstStream if payload.len() >= 4 => {
            put(Number::Http2ErrorCode, u64::from(long(payload, 0)));
        }
        Kind::GoAway if payload.len() >= 8 => {
            put(Number::Http2ErrorCode, u64::from(long(payload, 4)));
        }
        Kind::WindowUpdate if payload.len() >= 4 => {
            put(
                Number::Http2Window,
                u64::from(long(payload, 0) & !(1 << 31)),
            );
        }
        Kind::Priority => {
            if let Some(weight) = payload.get(4) {
                put(Number::Http2Priority, u64::from(*weight));
            }
        }
        _ => {}
    }
}

/// RFC 9113 section 6.3 to 6.9.
const fn has_its_length(head: Head) -> bool {
    match head.kind {
        Kind::Priority => head.length == 5,
        Kind::RstStream | Kind::WindowUpdate => head.length == 4,
        Kind::Ping => head.length == 8,
        Kind::Settings => head.length.is_multiple_of(6),
        Kind::GoAway => head.length >= 8,
        _ => true,
    }
}

/// On the connection, or on a stream.
const fn is_where_it_may_be(head: Head) -> bool {
    match head.kind {
        Kind::Priority | Kind::RstStream => head.stream > 0,
        Kind::Settings | Kind::Ping | Kind::GoAway => head.stream == 0,
        _ => true,
    }
}

/// Settings by their number (section 6.5.1).
pub(super) fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload
        .chunks_exact(6)
        .map(|row| (u16::from_be_bytes([row[0], row[1]]), long(row, 2)))
}
