//! The connectionless protocol (C706 section 12.5): each datagram is one PDU.

use super::Event;
use super::pdu::{Body, Order};
use crate::app_layer;
use crate::app_layer::message::{Fact, Messages};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::reuse::List;

/// The version of the connectionless protocol.
pub(super) const VERSION: u8 = 4;
pub(super) const HEADER_BYTES: usize = 80;
/// The largest number of a PDU type (section 12.5.3).
pub(super) const LAST_KIND: u8 = 10;
const REQUEST: u8 = 0;

/// Reads a datagram into a transaction of its own.
pub(super) fn read(messages: &mut Messages, direction: Direction, bytes: &[u8]) {
    let tx = messages.begin();
    let read = fields(bytes);
    match read {
        Some(fields) => {
            if fields.kind == REQUEST {
                let operation = u64::from(fields.operation);
                tx.put_number(Number::DcerpcOperation, direction, operation);
                tx.put(Buffer::DcerpcInterface, direction, &fields.interface);
                tx.tell("request", Fact::Text(b"REQUEST"));
                tx.tell("req.opnum", Fact::Number(operation));
            }
            tx.put(Buffer::DcerpcStub, direction, fields.stub);
        }
        None => tx.raise(direction, app_layer::Event::Dcerpc(Event::MalformedData)),
    }
    tx.finish_both();
}

struct Fields<'a> {
    kind: u8,
    interface: List<u8>,
    operation: u16,
    stub: &'a [u8],
}

fn fields(bytes: &[u8]) -> Option<Fields<'_>> {
    let mut body = Body {
        bytes,
        order: Order::of(*bytes.get(4)?),
    };
    body.take(1)?;
    let kind = body.u8()?;
    body.take(22)?;
    let mut interface = List::from(body.order.uuid(body.array()?).as_bytes());
    body.take(20)?;
    let version = body.order.u32(body.array()?);
    interface.extend_from_slice(&u16::try_from(version).unwrap_or(u16::MAX).to_be_bytes());
    body.take(4)?;
    let operation = body.u16()?;
    body.take(4)?;
    let length = usize::from(body.u16()?);
    body.take(4)?;
    let stub = body.bytes.get(..length).unwrap_or(body.bytes);
    Some(Fields {
        kind,
        interface,
        operation,
        stub,
    })
}
