//! Detects the protocol of a flow and feeds its parser.
//!
//! Detection goes by the first bytes, on any port, each direction by itself,
//! however they are cut into packets. Until a flow's protocol is known its
//! first bytes are kept, within a bound, and given to the parser afterwards.

mod one_of;
mod resting;

use one_of::OneOf;
pub use resting::RestingApp;

use super::candidates::{CANDIDATES, Guess, Opening, Start, guess, of_datagram, of_late_datagram};
use super::frames::{FrameProtocols, Frames, Unit};
use super::message::Expected;
use super::{Limits, Protocol, TxRef, http1, http2, message, tls};
use crate::direction::Direction;
use crate::reuse::{List, Place, reused};

reused!(Detecting);

/// Empty lines are kept up to so many bytes while nothing else has come.
const EMPTY_LINES: usize = 64;

/// Datagrams of a flow that are tried; later ones make it no protocol without a strong mark.
const DATAGRAMS_TRIED: u8 = 4;

/// The application layer of one flow. Small until a protocol is known.
#[derive(Debug, Default)]
pub struct AppLayer {
    state: State,
    /// HTTP that another protocol has followed, while its transactions are still asked for.
    before: Option<Box<http1::Parser>>,
    /// What HTTP said would follow.
    upgrade: Option<http1::Upgrade>,
    /// Of the current protocol's first transaction: those of a flow never share one.
    first_id: u64,
    /// Spoken before another took over.
    original: Option<Protocol>,
    server_port: u16,
    datagrams_tried: u8,
    /// Whose frames rules ask for.
    frames_asked: FrameProtocols,
    frames: Option<Box<Frames>>,
    /// Bytes went by unseen: of each direction, messages are looked for.
    seeking: [bool; 2],
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Detecting(Place<Detecting>),
    Http1(Box<http1::Parser>),
    Http2(Box<http2::Parser>),
    Tls(Box<tls::Parser>),
    Message(Box<dyn message::Parser>),
    Unknown,
    /// Of this protocol, and of no interest any more.
    Released(Protocol),
}

/// What is known of a flow without protocol.
#[derive(Debug, Default)]
struct Detecting {
    kept: [List<u8>; 2],
    verdicts: [Guess; 2],
    ended: [bool; 2],
    /// Bytes that the last call kept.
    added: usize,
    /// Bytes behind those kept that are missing or came behind such.
    missing: [u64; 2],
}

/// How far a call of [`AppLayer::data`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken; call again with the rest.
    pub consumed: usize,
}

impl AppLayer {
    pub fn new() -> Self {
        Self::default()
    }

    /// The port that the flow goes to, before its first bytes: a hint for detection.
    pub fn set_server_port(&mut self, port: u16) {
        self.server_port = port;
    }

    /// The protocols whose frames are kept from here on.
    pub const fn ask_for_frames(&mut self, of: FrameProtocols) {
        self.frames_asked = of;
    }

    pub fn protocol(&self) -> Protocol {
        match &self.state {
            State::Fresh | State::Detecting(_) => Protocol::Undetermined,
            State::Http1(parser) if parser.upgrade().is_some() => Protocol::Undetermined,
            State::Http1(_) => Protocol::Http1,
            State::Http2(_) => Protocol::Http2,
            State::Tls(_) => Protocol::Tls,
            State::Message(parser) => parser.messages().protocol(),
            State::Unknown => Protocol::Unknown,
            State::Released(protocol) => *protocol,
        }
    }

    /// The protocol before the last change of it.
    pub const fn original(&self) -> Option<Protocol> {
        self.original
    }

    /// What HTTP said would follow it on this flow; detection has begun anew since.
    pub const fn upgrade(&self) -> Option<http1::Upgrade> {
        self.upgrade
    }

    /// Gives all memory back; the protocol stays known.
    pub fn release(&mut self) {
        self.before = None;
        self.frames = None;
        self.state = State::Released(self.protocol());
    }

    /// Reads on, up to the next point where a transaction has to be looked at: the
    /// end of a head or of a message. Takes at least one byte of a non-empty slice.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Progress {
        if bytes.is_empty() {
            return Progress { consumed: 0 };
        }
        self.leave_http(limits);
        if let State::Message(parser) = &self.state
            && parser.is_over()
        {
            self.original = Some(parser.messages().protocol());
            self.first_id = parser.messages().next_id();
            self.state = State::Fresh;
        }
        if matches!(self.state, State::Fresh | State::Detecting(_))
            && !self.detect(direction, bytes, limits)
        {
            return Progress {
                consumed: bytes.len(),
            };
        }
        self.clear_touched();
        self.doubt(direction, bytes);
        if self.seeking[direction.index()] {
            match self.seek(direction, bytes) {
                Some(0) => {}
                skipped => {
                    let consumed = skipped.unwrap_or(bytes.len());
                    if let State::Http1(parser) = &mut self.state {
                        parser.pass_over(direction, consumed);
                    }
                    return Progress { consumed };
                }
            }
        }
        Progress {
            consumed: self.feed(direction, bytes, limits),
        }
    }

    /// One datagram of a protocol that has no stream; whether a parser has read it.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> bool {
        let opening = Opening {
            direction,
            bytes,
            server_port: self.server_port,
            limits,
        };
        let known = match self.state {
            State::Fresh => {
                self.datagrams_tried += 1;
                of_datagram(&opening)
            }
            State::Unknown => of_late_datagram(&opening),
            _ => None,
        };
        match known {
            Some(at) => self.begin(at),
            None if self.datagrams_tried >= DATAGRAMS_TRIED
                && matches!(self.state, State::Fresh) =>
            {
                self.state = State::Unknown;
            }
            None => {}
        }
        self.clear_touched();
        match &mut self.state {
            State::Message(parser) => {
                parser.datagram(direction, bytes, limits);
                self.note_frame_protocol();
                if let Some(frames) = &mut self.frames {
                    frames.datagram(direction, bytes, limits);
                }
                true
            }
            _ => false,
        }
    }

    /// Whether nothing has come of the flow yet.
    pub const fn is_fresh(&self) -> bool {
        matches!(self.state, State::Fresh) && self.first_id == 0
    }

    /// Another flow has announced this one.
    pub fn begin_expected(&mut self, expected: Expected) {
        self.state = State::Message(expected.into_parser());
    }

    /// A flow that this one has announced.
    pub fn take_expected(&mut self) -> Option<Expected> {
        match &mut self.state {
            State::Message(parser) => parser.take_expected(),
            _ => None,
        }
    }

    /// So many bytes of a direction are missing.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        self.clear_touched();
        if let Some(frames) = &mut self.frames {
            frames.end(direction);
        }
        match &mut self.state {
            State::Http1(parser) => parser.gap(direction, length),
            State::Http2(parser) => parser.gap(direction, length),
            State::Tls(parser) => parser.gap(direction, length),
            State::Message(parser) => parser.gap(direction, length),
            // What begins behind a hole is the middle of something; the other direction may tell.
            State::Fresh => {
                let mut detecting = Detecting::default();
                detecting.skip(direction, length);
                self.state = State::Detecting(Place::of(detecting));
            }
            State::Detecting(place) => {
                if let Some(detecting) = place.get_mut() {
                    detecting.skip(direction, length);
                    if detecting.is_hopeless() {
                        self.state = State::Unknown;
                    }
                }
            }
            State::Unknown | State::Released(_) => {}
        }
    }

    /// The flow goes on after bytes that went by unseen, nobody knows how many. HTTP/1 is read again
    /// from where a request begins; what is encrypted stays so.
    pub fn resume(&mut self) {
        self.before = None;
        self.frames = None;
        match &mut self.state {
            State::Http1(parser) => {
                let mut anew = Box::<http1::Parser>::default();
                anew.start_at(parser.next_id());
                *parser = anew;
                self.seeking = [true; 2];
            }
            State::Tls(parser) => {
                parser.resume();
                self.seeking = [true; 2];
            }
            _ => {
                for direction in Direction::BOTH {
                    self.gap(direction, 1);
                }
            }
        }
    }

    /// What was found may have been no request, but the like of one in the middle of something: as
    /// long as nobody has answered it, what begins like a request is taken for one.
    fn doubt(&mut self, direction: Direction, bytes: &[u8]) {
        let unanswered = direction == Direction::ToServer && self.seeking == [false, true];
        if unanswered
            && let State::Http1(parser) = &self.state
            && parser.unit_left(direction) != Some(0)
            && http1::begins_with_method(bytes)
        {
            self.resume();
        }
    }

    /// Whether bytes went by unseen, and no message has been found behind them in some direction.
    pub const fn is_seeking(&self) -> bool {
        self.seeking[0] || self.seeking[1]
    }

    /// The one direction that has brought more than detection keeps and none of it of a protocol,
    /// where the other has brought nothing.
    pub fn only_stranger(&self) -> Option<Direction> {
        let State::Detecting(place) = &self.state else {
            return None;
        };
        let detecting = place.get()?;
        Direction::BOTH.into_iter().find(|direction| {
            let other = direction.opposite().index();
            detecting.verdicts[direction.index()] == Guess::Neither
                && detecting.kept[other].is_empty()
                && detecting.missing[other] == 0
        })
    }

    /// Where a message begins that can be read on from; bytes before it are of one that began
    /// unseen.
    fn seek(&mut self, direction: Direction, bytes: &[u8]) -> Option<usize> {
        let at = match &self.state {
            State::Tls(_) => tls::find_record(bytes)?,
            // What answers a request that went by unseen tells nothing.
            _ if direction == Direction::ToClient && self.seeking[0] => return None,
            _ => http1::find_message(direction, bytes)?,
        };
        self.seeking[direction.index()] = false;
        Some(at)
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction, limits: &Limits) {
        self.clear_touched();
        if let Some(frames) = &mut self.frames {
            frames.end(direction);
        }
        match &mut self.state {
            State::Http1(parser) => parser.eof(direction, limits),
            State::Http2(parser) => parser.eof(direction, limits),
            State::Tls(parser) => parser.eof(direction),
            State::Message(parser) => parser.eof(direction, limits),
            State::Detecting(place) => {
                if let Some(detecting) = place.get_mut() {
                    detecting.ended[direction.index()] = true;
                }
            }
            State::Fresh | State::Unknown | State::Released(_) => {}
        }
    }

    /// Live transactions, oldest first.
    pub fn transactions(&self) -> impl Iterator<Item = TxRef<'_>> {
        let http1 = self
            .before
            .as_deref()
            .into_iter()
            .chain(self.http1())
            .flat_map(http1::Parser::transactions);
        let http2 = self
            .http2()
            .into_iter()
            .flat_map(http2::Parser::transactions);
        let tls = self.tls().map(|parser| TxRef::Tls(parser.transaction()));
        let messages = self.message().into_iter().flat_map(|p| p.messages().all());
        http1
            .map(TxRef::Http1)
            .chain(http2.map(TxRef::Http2))
            .chain(tls)
            .chain(messages.map(TxRef::Message))
    }

    /// The id of the newest live transaction.
    pub fn newest_transaction(&self) -> Option<u64> {
        match &self.state {
            State::Http1(parser) => parser.transactions().next_back().map(|tx| tx.id()),
            State::Http2(parser) => parser.transactions().next_back().map(|tx| tx.id()),
            State::Tls(parser) => Some(parser.transaction().id()),
            State::Message(parser) => parser.messages().all().last().map(|tx| tx.id()),
            State::Fresh | State::Detecting(_) | State::Unknown | State::Released(_) => None,
        }
        .or_else(|| {
            self.before
                .as_ref()?
                .transactions()
                .next_back()
                .map(|tx| tx.id())
        })
    }

    /// The transactions that the last call of [`Self::data`], [`Self::gap`] or [`Self::eof`] changed.
    pub fn touched(&self) -> impl Iterator<Item = TxRef<'_>> {
        match &self.state {
            State::Http1(parser) => OneOf::Http1(parser.touched().map(TxRef::Http1)),
            State::Http2(parser) => OneOf::Http2(parser.touched().map(TxRef::Http2)),
            State::Tls(parser) => {
                let tx = parser.touched().then(|| parser.transaction());
                OneOf::Tls(tx.map(TxRef::Tls).into_iter())
            }
            State::Message(parser) => {
                OneOf::Message(parser.messages().touched().map(TxRef::Message))
            }
            _ => OneOf::None,
        }
    }

    /// The units of frames that the last call changed.
    pub fn touched_units(&self) -> impl Iterator<Item = &Unit> {
        self.frames.iter().flat_map(|f| f.touched())
    }

    /// All units of frames that are kept.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.frames.iter().flat_map(|f| f.all())
    }

    pub fn http1(&self) -> Option<&http1::Parser> {
        match &self.state {
            State::Http1(parser) => Some(parser),
            _ => None,
        }
    }

    pub fn http2(&self) -> Option<&http2::Parser> {
        match &self.state {
            State::Http2(parser) => Some(parser),
            _ => None,
        }
    }

    pub fn tls(&self) -> Option<&tls::Parser> {
        match &self.state {
            State::Tls(parser) => Some(parser),
            _ => None,
        }
    }

    fn message(&self) -> Option<&dyn message::Parser> {
        match &self.state {
            State::Message(parser) => Some(&**parser),
            _ => None,
        }
    }

    /// Takes out transactions that are complete both ways; their memory is used again.
    pub fn take_finished(&mut self) {
        self.before = None;
        match &mut self.state {
            // The request goes on in HTTP/2.
            State::Http1(parser) if parser.upgrade() == Some(http1::Upgrade::H2c) => {}
            State::Http1(parser) => parser.take_finished(),
            State::Http2(parser) => parser.take_finished(),
            State::Message(parser) => parser.messages_mut().take_finished(),
            _ => {}
        }
    }

    /// Both directions are encrypted: nothing more can be seen but record lengths.
    pub fn encrypted(&self) -> bool {
        match &self.state {
            State::Tls(parser) => parser.encrypted(),
            State::Message(parser) => parser.encrypted(),
            _ => false,
        }
    }

    /// A direction that its parser has given up although its receiver may read on; an
    /// event tells why. What breaks TLS's records ends the connection at any TLS receiver
    /// (RFC 5246 section 7.2.2), so that is an event and no failure.
    pub fn failed(&self, direction: Direction) -> bool {
        match &self.state {
            State::Http1(parser) => parser.failed(direction),
            State::Http2(parser) => parser.failed(direction),
            State::Message(parser) => parser.failed(direction),
            _ => false,
        }
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        let before = self.before.as_ref().map_or(0, |p| p.held_bytes());
        let now = match &self.state {
            State::Fresh | State::Unknown | State::Released(_) => 0,
            State::Detecting(place) => place.get().map_or(0, |detecting| {
                size_of::<Detecting>() + detecting.kept.iter().map(List::capacity).sum::<usize>()
            }),
            State::Http1(parser) => parser.held_bytes(),
            State::Http2(parser) => parser.held_bytes(),
            State::Tls(parser) => parser.held_bytes(),
            State::Message(parser) => parser.held_bytes(),
        };
        before + now + self.frames.as_ref().map_or(0, |f| f.held_bytes())
    }

    /// Bytes so far that a parser took without keeping them for inspection.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        let of_frames = self.frames.as_ref().map_or(0, |f| f.beyond(direction));
        of_frames
            + match &self.state {
                State::Http1(parser) => parser.beyond_limit(direction),
                State::Http2(parser) => parser.beyond_limit(direction),
                State::Tls(parser) => parser.beyond_limit(direction),
                State::Message(parser) => parser.beyond_limit(direction),
                _ => 0,
            }
    }

    fn clear_touched(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.clear_touched();
        }
        if let State::Message(parser) = &mut self.state {
            parser.messages_mut().clear_touched();
        }
    }

    /// Gives bytes to the parser, and its frames with them where rules ask for those.
    fn feed(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        self.note_frame_protocol();
        let Some(frames) = &mut self.frames else {
            return self.state.data(direction, bytes, limits);
        };
        let most = frames.before(direction, bytes, self.state.unit_left(direction));
        let given = bytes.get(..most).unwrap_or(bytes);
        let taken = self.state.data(direction, given, limits);
        let taken_bytes = given.get(..taken).unwrap_or(given);
        let left = self.state.unit_left(direction);
        frames.after(direction, taken_bytes, left, limits);
        taken
    }

    fn note_frame_protocol(&mut self) {
        // Of most rulesets nothing has to be found out.
        if self.frames_asked.is_empty() && self.frames.is_none() {
            return;
        }
        let (asked, protocol) = (self.frames_asked, self.protocol());
        self.frames = Frames::wanted(self.frames.take(), asked, protocol);
    }

    /// Whether the protocol is known now, so that `bytes` can go to its parser.
    fn detect(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> bool {
        let opening = Opening {
            direction,
            bytes,
            server_port: self.server_port,
            limits,
        };
        if let State::Fresh = self.state {
            // The usual case, without a copy: the first bytes tell.
            if let Guess::Is(at) = guess(&opening) {
                self.begin(at);
                return true;
            }
            self.state = State::Detecting(Place::of(Detecting::default()));
        }
        let State::Detecting(place) = &mut self.state else {
            return false;
        };
        let Some(detecting) = place.get_mut() else {
            return false;
        };
        let known = detecting.add(&opening);
        if detecting.is_hopeless() {
            self.state = State::Unknown;
            return false;
        }
        let Some(at) = known else {
            return false;
        };
        let Some(mut detecting) = place.take() else {
            return false;
        };
        // The bytes of this call were added last; the caller gives them to the parser.
        detecting.take_back(direction);
        self.begin(at);
        // The other direction first, whole: so the order does not depend on how this one is cut.
        for replayed in [direction.opposite(), direction] {
            self.replay(replayed, &detecting, limits);
        }
        true
    }

    /// Behind a response that ends HTTP (RFC 9110 sections 7.8 and 9.3.6) whatever comes is told
    /// by its first bytes, as at the start of a flow.
    fn leave_http(&mut self, limits: &Limits) {
        let State::Http1(parser) = &self.state else {
            return;
        };
        let Some(upgrade) = parser.upgrade() else {
            return;
        };
        self.upgrade = Some(upgrade);
        self.original = Some(Protocol::Http1);
        self.first_id = parser.next_id();
        let State::Http1(parser) = std::mem::take(&mut self.state) else {
            return;
        };
        match upgrade {
            http1::Upgrade::H2c => {
                let request = parser.transactions().last();
                let follows = http2::Parser::behind(request, self.first_id, limits);
                self.state = State::Http2(Box::new(follows));
            }
            http1::Upgrade::WebSocket => {
                let at = CANDIDATES
                    .iter()
                    .position(|c| c.protocol == Protocol::WebSocket);
                self.begin(at.unwrap_or(CANDIDATES.len()));
            }
            http1::Upgrade::Tunnel | http1::Upgrade::Other => {}
        }
        self.before = Some(parser);
    }

    fn begin(&mut self, candidate: usize) {
        self.state = match CANDIDATES.get(candidate).map(|c| &c.parser) {
            Some(Start::Http1) => State::Http1(Box::default()),
            Some(Start::Http2) => State::Http2(Box::default()),
            Some(Start::Tls) => State::Tls(Box::default()),
            Some(Start::Message(parser)) => State::Message(parser()),
            None => State::Unknown,
        };
        match &mut self.state {
            State::Http1(parser) => parser.start_at(self.first_id),
            State::Http2(parser) => parser.start_at(self.first_id),
            State::Tls(parser) => parser.start_at(self.first_id),
            State::Message(parser) => parser.messages_mut().start_at(self.first_id),
            _ => {}
        }
    }

    fn replay(&mut self, direction: Direction, detecting: &Detecting, limits: &Limits) {
        let index = direction.index();
        let mut rest = detecting.kept.get(index).map_or(&[][..], |kept| &kept[..]);
        while !rest.is_empty() {
            let consumed = self.feed(direction, rest, limits);
            rest = rest.get(consumed..).unwrap_or_default();
        }
        if let Some(&missing) = detecting.missing.get(index).filter(|m| **m > 0) {
            self.gap(direction, missing);
        }
        if detecting.ended.get(index) == Some(&true) {
            self.eof(direction, limits);
        }
    }
}

impl State {
    /// Feeds the parser, if there is one; bytes taken.
    fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> usize {
        match self {
            Self::Http1(parser) => parser.data(direction, bytes, limits),
            Self::Http2(parser) => parser.data(direction, bytes, limits),
            Self::Tls(parser) => parser.data(direction, bytes, limits),
            Self::Message(parser) => parser.data(direction, bytes, limits),
            _ => bytes.len(),
        }
    }

    /// Bytes left of the unit of frames in hand, as far as the parser knows.
    fn unit_left(&self, direction: Direction) -> Option<u64> {
        match self {
            Self::Http1(parser) => parser.unit_left(direction),
            Self::Http2(parser) => parser.unit_left(direction),
            Self::Tls(parser) => parser.unit_left(direction),
            Self::Message(parser) => parser.unit_left(direction),
            _ => None,
        }
    }
}

impl Detecting {
    /// Keeps bytes and judges their direction; the candidate once it is known.
    fn add(&mut self, opening: &Opening<'_>) -> Option<usize> {
        let index = opening.direction.index();
        if self.missing[index] > 0 {
            self.missing[index] += opening.bytes.len() as u64;
            return None;
        }
        let kept = self.kept.get_mut(index)?;
        let verdict = self.verdicts.get_mut(index)?;
        // Of a direction that tells nothing a little is kept: it is a banner or a stray answer.
        let bound = opening.limits.header_bytes.saturating_add(1);
        let room = bound.saturating_sub(kept.len());
        let before = kept.len();
        kept.extend_from_slice(opening.bytes.get(..room).unwrap_or(opening.bytes));
        self.added = kept.len() - before;
        if *verdict == Guess::Neither {
            return None;
        }
        if kept.len() > EMPTY_LINES && kept.iter().all(|b| matches!(b, b'\r' | b'\n')) {
            // Empty lines may go before a request (RFC 9112 section 2.2); how many does not matter.
            kept.truncate(EMPTY_LINES);
            return None;
        }
        if room == 0 {
            // What tells nothing in so many bytes is not judged again with each further one.
            *verdict = Guess::Neither;
            return None;
        }
        *verdict = guess(&Opening {
            bytes: kept,
            ..*opening
        });
        match *verdict {
            Guess::Is(at) => Some(at),
            Guess::Open | Guess::Neither => None,
        }
    }

    /// Bytes of a direction that are missing: it tells nothing any more.
    fn skip(&mut self, direction: Direction, length: u64) {
        self.missing[direction.index()] += length;
        self.verdicts[direction.index()] = Guess::Neither;
    }

    const fn is_hopeless(&self) -> bool {
        matches!(self.verdicts, [Guess::Neither, Guess::Neither])
    }

    /// Without what the last call added.
    fn take_back(&mut self, direction: Direction) {
        if let Some(kept) = self.kept.get_mut(direction.index()) {
            kept.truncate(kept.len().saturating_sub(self.added));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{ToClient, ToServer};

    fn feed(app: &mut AppLayer, direction: Direction, bytes: &[u8], step: usize) {
        for part in bytes.chunks(step) {
            let mut rest = part;
            while !rest.is_empty() {
                let consumed = app.data(direction, rest, &Limits::default()).consumed;
                assert!(consumed > 0);
                rest = &rest[consumed..];
            }
        }
    }

    #[test]
    fn protocols_are_known_by_their_first_bytes_however_cut() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Protocol::Http1),
            (b"\r\nFOO /x HTTP/1.1\r\n", Protocol::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Protocol::Http2),
            (b"\x16\x03\x01\x02\x00\x01", Protocol::Tls),
            (b"\x18\x03\x02\x00\x03\x01", Protocol::Tls),
            (b"REGISTER sip:a SIP/2.0\r\n", Protocol::Sip),
            (b"EHLO x\r\n", Protocol::Smtp),
            (b"hello\r\n", Protocol::Undetermined),
        ] {
            for step in [1, 2, bytes.len()] {
                let mut app = AppLayer::new();
                feed(&mut app, ToServer, bytes, step);
                assert_eq!(app.protocol(), expected, "{bytes:?} by {step}");
            }
        }
    }

    #[test]
    fn kept_bytes_reach_the_parser() {
        for step in [1, 3, 1000] {
            let mut app = AppLayer::new();
            feed(
                &mut app,
                ToServer,
                b"FOO /x HTTP/1.1\r\nHost: a\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n",
                step,
            );
            let http1 = app.http1().unwrap();
            let uris: Vec<_> = http1
                .transactions()
                .filter_map(http1::Transaction::uri_raw)
                .collect();
            assert_eq!(uris, [b"/x", b"/y"], "by {step}");
        }
    }

    #[test]
    fn empty_lines_without_end_neither_cost_nor_hide() {
        let mut app = AppLayer::new();
        for _ in 0..100 {
            feed(&mut app, ToServer, &b"\r\n".repeat(1000), 1460);
        }
        assert!(app.held_bytes() < 8192, "{}", app.held_bytes());
        feed(
            &mut app,
            ToServer,
            b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
            1460,
        );
        let http1 = app.http1().unwrap();
        assert_eq!(
            http1.transactions().next().unwrap().uri_raw(),
            Some(&b"/x"[..])
        );
        // A word that may be a method all the same is judged once its limit is reached.
        let mut app = AppLayer::new();
        for _ in 0..100 {
            feed(&mut app, ToServer, &[b' '; 1460], 1460);
        }
        assert!(app.held_bytes() < 200 * 1024);
    }

    #[test]
    fn two_foreign_directions_are_unknown() {
        let mut app = AppLayer::new();
        feed(&mut app, ToClient, b"hello there\r\n", 5);
        assert_eq!(app.protocol(), Protocol::Undetermined);
        feed(&mut app, ToServer, b"hello back\r\n", 3);
        assert_eq!(app.protocol(), Protocol::Unknown);
        assert_eq!(app.transactions().count(), 0);
    }

    #[test]
    fn an_answer_that_came_first_is_not_lost() {
        let mut app = AppLayer::new();
        feed(&mut app, ToClient, b"hello from a banner", 4);
        feed(&mut app, ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2);
        assert_eq!(app.protocol(), Protocol::Http1);
        let bodies: Vec<_> = app
            .http1()
            .unwrap()
            .transactions()
            .map(|tx| tx.body(ToClient).len())
            .collect();
        assert_eq!(bodies.iter().sum::<usize>(), 19);
    }

    #[test]
    fn a_hole_in_one_direction_leaves_the_other_to_tell() {
        let connack = b"\x20\x02\x00\x00";
        let mut app = AppLayer::new();
        app.set_server_port(1883);
        app.gap(ToServer, 16);
        feed(&mut app, ToServer, b"\xc0", 1);
        assert_eq!(app.protocol(), Protocol::Undetermined);
        feed(&mut app, ToClient, connack, 4);
        assert_eq!(app.protocol(), Protocol::Mqtt);
        assert!(app.failed(ToServer) && !app.failed(ToClient));
        let mut app = AppLayer::new();
        app.gap(ToServer, 1);
        app.gap(ToClient, 1);
        assert_eq!(app.protocol(), Protocol::Unknown);
    }

    #[test]
    fn what_follows_in_a_tunnel_is_told_by_its_first_bytes() {
        let connect = b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n";
        for (bytes, expected) in [
            (&b"\x16\x03\x01\x00\x05"[..], Protocol::Tls),
            (b"GET /evil HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"\0\x01\x02", Protocol::Undetermined),
        ] {
            let mut app = AppLayer::new();
            feed(&mut app, ToServer, connect, 100);
            feed(&mut app, ToClient, b"HTTP/1.1 200 OK\r\n\r\n", 100);
            assert_eq!(app.protocol(), Protocol::Undetermined);
            assert_eq!(app.upgrade(), None);
            assert_eq!(app.transactions().count(), 1);
            feed(&mut app, ToServer, bytes, bytes.len());
            assert_eq!(app.upgrade(), Some(http1::Upgrade::Tunnel));
            assert_eq!(app.protocol(), expected);
            // The request that opened the tunnel is there until its record is written.
            let ids: Vec<_> = app.transactions().map(|tx| tx.id()).collect();
            let new = usize::from(expected != Protocol::Undetermined);
            assert_eq!(ids, (0..=new as u64).collect::<Vec<_>>(), "{bytes:?}");
            assert!(app.touched().all(|tx| tx.id() == 1));
            app.take_finished();
            assert!(app.transactions().all(|tx| tx.id() == 1));
        }
    }

    #[test]
    fn an_upgrade_counts_only_where_it_was_asked_for() {
        for (headers, status, expected) in [
            (
                "Upgrade: websocket\r\n",
                "101",
                Some(http1::Upgrade::WebSocket),
            ),
            ("Upgrade: h2c\r\n", "101", Some(http1::Upgrade::H2c)),
            ("Upgrade: other/1\r\n", "101", Some(http1::Upgrade::Other)),
            ("Upgrade: h2c\r\n", "200", None),
            ("", "101", None),
        ] {
            let mut app = AppLayer::new();
            let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
            let response = format!("HTTP/1.1 {status} x\r\n\r\n");
            feed(&mut app, ToServer, request.as_bytes(), 100);
            feed(&mut app, ToClient, response.as_bytes(), 100);
            feed(&mut app, ToClient, b"x", 1);
            assert_eq!(app.upgrade(), expected, "{headers:?} {status}");
        }
    }

    #[test]
    fn junk_before_a_strong_mark_does_not_hide_it() {
        let mut app = AppLayer::new();
        let limits = Limits::default();
        for _ in 0..20 {
            assert!(!app.datagram(ToServer, b"\x01junk", &limits));
        }
        assert_eq!(app.protocol(), Protocol::Unknown);
        let initial = crate::app_layer::quic::Initial {
            version: 1,
            direction: ToServer,
            original: b"identity",
            destination: b"identity",
            source: b"",
            number: 0,
            frames: &[1],
        };
        assert!(app.datagram(ToServer, &initial.seal().unwrap(), &limits));
        assert_eq!(app.protocol(), Protocol::Quic);
    }
}
