//! Header lines as they come, and headers as rules see them.

use super::side::Side;
use super::span::{Span, is_blank};
use super::transaction::cookie_name;
use crate::direction::Direction;
use crate::reuse::{List, reused};

reused!(Field, Header);

/// One line of a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: Span,
    pub value: Span,
    /// Continues the line before (obs-fold, RFC 9112 section 5.2).
    pub folded: bool,
    /// The next line of the same header.
    next: Option<u32>,
}

/// One header: all lines with its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub name: Span,
    pub value: Span,
    /// Lines with this name, folded ones not counted.
    pub lines: u32,
    /// `Name: value`.
    pub line: Span,
    name_hash: u32,
    first: u32,
    last: u32,
}

/// What was wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldFault {
    MissingColon,
    InvalidName,
    Folded,
}

impl Side {
    /// Takes one line of the head, without its line end.
    pub(super) fn push_field(&mut self, line: Span) -> Option<FieldFault> {
        let bytes = line.of(&self.arena);
        let starts_blank = bytes.first().is_some_and(|&b| is_blank(b));
        if starts_blank && !self.fields.is_empty() {
            let value = line.trim(&self.arena, is_blank);
            self.add(Span::default(), value, true);
            return Some(FieldFault::Folded);
        }
        let Some(colon) = memchr::memchr(b':', bytes) else {
            // As Suricata has it: a header without a name.
            let value = line.trim(&self.arena, is_blank);
            self.add(Span::new(line.start(), line.start()), value, false);
            return Some(FieldFault::MissingColon);
        };
        let whole = Span::new(line.start(), line.start() + colon);
        let name = whole.trim(&self.arena, is_blank);
        let value = Span::new(line.start() + colon + 1, line.end()).trim(&self.arena, is_blank);
        self.add(name, value, false);
        let text = name.of(&self.arena);
        let well_formed = name == whole && !name.is_empty() && text.iter().all(|&b| is_token(b));
        self.is_framing_odd |= !well_formed
            && (text.eq_ignore_ascii_case(b"transfer-encoding")
                || text.eq_ignore_ascii_case(b"content-length"));
        (!well_formed).then_some(FieldFault::InvalidName)
    }

    pub(super) fn add(&mut self, name: Span, value: Span, folded: bool) {
        self.fields.push(Field {
            name,
            value,
            folded,
            next: None,
        });
    }

    /// Joins lines to headers and writes what rules look at behind the head.
    /// Returns whether there were more names than `limit`; those beyond are not joined.
    pub(super) fn build_headers(&mut self, direction: Direction, limit: usize) -> bool {
        let within_limit = self.join(limit);
        self.write_normalized(direction);
        self.write_names();
        self.write_start();
        !within_limit
    }

    /// Joins the lines of each header; whether there were no more names than the limit.
    pub(super) fn join(&mut self, limit: usize) -> bool {
        let within_limit = self.join_lines(limit);
        for at in 0..self.headers.len() {
            self.write_value(at);
        }
        within_limit
    }

    fn join_lines(&mut self, limit: usize) -> bool {
        self.headers.clear();
        let mut current = None;
        let mut within_limit = true;
        for at in 0..self.fields.len() {
            let Some(field) = self.fields.get_mut(at) else {
                break;
            };
            field.next = None;
            let field = *field;
            let owner = if field.folded {
                current
            } else {
                let hash = name_hash(field.name.of(&self.arena));
                let joinable = self.headers.iter().take(limit);
                let same = joinable.enumerate().find(|(_, h)| {
                    h.name_hash == hash
                        && h.name
                            .of(&self.arena)
                            .eq_ignore_ascii_case(field.name.of(&self.arena))
                });
                current = same.map(|(index, _)| index);
                current
            };
            let index = u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(header) = owner.and_then(|o| self.headers.get_mut(o)) {
                if let Some(last) = self.fields.get_mut(header.last as usize) {
                    last.next = Some(index);
                }
                header.last = index;
                header.lines += u32::from(!field.folded);
            } else {
                within_limit &= self.headers.len() < limit;
                current = Some(self.headers.len());
                self.headers.push(Header {
                    name: field.name,
                    value: field.value,
                    lines: 1,
                    line: Span::default(),
                    name_hash: name_hash(field.name.of(&self.arena)),
                    first: index,
                    last: index,
                });
            }
        }
        within_limit
    }

    /// A header of several lines gets its joined value at the arena's end.
    fn write_value(&mut self, at: usize) {
        let Some(header) = self.headers.get(at).copied() else {
            return;
        };
        if header.first == header.last {
            return;
        }
        let start = self.arena.len();
        let mut next = Some(header.first);
        while let Some(field) = next.and_then(|n| self.fields.get(n as usize)).copied() {
            if self.arena.len() > start || Some(header.first) != next {
                let joint: &[u8] = if field.folded { b" " } else { b", " };
                self.arena.extend_from_slice(joint);
            }
            copy_within(&mut self.arena, field.value);
            next = field.next;
        }
        let value = Span::new(start, self.arena.len());
        if let Some(header) = self.headers.get_mut(at) {
            header.value = value;
        }
    }

    fn write_normalized(&mut self, direction: Direction) {
        let start = self.arena.len();
        for header in &self.headers {
            let name = header.name.of(&self.arena);
            if !name.eq_ignore_ascii_case(cookie_name(direction)) {
                write_header(&mut self.arena, header);
            }
        }
        self.head.normalized = self.written_since(start);
    }

    fn write_names(&mut self) {
        let start = self.arena.len();
        self.arena.extend_from_slice(b"\r\n");
        for header in &self.headers {
            copy_within(&mut self.arena, header.name);
            self.arena.extend_from_slice(b"\r\n");
        }
        self.arena.extend_from_slice(b"\r\n");
        self.head.names = self.written_since(start);
    }

    fn write_start(&mut self) {
        let start = self.arena.len();
        copy_within(&mut self.arena, self.head.line.unwrap_or_default());
        self.arena.extend_from_slice(b"\r\n");
        for header in &mut self.headers {
            let start = self.arena.len();
            write_header(&mut self.arena, header);
            header.line = Span::new(start, self.arena.len() - 2);
        }
        self.arena.extend_from_slice(b"\r\n");
        self.head.start = self.written_since(start);
    }

    /// A head without headers has none of the buffers made of them.
    fn written_since(&self, start: usize) -> Option<Span> {
        (!self.headers.is_empty()).then(|| Span::new(start, self.arena.len()))
    }
}

fn write_header(arena: &mut List<u8>, header: &Header) {
    copy_within(arena, header.name);
    arena.extend_from_slice(b": ");
    copy_within(arena, header.value);
    arena.extend_from_slice(b"\r\n");
}

pub(super) fn copy_within(arena: &mut List<u8>, span: Span) {
    if span.end() <= arena.len() {
        arena.extend_from_within(span.start()..span.end());
    }
}

/// A byte that method and header names may have (RFC 9110 section 5.6.2).
#[inline]
pub(super) const fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

/// FNV-1a over the lower-case name: only spares comparisons, so collisions do no harm.
fn name_hash(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(lines: &[&str]) -> (Side, Vec<Option<FieldFault>>) {
        let mut side = Side::default();
        let mut faults = Vec::new();
        for line in lines {
            let start = side.arena.len();
            side.arena.extend_from_slice(line.as_bytes());
            let end = side.arena.len();
            side.arena.extend_from_slice(b"\r\n");
            faults.push(side.push_field(Span::new(start, end)));
        }
        (side, faults)
    }

    fn text(side: &Side, span: Option<Span>) -> String {
        String::from_utf8(span.unwrap().of(&side.arena).to_vec()).unwrap()
    }

    #[test]
    fn repeated_names_are_joined_in_the_place_of_the_first() {
        let (mut side, faults) = side(&["A: 1", "B:2  ", "a:\t3", "Cookie: x"]);
        assert!(faults.iter().all(Option::is_none));
        assert!(!side.build_headers(Direction::ToServer, 10));
        assert_eq!(text(&side, side.head.normalized), "A: 1, 3\r\nB: 2\r\n");
        assert_eq!(text(&side, side.head.names), "\r\nA\r\nB\r\nCookie\r\n\r\n");
        assert_eq!(side.header_value(b"cookie"), Some(&b"x"[..]));
        assert_eq!(side.header_lines(b"a"), 2);
    }

    #[test]
    fn folded_lines_follow_their_header_even_behind_a_repeated_one() {
        let (mut side, faults) = side(&["A: 1", "B: 2", "A: 3", " 4", "\t5"]);
        assert_eq!(faults[3], Some(FieldFault::Folded));
        side.build_headers(Direction::ToServer, 10);
        assert_eq!(side.header_value(b"A"), Some(&b"1, 3 4 5"[..]));
        assert_eq!(side.header_lines(b"A"), 2);
    }

    #[test]
    fn an_empty_first_value_still_gets_its_joint() {
        let (mut side, _) = side(&["A:", "A: x"]);
        side.build_headers(Direction::ToServer, 10);
        assert_eq!(side.header_value(b"A"), Some(&b", x"[..]));
    }

    #[test]
    fn odd_lines_are_kept_and_named() {
        let (mut side, faults) = side(&["no colon", "Bad : 1", " first"]);
        assert_eq!(faults[0], Some(FieldFault::MissingColon));
        assert_eq!(faults[1], Some(FieldFault::InvalidName));
        assert_eq!(faults[2], Some(FieldFault::Folded));
        side.build_headers(Direction::ToServer, 10);
        assert_eq!(
            text(&side, side.head.normalized),
            ": no colon\r\nBad: 1 first\r\n"
        );
    }

    #[test]
    fn names_beyond_the_limit_stay_visible() {
        let (mut side, _) = side(&["A: 1", "B: 2", "C: 3", "C: 4"]);
        assert!(side.build_headers(Direction::ToServer, 2));
        assert_eq!(
            text(&side, side.head.normalized),
            "A: 1\r\nB: 2\r\nC: 3\r\nC: 4\r\n"
        );
    }
}
