//! What the server says: replies (RFC 5321 section 4.2).

use super::parser::{Kind, Parser};
use super::{Event, progress};
use crate::app_layer::Limits;
use crate::app_layer::message::Lines;
use crate::direction::Direction::ToClient;

/// The server's direction.
#[derive(Debug, Default)]
pub(super) struct Server {
    lines: Lines,
    pub welcomed: bool,
    /// Bytes are missing: what comes up to the next line's end says nothing.
    lost: bool,
    /// Bytes of lines beyond what is looked at of one.
    pub beyond: u64,
}

impl Server {
    pub(super) fn held_bytes(&self) -> usize {
        self.lines.held_bytes()
    }
}

/// One line of a reply.
struct Line {
    code: Option<u16>,
    /// More lines of the same reply follow.
    goes_on: bool,
    too_long: bool,
}

impl Line {
    fn of(text: &[u8], too_long: bool) -> Self {
        let digits = text.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
        let code = digits.map(|d| d.iter().fold(0, |n, b| n * 10 + u16::from(b - b'0')));
        Self {
            code,
            goes_on: code.is_some() && text.get(3) == Some(&b'-'),
            too_long,
        }
    }
}

impl Parser {
    /// Reads on, up to the end of a line.
    pub(super) fn server_data(&mut self, bytes: &[u8], limits: &Limits) -> usize {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (more, piece) = self.server.lines.feed(rest, limits.smtp_line_bytes);
            taken += more;
            let Some(piece) = piece else {
                return taken;
            };
            if !piece.first {
                self.server.beyond += piece.text.len() as u64;
            }
            let line = piece.first.then(|| Line::of(piece.text, !piece.is_last()));
            let empty = piece.text.is_empty();
            let ended = piece.is_last();
            let lost = self.server.lost;
            self.server.lost &= !ended;
            if let Some(line) = line.filter(|_| !lost && !empty) {
                self.reply(&line);
            }
            if ended && taken > 0 {
                return taken;
            }
        }
    }

    /// Which commands the replies behind a hole belong to cannot be told.
    pub(super) fn server_gap(&mut self) {
        self.server.lines.clear();
        self.server.lost = true;
        while let Some(command) = self.waiting.pop_front() {
            self.finish_answered(command);
        }
    }

    pub(super) fn server_eof(&mut self, _: &Limits) {
        if self.server.lines.is_within() {
            self.raise(ToClient, Event::TruncatedLine);
        }
    }

    fn reply(&mut self, line: &Line) {
        if line.too_long {
            self.raise(ToClient, Event::LongReply);
        }
        let Some(code) = line.code else {
            self.raise(ToClient, Event::InvalidReply);
            return;
        };
        if line.goes_on {
            return;
        }
        if !std::mem::replace(&mut self.server.welcomed, true) && self.waiting.is_empty() {
            if code != 220 {
                self.raise(ToClient, Event::InvalidReply);
            }
            return;
        }
        let Some(command) = self.waiting.pop_front() else {
            return;
        };
        if let Some(mail) = command.mail.and_then(|id| self.messages.edit(id)) {
            mail.advance(ToClient, progress::STARTED);
        }
        match command.kind {
            Kind::StartTls if code == 220 => self.hand_over(),
            Kind::StartTls => self.raise(ToClient, Event::TlsRejected),
            Kind::Data if code == 354 => {}
            Kind::Data => {
                self.raise(ToClient, Event::DataRejected);
                self.client_data_refused(command.mail);
            }
            Kind::Last | Kind::Other => self.finish_answered(command),
        }
    }
}
