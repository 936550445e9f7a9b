//! Messages in any segmentation, and which of them belong together.

use super::Event;
use super::message::{Message, length};
use super::operation::Operation;
use super::request::{self, Purpose};
use super::response::{self, SUCCESS};
use crate::app_layer::message::{self, Framed, Length, Messages, Piece};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::{List, reused};

reused!(Waiting);

/// Bytes of responses from which on the next one begins another transaction.
const RESPONSE_BYTES: usize = 128 * 1024;
/// Messages of one datagram that are read.
const MOST_IN_DATAGRAM: usize = 256;
/// The ID of what a server tells unasked (RFC 4511 section 4.4).
const UNSOLICITED: u32 = 0;

/// LDAP of one flow.
#[derive(Debug)]
pub struct Parser {
    framed: [Framed; 2],
    messages: Messages,
    /// Requests without their last response; the one that was silent longest is the first.
    waiting: List<Waiting>,
    /// A bind was accepted by which a security layer may have been agreed on.
    may_be_wrapped: bool,
    /// The direction is wrapped by a security layer.
    wrapped: [bool; 2],
    /// StartTLS was accepted.
    over: bool,
}

/// A request that is not answered yet, or a response without one that others may follow.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: u32,
    transaction: u64,
    purpose: Purpose,
    /// Bytes of the responses in the transaction.
    bytes: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            framed: Default::default(),
            messages: Messages::new(Protocol::Ldap),
            waiting: List::new(),
            may_be_wrapped: false,
            wrapped: [false; 2],
            over: false,
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next message.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        if self.over {
            return bytes.len();
        }
        let mut framed = std::mem::take(&mut self.framed[direction.index()]);
        let was_good = !framed.failed();
        let may_be_wrapped = self.may_be_wrapped;
        let (taken, piece) = framed.feed(bytes, limits.message_bytes, |b| {
            if may_be_wrapped && b.first() == Some(&0) {
                wrapped_length(b)
            } else {
                length(b)
            }
        });
        match piece {
            Piece::More => {}
            Piece::Message { bytes: [0, ..], .. } => self.wrapped[direction.index()] = true,
            Piece::Message { bytes, cut } => {
                self.message(direction, bytes, cut, limits);
            }
            Piece::Bad if was_good => self.lone(direction, Event::InvalidData),
            Piece::Bad => {}
        }
        self.framed[direction.index()] = framed;
        taken
    }

    /// A datagram holds a request, or all responses to one.
    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let mut rest = bytes;
        for _ in 0..MOST_IN_DATAGRAM {
            let whole = match length(rest) {
                Length::Known(whole) => usize::try_from(whole).ok(),
                Length::Open if rest.is_empty() => return,
                Length::Open => None,
                Length::Bad => return self.lone(direction, Event::InvalidData),
            };
            let Some((message, after)) = whole.and_then(|n| rest.split_at_checked(n)) else {
                return self.lone(direction, Event::IncompleteData);
            };
            if !self.message(direction, message, false, limits) {
                return;
            }
            rest = after;
        }
        if !rest.is_empty() {
            self.lone(direction, Event::TooManyTransactions);
        }
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        if self.framed[direction.index()].is_within() && !self.over {
            self.lone(direction, Event::IncompleteData);
        }
        // Without its server nothing more is answered.
        if direction == ToClient {
            self.finish_all(direction);
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn encrypted(&self) -> bool {
        self.wrapped == [true, true]
    }

    fn failed(&self, direction: Direction) -> bool {
        self.framed[direction.index()].failed()
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.framed[direction.index()].beyond()
    }

    fn held_bytes(&self) -> usize {
        let framed = self.framed.iter().map(Framed::held_bytes);
        size_of::<Self>()
            + framed.sum::<usize>()
            + self.messages.held_bytes()
            + self.waiting.capacity() * size_of::<Waiting>()
    }
}

/// What a security layer has wrapped stands behind its length (RFC 4422 section 3.7).
fn wrapped_length(bytes: &[u8]) -> Length {
    match bytes.first_chunk() {
        None => Length::Open,
        Some(length) => Length::Known(4 + u64::from(u32::from_be_bytes(*length))),
    }
}

impl Parser {
    /// Whether it is a message that may come from here.
    fn message(&mut self, from: Direction, bytes: &[u8], cut: bool, limits: &Limits) -> bool {
        let message = match Message::read(bytes, cut) {
            Ok(message) if message.operation.direction() == from => message,
            _ => {
                self.lone(from, Event::InvalidData);
                return false;
            }
        };
        match from {
            ToServer => self.request(&message, cut, limits),
            ToClient => self.response(&message, bytes.len(), cut, limits),
        }
        true
    }

    fn request(&mut self, message: &Message<'_>, cut: bool, limits: &Limits) {
        let tx = self.messages.begin();
        let transaction = tx.id();
        if let Err(event) = request::read(tx, message, limits)
            && !(cut && event == Event::InvalidData)
        {
            tx.raise(ToServer, app_layer::Event::Ldap(event));
        }
        tx.finish(ToServer);
        let purpose = Purpose::of(message);
        if let Purpose::Abandon(id) = purpose {
            self.stop_waiting(id);
        }
        if !message.operation.is_answered() {
            self.finish(transaction, ToServer);
            return;
        }
        // An ID is free again once its request is answered (RFC 4511 section 4.1.1.1).
        self.stop_waiting(message.id);
        self.wait(
            Waiting {
                id: message.id,
                transaction,
                purpose,
                bytes: 0,
            },
            ToServer,
            limits,
        );
    }

    fn response(&mut self, message: &Message<'_>, bytes: usize, cut: bool, limits: &Limits) {
        let mut waiting = self.asked(message.id);
        if self.is_full(&waiting, limits) {
            self.finish(waiting.transaction, ToClient);
            let tx = self.messages.begin();
            tx.finish(ToServer);
            waiting.transaction = tx.id();
            waiting.bytes = 0;
        }
        waiting.bytes += bytes;
        if let Some(tx) = self.messages.edit(waiting.transaction)
            && let Err(event) = response::read(tx, message, limits)
            && !(cut && event == Event::InvalidData)
        {
            tx.raise(ToClient, app_layer::Event::Ldap(event));
        }
        if message.operation.goes_on() {
            self.wait(waiting, ToClient, limits);
            return;
        }
        self.finish(waiting.transaction, ToClient);
        if response::result_code(message) == Some(SUCCESS) {
            self.accepted(message.operation, waiting.purpose);
        }
    }

    /// The request that a response is for, taken out; where there is none a transaction without.
    fn asked(&mut self, id: u32) -> Waiting {
        if let Some(at) = self.waiting.iter().position(|w| w.id == id) {
            return self.waiting.remove(at);
        }
        let tx = self.messages.begin();
        tx.finish(ToServer);
        if id != UNSOLICITED {
            let event = app_layer::Event::Ldap(Event::RequestNotFound);
            tx.raise(ToClient, event);
        }
        Waiting {
            id,
            transaction: tx.id(),
            purpose: Purpose::Other,
            bytes: 0,
        }
    }

    /// Whether the next response has to begin another transaction.
    fn is_full(&mut self, waiting: &Waiting, limits: &Limits) -> bool {
        self.messages.edit(waiting.transaction).is_some_and(|tx| {
            let responses = tx.numbers(Number::LdapResponsesOperation, ToClient);
            let attributes = tx.fields(Buffer::LdapResponsesAttributeType, ToClient);
            waiting.bytes >= RESPONSE_BYTES
                || responses.count() >= limits.ldap_responses
                || attributes.count() >= limits.ldap_attributes
        })
    }

    fn accepted(&mut self, operation: Operation, purpose: Purpose) {
        match (operation, purpose) {
            (Operation::ExtendedResponse, Purpose::StartTls) => {
                self.over = true;
                self.finish_all(ToClient);
            }
            (Operation::BindResponse, Purpose::Negotiation) => self.may_be_wrapped = true,
            _ => {}
        }
    }

    fn wait(&mut self, waiting: Waiting, from: Direction, limits: &Limits) {
        if self.waiting.len() >= limits.ldap_requests {
            let oldest = self.waiting.remove(0).transaction;
            if let Some(tx) = self.messages.edit(oldest) {
                tx.raise(from, app_layer::Event::Ldap(Event::TooManyTransactions));
            }
            self.finish(oldest, from);
        }
        self.waiting.push(waiting);
    }

    fn stop_waiting(&mut self, id: u32) {
        if let Some(at) = self.waiting.iter().position(|w| w.id == id) {
            let transaction = self.waiting.remove(at).transaction;
            self.finish(transaction, ToServer);
        }
    }

    /// No more responses will come. Whose bytes told so is who a rule about their number is asked for.
    fn finish(&mut self, transaction: u64, from: Direction) {
        if let Some(tx) = self.messages.edit(transaction) {
            let responses = tx.numbers(Number::LdapResponsesOperation, ToClient).count();
            tx.put_number(Number::LdapResponsesCount, from, responses as u64);
            tx.finish_both();
        }
    }

    fn finish_all(&mut self, from: Direction) {
        for waiting in &std::mem::take(&mut self.waiting) {
            self.finish(waiting.transaction, from);
        }
    }

    /// A transaction that is nothing but its event.
    fn lone(&mut self, direction: Direction, event: Event) {
        let tx = self.messages.begin();
        tx.raise(direction, app_layer::Event::Ldap(event));
        tx.finish_both();
    }
}
