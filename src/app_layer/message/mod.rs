//! What most protocols have in common: messages made of fields.
//!
//! A protocol whose transactions are lists of fields has a folder with
//! `detect` (do the first bytes look like it), `parser` (an implementation of
//! [`Parser`]) and `events`. What it reads goes into [`Messages`] under names
//! of the tables in `buffer.rs` and `number.rs`; rules, EVE and inspection
//! find it there by the same names, and nothing else has to know the protocol.

mod bytes;
mod expected;
mod file;
mod framed;
mod lines;
mod messages;
mod separate;
mod transaction;

pub use bytes::Bytes;
pub use expected::Expected;
pub use file::File;
pub use framed::{Framed, Length, Piece};
pub use lines::{Line, Lines};
pub use messages::Messages;
pub use separate::{Framing, Separate};
pub use transaction::{Fact, Made, Transaction, progress};

use super::Limits;
use crate::direction::Direction;

/// An incremental parser of one flow.
pub trait Parser: std::fmt::Debug + Send {
    /// Reads on in a stream, at best up to the next point where a transaction has to be looked
    /// at. Gives the bytes taken: at least one of a slice that is not empty.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize;

    /// Reads one datagram. Where a datagram is a piece of stream, that is all there is to do.
    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.data(direction, rest, limits).max(1);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// So many bytes of the stream are missing.
    fn gap(&mut self, direction: Direction, length: u64);

    /// The direction has ended.
    fn eof(&mut self, direction: Direction, limits: &Limits);

    fn messages(&self) -> &Messages;

    fn messages_mut(&mut self) -> &mut Messages;

    /// A direction that was given up although its receiver may read on; an event tells why.
    fn failed(&self, _: Direction) -> bool {
        false
    }

    /// Bytes so far that were taken without being kept for inspection.
    fn beyond_limit(&self, _: Direction) -> u64 {
        0
    }

    /// Bytes left of the unit of frames in hand: zero where the next byte begins one. `None`: not
    /// known, as always of protocols without frames.
    fn unit_left(&self, _: Direction) -> Option<u64> {
        None
    }

    /// What comes from here on is of another protocol, to be found out anew; asked when a call
    /// has taken its bytes.
    fn is_over(&self) -> bool {
        false
    }

    /// A connection that was announced since the last time, the newest.
    fn take_expected(&mut self) -> Option<Expected> {
        None
    }

    /// Nothing more can be seen in either direction.
    fn encrypted(&self) -> bool {
        false
    }

    /// Bytes of memory held, the parser itself and its messages included.
    fn held_bytes(&self) -> usize;
}
