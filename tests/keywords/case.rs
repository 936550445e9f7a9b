//! The text of cases.

use std::collections::HashMap;

use super::traffic::{self, Traffic};

/// What is expected of the last rule on one traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// At least once, or so many times.
    Fires(Option<usize>),
    Quiet,
}

#[derive(Debug)]
pub struct Case {
    /// `file:line`.
    pub place: String,
    pub keywords: Vec<String>,
    /// Whole rules, each with a sid; the last one is the one watched.
    pub rules: Vec<String>,
    pub lines: Vec<(String, Expectation, Traffic)>,
}

/// Reads a file of cases; panics where it is wrong, with the place.
pub fn read(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut named: HashMap<String, String> = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(keywords) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            cases.push(Case {
                place,
                keywords: keywords.split(',').map(|k| k.trim().to_owned()).collect(),
                rules: Vec::new(),
                lines: Vec::new(),
            });
            continue;
        }
        if let Some((expectation, rest)) = expectation(line) {
            let case = cases.last_mut().expect(&place);
            assert!(!case.rules.is_empty(), "{place}: traffic before any rule");
            let traffic = traffic::read(rest, &named).unwrap_or_else(|e| panic!("{place}: {e}"));
            case.lines.push((place, expectation, traffic));
            continue;
        }
        if let Some((name, definition)) = definition(line) {
            named.insert(name.to_owned(), definition.to_owned());
            continue;
        }
        let case = cases
            .last_mut()
            .unwrap_or_else(|| panic!("{place}: a rule before any [keyword]"));
        assert!(
            case.lines.is_empty(),
            "{place}: a rule behind traffic: begin another [keyword]"
        );
        let rule = with_sid(line, case.rules.len() + 1);
        case.rules
            .push(rule.unwrap_or_else(|| panic!("{place}: this is no rule")));
    }
    cases
}

/// `+`, `+3` or `-`, and what stands behind it.
fn expectation(line: &str) -> Option<(Expectation, &str)> {
    let (mark, rest) = line.split_once(' ')?;
    let expectation = match (mark.strip_prefix('+'), mark) {
        (Some(""), _) => Expectation::Fires(None),
        (Some(times), _) => Expectation::Fires(Some(times.parse().ok()?)),
        (None, "-") => Expectation::Quiet,
        _ => return None,
    };
    Some((expectation, rest.trim()))
}

/// `name = traffic`
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, definition) = line.split_once(" = ")?;
    let good = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    good.then(|| (name, definition.trim()))
}

fn with_sid(rule: &str, number: usize) -> Option<String> {
    let open = rule.find('(')?;
    let body = rule.get(open + 1..)?.strip_suffix(')')?;
    let written = body
        .split(';')
        .any(|option| option.trim_start().starts_with("sid:"));
    Some(match written {
        true => rule.to_owned(),
        false => format!("{}({} sid:{number};)", &rule[..open], body),
    })
}
