//! The incremental parser: commands and replies in any segmentation.

use super::command::{self, Kind, TRANSFERS};
use super::data::Data;
use super::reply;
use crate::app_layer::ftp::Event;
use crate::app_layer::message::{self, Expected, Fact, Line, Lines, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction::{self, ToClient, ToServer};
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::List;

const ACTIVE: u64 = 1;
const PASSIVE: u64 = 2;

/// FTP of one flow.
#[derive(Debug)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Messages,
    /// Within a reply of several lines.
    within_reply: bool,
    /// Where the next file's connection will be opened.
    meeting: Option<Meeting>,
    /// A command whose port was told in its reply: what a client's rule asks of it is known when
    /// the client speaks again.
    told: Option<(u64, u16)>,
    expected: Option<Expected>,
    over: bool,
}

#[derive(Debug, Default)]
struct Reader {
    lines: Lines,
    /// Bytes are missing: what comes up to the next line's end says nothing.
    lost: bool,
    /// Bytes of lines beyond what is read of one.
    beyond: u64,
}

#[derive(Clone, Copy, Debug)]
struct Meeting {
    /// Who opens it, by where the first packet goes as the control connection sees it.
    opener: Direction,
    port: u16,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            readers: Default::default(),
            messages: Messages::new(Protocol::Ftp),
            within_reply: false,
            meeting: None,
            told: None,
            expected: None,
            over: false,
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of a line.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        if self.over {
            return bytes.len();
        }
        let at = direction.index();
        let mut lines = std::mem::take(&mut self.readers[at].lines);
        let mut taken = 0;
        while taken < bytes.len() {
            let (more, line) = lines.feed(&bytes[taken..], limits.ftp_line_bytes);
            taken += more;
            let Some(line) = line else {
                break;
            };
            let lost = self.readers[at].lost;
            self.readers[at].lost &= !line.is_last();
            if line.first && !lost && !line.text.is_empty() {
                match direction {
                    ToServer => self.command(line, limits),
                    ToClient => self.reply(line),
                }
            }
            if !line.first {
                self.readers[at].beyond += line.text.len() as u64;
            }
            if line.is_last() {
                break;
            }
        }
        self.readers[at].lines = lines;
        taken
    }

    fn gap(&mut self, direction: Direction, _: u64) {
        let reader = &mut self.readers[direction.index()];
        reader.lines.clear();
        reader.lost = true;
        self.within_reply &= direction == ToServer;
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        self.tell_port();
        let open: List<u64> = self.messages.all().iter().map(Transaction::id).collect();
        for &id in &open {
            let Some(tx) = self.messages.edit(id) else {
                continue;
            };
            let answered = tx.fields(Buffer::FtpReply, ToClient).next().is_some();
            if !answered && direction == ToClient {
                tx.put_number(Number::FtpReplyReceived, ToClient, 0);
            }
            tx.finish(direction);
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn take_expected(&mut self) -> Option<Expected> {
        self.expected.take()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    fn held_bytes(&self) -> usize {
        let lines = self.readers.iter().map(|r| r.lines.held_bytes());
        size_of::<Self>()
            + lines.sum::<usize>()
            + self.expected.as_ref().map_or(0, Expected::held_bytes)
            + self.messages.held_bytes()
    }
}

impl Parser {
    fn command(&mut self, line: Line<'_>, limits: &Limits) {
        self.tell_port();
        self.bound_waiting(limits);
        let command = command::parse(line.text);
        let kind = command.kind();
        let tx = self.messages.begin();
        let word = command.word.to_ascii_uppercase();
        tx.put(Buffer::FtpCommand, ToServer, &word);
        tx.tell("command", Fact::Text(&word));
        if !command.rest.is_empty() {
            tx.put(Buffer::FtpCommandData, ToServer, command.rest);
            tx.tell("command_data", Fact::Text(command.rest));
        }
        tx.tell("command_truncated", Fact::Flag(!line.is_last()));
        if !line.is_last() {
            tx.raise(ToServer, app_layer::Event::Ftp(Event::LongCommand));
        }
        match kind {
            Kind::Active(port) => {
                put_mode(tx, ACTIVE);
                tx.tell("mode", Fact::Text(b"active"));
                if let Some(address) = command::address(&command) {
                    let address = u64::from(address.to_bits());
                    tx.put_number(Number::FtpPortAddress, ToServer, address);
                }
                if let Some(port) = port {
                    tx.put_number(Number::FtpDynamicPort, ToServer, u64::from(port));
                    tx.tell("dynamic_port", Fact::Number(u64::from(port)));
                }
                self.meeting = port.map(|port| Meeting {
                    opener: ToClient,
                    port,
                });
            }
            Kind::Passive => {
                put_mode(tx, PASSIVE);
                tx.tell("mode", Fact::Text(b"passive"));
                // The port is still to come.
                return;
            }
            Kind::Transfer(at) => self.expect(at, &word, command.rest),
            Kind::Secure | Kind::Other => {}
        }
        if let Some(tx) = self.messages.edit_last() {
            tx.finish(ToServer);
        }
    }

    /// Commands without their reply are bounded: those beyond are over.
    fn bound_waiting(&mut self, limits: &Limits) {
        if self.messages.all().len() >= limits.ftp_commands
            && let Some(oldest) = self.messages.edit_oldest_open(ToClient)
        {
            oldest.finish_both();
        }
    }

    /// A command moves a file: the connection for it will come.
    fn expect(&mut self, at: u8, word: &[u8], name: &[u8]) {
        let (Some(meeting), Some((_, number))) =
            (self.meeting.take(), TRANSFERS.get(usize::from(at)))
        else {
            return;
        };
        let parser = Box::new(Data::new(word, name.trim_ascii(), *number));
        self.expected = Some(Expected::new(meeting.opener, meeting.port, parser));
    }

    fn reply(&mut self, line: Line<'_>) {
        let reply = reply::parse(line.text);
        if self.messages.edit_oldest_open(ToClient).is_none() {
            // The greeting, or what nobody asked for.
            self.messages.begin().finish(ToServer);
        }
        let Some(tx) = self.messages.edit_oldest_open(ToClient) else {
            return;
        };
        if let Some(code) = reply.code.filter(|_| !self.within_reply || reply.last) {
            tx.put(Buffer::FtpCompletionCode, ToClient, code);
            tx.tell("completion_code[]", Fact::Text(code));
        }
        if tx.fields(Buffer::FtpReply, ToClient).next().is_none() {
            tx.put_number(Number::FtpReplyReceived, ToClient, 1);
            tx.tell("reply_received", Fact::Text(b"yes"));
        }
        tx.put(Buffer::FtpReply, ToClient, reply.text);
        tx.tell("reply[]", Fact::Text(reply.text));
        tx.tell("reply_truncated", Fact::Flag(!line.is_last()));
        if !line.is_last() {
            tx.raise(ToClient, app_layer::Event::Ftp(Event::LongReply));
        }
        self.within_reply = !reply.last && (self.within_reply || reply.code.is_some());
        if !reply.last || reply.is_preliminary() {
            return;
        }
        tx.finish(ToClient);
        let secure = {
            let mut word = tx.fields(Buffer::FtpCommand, ToServer);
            word.next() == Some(b"AUTH") && reply.code == Some(b"234")
        };
        let port = match reply.code {
            Some(b"227") => command::comma_port(reply.text),
            Some(b"229") => command::extended_port(reply.text),
            _ => None,
        };
        if let Some(port) = port.filter(|_| self.told.is_none()) {
            tx.put_number(Number::FtpDynamicPort, ToClient, u64::from(port));
            tx.tell("dynamic_port", Fact::Number(u64::from(port)));
            self.told = Some((tx.id(), port));
            self.meeting = Some(Meeting {
                opener: ToServer,
                port,
            });
        } else if !tx.is_complete(ToServer) {
            tx.finish(ToServer);
        }
        if secure {
            self.hand_over();
        }
    }

    /// What the server told of a port, for the client's direction.
    fn tell_port(&mut self) {
        if let Some((id, port)) = self.told.take()
            && let Some(tx) = self.messages.edit(id)
        {
            tx.put_number(Number::FtpDynamicPort, ToServer, u64::from(port));
            tx.finish(ToServer);
        }
    }

    /// AUTH was accepted (RFC 4217 section 4).
    fn hand_over(&mut self) {
        self.over = true;
        let open: List<u64> = self.messages.all().iter().map(Transaction::id).collect();
        for &id in &open {
            if let Some(tx) = self.messages.edit(id) {
                tx.finish_both();
            }
        }
    }
}

fn put_mode(tx: &mut Transaction, mode: u64) {
    for direction in Direction::BOTH {
        tx.put_number(Number::FtpMode, direction, mode);
    }
}
