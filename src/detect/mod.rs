//! Signatures compiled, and held against buffers.

pub mod prefilter;
