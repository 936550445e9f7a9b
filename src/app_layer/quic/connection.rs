//! One connection: the keys of its Initial packets, and the hellos in them.

use super::crypto_stream::CryptoStream;
use super::header::Long;
use super::keys::{Keys, Opened};
use super::version::{Salt, Version};
use crate::direction::Direction;
use crate::reuse::List;

/// A connection as its Initial packets show it.
#[derive(Debug)]
pub(super) struct Connection {
    version: Version,
    keys: Keys,
    /// What the client called the server in its first packet: the keys come from it.
    original: List<u8>,
    client: List<u8>,
    server: Option<List<u8>>,
    pub sides: [Side; 2],
}

/// One end's Initial packets.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub stream: CryptoStream,
    pub largest: Option<u64>,
    /// The transaction that its hello will go to.
    pub open: Option<u64>,
    pub said_hello: bool,
    /// Its hello cannot be followed any more.
    pub given_up: bool,
}

impl Connection {
    /// Begins with a client's packet; `None` where its own keys do not open it.
    pub fn begin(packet: &Long<'_>, salt: Salt, number_at: usize) -> Option<(Self, Opened)> {
        let keys = Keys::initial(salt, packet.destination);
        let opened = keys
            .of(Direction::ToServer)
            .open(packet.packet, number_at, None)?;
        let connection = Self {
            version: packet.version,
            keys,
            original: packet.destination.into(),
            client: packet.source.into(),
            server: None,
            sides: Default::default(),
        };
        Some((connection, opened))
    }

    /// Opens a packet if it is of this connection. An end may answer in another version, under
    /// that version's keys (RFC 9369 section 4.1).
    pub fn open(
        &mut self,
        direction: Direction,
        packet: &Long<'_>,
        salt: Salt,
        number_at: usize,
    ) -> Option<Opened> {
        if !self.is_addressed(direction, packet.destination) {
            return None;
        }
        let largest = self.sides[direction.index()].largest;
        let open = |keys: &Keys| keys.of(direction).open(packet.packet, number_at, largest);
        let opened = if packet.version == self.version {
            open(&self.keys)?
        } else {
            let keys = Keys::initial(salt, &self.original);
            let opened = open(&keys)?;
            (self.version, self.keys) = (packet.version, keys);
            opened
        };
        if direction == Direction::ToClient {
            self.server.get_or_insert_with(|| packet.source.into());
        }
        Some(opened)
    }

    /// Whether that is how the other end speaks of the receiver (RFC 9000 section 7.2).
    fn is_addressed(&self, direction: Direction, destination: &[u8]) -> bool {
        match direction {
            Direction::ToServer => {
                *self.original == *destination || self.server.as_deref() == Some(destination)
            }
            Direction::ToClient => *self.client == *destination,
        }
    }

    /// Whether its client's hello is read, or given up.
    pub const fn is_settled(&self) -> bool {
        let client = &self.sides[Direction::ToServer.index()];
        client.said_hello || client.given_up
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        let ids = self.original.len() + self.client.len();
        let streams = self.sides.iter().map(|side| side.stream.held_bytes());
        ids + self.server.as_ref().map_or(0, |id| id.len()) + streams.sum::<usize>()
    }
}
