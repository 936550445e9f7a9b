//! The incremental parser: a banner, then packets up to the first encrypted one.

use super::fingerprint::{KEXINIT, algorithms, hash};
use super::{Event, progress};
use crate::app_layer::message::{
    self, Fact, Framed, Length, Line, Lines, Messages, Piece, Transaction,
};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::protocol::Protocol;

/// RFC 4253 section 4.2.
const LONGEST_BANNER: usize = 255;
/// Larger packets than RFC 4253 section 6.1 asks for are in use; none is as large as this.
const LARGEST_PACKET: u32 = 1 << 20;
/// RFC 4253 section 7.3: what follows is encrypted.
const NEWKEYS: u8 = 21;

/// SSH of one flow.
#[derive(Debug)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            readers: Default::default(),
            messages: Messages::new(Protocol::Ssh),
        }
    }
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Reader {
    phase: Phase,
    lines: Lines,
    packets: Framed,
    fingerprinted: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Banner,
    Packets,
    /// Nothing more can be read, and that is as it should be.
    Opaque,
}

impl message::Parser for Parser {
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        if self.messages.next_id() == 0 || self.messages.all().is_empty() {
            self.begin();
        }
        let reader = &mut self.readers[direction.index()];
        match reader.phase {
            Phase::Opaque => bytes.len(),
            Phase::Banner => {
                let (taken, line) = reader.lines.feed(bytes, LONGEST_BANNER);
                if let Some(line) = line {
                    if line.is_last() {
                        reader.phase = Phase::Packets;
                    }
                    if let Some(tx) = self.messages.edit_last() {
                        banner(tx, direction, line);
                    }
                }
                if taken == 0 {
                    return self.data(direction, bytes, limits);
                }
                taken
            }
            Phase::Packets => {
                let (taken, piece) =
                    reader
                        .packets
                        .feed(bytes, limits.message_bytes, packet_length);
                let Some(tx) = self.messages.edit_last() else {
                    return taken;
                };
                match piece {
                    Piece::More => {}
                    Piece::Bad => {
                        reader.phase = Phase::Opaque;
                        tx.raise(direction, app_layer::Event::Ssh(Event::InvalidRecord));
                    }
                    Piece::Message { bytes, cut } => {
                        let first = !reader.fingerprinted;
                        match packet(tx, direction, bytes, cut, first) {
                            Some(KEXINIT) => reader.fingerprinted = true,
                            Some(NEWKEYS) => {
                                reader.phase = Phase::Opaque;
                                tx.finish(direction);
                            }
                            _ => {}
                        }
                    }
                }
                taken
            }
        }
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        let reader = &mut self.readers[direction.index()];
        match reader.phase {
            Phase::Packets => {
                reader.packets.gap(length);
                if reader.packets.failed() {
                    reader.phase = Phase::Opaque;
                }
            }
            Phase::Banner => reader.phase = Phase::Opaque,
            Phase::Opaque => {}
        }
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        if let Some(tx) = self.messages.edit_last() {
            tx.finish(direction);
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn unit_left(&self, direction: Direction) -> Option<u64> {
        let reader = &self.readers[direction.index()];
        let between = reader.phase == Phase::Packets && !reader.packets.is_within();
        between.then_some(0)
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].packets.beyond()
    }

    fn encrypted(&self) -> bool {
        let opaque = |r: &Reader| r.phase == Phase::Opaque;
        self.readers.iter().all(opaque)
    }

    fn held_bytes(&self) -> usize {
        let readers = self.readers.iter();
        let readers = readers.map(|r| r.lines.held_bytes() + r.packets.held_bytes());
        size_of::<Self>() + readers.sum::<usize>() + self.messages.held_bytes()
    }
}

impl Parser {
    fn begin(&mut self) {
        if !message::Parser::encrypted(self) {
            self.messages.begin();
        }
    }
}

/// The first line: `SSH-protocol-software comments`.
fn banner(tx: &mut Transaction, direction: Direction, line: Line<'_>) {
    if line.first {
        match split_banner(line.text) {
            Some((version, software)) => {
                let [version_path, software_path] = match direction {
                    Direction::ToServer => ["client.proto_version", "client.software_version"],
                    Direction::ToClient => ["server.proto_version", "server.software_version"],
                };
                tx.put(Buffer::SshProto, direction, version);
                tx.tell(version_path, Fact::Text(version));
                if !software.is_empty() {
                    tx.put(Buffer::SshSoftware, direction, software);
                    tx.tell(software_path, Fact::Text(software));
                }
            }
            None => tx.raise(direction, app_layer::Event::Ssh(Event::InvalidBanner)),
        }
    }
    if line.is_last() {
        tx.advance(direction, progress::BANNER_DONE);
    } else {
        tx.raise(direction, app_layer::Event::Ssh(Event::LongBanner));
        tx.advance(direction, progress::BANNER_WAIT_EOL);
    }
}

fn split_banner(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"SSH-")?;
    let dash = memchr::memchr(b'-', rest)?;
    let software = &rest[dash + 1..];
    let end = software.iter().position(|b| matches!(b, b' ' | b'\r'));
    Some((&rest[..dash], &software[..end.unwrap_or(software.len())]))
}

/// RFC 4253 section 6: the length counts what follows it.
pub(super) fn packet_length(bytes: &[u8]) -> Length {
    let Some(length) = bytes.first_chunk().map(|b| u32::from_be_bytes(*b)) else {
        return Length::Open;
    };
    if (2..=LARGEST_PACKET).contains(&length) {
        Length::Known(u64::from(length) + 4)
    } else {
        Length::Bad
    }
}

/// One packet, not encrypted: its message's number. The first key exchange message is read.
fn packet(
    tx: &mut Transaction,
    direction: Direction,
    bytes: &[u8],
    cut: bool,
    first: bool,
) -> Option<u8> {
    let padding = usize::from(*bytes.get(4)?);
    let payload = bytes.get(5..bytes.len().saturating_sub(padding))?;
    let number = *payload.first()?;
    if number != KEXINIT || !first {
        return Some(number);
    }
    if cut {
        tx.raise(direction, app_layer::Event::Ssh(Event::LongKexRecord));
        return Some(number);
    }
    let offered = algorithms(payload, direction)?;
    let hash = hash(&offered);
    let ((hash_buffer, text_buffer), [hash_path, text_path]) = match direction {
        Direction::ToServer => (
            (Buffer::SshHassh, Buffer::SshHasshString),
            ["client.hassh.hash", "client.hassh.string"],
        ),
        Direction::ToClient => (
            (Buffer::SshHasshServer, Buffer::SshHasshServerString),
            ["server.hassh.hash", "server.hassh.string"],
        ),
    };
    tx.put(hash_buffer, direction, hash.as_bytes());
    tx.put(text_buffer, direction, &offered);
    tx.tell(hash_path, Fact::Text(hash.as_bytes()));
    tx.tell(text_path, Fact::Text(&offered));
    Some(number)
}
