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
    /// Since finished ones were last taken out, some were changed.
    may_have_ended: bool,
    /// What the live ones held when each was last counted.
    counted_bytes: usize,
}

impl Messages {
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            live: List::new(),
            touched: List::new(),
            next_id: 0,
            spare: List::new(),
            may_have_ended: false,
            counted_bytes: 0,
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
        self.touch(id);
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
        self.touch(id);
        self.live.get_mut(at)
    }

    fn touch(&mut self, id: u64) {
        self.may_have_ended = true;
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
    }

    /// The newest that is live, to be changed.
    pub fn edit_last(&mut self) -> Option<&mut Transaction> {
        let id = self.live.last()?.id();
        self.touch(id);
        self.live.last_mut()
    }

    /// The newest that is live, or the first, to be changed: of a protocol with one at a time.
    pub fn edit_last_or_begin(&mut self) -> &mut Transaction {
        match self.live.len().checked_sub(1) {
            None => self.begin(),
            Some(newest) => {
                self.touch(self.live[newest].id());
                &mut self.live[newest]
            }
        }
    }

    /// The oldest whose direction is not complete, to be changed: what a response belongs to where
    /// responses come in the order of their requests.
    pub fn edit_oldest_open(&mut self, direction: Direction) -> Option<&mut Transaction> {
        let open = |tx: &Transaction| !tx.is_complete(direction);
        let at = self.live.iter().position(open)?;
        self.touch(self.live.get(at)?.id());
        self.live.get_mut(at)
    }

    pub fn all(&self) -> &[Transaction] {
        &self.live
    }

    /// Those that the last call changed, oldest first.
    pub fn touched(&self) -> impl Iterator<Item = &Transaction> {
        let first = self.touched.iter().min();
        let from = first.map_or(self.live.len(), |first| {
            self.live.partition_point(|tx| tx.id() < *first)
        });
        let newer = self.live.get(from..).unwrap_or_default();
        newer.iter().filter(|tx| self.touched.contains(&tx.id()))
    }

    /// Another call begins.
    pub fn clear_touched(&mut self) {
        for id in self.touched.drain(..) {
            let at = self.live.binary_search_by_key(&id, Transaction::id);
            if let Some(tx) = at.ok().and_then(|at| self.live.get_mut(at)) {
                self.counted_bytes += tx.count_held();
            }
        }
    }

    /// Takes out those that are complete both ways.
    pub fn take_finished(&mut self) {
        if !std::mem::take(&mut self.may_have_ended) {
            return;
        }
        let is_over = |tx: &Transaction| Direction::BOTH.into_iter().all(|d| tx.is_complete(d));
        let Some(first) = self.live.iter().position(is_over) else {
            return;
        };
        let behind = self.live.iter().skip(first);
        let run = behind.take_while(|tx| is_over(tx)).count();
        let (spare, counted_bytes) = (&mut self.spare, &mut self.counted_bytes);
        let mut take_out = |mut ended: Transaction| {
            *counted_bytes -= ended.forget_count();
            if spare.len() < SPARE && ended.held_bytes() <= SPARE_BYTES {
                spare.push(ended);
            }
        };
        // Mostly one run of them has ended: those behind it move once.
        self.live.drain(first..first + run).for_each(&mut take_out);
        self.live
            .extract_if(first.., |tx| is_over(tx))
            .for_each(take_out);
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        // Only those that the last call changed can hold more than when they were counted.
        let changed = self.touched().map(Transaction::grown_since_count);
        let spare = self.spare.iter().map(Transaction::heap_bytes);
        let places = self.live.capacity() + self.spare.capacity();
        self.counted_bytes
            + changed.sum::<usize>()
            + spare.sum::<usize>()
            + places * size_of::<Transaction>()
            + self.touched.capacity() * size_of::<u64>()
    }
}
