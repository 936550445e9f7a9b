//! Where one direction of a connection stands.

use super::frame::{DEFAULT_MAX_FRAME, HEAD_BYTES, Head};
use super::hpack::Decoder;
use crate::app_layer::http1::FieldList;
use crate::direction::Direction;

#[derive(Debug)]
pub(super) enum State {
    /// So many bytes of the client's preface were seen.
    Preface(usize),
    /// Within the header of a frame.
    Head {
        bytes: [u8; HEAD_BYTES],
        have: usize,
    },
    Payload(Payload),
    /// Ended.
    Closed,
    /// Given up: what follows cannot be read.
    Failed,
}

/// Within a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    pub head: Head,
    /// Bytes of the frame that are still to come, its padding included.
    pub left: u32,
    pub padding: u32,
    pub part: Part,
    /// The transaction whose bytes these are.
    pub tx: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    PaddingLength,
    /// Priority or promised stream: its bytes so far.
    Prefix {
        bytes: [u8; 5],
        have: usize,
    },
    Contents,
}

/// A header block that has begun.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub tx: Option<u64>,
    pub stream: u32,
    pub ends_stream: bool,
    /// It promises a request to the client instead of answering one.
    pub promises: bool,
    pub frames: u32,
    /// As RFC 9113 section 6.5.2 counts the fields.
    pub size: usize,
    pub is_too_large: bool,
    pub size_updates: Vec<u64>,
    pub fields: FieldList,
}

#[derive(Debug)]
pub(super) struct Reader {
    pub state: State,
    /// Made with the first block.
    pub hpack: Option<Box<Decoder>>,
    pub block: Option<Box<Block>>,
    /// The payload of a frame that is read as a whole.
    pub control: Vec<u8>,
    /// The longest frame that the other end takes.
    pub max_frame: u32,
    /// Bytes that no buffer holds: beyond a limit, or not readable.
    pub beyond: u64,
}

impl State {
    /// Before a frame.
    pub(super) const NEXT: Self = Self::Head {
        bytes: [0; HEAD_BYTES],
        have: 0,
    };
}

impl Reader {
    pub(super) const fn new(direction: Direction) -> Self {
        Self {
            state: match direction {
                Direction::ToServer => State::Preface(0),
                Direction::ToClient => State::NEXT,
            },
            hpack: None,
            block: None,
            control: Vec::new(),
            max_frame: DEFAULT_MAX_FRAME,
            beyond: 0,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let block = self.block.as_ref().map_or(0, |b| {
            size_of::<Block>()
                + b.fields.held_bytes()
                + b.size_updates.capacity() * size_of::<u64>()
        });
        let hpack = self
            .hpack
            .as_ref()
            .map_or(0, |h| size_of::<Decoder>() + h.held_bytes());
        block + hpack + self.control.capacity()
    }
}
