//! The incremental parser: a message in each datagram, or behind its length in a stream.

use super::read;
use crate::app_layer::Limits;
use crate::app_layer::message::{self, Messages};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// DNS of one flow.
#[derive(Debug)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            readers: Default::default(),
            messages: Messages::new(Protocol::Dns),
        }
    }
}

/// Where one direction of a stream stands.
#[derive(Debug, Default)]
struct Reader {
    /// Length and message, as far as they have come.
    kept: Vec<u8>,
    /// A hole was left behind: where the next message begins cannot be told.
    failed: bool,
    beyond: u64,
}

impl Reader {
    /// Bytes of length and message together; of the length alone while that is not known.
    fn wanted(&self) -> usize {
        match self.kept.first_chunk() {
            Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
            None => 2,
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next message (RFC 1035 section 4.2.2).
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let reader = &mut self.readers[direction.index()];
        if reader.failed {
            reader.beyond += bytes.len() as u64;
            return bytes.len();
        }
        let mut taken = 0;
        loop {
            let wanted = reader.wanted();
            let more = (wanted - reader.kept.len()).min(bytes.len() - taken);
            reader.kept.extend_from_slice(&bytes[taken..taken + more]);
            taken += more;
            if reader.kept.len() < wanted {
                return taken;
            }
            if reader.kept.len() == reader.wanted() {
                break;
            }
        }
        let kept = std::mem::take(&mut reader.kept);
        self.message(direction, &kept[2..], limits);
        taken
    }

    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        self.message(direction, bytes, limits);
    }

    fn gap(&mut self, direction: Direction, _: u64) {
        self.readers[direction.index()].failed = true;
    }

    /// A message that has begun will not be read by its receiver either.
    fn eof(&mut self, direction: Direction, _: &Limits) {
        self.readers[direction.index()].kept = Vec::new();
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

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    fn held_bytes(&self) -> usize {
        let kept: usize = self.readers.iter().map(|r| r.kept.capacity()).sum();
        size_of::<Self>() + kept + self.messages.held_bytes()
    }
}

impl Parser {
    fn message(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let tx = self.messages.begin();
        read(tx, direction, bytes, limits);
        tx.finish_both();
    }
}
