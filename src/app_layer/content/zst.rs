//! Zstandard (RFC 8878).

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::Stop;

pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A window of 128 KiB: what is kept of a body never refers further back. 7 is its exponent
/// in a frame's header (RFC 8878 section 3.1.1.1.2).
const WINDOW_LOG: u32 = 17;
const WINDOW_DESCRIPTOR: u8 = 7 << 3;
const REACH: u64 = 1 << WINDOW_LOG;

/// The flag of a frame that is one piece, as large as its content.
const SINGLE_SEGMENT: u8 = 0x20;

/// The longest part of a frame's header that says how large its window is.
const HEADER: usize = 4 + 1 + 1 + 4 + 8;

pub(super) struct Zstd {
    context: DCtx<'static>,
    /// Bytes of a frame's header, until they are all there.
    header: Vec<u8>,
    /// Bytes of the header that were given to the decoder.
    given: usize,
    in_frame: bool,
    frames: u32,
    written_in_frame: u64,
    /// There may be more output than there was room for.
    pending: bool,
}

impl Zstd {
    pub(super) fn new() -> Option<Self> {
        let mut context = DCtx::try_create()?;
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
            .ok()?;
        Some(Self {
            context,
            header: Vec::new(),
            given: 0,
            in_frame: false,
            frames: 0,
            written_in_frame: 0,
            pending: false,
        })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.context.sizeof() + self.header.capacity()
    }

    pub(super) fn is_done(&self) -> bool {
        self.frames > 0 && !self.in_frame && self.header.is_empty()
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> (usize, usize, Result<(), Stop>) {
        if out.is_empty() {
            return (0, 0, Ok(()));
        }
        if self.in_frame && self.given == self.header.len() {
            return self.in_blocks(input, out);
        }
        let mut read = 0;
        while !self.in_frame {
            if let Some(length) = header_length(&self.header)
                && self.header.len() >= length
            {
                shrink_window(&mut self.header);
                self.in_frame = true;
                self.given = 0;
                break;
            }
            let Some(&byte) = input.get(read) else {
                return (read, 0, Ok(()));
            };
            self.header.push(byte);
            read += 1;
        }
        let header = std::mem::take(&mut self.header);
        let (used, written, result) = self.step(header.get(self.given..).unwrap_or_default(), out);
        if self.in_frame {
            self.header = header;
            self.given += used;
        }
        (read, written, result)
    }

    /// One byte at a time: else a fault costs the blocks before it in the same input, which a
    /// client that got them earlier has used.
    fn in_blocks(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize, Result<(), Stop>) {
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = input.get(read..).filter(|_| !self.pending);
            let next = rest.and_then(|rest| rest.get(..1));
            let room = out.get_mut(written..).unwrap_or_default();
            let (used, made, result) = self.step(next.unwrap_or_default(), room);
            read += used;
            written += made;
            let full = written == out.len();
            let waits = used == 0 && made == 0 && (next.is_some() || read == input.len());
            if result.is_err() || !self.in_frame || full || waits {
                return (read, written, result);
            }
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize, Result<(), Stop>) {
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(out);
        let result = self.context.decompress_stream(&mut target, &mut source);
        let (read, written) = (source.pos(), target.pos());
        self.written_in_frame += written as u64;
        self.pending = written == out.len();
        let result = match result {
            Err(_) => Err(Stop::Broken),
            Ok(0) => {
                self.in_frame = false;
                self.header.clear();
                self.given = 0;
                self.frames = self.frames.saturating_add(1);
                self.written_in_frame = 0;
                Ok(())
            }
            Ok(_) if self.written_in_frame >= REACH => Err(Stop::Full),
            Ok(_) => Ok(()),
        };
        (read, written, result)
    }
}

/// How many bytes the header has up to the end of its sizes, as far as these tell. What is
/// no frame of the usual kind has no such header: the decoder is given it as it is.
fn header_length(header: &[u8]) -> Option<usize> {
    let known = header.len().min(MAGIC.len());
    if header.get(..known) != MAGIC.get(..known) {
        return Some(known);
    }
    let descriptor = *header.get(MAGIC.len())?;
    Some(sizes(descriptor).1.min(HEADER))
}

/// Where the content size begins and ends (RFC 8878 section 3.1.1.1).
const fn sizes(descriptor: u8) -> (usize, usize) {
    let single_segment = descriptor & SINGLE_SEGMENT != 0;
    let dictionary = match descriptor & 3 {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 4,
    };
    let size = match descriptor >> 6 {
        0 => single_segment as usize,
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let start = 5 + (!single_segment) as usize + dictionary;
    (start, start + size)
}

/// Writes a window of [`REACH`] bytes in place of a larger one: the frame means the same up
/// to that much output.
fn shrink_window(header: &mut Vec<u8>) {
    let Some(&descriptor) = header.get(MAGIC.len()) else {
        return;
    };
    if header.get(..MAGIC.len()) != Some(&MAGIC[..]) {
        return;
    }
    if descriptor & SINGLE_SEGMENT == 0 {
        if let Some(window) = header.get_mut(5) {
            *window = (*window).min(WINDOW_DESCRIPTOR);
        }
        return;
    }
    // In a single segment the content's size is the window.
    let (start, end) = sizes(descriptor);
    let size = header.get(start..end).unwrap_or_default();
    let value = size.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    if size.len() >= 4 && value > REACH {
        // The same frame with a window and without a size.
        header.truncate(start);
        if let Some(descriptor) = header.get_mut(MAGIC.len()) {
            *descriptor &= !(SINGLE_SEGMENT | 0xc0);
        }
        header.insert(MAGIC.len() + 1, WINDOW_DESCRIPTOR);
    }
}
