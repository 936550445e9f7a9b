//! The datagrams of one flow, and the connections in them.

use super::Event;
use super::connection::Connection;
use super::crypto_stream::Refused;
use super::frames::{self, Frame};
use super::google;
use super::header::{Kind, Long, Read, read};
use super::hello;
use super::keys::Opened;
use super::version::{Salt, Version};
use crate::app_layer::message::{self, Fact, Messages, Transaction};
use crate::app_layer::tls::Hello;
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::protocol::Protocol;
use crate::reuse::{List, reused};

reused!(Connection);

/// Packets of one datagram that are looked at (`too_many_connections`).
const MAX_COALESCED: usize = 64;

// TLS handshake types (RFC 8446 section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// QUIC of one flow. A flow may carry several connections, one after the other or at once.
#[derive(Debug)]
pub struct Parser {
    messages: Messages,
    /// Oldest first.
    connections: List<Connection>,
    failed: [bool; 2],
    beyond: [u64; 2],
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            messages: Messages::new(Protocol::Quic),
            connections: List::new(),
            failed: [false; 2],
            beyond: [0; 2],
        }
    }
}

impl message::Parser for Parser {
    /// QUIC has no stream: whatever comes as one is a datagram.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        self.datagram(direction, bytes, limits);
        bytes.len()
    }

    fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let mut rest = bytes;
        for _ in 0..MAX_COALESCED {
            match read(rest) {
                Read::Opaque => {
                    self.beyond[direction.index()] += rest.len() as u64;
                    return;
                }
                Read::Broken => return self.note(direction, Event::ErrorOnHeader),
                Read::Long(packet, behind) => {
                    self.packet(direction, &packet, limits);
                    rest = behind;
                }
            }
            if rest.is_empty() {
                return;
            }
        }
        self.failed[direction.index()] = true;
        self.note(direction, Event::TooManyConnections);
    }

    /// Datagrams come whole or not at all.
    fn gap(&mut self, _: Direction, _: u64) {}

    fn eof(&mut self, _: Direction, _: &Limits) {}

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.failed[direction.index()]
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.beyond[direction.index()]
    }

    fn held_bytes(&self) -> usize {
        let inside = self.connections.iter().map(Connection::held_bytes);
        size_of::<Self>()
            + self.connections.capacity() * size_of::<Connection>()
            + inside.sum::<usize>()
            + self.messages.held_bytes()
    }
}

impl Parser {
    fn packet(&mut self, direction: Direction, packet: &Long<'_>, limits: &Limits) {
        match packet.kind {
            Kind::Initial { salt, number_at } => {
                match self.open(direction, packet, salt, number_at, limits) {
                    Some((at, opened)) => {
                        self.initial(direction, packet.version, at, &opened, limits);
                    }
                    None => self.note(direction, Event::FailedDecrypt),
                }
            }
            Kind::Clear { frames_at } => {
                let frames = packet.packet.get(frames_at..).unwrap_or_default();
                let tx = begin(&mut self.messages, direction, packet.version);
                google::put_frames(tx, direction, packet.version, frames);
                tx.finish_both();
            }
            Kind::Other if packet.bare => {
                begin(&mut self.messages, direction, packet.version).finish_both();
            }
            Kind::Other => self.beyond[direction.index()] += packet.packet.len() as u64,
        }
    }

    /// Opens an Initial packet: its connection's place, and what was in it. A client's packet that
    /// belongs to none begins one: also after a retry, under the server's new name.
    fn open(
        &mut self,
        direction: Direction,
        packet: &Long<'_>,
        salt: Salt,
        number_at: usize,
        limits: &Limits,
    ) -> Option<(usize, Opened)> {
        for (at, connection) in self.connections.iter_mut().enumerate().rev() {
            if let Some(opened) = connection.open(direction, packet, salt, number_at) {
                return Some((at, opened));
            }
        }
        if direction == Direction::ToClient {
            return None;
        }
        let (connection, opened) = Connection::begin(packet, salt, number_at)?;
        if self.connections.len() >= limits.quic_connections.max(1) {
            self.give_way(direction);
        }
        self.connections.push(connection);
        Some((self.connections.len() - 1, opened))
    }

    /// Forgets a connection: the oldest that said what it had to say, else the oldest, of which
    /// something is lost then.
    fn give_way(&mut self, direction: Direction) {
        let settled = self.connections.iter().position(Connection::is_settled);
        let gone = self.connections.remove(settled.unwrap_or(0));
        for id in gone.sides.iter().filter_map(|side| side.open) {
            if let Some(tx) = self.messages.edit(id) {
                tx.finish_both();
            }
        }
        if settled.is_none() {
            self.failed[direction.index()] = true;
            self.note(direction, Event::TooManyConnections);
        }
    }

    /// The frames of an opened Initial packet.
    fn initial(
        &mut self,
        direction: Direction,
        version: Version,
        at: usize,
        opened: &Opened,
        limits: &Limits,
    ) {
        let Self {
            messages,
            connections,
            failed,
            ..
        } = self;
        let Some(connection) = connections.get_mut(at) else {
            return;
        };
        let side = &mut connection.sides[direction.index()];
        side.largest = side.largest.max(Some(opened.number));
        let mut events = [None; 2];
        let well_formed = frames::each(&opened.frames, |frame| {
            if side.given_up {
                return;
            }
            if side.open.is_none() && !side.said_hello {
                side.open = Some(begin(messages, direction, version).id());
            }
            match frame {
                Frame::Crypto { offset, data } => {
                    let added = side.stream.add(offset, data, limits.quic_crypto_bytes);
                    if let Err(refused) = added {
                        side.given_up = true;
                        failed[direction.index()] = true;
                        events[0] = Some(match refused {
                            Refused::TooLong => Event::CryptoFragTooLong,
                            Refused::Differs => Event::CryptoOverlapDiffers,
                        });
                    }
                }
                Frame::GoogleCrypto(data) => {
                    let open = side.open.and_then(|id| messages.edit(id));
                    if let Some(tx) = open
                        && google::put_message(tx, direction, version, data)
                    {
                        tx.finish_both();
                        side.open = None;
                        side.said_hello = true;
                    }
                }
            }
        });
        if !well_formed {
            events[1] = Some(Event::ErrorOnData);
        }
        while let Some((kind, message)) = side.stream.next_message() {
            let is_hello = match direction {
                Direction::ToServer => kind == CLIENT_HELLO,
                Direction::ToClient => kind == SERVER_HELLO,
            };
            let hello = Hello::parse(direction, message).filter(|_| is_hello);
            let tx = match side.open.take().and_then(|id| messages.edit(id)) {
                Some(tx) => tx,
                // Another hello behind a HelloRetryRequest.
                None => begin(messages, direction, version),
            };
            match &hello {
                Some(hello) => hello::put(tx, hello, message),
                None => tx.raise(direction, app_layer::Event::Quic(Event::ErrorOnData)),
            }
            tx.finish_both();
            side.said_hello = true;
        }
        if side.given_up
            && let Some(tx) = side.open.take().and_then(|id| messages.edit(id))
        {
            tx.finish_both();
        }
        for event in events.into_iter().flatten() {
            self.note(direction, event);
        }
    }

    /// An event about a packet that belongs to no transaction.
    fn note(&mut self, direction: Direction, event: Event) {
        let tx = self.messages.begin();
        tx.raise(direction, app_layer::Event::Quic(event));
        tx.finish_both();
    }
}

/// A transaction of a direction's packet.
fn begin(messages: &mut Messages, direction: Direction, version: Version) -> &mut Transaction {
    let tx = messages.begin();
    tx.put(Buffer::QuicVersion, direction, &version.0.to_be_bytes());
    tx.tell("version", Fact::Text(version.text().as_bytes()));
    tx
}
