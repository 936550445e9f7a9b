//! What is wrong with the file, where, and what was likely meant.

use std::fmt;
use std::ops::Range;

use toml::de::DeTable;

/// Columns of a line that are shown.
const MAX_SHOWN: usize = 160;
/// Names less alike than this (of 1) are not suggested.
const ALIKE: f64 = 0.6;

/// An error in the configuration.
///
/// Its `Display` is `file:line:column: message`, the line with the fault marked, and help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: String,
    pub message: String,
    pub help: Option<String>,
    /// `None` where the file could not be read at all.
    pub place: Option<Place>,
}

/// Where in the file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// Characters at fault, on that line; at least 1.
    pub width: usize,
    /// The line, without control characters and cut where it is long.
    pub text: String,
    /// Bytes at fault in the whole file.
    pub span: Range<usize>,
}

impl ConfigError {
    pub(super) fn without_place(file: &str, message: String) -> Self {
        Self {
            file: file.to_owned(),
            message,
            help: None,
            place: None,
        }
    }

    pub(super) fn at(file: &str, text: &str, span: Range<usize>, message: String) -> Self {
        Self {
            help: suggestion(&message),
            message: harmless(&message),
            file: file.to_owned(),
            place: Some(Place::of(text, span)),
        }
    }

    pub(super) fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span().unwrap_or(0..0);
        let message = error
            .message()
            .trim()
            .replace("unknown field", "unknown key");
        Self::at(file, text, span, message)
    }
}

impl Place {
    fn of(text: &str, span: Range<usize>) -> Self {
        let start = text.floor_char_boundary(span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default();
        let faulty = text
            .get(start..text.floor_char_boundary(span.end).max(start))
            .and_then(|t| t.lines().next())
            .unwrap_or_default();
        let shown = line.chars().take(MAX_SHOWN);
        Self {
            line: before.matches('\n').count() + 1,
            column: text.get(line_start..start).map_or(0, |t| t.chars().count()) + 1,
            width: faulty.chars().count().max(1),
            text: shown
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            span,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else {
            return write!(f, "{}: {}", self.file, self.message);
        };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(place.column - 1);
        let room = MAX_SHOWN.saturating_sub(place.column).max(1);
        let marks = "^".repeat(place.width.min(room));
        writeln!(
            f,
            "{}:{}:{}: {}",
            self.file, place.line, place.column, self.message
        )?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", place.text)?;
        write!(f, "{margin} | {indent}{marks}")?;
        match &self.help {
            Some(help) => write!(f, "\n{margin} = help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The file's own words stand in messages: nothing of them may steer a terminal.
fn harmless(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// "did you mean", from a message of the form ``unknown NOUN `x`, expected one of `a`, `b` ``.
fn suggestion(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let given = names.next()?;
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(given, name);
    let best = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) >= ALIKE).then(|| format!("did you mean `{best}`?"))
}

/// Where the value of `[table] key` stands; the table's own place where it has no such key.
pub(super) fn span_of(text: &str, [table, key]: [&str; 2]) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let table = document.get_ref().get(table)?;
    let value = table.get_ref().as_table().and_then(|t| t.get(key));
    Some(value.unwrap_or(table).span())
}
