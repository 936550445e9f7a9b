//! The incremental parser: records in any segmentation, and datagrams.

use super::conversation::Conversation;
use super::record::{Piece, Records};
use super::{Event, rpc};
use crate::app_layer::Limits;
use crate::app_layer::message::{self, Messages};
use crate::direction::Direction;

/// NFS of one flow.
#[derive(Debug, Default)]
pub struct Parser {
    records: [Records; 2],
    conversation: Conversation,
}

impl message::Parser for Parser {
    /// Reads on, up to the end of a record.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let records = &mut self.records[direction.index()];
        let (taken, piece) = records.feed(bytes, limits.nfs_message_bytes);
        if let Piece::Record { bytes, is_cut } = piece {
            message(&mut self.conversation, direction, bytes, is_cut, limits);
        }
        taken
    }

    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        message(&mut self.conversation, direction, bytes, false, limits);
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.records[direction.index()].gap(length);
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
        self.records[direction.index()].failed()
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        let at = direction.index();
        self.records[at].beyond() + self.conversation.beyond[at]
    }

    fn held_bytes(&self) -> usize {
        let records = self.records.iter().map(Records::held_bytes);
        size_of::<Self>() + records.sum::<usize>() + self.conversation.held_bytes()
    }
}

/// One message, or where `is_cut` its first bytes.
fn message(
    conversation: &mut Conversation,
    from: Direction,
    bytes: &[u8],
    is_cut: bool,
    limits: &Limits,
) {
    // Which way a message goes is told by where it comes from; a server may call its client back.
    let is_good = match (from, rpc::is_call(bytes)) {
        (Direction::ToServer, Some(true)) => {
            rpc::call(bytes).is_some_and(|call| conversation.call(&call, limits))
        }
        (Direction::ToClient, Some(false)) => {
            rpc::reply(bytes).is_some_and(|reply| conversation.reply(&reply, limits))
        }
        (_, Some(_)) => true,
        (_, None) => false,
    };
    if !is_good && !is_cut {
        conversation.raise(from, Event::MalformedData);
    }
}
