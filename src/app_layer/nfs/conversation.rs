//! What calls and replies add up to: transactions, names of handles, and files.

use super::deed::{Contents, Deed, Expectation, Handle};
use super::rpc::{Call, Credential, NFS, Reply, Wrapping};
use super::{Event, version2, version3, version4};
use crate::app_layer::message::{Fact, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::{List, Queue, reused};

reused!(Expectation, OpenFile, Waiting);

/// Files that are known by their handle; the oldest is forgotten.
const MOST_NAMES: usize = 256;
/// Files whose contents come at once; the oldest ends.
const MOST_OPEN: usize = 8;

/// Handles and contents of one reply that are expected; of further reads only the bytes are seen.
const MOST_EXPECTED: usize = 16;

const AUTH_FLAVORS: [(u32, &str); 4] = [(0, "NULL"), (1, "UNIX"), (2, "SHORT"), (6, "GSS")];

#[derive(Debug)]
pub(super) struct Conversation {
    pub messages: Messages,
    waiting: Queue<Waiting>,
    names: Queue<(Handle, List<u8>)>,
    open: List<OpenFile>,
    pub beyond: [u64; 2],
}

/// A call without its reply.
#[derive(Debug)]
struct Waiting {
    xid: u32,
    /// None of a write of version 3: it belongs to its file.
    tx: Option<u64>,
    version: u32,
    procedure: u32,
    wrapping: Wrapping,
    expectations: List<Expectation>,
}

#[derive(Debug)]
struct OpenFile {
    handle: Handle,
    direction: Direction,
    tx: u64,
    kept: usize,
    next: u64,
}

/// What a call is.
#[derive(Clone, Copy)]
struct Asked {
    version: u32,
    procedure: u32,
}

impl Asked {
    fn name(self) -> &'static str {
        let names = match self.version {
            2 => version2::PROCEDURES,
            3 => version3::PROCEDURES,
            _ => version4::PROCEDURES,
        };
        let place = usize::try_from(self.procedure).ok();
        let name = place.and_then(|at| names.get(at)).copied();
        name.unwrap_or("UNKNOWN")
    }

    /// A write of version 3 does nothing else.
    const fn is_only_write(self) -> bool {
        self.version == 3 && self.procedure == version3::WRITE
    }

    fn put(self, tx: &mut Transaction) {
        tx.put_number(Number::NfsVersion, ToServer, u64::from(self.version));
        tx.tell("version", Fact::Number(u64::from(self.version)));
        tx.tell("procedure", Fact::Text(self.name().as_bytes()));
        if self.version < 4 {
            tx.put_number(Number::NfsProcedure, ToServer, u64::from(self.procedure));
        }
    }
}

impl Default for Conversation {
    fn default() -> Self {
        Self {
            messages: Messages::new(Protocol::Nfs),
            waiting: Queue::new(),
            names: Queue::new(),
            open: List::new(),
            beyond: [0; 2],
        }
    }
}

impl Conversation {
    /// A call, all of it there or its first bytes. Whether it is made as it should be.
    pub(super) fn call(&mut self, call: &Call<'_>, limits: &Limits) -> bool {
        if call.program != NFS {
            // Others share the port: access control lists, the mount protocol.
            return true;
        }
        match call.version {
            2..=4 => {}
            1 => {
                self.raise(ToServer, Event::UnsupportedVersion);
                return true;
            }
            _ => {
                self.raise(ToServer, Event::NonExistingVersion);
                return true;
            }
        }
        let asked = Asked {
            version: call.version,
            procedure: call.procedure,
        };
        let read = match asked.version {
            2 => version2::call,
            3 => version3::call,
            _ => version4::call,
        };
        let wrapping = call.credential.wrapping;
        let tx = (!asked.is_only_write()).then(|| self.begin(call, asked));
        let waits = Waiting {
            xid: call.xid,
            tx,
            version: asked.version,
            procedure: asked.procedure,
            wrapping,
            expectations: List::new(),
        };
        self.wait(waits, limits);
        let arguments = wrapping.open(call.arguments);
        arguments.is_none_or(|bytes| {
            let mut carry_out = |deed: Deed<'_>| self.carry_out(tx, Some(asked), deed, limits);
            read(asked.procedure, bytes, &mut carry_out).is_some()
        })
    }

    /// A reply, all of it there or its first bytes. Whether it is made as it should be.
    pub(super) fn reply(&mut self, reply: &Reply<'_>, limits: &Limits) -> bool {
        let Some(at) = self.waiting.iter().position(|w| w.xid == reply.xid) else {
            return true;
        };
        let Some(call) = self.waiting.remove(at) else {
            return true;
        };
        let status = if reply.is_accepted {
            "ACCEPTED"
        } else {
            "DENIED"
        };
        if let Some(tx) = call.tx.and_then(|tx| self.messages.edit(tx)) {
            tx.tell("/rpc.status", Fact::Text(status.as_bytes()));
        }
        let results = reply
            .results
            .and_then(|results| call.wrapping.open(results));
        let mut is_good = true;
        if let Some(results) = results {
            let read = match call.version {
                2 => version2::reply,
                3 => version3::reply,
                _ => version4::reply,
            };
            let mut carry_out = |deed: Deed<'_>| self.carry_out(call.tx, None, deed, limits);
            is_good = read(call.procedure, results, &call.expectations, &mut carry_out).is_some();
        }
        if let Some(tx) = call.tx.and_then(|tx| self.messages.edit(tx)) {
            tx.finish(ToClient);
        }
        is_good
    }

    /// Something odd, in the newest transaction or one of its own.
    pub(super) fn raise(&mut self, from: Direction, event: Event) {
        if self.messages.all().is_empty() {
            self.messages.begin().finish_both();
        }
        if let Some(tx) = self.messages.edit_last() {
            tx.raise(from, app_layer::Event::Nfs(event));
        }
    }

    /// The connection has ended this way.
    pub(super) fn ended(&mut self, direction: Direction) {
        for tx in self.waiting.iter().filter_map(|w| w.tx) {
            if let Some(tx) = self.messages.edit(tx) {
                tx.finish(direction);
            }
        }
        while let Some(at) = self.open.iter().position(|f| f.direction == direction) {
            self.end_file(at);
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let expected = self.waiting.iter().flat_map(|w| &w.expectations);
        let expected = expected.map(Expectation::held_bytes);
        let names = self.names.iter();
        let names = names.map(|(handle, name)| handle.capacity() + name.capacity());
        self.messages.held_bytes()
            + expected.sum::<usize>()
            + names.sum::<usize>()
            + self.waiting.capacity() * size_of::<Waiting>()
            + self.names.capacity() * size_of::<(Handle, List<u8>)>()
            + self.open.capacity() * size_of::<OpenFile>()
    }

    /// The transaction of a call.
    fn begin(&mut self, call: &Call<'_>, asked: Asked) -> u64 {
        let tx = self.messages.begin();
        asked.put(tx);
        tx.tell("/rpc.xid", Fact::Number(u64::from(call.xid)));
        tell_credential(tx, &call.credential);
        tx.finish(ToServer);
        tx.id()
    }

    fn wait(&mut self, call: Waiting, limits: &Limits) {
        if self.waiting.len() >= limits.nfs_calls
            && let Some(oldest) = self.waiting.pop_front()
        {
            if let Some(tx) = oldest.tx.and_then(|tx| self.messages.edit(tx)) {
                tx.finish_both();
            }
            self.raise(ToServer, Event::TooManyTransactions);
        }
        self.waiting.push_back(call);
    }

    /// `asked`: of a call.
    fn carry_out(
        &mut self,
        tx: Option<u64>,
        asked: Option<Asked>,
        deed: Deed<'_>,
        limits: &Limits,
    ) {
        let of_call = tx.and_then(|tx| self.messages.edit(tx));
        match (deed, of_call) {
            (Deed::Operation(operation), Some(tx)) => {
                tx.put_number(Number::NfsProcedure, ToServer, u64::from(operation));
            }
            (Deed::Names(name), Some(tx)) => tx.tell("filename", Fact::Text(name)),
            (Deed::Renames(from, to), Some(tx)) => {
                tx.tell("filename", Fact::Text(from));
                tx.tell("rename.from", Fact::Text(from));
                tx.tell("rename.to", Fact::Text(to));
            }
            (Deed::Status(status), Some(tx)) => {
                tx.tell("status_code", Fact::Number(u64::from(status)));
            }
            (Deed::Expects(expectation), _) => {
                if let Some(call) = self.waiting.back_mut()
                    && call.expectations.len() < MOST_EXPECTED
                {
                    call.expectations.push(expectation);
                }
            }
            (Deed::Gives(handle, name), _) => {
                if self.names.len() >= MOST_NAMES {
                    self.names.pop_front();
                }
                self.names.push_back((handle, name));
            }
            (Deed::Writes(contents), _) => self.contents(ToServer, &contents, asked, limits),
            (Deed::Reads(contents), _) => self.contents(ToClient, &contents, None, limits),
            (Deed::Closes(handle), _) => {
                while let Some(at) = self.open.iter().position(|f| f.handle == handle) {
                    self.end_file(at);
                }
            }
            _ => {}
        }
    }

    /// Bytes of a file. Those that do not go on where the last ones ended are a file of their own, so that all are
    /// looked at in whatever order they come.
    fn contents(
        &mut self,
        direction: Direction,
        contents: &Contents<'_>,
        asked: Option<Asked>,
        limits: &Limits,
    ) {
        let known = |f: &OpenFile| f.handle == contents.handle && f.direction == direction;
        let at = match self.open.iter().position(known) {
            Some(at) if self.open[at].next == contents.offset => at,
            Some(at) => {
                self.end_file(at);
                self.begin_file(direction, contents, asked)
            }
            None => self.begin_file(direction, contents, asked),
        };
        let Some(file) = self.open.get_mut(at) else {
            return;
        };
        file.next = contents.offset.saturating_add(contents.length);
        let Some(tx) = self.messages.edit(file.tx) else {
            return;
        };
        let room = limits.nfs_file_bytes.saturating_sub(file.kept);
        let kept = tx.add_to_file(direction, contents.bytes, room);
        file.kept += kept;
        self.beyond[direction.index()] += (contents.bytes.len() - kept) as u64;
        let missing = contents.length - contents.bytes.len() as u64;
        if missing > 0 {
            tx.miss_in_file(direction, missing);
        }
        if contents.is_end {
            self.end_file(at);
        }
    }

    fn begin_file(
        &mut self,
        direction: Direction,
        contents: &Contents<'_>,
        asked: Option<Asked>,
    ) -> usize {
        if self.open.len() >= MOST_OPEN {
            self.end_file(0);
        }
        let newest = self.names.iter().rev();
        let name = newest
            .clone()
            .find(|(handle, _)| *handle == contents.handle);
        let name = name.map_or(&[][..], |(_, name)| name);
        let tx = self.messages.begin();
        if let Some(asked) = asked {
            asked.put(tx);
        }
        tx.tell("file_tx", Fact::Flag(true));
        tx.open_file(direction, name);
        if !name.is_empty() {
            tx.put(Buffer::FileName, direction, name);
            tx.tell("filename", Fact::Text(name));
        }
        self.open.push(OpenFile {
            handle: contents.handle.clone(),
            direction,
            tx: tx.id(),
            kept: 0,
            next: contents.offset,
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

fn tell_credential(tx: &mut Transaction, credential: &Credential<'_>) {
    let known = AUTH_FLAVORS.iter().find(|(f, _)| *f == credential.flavor);
    let name = known.map_or("UNKNOWN", |(_, name)| name);
    tx.tell("/rpc.auth_type", Fact::Text(name.as_bytes()));
    if let Some(unix) = &credential.unix {
        tx.tell("/rpc.creds.machine_name", Fact::Text(unix.machine));
        tx.tell("/rpc.creds.uid", Fact::Number(u64::from(unix.user)));
        tx.tell("/rpc.creds.gid", Fact::Number(u64::from(unix.group)));
    }
}
