//! Frames (RFC 9113 section 4 and 6).

/// Bytes of a frame's header.
pub(super) const HEAD_BYTES: usize = 9;
/// What every receiver takes, and all it takes until it says otherwise (section 6.5.2).
pub(super) const DEFAULT_MAX_FRAME: u32 = 16_384;

/// SETTINGS_HEADER_TABLE_SIZE and so on (section 6.5.2).
pub(super) const SETTINGS_MAX_FRAME_SIZE: u16 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Receivers pass it over (section 4.1).
    Unknown,
}

/// Flags, where a kind has them.
pub(super) mod flag {
    /// DATA, HEADERS.
    pub const END_STREAM: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE, CONTINUATION.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS, PUSH_PROMISE.
    pub const PADDED: u8 = 0x8;
    /// HEADERS.
    pub const PRIORITY: u8 = 0x20;
}

/// What a frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub length: u32,
    pub code: u8,
    pub kind: Kind,
    flags: u8,
    pub stream: u32,
}

impl Head {
    pub(super) fn read(bytes: [u8; HEAD_BYTES]) -> Self {
        let [a, b, c, code, flags, stream @ ..] = bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            code,
            kind: Kind::of(code),
            flags,
            // The first bit is reserved and ignored (section 4.1).
            stream: u32::from_be_bytes(stream) & !(1 << 31),
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        use Kind::{Continuation, Data, Headers, PushPromise};
        let kinds: &[Kind] = match flag {
            flag::END_STREAM => &[Data, Headers],
            flag::END_HEADERS => &[Headers, PushPromise, Continuation],
            flag::PADDED => &[Data, Headers, PushPromise],
            _ => &[Headers],
        };
        self.flags & flag != 0 && kinds.contains(&self.kind)
    }

    /// Bytes between the length of the padding and what the frame is about.
    pub(super) fn prefix_bytes(&self) -> usize {
        match self.kind {
            Kind::PushPromise => 4,
            Kind::Headers if self.has(flag::PRIORITY) => 5,
            _ => 0,
        }
    }

    /// Whether it carries a piece of a header block.
    pub(super) const fn is_block(&self) -> bool {
        matches!(
            self.kind,
            Kind::Headers | Kind::PushPromise | Kind::Continuation
        )
    }
}

impl Kind {
    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::RstStream,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }
}

/// A number of four bytes at a place; what is missing counts as zero.
pub(super) fn long(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..).and_then(|b| b.first_chunk());
    u32::from_be_bytes(part.copied().unwrap_or_default())
}
