//! The incremental parser: messages in any segmentation, or one in each datagram.

use super::Event;
use super::message::{head_end, is_blank_line};
use super::transaction::Transaction;
use crate::app_layer::Limits;
use crate::direction::Direction;

/// SIP of one flow.
#[derive(Debug, Default)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Vec<Transaction>,
    /// Messages that the last call read.
    touched: usize,
    next_id: u64,
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

impl Parser {
    /// Bytes that the parser takes, itself included.
    pub fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + self
                .readers
                .iter()
                .map(|r| r.head.capacity())
                .sum::<usize>()
            + self.messages.capacity() * size_of::<Transaction>()
            + self
                .messages
                .iter()
                .map(Transaction::held_bytes)
                .sum::<usize>()
    }

    /// Messages that were not taken out yet.
    pub fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.messages.iter()
    }

    /// Those of the last call.
    pub fn touched(&self) -> impl Iterator<Item = &Transaction> {
        let first = self.messages.len().saturating_sub(self.touched);
        self.messages[first..].iter()
    }

    pub fn take_finished(&mut self) {
        self.messages.clear();
        self.touched = 0;
    }

    /// This direction cannot be read any more; an event tells why.
    pub fn failed(&self, direction: Direction) -> bool {
        self.readers[direction.index()].failed
    }

    /// Bytes so far that were not looked at: bodies, and what follows a failure.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    /// Reads on, up to the end of the next head.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        self.touched = 0;
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
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        self.readers[direction.index()] = Reader::default();
        self.touched = 0;
        let mut rest = bytes;
        while !rest.is_empty() && self.touched == 0 {
            rest = &rest[self.data(direction, rest, limits)..];
        }
        let reader = &mut self.readers[direction.index()];
        if self.touched == 0 && !reader.head.is_empty() {
            self.message(direction, Some(Event::IncompleteData));
        }
        // The next datagram begins anew, whatever became of this one.
        self.readers[direction.index()] = Reader::default();
    }

    /// So many bytes are missing.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        self.touched = 0;
        let reader = &mut self.readers[direction.index()];
        match reader.body_left.checked_sub(length) {
            Some(left) if reader.body_left > 0 => reader.body_left = left,
            // Where the next message begins cannot be told.
            _ => reader.failed = true,
        }
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction) {
        self.touched = 0;
        if !self.readers[direction.index()].head.is_empty() {
            self.message(direction, Some(Event::IncompleteData));
        }
    }

    /// The head that was kept is a message.
    fn message(&mut self, direction: Direction, event: Option<Event>) {
        let reader = &mut self.readers[direction.index()];
        let head = std::mem::take(&mut reader.head);
        let mut message = Transaction::read(self.next_id, direction, head);
        self.next_id += 1;
        match message.body_bytes() {
            Some(length) => reader.body_left = length,
            None => message.raise(Event::InvalidData),
        }
        if let Some(event) = event {
            message.raise(event);
        }
        self.messages.push(message);
        self.touched += 1;
    }
}
