//! Messages of SMB 2 and 3 (MS-SMB2 section 2.2).

use super::conversation::{Conversation, Handle, put_ntlm, put_share};
use super::fields::{narrow, ntlm, slice, u16_at, u32_at, u64_at};
use crate::app_layer::Limits;
use crate::app_layer::message::Fact;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::reuse::List;

const HEADER: usize = 64;
const IS_RESPONSE: u32 = 1;
/// Where the header has its tree.
const TREE: usize = 36;
/// An interim response: the real one will follow (MS-SMB2 section 3.3.4.2).
const STATUS_PENDING: u32 = 0x103;
/// Messages in one that are read.
const MOST_COMPOUNDED: usize = 64;

const NEGOTIATE: u16 = 0;
const SESSION_SETUP: u16 = 1;
const TREE_CONNECT: u16 = 3;
const CREATE: u16 = 5;
const CLOSE: u16 = 6;
const READ: u16 = 8;
const WRITE: u16 = 9;
const IOCTL: u16 = 11;
/// FSCTL_PIPE_TRANSCEIVE: a write to a pipe and a read from it in one.
const PIPE_TRANSCEIVE: u32 = 0x0011_c017;
/// More is there to be read.
const BUFFER_OVERFLOW: u32 = 0x8000_0005;
const COMMANDS: [&str; 19] = [
    "SMB2_COMMAND_NEGOTIATE_PROTOCOL",
    "SMB2_COMMAND_SESSION_SETUP",
    "SMB2_COMMAND_SESSION_LOGOFF",
    "SMB2_COMMAND_TREE_CONNECT",
    "SMB2_COMMAND_TREE_DISCONNECT",
    "SMB2_COMMAND_CREATE",
    "SMB2_COMMAND_CLOSE",
    "SMB2_COMMAND_FLUSH",
    "SMB2_COMMAND_READ",
    "SMB2_COMMAND_WRITE",
    "SMB2_COMMAND_LOCK",
    "SMB2_COMMAND_IOCTL",
    "SMB2_COMMAND_CANCEL",
    "SMB2_COMMAND_KEEPALIVE",
    "SMB2_COMMAND_FIND",
    "SMB2_COMMAND_CHANGE_NOTIFY",
    "SMB2_COMMAND_GET_INFO",
    "SMB2_COMMAND_SET_INFO",
    "SMB2_COMMAND_OPLOCK_BREAK",
];

/// Reads a message and those compounded with it. Whether all of them could be read.
pub(super) fn message(
    conversation: &mut Conversation,
    direction: Direction,
    bytes: &[u8],
    limits: &Limits,
) -> bool {
    let mut rest = bytes;
    for _ in 0..MOST_COMPOUNDED {
        let Some(next) = u32_at(rest, 20).and_then(|n| usize::try_from(n).ok()) else {
            return false;
        };
        let one = match next {
            0 => rest,
            _ => rest.get(..next).unwrap_or(rest),
        };
        if one.len() < HEADER || single(conversation, direction, one, limits).is_none() {
            return false;
        }
        if next == 0 {
            return true;
        }
        // The next begins behind this one, or it is none.
        match rest.get(next.max(HEADER)..) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}

/// One message. `None`: its fields lie outside of it.
fn single(
    conversation: &mut Conversation,
    direction: Direction,
    bytes: &[u8],
    limits: &Limits,
) -> Option<()> {
    let status = u32_at(bytes, 8)?;
    let command = u16_at(bytes, 12)?;
    let is_response = u32_at(bytes, 16)? & IS_RESPONSE != 0;
    let id = u64_at(bytes, 24)?;
    let body = bytes.get(HEADER..)?;
    // Which way a message goes is told by where it comes from; a reflected one says nothing.
    match (direction, is_response) {
        (ToServer, false) => request(conversation, id, command, bytes, body, limits),
        (ToClient, true) if status == STATUS_PENDING => Some(()),
        (ToClient, true) => response(conversation, id, status, command, bytes, body, limits),
        _ => Some(()),
    }
}

fn request(
    conversation: &mut Conversation,
    id: u64,
    command: u16,
    bytes: &[u8],
    body: &[u8],
    limits: &Limits,
) -> Option<()> {
    let name = COMMANDS.get(usize::from(command)).copied();
    let tree = u32_at(bytes, TREE)?;
    let (tx, request) = conversation.request(id, 2, name.unwrap_or("UNKNOWN"), limits);
    match command {
        SESSION_SETUP => {
            if let Some(ntlm) = ntlm(body) {
                put_ntlm(tx, &ntlm);
            }
        }
        TREE_CONNECT => request.pipes = put_share(tx, &text(bytes, body, 4)?),
        CREATE => {
            let name = text(bytes, body, 44)?;
            tx.tell("filename", Fact::Text(&name));
            request.name = name;
        }
        READ => request.read = Some((handle(body, 16)?, u64_at(body, 8)?)),
        CLOSE => conversation.closed(&handle(body, 8)?),
        WRITE => {
            let offset = usize::from(u16_at(body, 2)?);
            let data = available(bytes, offset, u32_at(body, 4)?);
            let handle = handle(body, 16)?;
            let from = u64_at(body, 8)?;
            conversation.transferred(ToServer, tree, handle, from, data, limits);
        }
        IOCTL if u32_at(body, 4)? == PIPE_TRANSCEIVE => {
            let handle = handle(body, 8)?;
            request.read = Some((handle, 0));
            let offset = usize::try_from(u32_at(body, 24)?).ok()?;
            let data = available(bytes, offset, u32_at(body, 28)?);
            conversation.piped(ToServer, handle, data, limits);
        }
        _ => {}
    }
    Some(())
}

fn response(
    conversation: &mut Conversation,
    id: u64,
    status: u32,
    command: u16,
    bytes: &[u8],
    body: &[u8],
    limits: &Limits,
) -> Option<()> {
    let mut request = conversation.response(id, status);
    if request.is_none() && command == NEGOTIATE {
        // The request may have been one of version 1 (MS-SMB2 section 3.3.5.3).
        request = conversation.response_to_oldest(status);
    }
    let Some(request) = request else {
        return Some(());
    };
    match command {
        TREE_CONNECT if status == 0 => {
            conversation.connected(u32_at(bytes, TREE)?, request.pipes);
        }
        CREATE if status == 0 => conversation.opened(handle(body, 64)?, request.name),
        READ if status == 0 || status == BUFFER_OVERFLOW => {
            let Some((handle, from)) = request.read else {
                return Some(());
            };
            let data = available(bytes, usize::from(*body.get(2)?), u32_at(body, 4)?);
            conversation.transferred(ToClient, u32_at(bytes, TREE)?, handle, from, data, limits);
        }
        IOCTL if status == 0 || status == BUFFER_OVERFLOW => {
            if let Some((handle, _)) = request.read {
                let offset = usize::try_from(u32_at(body, 32)?).ok()?;
                let data = available(bytes, offset, u32_at(body, 36)?);
                conversation.piped(ToClient, handle, data, limits);
            }
        }
        _ => {}
    }
    Some(())
}

/// A name whose offset, from the header on, and length stand at a place of the body.
fn text(bytes: &[u8], body: &[u8], at: usize) -> Option<List<u8>> {
    let offset = usize::from(u16_at(body, at)?);
    let length = usize::from(u16_at(body, at + 2)?);
    Some(narrow(slice(bytes, offset, length)?))
}

/// So many bytes at an offset, as far as they are there.
fn available(bytes: &[u8], offset: usize, length: u32) -> &[u8] {
    let data = bytes.get(offset..).unwrap_or_default();
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    data.get(..length).unwrap_or(data)
}

fn handle(body: &[u8], at: usize) -> Option<Handle> {
    slice(body, at, 16)?.try_into().ok()
}
