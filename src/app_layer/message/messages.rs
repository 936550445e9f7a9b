//! The live transactions of one flow.

use super::Transaction;
use crate::direction::Direction;
use crate::protocol::Protocol;
use crate::reuse::List;

/// Of ended transactions so many are kept, for the next ones, with no more room than this.
const SPARE: usize = 1;
const SPARE_BYTES: usize = 2048;

/// Transactions that were not taken out yet, oldest first, and which the last call changed.
#[derive(Debug)]
pub struct Messages {
    protocol: Protocol,
    live: List<Transaction>,
    touched: List<u64>,
    next_id: u64,
    spare: List<Transaction>,
}

impl Messages {
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            live: List::new(),
            touched: List::new(),
            next_id: 0,
            spare: List::new(),
        }
    }

    /// The id of the first transaction, before there is one.
    pub(in crate::app_layer) fn start_at(&mut self, id: u64) {
        self.next_id = id;
    }

    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// No transaction has this id or a higher one.
    pub const fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Begins a transaction. It counts as changed.
    pub fn begin(&mut self) -> &mut Transaction {
        let id = self.next_id;
        self.next_id += 1;
        self.touched.push(id);
        let new = match self.spare.pop() {
            Some(mut spare) => {
                spare.restart(id);
                spare
            }
            None => Transaction::new(id, self.protocol),
        };
        self.live.push(new);
        let newest = self.live.len() - 1;
        &mut self.live[newest]
    }

    /// A live transaction, to be changed.
    pub fn edit(&mut self, id: u64) -> Option<&mut Transaction> {
        let at = self.live.binary_search_by_key(&id, Transaction::id).ok()?;
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
        self.live.get_mut(at)
    }

    /// The newest that is live, to be changed.
    pub fn edit_last(&mut self) -> Option<&mut Transaction> {
        let id = self.live.last()?.id();
        self.edit(id)
    }

    /// The newest that is live, or the first, to be changed: of a protocol with one at a time.
    pub fn edit_last_or_begin(&mut self) -> &mut Transaction {
        match self.live.len().checked_sub(1) {
            None => self.begin(),
            Some(newest) => {
                let id = self.live[newest].id();
                if !self.touched.contains(&id) {
                    self.touched.push(id);
                }
                &mut self.live[newest]
            }
        }
    }

    /// The oldest whose direction is not complete, to be changed: what a response belongs to where
    /// responses come in the order of their requests.
    pub fn edit_oldest_open(&mut self, direction: Direction) -> Option<&mut Transaction> {
        let open = |tx: &&Transaction| !tx.is_complete(direction);
        let id = self.live.iter().find(open)?.id();
        self.edit(id)
    }

    pub fn all(&self) -> &[Transaction] {
        &self.live
    }

    /// Those that the last call changed, oldest first.
    pub fn touched(&self) -> impl Iterator<Item = &Transaction> {
        self.live
            .iter()
            .filter(|tx| self.touched.contains(&tx.id()))
    }

    /// Another call begins.
    pub fn clear_touched(&mut self) {
        self.touched.clear();
    }

    /// Takes out those that are complete both ways.
    pub fn take_finished(&mut self) {
        let is_over = |tx: &Transaction| Direction::BOTH.into_iter().all(|d| tx.is_complete(d));
        let Some(first) = self.live.iter().position(is_over) else {
            return;
        };
        for ended in self.live.extract_if(first.., |tx| is_over(tx)) {
            if self.spare.len() < SPARE && ended.held_bytes() <= SPARE_BYTES {
                self.spare.push(ended);
            }
        }
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        let all = self.live.iter().chain(&self.spare);
        let places = self.live.capacity() + self.spare.capacity();
        let empty = places - self.live.len() - self.spare.len();
        all.map(Transaction::held_bytes).sum::<usize>()
            + empty * size_of::<Transaction>()
            + self.touched.capacity() * size_of::<u64>()
    }
}
