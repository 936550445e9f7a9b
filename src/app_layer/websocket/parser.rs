//! The incremental parser: frames in any segmentation.

use super::Event;
use super::frame::{Head, Start, unmask};
use super::inflate::{End, Inflate};
use crate::app_layer::message::{self, Fact, Messages, Transaction};
use crate::app_layer::{self, Limits};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::Number;
use crate::protocol::Protocol;
use crate::reuse::List;

/// WebSocket of one flow.
#[derive(Debug)]
pub struct Parser {
    readers: [Reader; 2],
    messages: Messages,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            readers: Default::default(),
            messages: Messages::new(Protocol::WebSocket),
        }
    }
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Reader {
    start: Start,
    frame: Option<Frame>,
    /// A message in pieces that has begun, or a compressed one.
    message: Option<Message>,
    /// Made with the first compressed message.
    inflate: Option<Box<Inflate>>,
    failed: bool,
    beyond: u64,
}

/// A frame that has begun.
#[derive(Clone, Copy, Debug)]
struct Frame {
    head: Head,
    tx: u64,
    /// Bytes of the payload so far.
    at: u64,
}

#[derive(Debug, Default)]
struct Message {
    compressed: bool,
    /// The payload as it came, unmasked.
    bytes: List<u8>,
    cut: bool,
}

impl message::Parser for Parser {
    /// Reads on, up to the end of the next frame.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let reader = &mut self.readers[direction.index()];
        if reader.failed {
            reader.beyond = reader.beyond.saturating_add(bytes.len() as u64);
            return bytes.len();
        }
        let Some(frame) = reader.frame else {
            let (taken, head) = reader.start.take(bytes);
            if let Some(head) = head {
                self.begin(direction, head);
                self.end_if_over(direction, limits);
            }
            return taken;
        };
        let left = frame.head.length - frame.at;
        let taken = usize::try_from(left).map_or(bytes.len(), |n| n.min(bytes.len()));
        self.payload(direction, bytes.get(..taken).unwrap_or_default(), limits);
        self.end_if_over(direction, limits);
        taken
    }

    /// Within a payload that is survived.
    fn gap(&mut self, direction: Direction, length: u64) {
        let reader = &mut self.readers[direction.index()];
        reader.inflate = None;
        match &mut reader.frame {
            Some(frame) if length < frame.head.length - frame.at => frame.at += length,
            _ => reader.failed = true,
        }
    }

    fn eof(&mut self, direction: Direction, _: &Limits) {
        let reader = &mut self.readers[direction.index()];
        if let Some(tx) = reader.frame.take().and_then(|f| self.messages.edit(f.tx)) {
            tx.finish_both();
        }
    }

    fn messages(&self) -> &Messages {
        &self.messages
    }

    fn messages_mut(&mut self) -> &mut Messages {
        &mut self.messages
    }

    fn failed(&self, direction: Direction) -> bool {
        self.readers[direction.index()].failed
    }

    fn unit_left(&self, direction: Direction) -> Option<u64> {
        let reader = &self.readers[direction.index()];
        let between = !reader.failed && reader.frame.is_none() && reader.start.is_empty();
        between.then_some(0)
    }

    fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    fn held_bytes(&self) -> usize {
        let of = |reader: &Reader| {
            let message = reader.message.as_ref().map_or(0, |m| m.bytes.capacity());
            let inflate = reader.inflate.as_ref().map_or(0, |i| i.held_bytes());
            message + inflate
        };
        size_of::<Self>() + self.readers.iter().map(of).sum::<usize>() + self.messages.held_bytes()
    }
}

impl Parser {
    fn begin(&mut self, direction: Direction, head: Head) {
        let reader = &mut self.readers[direction.index()];
        reader.start = Start::default();
        let tx = self.messages.begin();
        tell(tx, direction, head);
        reader.frame = Some(Frame {
            head,
            tx: tx.id(),
            at: 0,
        });
        if head.is_control() {
            return;
        }
        if !head.is_continuation() {
            let needed = head.is_compressed() || !head.is_last();
            reader.message = needed.then(|| Message {
                compressed: head.is_compressed(),
                ..Message::default()
            });
        } else if head.is_last()
            && let Some(message) = reader.message.as_mut().filter(|m| !m.compressed)
        {
            // What came in the frames before stands in front of what comes in this one.
            tx.append(Buffer::WebSocketPayload, direction, &message.bytes);
            if message.cut {
                raise(tx, direction, Event::ReassemblyLimitReached);
            }
        }
    }

    fn payload(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let reader = &mut self.readers[direction.index()];
        let Some(frame) = &mut reader.frame else {
            return;
        };
        let limit = limits.websocket_payload_bytes;
        let at = frame.at;
        frame.at += bytes.len() as u64;
        let head = frame.head;
        let Some(tx) = self.messages.edit(frame.tx) else {
            return;
        };
        let message = reader.message.as_mut().filter(|_| !head.is_control());
        let compressed = message.as_ref().is_some_and(|m| m.compressed);
        let shown = match &message {
            Some(message) if compressed => message.bytes.len(),
            _ => shown_bytes(tx, direction),
        };
        let room = limit.saturating_sub(shown);
        let kept = bytes.get(..room).unwrap_or(bytes);
        let mut kept = List::from(kept);
        if let Some(mask) = head.mask {
            unmask(&mut kept, mask, at);
        }
        let over = (bytes.len() - kept.len()) as u64;
        if over > 0 {
            reader.beyond = reader.beyond.saturating_add(over);
            raise(tx, direction, Event::SkipEndOfPayload);
        }
        if !compressed {
            tx.append(Buffer::WebSocketPayload, direction, &kept);
        }
        if let Some(message) = message
            && (compressed || !head.is_last())
        {
            let room = limit.saturating_sub(message.bytes.len());
            message.cut |= kept.len() > room;
            let piece = kept.get(..room).unwrap_or(&kept);
            message.bytes.extend_from_slice(piece);
        }
    }

    /// Ends the frame whose payload is there.
    fn end_if_over(&mut self, direction: Direction, limits: &Limits) {
        let reader = &mut self.readers[direction.index()];
        let Some(frame) = reader.frame.filter(|f| f.at >= f.head.length) else {
            return;
        };
        reader.frame = None;
        let Some(tx) = self.messages.edit(frame.tx) else {
            return;
        };
        if frame.head.is_last() && !frame.head.is_control() {
            let message = reader.message.take().filter(|m| m.compressed);
            if let Some(message) = message {
                let inflate = reader
                    .inflate
                    .get_or_insert_with(|| Box::new(Inflate::new()));
                show_decompressed(tx, direction, inflate, &message, limits);
            }
        }
        tx.finish_both();
    }
}

fn show_decompressed(
    tx: &mut Transaction,
    direction: Direction,
    inflate: &mut Inflate,
    message: &Message,
    limits: &Limits,
) {
    let mut out = List::new();
    let end = inflate.message(&message.bytes, limits.websocket_payload_bytes, &mut out);
    match end {
        End::Whole => {}
        End::TooLong => raise(tx, direction, Event::ReassemblyLimitReached),
        End::Broken => {
            raise(tx, direction, Event::InvalidData);
            out.extend_from_slice(&message.bytes);
        }
    }
    tx.append(Buffer::WebSocketPayload, direction, &out);
}

fn tell(tx: &mut Transaction, direction: Direction, head: Head) {
    tx.put_number(Number::WebSocketFlags, direction, u64::from(head.flags()));
    tx.put_number(Number::WebSocketOpcode, direction, u64::from(head.opcode()));
    tx.tell("fin", Fact::Flag(head.is_last()));
    if let Some(mask) = head.mask {
        let mask = u64::from(u32::from_be_bytes(mask));
        tx.put_number(Number::WebSocketMask, direction, mask);
        tx.tell("mask", Fact::Number(mask));
    }
    let opcode = u64::from(head.opcode());
    match Number::WebSocketOpcode.word(opcode) {
        Some(name) => tx.tell("opcode", Fact::Text(name.as_bytes())),
        None => tx.tell("opcode", Fact::Number(opcode)),
    }
}

fn shown_bytes(tx: &Transaction, direction: Direction) -> usize {
    tx.field(Buffer::WebSocketPayload, direction)
        .map_or(0, |(bytes, _)| bytes.len())
}

fn raise(tx: &mut Transaction, direction: Direction, event: Event) {
    tx.raise(direction, app_layer::Event::WebSocket(event));
}
