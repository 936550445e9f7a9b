//! Messages in any segmentation, and which of them belong together.

use super::Event;
use super::message::{Kind, head, length, skip_properties};
use crate::app_layer::message::{self, Bytes, Fact, Framed, Messages, Piece, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::{List, reused};

reused!(Waiting);

/// The first version whose messages have properties and reasons (MQTT 5).
const WITH_PROPERTIES: u8 = 5;

/// MQTT of one flow.
#[derive(Debug)]
pub struct Parser {
    framed: [Framed; 2],
    messages: Messages,
    /// Requests without their answer.
    waiting: List<Waiting>,
    version: u8,
    connect_seen: bool,
    connected: bool,
}

/// A request that is not answered yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    transaction: u64,
    request: Kind,
    /// Zero for CONNECT, which has none.
    id: u16,
    from: Direction,
}

/// One message on its way into a transaction.
struct Message<'a> {
    kind: Kind,
    /// The lower half of the first byte (section 2.1.3).
    flags: u8,
    body: Bytes<'a>,
    from: Direction,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            framed: Default::default(),
            messages: Messages::new(Protocol::Mqtt),
            waiting: List::new(),
            version: 0,
            connect_seen: false,
            connected: false,
        }
    }
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next message.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let mut framed = std::mem::take(&mut self.framed[direction.index()]);
        let was_good = !framed.failed();
        let (taken, piece) = framed.feed(bytes, limits.message_bytes, length);
        match piece {
            Piece::More => {}
            // A receiver closes on a malformed message (section 4.13): nothing behind it counts.
            Piece::Message { bytes, cut } => {
                if !self.message(direction, bytes, cut, limits) {
                    framed.give_up();
                }
            }
            Piece::Bad if was_good => {
                self.lone(direction, Event::MalformedTraffic);
            }
            Piece::Bad => {}
        }
        self.framed[direction.index()] = framed;
        taken
    }

    fn gap(&mut self, direction: Direction, length: u64) {
        self.framed[direction.index()].gap(length);
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        let cut_short = self.framed[direction.index()].is_within();
        if cut_short {
            self.lone(direction, Event::MalformedTraffic);
            self.framed[direction.index()].give_up();
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.framed[direction.index()].failed()
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.framed[direction.index()].beyond()
    }

    fn held_bytes(&self) -> usize {
        let framed = self.framed.iter().map(Framed::held_bytes);
        size_of::<Self>()
            + framed.sum::<usize>()
            + self.messages.held_bytes()
            + self.waiting.capacity() * size_of::<Waiting>()
    }
}

impl Parser {
    /// Whether the message was made as it should be.
    fn message(&mut self, from: Direction, bytes: &[u8], cut: bool, limits: &Limits) -> bool {
        let Ok(head) = head(bytes) else {
            return false;
        };
        let Some(kind) = Kind::of(head.first) else {
            self.lone(from, Event::UnassignedMsgType);
            return true;
        };
        let mut message = Message {
            kind,
            flags: head.first & 0x0f,
            body: Bytes(bytes.get(head.body_at..).unwrap_or_default()),
            from,
        };
        if kind == Kind::Connect {
            // The version decides how everything else is read (section 3.1.2.2).
            self.version = version(message.body).unwrap_or(self.version);
        }
        let id = message.id();
        let (at, orphaned) = self.transaction_of(kind, id.unwrap_or(0), from, limits);
        let bad_level = message.flags & 0x06 == 0x06 && kind == Kind::Publish;
        let lacks_id = message.needs_id() && id.is_none_or(|id| id == 0);
        let order = self.order(kind);
        let version = self.version;
        let Some(tx) = self.messages.edit(at) else {
            return true;
        };
        let good = message.read(tx, version).is_some() || cut;
        let events = [
            orphaned,
            order,
            bad_level.then_some(Event::InvalidQosLevel),
            lacks_id.then_some(Event::MissingMsgId),
            (!good).then_some(Event::MalformedTraffic),
        ];
        for event in events.into_iter().flatten() {
            tx.raise(from, app_layer::Event::Mqtt(event));
        }
        let waits = self.waiting.iter().any(|w| w.transaction == at);
        if !waits {
            tx.finish_both();
        }
        good
    }

    /// The transaction that a message belongs to, and what is wrong where it has no request.
    fn transaction_of(
        &mut self,
        kind: Kind,
        id: u16,
        from: Direction,
        limits: &Limits,
    ) -> (u64, Option<Event>) {
        let (requests, missing, more): (&[Kind], _, bool) = match kind {
            Kind::Connack => (&[Kind::Connect], Event::MissingConnect, false),
            Kind::Puback | Kind::Pubcomp => (&[Kind::Publish], Event::MissingPublish, false),
            Kind::Pubrec | Kind::Pubrel => (&[Kind::Publish], Event::MissingPublish, true),
            Kind::Suback => (&[Kind::Subscribe], Event::MissingSubscribe, false),
            Kind::Unsuback => (&[Kind::Unsubscribe], Event::MissingUnsubscribe, false),
            _ => return (self.request(kind, id, from, limits), None),
        };
        // PUBREL comes from the publisher, every other answer from the other end.
        let asker = if kind == Kind::Pubrel {
            from
        } else {
            from.opposite()
        };
        let known = self
            .waiting
            .iter()
            .position(|w| requests.contains(&w.request) && w.id == id && w.from == asker);
        match known {
            Some(at) if more => (self.waiting[at].transaction, None),
            Some(at) => (self.waiting.remove(at).transaction, None),
            None => (self.messages.begin().id(), Some(missing)),
        }
    }

    fn request(&mut self, kind: Kind, id: u16, from: Direction, limits: &Limits) -> u64 {
        let transaction = self.messages.begin().id();
        let answered = match kind {
            Kind::Connect | Kind::Subscribe | Kind::Unsubscribe => true,
            // Quality of service 0 is not acknowledged, and then there is no identifier.
            Kind::Publish => id != 0,
            _ => false,
        };
        if !answered {
            return transaction;
        }
        if self.waiting.len() >= limits.transactions {
            let oldest = self.waiting.remove(0);
            if let Some(tx) = self.messages.edit(oldest.transaction) {
                tx.raise(from, app_layer::Event::Mqtt(Event::TooManyTransactions));
                tx.finish_both();
            }
        }
        self.waiting.push(Waiting {
            transaction,
            request: kind,
            id,
            from,
        });
        transaction
    }

    /// Whether a message comes when it may (section 3.1.4).
    fn order(&mut self, kind: Kind) -> Option<Event> {
        match kind {
            Kind::Connect => {
                std::mem::replace(&mut self.connect_seen, true).then_some(Event::DoubleConnect)
            }
            Kind::Connack => {
                self.connected = true;
                None
            }
            // An extended authentication runs before CONNACK (MQTT 5 section 4.12).
            Kind::Auth => None,
            _ => (!self.connected).then_some(Event::UnintroducedMessage),
        }
    }

    /// A transaction that is nothing but its event.
    fn lone(&mut self, direction: Direction, event: Event) {
        let tx = self.messages.begin();
        tx.raise(direction, app_layer::Event::Mqtt(event));
        tx.finish_both();
    }
}

fn version(mut body: Bytes<'_>) -> Option<u8> {
    body.string16()?;
    body.u8()
}

impl<'a> Message<'a> {
    /// A message with a quality of service above 0, or whose type always has one.
    const fn needs_id(&self) -> bool {
        match self.kind {
            Kind::Publish => self.flags & 0x06 != 0,
            Kind::Puback
            | Kind::Pubrec
            | Kind::Pubrel
            | Kind::Pubcomp
            | Kind::Subscribe
            | Kind::Suback
            | Kind::Unsubscribe
            | Kind::Unsuback => true,
            _ => false,
        }
    }

    fn id(&self) -> Option<u16> {
        if !self.needs_id() {
            return None;
        }
        let mut body = self.body;
        if self.kind == Kind::Publish {
            body.string16()?;
        }
        body.u16()
    }

    /// Puts the message into its transaction; `None` where it is not made as it should be.
    fn read(&mut self, tx: &mut Transaction, version: u8) -> Option<()> {
        let from = self.from;
        tx.put_number(Number::MqttType, from, self.kind as u64);
        tx.put_number(Number::MqttFlags, from, u64::from(self.flags & 0x09));
        tx.put_number(Number::MqttQos, from, u64::from(self.flags >> 1 & 3));
        let with_properties = version >= WITH_PROPERTIES;
        match self.kind {
            Kind::Connect => self.connect(tx),
            Kind::Connack => {
                let present = self.body.u8()? & 1;
                tx.put_number(Number::MqttSessionPresent, from, u64::from(present));
                tx.tell("connack.session_present", Fact::Flag(present == 1));
                let code = self.body.u8()?;
                self.reason(tx, "connack.return_code", code);
                if with_properties {
                    skip_properties(&mut self.body)?;
                }
                Some(())
            }
            Kind::Publish => {
                let topic = self.text(tx, Buffer::MqttPublishTopic, "publish.topic")?;
                if self.needs_id() {
                    let id = self.body.u16()?;
                    tx.tell("publish.message_id", Fact::Number(u64::from(id)));
                }
                if with_properties {
                    skip_properties(&mut self.body)?;
                }
                let message = self.body.rest();
                tx.put(Buffer::MqttPublishMessage, from, message);
                tx.tell("publish.message", Fact::Text(message));
                (!topic.is_empty() || with_properties).then_some(())
            }
            Kind::Puback => self.acknowledgement(tx, "puback.message_id", "puback.reason_code"),
            Kind::Pubrec => self.acknowledgement(tx, "pubrec.message_id", "pubrec.reason_code"),
            Kind::Pubrel => self.acknowledgement(tx, "pubrel.message_id", "pubrel.reason_code"),
            Kind::Pubcomp => self.acknowledgement(tx, "pubcomp.message_id", "pubcomp.reason_code"),
            Kind::Subscribe => {
                self.identified(tx, "subscribe.message_id", with_properties)?;
                while !self.body.is_empty() {
                    self.text(tx, Buffer::MqttSubscribeTopic, "subscribe.topics[].topic")?;
                    let options = self.body.u8()?;
                    tx.tell(
                        "subscribe.topics[-1].qos",
                        Fact::Number(u64::from(options & 3)),
                    );
                }
                Some(())
            }
            Kind::Unsubscribe => {
                self.identified(tx, "unsubscribe.message_id", with_properties)?;
                while !self.body.is_empty() {
                    self.text(tx, Buffer::MqttUnsubscribeTopic, "unsubscribe.topics[]")?;
                }
                Some(())
            }
            Kind::Suback => {
                self.identified(tx, "suback.message_id", with_properties)?;
                self.reasons(tx, "suback.qos_granted[]")
            }
            Kind::Unsuback => {
                self.identified(tx, "unsuback.message_id", with_properties)?;
                self.reasons(tx, "unsuback.reason_codes[]")
            }
            Kind::Disconnect if with_properties => {
                // Left out, it means 0 (section 3.14.2.1).
                let code = self.body.u8().unwrap_or(0);
                self.reason(tx, "disconnect.reason_code", code);
                self.last_properties()
            }
            Kind::Auth if with_properties => {
                let code = self.body.u8().unwrap_or(0);
                self.reason(tx, "auth.reason_code", code);
                self.last_properties()
            }
            Kind::Pingreq | Kind::Pingresp | Kind::Disconnect | Kind::Auth => {
                self.body.is_empty().then_some(())
            }
        }
    }

    /// Section 3.1.
    fn connect(&mut self, tx: &mut Transaction) -> Option<()> {
        let from = self.from;
        self.text(tx, Buffer::MqttProtocolString, "connect.protocol_string")?;
        let version = self.body.u8()?;
        tx.put_number(Number::MqttVersion, from, u64::from(version));
        tx.tell("connect.protocol_version", Fact::Number(u64::from(version)));
        let flags = self.body.u8()?;
        tx.put_number(Number::MqttConnectFlags, from, u64::from(flags));
        for (path, bit) in [
            ("connect.flags.username", 0x80),
            ("connect.flags.password", 0x40),
            ("connect.flags.will_retain", 0x20),
            ("connect.flags.will", 0x04),
            ("connect.flags.clean_session", 0x02),
        ] {
            tx.tell(path, Fact::Flag(flags & bit != 0));
        }
        self.body.u16()?;
        let with_properties = version >= WITH_PROPERTIES;
        if with_properties {
            skip_properties(&mut self.body)?;
        }
        self.text(tx, Buffer::MqttClientId, "connect.client_id")?;
        if flags & 0x04 != 0 {
            if with_properties {
                skip_properties(&mut self.body)?;
            }
            self.text(tx, Buffer::MqttWillTopic, "connect.will.topic")?;
            self.text(tx, Buffer::MqttWillMessage, "connect.will.message")?;
        }
        if flags & 0x80 != 0 {
            self.text(tx, Buffer::MqttUsername, "connect.username")?;
        }
        if flags & 0x40 != 0 {
            self.text(tx, Buffer::MqttPassword, "connect.password")?;
        }
        Some(())
    }

    fn text(
        &mut self,
        tx: &mut Transaction,
        buffer: Buffer,
        path: &'static str,
    ) -> Option<&'a [u8]> {
        let text = self.body.string16()?;
        tx.put(buffer, self.from, text);
        tx.tell(path, Fact::Text(text));
        Some(text)
    }

    /// An identifier, and perhaps a reason and properties (sections 3.4 to 3.7).
    fn acknowledgement(
        &mut self,
        tx: &mut Transaction,
        id_path: &'static str,
        reason_path: &'static str,
    ) -> Option<()> {
        let id = self.body.u16()?;
        tx.tell(id_path, Fact::Number(u64::from(id)));
        if let Some(code) = self.body.u8() {
            self.reason(tx, reason_path, code);
        }
        self.last_properties()
    }

    fn identified(
        &mut self,
        tx: &mut Transaction,
        path: &'static str,
        with_properties: bool,
    ) -> Option<()> {
        let id = self.body.u16()?;
        tx.tell(path, Fact::Number(u64::from(id)));
        if with_properties {
            skip_properties(&mut self.body)?;
        }
        Some(())
    }

    fn reasons(&mut self, tx: &mut Transaction, path: &'static str) -> Option<()> {
        while let Some(code) = self.body.u8() {
            self.reason(tx, path, code);
        }
        Some(())
    }

    fn reason(&self, tx: &mut Transaction, path: &'static str, code: u8) {
        tx.put_number(Number::MqttReasonCode, self.from, u64::from(code));
        tx.tell(path, Fact::Number(u64::from(code)));
    }

    /// Properties at a message's end, which may be left out.
    fn last_properties(&mut self) -> Option<()> {
        if self.body.is_empty() {
            return Some(());
        }
        skip_properties(&mut self.body)?;
        self.body.is_empty().then_some(())
    }
}
