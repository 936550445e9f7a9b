//! The evasion harness: packets crafted to mean one thing to an inspector and another to the receiver,
//! a real Linux receiver, and Stopgap between. The oracle is what the receiving application read, never
//! Stopgap's own log.
//!
//! `catalogue/` holds the cases as data, `program` their language, `packet` the bytes; `driver` plays the
//! crafted ends and `receiver` is the real ones; `trial` runs the catalogue, `overlaps` enumerates, and
//! `layered` draws cases from a seed.

pub mod case;
pub mod driver;
pub mod layered;
pub mod overlaps;
pub mod packet;
pub mod place;
pub mod program;
pub mod receiver;
pub mod trial;
