//! Where a message ends (RFC 9112 section 6.3), and what is ambiguous about it.

use super::Event;
use super::side::Side;
use crate::direction::Direction;

/// How the body of a message is delimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    #[default]
    None,
    Length(u64),
    Chunked,
    ToEof,
}

/// How a message's body is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub framing: Framing,
    /// Some receivers take it as chunked: so does this, if the body starts like it.
    pub perhaps_chunked: bool,
    /// Receivers disagree, so the body is looked at as sent, too.
    pub in_doubt: bool,
    /// What the headers say of a body although there should be none.
    pub leftover: Option<Framing>,
}

/// What a response's framing depends on in its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub head: bool,
    pub connect: bool,
    pub upgrade: bool,
}

impl Asked {
    /// Whether another protocol follows the response.
    pub(super) const fn is_answered_by_switch(self, status: u16) -> bool {
        (self.upgrade && status == 101) || (self.connect && matches!(status, 200..=299))
    }
}

impl Side {
    pub(super) fn request_framing(&self, raise: &mut dyn FnMut(Event)) -> Plan {
        let plan = self.framing(Direction::ToServer, Framing::None, raise);
        // RFC 9110 section 9.3.6: CONNECT has no body.
        if self.is_method(b"CONNECT") {
            return Plan::default();
        }
        plan
    }

    pub(super) fn response_framing(&self, asked: Asked, raise: &mut dyn FnMut(Event)) -> Plan {
        let plan = self.framing(Direction::ToClient, Framing::ToEof, raise);
        let status = self.status();
        if asked.is_answered_by_switch(status) {
            return Plan::default();
        }
        let interim = matches!(status, 100 | 102..=199);
        if asked.head || interim || matches!(status, 204 | 304) {
            let says_so = plan.framing != Framing::ToEof && plan.framing != Framing::Length(0);
            return Plan {
                leftover: says_so.then_some(plan.framing),
                ..Plan::default()
            };
        }
        plan
    }

    pub(super) fn is_method(&self, name: &[u8]) -> bool {
        self.head.method.is_some_and(|m| m.of(&self.arena) == name)
    }

    /// The status as a number; 0 where it is none.
    pub(super) fn status(&self) -> u16 {
        let digits = self.head.status.map(|s| s.of(&self.arena));
        digits
            .filter(|d| d.len() == 3 && d.iter().all(u8::is_ascii_digit))
            .map_or(0, |d| d.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')))
    }

    /// What Transfer-Encoding and Content-Length say, or else `otherwise`.
    fn framing(
        &self,
        direction: Direction,
        otherwise: Framing,
        raise: &mut dyn FnMut(Event),
    ) -> Plan {
        let lengths = self.header_lines(b"content-length");
        if let Some(coding) = self.header_value(b"transfer-encoding") {
            return self.transfer_coding(direction, coding, lengths > 0, raise);
        }
        let mut plan = self.content_length(direction, lengths, otherwise, raise);
        if self.is_odd {
            plan.perhaps_chunked = is_chunked_in_part(&self.signs_of(b"transfer-encoding"));
            plan.in_doubt |= plan.perhaps_chunked;
        }
        if plan.perhaps_chunked && direction == Direction::ToServer {
            raise(Event::InvalidTransferEncodingValueInRequest);
        }
        plan
    }

    fn content_length(
        &self,
        direction: Direction,
        lines: u32,
        otherwise: Framing,
        raise: &mut dyn FnMut(Event),
    ) -> Plan {
        let Some(value) = self.header_value(b"content-length") else {
            return Plan {
                framing: otherwise,
                ..Plan::default()
            };
        };
        let (duplicate, invalid) = match direction {
            Direction::ToServer => (
                Event::DuplicateContentLengthFieldInRequest,
                Event::InvalidContentLengthFieldInRequest,
            ),
            Direction::ToClient => (
                Event::DuplicateContentLengthFieldInResponse,
                Event::InvalidContentLengthFieldInResponse,
            ),
        };
        if lines > 1 || value.contains(&b',') {
            raise(duplicate);
        }
        // Servers that take several take the first.
        let first = value.split(|&b| b == b',').next().unwrap_or_default();
        let length = decimal(first.trim_ascii());
        if length.is_none() {
            raise(invalid);
        }
        Plan {
            framing: length.map_or(otherwise, Framing::Length),
            ..Plan::default()
        }
    }

    fn transfer_coding(
        &self,
        direction: Direction,
        coding: &[u8],
        with_length: bool,
        raise: &mut dyn FnMut(Event),
    ) -> Plan {
        let exact = coding.eq_ignore_ascii_case(b"chunked");
        let chunked = coding
            .split(|&b| b == b',')
            .any(|c| c.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        let old = !self.is_http_1_1();
        match direction {
            Direction::ToServer => {
                // RFC 9112 section 6.1: nothing but `chunked` is certain to be framed alike by two receivers.
                if !exact || with_length || old {
                    raise(Event::InvalidTransferEncodingValueInRequest);
                }
            }
            Direction::ToClient => {
                if !chunked {
                    raise(Event::InvalidTransferEncodingValueInResponse);
                } else if !exact || with_length {
                    raise(Event::ResponseAbnormalTransferEncoding);
                }
                if chunked && old {
                    raise(Event::ResponseChunkedOldProto);
                }
            }
        }
        // RFC 9112 section 6.3: without `chunked` the length is unknown, so all that follows is looked at as body.
        Plan {
            framing: if chunked {
                Framing::Chunked
            } else {
                Framing::ToEof
            },
            perhaps_chunked: !chunked && is_chunked_in_part(&self.signs_of(b"transfer-encoding")),
            in_doubt: !exact || old || with_length,
            leftover: None,
        }
    }

    /// HTTP/1.1 and later minor versions.
    pub(super) fn is_http_1_1(&self) -> bool {
        let protocol = self.head.protocol.map(|p| p.of(&self.arena));
        let minor = protocol
            .and_then(|p| p.get(5..))
            .and_then(|v| v.strip_prefix(b"1."));
        minor.is_some_and(|m| !m.is_empty() && m.iter().any(|&b| b != b'0'))
    }
}

/// Whether a value that was squeezed names `chunked`.
fn is_chunked_in_part(signs: &[u8]) -> bool {
    memchr::memmem::find(signs, b"chunked").is_some()
}

/// Digits only, as servers that follow RFC 9110 section 8.6 take it.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |n, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::super::span::Span;
    use super::*;

    fn side(first: &str, lines: &[&str], direction: Direction) -> Side {
        let mut side = Side::default();
        side.arena.extend_from_slice(first.as_bytes());
        let line = Span::new(0, first.len());
        match direction {
            Direction::ToServer => side.parse_request_line(line, &mut |_| {}),
            Direction::ToClient => side.parse_status_line(line, &mut |_| {}),
        }
        for text in lines {
            let start = side.arena.len();
            side.arena.extend_from_slice(text.as_bytes());
            side.push_field(Span::new(start, side.arena.len()));
        }
        side.build_headers(direction, 100);
        side
    }

    #[test]
    fn requests_end_where_servers_say() {
        use Event::*;
        let cases: &[(&str, &[&str], Framing, &[Event])] = &[
            ("GET / HTTP/1.1", &[], Framing::None, &[]),
            (
                "POST / HTTP/1.1",
                &["Content-Length: 0004"],
                Framing::Length(4),
                &[],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: ChUnKeD"],
                Framing::Chunked,
                &[],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: chunked", "Content-Length: 4"],
                Framing::Chunked,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.0",
                &["Transfer-Encoding: chunked"],
                Framing::Chunked,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
                Framing::Chunked,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: gzip, chunked"],
                Framing::Chunked,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: xchunked"],
                Framing::ToEof,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Transfer-Encoding: \x0bchunked"],
                Framing::ToEof,
                &[InvalidTransferEncodingValueInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Content-Length: 4", "Content-Length: 4"],
                Framing::Length(4),
                &[DuplicateContentLengthFieldInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Content-Length: 4, 5"],
                Framing::Length(4),
                &[DuplicateContentLengthFieldInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Content-Length: +4"],
                Framing::None,
                &[InvalidContentLengthFieldInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Content-Length: 99999999999999999999"],
                Framing::None,
                &[InvalidContentLengthFieldInRequest],
            ),
            (
                "POST / HTTP/1.1",
                &["Content-Length:"],
                Framing::None,
                &[InvalidContentLengthFieldInRequest],
            ),
            (
                "CONNECT a:1 HTTP/1.1",
                &["Content-Length: 4"],
                Framing::None,
                &[],
            ),
        ];
        for (line, headers, framing, events) in cases {
            let side = side(line, headers, Direction::ToServer);
            let mut got = Vec::new();
            assert_eq!(
                side.request_framing(&mut |e| got.push(e)).framing,
                *framing,
                "{headers:?}"
            );
            assert_eq!(got, *events, "{headers:?}");
        }
    }

    #[test]
    fn responses_end_where_their_request_says() {
        let plain = Asked::default();
        let head = Asked {
            head: true,
            ..plain
        };
        let connect = Asked {
            connect: true,
            ..plain
        };
        let upgrade = Asked {
            upgrade: true,
            ..plain
        };
        for (line, headers, asked, framing) in [
            (
                "HTTP/1.1 200 OK",
                vec!["Content-Length: 5"],
                plain,
                Framing::Length(5),
            ),
            ("HTTP/1.1 200 OK", vec![], plain, Framing::ToEof),
            (
                "HTTP/1.1 200 OK",
                vec!["Content-Length: 5"],
                head,
                Framing::None,
            ),
            (
                "HTTP/1.1 204 No Content",
                vec!["Content-Length: 5"],
                plain,
                Framing::None,
            ),
            (
                "HTTP/1.1 304 Not Modified",
                vec!["Transfer-Encoding: chunked"],
                plain,
                Framing::None,
            ),
            ("HTTP/1.1 200 OK", vec![], connect, Framing::None),
            ("HTTP/1.1 101 OK", vec![], upgrade, Framing::None),
            (
                "HTTP/1.1 101 OK",
                vec!["Content-Length: 5"],
                plain,
                Framing::Length(5),
            ),
            (
                "HTTP/1.1 403 No",
                vec!["Content-Length: 5"],
                connect,
                Framing::Length(5),
            ),
        ] {
            let side = side(line, &headers, Direction::ToClient);
            assert_eq!(
                side.response_framing(asked, &mut |_| {}).framing,
                framing,
                "{line} {headers:?}"
            );
        }
    }
}
