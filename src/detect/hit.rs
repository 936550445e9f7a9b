//! What the engine found.

use std::sync::Arc;

use super::flowbits::BitId;
use super::variables::{Captured, CapturedValue};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::signature::ast::CaptureScope;
use crate::verdict::Scope;

/// At most this many bytes are copied as evidence.
pub const EVIDENCE_BYTES: usize = 64;

/// The bytes that a signature matched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub buffer: Buffer,
    /// In the buffer; for a stream's payload, from the stream's start.
    pub offset: u64,
    /// Of the match; may exceed what was copied.
    pub length: u32,
    copied: u8,
    bytes: [u8; EVIDENCE_BYTES],
}

impl Evidence {
    pub fn new(buffer: Buffer, offset: u64, matched: &[u8]) -> Self {
        let copied = matched.len().min(EVIDENCE_BYTES);
        let mut bytes = [0; EVIDENCE_BYTES];
        bytes[..copied].copy_from_slice(&matched[..copied]);
        Self {
            buffer,
            offset,
            length: u32::try_from(matched.len()).unwrap_or(u32::MAX),
            copied: copied as u8,
            bytes,
        }
    }

    /// The first bytes of the match.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.copied)]
    }
}

/// One signature matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Index into [`super::Ruleset::layers`].
    pub layer: u16,
    /// Index into [`super::Layer::signatures`].
    pub signature: u32,
    /// Of the bytes that matched. It may not be that of the packet in hand, which can set free what
    /// the other end sent.
    pub direction: Direction,
    /// The transaction's id, for rules that match on one.
    pub tx: Option<u64>,
    /// `Packet` where nothing but the packet itself matched; what follows in the flow is free.
    pub scope: Scope,
    pub evidence: Option<Evidence>,
    /// What it has found out, by its place in [`Hits::captured`].
    pub(crate) captured: (u32, u32),
}

/// Reusable list of hits, in the order of evaluation. The caller clears it for each packet.
#[derive(Debug, Default)]
pub struct Hits {
    hits: Vec<Hit>,
    captured: Vec<Captured>,
    /// Texts that rules keep with the packet.
    pub(crate) texts: Vec<(BitId, Arc<[u8]>)>,
}

impl Hits {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn clear(&mut self) {
        // Of most packets there is nothing.
        if !(self.hits.is_empty() && self.captured.is_empty() && self.texts.is_empty()) {
            self.hits.clear();
            self.captured.clear();
            self.texts.clear();
        }
    }

    pub fn as_slice(&self) -> &[Hit] {
        &self.hits
    }

    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// What expressions and sets have found out about a match.
    pub fn captured(&self, hit: &Hit) -> &[Captured] {
        let (from, to) = hit.captured;
        self.captured
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    /// Keeps what a match has found out, for its hit.
    pub(crate) fn keep(&mut self, captured: &[Captured]) -> (u32, u32) {
        let from = self.captured.len() as u32;
        self.captured.extend_from_slice(captured);
        for one in captured {
            if let (CaptureScope::Packet, CapturedValue::Text(text)) = (one.scope, &one.value) {
                self.texts.retain(|(id, _)| *id != one.id);
                self.texts.push((one.id, Arc::clone(text)));
            }
        }
        (from, self.captured.len() as u32)
    }

    /// A rule that looks at both the packet and the stream fires once for one packet.
    pub(crate) fn push(&mut self, hit: Hit) {
        let known = self.hits.iter_mut().find(|h| {
            h.layer == hit.layer
                && h.signature == hit.signature
                && h.tx.is_none()
                && hit.tx.is_none()
        });
        match known {
            None => self.hits.push(hit),
            Some(h) if hit.scope == Scope::Flow => h.scope = Scope::Flow,
            Some(_) => {}
        }
    }
}

impl<'a> IntoIterator for &'a Hits {
    type Item = &'a Hit;
    type IntoIter = std::slice::Iter<'a, Hit>;

    fn into_iter(self) -> Self::IntoIter {
        self.hits.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_copies_a_bounded_prefix() {
        let e = Evidence::new(Buffer::Payload, 7, &[9; 100]);
        assert_eq!((e.length, e.bytes().len()), (100, EVIDENCE_BYTES));
    }

    #[test]
    fn packet_and_stream_hits_of_one_rule_are_one_hit_of_the_wider_scope() {
        let mut hits = Hits::new();
        let hit = Hit {
            layer: 0,
            signature: 4,
            direction: Direction::ToServer,
            tx: None,
            scope: Scope::Packet,
            evidence: None,
            captured: (0, 0),
        };
        hits.push(hit);
        hits.push(Hit {
            scope: Scope::Flow,
            ..hit
        });
        hits.push(Hit { tx: Some(1), ..hit });
        assert_eq!(hits.as_slice().len(), 2);
        assert_eq!(hits.as_slice()[0].scope, Scope::Flow);
    }
}
