//! One command line (RFC 5321 section 4.1).

/// What the parser follows of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Hello(&'a [u8]),
    Mail(&'a [u8]),
    Recipient(&'a [u8]),
    Data,
    /// `None`: no length that can be followed.
    Chunk(Option<Chunk>),
    Reset,
    Quit,
    StartTls,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub length: u64,
    pub last: bool,
}

pub(super) fn parse(line: &[u8]) -> Command<'_> {
    let after = |word: &[u8]| {
        let head = line.get(..word.len())?;
        head.eq_ignore_ascii_case(word)
            .then(|| line.get(word.len()..).unwrap_or_default())
    };
    if let Some(rest) = after(b"HELO").or_else(|| after(b"EHLO")) {
        Command::Hello(parameter(rest))
    } else if let Some(rest) = after(b"MAIL FROM") {
        Command::Mail(parameter(rest))
    } else if let Some(rest) = after(b"RCPT TO") {
        Command::Recipient(parameter(rest))
    } else if after(b"STARTTLS").is_some() {
        Command::StartTls
    } else if after(b"DATA").is_some() {
        Command::Data
    } else if let Some(rest) = after(b"BDAT") {
        Command::Chunk(chunk(rest))
    } else if after(b"RSET").is_some() {
        Command::Reset
    } else if after(b"QUIT").is_some() {
        Command::Quit
    } else {
        Command::Other
    }
}

/// What stands behind a colon or a space, up to the next space: extensions follow there
/// (RFC 5321 section 4.1.2).
fn parameter(rest: &[u8]) -> &[u8] {
    let rest = rest.get(1..).unwrap_or_default().trim_ascii_start();
    let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
    &rest[..end]
}

/// RFC 3030 section 2.
fn chunk(rest: &[u8]) -> Option<Chunk> {
    let mut words = rest
        .split(|b| b.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let digits = words.next()?;
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let length = std::str::from_utf8(&digits[..length]).ok()?.parse().ok()?;
    let last = words
        .next()
        .is_some_and(|w| w.eq_ignore_ascii_case(b"LAST"));
    Some(Chunk { length, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart() {
        for (line, expected) in [
            ("EHLO a.example", Command::Hello(b"a.example")),
            ("helo", Command::Hello(b"")),
            (
                "MAIL FROM:<a@b.example> SIZE=1",
                Command::Mail(b"<a@b.example>"),
            ),
            (
                "rcpt to: <c@d.example>",
                Command::Recipient(b"<c@d.example>"),
            ),
            ("DATA", Command::Data),
            (
                "BDAT 12",
                Command::Chunk(Some(Chunk {
                    length: 12,
                    last: false,
                })),
            ),
            (
                "bdat 0 last",
                Command::Chunk(Some(Chunk {
                    length: 0,
                    last: true,
                })),
            ),
            ("BDAT x", Command::Chunk(None)),
            ("RSET", Command::Reset),
            ("STARTTLS", Command::StartTls),
            ("NOOP", Command::Other),
            ("", Command::Other),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }
}
