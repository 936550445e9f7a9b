//! Errors in text files that people write, told by file, line and column.

use std::fmt;
use std::ops::Range;

/// One error in one file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    /// As the person named it, or relative to the pack.
    pub file: String,
    /// From 1; zero where the error is about the whole file.
    pub line: u32,
    /// From 1, in characters; zero where the error is about the whole file.
    pub column: u32,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line at fault, without its line end; empty where there is none.
    pub text: String,
}

/// All errors of one input; never empty when returned as an error.
pub type Diagnostics = Vec<Diagnostic>;

/// An error about a file as a whole, such as one that cannot be read.
pub fn whole_file(file: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::whole_file(file, message)
}

/// An error at the bytes `span` of `source`, the text of `file`.
pub fn error_at(
    file: &str,
    source: &str,
    span: Range<usize>,
    message: impl Into<String>,
) -> Diagnostic {
    Diagnostic::at(file, source, span, message)
}

impl Diagnostic {
    /// An error about a file as a whole, such as one that cannot be read.
    fn whole_file(file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            text: String::new(),
        }
    }

    /// An error at the bytes `span` of `source`, the text of `file`.
    fn at(file: &str, source: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let (line, column, text) = locate(source, span.start);
        Self {
            file: file.to_owned(),
            line,
            column,
            message: message.into(),
            help: None,
            text: text.to_owned(),
        }
    }

    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

/// Line and column from 1, and the line itself, of the byte at `offset`.
fn locate(source: &str, offset: usize) -> (u32, u32, &str) {
    let before = source
        .char_indices()
        .take_while(|(at, _)| *at < offset)
        .map(|(_, c)| c);
    let (mut line, mut column) = (1_u32, 1_u32);
    for c in before {
        if c == '\n' {
            line = line.saturating_add(1);
            column = 1;
        } else {
            column = column.saturating_add(1);
        }
    }
    let text = source.lines().nth(line as usize - 1).unwrap_or_default();
    (line, column, text)
}

/// What `toml` found wrong with `source`, with a suggestion for a misspelt name.
pub fn from_toml(file: &str, source: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim();
    let diagnostic = match error.span() {
        Some(span) => Diagnostic::at(file, source, span, message),
        None => Diagnostic::whole_file(file, message),
    };
    diagnostic.with_help(misspelt(message).map(|meant| format!("did you mean `{meant}`?")))
}

/// serde says "unknown field `x`, expected one of `a`, `b`": the closest to `x`.
fn misspelt(message: &str) -> Option<&str> {
    let rest = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("unknown variant `"))?;
    let mut quoted = rest.split('`').step_by(2);
    let given = quoted.next()?;
    closest(given, quoted)
}

/// The candidate that `given` was most likely meant to be, if any is near.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.75;
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(given, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= NEAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "response")]
        _response: String,
        #[serde(rename = "coverage")]
        _coverage: String,
    }

    #[test]
    fn an_unknown_key_is_placed_and_its_likely_meaning_named() {
        let source = "response = \"drop\"\ncovrage = \"none\"\n";
        let error = toml::from_str::<Sample>(source).unwrap_err();
        let diagnostic = from_toml("patch.toml", source, &error);
        assert_eq!((diagnostic.line, diagnostic.column), (2, 1));
        assert_eq!(
            diagnostic.help.as_deref(),
            Some("did you mean `coverage`?"),
            "{diagnostic}"
        );
        assert_eq!(diagnostic.text, "covrage = \"none\"");
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let (line, column, text) = locate("a\nüü x", 2 + 5);
        assert_eq!((line, column, text), (2, 4, "üü x"));
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        assert_eq!(locate("ab", 99), (1, 3, "ab"));
        assert_eq!(locate("", 5), (1, 1, ""));
    }

    #[test]
    fn nothing_is_suggested_for_what_is_far_off() {
        assert_eq!(closest("zzz", ["response", "coverage"]), None);
    }
}
