//! Protocols whose messages stand for themselves: each is a transaction of its own.

use super::{Framed, Length, Messages, Parser, Piece, Transaction};
use crate::app_layer::{Event, Limits};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// Puts one message into a transaction, however much of it can be read.
pub type Read = fn(&mut Transaction, Direction, &[u8], &Limits);

/// How messages stand in a stream.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    /// Bytes before each message that are not of it, and tell its length.
    pub head_bytes: usize,
    /// The length of head and message.
    pub length: fn(&[u8]) -> Length,
    /// A head that cannot be followed.
    pub bad: Option<Event>,
}

/// The parser of such a protocol.
#[derive(Debug)]
pub struct Separate {
    read: Read,
    /// `None`: it has no streams.
    framing: Option<Framing>,
    framed: [Framed; 2],
    messages: Messages,
}

impl Separate {
    /// Of a protocol with a message in each datagram.
    pub fn datagrams(protocol: Protocol, read: Read) -> Self {
        Self {
            read,
            framing: None,
            framed: Default::default(),
            messages: Messages::new(protocol),
        }
    }

    /// Of a protocol that has streams, and perhaps datagrams as well.
    pub fn streams(protocol: Protocol, framing: Framing, read: Read) -> Self {
        Self {
            framing: Some(framing),
            ..Self::datagrams(protocol, read)
        }
    }

    fn message(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let tx = self.messages.begin();
        (self.read)(tx, direction, bytes, limits);
        tx.finish_both();
    }
}

impl Parser for Separate {
    /// Reads on, up to the end of the next message.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let Some(framing) = self.framing else {
            return bytes.len();
        };
        let mut framed = std::mem::take(&mut self.framed[direction.index()]);
        let was_good = !framed.failed();
        let (taken, piece) = framed.feed(bytes, limits.message_bytes, framing.length);
        match piece {
            Piece::Message { bytes, .. } => {
                let message = bytes.get(framing.head_bytes..).unwrap_or_default();
                self.message(direction, message, limits);
            }
            Piece::Bad if was_good => {
                if let Some(event) = framing.bad {
                    let tx = self.messages.begin();
                    tx.raise(direction, event);
                    tx.finish_both();
                }
            }
            Piece::More | Piece::Bad => {}
        }
        self.framed[direction.index()] = framed;
        taken
    }

    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        self.message(direction, bytes, limits);
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

    /// The receiver of a message that has begun does not read it either.
    fn eof(&mut self, _: Direction, _: &Limits) {}

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.framed[direction.index()].failed()
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.framed[direction.index()].beyond()
    }

    fn held_bytes(&self) -> usize {
        let framed = self.framed.iter().map(Framed::held_bytes);
        size_of::<Self>() + framed.sum::<usize>() + self.messages.held_bytes()
    }
}
