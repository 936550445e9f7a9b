//! Brotli (RFC 7932).

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper, StandardAlloc,
};

use super::Stop;

/// A window of 256 KiB, with what the decoder adds to it, and twice that while it grows.
const WINDOW_BYTES: usize = 448 * 1024;
/// Context maps.
const MAP_BYTES: usize = 64 * 1024;
/// Prefix codes: some ninety trees of the largest kind.
const CODE_BYTES: usize = 384 * 1024;

/// Output that the window written into the stream's start can refer back to (RFC 7932 section 9.1).
const REACH: u64 = (1 << 18) - 16;

/// Memory up to a bound; what is over is refused, and the decoder reports that.
struct Bounded {
    left: usize,
    refused: bool,
}

impl Bounded {
    const fn new(left: usize) -> Self {
        Self {
            left,
            refused: false,
        }
    }
}

impl<T: Clone + Default> Allocator<T> for Bounded {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        let bytes = length.saturating_mul(size_of::<T>());
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                StandardAlloc::default().alloc_cell(length)
            }
            None => {
                self.refused = true;
                Self::AllocatedMemory::default()
            }
        }
    }

    fn free_cell(&mut self, memory: Self::AllocatedMemory) {
        self.left += size_of_val(memory.slice());
    }
}

pub(super) struct Brotli {
    state: Box<BrotliState<Bounded, Bounded, Bounded>>,
    total_in: u64,
    total_out: u64,
    done: bool,
    /// There is more output than there was room for.
    pending: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let [window, map, code] = [WINDOW_BYTES, MAP_BYTES, CODE_BYTES].map(Bounded::new);
        let mut state = Box::new(BrotliState::new(window, map, code));
        // Not part of RFC 7932: no receiver of HTTP takes it.
        state.large_window = false;
        Self {
            state,
            total_in: 0,
            total_out: 0,
            done: false,
            pending: false,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let state = &self.state;
        let left = state.alloc_u8.left + state.alloc_u32.left + state.alloc_hc.left;
        let all = WINDOW_BYTES + MAP_BYTES + CODE_BYTES;
        size_of::<BrotliState<Bounded, Bounded, Bounded>>() + all.saturating_sub(left)
    }

    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn decode(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> (usize, usize, Result<(), Stop>) {
        if self.done || out.is_empty() {
            return (0, 0, Ok(()));
        }
        let (mut read, mut written) = (0, 0);
        loop {
            // One byte at a time: the decoder keeps back what it made of the bytes before a
            // fault, and a client that got those earlier has used it.
            let first = self.total_in == 0;
            let next = input.get(read).filter(|_| !self.pending);
            let byte = next.map(|&b| if first { small_window(b) } else { b });
            let room = out.get_mut(written..).unwrap_or_default();
            let (used, made, result) = self.step(byte.as_slice(), room);
            read += used;
            written += made;
            let full = written == out.len();
            let asked = byte.is_some() || self.pending || read == input.len();
            let idle = used == 0 && made == 0 && asked;
            if result.is_err() || self.done || full || idle {
                return (read, written, result);
            }
        }
    }

    fn step(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize, Result<(), Stop>) {
        let (mut available_in, mut read) = (input.len(), 0);
        let (mut available_out, mut written, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut read,
            input,
            &mut available_out,
            &mut written,
            out,
            &mut total,
            &mut self.state,
        );
        self.total_in += read as u64;
        self.total_out += written as u64;
        // It asks for input also where the room was just not enough.
        self.pending = matches!(result, BrotliResult::NeedsMoreOutput) || written == out.len();
        let state = &self.state;
        let refused = state.alloc_u8.refused || state.alloc_u32.refused || state.alloc_hc.refused;
        let result = match result {
            BrotliResult::ResultFailure if refused => Err(Stop::Bomb),
            BrotliResult::ResultFailure => Err(Stop::Broken),
            _ if self.total_out > REACH => Err(Stop::Full),
            BrotliResult::ResultSuccess => {
                self.done = true;
                Ok(())
            }
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Ok(()),
        };
        (read, written, result)
    }
}

/// The first byte, with a window of 256 KiB in place of a larger one: the two mean the same up
/// to [`REACH`] bytes of output, and more is not wanted. Sizes from 2^18 on are a set bit and
/// three bits that are not all zero (RFC 7932 section 9.1).
const fn small_window(first: u8) -> u8 {
    if first & 1 == 1 && first & 0x0e != 0 {
        (first & 0xf0) | 0x03
    } else {
        first
    }
}
