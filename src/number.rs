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
const SHORT: u64 = u16::MAX as u64;
const LONG: u64 = u32::MAX as u64;

/// RFC 6895 section 2.2.
const DNS_OPCODES: &[(&str, u64)] = &[
    ("query", 0),
    ("iquery", 1),
    ("status", 2),
    ("notify", 4),
    ("update", 5),
    ("dso", 6),
];

/// RFC 6895 section 2.3.
const DNS_RCODES: &[(&str, u64)] = &[
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
    ("BADVERS", 16),
    ("BADKEY", 17),
    ("BADTIME", 18),
    ("BADMODE", 19),
    ("BADNAME", 20),
    ("BADALG", 21),
    ("BADTRUNC", 22),
    ("BADCOOKIE", 23),
];

/// The IANA registry that RFC 6895 section 3.1 set up.
const DNS_TYPES: &[(&str, u64)] = &[
    ("A", 1),
    ("NS", 2),
    ("MD", 3),
    ("MF", 4),
    ("CNAME", 5),
    ("SOA", 6),
    ("MB", 7),
    ("MG", 8),
    ("MR", 9),
    ("NULL", 10),
    ("WKS", 11),
    ("PTR", 12),
    ("HINFO", 13),
    ("MINFO", 14),
    ("MX", 15),
    ("TXT", 16),
    ("RP", 17),
    ("AFSDB", 18),
    ("X25", 19),
    ("ISDN", 20),
    ("RT", 21),
    ("NSAP", 22),
    ("NSAPPTR", 23),
    ("SIG", 24),
    ("KEY", 25),
    ("PX", 26),
    ("GPOS", 27),
    ("AAAA", 28),
    ("LOC", 29),
    ("NXT", 30),
    ("SRV", 33),
    ("ATMA", 34),
    ("NAPTR", 35),
    ("KX", 36),
    ("CERT", 37),
    ("A6", 38),
    ("DNAME", 39),
    ("OPT", 41),
    ("APL", 42),
    ("DS", 43),
    ("SSHFP", 44),
    ("IPSECKEY", 45),
    ("RRSIG", 46),
    ("NSEC", 47),
    ("DNSKEY", 48),
    ("DHCID", 49),
    ("NSEC3", 50),
    ("NSEC3PARAM", 51),
    ("TLSA", 52),
    ("SMIMEA", 53),
    ("HIP", 55),
    ("CDS", 59),
    ("CDNSKEY", 60),
    ("OPENPGPKEY", 61),
    ("CSYNC", 62),
    ("ZONEMD", 63),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("SPF", 99),
    ("TKEY", 249),
    ("TSIG", 250),
    ("IXFR", 251),
    ("AXFR", 252),
    ("MAILB", 253),
    ("MAILA", 254),
    ("ANY", 255),
    ("URI", 256),
    ("CAA", 257),
];

// Keyword, aliases, protocol, direction, largest value, words for values, help.
numbers! {
    DnsOpcode { "dns.opcode", &[], Dns, None, 15, Values::Named(DNS_OPCODES), "What a DNS message is for." }
    DnsRcode { "dns.rcode", &[], Dns, None, 4095, Values::Named(DNS_RCODES), "What a DNS response says of its request; with EDNS, twelve bits." }
    DnsType { "dns.rrtype", &[], Dns, None, SHORT, Values::Named(DNS_TYPES), "Types in the question and answer sections of a DNS message." }
    TlsChainLength { "tls.cert_chain_len", &[], Tls, TO_CLIENT, LONG, Values::Plain, "Certificates in the chain." }
}

impl Number {
    /// The word for a value, where it has one.
    pub fn word(self, value: u64) -> Option<&'static str> {
        match self.values() {
            Values::Named(words) => words.iter().find(|(_, v)| *v == value).map(|(w, _)| *w),
            Values::Plain | Values::Flags(_) => None,
        }
    }
}
