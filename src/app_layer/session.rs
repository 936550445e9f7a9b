//! Detects the protocol of a flow and feeds its parser.
//!
//! Detection goes by the first bytes, on any port, each direction by itself,
//! however they are cut into packets. Until a flow's protocol is known its
//! first bytes are kept, within a bound, and given to the parser afterwards.

use super::http1;
use super::sip;
use super::tls;
use super::{Limits, Protocol, TxRef};
use crate::direction::Direction;

/// The application layer of one flow. Small until a protocol is known.
#[derive(Debug, Default)]
pub struct AppLayer {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Fresh,
    Detecting(Box<Detecting>),
    Http1(Box<http1::Parser>),
    Tls(Box<tls::Parser>),
    Sip(Box<sip::Parser>),
    Unknown,
    /// Of this protocol, and of no interest any more.
    Released(Protocol),
}

/// What is known of a flow without protocol.
#[derive(Debug, Default)]
struct Detecting {
    kept: [Vec<u8>; 2],
    verdicts: [Guess; 2],
    ended: [bool; 2],
}

/// What the first bytes of one direction look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Guess {
    #[default]
    Open,
    Http1,
    Tls,
    Sip,
    Neither,
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

    pub fn protocol(&self) -> Protocol {
        match &self.state {
            State::Fresh | State::Detecting(_) => Protocol::Undetermined,
            State::Http1(parser) if parser.is_tunnel() => Protocol::Unknown,
            State::Http1(_) => Protocol::Http1,
            State::Tls(_) => Protocol::Tls,
            State::Sip(_) => Protocol::Sip,
            State::Unknown => Protocol::Unknown,
            State::Released(protocol) => *protocol,
        }
    }

    /// Gives all memory back; the protocol stays known.
    pub fn release(&mut self) {
        self.state = State::Released(self.protocol());
    }

    /// Reads on, up to the next point where a transaction has to be looked at: the
    /// end of a head or of a message. Takes at least one byte of a non-empty slice.
    pub fn data(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Progress {
        if bytes.is_empty() {
            return Progress { consumed: 0 };
        }
        if matches!(self.state, State::Fresh | State::Detecting(_))
            && !self.detect(direction, bytes, limits)
        {
            return Progress {
                consumed: bytes.len(),
            };
        }
        let consumed = match &mut self.state {
            State::Http1(parser) => parser.data(direction, bytes, limits),
            State::Tls(parser) => parser.data(direction, bytes, limits),
            State::Sip(parser) => parser.data(direction, bytes, limits),
            _ => bytes.len(),
        };
        Progress { consumed }
    }

    /// One datagram of a protocol that has no stream; whether a parser has read it.
    pub fn datagram(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> bool {
        if matches!(self.state, State::Fresh) && sip::detect(bytes) == Some(true) {
            self.state = State::Sip(Box::default());
        }
        match &mut self.state {
            State::Sip(parser) => {
                parser.datagram(direction, bytes, limits);
                true
            }
            _ => false,
        }
    }

    /// So many bytes of a direction are missing.
    pub fn gap(&mut self, direction: Direction, length: u64) {
        match &mut self.state {
            State::Http1(parser) => parser.gap(direction, length),
            State::Tls(parser) => parser.gap(direction, length),
            State::Sip(parser) => parser.gap(direction, length),
            // What begins behind a hole is the middle of something.
            State::Fresh | State::Detecting(_) => self.state = State::Unknown,
            State::Unknown | State::Released(_) => {}
        }
    }

    /// The direction has ended.
    pub fn eof(&mut self, direction: Direction, limits: &Limits) {
        match &mut self.state {
            State::Http1(parser) => parser.eof(direction, limits),
            State::Tls(parser) => parser.eof(direction),
            State::Sip(parser) => parser.eof(direction),
            State::Detecting(detecting) => {
                if let Some(ended) = detecting.ended.get_mut(direction.index()) {
                    *ended = true;
                }
            }
            State::Fresh | State::Unknown | State::Released(_) => {}
        }
    }

    /// Live transactions, oldest first.
    pub fn transactions(&self) -> impl Iterator<Item = TxRef<'_>> {
        let http1 = self
            .http1()
            .into_iter()
            .flat_map(http1::Parser::transactions);
        let tls = self.tls().map(|parser| TxRef::Tls(parser.transaction()));
        let sip = self.sip().into_iter().flat_map(sip::Parser::transactions);
        http1
            .map(TxRef::Http1)
            .chain(tls)
            .chain(sip.map(TxRef::Sip))
    }

    /// The transactions that the last call of [`Self::data`], [`Self::gap`] or [`Self::eof`] changed.
    pub fn touched(&self) -> impl Iterator<Item = TxRef<'_>> {
        let http1 = self.http1().into_iter().flat_map(http1::Parser::touched);
        let tls = self
            .tls()
            .filter(|parser| parser.touched())
            .map(|parser| TxRef::Tls(parser.transaction()));
        let sip = self.sip().into_iter().flat_map(sip::Parser::touched);
        http1
            .map(TxRef::Http1)
            .chain(tls)
            .chain(sip.map(TxRef::Sip))
    }

    pub fn http1(&self) -> Option<&http1::Parser> {
        match &self.state {
            State::Http1(parser) => Some(parser),
            _ => None,
        }
    }

    pub fn tls(&self) -> Option<&tls::Parser> {
        match &self.state {
            State::Tls(parser) => Some(parser),
            _ => None,
        }
    }

    pub fn sip(&self) -> Option<&sip::Parser> {
        match &self.state {
            State::Sip(parser) => Some(parser),
            _ => None,
        }
    }

    /// Takes out transactions that are complete both ways; their memory is used again.
    pub fn take_finished(&mut self) {
        match &mut self.state {
            State::Http1(parser) => parser.take_finished(),
            State::Sip(parser) => parser.take_finished(),
            _ => {}
        }
    }

    /// Both directions are encrypted: nothing more can be seen but record lengths.
    pub fn encrypted(&self) -> bool {
        self.tls().is_some_and(tls::Parser::encrypted)
    }

    /// A direction that its parser has given up although its receiver may read on; an
    /// event tells why. What breaks TLS's records ends the connection at any TLS receiver
    /// (RFC 5246 section 7.2.2), so that is an event and no failure.
    pub fn failed(&self, direction: Direction) -> bool {
        match &self.state {
            State::Http1(parser) => parser.failed(direction),
            State::Sip(parser) => parser.failed(direction),
            _ => false,
        }
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            State::Fresh | State::Unknown | State::Released(_) => 0,
            State::Detecting(detecting) => {
                size_of::<Detecting>() + detecting.kept.iter().map(Vec::capacity).sum::<usize>()
            }
            State::Http1(parser) => parser.held_bytes(),
            State::Tls(parser) => parser.held_bytes(),
            State::Sip(parser) => parser.held_bytes(),
        }
    }

    /// Bytes so far that a parser took without keeping them for inspection.
    pub fn beyond_limit(&self, direction: Direction) -> u64 {
        match &self.state {
            State::Http1(parser) => parser.beyond_limit(direction),
            State::Tls(parser) => parser.beyond_limit(direction),
            State::Sip(parser) => parser.beyond_limit(direction),
            _ => 0,
        }
    }

    /// Whether the protocol is known now, so that `bytes` can go to its parser.
    fn detect(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> bool {
        if let State::Fresh = self.state {
            // The usual case, without a copy: the first bytes tell.
            let guess = guess(direction, bytes, limits);
            if self.begin(guess) {
                return true;
            }
            self.state = State::Detecting(Box::default());
        }
        let State::Detecting(detecting) = &mut self.state else {
            return false;
        };
        let guess = detecting.add(direction, bytes, limits);
        let [to_server, to_client] = detecting.verdicts;
        if (to_server, to_client) == (Guess::Neither, Guess::Neither) {
            self.state = State::Unknown;
            return false;
        }
        let Some(known) = guess else {
            return false;
        };
        let State::Detecting(mut detecting) = std::mem::take(&mut self.state) else {
            return false;
        };
        // The bytes of this call were added last; the caller gives them to the parser.
        detecting.take_back(direction, bytes);
        self.begin(known);
        for replayed in [direction, direction.opposite()] {
            self.replay(replayed, &detecting, limits);
        }
        true
    }

    fn begin(&mut self, guess: Guess) -> bool {
        self.state = match guess {
            Guess::Http1 => State::Http1(Box::default()),
            Guess::Tls => State::Tls(Box::default()),
            Guess::Sip => State::Sip(Box::default()),
            Guess::Open | Guess::Neither => return false,
        };
        true
    }

    fn replay(&mut self, direction: Direction, detecting: &Detecting, limits: &Limits) {
        let index = direction.index();
        let mut rest = detecting.kept.get(index).map_or(&[][..], Vec::as_slice);
        while !rest.is_empty() {
            let consumed = match &mut self.state {
                State::Http1(parser) => parser.data(direction, rest, limits),
                State::Tls(parser) => parser.data(direction, rest, limits),
                State::Sip(parser) => parser.data(direction, rest, limits),
                _ => rest.len(),
            };
            rest = rest.get(consumed..).unwrap_or_default();
        }
        if detecting.ended.get(index) == Some(&true) {
            self.eof(direction, limits);
        }
    }
}

impl Detecting {
    /// Keeps bytes and judges their direction; `Some` once the protocol is known.
    fn add(&mut self, direction: Direction, bytes: &[u8], limits: &Limits) -> Option<Guess> {
        let index = direction.index();
        let kept = self.kept.get_mut(index)?;
        let verdict = self.verdicts.get_mut(index)?;
        // Of a direction that tells nothing a little is kept: it is a banner or a stray answer.
        let bound = limits.header_bytes.saturating_add(1);
        let room = bound.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if *verdict == Guess::Neither {
            return None;
        }
        *verdict = guess(direction, kept, limits);
        matches!(verdict, Guess::Http1 | Guess::Tls | Guess::Sip).then_some(*verdict)
    }

    fn take_back(&mut self, direction: Direction, bytes: &[u8]) {
        if let Some(kept) = self.kept.get_mut(direction.index()) {
            kept.truncate(kept.len().saturating_sub(bytes.len()));
        }
    }
}

/// Judges a direction by its first bytes.
fn guess(direction: Direction, bytes: &[u8], limits: &Limits) -> Guess {
    let tls = tls::detect(direction, bytes);
    if tls == Some(true) {
        return Guess::Tls;
    }
    let http1 = http1::detect(direction, bytes, limits.header_bytes);
    if http1 == Some(true) {
        return Guess::Http1;
    }
    match (tls, http1, sip::detect(bytes)) {
        (_, Some(false), Some(true)) => Guess::Sip,
        (Some(false), Some(false), Some(false)) => Guess::Neither,
        _ => Guess::Open,
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
            (b"\x16\x03\x01\x02\x00\x01", Protocol::Tls),
            (b"\x18\x03\x02\x00\x03\x01", Protocol::Tls),
            (b"REGISTER sip:a SIP/2.0\r\n", Protocol::Sip),
            (b"EHLO x\r\n", Protocol::Undetermined),
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
    fn two_foreign_directions_are_unknown() {
        let mut app = AppLayer::new();
        feed(&mut app, ToClient, b"220 smtp ready\r\n", 5);
        assert_eq!(app.protocol(), Protocol::Undetermined);
        feed(&mut app, ToServer, b"EHLO x\r\n", 3);
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
    fn a_tunnel_is_unknown_and_its_transaction_still_there() {
        let mut app = AppLayer::new();
        feed(
            &mut app,
            ToServer,
            b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
            100,
        );
        feed(&mut app, ToClient, b"HTTP/1.1 200 OK\r\n\r\n", 100);
        assert_eq!(app.protocol(), Protocol::Unknown);
        assert_eq!(app.transactions().count(), 1);
        app.take_finished();
        feed(&mut app, ToServer, b"\x16\x03\x01\x00", 1);
        assert_eq!(app.transactions().count(), 0);
    }
}
