//! What requests and responses of one connection add up to: transactions, shares and files.

use super::Event;
use super::fields::Ntlm;
use crate::app_layer::dcerpc::{self, Association};
use crate::app_layer::message::{Fact, Framed, Messages, Piece, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::{List, reused};

reused!(OpenFile, Pipe, Request);

/// Files that are known by their handle; the oldest is forgotten.
const MOST_HANDLES: usize = 256;
/// Files whose contents come at once; the oldest ends.
const MOST_OPEN: usize = 8;

/// Pipes that are followed; the oldest is forgotten.
const MOST_PIPES: usize = 16;

/// Names a request: version 1 has the message's and the process's number, version 2 the message's.
pub(super) type RequestId = u64;
/// A handle as the version writes it.
pub(super) type Handle = [u8; 16];

#[derive(Debug)]
pub(super) struct Conversation {
    pub messages: Messages,
    waiting: List<Request>,
    handles: List<(Handle, List<u8>)>,
    open: List<OpenFile>,
    /// Trees whose connecting was seen, and whether each holds pipes and no files.
    trees: List<(u32, bool)>,
    calls: List<Pipe>,
    pub beyond: [u64; 2],
}

/// A request without its response, and what the response will need of it.
#[derive(Debug)]
pub(super) struct Request {
    id: RequestId,
    tx: u64,
    /// Of a request that opens a file.
    pub name: List<u8>,
    /// Of a request for a tree of pipes.
    pub pipes: bool,
    /// Of a request that reads a file.
    pub read: Option<(Handle, u64)>,
}

/// A pipe that calls go through.
#[derive(Debug)]
struct Pipe {
    handle: Handle,
    framed: [Framed; 2],
    association: Association,
}

#[derive(Debug)]
struct OpenFile {
    handle: Handle,
    direction: Direction,
    tx: u64,
    kept: usize,
    next: u64,
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            messages: Messages::new(Protocol::Smb),
            waiting: List::new(),
            handles: List::new(),
            open: List::new(),
            trees: List::new(),
            calls: List::new(),
            beyond: [0; 2],
        }
    }
}

impl Conversation {
    /// A request: its transaction, and what is remembered for the response.
    pub(super) fn request(
        &mut self,
        id: RequestId,
        version: u64,
        command: &'static str,
        limits: &Limits,
    ) -> (&mut Transaction, &mut Request) {
        let mut exceeded = false;
        if self.waiting.len() >= limits.smb_requests {
            let oldest = self.waiting.remove(0);
            exceeded = true;
            if let Some(tx) = self.messages.edit(oldest.tx) {
                tx.finish_both();
            }
        }
        let tx = self.messages.begin();
        for direction in Direction::BOTH {
            tx.put_number(Number::SmbVersion, direction, version);
        }
        tx.tell("command", Fact::Text(command.as_bytes()));
        if exceeded {
            let event = app_layer::Event::Smb(Event::RequestsExceeded);
            tx.raise(Direction::ToServer, event);
        }
        tx.finish(Direction::ToServer);
        self.waiting.push(Request {
            id,
            tx: tx.id(),
            name: List::new(),
            pipes: false,
            read: None,
        });
        let newest = self.waiting.len() - 1;
        (tx, &mut self.waiting[newest])
    }

    /// The request that a response is for; its transaction is over.
    pub(super) fn response(&mut self, id: RequestId, status: u32) -> Option<Request> {
        let at = self.waiting.iter().position(|r| r.id == id)?;
        self.answered(at, status)
    }

    /// The oldest request, for an answer that may be of another version.
    pub(super) fn response_to_oldest(&mut self, status: u32) -> Option<Request> {
        (!self.waiting.is_empty()).then(|| self.answered(0, status))?
    }

    fn answered(&mut self, at: usize, status: u32) -> Option<Request> {
        let request = self.waiting.remove(at);
        if let Some(tx) = self.messages.edit(request.tx) {
            tx.tell("status_code", Fact::Number(u64::from(status)));
            tx.finish(Direction::ToClient);
        }
        Some(request)
    }

    /// Something odd, in the newest transaction or one of its own.
    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        if self.messages.all().is_empty() {
            self.messages.begin().finish_both();
        }
        if let Some(tx) = self.messages.edit_last() {
            tx.raise(direction, app_layer::Event::Smb(event));
        }
    }

    /// A tree was connected, of pipes or of files.
    pub(super) fn connected(&mut self, tree: u32, pipes: bool) {
        self.trees.retain(|(known, _)| *known != tree);
        if self.trees.len() >= MOST_HANDLES {
            self.trees.remove(0);
        }
        self.trees.push((tree, pipes));
    }

    /// Bytes that were written to a tree's handle, or read from it: calls or a part of a file, as the
    /// tree holds pipes or files. Of a tree whose connecting was not seen they are a file, and
    /// calls as well where they look like such.
    pub(super) fn transferred(
        &mut self,
        direction: Direction,
        tree: u32,
        handle: Handle,
        offset: u64,
        data: &[u8],
        limits: &Limits,
    ) {
        let known = self.trees.iter().find(|(number, _)| *number == tree);
        let (calls, file) = match known {
            Some((_, pipes)) => (*pipes, !*pipes),
            None => {
                let called = self.calls.iter().any(|pipe| pipe.handle == handle);
                (called || dcerpc::detect(data) == Some(true), true)
            }
        };
        if calls {
            self.piped(direction, handle, data, limits);
        }
        if file {
            self.contents(direction, handle, offset, data, limits);
        }
    }

    /// A file was opened.
    pub(super) fn opened(&mut self, handle: Handle, name: List<u8>) {
        if self.handles.len() >= MOST_HANDLES {
            self.handles.remove(0);
        }
        self.handles.push((handle, name));
    }

    pub(super) fn closed(&mut self, handle: &Handle) {
        self.handles.retain(|(known, _)| known != handle);
        self.calls.retain(|pipe| pipe.handle != *handle);
        while let Some(at) = self.open.iter().position(|f| f.handle == *handle) {
            self.end_file(at);
        }
    }

    /// Bytes of a file, at an offset.
    fn contents(
        &mut self,
        direction: Direction,
        handle: Handle,
        offset: u64,
        bytes: &[u8],
        limits: &Limits,
    ) {
        let known = |f: &OpenFile| f.handle == handle && f.direction == direction;
        let at = match self.open.iter().position(known) {
            Some(at) => at,
            None => self.begin_file(direction, handle, offset),
        };
        let Some(file) = self.open.get_mut(at) else {
            return;
        };
        let Some(tx) = self.messages.edit(file.tx) else {
            return;
        };
        let overlaps = offset < file.next;
        if offset > file.next {
            tx.miss_in_file(direction, offset - file.next);
        }
        file.next = offset.saturating_add(bytes.len() as u64).max(file.next);
        let room = limits.smb_file_bytes.saturating_sub(file.kept);
        let kept = tx.add_to_file(direction, bytes, room);
        file.kept += kept;
        self.beyond[direction.index()] += (bytes.len() - kept) as u64;
        if overlaps {
            self.overlap(direction, at);
        }
    }

    /// Tells it of the request at hand, where there is one: each is told.
    fn overlap(&mut self, direction: Direction, file: usize) {
        let request = self.waiting.last().map(|request| request.tx);
        let request = request.filter(|_| direction == Direction::ToServer);
        let file = self.open.get(file).map(|file| file.tx);
        if let Some(tx) = request.or(file).and_then(|id| self.messages.edit(id)) {
            tx.raise(direction, app_layer::Event::Smb(Event::FileOverlap));
        }
    }

    /// Bytes of a pipe: calls of DCE/RPC.
    pub(super) fn piped(
        &mut self,
        direction: Direction,
        handle: Handle,
        bytes: &[u8],
        limits: &Limits,
    ) {
        let at = match self.calls.iter().position(|pipe| pipe.handle == handle) {
            Some(at) => at,
            None => {
                if self.calls.len() >= MOST_PIPES {
                    self.calls.remove(0);
                }
                self.calls.push(Pipe {
                    handle,
                    framed: Default::default(),
                    association: Association::default(),
                });
                self.calls.len() - 1
            }
        };
        let Some(pipe) = self.calls.get_mut(at) else {
            return;
        };
        let framed = &mut pipe.framed[direction.index()];
        let mut rest = bytes;
        while !rest.is_empty() {
            let (taken, piece) = framed.feed(rest, limits.message_bytes, dcerpc::length);
            if let Piece::Message { bytes, cut } = piece {
                let messages = &mut self.messages;
                pipe.association
                    .pdu(messages, direction, bytes, cut, limits);
            }
            rest = rest.get(taken.max(1)..).unwrap_or_default();
        }
    }

    /// The connection has ended this way.
    pub(super) fn ended(&mut self, direction: Direction) {
        for tx in self.waiting.iter().map(|r| r.tx) {
            if let Some(tx) = self.messages.edit(tx) {
                tx.finish(direction);
            }
        }
        while let Some(at) = self.open.iter().position(|f| f.direction == direction) {
            self.end_file(at);
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let names = self.waiting.iter().map(|r| r.name.capacity());
        let handles = self.handles.iter().map(|(_, name)| name.capacity());
        let framed = |pipe: &Pipe| pipe.framed.iter().map(Framed::held_bytes).sum::<usize>();
        let calls = self.calls.iter();
        let calls = calls.map(|p| framed(p) + p.association.held_bytes() + size_of::<Pipe>());
        self.messages.held_bytes()
            + calls.sum::<usize>()
            + names.sum::<usize>()
            + handles.sum::<usize>()
            + self.waiting.capacity() * size_of::<Request>()
            + self.handles.capacity() * size_of::<(Handle, List<u8>)>()
            + self.trees.capacity() * size_of::<(u32, bool)>()
            + self.open.capacity() * size_of::<OpenFile>()
    }

    fn begin_file(&mut self, direction: Direction, handle: Handle, offset: u64) -> usize {
        if self.open.len() >= MOST_OPEN {
            self.end_file(0);
        }
        let name = self.handles.iter().find(|(known, _)| *known == handle);
        let name = name.map_or(&[][..], |(_, name)| name);
        let tx = self.messages.begin();
        tx.open_file(direction, name);
        if !name.is_empty() {
            tx.put(Buffer::FileName, direction, name);
            tx.tell("filename", Fact::Text(name));
        }
        self.open.push(OpenFile {
            handle,
            direction,
            tx: tx.id(),
            kept: 0,
            next: offset,
        });
        self.open.len() - 1
    }

    fn end_file(&mut self, at: usize) {
        let file = self.open.remove(at);
        if let Some(tx) = self.messages.edit(file.tx) {
            tx.finish_both();
        }
    }
}

/// A share that a client asks for: `\\server\share`. Whether it holds pipes.
pub(super) fn put_share(tx: &mut Transaction, path: &[u8]) -> bool {
    let is_pipe = path
        .get(path.len().saturating_sub(5)..)
        .is_some_and(|end| end.eq_ignore_ascii_case(b"\\IPC$"));
    let (buffer, fact) = if is_pipe {
        (Buffer::SmbNamedPipe, "named_pipe")
    } else {
        (Buffer::SmbShare, "share")
    };
    for direction in Direction::BOTH {
        tx.put(buffer, direction, path);
    }
    tx.tell(fact, Fact::Text(path));
    is_pipe
}

pub(super) fn put_ntlm(tx: &mut Transaction, ntlm: &Ntlm) {
    for (buffer, path, value) in [
        (Buffer::SmbNtlmDomain, "ntlmssp.domain", &ntlm.domain),
        (Buffer::SmbNtlmUser, "ntlmssp.user", &ntlm.user),
    ] {
        tx.put(buffer, Direction::ToServer, value);
        tx.tell(path, Fact::Text(value));
    }
    tx.tell("ntlmssp.host", Fact::Text(&ntlm.host));
}
