//! tls

mod events;

pub use events::Event;
