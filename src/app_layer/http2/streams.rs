//! The live streams of one connection.

use super::Event;
use super::transaction::Transaction;
use crate::app_layer::Limits;
use crate::app_layer::http1::FieldList;
use crate::direction::Direction;

/// Transactions that were not taken out yet, oldest first, and which the last call changed.
#[derive(Debug, Default)]
pub(super) struct Streams {
    live: Vec<Transaction>,
    touched: Vec<u64>,
    next_id: u64,
    /// The newest stream that each end has opened.
    newest: [u32; 2],
}

/// A stream that a frame is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Live(u64),
    /// Ended, both ways.
    Closed,
    /// There are as many streams as may be.
    Full,
}

impl Streams {
    pub(super) fn all(&self) -> &[Transaction] {
        &self.live
    }

    pub(super) fn touched(&self) -> impl Iterator<Item = &Transaction> {
        self.live
            .iter()
            .filter(|tx| self.touched.contains(&tx.id()))
    }

    pub(super) fn clear_touched(&mut self) {
        self.touched.clear();
    }

    pub(super) fn any_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    pub(super) fn take_finished(&mut self) {
        self.live.retain(|tx| !tx.is_finished());
    }

    pub(super) fn held_bytes(&self) -> usize {
        let spare = self.live.capacity() - self.live.len();
        self.live.iter().map(Transaction::held_bytes).sum::<usize>()
            + spare * size_of::<Transaction>()
            + self.touched.capacity() * size_of::<u64>()
    }

    /// A transaction, to be changed.
    pub(super) fn edit(&mut self, id: u64) -> Option<&mut Transaction> {
        let at = self.live.binary_search_by_key(&id, Transaction::id).ok()?;
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
        self.live.get_mut(at)
    }

    /// The stream of that number, without a change.
    pub(super) fn live(&self, stream: u32) -> Option<&Transaction> {
        let mut newest_first = self.live.iter().rev();
        newest_first.find(|tx| tx.stream() == stream && !tx.is_single())
    }

    /// The stream that a header block from `direction` is on; a new one where it opens it.
    pub(super) fn open(&mut self, direction: Direction, stream: u32, limits: &Limits) -> Found {
        if let Some(tx) = self.live(stream) {
            return Found::Live(tx.id());
        }
        let opener = opener(stream);
        let newest = &mut self.newest[opener.index()];
        // RFC 9113 section 5.1.1: numbers only grow, so a smaller one was closed.
        if stream <= *newest {
            return Found::Closed;
        }
        *newest = stream;
        if self.live.len() >= limits.transactions {
            return Found::Full;
        }
        let id = self.add(stream);
        // An answer to what was not seen: nothing more is to come from the other end.
        if opener != direction
            && let Some(tx) = self.edit(id)
        {
            tx.finish(opener, limits);
        }
        Found::Live(id)
    }

    /// A stream whose request is known otherwise.
    pub(super) fn request(&mut self, stream: u32, fields: &FieldList, limits: &Limits) {
        let direction = Direction::ToServer;
        if let Found::Live(id) = self.open(direction, stream, limits)
            && let Some(tx) = self.edit(id)
        {
            tx.take_fields(direction, fields, limits);
            tx.finish(direction, limits);
        }
    }

    /// Ids of the transactions to come begin here: those of a flow never share one.
    pub(super) fn start_at(&mut self, id: u64) {
        self.next_id = id;
    }

    /// A transaction for a single frame, complete both ways.
    pub(super) fn single(&mut self, stream: u32, limits: &Limits) -> Option<&mut Transaction> {
        let id = self.add(stream);
        let tx = self.edit(id)?;
        tx.mark_single();
        for direction in Direction::BOTH {
            tx.finish(direction, limits);
        }
        Some(tx)
    }

    /// The stream of that number to tell something with; one on its own where nothing more is
    /// expected of it from that direction, since nobody looks at it again.
    pub(super) fn teller(
        &mut self,
        direction: Direction,
        stream: u32,
        limits: &Limits,
    ) -> Option<&mut Transaction> {
        let open = self.live(stream).filter(|tx| !tx.is_complete(direction));
        match open.map(Transaction::id) {
            Some(id) => self.edit(id),
            None => self.single(stream, limits),
        }
    }

    /// Tells what was wrong with a stream, or with the connection.
    pub(super) fn raise(
        &mut self,
        direction: Direction,
        stream: u32,
        event: Event,
        limits: &Limits,
    ) {
        if let Some(tx) = self.teller(direction, stream, limits) {
            tx.raise(direction, event);
        }
    }

    /// Nothing more comes from this direction on any stream.
    pub(super) fn finish_all(&mut self, direction: Direction, limits: &Limits) {
        for tx in &mut self.live {
            if !tx.is_complete(direction) {
                tx.finish(direction, limits);
                self.touched.push(tx.id());
            }
        }
    }

    fn add(&mut self, stream: u32) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.live.push(Transaction::new(id, stream));
        id
    }
}

/// Whose numbers these are (RFC 9113 section 5.1.1).
const fn opener(stream: u32) -> Direction {
    if stream % 2 == 1 {
        Direction::ToServer
    } else {
        Direction::ToClient
    }
}
