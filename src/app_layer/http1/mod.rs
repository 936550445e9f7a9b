//! HTTP/0.9, 1.0 and 1.1.
//!
//! [`Parser`] reads both directions in any segmentation and keeps
//! [`Transaction`]s, whose buffers are those that Suricata documents for its
//! HTTP keywords. Where receivers disagree about a message there is an
//! [`Event`], and the parser goes on in the way most of them do.

mod body;
mod chunked;
mod detect;
mod events;
mod fields;
pub(in crate::app_layer) mod frames;
mod framing;
mod head;
mod headers;
mod line;
mod multipart;
mod parser;
mod reader;
mod seek;
mod side;
mod signs;
mod span;
mod transaction;
mod uri;

pub(super) use detect::detect;
pub(super) use fields::{BodyReader, FieldList};
pub(super) use seek::{begins_with_method, find_message};
use side::Head;

pub use events::Event;
pub use parser::{Parser, Upgrade};
pub use transaction::{File, Transaction, progress};

#[cfg(test)]
mod tests;
