//! Frames: what a protocol is written in on the wire, as rules ask for it by `frame`.
//!
//! A unit is what a stream is cut into: a record, a message. Its parser tells where one begins; its
//! first bytes, or the parser again, tell where it ends. Frames are places in a unit, laid out by the
//! `frames` of each protocol's folder. Units are kept only where a rule asks for frames of the protocol.

use super::Limits;
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::protocol::Protocol;

/// Ids of units begin here: transactions of a flow never come so far.
pub const FIRST_UNIT: u64 = 1 << 63;

/// Places of one unit that are told; what is behind them belongs to the last.
const MOST_FRAMES: usize = 96;
/// Units that end before the first inspection: of bytes that were kept until the protocol was known.
const MOST_WAITING: usize = 64;
/// Bytes within which every protocol says how long a unit is.
const HEAD_BYTES: usize = 80;

/// How a protocol lays out its units.
pub(super) type Layout = fn(Sketch<'_>, &mut Vec<Frame>) -> Extent;

/// The protocols that have frames, each with its layout.
const LAYOUTS: [(Protocol, Layout); 7] = [
    (Protocol::Http1, super::http1::frames::layout),
    (Protocol::Http2, super::http2::frames::layout),
    (Protocol::Sip, super::sip::frames::layout),
    (Protocol::Smb, super::smb::frames::layout),
    (Protocol::Ssh, super::ssh::frames::layout),
    (Protocol::Tls, super::tls::frames::layout),
    (Protocol::WebSocket, super::websocket::frames::layout),
];

/// A unit as far as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sketch<'a> {
    pub direction: Direction,
    pub bytes: &'a [u8],
    /// So many of them were seen by the call before.
    pub known: usize,
}

/// Where a unit ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// More bytes are needed to tell.
    Open,
    /// So many bytes, its head included.
    Known(u64),
    /// The parser tells.
    Parser,
}

/// A place in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub buffer: Buffer,
    pub from: u64,
    /// `None`: it ends with its unit.
    pub to: Option<u64>,
}

impl Frame {
    pub(super) const fn whole(buffer: Buffer) -> Self {
        Self::open(buffer, 0)
    }

    pub(super) const fn open(buffer: Buffer, from: u64) -> Self {
        Self {
            buffer,
            from,
            to: None,
        }
    }

    pub(super) const fn closed(buffer: Buffer, from: u64, to: u64) -> Self {
        Self {
            buffer,
            from,
            to: Some(to),
        }
    }
}

/// The three frames of a unit with a head of known length.
pub(super) fn head_and_data(
    [pdu, head, data]: [Buffer; 3],
    head_bytes: u64,
    frames: &mut Vec<Frame>,
) {
    frames.push(Frame::whole(pdu));
    frames.push(Frame::closed(head, 0, head_bytes));
    frames.push(Frame::open(data, head_bytes));
}

/// A set of protocols whose frames rules ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameProtocols(u8);

impl FrameProtocols {
    /// All that have frames.
    pub const ALL: Self = Self(!0);

    pub fn add(&mut self, protocol: Protocol) {
        self.0 |= Self::bit(protocol);
    }

    pub const fn join(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, protocol: Protocol) -> bool {
        self.0 & Self::bit(protocol) != 0
    }

    fn bit(protocol: Protocol) -> u8 {
        let at = LAYOUTS.iter().position(|(p, _)| *p == protocol);
        at.map_or(0, |at| 1 << at)
    }
}

/// One unit.
#[derive(Debug)]
pub struct Unit {
    id: u64,
    protocol: Protocol,
    direction: Direction,
    bytes: Vec<u8>,
    /// Bytes so far, those not kept included.
    length: u64,
    extent: Extent,
    frames: Vec<Frame>,
    ended: bool,
    revision: u32,
}

impl Unit {
    /// Increases within a flow, from [`FIRST_UNIT`].
    pub const fn id(&self) -> u64 {
        self.id
    }

    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Nothing more will come.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Another number whenever bytes or frames have come.
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// Bytes that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The frames of one kind.
    pub fn frames(&self, buffer: Buffer) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(move |f| f.buffer == buffer)
    }

    pub fn first(&self) -> Option<&Frame> {
        self.frames.first()
    }

    /// The frame of a kind that holds such bytes at a place. Transformed ones are nowhere: then the
    /// first of the kind.
    pub fn matching(&self, buffer: Buffer, offset: u64, bytes: &[u8]) -> Option<&Frame> {
        let holds = |frame: &&Frame| {
            let (kept, _) = self.view(frame);
            let at = usize::try_from(offset).ok().and_then(|at| kept.get(at..));
            at.is_some_and(|rest| rest.starts_with(bytes))
        };
        let first = self.frames(buffer).next();
        self.frames(buffer).find(holds).or(first)
    }

    /// What is kept of a frame, and whether that is all of it that will come.
    pub fn view(&self, frame: &Frame) -> (&[u8], bool) {
        let kept = self.bytes.len();
        let place = |at: u64| usize::try_from(at).map_or(kept, |at| at.min(kept));
        let (from, to) = (place(frame.from), frame.to.map_or(kept, place));
        let whole = frame.to.is_some_and(|to| to <= kept as u64);
        let bytes = self.bytes.get(from..to.max(from)).unwrap_or_default();
        (bytes, whole || self.ended)
    }

    /// How long a frame is, as far as that is known; and whether all of it has come.
    pub fn extent(&self, frame: &Frame) -> (Option<u64>, bool) {
        let end = match (frame.to, self.extent) {
            (Some(to), _) => Some(to),
            (None, Extent::Known(length)) => Some(length),
            (None, _) => self.ended.then_some(self.length),
        };
        let length = end.map(|end| end.saturating_sub(frame.from));
        (length, end.is_some_and(|end| end <= self.length))
    }

    fn begin(protocol: Protocol, direction: Direction) -> Self {
        Self {
            id: 0,
            protocol,
            direction,
            bytes: Vec::new(),
            length: 0,
            extent: Extent::Open,
            frames: Vec::new(),
            ended: false,
            revision: 0,
        }
    }

    fn restart(&mut self, id: u64, protocol: Protocol, direction: Direction) {
        self.id = id;
        self.protocol = protocol;
        self.direction = direction;
        self.bytes.clear();
        self.length = 0;
        self.extent = Extent::Open;
        self.frames.clear();
        self.ended = false;
        self.revision = 0;
    }

    /// Looks ahead for the unit's length, without taking bytes.
    fn look_ahead(&mut self, bytes: &[u8], layout: Layout) {
        if self.extent != Extent::Open {
            return;
        }
        let known = self.bytes.len();
        let ahead = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        self.bytes.extend_from_slice(ahead);
        self.lay_out(known, layout);
        self.bytes.truncate(known);
    }

    /// Bytes until its end; `None`: not known.
    fn left(&self) -> Option<usize> {
        match self.extent {
            Extent::Known(length) => {
                Some(usize::try_from(length.saturating_sub(self.length)).unwrap_or(usize::MAX))
            }
            Extent::Open | Extent::Parser => None,
        }
    }

    /// Takes bytes; gives how many were not kept.
    fn take(&mut self, bytes: &[u8], most: usize, layout: Layout) -> u64 {
        let known = self.bytes.len();
        let room = most.saturating_sub(known);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        self.length += bytes.len() as u64;
        self.revision = self.revision.wrapping_add(1);
        self.lay_out(known, layout);
        (bytes.len() - kept.len()) as u64
    }

    fn lay_out(&mut self, known: usize, layout: Layout) {
        if self.frames.len() >= MOST_FRAMES {
            return;
        }
        let sketch = Sketch {
            direction: self.direction,
            bytes: &self.bytes,
            known,
        };
        let extent = layout(sketch, &mut self.frames);
        if self.extent == Extent::Open {
            self.extent = extent;
        }
    }

    fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.frames.capacity() * size_of::<Frame>()
    }
}

/// The units of one flow.
#[derive(Debug)]
pub(super) struct Frames {
    protocol: Protocol,
    layout: Layout,
    /// The unit in hand, by direction.
    current: [Option<Unit>; 2],
    /// Whether the last call changed it.
    touched: [bool; 2],
    /// Ended by the last call.
    finished: Vec<Unit>,
    spare: Option<Unit>,
    next_id: u64,
    beyond: [u64; 2],
}

impl Frames {
    /// Those that rules ask for of a flow that is of `protocol` now; `before` are those so far.
    pub fn wanted(
        before: Option<Box<Self>>,
        asked: FrameProtocols,
        protocol: Protocol,
    ) -> Option<Box<Self>> {
        if !asked.has(protocol) {
            return None;
        }
        let next_id = match before {
            Some(known) if known.protocol == protocol => return Some(known),
            Some(other) => other.next_id,
            None => FIRST_UNIT,
        };
        let (_, layout) = *LAYOUTS.iter().find(|(p, _)| *p == protocol)?;
        Some(Box::new(Self {
            protocol,
            layout,
            current: [None, None],
            touched: [false; 2],
            finished: Vec::new(),
            spare: None,
            next_id,
            beyond: [0; 2],
        }))
    }

    /// How many of the bytes the parser is to get now, so that a unit ends with its call. `left`: of
    /// the unit in hand, as the parser knows; zero where it stands between two.
    pub fn before(&mut self, direction: Direction, bytes: &[u8], left: Option<u64>) -> usize {
        let at = direction.index();
        if self.current[at].is_none() {
            if left != Some(0) {
                return bytes.len();
            }
            let blanks = self.blanks(bytes);
            if blanks > 0 {
                return blanks;
            }
            self.current[at] = Some(self.begin(direction));
        }
        let Some(unit) = &mut self.current[at] else {
            return bytes.len();
        };
        unit.look_ahead(bytes, self.layout);
        unit.left()
            .map_or(bytes.len(), |left| left.clamp(1, bytes.len()))
    }

    /// The parser has taken these bytes, and knows so much to be left of the unit. What it cannot
    /// read belongs to the unit in hand.
    pub fn after(
        &mut self,
        direction: Direction,
        bytes: &[u8],
        left: Option<u64>,
        limits: &Limits,
    ) {
        let at = direction.index();
        let Some(unit) = &mut self.current[at] else {
            return;
        };
        self.beyond[at] += unit.take(bytes, limits.frame_bytes, self.layout);
        self.touched[at] = true;
        if let (Extent::Open | Extent::Parser, Some(left)) = (unit.extent, left) {
            unit.extent = Extent::Known(unit.length.saturating_add(left));
        }
        if unit.left() == Some(0) {
            self.end(direction);
        }
    }

    /// A datagram is a unit.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) {
        let at = direction.index();
        let mut unit = self.begin(direction);
        self.beyond[at] += unit.take(bytes, limits.frame_bytes, self.layout);
        self.current[at] = Some(unit);
        self.end(direction);
    }

    /// Nothing more comes of the unit in hand, if there is one.
    pub fn end(&mut self, direction: Direction) {
        let at = direction.index();
        let Some(mut unit) = self.current[at].take() else {
            return;
        };
        unit.ended = true;
        unit.revision = unit.revision.wrapping_add(1);
        self.touched[at] = false;
        if self.finished.len() < MOST_WAITING {
            self.finished.push(unit);
        } else {
            self.beyond[at] += unit.length;
        }
    }

    /// What the last call changed was looked at.
    pub fn clear_touched(&mut self) {
        self.touched = [false; 2];
        if let Some(unit) = self.finished.pop() {
            self.spare = Some(unit);
        }
        self.finished.clear();
    }

    /// Units that the last call changed, oldest first.
    pub fn touched(&self) -> impl Iterator<Item = &Unit> {
        let current = self.current.iter().zip(self.touched);
        let current = current.filter_map(|(unit, touched)| unit.as_ref().filter(|_| touched));
        self.finished.iter().chain(current)
    }

    /// All that are there.
    pub fn all(&self) -> impl Iterator<Item = &Unit> {
        self.finished.iter().chain(self.current.iter().flatten())
    }

    /// Bytes so far that were not kept.
    pub fn beyond(&self, direction: Direction) -> u64 {
        self.beyond[direction.index()]
    }

    pub fn held_bytes(&self) -> usize {
        let units = self.all().chain(&self.spare);
        size_of::<Self>() + units.map(Unit::held_bytes).sum::<usize>()
    }

    /// Empty lines before a message are none of it (RFC 9112 section 2.2, RFC 3261 section 7.5).
    fn blanks(&self, bytes: &[u8]) -> usize {
        match self.protocol {
            Protocol::Http1 | Protocol::Sip => bytes
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n' | b' ' | b'\t'))
                .count(),
            _ => 0,
        }
    }

    fn begin(&mut self, direction: Direction) -> Unit {
        let mut unit = self
            .spare
            .take()
            .unwrap_or_else(|| Unit::begin(self.protocol, direction));
        unit.restart(self.next_id, self.protocol, direction);
        self.next_id += 1;
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::AppLayer;
    use Direction::{ToClient, ToServer};

    type Conversation<'a> = &'a [(Direction, &'a [u8])];

    /// All frames of a conversation whose pieces come in steps of so many bytes.
    fn frames_of(conversation: Conversation<'_>, step: usize) -> Vec<String> {
        let limits = Limits::default();
        let mut app = AppLayer::new();
        app.ask_for_frames(FrameProtocols::ALL);
        let mut told = Vec::new();
        for (direction, bytes) in conversation {
            for piece in bytes.chunks(step) {
                let mut rest = piece;
                while !rest.is_empty() {
                    rest = &rest[app.data(*direction, rest, &limits).consumed..];
                    tell(&app, &mut told);
                }
            }
        }
        app.eof(ToServer, &limits);
        tell(&app, &mut told);
        told
    }

    fn tell(app: &AppLayer, told: &mut Vec<String>) {
        for unit in app.touched_units().filter(|unit| unit.ended()) {
            for frame in &unit.frames {
                let (bytes, complete) = unit.view(frame);
                assert!(complete);
                let name = frame.buffer.frame_name().unwrap();
                told.push(format!("{name}={}", bytes.escape_ascii()));
            }
        }
    }

    #[test]
    fn frames_do_not_depend_on_segmentation() {
        let preface =
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x06\0\0\0\0\0x";
        let compound = [
            b"\0\0\0\x84\xfeSMB\x40".as_slice(),
            &[0; 15],
            b"\x40\0\0\0",
            &[0; 40],
            b"\xfeSMB\x40",
            &[0; 59],
            b"data\0\0\0\0",
        ]
        .concat();
        let conversations: [(Conversation<'_>, &[&str]); 6] = [
            (
                &[
                    (
                        ToServer,
                        b"\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.0\r\n\r\n",
                    ),
                    (
                        ToClient,
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                    ),
                ],
                &[
                    r"request=POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab",
                    r"request=GET / HTTP/1.0\r\n\r\n",
                    r"response=HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                ],
            ),
            (
                &[(ToServer, preface)],
                &[
                    r"pdu=\x00\x00\x00\x04\x00\x00\x00\x00\x00",
                    r"hdr=\x00\x00\x00\x04\x00\x00\x00\x00\x00",
                    "data=",
                    r"pdu=\x00\x00\x01\x06\x00\x00\x00\x00\x00x",
                    r"hdr=\x00\x00\x01\x06\x00\x00\x00\x00\x00",
                    "data=x",
                ],
            ),
            (
                &[(
                    ToServer,
                    b"REGISTER sip:a SIP/2.0\r\nContent-Length: 1\n\nb\r\n\r\n",
                )],
                &[
                    r"pdu=REGISTER sip:a SIP/2.0\r\nContent-Length: 1\n\nb",
                    r"request.line=REGISTER sip:a SIP/2.0\r\n",
                    r"request.headers=Content-Length: 1\n",
                    "request.body=b",
                ],
            ),
            (
                &[
                    (ToServer, b"SSH-2.0-C\r\n"),
                    (ToServer, b"\0\0\0\x0c\x04\x15abcdefghij\xff\xff\xff"),
                ],
                &[
                    r"record.pdu=\x00\x00\x00\x0c\x04\x15abcdefghij",
                    r"record.hdr=\x00\x00\x00\x0c\x04\x15",
                    "record.data=abcdefghij",
                ],
            ),
            (
                &[(ToServer, b"\x16\x03\x01\0\x02ab\x17\x03\x03\0\x01c")],
                &[
                    r"pdu=\x16\x03\x01\x00\x02ab",
                    r"hdr=\x16\x03\x01\x00\x02",
                    "data=ab",
                    r"pdu=\x17\x03\x03\x00\x01c",
                    r"hdr=\x17\x03\x03\x00\x01",
                    "data=c",
                ],
            ),
            (&[(ToServer, &compound)], &[]),
        ];
        for (conversation, expected) in conversations {
            let whole = frames_of(conversation, usize::MAX);
            if !expected.is_empty() {
                assert_eq!(whole, expected);
            }
            for step in [1, 2, 3, 7, 20] {
                assert_eq!(frames_of(conversation, step), whole, "by {step}");
            }
        }
        let messages = frames_of(&[(ToServer, &compound)], 5);
        let second = messages
            .iter()
            .filter(|m| m.starts_with("smb2.data="))
            .nth(1);
        assert_eq!(second.unwrap(), "smb2.data=data");
    }

    #[test]
    fn a_unit_keeps_so_many_bytes_and_counts_the_rest() {
        let limits = Limits {
            frame_bytes: 8,
            ..Limits::default()
        };
        let mut app = AppLayer::new();
        app.ask_for_frames(FrameProtocols::ALL);
        app.data(ToServer, b"\x17\x03\x03\0\x05abcde", &limits);
        let unit = app.touched_units().next().unwrap();
        let frame = unit.frames(Buffer::FrameTlsData).next().unwrap();
        assert_eq!(unit.view(frame), (&b"abc"[..], true));
        assert_eq!(unit.extent(frame), (Some(5), true));
        assert_eq!(app.beyond_limit(ToServer), 2);
    }

    #[test]
    fn nothing_is_kept_where_no_rule_asks() {
        let mut of_others = FrameProtocols::default();
        of_others.add(Protocol::Ssh);
        for asked in [FrameProtocols::default(), of_others] {
            let mut app = AppLayer::new();
            app.ask_for_frames(asked);
            app.data(ToServer, b"\x17\x03\x03\0\x01a", &Limits::default());
            assert_eq!(app.units().count(), 0);
        }
    }

    #[test]
    fn a_hole_ends_a_unit_and_the_next_one_is_found_again() {
        let mut app = AppLayer::new();
        let limits = Limits::default();
        app.ask_for_frames(FrameProtocols::ALL);
        app.data(ToServer, b"\x17\x03\x03\0\x05ab", &limits);
        app.gap(ToServer, 2);
        assert!(app.touched_units().next().unwrap().ended());
        app.data(ToServer, b"e", &limits);
        assert_eq!(app.touched_units().count(), 0);
        app.data(ToServer, b"\x17\x03\x03\0\x01x", &limits);
        assert_eq!(app.touched_units().count(), 1);
    }
}
