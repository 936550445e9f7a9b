//! Versions, and what they mean for reading a packet.

/// By its four bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version(pub u32);

/// How packets of a version are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// A version negotiation packet (RFC 8999 section 6).
    Negotiation,
    /// Protected by keys that come from the packet, with this salt.
    Protected(Salt),
    /// Google's, in the clear.
    Clear,
    Unknown,
}

/// What the keys of Initial packets are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt {
    pub bytes: &'static [u8; 20],
    /// RFC 9369 section 3.3.1 names the keys differently.
    pub labels: Labels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    pub key: &'static str,
    pub iv: &'static str,
    pub header: &'static str,
}

const FIRST: Labels = Labels {
    key: "quic key",
    iv: "quic iv",
    header: "quic hp",
};
const SECOND: Labels = Labels {
    key: "quicv2 key",
    iv: "quicv2 iv",
    header: "quicv2 hp",
};

/// RFC 9001 section 5.2; drafts from 33 on.
const V1: Salt = Salt {
    bytes: &[
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,
        0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ],
    labels: FIRST,
};
/// RFC 9369 section 3.3.1.
const V2: Salt = Salt {
    bytes: &[
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,
        0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
    ],
    labels: SECOND,
};
/// Drafts 29 to 32.
const DRAFT_29: Salt = Salt {
    bytes: &[
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11,
        0xe0, 0x43, 0x90, 0xa8, 0x99,
    ],
    labels: FIRST,
};
/// Drafts 23 to 28.
const DRAFT_23: Salt = Salt {
    bytes: &[
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63,
        0x65, 0xbe, 0xf9, 0xf5, 0x02,
    ],
    labels: FIRST,
};
/// Google's Q050: protected, with tags inside.
const GOOGLE_50: Salt = Salt {
    bytes: &[
        0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94, 0x5c, 0xfc, 0xdb, 0xd3, 0xa7,
        0xf0, 0xd3, 0xb5, 0x6b, 0x45,
    ],
    labels: FIRST,
};

impl Version {
    pub const V1: Self = Self(1);
    pub const V2: Self = Self(0x6b33_43cf);
    pub const Q043: Self = Self(0x5130_3433);
    pub const Q044: Self = Self(0x5130_3434);
    pub const Q045: Self = Self(0x5130_3435);
    pub const Q046: Self = Self(0x5130_3436);
    const Q050: Self = Self(0x5130_3530);

    pub const fn family(self) -> Family {
        match self {
            Self(0) => Family::Negotiation,
            Self::V1 | Self(0xff00_0021..=0xff00_0022) => Family::Protected(V1),
            Self::V2 => Family::Protected(V2),
            Self(0xff00_001d..=0xff00_0020) => Family::Protected(DRAFT_29),
            Self(0xff00_0017..=0xff00_001c) => Family::Protected(DRAFT_23),
            Self::Q050 => Family::Protected(GOOGLE_50),
            Self::Q043 | Self::Q044 | Self::Q045 | Self::Q046 => Family::Clear,
            _ => Family::Unknown,
        }
    }

    /// Asks for a version negotiation (RFC 9000 section 15).
    pub const fn is_reserved(self) -> bool {
        self.0 & 0x0f0f_0f0f == 0x0a0a_0a0a
    }

    /// As in EVE's `quic.version`.
    pub fn text(self) -> String {
        match self.family() {
            Family::Clear => self.0.to_be_bytes().map(char::from).iter().collect(),
            _ => format!("{:x}", self.0),
        }
    }
}
