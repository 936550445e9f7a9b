//! Where one direction of an HTTP connection stands.

use super::chunked::Chunked;
use super::framing::Framing;
use super::side::Side;
use super::span::Span;
use crate::app_layer::Limits;
use crate::app_layer::content::Decoder;
use crate::reuse::{List, Place, reused};

reused!(Leftover);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Between messages.
    #[default]
    Idle,
    /// In a first line.
    Line,
    Headers,
    /// In a line that is no request line.
    Foreign,
    /// In a body of which so many bytes are left.
    Length(u64),
    /// At the start of a body that may be chunked.
    Perhaps(Framing),
    Chunked(Chunked),
    Trailers,
    ToEof,
    /// In a line where a response should be and that is none.
    Stray,
    /// Ended, or another protocol from here on.
    Closed,
    /// Given up: what follows cannot be read.
    Failed,
}

impl From<Framing> for State {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Idle,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::START),
            Framing::ToEof => Self::ToEof,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub state: State,
    /// The transaction being read; has no meaning in [`State::Idle`].
    pub tx: u64,
    /// Where the current line begins in the arena.
    pub line_start: usize,
    /// Where the headers as sent begin in the arena.
    pub head_start: usize,
    /// Bytes of the head, as sent.
    head_bytes: usize,
    pub decoder: Place<Decoder>,
    /// What of the body is kept as sent.
    pub kept_as_sent: AsSent,
    /// The start of a body, until it is known how it is framed.
    pub start: List<u8>,
    /// What the last head said of a body that should not be there.
    pub leftover: Place<Leftover>,
    /// Receivers frame the message differently, so what the server makes of it is not known.
    pub ambiguous: bool,
    /// An empty line that is none to some: from here in the arena on the body may have begun.
    pub perhaps_over: Option<usize>,
    /// Interim responses since the last one that was none.
    pub interim: u16,
    /// Bytes of lines where a response should be and that were none.
    pub stray: usize,
    /// Bytes that no buffer holds: beyond a limit, or not readable.
    pub beyond: u64,
    /// The request line had no protocol: headers may follow, or nothing.
    pub without_protocol: bool,
    /// Blanks stood before the request line.
    pub leading_blank: bool,
    /// The transaction that a `100 Continue` was seen for.
    pub continued: Option<u64>,
}

/// What of a body is kept as sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AsSent {
    #[default]
    Nothing,
    /// Without its chunk sizes.
    Body,
    Everything,
}

/// A body that should not be there.
#[derive(Debug)]
pub(super) struct Leftover {
    pub framing: Framing,
    pub decoder: Place<Decoder>,
}

/// What came of reading a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its end is still to come.
    Open,
    /// The line with its line end.
    Whole(Span),
    /// The head has reached its limit.
    TooLong,
}

impl Reader {
    /// What was needed to read the last message goes.
    pub(super) fn give_back(&mut self) {
        if self.state == State::Idle {
            self.decoder.free();
            self.start.free();
        }
    }

    /// Whether it stands where [`Self::begin`] follows, and remembers nothing that goes beyond it. Bytes
    /// beyond a limit are asked for as a difference, while they come.
    pub(super) fn is_between_messages(&self) -> bool {
        self.state == State::Idle
            && self.decoder.is_empty()
            && self.start.is_empty()
            && self.leftover.is_empty()
            && !self.ambiguous
            && self.interim == 0
            && self.stray == 0
            && !self.leading_blank
            && self.continued.is_none()
    }

    pub(super) fn begin(&mut self, tx: u64, side: &Side) {
        self.tx = tx;
        self.expect_line(side);
        self.decoder.free();
        self.kept_as_sent = AsSent::Nothing;
        self.start.free();
        self.perhaps_over = None;
        self.stray = 0;
        self.without_protocol = false;
    }

    /// A first line is read next.
    pub(super) fn expect_line(&mut self, side: &Side) {
        self.state = State::Line;
        self.line_start = side.arena.len();
        self.head_start = self.line_start;
        self.head_bytes = 0;
    }

    /// Appends to the arena up to a line end; returns how many bytes were taken.
    pub(super) fn read_line(
        &mut self,
        side: &mut Side,
        bytes: &[u8],
        limits: &Limits,
    ) -> (usize, Line) {
        let end = memchr::memchr(b'\n', bytes);
        let wanted = end.map_or(bytes.len(), |at| at + 1);
        let room = limits.header_bytes.saturating_sub(self.head_bytes);
        let taken = wanted.min(room);
        side.arena
            .extend_from_slice(bytes.get(..taken).unwrap_or_default());
        self.head_bytes += taken;
        if taken < wanted {
            return (taken, Line::TooLong);
        }
        if end.is_none() {
            return (taken, Line::Open);
        }
        let line = Span::new(self.line_start, side.arena.len());
        self.line_start = side.arena.len();
        (taken, Line::Whole(line))
    }

    /// Lines of the headers are read next, behind what the arena holds.
    pub(super) fn expect_headers(&mut self, side: &Side) {
        self.state = State::Headers;
        self.head_start = side.arena.len();
        self.line_start = self.head_start;
    }
}
