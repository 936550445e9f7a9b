//! `requires`: rules for other engines are left out, and need not be understood.

use super::find;
use crate::signature::lex::{Arg, Fault, Opt};

/// The version of the rule language that is read here.
const VERSION: [u32; 3] = [8, 0, 0];

/// What other engines may be built without, and is always here.
const FEATURES: &[&str] = &["ja3", "ja4"];

/// Whether this engine is one that the rule asks for.
pub(in crate::signature) fn are_met(opt: &Opt<'_>) -> Result<bool, Fault> {
    let mut met = true;
    for part in opt.value()?.unquoted()?.split(',') {
        let Some((key, value)) = part.split_once(" ") else {
            return Err(part.fault("expected `version`, `keyword` or `feature` and a value"));
        };
        met &= match key.text {
            "version" => version(value)?,
            "keyword" => find(value.text).is_some(),
            "feature" => FEATURES.contains(&value.text),
            _ => return Err(key.fault("expected `version`, `keyword` or `feature`")),
        };
    }
    Ok(met)
}

/// Alternatives with `|` between them; conditions of one with spaces.
fn version(value: Arg<'_>) -> Result<bool, Fault> {
    let mut met = false;
    for alternative in value.split('|') {
        let mut words = alternative.split(' ').filter(|w| !w.text.is_empty());
        let (mut all, mut any) = (true, false);
        while let Some(operator) = words.next() {
            let number = words
                .next()
                .ok_or_else(|| operator.fault("a version is missing behind this"))?;
            let ordering = VERSION.cmp(&numbers(number)?);
            all &= match operator.text {
                ">=" => ordering.is_ge(),
                ">" => ordering.is_gt(),
                "<=" => ordering.is_le(),
                "<" => ordering.is_lt(),
                _ => return Err(operator.fault("expected >=, >, <= or <")),
            };
            any = true;
        }
        if !any {
            return Err(value.fault("expected a condition such as `>= 8`"));
        }
        met |= all;
    }
    Ok(met)
}

fn numbers(arg: Arg<'_>) -> Result<[u32; 3], Fault> {
    let mut numbers = [0; 3];
    // What follows a hyphen names a build.
    let release = arg.text.split('-').next().unwrap_or(arg.text);
    let parts: Vec<&str> = release.split('.').collect();
    if parts.len() > numbers.len() {
        return Err(arg.fault("a version has three numbers at most"));
    }
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part
            .parse()
            .map_err(|_| arg.fault(format!("`{}` is no version", arg.text)))?;
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::lex::statement;

    #[test]
    fn versions_and_keywords_are_asked_for() {
        for (text, met) in [
            ("version >= 8.0.0", true),
            ("version >= 7 < 8", false),
            ("version >= 7.0.3 < 8 | >= 9.0.99", false),
            ("version >= 7.0.3 < 8 | >= 8", true),
            ("version >= 8, keyword sid", true),
            ("version >= 8, keyword foobar", false),
            ("version < 8.0.1-dev", true),
            ("feature output::file-store", false),
            ("version >= 8, feature ja4", true),
        ] {
            let rule = format!("t (requires: {text};)");
            let statement = statement(&rule).unwrap();
            assert_eq!(are_met(&statement.options[0]), Ok(met), "{text}");
        }
        for text in [
            "version",
            "version 8",
            "version = 8",
            "version >= x",
            "lua 5",
        ] {
            let rule = format!("t (requires: {text};)");
            let statement = statement(&rule).unwrap();
            assert!(are_met(&statement.options[0]).is_err(), "{text}");
        }
    }
}
