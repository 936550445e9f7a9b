//! Header blocks that are whole: requests, responses, trailers.

use super::Event;
use super::parser::Parser;
use super::reader::Block;
use super::transaction::Transaction;
use crate::app_layer::Limits;
use crate::app_layer::http1::{self, FieldList};
use crate::direction::Direction;
use crate::number::Number;

impl Parser {
    /// The header block of a direction has ended.
    pub(super) fn end_block(&mut self, direction: Direction, limits: &Limits) {
        let reader = &mut self.readers[direction.index()];
        let Some(block) = reader.block.take() else {
            return;
        };
        let whole = reader.hpack.as_mut().is_none_or(|h| h.end_block());
        let Some(tx) = block.tx.and_then(|id| self.streams.edit(id)) else {
            return;
        };
        if !whole {
            tx.raise(direction, Event::ExtraHeaderData);
        }
        for &size in &block.size_updates {
            tx.put_number(Number::Http2SizeUpdate, direction, size);
        }
        // A promised request is the client's, although the server says it (RFC 9113 section 8.4).
        let of = if block.promises {
            Direction::ToServer
        } else {
            direction
        };
        if tx.is_complete(of) {
            return;
        }
        if direction == Direction::ToClient && !block.promises && is_interim(&block) {
            return;
        }
        take(tx, of, direction, &block.fields, limits);
        if block.ends_stream || block.promises {
            tx.finish(of, limits);
        }
    }
}

/// RFC 9110 section 15.2: the response proper is still to come.
fn is_interim(block: &Block) -> bool {
    let status = block.fields.get(b":status");
    !block.ends_stream && status.is_some_and(|s| s.len() == 3 && s.starts_with(b"1"))
}

fn take(
    tx: &mut Transaction,
    of: Direction,
    found: Direction,
    fields: &FieldList,
    limits: &Limits,
) {
    let is_head = tx.progress(of) < http1::progress::HEADERS;
    let faults = faults(fields, of, is_head);
    tx.take_fields(of, fields, limits);
    for event in faults.into_iter().flatten() {
        tx.raise(found, event);
    }
}

/// What receivers refuse, or understand differently.
fn faults(fields: &FieldList, of: Direction, is_head: bool) -> [Option<Event>; 3] {
    let invalid = !is_well_formed(fields, of, is_head);
    let authority = fields.get(b":authority").filter(|_| is_head);
    let host = fields.get(b"host");
    let differs = authority
        .zip(host)
        .is_some_and(|(a, h)| !a.eq_ignore_ascii_case(h));
    let user = authority.is_some_and(|a| a.contains(&b'@'));
    [
        invalid.then_some(Event::InvalidHeader),
        differs.then_some(Event::AuthorityHostMismatch),
        user.then_some(Event::UserinfoInUri),
    ]
}

/// RFC 9113 sections 8.2 and 8.3.
fn is_well_formed(fields: &FieldList, of: Direction, is_head: bool) -> bool {
    let pseudo: &[&[u8]] = match (is_head, of) {
        (false, _) => &[],
        (true, Direction::ToServer) => &[
            b":method",
            b":path",
            b":scheme",
            b":authority",
            b":protocol",
        ],
        (true, Direction::ToClient) => &[b":status"],
    };
    let mut seen = [false; 5];
    let mut pseudo_over = false;
    for (name, value) in fields.iter() {
        if value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n')) {
            return false;
        }
        if name.starts_with(b":") {
            let Some(at) = pseudo.iter().position(|p| *p == name) else {
                return false;
            };
            if pseudo_over || std::mem::replace(&mut seen[at], true) {
                return false;
            }
            continue;
        }
        pseudo_over = true;
        let allowed = |b: &u8| matches!(b, 0x21..=0x7e) && !b.is_ascii_uppercase() && *b != b':';
        // Section 8.2.2: what belongs to a connection of HTTP/1.
        let of_connection = [
            &b"connection"[..],
            b"proxy-connection",
            b"keep-alive",
            b"transfer-encoding",
            b"upgrade",
        ];
        if name.is_empty() || !name.iter().all(allowed) || of_connection.contains(&name) {
            return false;
        }
    }
    true
}
