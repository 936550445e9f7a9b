//! `pack.toml`: what a pack says about itself.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use toml::Spanned;

use crate::scenario::{Diagnostics, error_at, from_toml};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: Version,
    /// Grows with every release, whatever the version is called.
    pub serial: u64,
    pub description: String,
    /// Every signature of the pack has its number in here.
    pub sids: SidRange,
    /// The oldest engine that understands the pack.
    pub minimum_engine: Version,
}

/// Inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SidRange {
    pub first: u32,
    pub last: u32,
}

impl SidRange {
    pub const fn contains(&self, sid: u32) -> bool {
        self.first <= sid && sid <= self.last
    }
}

impl fmt::Display for SidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Three numbers, as in `1.4.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// The engine's own.
    pub const ENGINE: Self = Self {
        major: digits(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: digits(env!("CARGO_PKG_VERSION_MINOR")),
        patch: digits(env!("CARGO_PKG_VERSION_PATCH")),
    };
}

/// What Cargo says are digits; anything else does not compile.
const fn digits(text: &str) -> u32 {
    let mut rest = text.as_bytes();
    let mut number = 0;
    while let [digit, behind @ ..] = rest {
        number = number * 10 + (*digit - b'0') as u32;
        rest = behind;
    }
    number
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.split('.').map(|part| {
            // `parse` would also take a sign.
            let digits = part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse::<u32>().ok().filter(|_| digits)
        });
        match (
            numbers.next(),
            numbers.next(),
            numbers.next(),
            numbers.next(),
        ) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => Ok(Self {
                major,
                minor,
                patch,
            }),
            _ => Err(format!("`{text}` is not a version such as 1.4.0")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Spanned<String>,
    version: Spanned<String>,
    serial: u64,
    description: String,
    sids: Spanned<[u32; 2]>,
    minimum_engine: Spanned<String>,
}

impl Manifest {
    /// Reads the text of a `pack.toml` for this `engine`; `file` is its name in errors.
    pub fn parse(file: &str, source: &str, engine: Version) -> Result<Self, Diagnostics> {
        let raw: Raw =
            toml::from_str(source).map_err(|error| vec![from_toml(file, source, &error)])?;
        let at = |span, message: String| error_at(file, source, span, message);
        let mut errors = Vec::new();
        if !is_name(raw.name.get_ref()) {
            errors.push(at(raw.name.span(), NAME_RULE.to_owned()));
        }
        let mut version = |text: &Spanned<String>| {
            let read: Result<Version, String> = text.get_ref().parse();
            read.map_err(|error| errors.push(at(text.span(), error)))
                .ok()
        };
        let (own, minimum_engine) = (version(&raw.version), version(&raw.minimum_engine));
        let [first, last] = *raw.sids.get_ref();
        if first == 0 || first > last {
            let message = "`sids` is the first and the last number, from 1".to_owned();
            errors.push(at(raw.sids.span(), message));
        }
        if let Some(needed) = minimum_engine.filter(|needed| *needed > engine) {
            let message = format!("the pack needs Stopgap {needed}, and this is {engine}");
            errors.push(at(raw.minimum_engine.span(), message));
        }
        match (own, minimum_engine) {
            (Some(version), Some(minimum_engine)) if errors.is_empty() => Ok(Self {
                name: raw.name.into_inner(),
                version,
                serial: raw.serial,
                description: raw.description,
                sids: SidRange { first, last },
                minimum_engine,
            }),
            _ => Err(errors),
        }
    }
}

const MAX_NAME_BYTES: usize = 64;
pub const NAME_RULE: &str =
    "a name is 1 to 64 lower-case letters, digits and hyphens, and begins with a letter or digit";

/// Whether `name` may stand in paths, logs and commands.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().next().is_some_and(|first| first != b'-')
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Diagnostic;

    const GOOD: &str = r#"name = "core"
version = "1.2.3"
serial = 4
description = "d"
sids = [10, 20]
minimum_engine = "0.1.0"
"#;
    const ENGINE: Version = Version {
        major: 0,
        minor: 1,
        patch: 0,
    };

    fn error(good: &str, bad: &str) -> Diagnostic {
        let source = GOOD.replace(good, bad);
        let mut errors = Manifest::parse("pack.toml", &source, ENGINE).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }

    #[test]
    fn a_good_one_is_read() {
        let manifest = Manifest::parse("pack.toml", GOOD, ENGINE).unwrap();
        assert_eq!(manifest.version.to_string(), "1.2.3");
        assert!(manifest.sids.contains(10) && manifest.sids.contains(20));
        assert!(!manifest.sids.contains(9) && !manifest.sids.contains(21));
    }

    #[test]
    fn each_fault_is_placed() {
        for (good, bad, line) in [
            ("\"core\"", "\"Core\"", 1),
            ("\"core\"", "\"-x\"", 1),
            ("1.2.3", "1.2", 2),
            ("1.2.3", "1.+2.3", 2),
            ("1.2.3", "1.2.3.4", 2),
            ("[10, 20]", "[20, 10]", 5),
            ("[10, 20]", "[0, 10]", 5),
            ("\"0.1.0\"", "\"0.2.0\"", 6),
            ("serial = 4", "serial = -4", 3),
        ] {
            let error = error(good, bad);
            assert_eq!(error.line, line, "{bad}: {error}");
            assert!(error.column > 0);
        }
        let typo = error("description", "descripton");
        assert_eq!(typo.line, 4);
        assert!(
            typo.to_string().contains("did you mean `description`"),
            "{typo}"
        );
    }

    #[test]
    fn the_engine_knows_its_version() {
        assert_eq!(Version::ENGINE.to_string(), env!("CARGO_PKG_VERSION"));
    }
}
