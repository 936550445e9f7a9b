//! The incremental parser: frames in any segmentation, their data put together, and messages in turn.

use super::Event;
use super::application::{self, Turn, raise};
use super::frame::{Found, Frame, Frames};
use super::transport::{Put, Segments};
use crate::app_layer::Limits;
use crate::app_layer::message::{self, Messages};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// DNP3 of one flow.
#[derive(Debug)]
pub struct Parser {
    sides: [Side; 2],
    messages: Messages,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    frames: Frames,
    segments: Segments,
    /// Requests since the last response to this direction.
    unanswered: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            sides: Default::default(),
            messages: Messages::new(Protocol::Dnp3),
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next message.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let mut taken = 0;
        while taken < bytes.len() {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (more, found) = self.sides[direction.index()].frames.feed(rest);
            taken += more;
            let ended = match found {
                Found::More => false,
                Found::Frame(frame) => self.frame(direction, &frame, limits),
                Found::Odd(event) => self.lone(direction, event),
            };
            if ended {
                break;
            }
        }
        taken
    }

    fn gap(&mut self, direction: Direction, _: u64) {
        let side = &mut self.sides[direction.index()];
        side.frames.gap();
        side.segments.gap();
    }

    /// The receiver of a frame that has begun does not read it either.
    fn eof(&mut self, _: Direction, _: &Limits) {}

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.sides[direction.index()].segments.beyond()
    }

    fn held_bytes(&self) -> usize {
        let sides = self.sides.iter();
        let sides = sides.map(|s| s.frames.held_bytes() + s.segments.held_bytes());
        size_of::<Self>() + sides.sum::<usize>() + self.messages.held_bytes()
    }
}

impl Parser {
    /// Whether it ends something that has to be looked at.
    fn frame(&mut self, from: Direction, frame: &Frame, limits: &Limits) -> bool {
        if !frame.is_user_data() {
            return false;
        }
        let addresses = (frame.destination, frame.source);
        let segments = &mut self.sides[from.index()].segments;
        match segments.put(addresses, &frame.data, limits.dnp3_message_bytes) {
            Put::More => false,
            Put::Odd(event) => self.lone(from, event),
            Put::Message(bytes) => {
                let tx = self.messages.begin();
                let asks = self.sides[from.index()].unanswered;
                match application::read(tx, from, addresses, &bytes) {
                    Turn::Asks => {
                        if asks == limits.dnp3_requests {
                            raise(tx, from, Event::Flooded);
                        }
                        self.sides[from.index()].unanswered = asks.saturating_add(1);
                    }
                    Turn::Answers => self.sides[from.opposite().index()].unanswered = 0,
                    Turn::Neither => {}
                }
                tx.finish_both();
                true
            }
        }
    }

    /// Something odd that belongs to no message.
    fn lone(&mut self, from: Direction, event: Event) -> bool {
        let tx = self.messages.begin();
        raise(tx, from, event);
        tx.finish_both();
        true
    }
}
