//! One coding of a body, and what is done where the body is something else.

use super::br::Brotli;
use super::inflate::Inflate;
use super::zst::{self, Zstd};
use super::{Broken, Stop};
use crate::reuse::List;

/// A content coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// Whether undoing it takes half a megabyte.
    pub(super) const fn is_large(self) -> bool {
        matches!(self, Self::Brotli | Self::Zstd)
    }

    /// Reads one element of Content-Encoding (RFC 9110 section 8.4.1).
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        [
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("x-deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ]
        .into_iter()
        .find_map(|(text, coding)| name.eq_ignore_ascii_case(text.as_bytes()).then_some(coding))
    }
}

/// Codings without a magic number are tried; so much is kept to begin again if they fail.
const TRIED: usize = 32 * 1024;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

enum State {
    /// At the start, of which these bytes are known.
    Start,
    Inflate(Inflate),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd>),
    /// Given out as it is.
    Plain,
}

/// One coding of a body.
pub(super) struct Layer {
    claimed: Coding,
    state: State,
    /// First bytes, until it is known what they are.
    start: List<u8>,
    /// What was read of a coding that may turn out not to be there.
    tried: Option<List<u8>>,
    /// Bytes to read before any more input, from the number on.
    again: List<u8>,
    again_from: usize,
    /// Something else may be tried if this fails.
    alternative: bool,
    /// The first thing to try was not there.
    refuted: bool,
    mislabelled: bool,
    /// Something was decoded.
    made_any: bool,
    /// What comes next does not decode; what came before it has been given out.
    stop: Option<Stop>,
    bytes_read: u64,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("claimed", &self.claimed)
            .finish_non_exhaustive()
    }
}

impl Layer {
    pub(super) fn new(claimed: Coding) -> Self {
        Self {
            claimed,
            state: State::Start,
            start: List::new(),
            tried: None,
            again: List::new(),
            again_from: 0,
            alternative: false,
            refuted: false,
            mislabelled: false,
            made_any: false,
            stop: None,
            bytes_read: 0,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let state = match &self.state {
            State::Start | State::Plain => 0,
            State::Inflate(_) => Inflate::HELD_BYTES,
            State::Brotli(brotli) => brotli.held_bytes(),
            State::Zstd(zstd) => zstd.held_bytes(),
        };
        let tried = self.tried.as_ref().map_or(0, List::capacity);
        size_of::<Self>() + state + tried + self.start.capacity() + self.again.capacity()
    }

    pub(super) const fn is_mislabelled(&self) -> bool {
        self.mislabelled
    }

    pub(super) const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Whether the bytes so far are a whole body: nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        match &self.state {
            State::Start => self.start.is_empty(),
            State::Inflate(inflate) => inflate.is_whole(),
            State::Brotli(brotli) => brotli.is_done(),
            State::Zstd(zstd) => zstd.is_done(),
            State::Plain => true,
        }
    }

    /// Nothing more comes: what is too short to be known is given out as it is.
    pub(super) fn end(&mut self) {
        if matches!(self.state, State::Start) && !self.start.is_empty() {
            self.give_out(List::new());
        } else if !self.made_any
            && !self.is_whole()
            && let Some(tried) = self.tried.take()
        {
            self.give_out(tried);
        }
    }

    /// Decodes into `out` until either end is reached; returns bytes read and written.
    /// Nothing read and nothing written means that more input is needed. What decodes before
    /// the fault is given out first: a receiver that streams has it, too.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), Stop> {
        let (mut read, mut written) = (0, 0);
        loop {
            if let Some(stop) = self.stop {
                return if written > 0 {
                    Ok((read, written))
                } else {
                    Err(stop)
                };
            }
            let room = out.get_mut(written..).unwrap_or_default();
            if self.again_from < self.again.len() {
                let again = std::mem::take(&mut self.again);
                let rest = again.get(self.again_from..).unwrap_or_default();
                let (used, made) = self.step(rest, room);
                // A step that begins again has new bytes there, which come before the rest.
                let unread = rest.get(used..).unwrap_or_default();
                if self.again.is_empty() {
                    self.again_from += used;
                    self.again = again;
                } else {
                    self.again.extend_from_slice(unread);
                }
                written += made;
                if used == 0 && made == 0 && self.stop.is_none() {
                    return Ok((read, written));
                }
                continue;
            }
            self.again.free();
            self.again_from = 0;
            let rest = input.get(read..).unwrap_or_default();
            let (used, made) = self.step(rest, room);
            self.bytes_read += used as u64;
            read += used;
            written += made;
            let idle = used == 0 && made == 0 && self.again.is_empty();
            if idle && self.stop.is_none() {
                return Ok((read, written));
            }
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize) {
        let (read, written, result) = match &mut self.state {
            State::Start => return (self.look(input), 0),
            State::Plain => {
                let count = input.len().min(out.len());
                if let (Some(to), Some(from)) = (out.get_mut(..count), input.get(..count)) {
                    to.copy_from_slice(from);
                }
                return (count, count);
            }
            State::Inflate(inflate) => {
                let (read, written, broken) = inflate.decode(input, out);
                let result = broken.map_err(|Broken| Stop::Broken);
                (read, written, result)
            }
            State::Brotli(brotli) if brotli.is_done() => {
                self.state = State::Plain;
                self.tried = None;
                return self.step(input, out);
            }
            State::Brotli(brotli) => brotli.decode(input, out),
            State::Zstd(zstd) => zstd.decode(input, out),
        };
        self.made_any |= written > 0;
        if let Some(tried) = &mut self.tried {
            tried.extend_from_slice(input.get(..read).unwrap_or_default());
            if tried.len() > TRIED {
                self.tried = None;
            }
        }
        match (result, self.tried.take()) {
            (Ok(()), tried) => self.tried = tried,
            (Err(Stop::Broken), Some(tried)) => self.begin_again(tried),
            (Err(stop), _) => self.stop = Some(stop),
        }
        (read, written)
    }

    /// The coding that was claimed is not there. What was read for it is read once more.
    fn begin_again(&mut self, tried: List<u8>) {
        self.mislabelled = true;
        if self.alternative {
            self.alternative = false;
            self.refuted = true;
            self.state = State::Start;
            self.again = tried;
            self.again_from = 0;
        } else {
            self.give_out(tried);
        }
    }

    fn give_out(&mut self, bytes: List<u8>) {
        self.mislabelled = true;
        self.state = State::Plain;
        let mut again = std::mem::take(&mut self.start);
        again.extend_from_slice(&bytes);
        self.again = again;
        self.again_from = 0;
    }

    /// Takes bytes of the start, until it is known what they are the start of.
    fn look(&mut self, input: &[u8]) -> usize {
        let mut read = 0;
        loop {
            if let Some(state) = self.recognise() {
                self.state = state;
                // A step of what was given again puts its rest behind these.
                self.again = std::mem::take(&mut self.start);
                self.again_from = 0;
                return read;
            }
            let Some(&byte) = input.get(read) else {
                return read;
            };
            self.start.push(byte);
            read += 1;
        }
    }

    fn recognise(&mut self) -> Option<State> {
        let start = &self.start;
        let first = *start.first()?;
        if self.claimed == Coding::Brotli && !self.refuted {
            self.tried = Some(List::new());
            self.alternative = true;
            return Some(State::Brotli(Box::new(Brotli::new())));
        }
        if first == GZIP_MAGIC[0] {
            let second = *start.get(1)?;
            if second == GZIP_MAGIC[1] {
                self.mislabelled |= self.claimed != Coding::Gzip;
                return Some(State::Inflate(Inflate::gzip()));
            }
        }
        // A frame, or one that is skipped (RFC 8878 section 3.1.2).
        if first == zst::MAGIC[0] || (0x50..=0x5f).contains(&first) {
            let magic: [u8; 4] = start.get(..4)?.try_into().ok()?;
            let [_, rest @ ..] = magic;
            if (magic == zst::MAGIC || rest == [0x2a, 0x4d, 0x18])
                && let Some(zstd) = Zstd::new()
            {
                self.mislabelled |= self.claimed != Coding::Zstd;
                return Some(State::Zstd(Box::new(zstd)));
            }
        }
        if matches!(self.claimed, Coding::Gzip | Coding::Deflate) && !self.refuted {
            let head = [first, *start.get(1)?];
            if Inflate::is_zlib(head) {
                self.mislabelled |= self.claimed != Coding::Deflate;
                // Raw deflate can start like zlib, and receivers try both.
                self.tried = Some(List::new());
                self.alternative = true;
                return Some(State::Inflate(Inflate::zlib()));
            }
        }
        if self.claimed == Coding::Deflate {
            self.tried = Some(List::new());
            return Some(State::Inflate(Inflate::raw()));
        }
        self.mislabelled = true;
        Some(State::Plain)
    }
}
