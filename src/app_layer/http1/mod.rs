//! http1

mod events;

pub use events::Event;
