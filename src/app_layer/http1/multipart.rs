//! Files within multipart bodies (RFC 2046 section 5.1, RFC 7578).
//!
//! As lenient as servers are: bare LF, boundaries quoted or not, headers folded or in any
//! order, a last boundary that is missing. Where the boundary itself is in doubt, the whole
//! body counts as a file, too.

use super::side::Side;
use super::span::{Span, is_blank};
use crate::reuse::{List, reused};

reused!(File, Multipart);

/// Files of one body that are told apart; those behind belong to the last one.
const MAX_FILES: usize = 64;
/// RFC 2046 section 5.1.1 allows 70 characters.
const MAX_BOUNDARY: usize = 256;

/// One file, as spans of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub name: Span,
    start: usize,
    /// `None`: it goes on to the body's end so far.
    end: Option<usize>,
}

impl File {
    pub(super) fn bytes<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let end = self.end.unwrap_or(body.len());
        body.get(self.start..end).unwrap_or_default()
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.end.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary, or in a part.
    Data,
    /// In the headers of a part.
    Headers {
        file: Option<Span>,
    },
    Done,
}

#[derive(Debug)]
pub(super) struct Multipart {
    /// `--` and the boundary.
    delimiter: List<u8>,
    state: State,
    /// What lies before was looked at.
    at: usize,
    pub files: List<File>,
    /// Receivers may split the body elsewhere.
    pub in_doubt: bool,
}

impl Side {
    /// Expects the files that the content type announces.
    pub(super) fn expect_files(&mut self) {
        let lines = self.header_lines(b"content-type");
        let Some(value) = self.header_value(b"content-type") else {
            return;
        };
        let multipart = Multipart::of(value, lines > 1);
        self.multipart.set(multipart);
    }

    pub(super) fn look_for_files(&mut self, ended: bool) {
        if let Some(multipart) = self.multipart.get_mut() {
            multipart.advance(&self.body, ended);
        }
    }
}

impl Multipart {
    /// Reads a Content-Type; `None` where it is not of this kind or has no boundary.
    fn of(value: &[u8], repeated: bool) -> Option<Self> {
        let kind = value.get(..10)?;
        if !kind.eq_ignore_ascii_case(b"multipart/") {
            return None;
        }
        let mut found = parameters(value, b"boundary");
        let (boundary, plain) = found.next()?;
        let another = found.next().is_some();
        if boundary.is_empty() {
            return None;
        }
        let mut delimiter = List::from(&b"--"[..]);
        delimiter.extend_from_slice(boundary.get(..MAX_BOUNDARY).unwrap_or(boundary));
        Some(Self {
            delimiter,
            state: State::Data,
            at: 0,
            files: List::new(),
            in_doubt: repeated || another || !plain || boundary.len() > 70,
        })
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.delimiter.capacity() + self.files.capacity() * size_of::<File>()
    }

    /// Looks at what has come to the body. `ended`: nothing more comes.
    fn advance(&mut self, body: &[u8], ended: bool) {
        loop {
            let further = match self.state {
                State::Data => self.in_data(body, ended),
                State::Headers { file } => self.in_headers(body, file),
                State::Done => false,
            };
            if !further {
                return;
            }
        }
    }

    /// Looks for the next boundary at the start of a line.
    fn in_data(&mut self, body: &[u8], ended: bool) -> bool {
        let rest = body.get(self.at..).unwrap_or_default();
        let Some(found) = memchr::memmem::find(rest, &self.delimiter) else {
            // The boundary may have begun.
            let keep = self.delimiter.len();
            self.at = self.at.max(body.len().saturating_sub(keep));
            return false;
        };
        let at = self.at + found;
        let before = body.get(..at).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(b"\n") {
            self.at = at + 1;
            return true;
        }
        let behind = at + self.delimiter.len();
        let tail = body.get(behind..).unwrap_or_default();
        let line_end = memchr::memchr(b'\n', tail);
        let closing = tail.starts_with(b"--");
        if line_end.is_none() && !closing && !ended {
            self.at = at;
            return false;
        }
        let stop = before.strip_suffix(b"\n").unwrap_or(before);
        let stop = stop.strip_suffix(b"\r").unwrap_or(stop).len();
        if let Some(file) = self.files.last_mut().filter(|f| f.end.is_none()) {
            file.end = Some(stop.max(file.start));
        }
        match line_end {
            _ if closing => self.state = State::Done,
            Some(end) => {
                self.state = State::Headers { file: None };
                self.at = behind + end + 1;
            }
            None => self.state = State::Done,
        }
        true
    }

    /// Takes one line of a part's headers, with those that continue it.
    fn in_headers(&mut self, body: &[u8], file: Option<Span>) -> bool {
        let rest = body.get(self.at..).unwrap_or_default();
        let Some(end) = line_end(rest) else {
            return false;
        };
        let line = rest.get(..end).unwrap_or_default().trim_ascii_end();
        let start = self.at;
        self.at += end;
        if line.is_empty() {
            self.state = State::Data;
            if let Some(name) = file
                && self.files.len() < MAX_FILES
            {
                self.files.push(File {
                    name,
                    start: self.at,
                    end: None,
                });
            }
            return true;
        }
        let is_disposition = line
            .get(..20)
            .is_some_and(|n| n.eq_ignore_ascii_case(b"content-disposition:"));
        if is_disposition && let Some(name) = file_name(line) {
            let within = Span::new(start + name.start(), start + name.end());
            self.state = State::Headers { file: Some(within) };
        }
        true
    }
}

/// Behind the line end of a header, and of the lines that continue it; `None`: not all is there.
fn line_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let end = from + memchr::memchr(b'\n', text.get(from..)?)? + 1;
        let empty = text.get(..end)?.trim_ascii().is_empty();
        if empty || !is_blank(*text.get(end)?) {
            return Some(end);
        }
        from = end;
    }
}

/// The value of `filename` or `filename*` in a Content-Disposition (RFC 6266 section 4.3).
pub(super) fn file_name(disposition: &[u8]) -> Option<Span> {
    let plain = parameters(disposition, b"filename").next();
    let (value, extended) = match plain {
        Some((value, _)) => (value, false),
        None => (parameters(disposition, b"filename*").next()?.0, true),
    };
    let start = value.as_ptr().addr() - disposition.as_ptr().addr();
    let mut name = Span::new(start, start + value.len());
    if extended && let Some(at) = memchr::memmem::rfind(value, b"'") {
        // RFC 8187: charset'language'value.
        name = Span::new(start + at + 1, start + value.len());
    }
    Some(name)
}

/// The values of a parameter, without quotes, and whether each stands there as grammar has it.
fn parameters<'a>(value: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = (&'a [u8], bool)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        loop {
            let separator = memchr::memchr2(b';', b',', rest)?;
            let regular = rest.get(separator) == Some(&b';');
            rest = rest.get(separator + 1..)?;
            let text = rest.trim_ascii_start();
            let Some((found, behind)) = text.split_at_checked(name.len()) else {
                continue;
            };
            if !found.eq_ignore_ascii_case(name) {
                continue;
            }
            let Some(given) = behind.trim_ascii_start().strip_prefix(b"=") else {
                continue;
            };
            let exact = regular && behind.first() == Some(&b'=') && given.first() != Some(&b' ');
            let given = given.trim_ascii_start();
            if let Some(quoted) = given.strip_prefix(b"\"") {
                let closed = memchr::memchr(b'"', quoted);
                let end = closed.unwrap_or(quoted.len());
                rest = quoted.get(end..).unwrap_or_default();
                let value = quoted.get(..end)?;
                return Some((value, exact && closed.is_some() && !value.contains(&b'\\')));
            }
            let end = given
                .iter()
                .position(|b| matches!(b, b';' | b',') || b.is_ascii_whitespace())
                .unwrap_or(given.len());
            rest = given.get(end..).unwrap_or_default();
            return Some((given.get(..end)?, exact));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &str, step: usize) -> Option<(Vec<(String, String)>, bool)> {
        let mut multipart = Multipart::of(content_type.as_bytes(), false)?;
        let mut so_far = Vec::new();
        for part in body.as_bytes().chunks(step) {
            so_far.extend_from_slice(part);
            multipart.advance(&so_far, false);
        }
        multipart.advance(&so_far, true);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files = multipart.files.iter();
        let files = files
            .map(|f| (text(f.name.of(&so_far)), text(f.bytes(&so_far))))
            .collect();
        Some((files, multipart.in_doubt))
    }

    #[test]
    fn files_are_found_as_servers_find_them() {
        let form = "multipart/form-data; boundary=x";
        let part = "Content-Disposition: form-data; name=a; filename=\"f.txt\"\r\n\r\nevil";
        let lf = format!("--x\n{}\n--x--\n", part.replace("\r\n", "\n"));
        let two = format!("--x\r\n{part}\r\n--x\r\n{part}2\r\n--x--\r\n");
        let plain = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n";
        let mixed = format!("pre --x no\r\n{plain}--x \r\n{part}");
        let folded =
            "--x\r\nContent-Disposition:\r\n form-data;\r\n\tfilename=f.txt\r\n\r\nevil\r\n--x--";
        let extended =
            "--x\r\ncontent-disposition: form-data; filename*=utf-8''f.txt\r\n\r\nevil\r\n--x--";
        let evil = ("f.txt", "evil");
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], bool);
        let cases: &[Case<'_>] = &[
            (form, &format!("--x\r\n{part}\r\n--x--\r\n"), &[evil], false),
            (form, &two, &[evil, ("f.txt", "evil2")], false),
            (form, &lf, &[evil], false),
            (form, &mixed, &[evil], false),
            (form, folded, &[evil], false),
            (form, extended, &[evil], false),
            (form, plain, &[], false),
            (
                "Multipart/Form-Data; BOUNDARY=\"x\"",
                &format!("--x\r\n{part}"),
                &[evil],
                false,
            ),
            (
                "multipart/form-data; boundary=x; boundary=y",
                &format!("--x\r\n{part}"),
                &[evil],
                true,
            ),
            (
                "multipart/form-data, boundary=x",
                &format!("--x\r\n{part}"),
                &[evil],
                true,
            ),
        ];
        for (content_type, body, files, in_doubt) in cases {
            for step in [1, 2, 7, body.len()] {
                let (got, doubt) = read(content_type, body, step).unwrap();
                let got: Vec<_> = got.iter().map(|(n, b)| (n.as_str(), b.as_str())).collect();
                assert_eq!(got, *files, "{body:?} by {step}");
                assert_eq!(doubt, *in_doubt, "{content_type}");
            }
        }
        for content_type in ["text/plain; boundary=x", "multipart/form-data", ""] {
            assert!(read(content_type, "", 1).is_none(), "{content_type}");
        }
    }

    #[test]
    fn many_parts_stay_within_bounds() {
        let part = "--x\r\nContent-Disposition: form-data; filename=f\r\n\r\n";
        let (files, _) = read("multipart/form-data; boundary=x", &part.repeat(200), 999).unwrap();
        assert_eq!(files.len(), MAX_FILES);
    }
}
