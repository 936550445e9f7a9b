//! Which content of a rule the multi-pattern matcher looks for.

use crate::buffer::Buffer;
use crate::detect::keywords::Needle;
use crate::detect::prefilter::Pattern;
use crate::signature::ast::{BufferTests, Content, FastPattern, Test};

/// The content that stands for its rule: where it is not, the rule cannot match.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// Index of the buffer among those given.
    pub(crate) buffer: usize,
    /// Index of the test behind it.
    pub(crate) test: usize,
    pub(crate) pattern: Pattern,
    /// How much it tells that the pattern occurs, in eighths of a bit.
    pub(crate) worth: u32,
}

/// Chooses among the eligible contents of `buffers`; what the rule itself chose wins. `None`: no content is
/// worth looking for.
pub(crate) fn choose<'a>(
    buffers: impl Iterator<Item = (usize, &'a BufferTests)>,
    eligible: impl Fn(&Content) -> bool,
) -> Option<Choice> {
    let mut best: Option<(u32, Choice)> = None;
    for (buffer, tests) in buffers {
        for (test, content) in contents(tests).filter(|(_, c)| eligible(c)) {
            let pattern = pattern_of(content);
            let worth = worth(&pattern, tests.buffer);
            if worth == 0 {
                continue;
            }
            let chosen = content.fast_pattern != FastPattern::Auto;
            let score = if chosen { u32::MAX } else { worth };
            if best.as_ref().is_none_or(|&(b, _)| score > b) {
                best = Some((
                    score,
                    Choice {
                        buffer,
                        test,
                        pattern,
                        worth,
                    },
                ));
            }
        }
    }
    best.map(|(_, choice)| choice)
}

fn contents(tests: &BufferTests) -> impl Iterator<Item = (usize, &Content)> {
    tests
        .tests
        .iter()
        .enumerate()
        .filter_map(|(at, t)| match t {
            Test::Content(c) if !c.negated => Some((at, c)),
            _ => None,
        })
}

fn pattern_of(content: &Content) -> Pattern {
    let whole = &content.pattern;
    let bytes = match content.fast_pattern {
        FastPattern::Chop { offset, length } => {
            let (from, n) = (usize::from(offset), usize::from(length));
            whole
                .get(from..from + n)
                .filter(|b| !b.is_empty())
                .unwrap_or(whole)
        }
        _ => whole,
    };
    Pattern {
        bytes: bytes.to_vec(),
        nocase: content.nocase,
    }
}

/// Above this many eighths of a bit, rarer makes no difference.
const ENOUGH: u32 = 480;

/// How much it tells that the pattern occurs, in eighths of a bit; zero where it tells nothing.
fn worth(pattern: &Pattern, buffer: Buffer) -> u32 {
    let bytes = &pattern.bytes;
    if bytes.len() < 2 || bytes.iter().all(|&b| b == 0) {
        return 0;
    }
    let mut score = 0;
    let mut before = None;
    for &b in bytes {
        score += if before == Some(b) { 8 } else { rarity(b) };
        before = Some(b);
    }
    let score = score.min(ENOUGH);
    let score = if is_commonplace(bytes, buffer) {
        score / 6
    } else {
        score
    };
    score.max(1)
}

fn rarity(byte: u8) -> u32 {
    // From about 3 bits for a space to about 8 for bytes that text hardly has.
    24 + u32::from(255 - Needle::frequency(byte)) / 5
}

/// Strings that most traffic of their kind has.
fn is_commonplace(bytes: &[u8], buffer: Buffer) -> bool {
    const COMMON: &[&str] = &[
        "user-agent",
        "host",
        "content-type",
        "content-length",
        "accept",
        "accept-encoding",
        "accept-language",
        "connection",
        "keep-alive",
        "cache-control",
        "no-cache",
        "cookie",
        "referer",
        "http/1.1",
        "http/1.0",
        "http/1.",
        "http/",
        "mozilla/5.0",
        "mozilla/4.0",
        "mozilla/",
        "mozilla",
        "text/html",
        "application/x-www-form-urlencoded",
        "get",
        "post",
        "get /",
        "post /",
        "index.php",
        ".php",
        "http://",
        "https://",
        "content-disposition",
        "form-data",
        "<html",
        "<script",
        "windows nt",
        "multipart/form-data",
        "200",
        "ok",
        "smb",
        "user",
        "pass",
        "cwd",
        "list",
        "retr",
        "stor",
        "ehlo",
        "helo",
        "mail from",
        "rcpt to",
    ];
    let common_buffer = matches!(
        buffer,
        Buffer::HttpMethod
            | Buffer::HttpProtocol
            | Buffer::HttpStatusCode
            | Buffer::HttpStatusMessage
            | Buffer::HttpHeaderNames
            | Buffer::HttpConnection
            | Buffer::QuicVersion
            | Buffer::TlsAlpn
    );
    let trimmed = bytes.trim_ascii();
    let trimmed = trimmed.strip_suffix(b":").unwrap_or(trimmed);
    // SMB has a byte for its version there ([MS-SMB2] section 2.2.1).
    let trimmed = match trimmed {
        [0xfc..=0xff, rest @ ..] => rest,
        _ => trimmed,
    };
    common_buffer
        || COMMON
            .iter()
            .any(|c| trimmed.eq_ignore_ascii_case(c.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pattern: &[u8]) -> Content {
        Content {
            pattern: pattern.to_vec(),
            negated: false,
            nocase: false,
            offset: None,
            depth: None,
            distance: None,
            within: None,
            startswith: false,
            endswith: false,
            fast_pattern: FastPattern::Auto,
        }
    }

    fn chosen(buffers: &[(Buffer, Vec<Content>)]) -> Option<Vec<u8>> {
        let tests: Vec<_> = buffers
            .iter()
            .map(|(buffer, contents)| BufferTests {
                buffer: *buffer,
                transforms: vec![],
                absent: None,
                tests: contents.iter().cloned().map(Test::Content).collect(),
            })
            .collect();
        choose(tests.iter().enumerate(), |_| true).map(|c| c.pattern.bytes)
    }

    #[test]
    fn the_rarest_content_wins_over_the_commonplace() {
        let uri = (Buffer::HttpUri, vec![content(b"/cgi-bin/x")]);
        let header = (
            Buffer::HttpHeader,
            vec![content(b"application/x-www-form-urlencoded")],
        );
        assert_eq!(chosen(&[header, uri]).unwrap(), b"/cgi-bin/x");
    }

    #[test]
    fn what_every_message_of_a_protocol_begins_with_tells_little() {
        for mark in [&b"\xffSMB"[..], b"SMB", b"CWD ", b"MAIL FROM:"] {
            let payload = vec![content(mark), content(b"\x16\x99")];
            let chosen = chosen(&[(Buffer::Payload, payload)]).unwrap();
            assert_eq!(chosen, b"\x16\x99", "{mark:?}");
        }
    }

    #[test]
    fn what_the_rule_chose_wins() {
        let mut short = content(b"GET");
        short.fast_pattern = FastPattern::Chosen;
        assert_eq!(
            chosen(&[(Buffer::Payload, vec![content(b"rare~string"), short])]).unwrap(),
            b"GET"
        );
    }

    #[test]
    fn a_chop_is_a_part_of_the_content() {
        let mut c = content(b"abcdefgh");
        c.fast_pattern = FastPattern::Chop {
            offset: 2,
            length: 3,
        };
        assert_eq!(chosen(&[(Buffer::Payload, vec![c])]).unwrap(), b"cde");
    }

    #[test]
    fn nothing_is_better_than_what_floods_or_is_negated() {
        let negated = Content {
            negated: true,
            ..content(b"something")
        };
        let all = vec![content(&[0; 8]), content(b"x"), negated];
        assert_eq!(chosen(&[(Buffer::Payload, all)]), None);
    }
}
