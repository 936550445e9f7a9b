//! TCP state and reassembly: what the receiver gets, in order, once.
