//! One command line (RFC 959 section 5.3).

use std::net::Ipv4Addr;

/// A command by its two parts, without the line's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    pub word: &'a [u8],
    pub rest: &'a [u8],
}

/// What the parser follows of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// PORT and EPRT: the client awaits a connection at this port.
    Active(Option<u16>),
    /// PASV and EPSV: the server will await one.
    Passive,
    /// A file, or a list of files, is moved; by its place in [`TRANSFERS`].
    Transfer(u8),
    /// AUTH with TLS.
    Secure,
    Other,
}

/// Commands that move something over a connection of its own.
pub(super) const TRANSFERS: &[(&str, u64)] = &[
    ("retr", 1),
    ("stor", 2),
    ("appe", 3),
    ("stou", 4),
    ("list", 5),
    ("nlst", 6),
    ("mlsd", 7),
];

pub(super) fn parse(line: &[u8]) -> Command<'_> {
    // Telnet's interrupt and synch may stand before a command (RFC 959 section 4.1.3).
    let start = line.iter().position(|&b| b < 0x80 && b != b' ');
    let line = line.get(start.unwrap_or(line.len())..).unwrap_or_default();
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    Command {
        word: &line[..end],
        rest: line.get(end + 1..).unwrap_or_default(),
    }
}

impl Command<'_> {
    pub(super) fn kind(&self) -> Kind {
        let is = |word: &str| self.word.eq_ignore_ascii_case(word.as_bytes());
        if is("PORT") {
            Kind::Active(comma_port(self.rest))
        } else if is("EPRT") {
            Kind::Active(extended_port(self.rest))
        } else if is("PASV") || is("EPSV") {
            Kind::Passive
        } else if is("AUTH") {
            let secure = [&b"TLS"[..], b"SSL", b"TLS-C", b"TLS-P"]
                .iter()
                .any(|word| self.rest.trim_ascii().eq_ignore_ascii_case(word));
            if secure { Kind::Secure } else { Kind::Other }
        } else {
            let place = TRANSFERS.iter().position(|(word, _)| is(word));
            place
                .and_then(|at| u8::try_from(at).ok())
                .map_or(Kind::Other, Kind::Transfer)
        }
    }
}

/// The port of `h1,h2,h3,h4,p1,p2`, wherever in the text it begins (RFC 959 section 4.1.2, and
/// RFC 1123 section 4.1.2.6 for the reply to PASV).
pub(super) fn comma_port(text: &[u8]) -> Option<u16> {
    let start = text.iter().position(u8::is_ascii_digit)?;
    let numbers = text[start..]
        .split(|b| !b.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse::<u8>().ok());
    let mut numbers = numbers.skip(4);
    let (high, low) = (numbers.next()??, numbers.next()??);
    Some(u16::from_be_bytes([high, low]))
}

/// The IPv4 address of PORT, or of EPRT where it names one.
pub(super) fn address(command: &Command<'_>) -> Option<Ipv4Addr> {
    let text = command.rest;
    if command.word.eq_ignore_ascii_case(b"EPRT") {
        let delimiter = text.first()?;
        let mut parts = text.get(1..)?.split(|b| b == delimiter);
        return std::str::from_utf8(parts.nth(1)?).ok()?.parse().ok();
    }
    let start = text.iter().position(u8::is_ascii_digit)?;
    let mut numbers = text
        .get(start..)?
        .split(|b| !b.is_ascii_digit())
        .map(|digits| std::str::from_utf8(digits).ok()?.parse::<u8>().ok());
    let mut next = || numbers.next().flatten();
    Some(Ipv4Addr::new(next()?, next()?, next()?, next()?))
}

/// The port of `|1|address|port|` or `(|||port|)` (RFC 2428 sections 2 and 3).
pub(super) fn extended_port(text: &[u8]) -> Option<u16> {
    let start = text
        .iter()
        .position(|b| b.is_ascii_punctuation() && *b != b'(')?;
    let mut parts = text[start + 1..].split(|&b| b == text[start]);
    std::str::from_utf8(parts.nth(2)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_a_word_a_rest_and_a_kind() {
        for (line, word, rest, kind) in [
            ("USER a b", "USER", "a b", Kind::Other),
            ("retr  x.txt", "retr", " x.txt", Kind::Transfer(0)),
            ("MLSD", "MLSD", "", Kind::Transfer(6)),
            (
                "PORT 10,0,0,1,4,1",
                "PORT",
                "10,0,0,1,4,1",
                Kind::Active(Some(1025)),
            ),
            (
                "EPRT |2|::1|5282|",
                "EPRT",
                "|2|::1|5282|",
                Kind::Active(Some(5282)),
            ),
            ("PORT 1,2", "PORT", "1,2", Kind::Active(None)),
            (
                "PORT 1,2,3,4,5,256",
                "PORT",
                "1,2,3,4,5,256",
                Kind::Active(None),
            ),
            ("EPSV ALL", "EPSV", "ALL", Kind::Passive),
            ("AUTH TLS", "AUTH", "TLS", Kind::Secure),
            ("AUTH GSSAPI", "AUTH", "GSSAPI", Kind::Other),
            ("", "", "", Kind::Other),
        ] {
            let command = parse(line.as_bytes());
            assert_eq!(
                (command.word, command.rest),
                (word.as_bytes(), rest.as_bytes())
            );
            assert_eq!(command.kind(), kind, "{line}");
        }
        assert_eq!(parse(b"\xff\xf4\xf2ABOR").word, b"ABOR");
    }

    #[test]
    fn ports_of_replies() {
        let text = b"Entering Passive Mode (192,0,2,1,185,13).";
        assert_eq!(comma_port(text), Some(47373));
        assert_eq!(comma_port(b"no digits"), None);
        assert_eq!(extended_port(b"Extended (|||6446|)"), Some(6446));
        assert_eq!(extended_port(b"Extended (|||70000|)"), None);
    }
}
