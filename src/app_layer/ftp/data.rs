//! The connection that carries a file. Its bytes are the file.

use crate::app_layer::message::{self, Fact, Messages};
use crate::app_layer::{Limits, Protocol};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::reuse::List;

/// One file on its way.
#[derive(Debug)]
pub(super) struct Data {
    name: List<u8>,
    messages: Messages,
    kept: usize,
    beyond: [u64; 2],
    begun: bool,
}

impl Data {
    /// The file that a command names, `command` as rules number it.
    pub(super) fn new(word: &[u8], name: &[u8], command: u64) -> Self {
        let mut messages = Messages::new(Protocol::FtpData);
        let tx = messages.begin();
        tx.tell("command", Fact::Text(&word.to_ascii_uppercase()));
        tx.tell("filename", Fact::Text(name));
        for direction in Direction::BOTH {
            tx.put_number(Number::FtpDataCommand, direction, command);
        }
        Self {
            name: name.into(),
            messages,
            kept: 0,
            beyond: [0; 2],
            begun: false,
        }
    }
}

impl message::Parser for Data {
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let mut kept = 0;
        if let Some(tx) = self.messages.edit_last() {
            if !std::mem::replace(&mut self.begun, true) {
                tx.open_file(direction, &self.name);
                if !self.name.is_empty() {
                    tx.put(Buffer::FileName, direction, &self.name);
                }
            }
            let room = limits.ftp_file_bytes.saturating_sub(self.kept);
            kept = tx.add_to_file(direction, bytes, room);
        }
        self.kept += kept;
        self.beyond[direction.index()] += (bytes.len() - kept) as u64;
        bytes.len()
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        if let Some(tx) = self.messages.edit_last() {
            tx.miss_in_file(direction, length);
        }
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        if let Some(tx) = self.messages.edit_last() {
            tx.finish(direction);
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.beyond[direction.index()]
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.name.capacity() + self.messages.held_bytes()
    }
}
