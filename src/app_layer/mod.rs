//! Application-layer parsers: bytes in order in, transactions and events out.
//!
//! Each protocol is a folder: `mod` (what it is), `detect` (do the first bytes
//! look like it), `parser` (incremental, from any segmentation) and `events`
//! (what can be wrong with it). Most keep what they read in the transactions of
//! [`message`]; HTTP/1, HTTP/2 and TLS have a `transaction` of their own. [`candidates`]
//! is the list of protocols that a flow may turn out to be. Some have `frames`: what they are written
//! in on the wire.
//!
//! A parser never holds bytes back and never fails: what it cannot read
//! becomes an event, counted and open to signatures (`app-layer-event`).

pub mod content;
pub mod dcerpc;
pub mod dhcp;
pub mod dnp3;
pub mod dns;
pub mod ftp;
pub mod http1;
pub mod http2;
pub mod ike;
pub mod krb5;
pub mod ldap;
pub mod message;
pub mod mime;
pub mod mqtt;
pub mod nfs;
pub mod ntp;
pub mod pgsql;
pub mod quic;
pub mod rfb;
pub mod sip;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod ssh;
pub mod tls;
pub mod websocket;

mod ber;
mod candidates;
mod event;
mod frames;
mod hooks;
mod limits;
mod session;
mod text;
mod transaction;
mod words;

pub use crate::protocol::Protocol;
pub use event::Event;
pub use frames::{FIRST_UNIT, Frame, FrameProtocols, Unit};
pub use hooks::{Hook, find_hook, hooks};
pub use limits::Limits;
pub use session::{AppLayer, Progress, RestingApp};
pub use transaction::TxRef;
