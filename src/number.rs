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
}

const TO_CLIENT: Option<Direction> = Some(Direction::ToClient);
const LONG: u64 = u32::MAX as u64;

// Keyword, aliases, protocol, direction, largest value, words for values, help.
numbers! {
    TlsChainLength { "tls.cert_chain_len", &[], Tls, TO_CLIENT, LONG, Values::Plain, "Certificates in the chain." }
}
