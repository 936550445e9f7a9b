//! What is wrong with a file, where, and how it is shown.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

/// Longest piece of a line that is kept to be shown, in bytes.
const MAX_SHOWN: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}

/// One finding in a text file. Columns count characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    #[serde(serialize_with = "plain")]
    pub file: Arc<str>,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// First column behind the piece at fault, on the same line.
    pub end_column: u32,
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line, or the part of it around the fault if it is long.
    #[serde(skip)]
    shown: Box<str>,
    /// The piece at fault, as bytes of `shown`.
    #[serde(skip)]
    marked: Range<usize>,
}

impl Diagnostic {
    /// A finding about the bytes `span` of `text`. A span beyond the text is clamped to it,
    /// and one over several lines to its first line.
    pub fn new(
        severity: Severity,
        file: &Arc<str>,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = floor_char(text, span.start);
        let before = text.get(..start).unwrap_or("");
        let line = memchr::memchr_iter(b'\n', before.as_bytes()).count() + 1;
        Self::on_line(severity, file, text, line, span, message)
    }

    /// The same where the number of the line is known, which saves counting them.
    pub(super) fn on_line(
        severity: Severity,
        file: &Arc<str>,
        text: &str,
        line: usize,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = floor_char(text, span.start);
        let begin = text
            .get(..start)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |at| at + 1);
        let rest = text.get(begin..).unwrap_or("");
        let content = rest.lines().next().unwrap_or("");
        let from = (start - begin).min(content.len());
        let to = floor_char(content, span.end.saturating_sub(begin)).max(from);
        let (shown, marked) = excerpt(content, from..to);
        Self {
            severity,
            file: Arc::clone(file),
            line: count(line),
            column: column(content, from),
            end_column: column(content, to),
            message: message.into(),
            help: None,
            shown: shown.into(),
            marked,
        }
    }

    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Shows it as people read it, with the line and the piece at fault underlined.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled().decor_style(DecorStyle::Unicode)
        } else {
            Renderer::plain()
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = format!("{}:{}:{}", self.file, self.line, self.column);
        let snippet = Snippet::source(&*self.shown)
            .line_start(usize::try_from(self.line).unwrap_or(1))
            .fold(false)
            .annotation(AnnotationKind::Primary.span(self.marked.clone()));
        let mut group = level
            .primary_title(normalize_untrusted_str(&format!(
                "{place}: {}",
                self.message
            )))
            .element(snippet);
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        renderer.render(&[group])
    }
}

/// One line: `file:line:column: error: message`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let text = format!(
            "{}:{}:{}: {word}: {}",
            self.file, self.line, self.column, self.message
        );
        f.write_str(&normalize_untrusted_str(&text))?;
        match &self.help {
            Some(help) => write!(f, " ({})", normalize_untrusted_str(help)),
            None => Ok(()),
        }
    }
}

fn plain<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn column(line: &str, at: usize) -> u32 {
    count(line.get(..at).map_or(0, |t| t.chars().count()) + 1)
}

/// The last boundary between characters at or before `at`.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// At most [`MAX_SHOWN`] bytes of a line, with the marked piece near its middle.
fn excerpt(line: &str, marked: Range<usize>) -> (&str, Range<usize>) {
    if line.len() <= MAX_SHOWN {
        return (line, marked);
    }
    let from = floor_char(line, marked.start.saturating_sub(MAX_SHOWN / 4));
    let to = floor_char(line, from + MAX_SHOWN);
    let shown = line.get(from..to).unwrap_or("");
    let end = floor_char(shown, marked.end - from);
    (shown, marked.start - from..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(text: &str, span: Range<usize>) -> Diagnostic {
        Diagnostic::new(
            Severity::Error,
            &"a.rules".into(),
            text,
            span,
            "unknown keyword `x`",
        )
    }

    #[test]
    fn columns_count_characters() {
        let text = "one\n\u{e9}\u{e9} bad word\n";
        let at = text.find("bad").unwrap();
        let d = sample(text, at..at + 3);
        assert_eq!((d.line, d.column, d.end_column), (2, 4, 7));
        assert_eq!(d.to_string(), "a.rules:2:4: error: unknown keyword `x`");
    }

    #[test]
    fn rendering_shows_the_line_and_underlines_the_piece() {
        let d =
            sample("first\nalert bad here\n", 12..15).with_help(Some("did you mean `y`?".into()));
        let plain = d.render(false);
        assert!(plain.contains("a.rules:2:7"), "{plain}");
        assert!(plain.contains("alert bad here"), "{plain}");
        assert!(plain.contains("^^^"), "{plain}");
        assert!(plain.contains("did you mean `y`?"), "{plain}");
        assert!(!plain.contains('\u{1b}'));
        assert!(d.render(true).contains('\u{1b}'));
    }

    #[test]
    fn bytes_of_the_file_do_not_reach_the_terminal_raw() {
        let text = "alert \u{1b}[31mred\r x";
        let mut d = sample(text, 6..8);
        d.message = "bad \u{1b}[31m".into();
        for shown in [d.render(false), d.to_string()] {
            assert!(!shown.contains('\u{1b}'), "{shown:?}");
        }
    }

    #[test]
    fn long_lines_are_cut_around_the_piece() {
        let text = format!("{}BAD{}", "a".repeat(9000), "b".repeat(9000));
        let d = sample(&text, 9000..9003);
        assert_eq!(d.column, 9001);
        assert!(d.shown.len() <= MAX_SHOWN);
        assert_eq!(&d.shown[d.marked.clone()], "BAD");
    }

    #[test]
    fn json_has_place_and_message() {
        let json = serde_json::to_value(sample("abc", 1..2)).unwrap();
        assert_eq!(json["severity"], "error");
        assert_eq!(json["line"], 1);
        assert_eq!(json["column"], 2);
        assert_eq!(json["end_column"], 3);
        assert!(json.get("help").is_none());
    }

    proptest! {
        #[test]
        fn any_span_is_shown(text in "\\PC{0,40}\n\\PC{0,40}|[a-z\r\n\u{e9}\u{1F600}]{0,30}", a in 0_usize..120, b in 0_usize..120) {
            let d = sample(&text, a..b);
            prop_assert!(d.column <= d.end_column);
            prop_assert!(d.shown.get(d.marked.clone()).is_some());
            d.render(false);
        }
    }
}
