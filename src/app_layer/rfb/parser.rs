//! The handshake, turn by turn (RFC 6143 section 7). What follows it is not read.

use super::Event;
use crate::app_layer::message::{self, Bytes, Fact, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::List;

/// Bytes that an end may be ahead of its turn.
const MOST_AHEAD: usize = 1024;
/// Bytes of a desktop's name or of a reason.
const LONGEST_TEXT: u32 = 4096;

/// RFC 6143 section 7.1.2.
const NO_AUTHENTICATION: u32 = 1;
const VNC_AUTHENTICATION: u32 = 2;
/// RFC 6143 section 7.1.3.
const OK: u32 = 0;
const TOO_MANY: u32 = 2;

/// RFB of one flow.
#[derive(Debug)]
pub struct Parser {
    turn: Turn,
    /// The minor version that both ends speak.
    minor: u8,
    /// Bytes of turns that are not whole yet, or have not come.
    kept: [List<u8>; 2],
    beyond: [u64; 2],
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            turn: Turn::ServerVersion,
            minor: 0,
            kept: Default::default(),
            beyond: [0; 2],
            messages: Messages::new(Protocol::Rfb),
        }
    }
}

/// Who has to say what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    ServerVersion,
    ClientVersion,
    /// The server decides (versions before 3.7).
    SecurityType,
    SecurityCount,
    SecurityTypes(u8),
    SecurityChoice,
    Challenge,
    Response,
    SecurityResult,
    ReasonLength,
    Reason(u32),
    ClientInit,
    ServerInit,
    Name(u32),
    /// Nothing that is read comes any more.
    Over,
}

impl Turn {
    /// Whose turn it is, and how many bytes it takes.
    const fn wants(self) -> Option<(Direction, usize)> {
        match self {
            Self::ServerVersion => Some((ToClient, 12)),
            Self::ClientVersion => Some((ToServer, 12)),
            Self::SecurityType | Self::SecurityResult | Self::ReasonLength => Some((ToClient, 4)),
            Self::SecurityCount => Some((ToClient, 1)),
            Self::SecurityTypes(count) => Some((ToClient, count as usize)),
            Self::SecurityChoice | Self::ClientInit => Some((ToServer, 1)),
            Self::Challenge => Some((ToClient, 16)),
            Self::Response => Some((ToServer, 16)),
            Self::ServerInit => Some((ToClient, 24)),
            Self::Reason(length) | Self::Name(length) => Some((ToClient, length as usize)),
            Self::Over => None,
        }
    }
}

impl message::Parser for Parser {
    fn data(&mut self, direction: Direction, bytes: &[u8], _: &Limits) -> usize {
        let from = direction.index();
        let mut bytes = bytes;
        let all = bytes.len();
        // Turn by turn, so that what is kept stays within its bound.
        while let Some((whose, wanted)) = self.turn.wants() {
            let room = match whose == direction {
                true => wanted.saturating_sub(self.kept[from].len()),
                false => MOST_AHEAD.saturating_sub(self.kept[from].len()),
            };
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.kept[from].extend_from_slice(now);
            bytes = later;
            if self.kept[whose.index()].len() >= wanted {
                self.take_turn(whose, wanted);
            } else if whose != direction && !bytes.is_empty() {
                self.raise(direction, Event::ConfusedState);
                self.end();
            } else {
                return all;
            }
        }
        self.beyond[from] += bytes.len() as u64;
        all
    }

    /// The place of the next turn is lost with the bytes.
    fn gap(&mut self, _: Direction, _: u64) {
        if self.turn != Turn::Over {
            self.end();
        }
    }

    fn eof(&mut self, _: Direction, _: &Limits) {}

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    /// What follows the handshake.
    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.beyond[direction.index()]
    }

    fn held_bytes(&self) -> usize {
        let kept: usize = self.kept.iter().map(List::capacity).sum();
        size_of::<Self>() + kept + self.messages.held_bytes()
    }
}

impl Parser {
    fn tx(&mut self) -> &mut Transaction {
        self.messages.edit_last_or_begin()
    }

    fn raise(&mut self, direction: Direction, event: Event) {
        self.tx().raise(direction, app_layer::Event::Rfb(event));
    }

    fn end(&mut self) {
        self.turn = Turn::Over;
        for (beyond, kept) in self.beyond.iter_mut().zip(std::mem::take(&mut self.kept)) {
            *beyond += kept.len() as u64;
        }
        self.tx().finish_both();
    }

    /// Reads what has come whole.
    fn take_turn(&mut self, whose: Direction, wanted: usize) {
        let mut kept = std::mem::take(&mut self.kept[whose.index()]);
        let next = self.read(whose, kept.get(..wanted).unwrap_or_default());
        kept.drain(..wanted.min(kept.len()));
        self.kept[whose.index()] = kept;
        match next {
            Some(Turn::Over) => self.end(),
            Some(turn) => self.turn = turn,
            None => {
                self.raise(whose, Event::MalformedMessage);
                self.end();
            }
        }
    }

    /// Puts a turn into the transaction, and tells whose turn is next.
    fn read(&mut self, whose: Direction, bytes: &[u8]) -> Option<Turn> {
        let mut fields = Bytes(bytes);
        match self.turn {
            Turn::ServerVersion => {
                self.minor = minor(bytes)?;
                self.tell_version("server_protocol_version.minor");
                Some(Turn::ClientVersion)
            }
            Turn::ClientVersion => {
                self.minor = minor(bytes)?.min(self.minor);
                self.tell_version("client_protocol_version.minor");
                Some(match self.minor {
                    7.. => Turn::SecurityCount,
                    _ => Turn::SecurityType,
                })
            }
            Turn::SecurityType => self.security(whose, fields.u32()?),
            Turn::SecurityCount => Some(match fields.u8()? {
                0 => Turn::ReasonLength,
                count => Turn::SecurityTypes(count),
            }),
            Turn::SecurityTypes(_) => Some(Turn::SecurityChoice),
            Turn::SecurityChoice => self.security(whose, u32::from(fields.u8()?)),
            Turn::Challenge => Some(Turn::Response),
            Turn::Response => Some(Turn::SecurityResult),
            Turn::SecurityResult => self.result(fields.u32()?),
            Turn::ReasonLength => fields
                .u32()
                .filter(|n| *n <= LONGEST_TEXT)
                .map(Turn::Reason),
            Turn::ClientInit => {
                let shared = fields.u8()? != 0;
                self.tx().tell("screen_shared", Fact::Flag(shared));
                Some(Turn::ServerInit)
            }
            Turn::ServerInit => {
                for path in ["framebuffer.width", "framebuffer.height"] {
                    let pixels = fields.u16()?;
                    self.tx().tell(path, Fact::Number(pixels.into()));
                }
                fields.take(16)?;
                fields.u32().filter(|n| *n <= LONGEST_TEXT).map(Turn::Name)
            }
            Turn::Name(_) => {
                let tx = self.tx();
                tx.put(Buffer::RfbName, whose, bytes);
                tx.tell("framebuffer.name", Fact::Text(bytes));
                Some(Turn::Over)
            }
            Turn::Reason(_) | Turn::Over => Some(Turn::Over),
        }
    }

    fn tell_version(&mut self, path: &'static str) {
        let minor = self.minor;
        self.tx().tell(path, Fact::Number(minor.into()));
    }

    fn security(&mut self, whose: Direction, kind: u32) -> Option<Turn> {
        let minor = self.minor;
        let tx = self.tx();
        tx.put_number(Number::RfbSecurityType, whose, kind.into());
        tx.tell("authentication.security_type", Fact::Number(kind.into()));
        Some(match kind {
            0 => Turn::ReasonLength,
            // Only from version 3.8 on there is a result (RFC 6143 section 7.2.1, appendix A).
            NO_AUTHENTICATION if minor >= 8 => Turn::SecurityResult,
            NO_AUTHENTICATION => Turn::ClientInit,
            VNC_AUTHENTICATION => Turn::Challenge,
            _ => {
                self.raise(whose, Event::UnimplementedSecurityType);
                Turn::Over
            }
        })
    }

    fn result(&mut self, result: u32) -> Option<Turn> {
        let minor = self.minor;
        let tx = self.tx();
        tx.put_number(Number::RfbSecurityResult, ToClient, result.into());
        if let Some(word) = Number::RfbSecurityResult.word(result.into()) {
            tx.tell(
                "authentication.security_result",
                Fact::Text(word.as_bytes()),
            );
        }
        if result > TOO_MANY {
            self.raise(ToClient, Event::UnknownSecurityResult);
        }
        Some(match result {
            OK => Turn::ClientInit,
            _ if minor >= 8 => Turn::ReasonLength,
            _ => Turn::Over,
        })
    }
}

/// The minor version out of `RFB 003.008` and a line feed; those between known ones count as the
/// one below (RFC 6143 section 7.1.1). Larger major versions, which no standard has, begin alike.
fn minor(bytes: &[u8]) -> Option<u8> {
    let [major, b'.', digits @ .., b'\n'] = bytes.strip_prefix(b"RFB 00")? else {
        return None;
    };
    let good = digits.len() == 3 && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| good)?;
    let number: u16 = text.parse().ok()?;
    match (major, number) {
        (b'4'..=b'9', _) | (b'3', 8..) => Some(8),
        (b'3', 7) => Some(7),
        (b'3', _) => Some(3),
        _ => None,
    }
}
