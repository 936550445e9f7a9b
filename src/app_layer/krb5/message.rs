//! One message (RFC 4120 section 5).

use x509_parser::asn1_rs::Class;

use super::Event;
use super::encryption::{is_weak, name};
use crate::app_layer::ber::Elements;
use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

/// Kinds of messages, which are their tags as well (RFC 4120 section 5.10).
pub(super) const AS_REQ: u32 = 10;
const AS_REP: u32 = 11;
const TGS_REQ: u32 = 12;
const TGS_REP: u32 = 13;
const AP_REQ: u32 = 14;
const AP_REP: u32 = 15;
const SAFE: u32 = 20;
const PRIV: u32 = 21;
const CRED: u32 = 22;
const ERROR: u32 = 30;

const VERSION: u64 = 5;

/// Parts of one name that are kept.
const MOST_PARTS: usize = 64;

pub(super) const fn kind_name(kind: u32) -> Option<&'static str> {
    match kind {
        AS_REQ => Some("KRB_AS_REQ"),
        AS_REP => Some("KRB_AS_REP"),
        TGS_REQ => Some("KRB_TGS_REQ"),
        TGS_REP => Some("KRB_TGS_REP"),
        AP_REQ => Some("KRB_AP_REQ"),
        AP_REP => Some("KRB_AP_REP"),
        SAFE => Some("KRB_SAFE"),
        PRIV => Some("KRB_PRIV"),
        CRED => Some("KRB_CRED"),
        ERROR => Some("KRB_ERROR"),
        _ => None,
    }
}

/// Puts one message into a transaction.
pub(super) fn read(tx: &mut Transaction, direction: Direction, message: &[u8], _: &Limits) {
    if parts(tx, direction, message).is_none() {
        raise(tx, direction, Event::MalformedData);
    }
}

fn raise(tx: &mut Transaction, direction: Direction, event: Event) {
    tx.raise(direction, app_layer::Event::Krb5(event));
}

/// `None`: something that has to be there cannot be read.
fn parts(tx: &mut Transaction, direction: Direction, message: &[u8]) -> Option<()> {
    let outer = Elements(message).next()?;
    let kind_name = kind_name(outer.tag).filter(|_| outer.class == Class::Application)?;
    let fields = Elements(outer.contents).sequence()?;
    // Requests number their fields from one on.
    let first = u32::from(matches!(outer.tag, AS_REQ | TGS_REQ));
    let number = |tag: u32| fields.field(tag).and_then(|mut f| f.number());
    if number(first)? != VERSION {
        return None;
    }
    let kind = number(first + 1)?;
    tx.put_number(Number::Krb5MessageType, direction, kind);
    tx.tell("msg_type", Fact::Text(kind_name.as_bytes()));
    match outer.tag {
        AS_REQ | TGS_REQ => {
            let body = fields.field(4)?.sequence()?;
            let names = Names {
                client: body.field(1),
                realm: body.field(2),
                server: body.field(3),
            };
            names.put(tx, direction)?;
            encryption(tx, direction, None);
        }
        AS_REP | TGS_REP => {
            let ticket = ticket(fields.field(5)?)?;
            let names = Names {
                client: fields.field(4),
                realm: fields.field(3),
                server: ticket.field(2),
            };
            names.put(tx, direction)?;
            ticket_encryption(tx, direction, ticket)?;
            encryption(tx, direction, Some(encryption_of(fields.field(6)?)?));
        }
        AP_REQ => ticket_encryption(tx, direction, ticket(fields.field(3)?)?)?,
        ERROR => {
            let code = number(6)?;
            tx.put_number(Number::Krb5ErrorCode, direction, code);
            tx.tell("error_code", Fact::Number(code));
            let names = Names {
                client: fields.field(8),
                realm: fields.field(9),
                server: fields.field(10),
            };
            names.put(tx, direction)?;
        }
        _ => {}
    }
    Some(())
}

/// RFC 4120 section 5.3.
fn ticket(mut field: Elements<'_>) -> Option<Elements<'_>> {
    let outer = field.next()?;
    let fits = outer.class == Class::Application && outer.tag == 1;
    Elements(outer.contents).sequence().filter(|_| fits)
}

fn ticket_encryption(
    tx: &mut Transaction,
    direction: Direction,
    ticket: Elements<'_>,
) -> Option<()> {
    let kind = encryption_of(ticket.field(3)?)?;
    tx.put_number(Number::Krb5TicketEncryption, direction, kind);
    if let Some(name) = name(kind) {
        tx.tell("ticket_encryption", Fact::Text(name.as_bytes()));
    }
    tx.tell("ticket_weak_encryption", Fact::Flag(is_weak(kind)));
    Some(())
}

/// RFC 4120 section 5.2.9.
fn encryption_of(mut field: Elements<'_>) -> Option<u64> {
    field.sequence()?.field(0)?.number()
}

fn encryption(tx: &mut Transaction, direction: Direction, kind: Option<u64>) {
    let weak = kind.is_some_and(is_weak);
    let name = kind.map_or(Some("<none>"), name);
    if let Some(name) = name {
        tx.tell("encryption", Fact::Text(name.as_bytes()));
    }
    tx.tell("weak_encryption", Fact::Flag(weak));
    if weak {
        raise(tx, direction, Event::WeakEncryption);
    }
}

/// Who asks for what.
struct Names<'a> {
    client: Option<Elements<'a>>,
    realm: Option<Elements<'a>>,
    server: Option<Elements<'a>>,
}

impl Names<'_> {
    fn put(self, tx: &mut Transaction, direction: Direction) -> Option<()> {
        for (field, buffer, path) in [
            (self.client, Buffer::Krb5ClientName, "cname"),
            (self.server, Buffer::Krb5ServerName, "sname"),
        ] {
            if let Some(field) = field {
                principal(tx, direction, field, buffer, path)?;
            }
        }
        if let Some(mut realm) = self.realm {
            tx.tell("realm", Fact::Text(realm.next()?.contents));
        }
        Some(())
    }
}

/// A name in parts (RFC 4120 section 5.2.2).
fn principal(
    tx: &mut Transaction,
    direction: Direction,
    mut field: Elements<'_>,
    buffer: Buffer,
    path: &'static str,
) -> Option<()> {
    let mut parts = field.sequence()?.field(1)?.sequence()?;
    let mut whole = Vec::new();
    for _ in 0..MOST_PARTS {
        if parts.is_empty() {
            break;
        }
        let part = parts.next()?.contents;
        tx.put(buffer, direction, part);
        if !whole.is_empty() {
            whole.push(b'/');
        }
        whole.extend_from_slice(part);
    }
    tx.tell(path, Fact::Text(&whole));
    Some(())
}
