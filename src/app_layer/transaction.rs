//! A transaction of whatever protocol.

use super::{Event, Protocol, http1, http2, message, tls};
use crate::direction::Direction;

/// A live transaction of any protocol.
#[derive(Clone, Copy, Debug)]
pub enum TxRef<'a> {
    Http1(&'a http1::Transaction),
    Http2(&'a http2::Transaction),
    Tls(&'a tls::Transaction),
    Message(&'a message::Transaction),
}

macro_rules! either {
    ($self:expr, $tx:ident => $what:expr) => {
        match $self {
            TxRef::Http1($tx) => $what,
            TxRef::Http2($tx) => $what,
            TxRef::Tls($tx) => $what,
            TxRef::Message($tx) => $what,
        }
    };
}

impl<'a> TxRef<'a> {
    /// Increases within a flow.
    pub fn id(&self) -> u64 {
        either!(self, tx => tx.id())
    }

    /// How far a direction has come; 0 is nothing yet, 4 complete, and it never goes back.
    /// See [`http1::progress`], [`tls::progress`] and [`message::progress`].
    pub fn progress(&self, direction: Direction) -> u8 {
        either!(self, tx => tx.progress(direction))
    }

    /// Whether it has been in a state of [`super::hooks`], or is.
    pub fn came_to(&self, direction: Direction, state: &super::Hook) -> bool {
        let reached = self.progress(direction) >= state.progress;
        match self {
            Self::Message(tx) if state.may_be_skipped => tx.came_to(direction, state.progress),
            _ => reached,
        }
    }

    /// Another number whenever a buffer or an event of this direction has come or grown.
    pub fn revision(&self, direction: Direction) -> u32 {
        either!(self, tx => tx.revision(direction))
    }

    /// What was wrong with it, each once.
    pub fn events(&self) -> &'a [Event] {
        either!(self, tx => tx.events())
    }

    pub fn is_complete(&self, direction: Direction) -> bool {
        either!(self, tx => tx.is_complete(direction))
    }

    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Http1(_) => Protocol::Http1,
            Self::Http2(_) => Protocol::Http2,
            Self::Tls(_) => Protocol::Tls,
            Self::Message(tx) => tx.protocol(),
        }
    }
}
