//! One message.

use x509_parser::asn1_rs::{Class, Oid};

use super::Event;
use crate::app_layer::ber::{Elements, OBJECT_IDENTIFIER, OCTET_STRING};
use crate::app_layer::message::{Fact, Transaction};
use crate::app_layer::text::push_decimal;
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;

/// RFC 3412 section 6, by what stands in the message.
const V1: u64 = 0;
const V2C: u64 = 1;
const V3: u64 = 3;
/// RFC 3414 section 2.4.
const USER_BASED: u64 = 3;
/// RFC 1157 section 4.1.6.
const TRAP_V1: u32 = 4;
/// RFC 3416 section 3: the last of them.
const REPORT: u32 = 8;
/// The tag of an IP address (RFC 1155 section 6).
const IP_ADDRESS: u32 = 0;

/// Names of objects that a record shows.
const MOST_NAMES: usize = 32;

/// What a message begins with, and what is left of it.
pub(super) struct Head<'a> {
    /// As rules number it: 1, 2 or 3.
    version: u64,
    community: Option<&'a [u8]>,
    /// Of a message of version 3.
    security: Option<Security<'a>>,
    /// What holds the PDU.
    data: Elements<'a>,
}

/// RFC 3412 section 6.3 and 6.4.
struct Security<'a> {
    model: u64,
    parameters: &'a [u8],
}

impl<'a> Head<'a> {
    pub fn read(mut message: Elements<'a>) -> Option<Self> {
        let version = message.number()?;
        match version {
            V1 | V2C => Some(Self {
                version: version + 1,
                community: Some(message.universal(OCTET_STRING)?),
                security: None,
                data: message,
            }),
            V3 => {
                let mut global = message.sequence()?;
                global.number()?;
                global.number()?;
                global.universal(OCTET_STRING)?;
                let model = global.number()?;
                let parameters = message.universal(OCTET_STRING)?;
                Some(Self {
                    version,
                    community: None,
                    security: Some(Security { model, parameters }),
                    data: message,
                })
            }
            _ => None,
        }
    }
}

/// Puts one message into a transaction.
pub(in crate::app_layer) fn read(
    tx: &mut Transaction,
    direction: Direction,
    message: &[u8],
    _: &Limits,
) {
    if parts(tx, direction, message).is_none() {
        let event = app_layer::Event::Snmp(Event::MalformedData);
        tx.raise(direction, event);
    }
}

/// `None`: something cannot be read.
fn parts(tx: &mut Transaction, direction: Direction, message: &[u8]) -> Option<()> {
    let mut head = Head::read(Elements(message).sequence()?)?;
    tx.put_number(Number::SnmpVersion, direction, head.version);
    tx.tell("version", Fact::Number(head.version));
    if let Some(community) = head.community {
        tx.put(Buffer::SnmpCommunity, direction, community);
        tx.tell("community", Fact::Text(community));
    }
    if let Some(security) = head.security {
        if security.model == USER_BASED {
            let user = user(security.parameters)?;
            tx.put(Buffer::SnmpUser, direction, user);
            tx.tell("usm", Fact::Text(user));
        } else {
            let event = app_layer::Event::Snmp(Event::UnknownSecurityModel);
            tx.raise(direction, event);
        }
        let mut scoped = head.data;
        // Otherwise it is encrypted (RFC 3412 section 6.6).
        let Some(mut plain) = scoped.sequence() else {
            return Some(());
        };
        plain.universal(OCTET_STRING)?;
        plain.universal(OCTET_STRING)?;
        head.data = plain;
    }
    pdu(tx, direction, head.data)
}

/// The user's name (RFC 3414 section 2.4).
fn user(parameters: &[u8]) -> Option<&[u8]> {
    let mut fields = Elements(parameters).sequence()?;
    fields.universal(OCTET_STRING)?;
    fields.number()?;
    fields.number()?;
    fields.universal(OCTET_STRING)
}

fn pdu(tx: &mut Transaction, direction: Direction, mut data: Elements<'_>) -> Option<()> {
    let pdu = data.next()?;
    if pdu.class != Class::ContextSpecific || pdu.tag > REPORT {
        return None;
    }
    let kind = u64::from(pdu.tag);
    tx.put_number(Number::SnmpPduType, direction, kind);
    if let Some(word) = Number::SnmpPduType.word(kind) {
        tx.tell("pdu_type", Fact::Text(word.as_bytes()));
    }
    let mut fields = Elements(pdu.contents);
    if pdu.tag == TRAP_V1 {
        let enterprise = fields.universal(OBJECT_IDENTIFIER)?;
        let address = fields.next()?;
        let trap = fields.number()?;
        tx.put_number(Number::SnmpTrapType, direction, trap);
        if let Some(word) = Number::SnmpTrapType.word(trap) {
            tx.tell("trap_type", Fact::Text(word.as_bytes()));
        }
        tx.tell("trap_oid", Fact::Text(dotted(enterprise).as_bytes()));
        if let (IP_ADDRESS, Ok(bytes)) = (address.tag, <[u8; 4]>::try_from(address.contents)) {
            let address = std::net::Ipv4Addr::from(bytes).to_string();
            tx.tell("trap_address", Fact::Text(address.as_bytes()));
        }
        // The specific code and the time.
        fields.next()?;
        fields.next()?;
    } else {
        // The request's number, the error and its place.
        for _ in 0..3 {
            fields.next()?;
        }
    }
    let mut bindings = fields.sequence()?;
    for _ in 0..MOST_NAMES {
        if bindings.is_empty() {
            break;
        }
        let name = bindings.sequence()?.universal(OBJECT_IDENTIFIER)?;
        tx.tell("vars[]", Fact::Text(dotted(name).as_bytes()));
    }
    Some(())
}

/// A number has seven bits in each byte: so many of them fit into 64 bits.
const LONGEST_ARC: usize = 9;

fn dotted(identifier: &[u8]) -> String {
    let Some((&first, arcs)) = identifier.split_first() else {
        return String::new();
    };
    let is_last = |byte: &u8| byte & 0x80 == 0;
    let is_odd = arcs.is_empty() || arcs.split_inclusive(is_last).any(|a| a.len() > LONGEST_ARC);
    if is_odd {
        return Oid::new(identifier.into()).to_string();
    }
    let mut text = String::with_capacity(4 * identifier.len());
    push_decimal(&mut text, (first / 40).into());
    text.push('.');
    push_decimal(&mut text, (first % 40).into());
    for arc in arcs.split_inclusive(is_last) {
        let value = arc.iter().fold(0, |n, b| n << 7 | u64::from(b & 0x7f));
        text.push('.');
        push_decimal(&mut text, value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_written_as_their_library_writes_them() {
        for identifier in [
            &b""[..],
            b"\0",
            b"\x2b",
            b"\x2b\x06\x01\x02\x01\x01\x03\0",
            b"\xff\x86\xf7\x0d",
            b"\x2b\x86",
            b"\x2b\x81\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x2b\x81\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            b"\x2b\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x05",
        ] {
            let expected = Oid::new(identifier.into()).to_string();
            assert_eq!(dotted(identifier), expected, "{identifier:x?}");
        }
    }
}
