//! HTTP/0.9, 1.0 and 1.1.

mod events;
mod headers;
mod side;
mod span;
mod transaction;

use side::Head;

pub use events::Event;
pub use transaction::{Transaction, progress};
