//! First lines of requests and responses.

use super::Event;
use super::headers::is_token;
use super::side::Side;
use super::span::{Span, is_blank};

/// What the first bytes of a line say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// More bytes are needed.
    Open,
    /// A method, then a blank or the line end.
    Request,
    /// No request line: whatever comes is not a request.
    Foreign,
}

/// No method in use is longer; a longer word is no method.
const MAX_METHOD: usize = 64;

/// Judges the start of a request line. Leading blanks are skipped.
pub(super) fn shape(line: &[u8]) -> Shape {
    let start = line.iter().position(|&b| !is_blank(b));
    let word = start.and_then(|at| line.get(at..)).unwrap_or_default();
    // No token (RFC 9110 section 5.6.2), and yet servers log it as the method that they refuse.
    let lookup = word.starts_with(b"${");
    let in_method = |b: u8| is_token(b) || (lookup && b.is_ascii_graphic());
    match word.iter().position(|&b| !in_method(b)) {
        Some(0) => Shape::Foreign,
        Some(length) if length > MAX_METHOD => Shape::Foreign,
        Some(length) => match word.get(length) {
            Some(b' ' | b'\t' | b'\r' | b'\n') => Shape::Request,
            _ => Shape::Foreign,
        },
        None if word.len() > MAX_METHOD => Shape::Foreign,
        None => Shape::Open,
    }
}

/// Whether a whole line reads `METHOD target HTTP/d.d`.
pub(super) fn is_request_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let protocol = line
        .iter()
        .rposition(|&b| is_blank(b))
        .and_then(|at| line.get(at + 1..))
        .unwrap_or_default();
    shape(line) == Shape::Request && is_protocol(protocol)
}

/// `HTTP/` and two numbers.
pub(super) fn is_protocol(word: &[u8]) -> bool {
    let Some((name, version)) = word.split_at_checked(5) else {
        return false;
    };
    name.eq_ignore_ascii_case(b"HTTP/")
        && !version.is_empty()
        && version.iter().all(|b| b.is_ascii_digit() || *b == b'.')
}

/// Without its LF and the CRs before it.
pub(super) fn chomp(arena: &[u8], line: Span) -> Span {
    let bytes = line.of(arena);
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let length = bytes
        .iter()
        .rposition(|&b| b != b'\r')
        .map_or(0, |at| at + 1);
    Span::new(line.start(), line.start() + length)
}

impl Side {
    /// Finds the words of a request line (RFC 9112 section 3). As lenient as the
    /// servers that take white space within the target: the last word is the
    /// protocol if it looks like one.
    pub(super) fn parse_request_line(&mut self, line: Span, raise: &mut dyn FnMut(Event)) {
        let arena = &self.arena;
        self.head.line = Some(line);
        let text = line.trim(arena, is_blank);
        if text.start() != line.start() {
            raise(Event::RequestLineLeadingWhitespace);
        }
        let bytes = text.of(arena);
        let method_length = bytes
            .iter()
            .position(|&b| is_blank(b))
            .unwrap_or(bytes.len());
        let method = Span::new(text.start(), text.start() + method_length);
        self.head.method = Some(method);
        let rest = Span::new(method.end(), text.end()).trim(arena, is_blank);
        let gap = arena.get(method.end()..rest.start()).unwrap_or_default();
        if gap.contains(&b'\t') {
            raise(Event::MethodDelimNonCompliant);
        }
        let words = rest.of(arena);
        let last = words
            .iter()
            .rposition(|&b| is_blank(b))
            .map_or(0, |at| at + 1);
        let word = words.get(last..).unwrap_or_default();
        let looks_like_protocol = word
            .get(..5)
            .is_some_and(|w| w.eq_ignore_ascii_case(b"HTTP/"));
        if !looks_like_protocol {
            if rest.is_empty() {
                self.head.uri_raw = None;
            } else {
                self.head.uri_raw = Some(rest);
            }
            raise(if last > 0 {
                Event::RequestLineInvalid
            } else {
                Event::RequestLineMissingProtocol
            });
            return;
        }
        let protocol = Span::new(rest.start() + last, rest.end());
        let target = Span::new(rest.start(), protocol.start()).trim(arena, is_blank);
        let gap = arena
            .get(target.end()..protocol.start())
            .unwrap_or_default();
        if gap.contains(&b'\t') || target.of(arena).iter().any(|&b| is_blank(b)) {
            raise(Event::UriDelimNonCompliant);
        }
        if !is_protocol(protocol.of(arena)) {
            raise(Event::RequestLineInvalid);
        }
        self.head.protocol = Some(protocol);
        self.head.uri_raw = (!target.is_empty()).then_some(target);
    }

    /// Finds the words of a status line (RFC 9112 section 4).
    pub(super) fn parse_status_line(&mut self, line: Span, raise: &mut dyn FnMut(Event)) {
        let arena = &self.arena;
        self.head.line = Some(line);
        let text = line.trim(arena, is_blank);
        let bytes = text.of(arena);
        let protocol_length = bytes
            .iter()
            .position(|&b| is_blank(b))
            .unwrap_or(bytes.len());
        let protocol = Span::new(text.start(), text.start() + protocol_length);
        if !is_protocol(protocol.of(arena)) {
            raise(Event::ResponseInvalidProtocol);
        }
        let rest = Span::new(protocol.end(), text.end()).trim(arena, is_blank);
        let bytes = rest.of(arena);
        let length = bytes
            .iter()
            .position(|&b| is_blank(b))
            .unwrap_or(bytes.len());
        let status = Span::new(rest.start(), rest.start() + length);
        let digits = status.of(arena);
        if digits.len() != 3 || !digits.iter().all(u8::is_ascii_digit) || digits.starts_with(b"0") {
            raise(Event::ResponseInvalidStatus);
        }
        self.head.protocol = Some(protocol);
        self.head.status = Some(status);
        self.head.reason = Some(Span::new(status.end(), rest.end()).trim(arena, is_blank));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> ([Option<String>; 3], Vec<Event>) {
        let mut side = Side::default();
        side.arena.extend_from_slice(text.as_bytes());
        let line = chomp(&side.arena, Span::new(0, text.len()));
        let mut events = Vec::new();
        side.parse_request_line(line, &mut |e| events.push(e));
        let words = [side.head.method, side.head.uri_raw, side.head.protocol]
            .map(|s| s.map(|s| String::from_utf8_lossy(s.of(&side.arena)).into_owned()));
        (words, events)
    }

    #[test]
    fn request_lines_fall_into_words() {
        use Event::*;
        type Case<'a> = (&'a str, [Option<&'a str>; 3], &'a [Event]);
        let cases: &[Case<'_>] = &[
            (
                "GET / HTTP/1.1\r\n",
                [Some("GET"), Some("/"), Some("HTTP/1.1")],
                &[],
            ),
            (
                "FOO   /x   HTTP/1.2 \n",
                [Some("FOO"), Some("/x"), Some("HTTP/1.2")],
                &[],
            ),
            (
                "GET /a b HTTP/1.0\r\n",
                [Some("GET"), Some("/a b"), Some("HTTP/1.0")],
                &[UriDelimNonCompliant],
            ),
            (
                "GET\t/a\tHTTP/1.0\r\n",
                [Some("GET"), Some("/a"), Some("HTTP/1.0")],
                &[MethodDelimNonCompliant, UriDelimNonCompliant],
            ),
            (
                " GET / HTTP/1.1",
                [Some("GET"), Some("/"), Some("HTTP/1.1")],
                &[RequestLineLeadingWhitespace],
            ),
            (
                "GET /evil\r\n",
                [Some("GET"), Some("/evil"), None],
                &[RequestLineMissingProtocol],
            ),
            (
                "GET /a b\r\n",
                [Some("GET"), Some("/a b"), None],
                &[RequestLineInvalid],
            ),
            (
                "GET / HTTP/x\r\n",
                [Some("GET"), Some("/"), Some("HTTP/x")],
                &[RequestLineInvalid],
            ),
            (
                "GET\r\n",
                [Some("GET"), None, None],
                &[RequestLineMissingProtocol],
            ),
            (
                "GET HTTP/1.1\r\n",
                [Some("GET"), None, Some("HTTP/1.1")],
                &[],
            ),
        ];
        for (line, words, events) in cases {
            let got = request(line);
            assert_eq!(got.0.each_ref().map(Option::as_deref), *words, "{line:?}");
            assert_eq!(got.1, *events, "{line:?}");
        }
    }

    #[test]
    fn status_lines_fall_into_words() {
        for (text, protocol, status, reason, events) in [
            ("HTTP/1.1 200 OK", "HTTP/1.1", "200", "OK", vec![]),
            (
                "HTTP/1.0 404 Not Found",
                "HTTP/1.0",
                "404",
                "Not Found",
                vec![],
            ),
            ("HTTP/1.1 200", "HTTP/1.1", "200", "", vec![]),
            (
                "HTTP/1.1 2x0 OK",
                "HTTP/1.1",
                "2x0",
                "OK",
                vec![Event::ResponseInvalidStatus],
            ),
            (
                "HTTP/ 200 OK",
                "HTTP/",
                "200",
                "OK",
                vec![Event::ResponseInvalidProtocol],
            ),
        ] {
            let mut side = Side::default();
            side.arena.extend_from_slice(text.as_bytes());
            let mut got = Vec::new();
            side.parse_status_line(Span::new(0, text.len()), &mut |e| got.push(e));
            for (span, expected) in [
                (side.head.protocol, protocol),
                (side.head.status, status),
                (side.head.reason, reason),
            ] {
                assert_eq!(span.unwrap().of(&side.arena), expected.as_bytes(), "{text}");
            }
            assert_eq!(got, events, "{text}");
        }
    }

    #[test]
    fn the_first_word_tells_a_request_from_other_bytes() {
        for (line, expected) in [
            ("GET", Shape::Open),
            ("GET ", Shape::Request),
            (" GET /", Shape::Request),
            ("login=foo", Shape::Foreign),
            ("{\"a\" ", Shape::Foreign),
            ("${a:b://c/d}", Shape::Open),
            ("${a:b://c/d} /", Shape::Request),
            ("\x16\x03", Shape::Foreign),
            ("", Shape::Open),
        ] {
            assert_eq!(shape(line.as_bytes()), expected, "{line:?}");
        }
        assert_eq!(shape(&[b'a'; MAX_METHOD + 1]), Shape::Foreign);
        assert!(is_request_line(b"GET /a HTTP/1.1\r\n"));
        assert!(!is_request_line(b"Via: HTTP/1.1"));
    }
}
