//! The incremental parser: two directions of frames, many streams.
//!
//! It never fails and holds no bytes back. What it cannot read becomes an
//! event; once frames or header blocks cannot be told apart any more,
//! [`Parser::failed`] says so.

use super::Event;
use super::detect::PREFACE;
use super::frame::{HEAD_BYTES, Head, Kind, flag, long};
use super::hpack::{Decoder, Fault, Item};
use super::reader::{Block, Part, Payload, Reader, State};
use super::streams::{Found, Streams};
use super::transaction::Transaction;
use crate::app_layer::Limits;
use crate::direction::Direction;
use crate::number::Number;

/// Bytes of a frame that is read as a whole. Longer ones are passed over (`invalid_frame_length`).
const CONTROL_BYTES: usize = 16 * 1024;
/// What a field counts beside its bytes (RFC 9113 section 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// Size updates of one block that are told; two have a use (RFC 7541 section 4.2).
const SIZE_UPDATES: usize = 16;

/// HTTP/2 of one TCP flow.
#[derive(Debug)]
pub struct Parser {
    pub(super) streams: Streams,
    pub(super) readers: [Reader; 2],
    /// What an upgrade brought has yet to be looked at.
    pub(super) keeps_touched: bool,
}

impl Default for Parser {
    fn default() -> Self {
        Self {
            streams: Streams::default(),
            readers: Direction::BOTH.map(Reader::new),
            keeps_touched: false,
        }
    }
}

/// How far a step went.
struct Step {
    taken: usize,
    /// A transaction has to be looked at before going on.
    pause: bool,
    ends_preface: bool,
}

impl Step {
    const fn on(taken: usize) -> Self {
        Self {
            taken,
            pause: false,
            ends_preface: false,
        }
    }
}

impl Parser {
    /// Live transactions, oldest first.
    pub fn transactions(&self) -> impl DoubleEndedIterator<Item = &Transaction> {
        self.streams.all().iter()
    }

    /// Those that the last call of [`Self::data`], [`Self::gap`] or [`Self::eof`] changed.
    pub fn touched(&self) -> impl Iterator<Item = &Transaction> {
        self.streams.touched()
    }

    /// This direction cannot be read any more; an event tells why.
    pub fn failed(&self, direction: Direction) -> bool {
        matches!(self.readers[direction.index()].state, State::Failed)
    }

    /// Bytes left of the unit of frames in hand: zero where the next byte begins one.
    pub fn unit_left(&self, direction: Direction) -> Option<u64> {
        let state = &self.readers[direction.index()].state;
        matches!(state, State::Head { have: 0, .. }).then_some(0)
    }

    /// Bytes so far that no buffer of a transaction holds.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        self.readers[direction.index()].beyond
    }

    /// Bytes that the parser takes, itself included.
    pub fn held_bytes(&self) -> usize {
        let readers = self.readers.iter().map(Reader::held_bytes);
        size_of::<Self>() + readers.sum::<usize>() + self.streams.held_bytes()
    }

    /// Reads on, up to the next point where a transaction has to be looked at: the end of the
    /// preface, of a header block, of a stream, or of a frame that is neither. Gives the bytes taken.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        if !std::mem::take(&mut self.keeps_touched) {
            self.streams.clear_touched();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let step = self.step(direction, rest, limits);
            rest = rest.get(step.taken..).unwrap_or_default();
            if step.ends_preface || (step.pause && self.streams.any_touched()) {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// So many bytes are missing. Within a body that is survived.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        self.streams.clear_touched();
        let limits = Limits::default();
        let reader = &mut self.readers[direction.index()];
        reader.beyond = reader.beyond.saturating_add(length);
        if let State::Payload(payload) = &mut reader.state
            && payload.head.kind == Kind::Data
            && payload.part == Part::Contents
            && let Some(left) = u64::from(payload.left).checked_sub(length)
            && left > u64::from(payload.padding)
        {
            payload.left = u32::try_from(left).unwrap_or(u32::MAX);
            let tx = payload.tx.and_then(|id| self.streams.edit(id));
            if let Some(tx) = tx {
                tx.skip_body(direction);
            }
            return;
        }
        if !matches!(reader.state, State::Closed | State::Failed) {
            self.fail(direction, None, &limits);
        }
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction, limits: &Limits) {
        self.streams.clear_touched();
        let reader = &mut self.readers[direction.index()];
        if !matches!(reader.state, State::Failed) {
            reader.state = State::Closed;
        }
        self.streams.finish_all(direction, limits);
    }

    /// Ids of the transactions to come begin here: those of a flow never share one.
    pub(in crate::app_layer) fn start_at(&mut self, id: u64) {
        self.streams.start_at(id);
    }

    /// Takes out transactions that are complete both ways.
    pub fn take_finished(&mut self) {
        self.streams.take_finished();
        self.streams.clear_touched();
    }

    fn step(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Step {
        let reader = &mut self.readers[direction.index()];
        match &mut reader.state {
            State::Preface(known) => {
                let expected = PREFACE.get(*known..).unwrap_or_default();
                let taken = expected.len().min(bytes.len());
                if bytes.get(..taken) != expected.get(..taken) {
                    self.fail(direction, Some(Event::InvalidClientMagic), limits);
                    return Step::on(0);
                }
                *known += taken;
                let ends_preface = *known == PREFACE.len();
                if ends_preface {
                    reader.state = State::NEXT;
                }
                Step {
                    ends_preface,
                    ..Step::on(taken)
                }
            }
            State::Head { bytes: head, have } => {
                let taken = bytes.len().min(HEAD_BYTES - *have);
                for (to, from) in head.iter_mut().skip(*have).zip(bytes) {
                    *to = *from;
                }
                *have += taken;
                if *have < HEAD_BYTES {
                    return Step::on(taken);
                }
                let head = Head::read(*head);
                self.begin_frame(direction, head, limits);
                self.after(direction, taken, limits)
            }
            State::Payload(_) => {
                let taken = self.payload(direction, bytes, limits);
                self.after(direction, taken, limits)
            }
            State::Closed | State::Failed => {
                reader.beyond = reader.beyond.saturating_add(bytes.len() as u64);
                Step::on(bytes.len())
            }
        }
    }

    /// Ends the frame that has no bytes left.
    fn after(&mut self, direction: Direction, taken: usize, limits: &Limits) -> Step {
        let reader = &mut self.readers[direction.index()];
        let ended = match reader.state {
            State::Payload(payload) if payload.left == 0 => payload,
            // What was given up has to be looked at.
            State::Failed => {
                return Step {
                    pause: true,
                    ..Step::on(taken)
                };
            }
            _ => return Step::on(taken),
        };
        reader.state = State::NEXT;
        self.end_frame(direction, &ended, limits);
        let body_goes_on = ended.head.kind == Kind::Data && !ended.head.has(flag::END_STREAM);
        Step {
            pause: !body_goes_on,
            ..Step::on(taken)
        }
    }

    fn begin_frame(&mut self, direction: Direction, head: Head, limits: &Limits) {
        let reader = &mut self.readers[direction.index()];
        let part = if head.has(flag::PADDED) {
            Part::PaddingLength
        } else {
            prefix(head)
        };
        reader.control.clear();
        reader.state = State::Payload(Payload {
            head,
            left: head.length,
            padding: 0,
            part,
            tx: None,
        });
        let within_block = reader.block.as_ref().map(|b| b.stream);
        let is_too_long = head.length > reader.max_frame;
        // Section 6.10: a header block is not interrupted.
        let belongs = match within_block {
            Some(stream) => head.kind == Kind::Continuation && head.stream == stream,
            None => head.kind != Kind::Continuation,
        };
        let needed = usize::from(head.has(flag::PADDED)) + head.prefix_bytes();
        let fault = if !belongs || (head.is_block() && head.stream == 0) {
            Some(Event::InvalidFrameHeader)
        } else if (head.length as usize) < needed {
            Some(Event::InvalidFrameLength)
        } else {
            None
        };
        if let Some(event) = fault {
            return self.fail(direction, Some(event), limits);
        }
        match head.kind {
            Kind::Data => self.begin_data(direction, head, limits),
            Kind::Headers => self.begin_block(direction, head.stream, head, limits),
            Kind::Continuation => self.continue_block(direction, limits),
            _ => {}
        }
        if is_too_long {
            self.streams
                .raise(direction, head.stream, Event::LongFrameData, limits);
        }
    }

    fn begin_data(&mut self, direction: Direction, head: Head, limits: &Limits) {
        if head.stream == 0 {
            return self
                .streams
                .raise(direction, 0, Event::DataStreamZero, limits);
        }
        // On a stream that was reset the rest of a body may still be on its way (section 5.4.2).
        let Some(tx) = self.streams.live(head.stream) else {
            return;
        };
        let id = tx.id();
        let over = tx.is_complete(direction);
        if over {
            let event = Event::StreamIdReuse;
            return self.streams.raise(direction, head.stream, event, limits);
        }
        if let Some(tx) = self.streams.edit(id) {
            tx.put_number(Number::Http2FrameType, direction, u64::from(head.code));
        }
        if let State::Payload(payload) = &mut self.readers[direction.index()].state {
            payload.tx = Some(id);
        }
    }

    pub(super) fn begin_block(
        &mut self,
        direction: Direction,
        stream: u32,
        head: Head,
        limits: &Limits,
    ) {
        let tx = match self.streams.open(direction, stream, limits) {
            Found::Live(id) => Some(id),
            Found::Closed => {
                self.streams
                    .raise(direction, stream, Event::StreamIdReuse, limits);
                None
            }
            Found::Full => return self.fail(direction, Some(Event::TooManyStreams), limits),
        };
        let mut over = false;
        if let Some(tx) = tx.and_then(|id| self.streams.edit(id)) {
            tx.put_number(Number::Http2FrameType, direction, u64::from(head.code));
            over = tx.is_complete(direction);
        }
        if over {
            let event = Event::StreamIdReuse;
            self.streams.raise(direction, stream, event, limits);
        }
        self.readers[direction.index()].block = Some(Box::new(Block {
            tx,
            stream: head.stream,
            ends_stream: head.has(flag::END_STREAM),
            promises: head.kind == Kind::PushPromise,
            ..Block::default()
        }));
    }

    fn continue_block(&mut self, direction: Direction, limits: &Limits) {
        let Some(block) = &mut self.readers[direction.index()].block else {
            return;
        };
        block.frames += 1;
        let flood = block.frames > limits.http2_continuations;
        let tx = block.tx;
        if let Some(tx) = tx.and_then(|id| self.streams.edit(id)) {
            tx.put_number(Number::Http2FrameType, direction, 9);
        }
        if flood {
            self.fail(direction, Some(Event::TooManyFrames), limits);
        }
    }

    /// Reads within a frame; the bytes taken.
    fn payload(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        let reader = &mut self.readers[direction.index()];
        let State::Payload(payload) = &mut reader.state else {
            return bytes.len();
        };
        let head = payload.head;
        let at_hand = usize::try_from(payload.left).map_or(bytes.len(), |n| n.min(bytes.len()));
        match &mut payload.part {
            Part::PaddingLength => {
                let padding = u32::from(bytes.first().copied().unwrap_or_default());
                payload.left -= 1;
                let room = payload.left.checked_sub(head.prefix_bytes() as u32);
                let fits = room.is_some_and(|room| padding <= room);
                payload.padding = if fits { padding } else { 0 };
                payload.part = prefix(head);
                if !fits {
                    // Section 6.1: a receiver ends the connection. What it might take is looked at.
                    self.streams
                        .raise(direction, head.stream, Event::InvalidFrameData, limits);
                }
                1
            }
            Part::Prefix { bytes: kept, have } => {
                let needed = head.prefix_bytes();
                let taken = at_hand.min(needed - *have);
                for (to, from) in kept.iter_mut().skip(*have).zip(bytes) {
                    *to = *from;
                }
                *have += taken;
                payload.left -= taken as u32;
                if *have == needed {
                    let kept = *kept;
                    payload.part = Part::Contents;
                    self.prefix_read(direction, head, kept, limits);
                }
                taken
            }
            Part::Contents => {
                let contents = payload.left.saturating_sub(payload.padding);
                let taken = usize::try_from(contents).map_or(at_hand, |n| n.min(at_hand));
                if taken == 0 {
                    // Padding.
                    payload.left -= at_hand as u32;
                    return at_hand;
                }
                payload.left -= taken as u32;
                let tx = payload.tx;
                let contents = bytes.get(..taken).unwrap_or_default();
                self.contents(direction, head, tx, contents, limits);
                taken
            }
        }
    }

    fn prefix_read(&mut self, direction: Direction, head: Head, kept: [u8; 5], limits: &Limits) {
        match head.kind {
            Kind::PushPromise => {
                let promised = long(&kept, 0) & !(1 << 31);
                self.begin_block(direction, promised, head, limits);
            }
            _ => {
                let block = self.readers[direction.index()].block.as_ref();
                let tx = block
                    .and_then(|b| b.tx)
                    .and_then(|id| self.streams.edit(id));
                if let Some(tx) = tx {
                    tx.put_number(Number::Http2Priority, direction, u64::from(kept[4]));
                }
            }
        }
    }

    fn contents(
        &mut self,
        direction: Direction,
        head: Head,
        tx: Option<u64>,
        bytes: &[u8],
        limits: &Limits,
    ) {
        let reader = &mut self.readers[direction.index()];
        match head.kind {
            Kind::Data => match tx.and_then(|id| self.streams.edit(id)) {
                Some(tx) => tx.take_body(direction, bytes, limits, &mut reader.beyond),
                None => reader.beyond = reader.beyond.saturating_add(bytes.len() as u64),
            },
            Kind::Headers | Kind::PushPromise | Kind::Continuation => {
                self.block_piece(direction, bytes, limits);
            }
            Kind::Unknown => reader.beyond = reader.beyond.saturating_add(bytes.len() as u64),
            _ => {
                let room = CONTROL_BYTES.saturating_sub(reader.control.len());
                let kept = bytes.get(..room).unwrap_or(bytes);
                reader.control.extend_from_slice(kept);
            }
        }
    }

    fn block_piece(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let reader = &mut self.readers[direction.index()];
        let Some(block) = &mut reader.block else {
            return;
        };
        let hpack = reader
            .hpack
            .get_or_insert_with(|| Box::new(Decoder::new(limits.http2_table_bytes)));
        let mut sink = |item: Item<'_>| match item {
            Item::Field { name, value } => {
                block.size += name.len() + value.len() + FIELD_OVERHEAD;
                if block.size > limits.header_bytes {
                    block.is_too_large = true;
                } else {
                    block.fields.push(name, value);
                }
            }
            Item::SizeUpdate(size) => {
                if !block.is_too_large && block.size_updates.len() < SIZE_UPDATES {
                    block.size_updates.push(size);
                }
            }
        };
        let event = match hpack.decode(bytes, limits.header_bytes, &mut sink) {
            // Whatever comes behind the limit is not looked at.
            _ if block.is_too_large => Event::ReassemblyLimitReached,
            Ok(()) => return,
            Err(Fault::Overflow) => Event::HeaderIntegerOverflow,
            Err(Fault::Invalid) => Event::InvalidHeader,
            Err(Fault::TooLong) => Event::ReassemblyLimitReached,
        };
        hpack.end_block();
        // What came before it is looked at.
        self.end_block(direction, limits);
        self.fail(direction, Some(event), limits);
    }

    fn end_frame(&mut self, direction: Direction, ended: &Payload, limits: &Limits) {
        let head = ended.head;
        match head.kind {
            Kind::Data => {
                let tx = ended.tx.filter(|_| head.has(flag::END_STREAM));
                if let Some(tx) = tx.and_then(|id| self.streams.edit(id)) {
                    tx.finish(direction, limits);
                }
            }
            Kind::Headers | Kind::PushPromise | Kind::Continuation => {
                if head.has(flag::END_HEADERS) {
                    self.end_block(direction, limits);
                }
            }
            Kind::Unknown => {}
            _ => self.control(direction, head, limits),
        }
    }

    /// Gives a direction up.
    pub(super) fn fail(&mut self, direction: Direction, event: Option<Event>, limits: &Limits) {
        if let Some(event) = event {
            let block = self.readers[direction.index()].block.as_ref();
            let stream = block.map_or(0, |b| b.stream);
            self.streams.raise(direction, stream, event, limits);
        }
        let reader = &mut self.readers[direction.index()];
        reader.state = State::Failed;
        reader.block = None;
        reader.control = Vec::new();
        self.streams.finish_all(direction, limits);
    }
}

/// Where a frame's contents begin, behind the length of its padding.
fn prefix(head: Head) -> Part {
    if head.prefix_bytes() > 0 {
        Part::Prefix {
            bytes: [0; 5],
            have: 0,
        }
    } else {
        Part::Contents
    }
}
