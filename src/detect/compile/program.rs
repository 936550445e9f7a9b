//! From the tests of a rule to a program that [`crate::detect::keywords`] runs.

use std::sync::Arc;

use crate::detect::keywords::{
    Base64Op, CaptureOp, ContentOp, DatasetOp, LazyPattern, Op, PatternOp, Program,
};
use crate::signature::ast::{Content, Test, Value};

/// Compiles the tests behind one buffer. `fast_pattern` is the test whose match is shown;
/// `decoded` are the tests behind `base64_data`.
pub(crate) fn compile(
    tests: &[Test],
    fast_pattern: Option<usize>,
    decoded: Option<&[Test]>,
) -> Program {
    let ops = tests
        .iter()
        .enumerate()
        .map(|(at, test)| compile_test(test, tests.get(at + 1..).unwrap_or_default(), decoded))
        .collect();
    let evidence = fast_pattern
        .or_else(|| {
            tests
                .iter()
                .position(|t| matches!(t, Test::Content(c) if !c.negated))
        })
        .or_else(|| {
            tests
                .iter()
                .position(|t| matches!(t, Test::Pcre(p) if !p.negated))
        })
        .unwrap_or(usize::MAX);
    Program::new(ops, evidence)
}

fn compile_test(test: &Test, rest: &[Test], decoded: Option<&[Test]>) -> Op {
    match test {
        Test::Content(c) => Op::Content(ContentOp::new(c, retry_helps(rest))),
        Test::Pcre(p) => Op::Pattern(PatternOp {
            negated: p.negated,
            relative: p.relative,
            retry: rest.first().is_some_and(Test::is_relative),
            pattern: Arc::new(LazyPattern::new(p.clone())),
            captures: p.captures.iter().map(CaptureOp::new).collect(),
        }),
        Test::ByteTest(t) => Op::ByteTest(Box::new(*t)),
        Test::ByteJump(j) => Op::ByteJump(Box::new(*j)),
        Test::ByteExtract(x) => Op::ByteExtract(Box::new(*x)),
        Test::ByteMath(m) => Op::ByteMath(Box::new(*m)),
        Test::Entropy(e) => Op::Entropy(Box::new(*e)),
        Test::Asn1(a) => Op::Asn1(Box::new(*a)),
        Test::Dataset(d) => Op::Dataset(Box::new(DatasetOp::new(d))),
        Test::IsDataAt(d) => Op::IsDataAt(*d),
        Test::Base64Decode(decode) => Op::Base64(Box::new(Base64Op {
            decode: *decode,
            program: decoded.map(|tests| compile(tests, None, None)),
        })),
        Test::Size(r) => Op::Size(*r),
    }
}

/// Whether a later occurrence of a content can succeed where the first one failed.
///
/// It cannot if nothing relative follows, nor if the next test is a content that may stand
/// anywhere behind: a later start leaves that fewer places, each tried already.
fn retry_helps(rest: &[Test]) -> bool {
    let Some(next) = rest.first() else {
        return false;
    };
    let free = match next {
        Test::Content(c) => {
            !c.negated
                && c.within.is_none()
                && c.depth.is_none()
                && matches!(c.distance, Some(Value::Const(_)))
        }
        _ => false,
    };
    next.is_relative() && !free
}

/// Whether what a program says of a buffer may change when the buffer grows, other than from no
/// to yes. Such tests wait for the whole buffer. `decoded` are the tests behind `base64_data`.
pub(crate) fn needs_whole_buffer(tests: &[Test], decoded: Option<&[Test]>) -> bool {
    tests.iter().any(|test| match test {
        Test::Content(c) => c.negated || c.endswith,
        Test::Pcre(p) => {
            p.negated
                || ["$", r"\z", r"\Z", "(?!", "(?<!", r"\b", r"\B"]
                    .iter()
                    .any(|s| p.pattern.contains(s))
        }
        Test::ByteTest(_) | Test::ByteExtract(_) | Test::ByteMath(_) | Test::Asn1(_) => false,
        Test::ByteJump(j) => j.from_end,
        Test::IsDataAt(d) => d.negated,
        Test::Base64Decode(_) => decoded.is_some_and(|tests| needs_whole_buffer(tests, None)),
        Test::Size(_) | Test::Entropy(_) | Test::Dataset(_) => true,
    })
}

/// Within how many bytes a match of the whole program lies: a rule has nothing to gain from bytes
/// further back or further on. `None`: anywhere.
pub(crate) fn span(tests: &[Test]) -> Option<u32> {
    // Tests that each count from the start reach as far as the furthest of them.
    let anchored: Option<Vec<i64>> = tests
        .iter()
        .map(|t| match t {
            Test::Content(c) => content_end(c),
            _ => None,
        })
        .collect();
    if let Some(furthest) = anchored.and_then(|ends| ends.into_iter().max()) {
        return u32::try_from(furthest).ok();
    }
    let mut total: i64 = 0;
    for (at, test) in tests.iter().enumerate() {
        total = total.checked_add(reach(test, at == 0)?)?;
    }
    u32::try_from(total).ok()
}

/// How many bytes a test adds behind the ones before.
fn reach(test: &Test, first: bool) -> Option<i64> {
    let constant = |v: Value| match v {
        Value::Const(n) => Some(n),
        Value::Var(_) => None,
    };
    match test {
        Test::Content(c) if first && !c.negated && !c.endswith && !c.is_relative() => {
            content_end(c).or(if c.offset.is_none() {
                Some(c.pattern.len() as i64)
            } else {
                None
            })
        }
        Test::Content(c) if c.is_relative() => {
            let distance = c.distance.map_or(Some(0), constant)?.max(0);
            Some(distance + constant(c.within?)?.max(0))
        }
        Test::IsDataAt(d) if d.relative => Some(constant(d.position)?.max(0)),
        Test::ByteTest(t) if t.format.relative => {
            Some(constant(t.offset)?.max(0) + constant(t.bytes)?.max(0))
        }
        Test::ByteExtract(x) if x.format.relative => {
            Some(i64::from(x.offset).max(0) + i64::from(x.format.bytes))
        }
        _ => None,
    }
}

/// Where in the buffer the content ends at the latest.
fn content_end(c: &Content) -> Option<i64> {
    if c.is_relative() || c.negated {
        return None;
    }
    if c.startswith {
        return Some(c.pattern.len() as i64);
    }
    let Some(Value::Const(depth)) = c.depth else {
        return None;
    };
    match c.offset {
        None => Some(depth),
        Some(Value::Const(offset)) => offset.checked_add(depth),
        Some(Value::Var(_)) => None,
    }
}

/// How many bytes from the buffer's start a content needs to be looked for in.
pub(crate) fn head(content: &Content) -> Option<u32> {
    content_end(content).and_then(|end| u32::try_from(end).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::keywords::{Limits, Variables, evaluate};
    use crate::signature::{self, Classes};

    fn program(options: &str) -> Option<Program> {
        let rule = format!("alert tcp any any -> any any (msg:\"m\"; {options} sid:1;)");
        let names = signature::Variables::default();
        let parsed = signature::parse_bytes("t", rule.as_bytes(), &names, &Classes::default());
        let signature = parsed.signatures.first()?;
        Some(compile(&signature.buffers.first()?.tests, None, None))
    }

    /// Tests that look for little, so that they find it often, and at wrong places.
    fn option() -> impl Strategy<Value = String> {
        let literal = || proptest::sample::select(vec!["a", "b", "ab", "ba", "aa", "c"]);
        let place = proptest::sample::select(vec![
            "",
            "distance:0; ",
            "distance:2; ",
            "distance:-2; ",
            "distance:1; offset:9; ",
            "within:3; ",
            "distance:1; within:4; ",
            "offset:3; ",
            "depth:8; ",
            "offset:2; depth:9; ",
            "endswith; ",
            "distance:0; endswith; ",
            "startswith; ",
        ]);
        let expression = proptest::sample::select(vec![
            "/a.b/R",
            "/b+?c/R",
            "/^b/R",
            r"/\bb/R",
            "/a[^b]*b|b/R",
            "/c$/R",
            "/(?<=a)b/R",
            r"/(a)b*\1/R",
            "/ab+/",
            "/b.*c/",
        ]);
        let other = proptest::sample::select(vec![
            "isdataat:4,relative; ",
            "isdataat:!4,relative; ",
            "isdataat:20; ",
            "byte_test:1,>,97,0,relative; ",
            "byte_test:1,=,98,2; ",
            "byte_jump:1,0,relative,post_offset -96; ",
            "byte_extract:1,0,v,relative; byte_test:1,=,v,1,relative; ",
            "bsize:>9; ",
        ]);
        let negation = || proptest::sample::select(vec!["", "", "", "!"]);
        prop_oneof![
            4 => (negation(), literal(), place)
                .prop_map(|(not, text, place)| format!("content:{not}\"{text}\"; {place}")),
            2 => (negation(), expression).prop_map(|(not, text)| format!("pcre:{not}\"{text}\"; ")),
            1 => other.prop_map(str::to_owned),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
        /// A failure that spares other tries spares none that would have matched.
        #[test]
        fn what_is_not_tried_would_not_have_matched(
            options in proptest::collection::vec(option(), 1..5),
            texts in proptest::collection::vec(
                proptest::collection::vec(proptest::sample::select(b"aaabbbc-".to_vec()), 0..30),
                8,
            ),
        ) {
            // Not every row of options is a rule.
            let Some(sparing) = program(&options.concat()) else {
                return Ok(());
            };
            let exhaustive = Program { exhaustive: true, ..program(&options.concat()).unwrap() };
            for text in texts {
                for base in [0, 3] {
                    let mut limits = Limits::default();
                    let mut try_all = |program| {
                        evaluate(program, &text, base, &mut Variables::default(), &mut limits)
                    };
                    prop_assert_eq!(try_all(&sparing), try_all(&exhaustive));
                }
            }
        }
    }

    #[test]
    fn a_search_that_finds_nothing_is_not_made_again_further_on() {
        for options in [
            r#"content:"="; pcre:"/.+?(?:on|script)/R";"#,
            r#"content:"="; pcre:"/never/R";"#,
            r#"content:"="; content:"x"; distance:0; within:90; content:"never"; distance:0;"#,
            r#"content:"="; byte_test:1,>,0,0,relative; content:"never"; offset:4;"#,
            r#"content:"="; content:"x"; distance:0; within:9; isdataat:20000,relative;"#,
        ] {
            let text = b"x=".repeat(5_000);
            let mut limits = Limits::default();
            let program = program(options).unwrap();
            let found = evaluate(&program, &text, 0, &mut Variables::default(), &mut limits);
            assert_eq!(found, None, "{options}");
            let most = 3 * text.len() as u64;
            assert!(limits.work < most, "{options}: {} units", limits.work);
        }
    }
}
