//! The rule language: Suricata's, version 8 semantics.
//!
//! [`parse_file`] reads a file of rules. [`keywords::KEYWORDS`] is the one table of what is
//! understood. A rule that is not understood whole is left out, with a [`Diagnostic`].

pub mod ast;
pub mod classification;
pub mod diagnostic;
pub mod docs;
pub mod header_number;
pub mod keywords;
pub mod set;
pub mod vars;

mod action;
mod draft;
mod header;
mod hook;
mod lex;
mod lint;
mod network;
mod parse;
mod perl;
mod ranges;
mod rates;
mod readings;
mod suggest;
mod surroundings;
mod written;

pub use classification::Classes;
pub use diagnostic::{Diagnostic, Severity};
pub use header::protocol_words;
pub use parse::{ParsedFile, parse_bytes, parse_bytes_in, parse_file, parse_rule};
pub use rates::{RateFilter, Rates, SuppressedEnd, Suppression};
pub use readings::Readings;
pub use suggest::nearest;
pub use surroundings::{NoFiles, RuleFiles, SetLimits, Surroundings};
pub use vars::Variables;
pub use written::{Metadata, Written};
