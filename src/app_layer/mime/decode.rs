//! Content-Transfer-Encoding (RFC 2045 section 6), undone as the bytes come.

use crate::reuse::List;

/// How a part's bytes are encoded, and where in that we are.
#[derive(Debug, Default)]
pub(super) enum Decoder {
    #[default]
    Plain,
    Base64(Base64),
    Quoted(Quoted),
}

impl Decoder {
    /// By the value of Content-Transfer-Encoding.
    pub(super) fn of(encoding: &[u8]) -> Self {
        if encoding.eq_ignore_ascii_case(b"base64") {
            Self::Base64(Base64::default())
        } else if encoding.eq_ignore_ascii_case(b"quoted-printable") {
            Self::Quoted(Quoted::default())
        } else {
            Self::Plain
        }
    }

    pub(super) const fn is_base64(&self) -> bool {
        matches!(self, Self::Base64(_))
    }

    /// Adds the contents that `text` stands for. Whether it was well encoded.
    pub(super) fn text(&mut self, text: &[u8], out: &mut List<u8>) -> bool {
        match self {
            Self::Plain => {
                out.extend_from_slice(text);
                true
            }
            Self::Base64(state) => state.text(text, out),
            Self::Quoted(state) => state.text(text, out),
        }
    }

    /// A line has ended; whether its end is part of the contents.
    pub(super) fn line_end(&mut self, out: &mut List<u8>) -> bool {
        match self {
            Self::Plain => true,
            Self::Base64(_) => false,
            Self::Quoted(state) => state.line_end(out),
        }
    }
}

/// RFC 2045 section 6.8.
#[derive(Debug, Default)]
pub(super) struct Base64 {
    bits: u32,
    count: u8,
}

impl Base64 {
    fn text(&mut self, text: &[u8], out: &mut List<u8>) -> bool {
        let mut well = true;
        for &b in text {
            let value = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                // What follows padding begins anew, as in parts put one behind the other.
                b'=' => {
                    (self.bits, self.count) = (0, 0);
                    continue;
                }
                b' ' | b'\t' | b'\r' => continue,
                // Any other character is ignored by those who read it.
                _ => {
                    well = false;
                    continue;
                }
            };
            self.bits = (self.bits << 6) | u32::from(value);
            self.count += 6;
            if self.count >= 8 {
                self.count -= 8;
                out.push((self.bits >> self.count) as u8);
                self.bits &= (1 << self.count) - 1;
            }
        }
        well
    }
}

/// RFC 2045 section 6.7.
#[derive(Debug, Default)]
pub(super) struct Quoted {
    /// `=`, and what came behind it, where that is not complete.
    escape: Option<Option<u8>>,
}

impl Quoted {
    fn text(&mut self, text: &[u8], out: &mut List<u8>) -> bool {
        let mut well = true;
        for &b in text {
            match self.escape {
                None if b == b'=' => self.escape = Some(None),
                None => out.push(b),
                // White space may have been added to the end of a line.
                Some(None) if matches!(b, b' ' | b'\t' | b'\r') => {}
                Some(None) => self.escape = Some(Some(b)),
                Some(Some(first)) => {
                    self.escape = None;
                    match (hex(first), hex(b)) {
                        (Some(high), Some(low)) => out.push((high << 4) | low),
                        _ => {
                            well = false;
                            out.extend([b'=', first, b]);
                        }
                    }
                }
            }
        }
        well
    }

    fn line_end(&mut self, out: &mut List<u8>) -> bool {
        match self.escape.take() {
            // A soft line break.
            Some(None) => false,
            Some(Some(first)) => {
                out.extend([b'=', first]);
                true
            }
            None => true,
        }
    }
}

pub(super) const fn hex(b: u8) -> Option<u8> {
    match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'A'..=b'F' => Some(b - b'A' + 10),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(encoding: &str, lines: &[&str], step: usize) -> (Vec<u8>, bool) {
        let mut decoder = Decoder::of(encoding.as_bytes());
        let (mut out, mut well) = (List::new(), true);
        for line in lines {
            for piece in line.as_bytes().chunks(step) {
                well &= decoder.text(piece, &mut out);
            }
            if decoder.line_end(&mut out) {
                out.push(b'\n');
            }
        }
        (out.to_vec(), well)
    }

    #[test]
    fn encodings_are_undone_in_any_pieces() {
        for (encoding, lines, expected, well) in [
            ("Base64", &["aGVsbG8g", "d29ybGQ="][..], "hello world", true),
            ("base64", &["aGVs", "bG8"], "hello", true),
            ("base64", &["aGV%sbG8="], "hello", false),
            ("base64", &["aGk=aGk="], "hihi", true),
            ("quoted-printable", &["a=3Db=", "c"], "a=bc\n", true),
            ("quoted-printable", &["a= ", "c=3d"], "ac=\n", true),
            ("quoted-printable", &["a=zz", "=4"], "a=zz\n=4\n", false),
            ("8bit", &["a=3D", ""], "a=3D\n\n", true),
        ] {
            for step in [1, 2, 100] {
                let (out, told) = decode(encoding, lines, step);
                assert_eq!(out, expected.as_bytes(), "{lines:?} by {step}");
                assert_eq!(told, well, "{lines:?}");
            }
        }
    }
}
