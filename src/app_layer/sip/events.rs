//! What was wrong with a message, by the names rules know (`app-layer-event:sip.NAME`).

macro_rules! events {
    ($($variant:ident = $name:literal, $help:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Event { $(#[doc = $help] $variant),+ }

        impl Event {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

events! {
    IncompleteData = "incomplete_data", "A datagram or a direction that ends within the head of a message.";
    InvalidData = "invalid_data", "A first line that is neither a request's nor a response's, or a Content-Length that is no number.";
    HeaderTooLong = "header_too_long", "A head beyond the limit; ours, not Suricata's.";
}

impl Event {
    /// Reads the part behind `sip.`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.as_str() == name)
    }
}
