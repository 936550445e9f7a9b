//! Chunked transfer coding (RFC 9112 section 7.1), as servers take it: sizes
//! with leading zeros, blanks behind the size, extensions, bare LF.

/// Where in the chunked body the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In a size, of which so many digits were read.
    Size {
        size: u64,
        digits: u8,
    },
    /// Behind the size: blanks up to an extension or the line end.
    SizeEnd {
        size: u64,
    },
    Extension {
        size: u64,
        length: u32,
    },
    /// A CR behind the size; only LF may follow.
    SizeLf {
        size: u64,
    },
    Data {
        left: u64,
    },
    /// Behind a chunk: CR or LF.
    DataEnd,
    /// Behind a chunk and its CR.
    DataLf,
}

/// What the bytes up to the count given were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Framing only.
    Framing,
    /// An extension begins.
    Extension,
    /// Framing that only some receivers take.
    Odd,
    /// Body bytes.
    Data,
    /// The last chunk has begun: trailers follow.
    Last,
    /// No chunk size, or no line end where one must be; the byte is not taken.
    Invalid,
}

/// A size line with an extension longer than this is invalid.
const MAX_EXTENSION: u32 = 16 * 1024;

impl Chunked {
    pub(super) const START: Self = Self::Size { size: 0, digits: 0 };

    /// A body that may be chunked has the end of its first size within so many bytes.
    pub(super) const MAX_LOOK: usize = 256;

    /// Takes bytes up to the next change; returns how many and what they were.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Piece) {
        let Some(&byte) = bytes.first() else {
            return (0, Piece::Framing);
        };
        match *self {
            Self::Size { size, digits } => self.size_digit(byte, size, digits),
            Self::SizeEnd { size } => self.size_end(byte, size, false),
            Self::Extension { size, length } => self.extension(bytes, size, length),
            Self::SizeLf { size } => match byte {
                b'\n' => self.begin_data(size),
                b'\r' => (1, Piece::Odd),
                _ => self.odd_extension(size),
            },
            Self::Data { left } => {
                let available = bytes.len() as u64;
                let taken = left.min(available);
                *self = if taken == left {
                    Self::DataEnd
                } else {
                    Self::Data { left: left - taken }
                };
                (usize::try_from(taken).unwrap_or(bytes.len()), Piece::Data)
            }
            Self::DataEnd if byte == b'\r' => self.go(Self::DataLf),
            Self::DataEnd | Self::DataLf if byte == b'\n' => self.go(Self::START),
            Self::DataEnd | Self::DataLf => (0, Piece::Invalid),
        }
    }

    fn go(&mut self, to: Self) -> (usize, Piece) {
        *self = to;
        (1, Piece::Framing)
    }

    fn size_digit(&mut self, byte: u8, size: u64, digits: u8) -> (usize, Piece) {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return match byte {
                b'\r' | b'\n' | b' ' | b'\t' if digits == 0 => (1, Piece::Odd),
                _ if digits == 0 => (0, Piece::Invalid),
                _ => self.size_end(byte, size, true),
            };
        };
        match size.checked_mul(16) {
            Some(shifted) => self.go(Self::Size {
                size: shifted + u64::from(digit),
                digits: digits.saturating_add(1),
            }),
            None => (0, Piece::Invalid),
        }
    }

    fn size_end(&mut self, byte: u8, size: u64, at_digit: bool) -> (usize, Piece) {
        match byte {
            b' ' | b'\t' => self.go(Self::SizeEnd { size }),
            b';' => {
                *self = Self::Extension { size, length: 0 };
                (1, Piece::Extension)
            }
            b'\r' => self.go(Self::SizeLf { size }),
            b'\n' => self.begin_data(size),
            // `0x4` is four to some, and the end to others.
            _ if at_digit && byte.is_ascii_alphanumeric() => (0, Piece::Invalid),
            _ => self.odd_extension(size),
        }
    }

    /// Whatever stands behind a size, up to the line end.
    fn odd_extension(&mut self, size: u64) -> (usize, Piece) {
        *self = Self::Extension { size, length: 0 };
        (1, Piece::Odd)
    }

    fn extension(&mut self, bytes: &[u8], size: u64, length: u32) -> (usize, Piece) {
        let line_end = memchr::memchr(b'\n', bytes);
        let taken = line_end.unwrap_or(bytes.len());
        let length = length.saturating_add(u32::try_from(taken).unwrap_or(u32::MAX));
        if length > MAX_EXTENSION {
            // Cut at the same byte whatever the segmentation.
            let over = usize::try_from(length - MAX_EXTENSION).unwrap_or(taken);
            return (taken.saturating_sub(over), Piece::Invalid);
        }
        if line_end.is_some() {
            let (_, piece) = self.begin_data(size);
            return (taken + 1, piece);
        }
        *self = Self::Extension { size, length };
        (taken, Piece::Framing)
    }

    /// Whether a body starts with a chunk's size, taken as leniently as here; `None`: more bytes
    /// are needed.
    pub(super) fn looks_like_it(start: &[u8]) -> Option<bool> {
        let blank = |b: &u8| matches!(b, b'\r' | b'\n' | b' ' | b'\t');
        let Some(size) = start.iter().position(|b| !blank(b)) else {
            return (start.len() >= Self::MAX_LOOK).then_some(false);
        };
        let line = start.get(size..).unwrap_or_default();
        let digits = line
            .iter()
            .position(|b| !b.is_ascii_hexdigit())
            .unwrap_or(line.len());
        let behind = line.get(digits..).unwrap_or_default();
        if digits > 16
            || behind
                .first()
                .is_some_and(|b| digits == 0 || b.is_ascii_alphanumeric())
        {
            return Some(false);
        }
        if memchr::memchr(b'\n', behind).is_some() {
            return Some(true);
        }
        (start.len() >= Self::MAX_LOOK).then_some(false)
    }

    fn begin_data(&mut self, size: u64) -> (usize, Piece) {
        if size == 0 {
            return (1, Piece::Last);
        }
        self.go(Self::Data { left: size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes; `Err` holds what was decoded before the invalid byte.
    fn decode(bytes: &[u8], step: usize) -> Result<Vec<u8>, Vec<u8>> {
        let mut state = Chunked::START;
        let mut out = Vec::new();
        for part in bytes.chunks(step) {
            let mut rest = part;
            while !rest.is_empty() {
                let (taken, piece) = state.take(rest);
                let (now, later) = rest.split_at(taken);
                match piece {
                    Piece::Data => out.extend_from_slice(now),
                    Piece::Last => return Ok(out),
                    Piece::Invalid => return Err(out),
                    Piece::Framing | Piece::Extension | Piece::Odd => {}
                }
                rest = later;
            }
        }
        Err(out)
    }

    #[test]
    fn what_servers_take_is_decoded_in_any_segmentation() {
        for (wire, expected) in [
            ("4\r\nabcd\r\n0\r\n\r\n", Ok("abcd")),
            ("4\nabcd\n0\n\n", Ok("abcd")),
            ("0000000000000000000000004\r\nabcd\r\n000\r\n", Ok("abcd")),
            ("1;a=b\r\nx\r\n2;\"\r\"\r\nyz\r\n0;e\r\n", Ok("xyz")),
            ("2 \t\r\nab\r\n0\r\n", Ok("ab")),
            ("A\r\n0123456789\r\n0\r\n", Ok("0123456789")),
            (" 4\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("\n\r4\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("4,\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("4\x0b\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("4 x\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("4\r\r\nabcd\r\n0\r\n", Ok("abcd")),
            ("0x4\r\nabcd", Err("")),
            ("-1\r\n", Err("")),
            ("11111111111111111\r\n", Err("")),
            ("4\r\nabcdX\r\n", Err("abcd")),
            ("4\rx", Err("")),
        ] {
            for step in [1, 2, 3, wire.len()] {
                let got = decode(wire.as_bytes(), step);
                let expected = expected
                    .map(|s| s.as_bytes().to_vec())
                    .map_err(|s: &str| s.as_bytes().to_vec());
                assert_eq!(got, expected, "{wire:?} by {step}");
            }
        }
    }

    #[test]
    fn a_body_is_known_as_chunked_by_its_first_line() {
        for (start, expected) in [
            ("", None),
            ("\r\n 1f", None),
            ("1f;a=b", None),
            ("1f;a=b\r\n", Some(true)),
            ("\n 4\n", Some(true)),
            ("X5O", Some(false)),
            ("4x\r\n", Some(false)),
            ("deadbeefdeadbeef0", Some(false)),
        ] {
            assert_eq!(
                Chunked::looks_like_it(start.as_bytes()),
                expected,
                "{start:?}"
            );
        }
        assert_eq!(Chunked::looks_like_it(&[b' '; 300]), Some(false));
        let long = format!("1;{}", "x".repeat(300));
        assert_eq!(Chunked::looks_like_it(long.as_bytes()), Some(false));
    }

    #[test]
    fn endless_extensions_are_invalid() {
        let mut wire = b"1;".to_vec();
        wire.extend(std::iter::repeat_n(b'x', MAX_EXTENSION as usize + 1));
        assert_eq!(decode(&wire, wire.len()), Err(Vec::new()));
        assert_eq!(decode(&wire, 100), Err(Vec::new()));
    }
}
