//! Decoders of deflate (RFC 1951), which take 48 KiB each.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

/// Decoders that a thread keeps.
const MOST_KEPT: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
}

/// A decoder that goes back to its thread when it is not needed any more.
#[derive(Debug)]
pub struct Inflater(Option<Decompress>);

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub read: usize,
    pub made: usize,
    /// `None`: what follows does not decode.
    pub status: Option<Status>,
}

impl Inflater {
    /// What zlib-rs allocates: a window of 32 KiB, and tables.
    pub const HELD_BYTES: usize = 48 * 1024;

    /// With `zlib`, of bytes in the wrapping of RFC 1950.
    pub fn new(zlib: bool) -> Self {
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        let mut inflater = Self(spare.ok().flatten());
        if inflater.0.is_some() {
            inflater.reset(zlib);
        } else {
            inflater.0 = Some(Decompress::new(zlib));
        }
        inflater
    }

    /// Another stream begins.
    pub fn reset(&mut self, zlib: bool) {
        if let Some(inflate) = &mut self.0 {
            inflate.reset(zlib);
        }
    }

    /// Decodes until either end is reached.
    pub fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        let Some(inflate) = &mut self.0 else {
            return Step {
                read: 0,
                made: 0,
                status: None,
            };
        };
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(input, out, FlushDecompress::None);
        let moved = |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
        Step {
            read: moved(inflate.total_in(), before.0),
            made: moved(inflate.total_out(), before.1),
            status: status.ok(),
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        let Some(inflate) = self.0.take() else {
            return;
        };
        // An error is that the thread ends.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST_KEPT {
                spare.push(inflate);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_decoder_begins_anew_each_time() {
        let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(b"some text").unwrap();
        let packed = packed.finish().unwrap();
        for _ in 0..3 {
            let mut out = [0; 64];
            let mut whole = Inflater::new(true);
            let step = whole.step(&packed, &mut out);
            assert_eq!(out[..step.made], *b"some text");
            assert_eq!(step.status, Some(Status::StreamEnd));
            // One that is given back within a stream.
            Inflater::new(false).step(&packed[2..6], &mut out);
            assert_eq!(Inflater::new(true).step(b"none", &mut out).status, None);
        }
        assert!(SPARE.with_borrow(|spare| (1..=3).contains(&spare.len())));
    }
}
