//! Signatures compiled, and held against buffers.
