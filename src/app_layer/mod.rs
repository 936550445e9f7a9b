//! Application-layer parsers: bytes in order in, transactions and events out.
//!
//! Each protocol is a folder of the same four files: `mod` (what it is),
//! `parser` (incremental, from any segmentation), `transaction` (what was
//! read) and `events` (what was wrong with it).
//!
//! A parser never holds bytes back and never fails: what it cannot read
//! becomes an event, counted and open to signatures (`app-layer-event`).

pub mod http1;
pub mod tls;

mod session;

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
}

impl Protocol {
    /// The name in EVE's `app_proto`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undetermined | Self::Unknown => "failed",
            Self::Http1 => "http",
            Self::Tls => "tls",
        }
    }
}

/// Something a parser found wrong, by its name in `app-layer-event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    Http1(http1::Event),
    Tls(tls::Event),
}

impl Event {
    /// Reads `http.NAME` or `tls.NAME`.
    pub fn from_name(name: &str) -> Option<Self> {
        let (protocol, event) = name.split_once('.')?;
        match protocol {
            "http" | "http1" => http1::Event::from_name(event).map(Self::Http1),
            "tls" => tls::Event::from_name(event).map(Self::Tls),
            _ => None,
        }
    }
}
