//! PDUs of a TCP connection in any segmentation, and single datagrams.

use super::association::Association;
use super::{Event, datagram, pdu};
use crate::app_layer::message::{self, Framed, Messages, Piece};
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// DCE/RPC of one flow.
#[derive(Debug)]
pub struct Parser {
    framed: [Framed; 2],
    association: Association,
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            framed: Default::default(),
            association: Association::default(),
            messages: Messages::new(Protocol::Dcerpc),
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next PDU.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let framed = &mut self.framed[direction.index()];
        let was_good = !framed.failed();
        let (taken, piece) = framed.feed(bytes, limits.message_bytes, pdu::length);
        match piece {
            Piece::More => {}
            Piece::Message { bytes, cut } => {
                self.association
                    .pdu(&mut self.messages, direction, bytes, cut, limits);
            }
            Piece::Bad if was_good => {
                let tx = self.messages.begin();
                tx.raise(direction, app_layer::Event::Dcerpc(Event::MalformedData));
                tx.finish_both();
            }
            Piece::Bad => {}
        }
        taken
    }

    fn datagram(&mut self, direction: Direction, bytes: &[u8], _: &Limits) {
        datagram::read(&mut self.messages, direction, bytes);
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

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
        size_of::<Self>()
            + framed.sum::<usize>()
            + self.association.held_bytes()
            + self.messages.held_bytes()
    }
}
