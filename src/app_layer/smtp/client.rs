//! What the client says: commands and mails.

use super::command::{Chunk, Command, parse};
use super::parser::{Kind, Parser};
use super::{Event, progress};
use crate::app_layer::message::{Fact, Line, Lines, Transaction};
use crate::app_layer::mime::{Anomaly, Bounds, Message};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::ToServer;
use crate::reuse::{List, Place, reused};

reused!(Mail);

/// Bytes of the client's name that are kept.
const LONGEST_HELLO: usize = 1024;

/// The client's direction.
#[derive(Debug, Default)]
pub(super) struct Client {
    lines: Lines,
    mode: Mode,
    hello: Option<List<u8>>,
    /// The mail in hand.
    mail: Place<Mail>,
    failed: bool,
    beyond: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    #[default]
    Commands,
    /// Up to a line with a single dot.
    Data,
    /// Of a chunk so many bytes are left.
    Chunk { left: u64, last: bool },
}

#[derive(Debug)]
struct Mail {
    id: u64,
    lines: Lines,
    message: Message,
    /// The line before ended in LF alone.
    bare: bool,
}

impl Client {
    pub(super) const fn failed(&self) -> bool {
        self.failed
    }

    pub(super) fn beyond(&self) -> u64 {
        let mail = self.mail.get();
        self.beyond + mail.map_or(0, |mail| mail.message.beyond())
    }

    pub(super) fn held_bytes(&self) -> usize {
        let mail = self.mail.get();
        self.lines.held_bytes()
            + self.hello.as_ref().map_or(0, List::capacity)
            + mail.map_or(0, |mail| {
                size_of::<Mail>() + mail.lines.held_bytes() + mail.message.held_bytes()
            })
    }
}

const fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        header_bytes: limits.smtp_header_bytes,
        file_bytes: limits.smtp_attachment_bytes,
        all_files_bytes: limits.smtp_mail_bytes,
        depth: limits.smtp_nesting,
    }
}

impl Parser {
    /// Reads on, up to the end of a command or of a mail.
    pub(super) fn client_data(&mut self, bytes: &[u8], limits: &Limits) -> usize {
        if self.client.failed {
            self.client.beyond += bytes.len() as u64;
            return bytes.len();
        }
        match self.client.mode {
            Mode::Commands => self.command_line(bytes, limits),
            Mode::Data => self.mail_lines(bytes, limits),
            Mode::Chunk { left: 0, .. } => {
                self.client.mode = Mode::Commands;
                self.command_line(bytes, limits)
            }
            Mode::Chunk { left, last } => {
                let taken = usize::try_from(left).map_or(bytes.len(), |n| n.min(bytes.len()));
                self.chunk(&bytes[..taken], left, last, limits);
                taken
            }
        }
    }

    /// Where a mail ends behind a hole cannot be told, nor where a command begins.
    pub(super) fn client_gap(&mut self, length: u64) {
        if let (Some(mail), Some(tx)) = self.mail_in_hand() {
            mail.lines.clear();
            mail.message.gap(length, tx);
        }
        match self.client.mode {
            Mode::Chunk { left, last } if left > length => {
                let left = left - length;
                self.client.mode = Mode::Chunk { left, last };
            }
            _ => self.client.failed = true,
        }
    }

    pub(super) fn client_eof(&mut self, limits: &Limits) {
        if self.client.lines.is_within() {
            self.raise(ToServer, Event::TruncatedLine);
        }
        if let Some(mail) = self.client.mail.get_mut()
            && let Some(rest) = mail.lines.rest()
            && let Some(tx) = self.messages.edit(mail.id)
        {
            mail.message.line(rest, tx, &bounds(limits));
        }
        self.end_message();
    }

    /// DATA was refused: what the client says are commands again.
    pub(super) fn client_data_refused(&mut self, id: Option<u64>) {
        if !matches!(self.client.mode, Mode::Data) {
            return;
        }
        let mail = self.client.mail.get_mut();
        if let Some(mail) = mail.filter(|mail| Some(mail.id) == id) {
            self.client.lines = std::mem::take(&mut mail.lines);
            self.end_message();
            self.client.mode = Mode::Commands;
        }
    }

    fn command_line(&mut self, bytes: &[u8], limits: &Limits) -> usize {
        let mut client = std::mem::take(&mut self.client.lines);
        let (taken, piece) = client.feed(bytes, limits.smtp_line_bytes);
        if let Some(piece) = piece {
            if piece.first {
                self.command(piece.text, limits);
                if !piece.is_last() {
                    self.raise(ToServer, Event::LongCommand);
                }
            } else {
                self.client.beyond += piece.text.len() as u64;
            }
        }
        self.client.lines = client;
        if taken == 0 {
            return self.command_line(bytes, limits);
        }
        taken
    }

    fn command(&mut self, line: &[u8], limits: &Limits) {
        let command = parse(line);
        let Some(id) = self.mail_of(command) else {
            self.wait_for_reply(Kind::Other, None, limits);
            return;
        };
        if !self.server.welcomed {
            self.raise(ToServer, Event::NoWelcome);
        }
        if self
            .waiting
            .back()
            .is_some_and(|w| w.kind == Kind::StartTls)
        {
            self.raise(ToServer, Event::InvalidPipelining);
        }
        let mut kind = Kind::Other;
        match command {
            Command::Hello(name) => self.hello(name, id),
            Command::Mail(address) => {
                self.field(id, Buffer::SmtpMailFrom, "mail_from", address, true);
            }
            Command::Recipient(address) => {
                self.field(id, Buffer::SmtpRcptTo, "rcpt_to[]", address, false);
            }
            Command::Data => {
                kind = Kind::Data;
                let id = self.begin_message(id, limits);
                self.client.mode = Mode::Data;
                self.wait_for_reply(kind, Some(id), limits);
                return;
            }
            Command::Chunk(Some(Chunk { length, last })) => {
                if self.client.mail.get().is_none_or(|mail| mail.id != id) {
                    self.begin_message(id, limits);
                }
                if last {
                    kind = Kind::Last;
                }
                self.client.mode = Mode::Chunk { left: length, last };
                self.wait_for_reply(kind, Some(id), limits);
                if length == 0 {
                    self.chunk(&[], 0, last, limits);
                }
                return;
            }
            Command::Chunk(None) => self.raise(ToServer, Event::UnparsableContent),
            Command::Reset | Command::Quit => {
                kind = Kind::Last;
                self.end_mail(id);
            }
            Command::StartTls => kind = Kind::StartTls,
            Command::Other => {}
        }
        self.wait_for_reply(kind, Some(id), limits);
    }

    /// The mail that a command belongs to: the one in hand, or a new one. What ends a mail begins
    /// none where there was one.
    fn mail_of(&mut self, command: Command<'_>) -> Option<u64> {
        let ends = matches!(command, Command::Reset | Command::Quit);
        if self.current.is_none() && (!ends || self.messages.next_id() == 0) {
            let mail = self.messages.begin();
            mail.advance(ToServer, progress::STARTED);
            let id = mail.id();
            if let Some(name) = &self.client.hello {
                mail.put(Buffer::SmtpHelo, ToServer, name);
                mail.tell("helo", Fact::Text(name));
            }
            self.current = Some(id);
        }
        self.current
    }

    fn hello(&mut self, name: &[u8], id: u64) {
        if self.client.hello.is_some() {
            self.raise(ToServer, Event::DuplicateFields);
            return;
        }
        let name = name.get(..LONGEST_HELLO).unwrap_or(name);
        self.client.hello = Some(name.into());
        self.field(id, Buffer::SmtpHelo, "helo", name, true);
    }

    /// Puts a field into a mail; whether it may be there once only.
    fn field(&mut self, id: u64, buffer: Buffer, path: &'static str, value: &[u8], once: bool) {
        let Some(mail) = self.messages.edit(id) else {
            return;
        };
        if once && mail.fields(buffer, ToServer).next().is_some() {
            self.raise(ToServer, Event::DuplicateFields);
            return;
        }
        mail.put(buffer, ToServer, value);
        mail.tell(path, Fact::Text(value));
    }

    /// The data of a mail begin; the mail they are of. A second mail begins where the one in
    /// hand has its data already.
    fn begin_message(&mut self, mut id: u64, limits: &Limits) -> u64 {
        if !self.client.mail.is_empty() {
            self.raise(ToServer, Event::UnparsableContent);
            self.end_message();
            self.end_mail(id);
            self.wait_for_reply(Kind::Last, Some(id), limits);
            id = self.mail_of(Command::Data).unwrap_or(id);
        }
        self.client.mail.put(Mail {
            id,
            lines: Lines::default(),
            message: Message::new(ToServer),
            bare: false,
        });
        if let Some(mail) = self.messages.edit(id) {
            mail.advance(ToServer, progress::DATA);
        }
        id
    }

    /// The mail's text has ended.
    fn end_message(&mut self) {
        let Some(mut mail) = self.client.mail.take() else {
            return;
        };
        if let Some(tx) = self.messages.edit(mail.id) {
            mail.message.end(tx);
            note_anomalies(&mut mail.message, tx);
        }
        self.client.beyond += mail.message.beyond();
    }

    /// Nothing more of a mail will come from the client.
    fn end_mail(&mut self, id: u64) {
        self.end_message();
        if let Some(tx) = self.messages.edit(id) {
            tx.finish(ToServer);
        }
        self.current = None;
    }

    /// Lines of a mail, up to the one with a single dot (RFC 5321 section 4.5.2).
    fn mail_lines(&mut self, bytes: &[u8], limits: &Limits) -> usize {
        let (Some(mail), Some(tx)) = self.mail_in_hand() else {
            self.client.mode = Mode::Commands;
            return self.command_line(bytes, limits);
        };
        let id = mail.id;
        let (mut taken, mut ended) = (0, false);
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (more, piece) = mail.lines.feed(rest, limits.smtp_line_bytes);
            taken += more;
            let Some(piece) = piece else {
                break;
            };
            let bare = piece.end == b"\n";
            if piece.is_whole() && piece.text == b"." {
                if bare || mail.bare {
                    tx.raise(ToServer, app_layer::Event::Smtp(Event::BareLineFeed));
                }
                ended = true;
                break;
            }
            mail.bare = bare;
            let text = match piece.text {
                [b'.', rest @ ..] if piece.first => rest,
                text => text,
            };
            let piece = Line { text, ..piece };
            mail.message.line(piece, tx, &bounds(limits));
            note_anomalies(&mut mail.message, tx);
        }
        if ended {
            self.client.mode = Mode::Commands;
            self.end_mail(id);
            self.wait_for_reply(Kind::Last, Some(id), limits);
        }
        taken
    }

    /// Bytes of a chunk (RFC 3030 section 2), of which so many were left. A line may go on in the
    /// next one.
    fn chunk(&mut self, bytes: &[u8], left: u64, last: bool, limits: &Limits) {
        let left = left.saturating_sub(bytes.len() as u64);
        let (Some(mail), Some(tx)) = self.mail_in_hand() else {
            self.client.mode = Mode::Chunk { left, last };
            return;
        };
        let id = mail.id;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (taken, piece) = mail.lines.feed(rest, limits.smtp_line_bytes);
            if let Some(piece) = piece {
                mail.message.line(piece, tx, &bounds(limits));
                note_anomalies(&mut mail.message, tx);
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        if left == 0 && mail.lines.is_within() {
            tx.raise(ToServer, app_layer::Event::Smtp(Event::ChunkLengthExceeded));
        }
        if left == 0
            && last
            && let Some(piece) = mail.lines.rest()
        {
            mail.message.line(piece, tx, &bounds(limits));
            note_anomalies(&mut mail.message, tx);
        }
        self.client.mode = if left > 0 {
            Mode::Chunk { left, last }
        } else {
            Mode::Commands
        };
        if left == 0 && last {
            self.end_mail(id);
        }
    }

    /// The mail whose text comes, and its transaction.
    fn mail_in_hand(&mut self) -> (Option<&mut Mail>, Option<&mut Transaction>) {
        let mail = self.client.mail.get_mut();
        let tx = mail.as_ref().map(|mail| mail.id);
        (mail, tx.and_then(|id| self.messages.edit(id)))
    }
}

fn note_anomalies(message: &mut Message, tx: &mut Transaction) {
    for anomaly in message.new_anomalies() {
        let event = match anomaly {
            Anomaly::InvalidBase64 => Event::MimeInvalidBase64,
            Anomaly::InvalidQuoted => Event::MimeInvalidQuoted,
            Anomaly::LongLine => Event::MimeLongLine,
            Anomaly::LongEncodedLine => Event::MimeLongEncodedLine,
            Anomaly::LongHeaderName => Event::MimeLongHeaderName,
            Anomaly::LongHeaderValue => Event::MimeLongHeaderValue,
            Anomaly::LongBoundary => Event::MimeLongBoundary,
            Anomaly::LongFileName => Event::MimeLongFileName,
            Anomaly::TooDeep => Event::MimeTooDeep,
        };
        tx.raise(ToServer, app_layer::Event::Smtp(event));
    }
}
