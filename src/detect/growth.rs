//! How often a buffer that grows is held against the rules that wait for it.

use super::buffers::Transaction;
use crate::direction::Direction;

/// A growing buffer is held against waiting rules at each growth until this many bytes were; then
/// only when it has grown by [`PART`] of itself, or is complete. So no segmentation makes the cost
/// quadratic.
const EAGER_BYTES: usize = 4 * 1024 * 1024;
const PART: usize = 8;

/// The growing buffers of one direction of a transaction, taken together.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    /// Of the inspection in hand, once it was asked.
    enough: Option<bool>,
    /// Their length when rules were last held against them.
    length: usize,
    /// Bytes that were held against rules so far.
    spent: usize,
}

impl Growth {
    /// Another inspection begins.
    pub(crate) const fn begin(&mut self) {
        self.enough = None;
    }

    /// Whether rules that wait for a growing buffer are tried now.
    pub(crate) fn is_enough<T: Transaction>(&mut self, tx: &T, direction: Direction) -> bool {
        if let Some(known) = self.enough {
            return known;
        }
        let (length, complete) = tx.growing(direction);
        let enough =
            complete || self.spent < EAGER_BYTES || length >= self.length + self.length / PART;
        if enough && length != self.length {
            self.spent = self.spent.saturating_add(length);
            self.length = length;
        }
        self.enough = Some(enough);
        enough
    }
}
