//! Handshake messages in the clear: hellos and certificates.

use super::Event;
use super::fingerprint::Fingerprints;
use super::hello::{BadName, Hello, extension, server_name};
use super::known;
use super::transaction::{HandshakeState, Transaction, progress};
use crate::app_layer::Limits;
use crate::direction::Direction;
use crate::reuse::List;

// RFC 8446 section 4, RFC 5246 section 7.4.
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Whether the IANA registry of TLS HandshakeTypes has it, or servers know it from a draft
/// (67, next protocol).
pub(super) const fn is_message_type(kind: u8) -> bool {
    matches!(kind, 0..=6 | 8..=17 | 20..=26 | 67 | 254)
}

/// Hellos of one direction whose random is kept: a second one follows a HelloRetryRequest
/// (RFC 8446 section 4.1.4).
const MAX_HELLOS: usize = 2;
/// Protocols and server names kept of one direction (`handshake_invalid_length`).
const MAX_PROTOCOLS: usize = 64;
const MAX_NAMES: usize = 8;

impl Transaction {
    /// Reads one whole message without its header of type and length.
    pub(super) fn handshake(
        &mut self,
        direction: Direction,
        kind: u8,
        message: List<u8>,
        limits: &Limits,
    ) {
        let well_formed = match (kind, direction) {
            (CLIENT_HELLO, Direction::ToServer) | (SERVER_HELLO, Direction::ToClient) => {
                self.hello(direction, message)
            }
            (CERTIFICATE, _) => self.certificates(direction, &message, limits),
            _ => Some(()),
        };
        if well_formed.is_none() {
            self.raise(direction, Event::InvalidHandshakeMessage);
        }
    }

    /// A message of that type went by, read or not.
    pub(super) fn saw_message(&mut self, direction: Direction, kind: u8) {
        let state = match (kind, direction) {
            (CLIENT_HELLO, Direction::ToServer) => HandshakeState::ClientHello,
            (SERVER_HELLO, Direction::ToClient) => HandshakeState::ServerHello,
            (CLIENT_KEY_EXCHANGE, Direction::ToServer) => HandshakeState::ClientKeyExchange,
            (SERVER_KEY_EXCHANGE, Direction::ToClient) => HandshakeState::ServerKeyExchange,
            _ => return,
        };
        self.enter(direction, state);
    }

    /// What is said twice is kept twice, lest a first hello hide a second one: servers go by the
    /// second. Its fingerprint is that of the first.
    fn hello(&mut self, direction: Direction, message: List<u8>) -> Option<()> {
        let hello = Hello::parse(direction, &message)?;
        let side = &mut self.sides[direction.index()];
        if side.randoms.len() < MAX_HELLOS {
            side.randoms.push(*hello.random);
        }
        side.version = Some(hello.best_version());
        let mut too_many = false;
        for protocol in hello.alpn() {
            if side.protocols.iter().any(|p| *p == protocol) {
                continue;
            }
            if side.protocols.len() == MAX_PROTOCOLS {
                too_many = true;
                break;
            }
            side.protocols.push(List::from(protocol));
        }
        if direction == Direction::ToServer {
            too_many |= self.server_names(&hello);
        }
        if too_many {
            self.raise(direction, Event::HandshakeInvalidLength);
        }
        let whole = hello.is_whole().then_some(());
        self.sides[direction.index()]
            .fingerprints
            .get_or_insert_with(|| Fingerprints::of(direction, message));
        self.advance(direction, progress::HELLO);
        whole
    }

    /// Returns whether there are more than are kept.
    fn server_names(&mut self, hello: &Hello<'_>) -> bool {
        let mut too_many = false;
        for (before, data) in hello.data_of(extension::SERVER_NAME).enumerate() {
            if before > 0 {
                self.raise(hello.direction, Event::MultipleSniExtensions);
            }
            match server_name(data) {
                Ok(name) if self.names.iter().any(|n| *n == name) => {}
                Ok(name) if self.names.len() < MAX_NAMES => self.names.push(List::from(name)),
                Ok(_) => too_many = true,
                Err(BadName::Length) => self.raise(hello.direction, Event::InvalidSniLength),
                Err(BadName::Type) => self.raise(hello.direction, Event::InvalidSniType),
            }
        }
        too_many
    }

    /// Whoever gets a second chain ends the session (RFC 5246 section 7.3): the first counts.
    fn certificates(
        &mut self,
        direction: Direction,
        message: &[u8],
        limits: &Limits,
    ) -> Option<()> {
        let chain = known::read(message, limits, &mut |event| self.raise(direction, event))?;
        self.sides[direction.index()].chain.get_or_insert(chain);
        self.advance(direction, progress::CERTIFICATE);
        Some(())
    }
}
