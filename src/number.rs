//! Numbers of transactions that rules ask for: one table drives parser, help, docs and tests.

use crate::direction::Direction;
use crate::protocol::Protocol;

macro_rules! numbers {
    ($($variant:ident { $name:literal, $aliases:expr, $protocol:ident, $direction:expr, $max:expr, $values:expr, $help:literal })+) => {
        /// A number that a parser reads out of a transaction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Number { $(#[doc = $help] $variant),+ }

        impl Number {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The keyword that asks for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Older spellings.
            pub const fn aliases(self) -> &'static [&'static str] {
                match self { $(Self::$variant => $aliases),+ }
            }

            /// Whose transactions have it.
            pub const fn protocol(self) -> Protocol {
                match self { $(Self::$variant => Protocol::$protocol),+ }
            }

            /// The only direction it exists in; `None`: both.
            pub const fn direction(self) -> Option<Direction> {
                match self { $(Self::$variant => $direction),+ }
            }

            /// The largest that its field can hold.
            pub const fn max(self) -> u64 {
                match self { $(Self::$variant => $max),+ }
            }

            /// What may be written instead of digits.
            pub const fn values(self) -> Values {
                match self { $(Self::$variant => $values),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }
        }
    };
}

/// Words for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Digits alone.
    Plain,
    /// A word for some of the values.
    Named(&'static [(&'static str, u64)]),
    /// A word for some of the bits; a list of them, each perhaps negated.
    Flags(&'static [(&'static str, u64)]),
    /// A word for what the number is of, in the bits above 32, and then a condition on the rest.
    Keyed(&'static [(&'static str, u64)]),
}

const TO_CLIENT: Option<Direction> = Some(Direction::ToClient);
const BYTE: u64 = u8::MAX as u64;
const LONG: u64 = u32::MAX as u64;
/// Of numbers with a key above them.
const KEYED: u64 = (1 << 48) - 1;

/// RFC 9113 section 6, as Suricata writes them.
const HTTP2_FRAMES: Values = Values::Named(&[
    ("DATA", 0),
    ("HEADERS", 1),
    ("PRIORITY", 2),
    ("RSTSTREAM", 3),
    ("SETTINGS", 4),
    ("PUSHPROMISE", 5),
    ("PING", 6),
    ("GOAWAY", 7),
    ("WINDOWUPDATE", 8),
    ("CONTINUATION", 9),
]);

/// RFC 9113 section 7.
const HTTP2_ERRORS: Values = Values::Named(&[
    ("NO_ERROR", 0),
    ("PROTOCOL_ERROR", 1),
    ("INTERNAL_ERROR", 2),
    ("FLOW_CONTROL_ERROR", 3),
    ("SETTINGS_TIMEOUT", 4),
    ("STREAM_CLOSED", 5),
    ("FRAME_SIZE_ERROR", 6),
    ("REFUSED_STREAM", 7),
    ("CANCEL", 8),
    ("COMPRESSION_ERROR", 9),
    ("CONNECT_ERROR", 10),
    ("ENHANCE_YOUR_CALM", 11),
    ("INADEQUATE_SECURITY", 12),
    ("HTTP_1_1_REQUIRED", 13),
]);

/// RFC 9113 section 6.5.2.
const HTTP2_SETTINGS: Values = Values::Keyed(&[
    ("SETTINGS_HEADER_TABLE_SIZE", 1),
    ("SETTINGS_ENABLE_PUSH", 2),
    ("SETTINGS_MAX_CONCURRENT_STREAMS", 3),
    ("SETTINGS_INITIAL_WINDOW_SIZE", 4),
    ("SETTINGS_MAX_FRAME_SIZE", 5),
    ("SETTINGS_MAX_HEADER_LIST_SIZE", 6),
]);

// Keyword, aliases, protocol, direction, largest value, words for values, help.
numbers! {
    Http2FrameType { "http2.frametype", &[], Http2, None, BYTE, HTTP2_FRAMES, "Types of the frames." }
    Http2ErrorCode { "http2.errorcode", &[], Http2, None, LONG, HTTP2_ERRORS, "Error code of RST_STREAM or GOAWAY." }
    Http2Priority { "http2.priority", &[], Http2, None, BYTE, Values::Plain, "Weight of PRIORITY or HEADERS, as sent." }
    Http2Window { "http2.window", &[], Http2, None, LONG, Values::Plain, "Increment of WINDOW_UPDATE." }
    Http2SizeUpdate { "http2.size_update", &[], Http2, None, LONG, Values::Plain, "Size of the dynamic table that a header block sets." }
    Http2Settings { "http2.settings", &[], Http2, None, KEYED, HTTP2_SETTINGS, "A setting and its value." }
    TlsChainLength { "tls.cert_chain_len", &[], Tls, TO_CLIENT, LONG, Values::Plain, "Certificates in the chain." }
}
