//! One line of a reply (RFC 959 section 4.2).

/// A line with its code, or one between the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    pub code: Option<&'a [u8]>,
    pub text: &'a [u8],
    /// The last line of its reply.
    pub last: bool,
}

pub(super) fn parse(line: &[u8]) -> Reply<'_> {
    let code = line.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
    let (ends, goes_on) = match line.get(3) {
        None | Some(b' ') => (true, false),
        Some(b'-') => (false, true),
        _ => (false, false),
    };
    match code.filter(|_| ends || goes_on) {
        Some(code) => Reply {
            code: Some(code),
            text: line.get(4..).unwrap_or_default(),
            last: ends,
        },
        None => Reply {
            code: None,
            text: line,
            last: false,
        },
    }
}

impl Reply<'_> {
    /// Of a command that goes on, another reply will come.
    pub(super) fn is_preliminary(&self) -> bool {
        self.code.is_some_and(|code| code.starts_with(b"1"))
    }
}
