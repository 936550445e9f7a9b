//! The incremental parser: messages in any segmentation, or one in each datagram.

use super::Event;
use super::message::{body_bytes, head_end, is_blank_line, read};
use crate::app_layer::message::{self, Messages};
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// SIP of one flow.
#[derive(Debug)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            readers: Default::default(),
            messages: Messages::new(Protocol::Sip),
        }
    }
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Reader {
    /// The head so far.
    head: Vec<u8>,
    /// Bytes of a body that are left.
    body_left: u64,
    failed: bool,
    beyond: u64,
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next head.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let reader = &mut self.readers[direction.index()];
        if reader.failed {
            reader.beyond += bytes.len() as u64;
            return bytes.len();
        }
        if reader.body_left > 0 {
            let taken =
                usize::try_from(reader.body_left).map_or(bytes.len(), |n| n.min(bytes.len()));
            reader.body_left -= taken as u64;
            reader.beyond += taken as u64;
            return taken;
        }
        if reader.head.is_empty() {
            let blanks = bytes.iter().take_while(|b| is_blank_line(**b)).count();
            if blanks > 0 {
                return blanks;
            }
        }
        let known = reader.head.len();
        let room = limits.sip_header_bytes.saturating_sub(known);
        reader
            .head
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        match head_end(&reader.head, known) {
            Some(end) => {
                reader.head.truncate(end);
                self.message(direction, None);
                end - known
            }
            None if bytes.len() > room => {
                reader.failed = true;
                reader.beyond += (bytes.len() - room) as u64;
                self.message(direction, Some(Event::HeaderTooLong));
                bytes.len()
            }
            None => bytes.len(),
        }
    }

    /// One datagram holds one message (RFC 3261 section 18.3).
    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        self.readers[direction.index()] = Reader::default();
        let known = self.messages.all().len();
        let mut rest = bytes;
        while !rest.is_empty() && self.messages.all().len() == known {
            rest = &rest[self.data(direction, rest, limits)..];
        }
        let reader = &mut self.readers[direction.index()];
        if self.messages.all().len() == known && !reader.head.is_empty() {
            self.message(direction, Some(Event::IncompleteData));
        }
        // The next datagram begins anew, whatever became of this one.
        self.readers[direction.index()] = Reader::default();
    }

    /// So many bytes are missing.
    fn gap(&mut self, direction: Direction, length: u64) {
        let reader = &mut self.readers[direction.index()];
        match reader.body_left.checked_sub(length) {
            Some(left) if reader.body_left > 0 => reader.body_left = left,
            // Where the next message begins cannot be told.
            _ => reader.failed = true,
        }
    }

    /// The direction has ended.
    fn eof(&mut self, direction: Direction, _: &Limits) {
        if !self.readers[direction.index()].head.is_empty() {
            self.message(direction, Some(Event::IncompleteData));
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.readers[direction.index()].failed
    }

    fn unit_left(&self, direction: Direction) -> Option<u64> {
        let reader = &self.readers[direction.index()];
        (!reader.failed && reader.head.is_empty()).then_some(reader.body_left)
    }

    /// Bodies, and what follows a failure.
    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    fn held_bytes(&self) -> usize {
        let heads = self.readers.iter().map(|r| r.head.capacity());
        size_of::<Self>() + heads.sum::<usize>() + self.messages.held_bytes()
    }
}

impl Parser {
    /// The head that was kept is a message.
    fn message(&mut self, direction: Direction, event: Option<Event>) {
        let reader = &mut self.readers[direction.index()];
        let head = std::mem::take(&mut reader.head);
        let message = self.messages.begin();
        let mut events = [None, event];
        if !read(message, direction, &head) {
            events[0] = Some(Event::InvalidData);
        }
        match body_bytes(message, direction) {
            Some(length) => reader.body_left = length,
            None => events[0] = Some(Event::InvalidData),
        }
        for event in events.into_iter().flatten() {
            message.raise(direction, app_layer::Event::Sip(event));
        }
        message.finish_both();
    }
}
