//! Evaluation of the tests behind one buffer.
//!
//! Tests run in the order written. A relative test starts where the match
//! before it ended; where it fails, the match before is tried again further
//! on, unless the failure tells that this cannot help. Exists one way through,
//! the tests match. Work is counted, so that no
//! input makes a rule cost more than a small multiple of the buffer's length:
//! what is over that cannot be decided.

mod asn1;
mod base64;
mod content;
mod dataset;
mod entropy;
mod failure;
mod number;
mod packet;
mod pattern;

use std::sync::Arc;

use self::failure::{Course, Failure};
use super::state::Kept;
use super::variables::Captured;
use crate::signature::ast::{
    Asn1, ByteExtract, ByteJump, ByteMath, ByteTest, Entropy, IsDataAt, Range, Value,
};

pub(crate) use base64::Base64Op;
pub(crate) use content::{ContentOp, Needle};
pub(crate) use dataset::DatasetOp;
pub(crate) use packet::{address_bytes, header_bytes, packet_matches};
pub(crate) use pattern::{CaptureOp, LazyPattern, PatternOp};

/// One compiled test.
#[derive(Debug)]
pub(crate) enum Op {
    Content(ContentOp),
    Pattern(PatternOp),
    ByteTest(Box<ByteTest>),
    ByteJump(Box<ByteJump>),
    ByteExtract(Box<ByteExtract>),
    ByteMath(Box<ByteMath>),
    Entropy(Box<Entropy>),
    Asn1(Box<Asn1>),
    Dataset(Box<DatasetOp>),
    IsDataAt(IsDataAt),
    Base64(Box<Base64Op>),
    Size(Range),
}

impl Op {
    fn sets_variable(&self) -> bool {
        match self {
            Self::ByteExtract(_) | Self::ByteMath(_) => true,
            Self::Base64(op) => op.program.as_ref().is_some_and(|p| p.exhaustive),
            _ => false,
        }
    }
}

/// The tests behind one buffer.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) ops: Box<[Op]>,
    /// Index of the op whose match is kept as evidence.
    pub(crate) evidence: usize,
    /// Every place of every match is tried, since what a failure tells of other places does not
    /// hold: a test sets a variable.
    pub(crate) exhaustive: bool,
}

impl Program {
    pub(crate) fn new(ops: Box<[Op]>, evidence: usize) -> Self {
        let exhaustive = ops.iter().any(Op::sets_variable);
        Self {
            ops,
            evidence,
            exhaustive,
        }
    }

    /// The first content that a match needs and that is nowhere in `bytes`: no match is possible.
    pub(crate) fn lacks(&self, bytes: &[u8], limits: &mut Limits) -> Option<usize> {
        let mut needed = self.ops.iter().enumerate();
        needed.find_map(|(at, _)| (!self.may_have(at, bytes, limits)).then_some(at))
    }

    /// Whether a content is in `bytes`, as far as a match needs it. Of other tests nothing is said.
    pub(crate) fn may_have(&self, at: usize, bytes: &[u8], limits: &mut Limits) -> bool {
        match self.ops.get(at) {
            Some(Op::Content(c)) if !c.negated => {
                let (found, units) = c.needle.look(bytes);
                limits.work += units;
                found.is_some()
            }
            _ => true,
        }
    }

    /// How many bytes before the newest ones a content may begin that ends in them.
    pub(crate) fn overlap(&self, at: usize) -> usize {
        match self.ops.get(at) {
            Some(Op::Content(c)) => c.needle.len().saturating_sub(1),
            _ => 0,
        }
    }
}

/// Deep enough for every rule people wrote; a bound for the stack.
const MAX_DEPTH: u32 = 256;

/// Units of work, each of about a nanosecond, granted to any evaluation whatever the buffer's length.
const BASE_UNITS: u64 = 400_000;

/// Units granted for each byte of the buffer.
const UNITS_PER_BYTE: u64 = 400;

/// What things cost, in units.
mod cost {
    /// A test, whatever it looks at.
    pub(super) const TEST: u64 = 4;
    /// A search for a content that begins.
    pub(super) const SEARCH: u64 = 6;
    /// A place where a content could stand, looked at.
    pub(super) const PLACE: u64 = 4;
    /// Bytes that a search for a content goes over in one unit.
    pub(super) const BYTES_SEARCHED: u64 = 16;
    /// Bytes that are all looked at, one by one, in one unit.
    pub(super) const BYTES_READ: u64 = 1;
    /// An expression begins.
    pub(super) const EXPRESSION: u64 = 40;
    /// A byte that an automaton takes, and one that is taken with backtracking.
    pub(super) const AUTOMATON_BYTE: u64 = 2;
    pub(super) const BACKTRACKING_BYTE: u64 = 8;
    /// An expression that hit its own limit.
    pub(super) const HOPELESS: u64 = 500_000;
}

/// What one evaluation writes down.
#[derive(Debug)]
pub(crate) struct Variables {
    /// Byte variables. An index is a byte, so 256 cover all.
    values: [i64; 256],
    /// Room for what `base64_decode` decodes.
    decoded: Vec<u8>,
    /// What expressions and sets have found out since the last [`Variables::begin`].
    pub(crate) captured: Vec<Captured>,
    /// What rules keep beyond a flow.
    pub(crate) kept: Arc<Kept>,
    /// Something found no room there.
    pub(crate) full: bool,
    /// How the sender of the bytes in hand writes integers (`dce`).
    pub(crate) little_endian: bool,
}

impl Variables {
    /// Another rule is tried.
    pub(crate) fn begin(&mut self) {
        self.captured.clear();
    }
}

impl Default for Variables {
    fn default() -> Self {
        Self {
            values: [0; 256],
            decoded: Vec::new(),
            captured: Vec::new(),
            kept: Arc::default(),
            full: false,
            little_endian: false,
        }
    }
}

/// What an evaluation leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    /// Start and end of the match that is kept as evidence, in the bytes given.
    pub(crate) evidence: Option<(usize, usize)>,
    /// One past the last byte of any match.
    pub(crate) end: usize,
}

/// Counts what was asked, and what could not be decided.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Evaluations that ran out of steps, and regular expressions out of theirs.
    pub(crate) exhausted: u64,
    /// Evaluations at all.
    pub(crate) evaluations: u64,
    /// Units of work done.
    pub(crate) work: u64,
}

/// Holds `program` against `bytes`, whose first byte is at `base` of the whole buffer or stream.
pub(crate) fn evaluate(
    program: &Program,
    bytes: &[u8],
    base: u64,
    variables: &mut Variables,
    limits: &mut Limits,
) -> Option<Match> {
    let (found, exhausted, work) = evaluate_with(program, bytes, base, variables);
    limits.work += work;
    limits.evaluations += 1;
    limits.exhausted += u64::from(exhausted);
    found
}

/// The match, whether a limit was hit on the way, and what was done, in units.
fn evaluate_with(
    program: &Program,
    bytes: &[u8],
    base: u64,
    variables: &mut Variables,
) -> (Option<Match>, bool, u64) {
    let base = i64::try_from(base).unwrap_or(i64::MAX);
    let mut machine = Machine {
        program,
        bytes,
        base,
        variables,
        granted: BASE_UNITS + UNITS_PER_BYTE * bytes.len() as u64,
        spent: 0,
        depth: 0,
        exhausted: false,
        found: Match::default(),
    };
    let matched = machine.run(0, -base).is_ok();
    (
        matched.then_some(machine.found),
        machine.exhausted,
        machine.spent,
    )
}

struct Machine<'a> {
    program: &'a Program,
    bytes: &'a [u8],
    base: i64,
    variables: &'a mut Variables,
    /// Units of work that may be done, and that were.
    granted: u64,
    spent: u64,
    depth: u32,
    exhausted: bool,
    found: Match,
}

impl Machine<'_> {
    /// Runs the ops from `at` on, with the match before ending at `cursor` (an index into the
    /// bytes; negative while the window starts behind the buffer's start).
    fn run(&mut self, at: usize, cursor: i64) -> Result<(), Failure> {
        self.depth += 1;
        let outcome = if self.depth <= MAX_DEPTH {
            self.run_from(at, cursor)
        } else {
            self.exhausted = true;
            Err(Failure::Here)
        };
        self.depth -= 1;
        match outcome {
            Err(_) if self.program.exhaustive => Err(Failure::Here),
            outcome => outcome,
        }
    }

    fn run_from(&mut self, mut at: usize, mut cursor: i64) -> Result<(), Failure> {
        let program = self.program;
        let mut course = Course::Rising;
        let mut end = 0;
        while let Some(op) = program.ops.get(at) {
            self.spent += cost::TEST;
            match op {
                Op::Content(c) if c.negated => {
                    if self.find_content(c, cursor, 0).is_some() {
                        return Err(course.failed(c.denied()));
                    }
                }
                Op::Content(c) => {
                    let mut from = 0;
                    loop {
                        let Some(start) = self.find_content(c, cursor, from) else {
                            return Err(course.failed(c.missed()));
                        };
                        let stop = start + c.needle.len();
                        self.keep(at, start, stop);
                        if !c.retry {
                            (cursor, end) = (stop as i64, end.max(stop));
                            course = course.behind_content(c.is_relative());
                            break;
                        }
                        match self.run(at + 1, stop as i64) {
                            Ok(()) => {
                                self.found.end = self.found.end.max(end).max(stop);
                                return Ok(());
                            }
                            Err(Failure::Here) => {}
                            // Further on, it ends further on.
                            Err(failure) => return Err(course.failed(failure.max(c.missed()))),
                        }
                        self.step()?;
                        from = start + 1;
                    }
                }
                Op::Pattern(p) if p.negated => {
                    if self.find_pattern(p, cursor, 0).is_some() {
                        return Err(course.failed(p.denied()));
                    }
                }
                Op::Pattern(p) => {
                    let mut from = 0;
                    loop {
                        let Some((start, stop)) = self.find_pattern(p, cursor, from) else {
                            return Err(match self.exhausted {
                                true => Failure::Here,
                                false => course.failed(p.missed()),
                            });
                        };
                        self.keep(at, start, stop);
                        self.capture(p, cursor, start);
                        if !p.retry {
                            (cursor, end) = (stop as i64, end.max(stop));
                            course = course.behind_other(p.relative);
                            break;
                        }
                        match self.run(at + 1, stop as i64) {
                            Ok(()) => {
                                self.found.end = self.found.end.max(end).max(stop);
                                return Ok(());
                            }
                            Err(Failure::Anywhere) => return Err(Failure::Anywhere),
                            // A match further on may end before this one.
                            Err(Failure::Here | Failure::Later) => {}
                        }
                        self.step()?;
                        from = start + 1;
                    }
                }
                Op::ByteTest(t) => {
                    if !self.byte_test(t, cursor) {
                        return Err(course.failed(Failure::of_fixed(!t.format.relative)));
                    }
                }
                Op::ByteJump(j) => match self.byte_jump(j, cursor) {
                    Some(to) => {
                        cursor = to;
                        course = course.behind_other(true);
                    }
                    None => return Err(course.failed(Failure::Here)),
                },
                Op::ByteExtract(x) => match self.byte_extract(x, cursor) {
                    Some(to) => (cursor, end) = (to, end.max(usize::try_from(to).unwrap_or(0))),
                    None => return Err(Failure::Here),
                },
                Op::ByteMath(m) => match self.byte_math(m, cursor) {
                    Some(to) => (cursor, end) = (to, end.max(usize::try_from(to).unwrap_or(0))),
                    None => return Err(Failure::Here),
                },
                Op::Entropy(e) => {
                    self.read(self.bytes.len());
                    if !entropy::holds(e, self.bytes) {
                        return Err(Failure::Anywhere);
                    }
                }
                Op::Asn1(a) => {
                    self.read(self.bytes.len());
                    if !self.asn1(a, cursor) {
                        return Err(course.failed(Failure::Here));
                    }
                }
                Op::Dataset(d) => {
                    self.read(self.bytes.len());
                    if !d.holds(self.bytes, self.variables) {
                        return Err(course.failed(Failure::Here));
                    }
                }
                Op::IsDataAt(d) => {
                    if !self.is_data_at(d, cursor) {
                        let reach = match d.negated {
                            true => Failure::Here,
                            // Less and less is behind it.
                            false => Failure::Later,
                        };
                        let reach = reach.max(Failure::of_fixed(!d.relative));
                        return Err(course.failed(reach));
                    }
                }
                Op::Base64(op) => {
                    if !self.base64(op, cursor) {
                        return Err(course.failed(Failure::Here));
                    }
                }
                Op::Size(range) => {
                    if !range.contains(self.bytes.len() as u64) {
                        return Err(Failure::Anywhere);
                    }
                }
            }
            at += 1;
        }
        self.found.end = self.found.end.max(end);
        Ok(())
    }

    fn keep(&mut self, at: usize, start: usize, stop: usize) {
        if at == self.program.evidence {
            self.found.evidence = Some((start, stop));
        }
    }

    /// So many bytes are looked at, all of them.
    fn read(&mut self, bytes: usize) {
        self.spent += bytes as u64 / cost::BYTES_READ;
    }

    /// Whether another way may be tried.
    fn step(&mut self) -> Result<(), Failure> {
        if self.spent <= self.granted {
            return Ok(());
        }
        self.exhausted = true;
        Err(Failure::Here)
    }

    fn value(&self, value: Value) -> i64 {
        match value {
            Value::Const(n) => n,
            Value::Var(index) => self.variables.values[usize::from(index)],
        }
    }

    /// Where counting starts: the match before, or the start of the buffer.
    fn origin(&self, relative: bool, cursor: i64) -> i64 {
        if relative { cursor } else { -self.base }
    }

    fn is_data_at(&self, d: &IsDataAt, cursor: i64) -> bool {
        let length = self.bytes.len() as i64;
        let at = self
            .origin(d.relative, cursor)
            .saturating_add(self.value(d.position));
        // Behind a match the position counts bytes, so the end itself is still "at" the data.
        let there = if d.relative {
            at <= length
        } else {
            at < length
        };
        there != d.negated
    }
}
