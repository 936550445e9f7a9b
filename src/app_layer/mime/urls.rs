//! Addresses of the web within text.

use crate::reuse::List;

/// What they begin with; it is no part of what is told.
const SCHEMES: &[&[u8]] = &[b"http://", b"https://", b"ftp://"];
/// Bytes of a line that are looked at together.
const LONGEST_LINE: usize = 4096;

/// Looks through text, line by line.
#[derive(Debug, Default)]
pub(super) struct Urls {
    line: List<u8>,
}

impl Urls {
    /// Tells each address that has ended.
    pub(super) fn text(&mut self, mut text: &[u8], tell: &mut dyn FnMut(&[u8])) {
        while !text.is_empty() {
            let end = memchr::memchr(b'\n', text);
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            let taken = end.map_or(text.len(), |at| at + 1).min(room.max(1));
            let (part, rest) = text.split_at(taken);
            self.line.extend_from_slice(part);
            text = rest;
            if part.ends_with(b"\n") || self.line.len() >= LONGEST_LINE {
                self.end(tell);
            }
        }
    }

    /// No more text will come behind this.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(&[u8])) {
        let mut from = 0;
        while let Some(colon) = memchr::memmem::find(&self.line[from..], b"://") {
            let behind = from + colon + 3;
            let before = &self.line[..behind];
            let known = SCHEMES.iter().any(|scheme| {
                let start = before.len().checked_sub(scheme.len());
                start.is_some_and(|start| before[start..].eq_ignore_ascii_case(scheme))
            });
            from = behind;
            if known {
                let rest = &self.line[behind..];
                let length = rest.iter().position(|&b| ends(b)).unwrap_or(rest.len());
                tell(&rest[..length]);
                from += length;
            }
        }
        self.line.clear();
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.line.capacity()
    }
}

const fn ends(b: u8) -> bool {
    matches!(
        b,
        b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>' | b']'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_any_pieces() {
        let text = b"see http://a.example/x and HTTPS://b.example.\r\n<a href=\"ftp://c.example/y\"> gopher://d\nhttp://e.example";
        for step in [1, 3, 200] {
            let (mut urls, mut found) = (Urls::default(), Vec::new());
            let mut tell = |url: &[u8]| found.push(String::from_utf8_lossy(url).into_owned());
            for piece in text.chunks(step) {
                urls.text(piece, &mut tell);
            }
            urls.end(&mut tell);
            assert_eq!(
                found,
                ["a.example/x", "b.example.", "c.example/y", "e.example"]
            );
        }
    }
}
