//! Messages of SMB 1 (MS-CIFS section 2.2).

use super::conversation::{Conversation, Handle, put_ntlm, put_share};
use super::fields::{narrow, ntlm, plain, slice, u8_at, u16_at, u32_at};
use crate::app_layer::Limits;
use crate::app_layer::message::Fact;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::reuse::List;

const HEADER: usize = 32;
const IS_RESPONSE: u8 = 0x80;
const IS_UNICODE: u16 = 0x8000;

const CLOSE: u8 = 0x04;
const TRANSACTION: u8 = 0x25;
/// A write to a pipe and a read from it in one (MS-CIFS section 2.2.5.6).
const TRANSACT_PIPE: u16 = 0x26;
const READ: u8 = 0x2e;
const WRITE: u8 = 0x2f;
const NEGOTIATE: u8 = 0x72;
const SESSION_SETUP: u8 = 0x73;
const TREE_CONNECT: u8 = 0x75;
const NT_CREATE: u8 = 0xa2;
const COMMANDS: &[(u8, &str)] = &[
    (CLOSE, "SMB1_COMMAND_CLOSE"),
    (TRANSACTION, "SMB1_COMMAND_TRANS"),
    (0x2b, "SMB1_COMMAND_ECHO"),
    (READ, "SMB1_COMMAND_READ_ANDX"),
    (WRITE, "SMB1_COMMAND_WRITE_ANDX"),
    (0x32, "SMB1_COMMAND_TRANS2"),
    (0x71, "SMB1_COMMAND_TREE_DISCONNECT"),
    (NEGOTIATE, "SMB1_COMMAND_NEGOTIATE_PROTOCOL"),
    (SESSION_SETUP, "SMB1_COMMAND_SESSION_SETUP_ANDX"),
    (0x74, "SMB1_COMMAND_LOGOFF_ANDX"),
    (TREE_CONNECT, "SMB1_COMMAND_TREE_CONNECT_ANDX"),
    (0xa0, "SMB1_COMMAND_NT_TRANS"),
    (NT_CREATE, "SMB1_COMMAND_NT_CREATE_ANDX"),
];

/// A message, by its parts.
struct Message<'a> {
    bytes: &'a [u8],
    command: u8,
    status: u32,
    unicode: bool,
    /// Of the process and of its request.
    id: u64,
    tree: u32,
    words: &'a [u8],
    /// What follows the words and its own length, and where in the message it begins.
    data: &'a [u8],
    data_at: usize,
}

/// Reads a message. `None`: its fields lie outside of it.
pub(super) fn message(
    conversation: &mut Conversation,
    direction: Direction,
    bytes: &[u8],
    limits: &Limits,
) -> Option<()> {
    let words_length = usize::from(u8_at(bytes, HEADER)?) * 2;
    let data_at = HEADER + 1 + words_length + 2;
    let ids = [u16_at(bytes, 12)?, u16_at(bytes, 26)?, u16_at(bytes, 30)?];
    let message = Message {
        bytes,
        command: u8_at(bytes, 4)?,
        status: u32_at(bytes, 5)?,
        unicode: u16_at(bytes, 10)? & IS_UNICODE != 0,
        id: ids.iter().fold(0, |id, part| (id << 16) | u64::from(*part)),
        tree: u32::from(u16_at(bytes, 24)?),
        words: slice(bytes, HEADER + 1, words_length)?,
        data: bytes.get(data_at..)?,
        data_at,
    };
    let is_response = u8_at(bytes, 9)? & IS_RESPONSE != 0;
    match (direction, is_response) {
        (ToServer, false) => request(conversation, &message, limits),
        (ToClient, true) => response(conversation, &message, limits),
        _ => Some(()),
    }
}

fn request(conversation: &mut Conversation, message: &Message<'_>, limits: &Limits) -> Option<()> {
    let known = COMMANDS
        .iter()
        .find(|(number, _)| *number == message.command);
    let name = known.map_or("UNKNOWN", |(_, name)| name);
    let tree = message.tree;
    let (tx, request) = conversation.request(message.id, 1, name, limits);
    let words = message.words;
    match message.command {
        SESSION_SETUP => {
            if let Some(ntlm) = ntlm(message.data) {
                put_ntlm(tx, &ntlm);
            }
        }
        TREE_CONNECT => {
            let password = usize::from(u16_at(words, 6)?);
            let path = message.text(password)?;
            request.pipes = put_share(tx, &path);
        }
        NT_CREATE => {
            let name = message.text(0)?;
            tx.tell("filename", Fact::Text(&name));
            request.name = name;
        }
        READ => {
            let high = u32_at(words, 20).unwrap_or(0);
            let low = u32_at(words, 6)?;
            let from = (u64::from(high) << 32) | u64::from(low);
            request.read = Some((handle(words, 4)?, from));
        }
        CLOSE => conversation.closed(&handle(words, 0)?),
        WRITE => {
            let high = u32_at(words, 24).unwrap_or(0);
            let offset = (u64::from(high) << 32) | u64::from(u32_at(words, 6)?);
            let data =
                message.file_bytes(u16_at(words, 22)?, u16_at(words, 20)?, u16_at(words, 18)?);
            let handle = handle(words, 4)?;
            conversation.transferred(ToServer, tree, handle, offset, data, limits);
        }
        TRANSACTION if u16_at(words, 28) == Some(TRANSACT_PIPE) => {
            let handle = handle(words, 30)?;
            request.read = Some((handle, 0));
            let data = message.file_bytes(u16_at(words, 24)?, u16_at(words, 22)?, 0);
            conversation.piped(ToServer, handle, data, limits);
        }
        _ => {}
    }
    Some(())
}

fn response(conversation: &mut Conversation, message: &Message<'_>, limits: &Limits) -> Option<()> {
    let Some(request) = conversation.response(message.id, message.status) else {
        return Some(());
    };
    let words = message.words;
    match message.command {
        TREE_CONNECT if message.status == 0 => {
            conversation.connected(message.tree, request.pipes);
        }
        NT_CREATE if message.status == 0 => {
            conversation.opened(handle(words, 5)?, request.name);
        }
        TRANSACTION if message.status == 0 => {
            if let Some((handle, _)) = request.read {
                let data = message.file_bytes(u16_at(words, 14)?, u16_at(words, 12)?, 0);
                conversation.piped(ToClient, handle, data, limits);
            }
        }
        READ if message.status == 0 => {
            let Some((handle, from)) = request.read else {
                return Some(());
            };
            let data =
                message.file_bytes(u16_at(words, 12)?, u16_at(words, 10)?, u16_at(words, 14)?);
            conversation.transferred(ToClient, message.tree, handle, from, data, limits);
        }
        _ => {}
    }
    Some(())
}

impl<'a> Message<'a> {
    /// A name that begins so far behind the start of the data; in UTF-16 at an even place of the
    /// message (MS-CIFS section 2.2.1.1.2).
    fn text(&self, at: usize) -> Option<List<u8>> {
        if !self.unicode {
            return Some(plain(self.data.get(at..)?));
        }
        let odd = (self.data_at + at) % 2;
        Some(narrow(self.data.get(at + odd..)?))
    }

    /// Bytes of a file, as far as they are there.
    fn file_bytes(&self, offset: u16, low: u16, high: u16) -> &'a [u8] {
        let length = (usize::from(high) << 16) | usize::from(low);
        let data = self.bytes.get(usize::from(offset)..).unwrap_or_default();
        data.get(..length).unwrap_or(data)
    }
}

fn handle(words: &[u8], at: usize) -> Option<Handle> {
    let mut handle = Handle::default();
    handle[..2].copy_from_slice(slice(words, at, 2)?);
    Some(handle)
}
