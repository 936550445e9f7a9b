//! The incremental parser: messages behind their length, in any segmentation.

use super::conversation::Conversation;
use super::fields::{HEAD, SESSION_MESSAGE, length};
use super::{Event, smb1, smb2};
use crate::app_layer::Limits;
use crate::app_layer::message::{self, Framed, Messages, Piece};
use crate::direction::Direction;

/// SMB of one flow.
#[derive(Debug, Default)]
pub struct Parser {
    framed: [Framed; 2],
    conversation: Conversation,
}

impl message::Parser for Parser {
    /// Reads on, up to the end of a message.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let framed = &mut self.framed[direction.index()];
        let was_good = !framed.failed();
        let (taken, piece) = framed.feed(bytes, limits.smb_message_bytes, length);
        match piece {
            Piece::More => {}
            Piece::Message { bytes, .. } => {
                let well = read(&mut self.conversation, direction, bytes, limits);
                if !well {
                    self.conversation.raise(direction, Event::MalformedData);
                }
            }
            Piece::Bad if was_good => self.conversation.raise(direction, Event::MalformedData),
            Piece::Bad => {}
        }
        taken
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        self.conversation.ended(direction);
    }

    fn messages(&self) -> &Messages {
        &self.conversation.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.conversation.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.framed[direction.index()].failed()
    }

    fn unit_left(&self, direction: Direction) -> Option<u64> {
        let framed = &self.framed[direction.index()];
        (!framed.failed() && !framed.is_within()).then_some(0)
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        let at = direction.index();
        self.framed[at].beyond() + self.conversation.beyond[at]
    }

    fn held_bytes(&self) -> usize {
        let framed = self.framed.iter().map(Framed::held_bytes);
        size_of::<Self>() + framed.sum::<usize>() + self.conversation.held_bytes()
    }
}

/// One message. Whether it could be read.
fn read(
    conversation: &mut Conversation,
    direction: Direction,
    bytes: &[u8],
    limits: &Limits,
) -> bool {
    if bytes.first() != Some(&SESSION_MESSAGE) || bytes.len() == HEAD {
        // Of the session itself.
        return true;
    }
    let message = bytes.get(HEAD..).unwrap_or_default();
    match message {
        [0xff, b'S', b'M', b'B', ..] => {
            smb1::message(conversation, direction, message, limits).is_some()
        }
        [0xfe, b'S', b'M', b'B', ..] => smb2::message(conversation, direction, message, limits),
        // Encrypted, or compressed.
        [0xfc | 0xfd, b'S', b'M', b'B', ..] => true,
        _ => false,
    }
}
