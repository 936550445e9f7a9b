//! One direction of a transaction: its bytes, and where things are in them.

use super::headers::{Field, Header};
use super::multipart::Multipart;
use super::span::Span;
use crate::reuse::{List, Place};

/// Memory that a finished direction keeps for the next one. That of larger arenas and
/// bodies is given back, so that idle keep-alive flows stay small.
const KEPT_BYTES: usize = 32 * 1024;
const KEPT_FIELDS: usize = 128;

/// Where things are in a direction's arena.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Head {
    pub line: Option<Span>,
    pub method: Option<Span>,
    pub uri_raw: Option<Span>,
    pub uri: Option<Span>,
    /// Host part of an absolute target, as sent.
    pub uri_host: Option<Span>,
    pub protocol: Option<Span>,
    pub status: Option<Span>,
    pub reason: Option<Span>,
    pub raw: Option<Span>,
    pub normalized: Option<Span>,
    pub names: Option<Span>,
    pub start: Option<Span>,
    pub host: Option<Span>,
    pub host_raw: Option<Span>,
}

#[derive(Debug, Default)]
pub(super) struct Side {
    /// The head as sent, then what was derived from it.
    pub arena: List<u8>,
    pub head: Head,
    /// Header lines, in the order they came.
    pub fields: List<Field>,
    /// Headers, repeated names joined.
    pub headers: List<Header>,
    pub body: List<u8>,
    /// The body has reached its limit.
    pub body_full: bool,
    /// The body as sent, kept while it may turn out not to be what its headers say.
    pub sent: List<u8>,
    /// It did: receivers may take the one or the other.
    pub sent_counts: bool,
    /// It has reached its limit.
    pub sent_full: bool,
    /// The files of a multipart body.
    pub multipart: Place<Multipart>,
    /// The head has bytes or lines in which receivers may see other headers.
    pub is_odd: bool,
    /// A header that frames the body is written as not all receivers take it.
    pub is_framing_odd: bool,
    pub body_wire_bytes: u64,
    pub progress: u8,
    pub revision: u32,
}

impl Side {
    pub(super) fn touch(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    /// Raises the progress; it never goes back.
    pub(super) fn advance(&mut self, to: u8) {
        self.progress = self.progress.max(to);
        self.touch();
    }

    pub(super) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers
            .iter()
            .map(|h| (h.name.of(&self.arena), h.value.of(&self.arena)))
    }

    pub(super) fn header_value(&self, name: &[u8]) -> Option<&[u8]> {
        self.headers()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// How many lines a header stands on, folded ones not counted.
    pub(super) fn header_lines(&self, name: &[u8]) -> u32 {
        self.headers
            .iter()
            .filter(|h| h.name.of(&self.arena).eq_ignore_ascii_case(name))
            .map(|h| h.lines)
            .sum()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.arena.capacity()
            + self.body.capacity()
            + self.sent.capacity()
            + self.multipart.get().map_or(0, |m| m.held_bytes())
            + self.fields.capacity() * size_of::<Field>()
            + self.headers.capacity() * size_of::<Header>()
    }

    pub(super) fn clear(&mut self) {
        self.head = Head::default();
        for bytes in [&mut self.arena, &mut self.body] {
            bytes.clear();
            bytes.shrink_to(KEPT_BYTES);
        }
        self.fields.clear();
        self.fields.shrink_to(KEPT_FIELDS);
        self.headers.clear();
        self.headers.shrink_to(KEPT_FIELDS);
        self.body_full = false;
        self.sent.free();
        self.sent_counts = false;
        self.sent_full = false;
        self.multipart.free();
        self.is_odd = false;
        self.is_framing_odd = false;
        self.body_wire_bytes = 0;
        self.progress = 0;
        self.revision = 0;
    }
}
