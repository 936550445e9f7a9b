//! One worker's data path: bytes and now in, verdict and events out.
