//! The incremental parser: commands, mails and replies in any segmentation.

use super::Event;
use super::client::Client;
use super::server::Server;
use crate::app_layer::message::{self, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::direction::Direction;
use crate::protocol::Protocol;
use crate::reuse::{List, Queue, reused};

reused!(Waiting);

/// SMTP of one flow.
#[derive(Debug)]
pub struct Parser {
    pub(super) client: Client,
    pub(super) server: Server,
    pub(super) messages: Messages,
    /// The mail that commands belong to.
    pub(super) current: Option<u64>,
    /// Commands that wait for their reply, the oldest first.
    pub(super) waiting: Queue<Waiting>,
    /// STARTTLS was accepted.
    over: bool,
}

/// A command without its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub kind: Kind,
    pub mail: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    StartTls,
    /// With its reply the mail is over.
    Last,
    Other,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            client: Client::default(),
            server: Server::default(),
            messages: Messages::new(Protocol::Smtp),
            current: None,
            waiting: Queue::new(),
            over: false,
        }
    }
}

impl message::Parser for Parser {
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        if self.over {
            return bytes.len();
        }
        match direction {
            Direction::ToServer => self.client_data(bytes, limits),
            Direction::ToClient => self.server_data(bytes, limits),
        }
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        match direction {
            Direction::ToServer => self.client_gap(length),
            Direction::ToClient => self.server_gap(),
        }
    }

    fn eof(&mut self, direction: Direction, limits: &Limits) {
        match direction {
            Direction::ToServer => self.client_eof(limits),
            Direction::ToClient => self.server_eof(limits),
        }
        let open: List<u64> = self.messages.all().iter().map(Transaction::id).collect();
        for &id in &open {
            if let Some(mail) = self.messages.edit(id) {
                mail.finish(direction);
            }
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn failed(&self, direction: Direction) -> bool {
        direction == Direction::ToServer && self.client.failed()
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        match direction {
            Direction::ToServer => self.client.beyond(),
            Direction::ToClient => self.server.beyond,
        }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>()
            + self.client.held_bytes()
            + self.server.held_bytes()
            + self.waiting.capacity() * size_of::<Waiting>()
            + self.messages.held_bytes()
    }
}

impl Parser {
    /// Something odd, in the mail in hand or the one before.
    pub(super) fn raise(&mut self, direction: Direction, event: Event) {
        let mail = match self.current {
            Some(id) => self.messages.edit(id),
            None => self.messages.edit_last(),
        };
        if let Some(mail) = mail {
            mail.raise(direction, app_layer::Event::Smtp(event));
        }
    }

    /// A command was sent that will be answered.
    pub(super) fn wait_for_reply(&mut self, kind: Kind, mail: Option<u64>, limits: &Limits) {
        if self.waiting.len() >= limits.smtp_commands
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.raise(Direction::ToServer, Event::UnmatchedReply);
            self.finish_answered(oldest);
        }
        self.waiting.push_back(Waiting { kind, mail });
    }

    /// A command has its reply.
    pub(super) fn finish_answered(&mut self, answered: Waiting) {
        let mail = answered.mail.and_then(|id| self.messages.edit(id));
        if let Some(mail) = mail
            && answered.kind == Kind::Last
        {
            mail.finish(Direction::ToClient);
        }
    }

    /// What follows is of another protocol.
    pub(super) fn hand_over(&mut self) {
        self.over = true;
        let open: List<u64> = self.messages.all().iter().map(Transaction::id).collect();
        for &id in &open {
            if let Some(mail) = self.messages.edit(id) {
                mail.finish_both();
            }
        }
    }
}
