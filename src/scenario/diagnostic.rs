//! Errors in text files that people write, told by file, line and column.

use std::ops::Range;

use crate::signature::{Diagnostic, Severity, nearest};

/// All errors of one input; never empty when returned as an error.
pub type Diagnostics = Vec<Diagnostic>;

/// An error about a file as a whole, such as one that cannot be read.
pub fn whole_file(file: &str, message: impl Into<String>) -> Diagnostic {
    error_at(file, "", 0..0, message)
}

/// An error at the bytes `span` of `source`, the text of `file`.
pub fn error_at(
    file: &str,
    source: &str,
    span: Range<usize>,
    message: impl Into<String>,
) -> Diagnostic {
    Diagnostic::new(Severity::Error, &file.into(), source, span, message)
}

/// What `toml` found wrong with `source`, with a suggestion for a misspelt name.
pub fn from_toml(file: &str, source: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim();
    let diagnostic = match error.span() {
        Some(span) => error_at(file, source, span, message),
        None => whole_file(file, message),
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
    nearest(given, quoted)
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
        assert!(diagnostic.render(false).contains("covrage = \"none\""));
    }
}
