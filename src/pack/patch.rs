//! `patch.toml`, and the patch as a whole.

use std::sync::Arc;

use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;

use super::hash::ContentHash;
use super::manifest::{NAME_RULE, is_name};
use crate::scenario::{ContentPattern, Diagnostics, Scenario, error_at, from_toml};
use crate::signature::Diagnostic;
use crate::signature::ast::{Signature, SignatureId, Test};
use crate::verdict::Mode;

/// A named set of signatures for one vulnerability, with what shows that they hold.
#[derive(Clone, Debug)]
pub struct Patch {
    pub description: Description,
    pub signatures: Vec<Arc<Signature>>,
    /// What the rule reader remarked on signatures that stand all the same.
    pub warnings: Diagnostics,
    /// Must be stopped; never empty.
    pub attacks: Vec<Scenario>,
    /// Must pass untouched; never empty.
    pub benign: Vec<Scenario>,
    pub hash: ContentHash,
}

impl Patch {
    pub fn id(&self) -> &str {
        &self.description.id
    }

    pub fn owns(&self, id: SignatureId) -> bool {
        self.signatures.iter().any(|signature| signature.id == id)
    }

    /// What its signatures look for, each once.
    pub fn contents(&self) -> Vec<ContentPattern> {
        let mut contents = Vec::new();
        let buffers = self.signatures.iter().flat_map(|s| &s.buffers);
        for test in buffers.flat_map(|buffer| &buffer.tests) {
            let Test::Content(content) = test else {
                continue;
            };
            let pattern = ContentPattern {
                bytes: content.pattern.clone(),
                nocase: content.nocase,
            };
            if !content.negated && !contents.contains(&pattern) {
                contents.push(pattern);
            }
        }
        contents
    }
}

/// What `patch.toml` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The name of the patch's folder.
    pub id: String,
    pub title: String,
    pub cve: Vec<String>,
    /// Base score, 0 to 10.
    pub cvss: Option<f64>,
    pub published: Date,
    pub owner: String,
    pub affects: Vec<Affected>,
    pub references: Vec<String>,
    pub mode: Mode,
    pub response: Response,
    /// The last day on which the patch is wanted.
    pub expires: Option<Date>,
    /// What it cannot see.
    pub coverage: String,
}

/// One product that has the vulnerability.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    pub product: String,
    pub versions: String,
    /// How the product shows itself on the wire.
    pub wire: String,
}

/// What becomes of a flow that a signature of the patch refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Silence.
    Drop,
    /// Both ends are told.
    Reset,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Spanned<String>,
    title: Spanned<String>,
    cve: Vec<Spanned<String>>,
    cvss: Option<Spanned<f64>>,
    published: Spanned<toml::Value>,
    owner: Spanned<String>,
    affects: Vec<Affected>,
    #[serde(default)]
    references: Vec<Spanned<String>>,
    mode: Mode,
    response: Response,
    expires: Option<Spanned<toml::Value>>,
    coverage: Spanned<String>,
}

impl Description {
    /// Reads the text of a `patch.toml` in the folder `folder`; `file` is its name in errors.
    pub fn parse(file: &str, source: &str, folder: &str) -> Result<Self, Diagnostics> {
        let raw: Raw =
            toml::from_str(source).map_err(|error| vec![from_toml(file, source, &error)])?;
        let mut check = Check {
            file,
            source,
            errors: Vec::new(),
        };
        check.id(&raw.id, folder);
        for (text, what) in [
            (&raw.title, "`title`"),
            (&raw.owner, "`owner`"),
            (&raw.coverage, "`coverage`"),
        ] {
            check.that(!text.get_ref().trim().is_empty(), text, || {
                format!("{what} is empty")
            });
        }
        for cve in &raw.cve {
            check.that(is_cve(cve.get_ref()), cve, || {
                format!(
                    "`{}` is not a CVE number such as CVE-2014-0160",
                    cve.get_ref()
                )
            });
        }
        if let Some(cvss) = &raw.cvss {
            check.that((0.0..=10.0).contains(cvss.get_ref()), cvss, || {
                "a CVSS score lies between 0 and 10".to_owned()
            });
        }
        for reference in &raw.references {
            let url = reference.get_ref();
            let is_url = url.starts_with("https://") || url.starts_with("http://");
            check.that(is_url, reference, || format!("`{url}` is not a URL"));
        }
        let published = check.date(&raw.published);
        let expires = raw.expires.as_ref().map(|date| check.date(date));
        let (Some(published), true) = (published, check.errors.is_empty()) else {
            return Err(check.errors);
        };
        let inner = |texts: Vec<Spanned<String>>| texts.into_iter().map(Spanned::into_inner);
        Ok(Self {
            id: raw.id.into_inner(),
            title: raw.title.into_inner(),
            cve: inner(raw.cve).collect(),
            cvss: raw.cvss.map(Spanned::into_inner),
            published,
            owner: raw.owner.into_inner(),
            affects: raw.affects,
            references: inner(raw.references).collect(),
            mode: raw.mode,
            response: raw.response,
            expires: expires.flatten(),
            coverage: raw.coverage.into_inner(),
        })
    }
}

struct Check<'a> {
    file: &'a str,
    source: &'a str,
    errors: Diagnostics,
}

impl Check<'_> {
    fn that<T>(&mut self, holds: bool, place: &Spanned<T>, message: impl FnOnce() -> String) {
        if !holds {
            let error = self.at(place, message());
            self.errors.push(error);
        }
    }

    fn at<T>(&self, place: &Spanned<T>, message: String) -> Diagnostic {
        error_at(self.file, self.source, place.span(), message)
    }

    fn id(&mut self, id: &Spanned<String>, folder: &str) {
        self.that(is_name(id.get_ref()), id, || NAME_RULE.to_owned());
        self.that(id.get_ref() == folder, id, || {
            format!("the id is not the name of its folder, `{folder}`")
        });
    }

    /// A date of TOML's own kind, or its text.
    fn date(&mut self, value: &Spanned<toml::Value>) -> Option<Date> {
        let text = match value.get_ref() {
            toml::Value::Datetime(date) => date.to_string(),
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let date: Option<Date> = text
            .parse()
            .ok()
            .filter(|_| text.len() == "2014-04-07".len());
        self.that(date.is_some(), value, || {
            format!("`{text}` is not a date such as 2014-04-07")
        });
        date
    }
}

/// `CVE-YEAR-NUMBER`, the number of four digits or more.
fn is_cve(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix("CVE-")
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(year, number)| {
            year.len() == 4 && digits(year) && (4..=19).contains(&number.len()) && digits(number)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"id = "heartbleed"
title = "t"
cve = ["CVE-2014-0160"]
cvss = 7.5
published = 2014-04-07
owner = "ops"
references = ["https://example.org/"]
mode = "prevent"
response = "reset"
expires = "2030-01-31"
coverage = "none"

[[affects]]
product = "OpenSSL"
versions = "1.0.1 to 1.0.1f"
wire = "heartbeat extension"
"#;

    fn parse(source: &str) -> Result<Description, Diagnostics> {
        Description::parse("patch.toml", source, "heartbleed")
    }

    #[test]
    fn a_good_one_is_read() {
        let description = parse(GOOD).unwrap();
        assert_eq!(description.published, Date::constant(2014, 4, 7));
        assert_eq!(description.response, Response::Reset);
        assert_eq!(description.affects[0].product, "OpenSSL");
        assert_eq!(description.expires, Some(Date::constant(2030, 1, 31)));
        let lasting = parse(&GOOD.replace("expires = \"2030-01-31\"\n", "")).unwrap();
        assert_eq!(lasting.expires, None);
    }

    #[test]
    fn each_fault_is_placed() {
        for (good, bad, line, column) in [
            ("id = \"heartbleed\"", "id = \"other\"", 1, 6),
            ("\"t\"", "\" \"", 2, 9),
            (
                "\"CVE-2014-0160\"",
                "\"CVE-2014-0160\", \"2014-0160\"",
                3,
                25,
            ),
            ("CVE-2014-0160", "CVE-2014-160", 3, 8),
            ("7.5", "10.5", 4, 8),
            ("7.5", "nan", 4, 8),
            ("2014-04-07", "2014-04-31", 5, 13),
            ("2014-04-07", "2014-04-07T00:00:00Z", 5, 13),
            ("2014-04-07", "7", 5, 13),
            ("https://", "gopher://", 7, 15),
            ("\"prevent\"", "\"prevnt\"", 8, 8),
            ("\"reset\"", "\"rst\"", 9, 12),
            ("2030-01-31", "soon", 10, 11),
        ] {
            let errors = parse(&GOOD.replace(good, bad)).unwrap_err();
            let places: Vec<_> = errors.iter().map(|e| (e.line, e.column)).collect();
            assert_eq!(places, [(line, column)], "{bad}: {errors:?}");
        }
    }

    #[test]
    fn misspelt_words_are_named() {
        for (good, bad, meant) in [
            ("coverage", "covrage", "coverage"),
            ("\"prevent\"", "\"prevnt\"", "prevent"),
            ("versions", "version", "versions"),
        ] {
            let errors = parse(&GOOD.replace(good, bad)).unwrap_err();
            let wanted = format!("did you mean `{meant}`?");
            assert_eq!(errors[0].help.as_deref(), Some(&*wanted), "{errors:?}");
        }
    }

    #[test]
    fn what_must_stand_must_stand() {
        for line in [
            "title",
            "coverage",
            "mode",
            "response",
            "owner",
            "published",
            "cve",
        ] {
            let without: String = GOOD
                .lines()
                .filter(|l| !l.starts_with(&format!("{line} ")))
                .map(|l| format!("{l}\n"))
                .collect();
            let errors = parse(&without).unwrap_err();
            assert!(errors[0].message.contains(line), "{errors:?}");
        }
    }
}
