//! Real rule sets, where there are any: `STOPGAP_CORPUS` names the folder that holds `rules/`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::signature::Readings;

/// What the language of this version leaves out.
const LEFT_OUT: &[&str] = &[
    "unknown keyword",
    "is not read in this version",
    "no parser raises the event",
];

fn corpus(name: &str) -> Option<(String, Vec<u8>)> {
    let Some(folder) = std::env::var_os("STOPGAP_CORPUS") else {
        eprintln!("skipped: STOPGAP_CORPUS is not set");
        return None;
    };
    let path = PathBuf::from(folder).join("rules").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Some((name.to_owned(), bytes))
}

/// Reads a rule set and prints what became of it. A failure for another reason than a
/// keyword, protocol or event outside of this version fails the test.
fn read_set(name: &str) -> Option<ParsedFile> {
    let (name, bytes) = corpus(name)?;
    let began = Instant::now();
    let parsed = parse_bytes(&name, &bytes, &Variables::default(), &Classes::default());
    let took = began.elapsed();
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in &parsed.failures {
        *causes.entry(&failure.message).or_default() += 1;
    }
    eprintln!(
        "{name}: {} read, {} failed, {} warnings, {took:?}",
        parsed.signatures.len(),
        parsed.failures.len(),
        parsed.warnings.len(),
    );
    let mut causes: Vec<_> = causes.into_iter().collect();
    causes.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (cause, n) in causes {
        eprintln!("{n:7} {cause}");
    }
    let mut odd: BTreeMap<String, usize> = BTreeMap::new();
    for warning in &parsed.warnings {
        let kind: String = warning
            .message
            .chars()
            .filter(|c| !c.is_ascii_digit())
            .collect();
        *odd.entry(kind).or_default() += 1;
    }
    for (kind, n) in odd {
        eprintln!("{n:7} warning: {kind}");
    }
    let unexpected: Vec<String> = parsed
        .failures
        .iter()
        .filter(|f| !LEFT_OUT.iter().any(|l| f.message.contains(l)))
        .map(|f| f.render(false))
        .collect();
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    Some(parsed)
}

#[test]
fn the_large_set_fails_only_by_what_is_left_out() {
    let Some(parsed) = read_set("et-open.rules") else {
        return;
    };
    assert!(parsed.signatures.len() > 20_000);
}

#[test]
fn the_server_exploits_are_read_nearly_whole() {
    let Some(parsed) = read_set("server-exploits.rules") else {
        return;
    };
    assert!(parsed.signatures.len() > 9 * parsed.failures.len());
}

#[test]
fn every_expression_compiles_on_the_engine_chosen_for_it() {
    let Some(parsed) = read_set("et-open.rules") else {
        return;
    };
    let (mut fast, mut slow) = (0, 0);
    let tests = parsed.signatures.iter().flat_map(|s| &s.buffers);
    for test in tests.flat_map(|g| &g.tests) {
        let Test::Pcre(pcre) = test else { continue };
        if pcre.needs_pcre2 {
            slow += 1;
            continue;
        }
        fast += 1;
        if let Err(error) = regex::bytes::RegexBuilder::new(&pcre.pattern)
            .unicode(false)
            .build()
        {
            panic!("{}: {error}", pcre.pattern);
        }
    }
    eprintln!("{fast} expressions for `regex`, {slow} for `pcre2`");
}

#[test]
fn what_is_known_of_expressions_changes_nothing() {
    let Some((name, bytes)) = corpus("et-open.rules") else {
        return;
    };
    let (variables, classes) = (Variables::default(), Classes::default());
    let read = |readings: &Readings| {
        let mut surroundings = Surroundings::new(&variables, &classes);
        surroundings.readings = Some(readings);
        format!("{:?}", parse_bytes_in(&name, bytes.clone(), &surroundings))
    };
    let first = Readings::default();
    let fresh = read(&first);
    let kept = Readings::from_bytes(&first.to_bytes()).unwrap();
    assert!(kept.known() > 1_000);
    assert!(read(&kept) == fresh && !kept.has_news());
}
