//! One association: the interfaces bound on it, and the calls made.

use std::fmt::Write as _;

use super::Event;
use super::pdu::{Body, Header, Kind, Order};
use crate::app_layer::message::{Fact, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::reuse::{List, Text, reused};

reused!(Call, Interface);

/// Interfaces that are kept.
const MOST_INTERFACES: usize = 64;

/// What is known of one connection or pipe.
#[derive(Debug, Default)]
pub struct Association {
    interfaces: List<Interface>,
    /// Calls whose response is not complete.
    calls: List<Call>,
    /// The transaction of the newest bind without its answer.
    binding: Option<u64>,
}

#[derive(Debug)]
struct Interface {
    context: u16,
    /// UUID in text, then the major version in two bytes, big-endian.
    name: List<u8>,
    /// Refused by the server.
    refused: bool,
    /// By the bind in hand, whose answer tells in the same order.
    pending: bool,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    id: u32,
    transaction: u64,
}

impl Association {
    /// Reads one PDU that came whole (or, `cut`, its beginning) into `messages`.
    pub fn pdu(
        &mut self,
        messages: &mut Messages,
        direction: Direction,
        bytes: &[u8],
        cut: bool,
        limits: &Limits,
    ) {
        let Ok(header) = Header::read(bytes) else {
            return;
        };
        let body = Body {
            bytes: bytes.get(super::pdu::HEADER_BYTES..).unwrap_or_default(),
            order: header.order,
        };
        let read = match header.kind {
            Kind::Bind | Kind::AlterContext => self.bind(messages, direction, &header, body),
            Kind::BindAck | Kind::AlterContextResponse => self.bind_answer(messages, &header, body),
            Kind::Request => self.request(messages, direction, &header, body, limits),
            Kind::Response | Kind::Fault => {
                self.response(messages, direction, &header, body, limits)
            }
            Kind::Other => Some(()),
        };
        if read.is_none() && !cut {
            let event = app_layer::Event::Dcerpc(Event::MalformedData);
            match messages.edit_last() {
                Some(tx) => tx.raise(direction, event),
                None => {
                    let tx = messages.begin();
                    tx.raise(direction, event);
                    tx.finish_both();
                }
            }
        }
    }

    pub fn held_bytes(&self) -> usize {
        let names: usize = self.interfaces.iter().map(|i| i.name.capacity()).sum();
        self.interfaces.capacity() * size_of::<Interface>()
            + names
            + self.calls.capacity() * size_of::<Call>()
    }

    /// C706 section 12.6.4.3.
    fn bind(
        &mut self,
        messages: &mut Messages,
        direction: Direction,
        header: &Header,
        mut body: Body<'_>,
    ) -> Option<()> {
        let tx = messages.begin();
        self.binding = Some(tx.id());
        tx.tell("request", Fact::Text(b"BIND"));
        tx.tell("call_id", Fact::Number(u64::from(header.call_id)));
        body.take(8)?;
        let contexts = body.u8()?;
        body.take(3)?;
        for _ in 0..contexts {
            let context = body.u16()?;
            let transfers = body.u8()?;
            body.take(1)?;
            let uuid = header.order.uuid(body.array()?);
            let (major, minor) = (body.u16()?, body.u16()?);
            body.take(usize::from(transfers) * 20)?;
            tx.tell("interfaces[].uuid", Fact::Text(uuid.as_bytes()));
            let mut version = Text::new();
            let _ = write!(version, "{major}.{minor}");
            tx.tell("interfaces[-1].version", Fact::Text(version.as_bytes()));
            if self.interfaces.len() >= MOST_INTERFACES {
                tx.raise(
                    direction,
                    app_layer::Event::Dcerpc(Event::TooManyInterfaces),
                );
                break;
            }
            let mut name = List::from(uuid.as_bytes());
            name.extend_from_slice(&major.to_be_bytes());
            self.interfaces.retain(|i| i.context != context);
            self.interfaces.push(Interface {
                context,
                name,
                refused: false,
                pending: true,
            });
        }
        Some(())
    }

    /// C706 section 12.6.4.4: one result for each context of the bind, in its order.
    fn bind_answer(
        &mut self,
        messages: &mut Messages,
        header: &Header,
        mut body: Body<'_>,
    ) -> Option<()> {
        let known = self.binding.take();
        let tx = match known.and_then(|id| messages.edit(id)) {
            Some(tx) => tx,
            None => messages.begin(),
        };
        tx.tell("response", Fact::Text(b"BINDACK"));
        tx.finish_both();
        let start = body.bytes.len();
        body.take(8)?;
        let address = body.u16()?;
        body.take(usize::from(address))?;
        // The results are aligned to four bytes.
        let read = start - body.bytes.len();
        body.take(read.next_multiple_of(4) - read)?;
        let results = body.u8()?;
        body.take(3)?;
        let mut pending = self.interfaces.iter_mut().filter(|i| i.pending);
        for _ in 0..results {
            let result = header.order.u16(body.array()?);
            body.take(22)?;
            if let Some(interface) = pending.next() {
                interface.refused = result != 0;
            }
        }
        for interface in &mut self.interfaces {
            interface.pending = false;
        }
        Some(())
    }

    /// C706 section 12.6.4.9.
    fn request(
        &mut self,
        messages: &mut Messages,
        direction: Direction,
        header: &Header,
        mut body: Body<'_>,
        limits: &Limits,
    ) -> Option<()> {
        let known = self.calls.iter().position(|c| c.id == header.call_id);
        if header.is_first() || known.is_none() {
            if let Some(known) = known {
                self.end(messages, known);
            }
            if self.calls.len() >= limits.transactions {
                self.end(messages, 0);
            }
            let tx = messages.begin();
            self.calls.push(Call {
                id: header.call_id,
                transaction: tx.id(),
            });
        }
        let call = self.calls.iter().find(|c| c.id == header.call_id)?;
        let tx = messages.edit(call.transaction)?;
        body.take(4)?;
        let (context, operation) = (body.u16()?, body.u16()?);
        if header.flags & Header::HAS_OBJECT != 0 {
            body.take(16)?;
        }
        if header.is_first() {
            // The response is one of the same call: rules may ask it as well.
            for direction in Direction::BOTH {
                tx.put_number(Number::DcerpcOperation, direction, u64::from(operation));
            }
            tx.tell("request", Fact::Text(b"REQUEST"));
            tx.tell("call_id", Fact::Number(u64::from(header.call_id)));
            tx.tell("req.opnum", Fact::Number(u64::from(operation)));
            let bound = |i: &&Interface| i.context == context && !i.refused;
            if let Some(interface) = self.interfaces.iter().find(bound) {
                for direction in Direction::BOTH {
                    tx.put(Buffer::DcerpcInterface, direction, &interface.name);
                }
                let uuid = interface.name.get(..36).unwrap_or_default();
                tx.tell("interfaces[].uuid", Fact::Text(uuid));
            }
        }
        stub(tx, direction, header, body, limits);
        if header.is_last() {
            tx.finish(direction);
        }
        Some(())
    }

    /// C706 section 12.6.4.10.
    fn response(
        &mut self,
        messages: &mut Messages,
        direction: Direction,
        header: &Header,
        mut body: Body<'_>,
        limits: &Limits,
    ) -> Option<()> {
        let known = self.calls.iter().position(|c| c.id == header.call_id);
        let call = known.and_then(|at| self.calls.get(at));
        let tx = match call.and_then(|c| messages.edit(c.transaction)) {
            Some(tx) => tx,
            None => messages.begin(),
        };
        if header.is_first() {
            let name: &[u8] = if header.kind == Kind::Fault {
                b"FAULT"
            } else {
                b"RESPONSE"
            };
            tx.tell("response", Fact::Text(name));
        }
        if header.is_last() || known.is_none() {
            tx.finish_both();
            if let Some(known) = known {
                self.calls.remove(known);
            }
        }
        body.take(8)?;
        stub(tx, direction, header, body, limits);
        Some(())
    }

    fn end(&mut self, messages: &mut Messages, call: usize) {
        let call = self.calls.remove(call);
        if let Some(tx) = messages.edit(call.transaction) {
            tx.finish_both();
        }
    }
}

/// The arguments of a call: what is behind the header and before the authentication.
fn stub(
    tx: &mut Transaction,
    direction: Direction,
    header: &Header,
    body: Body<'_>,
    limits: &Limits,
) {
    if header.order == Order::Little {
        tx.set_little_endian(direction);
    }
    let bytes = body.bytes;
    // The verifier has eight bytes before its own (MS-RPCE section 2.2.2.11).
    let trailer = match header.auth_bytes {
        0 => 0,
        auth => usize::from(auth) + 8,
    };
    let stub = bytes
        .get(..bytes.len().saturating_sub(trailer))
        .unwrap_or_default();
    let known = tx
        .field(Buffer::DcerpcStub, direction)
        .map_or(0, |(known, _)| known.len());
    let room = limits.message_bytes.saturating_sub(known);
    let kept = stub.get(..room).unwrap_or(stub);
    tx.append(Buffer::DcerpcStub, direction, kept);
    if header.is_last() {
        tx.close(Buffer::DcerpcStub, direction);
    }
}
