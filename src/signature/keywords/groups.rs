//! The groups of an expression, and the variables that they set.

use crate::signature::ast::{CaptureScope, PcreCapture};
use crate::signature::lex::{Arg, Fault};

/// Groups of one expression that may set variables.
const MAX_CAPTURES: usize = 8;
/// Longest name of a variable, in bytes.
const MAX_NAME: usize = 64;

/// One group that takes what it matches.
struct Group<'a> {
    /// Of its bracket.
    at: usize,
    /// Name, and where what is inside of the group begins.
    name: Option<(&'a str, usize)>,
}

/// The capturing groups of an expression, in their order.
fn all(pattern: &str) -> Vec<Group<'_>> {
    let bytes = pattern.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'[' => at = end_of_class(bytes, at),
            b'(' => {
                let rest = pattern.get(at + 1..).unwrap_or("");
                let open = ["?P<", "?<", "?'"].iter().find(|o| rest.starts_with(**o));
                match open {
                    // Look-behind.
                    Some(&"?<") if rest.starts_with("?<=") || rest.starts_with("?<!") => {}
                    Some(open) => {
                        let name = rest.get(open.len()..).unwrap_or("");
                        if let Some(end) = name.find(['>', '\'']) {
                            let inside = at + 1 + open.len() + end + 1;
                            found.push(Group {
                                at,
                                name: name.get(..end).map(|n| (n, inside)),
                            });
                        }
                    }
                    None if rest.starts_with(['?', '*']) => {}
                    None => found.push(Group { at, name: None }),
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Index of the `]` that closes the class; of the last byte where none does.
fn end_of_class(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    if bytes.get(at) == Some(&b'^') {
        at += 1;
    }
    // First of all it stands for itself.
    if bytes.get(at) == Some(&b']') {
        at += 1;
    }
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b']' => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// How many groups take what they match.
pub(super) fn count(pattern: &str) -> usize {
    all(pattern).len()
}

/// Reads groups such as `(?P<flow_NAME>...)`; the expression with these as plain groups.
pub(super) fn named(source: Arg<'_>, captures: &mut Vec<PcreCapture>) -> Result<String, Fault> {
    let mut plain = String::with_capacity(source.text.len());
    let mut from = 0;
    for (number, group) in all(source.text).iter().enumerate() {
        let Some((written, inside)) = group.name else {
            continue;
        };
        let scoped = CaptureScope::ALL.iter().find_map(|scope| {
            let name = written.strip_prefix(scope.as_str())?.strip_prefix('_')?;
            Some((*scope, name))
        });
        let Some((scope, name)) = scoped else {
            continue;
        };
        let place = source.slice(group.at, inside);
        capture(place, number + 1, scope, name, captures)?;
        plain.push_str(source.slice(from, group.at + 1).text);
        from = inside;
    }
    plain.push_str(source.slice(from, source.text.len()).text);
    Ok(plain)
}

/// Reads `flow:NAME, pkt:NAME`, the first of which names the first group.
pub(super) fn listed(
    source: Arg<'_>,
    names: Arg<'_>,
    captures: &mut Vec<PcreCapture>,
) -> Result<(), Fault> {
    let groups = count(source.text);
    for (number, word) in names.split(',').enumerate() {
        let scoped = word.split_once(":").and_then(|(scope, name)| {
            let scope = CaptureScope::ALL
                .iter()
                .find(|s| s.as_str() == scope.text)?;
            Some((*scope, name))
        });
        let Some((scope, name)) = scoped else {
            return Err(word.fault("expected flow, pkt or alert, a colon and a name"));
        };
        if number >= groups {
            return Err(word.fault(format!("the expression has {groups} groups only")));
        }
        capture(name, number + 1, scope, name.text, captures)?;
    }
    Ok(())
}

fn capture(
    place: Arg<'_>,
    group: usize,
    scope: CaptureScope,
    name: &str,
    captures: &mut Vec<PcreCapture>,
) -> Result<(), Fault> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(good) {
        return Err(place.fault(format!("`{name}` is no name of a variable")));
    }
    let number = u8::try_from(group).ok();
    let Some(group) = number.filter(|_| captures.len() < MAX_CAPTURES) else {
        return Err(place.fault(format!("more than {MAX_CAPTURES} groups set variables")));
    };
    captures.push(PcreCapture {
        group,
        scope,
        name: name.to_owned(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_as_the_engines_count_them() {
        for (pattern, groups) in [
            ("a", 0),
            ("(a)(b(c))", 3),
            (r"\((a)", 1),
            ("(?:a)(?=b)(?!c)(?<=d)(?<!e)(?i)(f)", 1),
            ("(?P<x>a)(?<y>b)(?'z'c)", 3),
            ("[(](a)[]()](b)[^](]", 2),
            ("(*LIMIT)(a)", 1),
        ] {
            assert_eq!(count(pattern), groups, "{pattern}");
        }
    }

    #[test]
    fn named_groups_become_plain_and_listed_ones_count_from_the_first() {
        let source = Arg {
            text: "(a)(?P<flow_x>b)(?P<y>c)",
            start: 0,
        };
        let mut captures = Vec::new();
        assert_eq!(named(source, &mut captures).unwrap(), "(a)(b)(?P<y>c)");
        let names = Arg {
            text: "pkt:p, alert:q",
            start: 0,
        };
        listed(source, names, &mut captures).unwrap();
        let found: Vec<_> = captures
            .iter()
            .map(|c| (c.group, c.scope.as_str(), c.name.as_str()))
            .collect();
        assert_eq!(
            found,
            [(2, "flow", "x"), (1, "pkt", "p"), (2, "alert", "q")]
        );
        let four = Arg {
            text: "pkt:a,pkt:b,pkt:c,pkt:d",
            start: 0,
        };
        assert!(listed(source, four, &mut captures).is_err());
    }
}
