//! The rule language: Suricata's, version 8 semantics.
pub mod ast;
pub mod buffer;
