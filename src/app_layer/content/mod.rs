//! Undoes content codings: gzip, deflate, br and zstd, in layers, streaming and within bounds.
//!
//! Lenient, as receivers are: a coding that is named and not there is passed over, a body
//! that starts like gzip or zstd is that whatever its header says, checksums are not
//! verified, and what cannot be undone is given out as it is.

mod br;
mod inflate;
mod layer;
mod names;
mod zst;

use layer::Layer;

use super::Limits;
use crate::reuse::{List, reused};

reused!(Decoder, Layer);

pub use names::{Codings, Fault, codings};

/// The bytes do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Broken;

/// Why decoding stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What comes next does not decode.
    Broken,
    /// It would decode to more than the limit, or ask for more memory than a layer gets.
    Bomb,
    /// The body has reached its limit.
    Full,
}

/// Size of the window between two layers.
const WINDOW: usize = 4096;

/// Undoes the content codings of one body.
#[derive(Debug)]
pub struct Decoder {
    /// In the order they are undone: the last one named first.
    layers: List<Layer>,
    written: u64,
}

impl Decoder {
    pub fn new(codings: &Codings) -> Option<Self> {
        (!codings.is_empty()).then(|| Self {
            layers: codings.iter().rev().map(Layer::new).collect(),
            written: 0,
        })
    }

    /// Bytes that it takes, itself included.
    pub fn held_bytes(&self) -> usize {
        let layers = self.layers.iter().map(Layer::held_bytes).sum::<usize>();
        size_of::<Self>() + layers + self.layers.len() * WINDOW
    }

    /// Whether all codings have come to their end.
    pub fn is_whole(&self) -> bool {
        self.layers.iter().all(Layer::is_whole)
    }

    /// Whether the body is not what its header said.
    pub fn is_mislabelled(&self) -> bool {
        self.layers.iter().any(Layer::is_mislabelled)
    }

    /// Bytes out of all layers for one byte in.
    pub fn ratio(&self) -> u64 {
        let read = self.layers.first().map_or(0, Layer::bytes_read);
        self.written / read.max(1)
    }

    /// Decodes into `sink`, which says when it has enough.
    pub fn push(
        &mut self,
        input: &[u8],
        limits: &Limits,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let bound = limits.decompressed_bytes;
        run(&mut self.layers, input, &mut self.written, bound, sink)
    }

    /// The body has ended: what layers still waited to look at is given out.
    pub fn finish(
        &mut self,
        limits: &Limits,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let bound = limits.decompressed_bytes;
        for at in 0..self.layers.len() {
            let (_, rest) = self.layers.split_at_mut(at);
            if let Some(layer) = rest.first_mut() {
                layer.end();
            }
            run(rest, &[], &mut self.written, bound, sink)?;
        }
        Ok(())
    }
}

/// Runs input through the first layer and its output through the rest.
fn run(
    layers: &mut [Layer],
    input: &[u8],
    written: &mut u64,
    bound: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let Some((layer, rest)) = layers.split_first_mut() else {
        return sink(input);
    };
    let mut window = [0; WINDOW];
    let mut input = input;
    loop {
        let (read, made) = layer.decode(input, &mut window)?;
        *written += made as u64;
        if *written > bound {
            return Err(Stop::Bomb);
        }
        if made > 0 {
            let output = window.get(..made).unwrap_or_default();
            run(rest, output, written, bound, sink)?;
        }
        input = input.get(read..).unwrap_or_default();
        if read == 0 && made == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
