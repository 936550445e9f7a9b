//! One TLS session, as buffers.

use std::sync::Arc;

use super::Event;
use super::certificate::Chain;
use super::fingerprint::Fingerprints;
use crate::app_layer;
use crate::direction::Direction;
use crate::reuse::{List, reused};

reused!([u8; 32]);

/// How far one direction has come.
pub mod progress {
    /// Nothing yet.
    pub const NONE: u8 = 0;
    /// The hello of this direction is read.
    pub const HELLO: u8 = 1;
    /// The certificates of this direction are read.
    pub const CERTIFICATE: u8 = 2;
    /// What follows is encrypted.
    pub const ENCRYPTED: u8 = 3;
    /// The direction has ended, or cannot be read further.
    pub const COMPLETE: u8 = 4;
}

/// A protocol version, by its two bytes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u16);

impl Version {
    pub const SSL2: Self = Self(0x0002);
    pub const TLS13: Self = Self(0x0304);

    /// Whether it names a version of SSL or TLS, a draft of TLS 1.3 included.
    pub const fn is_known(self) -> bool {
        matches!(self.0, 0x0002 | 0x0300..=0x0304 | 0x7f01..=0x7fff)
    }

    /// Its number, that of TLS 1.3 for a draft of it.
    pub const fn number(self) -> u16 {
        match self.0 {
            0x7f01..=0x7fff => Self::TLS13.0,
            other => other,
        }
    }

    /// As in `tls.version`.
    pub const fn as_str(self) -> &'static str {
        match self.number() {
            0x0002 => "SSLv2",
            0x0300 => "SSLv3",
            0x0301 => "1.0",
            0x0302 => "1.1",
            0x0303 => "1.2",
            0x0304 => "1.3",
            _ => "undetermined",
        }
    }
}

/// How far the messages of a session have come, as `ssl_state` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HandshakeState {
    ClientHello = 1,
    ServerHello = 1 << 1,
    ClientKeyExchange = 1 << 2,
    ServerKeyExchange = 1 << 3,
}

/// The session of one flow. `None` means: not there, or not yet.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(super) id: u64,
    pub(super) names: List<List<u8>>,
    pub(super) sides: [Side; 2],
    events: List<app_layer::Event>,
    progress: [u8; 2],
    revision: [u32; 2],
}

/// What one end said.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub version: Option<Version>,
    pub randoms: List<[u8; 32]>,
    pub protocols: List<List<u8>>,
    pub fingerprints: Option<Fingerprints>,
    pub chain: Option<Arc<Chain>>,
    states: u8,
}

impl Side {
    fn held_bytes(&self) -> usize {
        list_bytes(&self.protocols)
            + self.randoms.capacity() * 32
            + self
                .fingerprints
                .as_ref()
                .map_or(0, Fingerprints::held_bytes)
            + self.chain.as_deref().map_or(0, |chain| chain.held_bytes())
    }
}

fn list_bytes(list: &[List<u8>]) -> usize {
    list.iter()
        .map(|bytes| size_of::<List<u8>>() + bytes.capacity())
        .sum()
}

impl Transaction {
    /// Bytes of its buffers.
    pub(super) fn held_bytes(&self) -> usize {
        list_bytes(&self.names)
            + self.sides.iter().map(Side::held_bytes).sum::<usize>()
            + self.events.capacity() * size_of::<app_layer::Event>()
    }

    /// One session a flow, unless HTTP went before it.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// One of [`progress`]. Never goes back.
    pub const fn progress(&self, direction: Direction) -> u8 {
        self.progress[direction.index()]
    }

    /// Another number whenever a buffer of this direction has changed.
    pub const fn revision(&self, direction: Direction) -> u32 {
        self.revision[direction.index()]
    }

    pub const fn is_complete(&self, direction: Direction) -> bool {
        self.progress(direction) == progress::COMPLETE
    }

    /// What was wrong with it, each once, in the order it was found.
    pub fn events(&self) -> &[app_layer::Event] {
        &self.events
    }

    /// Server names of ClientHellos, as sent. More than one is odd.
    pub fn names(&self) -> &[List<u8>] {
        &self.names
    }

    /// The first of [`Self::names`].
    pub fn sni(&self) -> Option<&[u8]> {
        self.names.first().map(|name| &name[..])
    }

    /// Protocols that the client offers, most wanted first; the one that the server chose.
    pub fn alpn(&self, direction: Direction) -> &[List<u8>] {
        &self.side(direction).protocols
    }

    /// Of this direction's hellos.
    pub fn randoms(&self, direction: Direction) -> &[[u8; 32]] {
        &self.side(direction).randoms
    }

    /// What this end's hello says.
    pub const fn version(&self, direction: Direction) -> Option<Version> {
        self.side(direction).version
    }

    /// The version the server chose; until then what the client would like.
    pub fn version_in_force(&self) -> Option<Version> {
        self.version(Direction::ToClient)
            .or(self.version(Direction::ToServer))
    }

    /// The certificates of this end.
    pub fn chain(&self, direction: Direction) -> Option<&Chain> {
        self.side(direction).chain.as_deref()
    }

    /// JA3 of the client, JA3S of the server: the text that is hashed.
    pub fn ja3(&self, direction: Direction) -> Option<&str> {
        self.fingerprints(direction).map(Fingerprints::ja3)
    }

    pub fn ja3_hash(&self, direction: Direction) -> Option<&str> {
        self.fingerprints(direction).map(Fingerprints::ja3_hash)
    }

    pub fn ja4(&self) -> Option<&str> {
        self.fingerprints(Direction::ToServer)
            .map(Fingerprints::ja4)
    }

    /// The [`HandshakeState`]s of this direction so far, one bit each.
    pub const fn states(&self, direction: Direction) -> u8 {
        self.side(direction).states
    }

    const fn side(&self, direction: Direction) -> &Side {
        &self.sides[direction.index()]
    }

    fn fingerprints(&self, direction: Direction) -> Option<&Fingerprints> {
        self.side(direction).fingerprints.as_ref()
    }

    pub(super) fn enter(&mut self, direction: Direction, state: HandshakeState) {
        self.sides[direction.index()].states |= state as u8;
        self.touch(direction);
    }

    pub(super) fn advance(&mut self, direction: Direction, to: u8) {
        let progress = &mut self.progress[direction.index()];
        *progress = (*progress).max(to);
        self.touch(direction);
    }

    pub(super) fn touch(&mut self, direction: Direction) {
        let revision = &mut self.revision[direction.index()];
        *revision = revision.wrapping_add(1);
    }

    /// Keeps an event once. `direction` is where it was found.
    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        let event = app_layer::Event::Tls(event);
        if !self.events.contains(&event) {
            self.events.push(event);
            self.touch(direction);
        }
    }
}
