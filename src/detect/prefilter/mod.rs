//! Multi-pattern matching: which of many byte strings occur in a haystack?
//!
//! **The contract.** A pattern that occurs is always reported (never a false
//! negative), and what is reported occurs (every hit is confirmed byte by
//! byte, honouring the pattern's own case rule). Every [`Kind`] gives the
//! same answer; they differ in speed and memory alone.
//!
//! A pattern is reported once for each scan: callers ask whether it occurs,
//! not how often, and so a flood of hits of one pattern costs little after
//! the first.

mod automaton;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod bitmap;
mod gram;
mod naive;
mod qgram;
mod rarity;
mod scratch;
mod short;
mod store;
mod table;
mod teddy;
mod variant;

use automaton::Automaton;
use naive::Naive;
use qgram::QGram;
use store::Scan;

pub use scratch::Scratch;
pub use variant::{VARIANTS, Variant};

/// A byte string to look for. Never empty: an empty one is never found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    pub bytes: Vec<u8>,
    /// ASCII letters match in either case.
    pub nocase: bool,
}

impl Pattern {
    /// Whether `bytes`, of the pattern's own length, are an occurrence.
    fn matches(&self, bytes: &[u8]) -> bool {
        if self.nocase {
            self.bytes.eq_ignore_ascii_case(bytes)
        } else {
            self.bytes == bytes
        }
    }
}

/// A pattern's index in the slice the matcher was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternId(pub u32);

impl PatternId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What is best for the number and length of the patterns.
    #[default]
    Auto,
    /// One pattern after the other: the yardstick the others are tested against.
    Naive,
    /// The `aho-corasick` crate.
    AhoCorasick,
    /// Rare q-grams in a bitmap, then confirmation.
    QGram,
    /// The same without instructions that not every processor has.
    QGramPortable,
}

/// Patterns made ready. Immutable, shared by workers.
#[derive(Debug)]
pub struct Matcher {
    engine: Engine,
    patterns: usize,
    longest: usize,
}

#[derive(Debug)]
enum Engine {
    Empty,
    Naive(Naive),
    Automaton(Automaton),
    QGram(QGram),
}

impl Matcher {
    /// Makes a matcher of `patterns`; their indexes are the [`PatternId`]s.
    pub fn build(patterns: &[Pattern], kind: Kind) -> Self {
        let longest = patterns.iter().map(|p| p.bytes.len()).max().unwrap_or(0);
        let engine = match kind {
            _ if longest == 0 => Some(Engine::Empty),
            Kind::Naive => None,
            Kind::AhoCorasick => Automaton::build(patterns).map(Engine::Automaton),
            Kind::Auto | Kind::QGram => QGram::build(patterns).map(Engine::QGram),
            Kind::QGramPortable => QGram::build_portable(patterns).map(Engine::QGram),
        };
        let engine = engine.unwrap_or_else(|| Engine::Naive(Naive::build(patterns)));
        Self {
            engine,
            patterns: patterns.len(),
            longest,
        }
    }

    /// The number of patterns it was built from.
    pub fn len(&self) -> usize {
        self.patterns
    }

    pub fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// Bytes of the longest pattern; zero without patterns. A caller that scans a stream piece by
    /// piece keeps `longest() - 1` bytes before the new ones as context.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Heap bytes, approximately.
    pub fn memory_bytes(&self) -> usize {
        match &self.engine {
            Engine::Empty => 0,
            Engine::Naive(e) => e.memory_bytes(),
            Engine::Automaton(e) => e.memory_bytes(),
            Engine::QGram(e) => e.memory_bytes(),
        }
    }

    /// Calls `found` once for each pattern with an occurrence in `haystack` that ends after
    /// `from`, with the end (exclusive) of one such occurrence, not always the first.
    ///
    /// Bytes before `from` were scanned earlier and are context only. A `from` at or beyond the
    /// end finds nothing.
    pub fn scan(
        &self,
        haystack: &[u8],
        from: usize,
        scratch: &mut Scratch,
        found: &mut impl FnMut(PatternId, usize),
    ) {
        if from >= haystack.len() {
            return;
        }
        scratch.begin(self.patterns);
        match &self.engine {
            Engine::Empty => {}
            Engine::Naive(e) => e.scan(haystack, from, found),
            Engine::Automaton(e) => e.scan(haystack, from, scratch, found),
            Engine::QGram(e) => e.scan(Scan { haystack, from }, scratch, found),
        }
    }
}

#[cfg(test)]
mod tests;
