//! Application-layer parsers: bytes in order in, transactions and events out.
//!
//! Each protocol is a folder of the same four files: `mod` (what it is),
//! `parser` (incremental, from any segmentation), `transaction` (what was
//! read) and `events` (what was wrong with it).
//!
//! A parser never holds bytes back and never fails: what it cannot read
//! becomes an event, counted and open to signatures (`app-layer-event`).

pub mod http1;
pub mod sip;
pub mod tls;

mod limits;
mod session;

use crate::direction::Direction;

pub use limits::Limits;
pub use session::{AppLayer, Progress};

/// A protocol, by its name in rules and in EVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// Not known yet: more bytes are needed.
    Undetermined = 0,
    /// Bytes were seen that belong to no protocol with a parser.
    Unknown = 1,
    Http1 = 2,
    Tls = 3,
    Sip = 4,
}

impl Protocol {
    /// The name in EVE's `app_proto`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undetermined | Self::Unknown => "failed",
            Self::Http1 => "http",
            Self::Tls => "tls",
            Self::Sip => "sip",
        }
    }
}

/// Something a parser found wrong, by its name in `app-layer-event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    Http1(http1::Event),
    Tls(tls::Event),
    Sip(sip::Event),
}

impl Event {
    /// Reads `http.NAME`, `tls.NAME` or `sip.NAME`.
    pub fn from_name(name: &str) -> Option<Self> {
        let (protocol, event) = name.split_once('.')?;
        match protocol {
            "http" | "http1" => http1::Event::from_name(event).map(Self::Http1),
            "tls" => tls::Event::from_name(event).map(Self::Tls),
            "sip" => sip::Event::from_name(event).map(Self::Sip),
            _ => None,
        }
    }
}

/// A live transaction of any protocol.
#[derive(Clone, Copy, Debug)]
pub enum TxRef<'a> {
    Http1(&'a http1::Transaction),
    Tls(&'a tls::Transaction),
    Sip(&'a sip::Transaction),
}

impl<'a> TxRef<'a> {
    /// Increases within a flow.
    pub fn id(&self) -> u64 {
        match self {
            Self::Http1(tx) => tx.id(),
            Self::Tls(tx) => tx.id(),
            Self::Sip(tx) => tx.id(),
        }
    }

    /// How far a direction has come; 0 is nothing yet, 4 complete, and it never goes back.
    /// See [`http1::progress`], [`tls::progress`] and [`sip::progress`].
    pub fn progress(&self, direction: Direction) -> u8 {
        match self {
            Self::Http1(tx) => tx.progress(direction),
            Self::Tls(tx) => tx.progress(direction),
            Self::Sip(tx) => tx.progress(direction),
        }
    }

    /// Another number whenever a buffer or an event of this direction has come or grown.
    pub fn revision(&self, direction: Direction) -> u32 {
        match self {
            Self::Http1(tx) => tx.revision(direction),
            Self::Tls(tx) => tx.revision(direction),
            Self::Sip(tx) => tx.revision(direction),
        }
    }

    /// What was wrong with it, each once.
    pub fn events(&self) -> &'a [Event] {
        match self {
            Self::Http1(tx) => tx.events(),
            Self::Tls(tx) => tx.events(),
            Self::Sip(tx) => tx.events(),
        }
    }

    pub fn is_complete(&self, direction: Direction) -> bool {
        match self {
            Self::Http1(tx) => tx.is_complete(direction),
            Self::Tls(tx) => tx.is_complete(direction),
            Self::Sip(tx) => tx.is_complete(direction),
        }
    }

    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Http1(_) => Protocol::Http1,
            Self::Tls(_) => Protocol::Tls,
            Self::Sip(_) => Protocol::Sip,
        }
    }
}
