//! One TLS session, as buffers.

use super::Event;
use crate::app_layer;
use crate::direction::Direction;

/// How far one direction has come.
pub mod progress {
    /// Nothing yet.
    pub const NONE: u8 = 0;
    /// The hello of this direction is read.
    pub const HELLO: u8 = 1;
    /// Client: nothing more than [`HELLO`]. Server: its certificate is read.
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

    /// As in `tls.version`.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
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

/// The session of one flow. `None` means: not there, or not yet.
#[derive(Debug, Default)]
pub struct Transaction {
    pub(super) id: u64,
    pub(super) sni: Option<Vec<u8>>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) randoms: [Option<[u8; 32]>; 2],
    pub(super) version: Option<Version>,
    pub(super) certs: Vec<Vec<u8>>,
    pub(super) subject: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) events: Vec<app_layer::Event>,
    pub(super) progress: [u8; 2],
    pub(super) revision: [u32; 2],
}

impl Transaction {
    /// Bytes of its buffers.
    pub(super) fn held_bytes(&self) -> usize {
        let lists = self.alpn.iter().chain(&self.certs).chain(&self.sni);
        let texts = [&self.subject, &self.issuer, &self.serial];
        lists
            .map(|b| size_of::<Vec<u8>>() + b.capacity())
            .sum::<usize>()
            + texts
                .iter()
                .filter_map(|t| t.as_ref())
                .map(String::capacity)
                .sum::<usize>()
            + self.events.capacity() * size_of::<app_layer::Event>()
    }

    /// One session a flow.
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

    /// Server name of the ClientHello, as sent.
    pub fn sni(&self) -> Option<&[u8]> {
        self.sni.as_deref()
    }

    /// Protocols that the client offers, most wanted first.
    pub fn alpn(&self) -> impl Iterator<Item = &[u8]> {
        self.alpn.iter().map(Vec::as_slice)
    }

    /// Of this direction's hello.
    pub const fn random(&self, direction: Direction) -> Option<&[u8; 32]> {
        self.randoms[direction.index()].as_ref()
    }

    /// The version the server chose; until then what the client asked for.
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// The server's chain, DER, its own certificate first.
    pub fn certs(&self) -> &[Vec<u8>] {
        &self.certs
    }

    /// Of the first certificate, such as `C=US, O=Example, CN=example.com`.
    pub fn subject(&self) -> Option<&[u8]> {
        self.subject.as_deref().map(str::as_bytes)
    }

    /// Of the first certificate.
    pub fn issuer(&self) -> Option<&[u8]> {
        self.issuer.as_deref().map(str::as_bytes)
    }

    /// Of the first certificate: upper-case hex with colons.
    pub fn serial(&self) -> Option<&[u8]> {
        self.serial.as_deref().map(str::as_bytes)
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
