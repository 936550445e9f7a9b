//! What a flow may turn out to be, by its first bytes.

use super::{Limits, Protocol, dns, http1, message, mqtt, sip, tls};
use crate::direction::Direction;

/// The first bytes of one direction, or one datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'a> {
    pub direction: Direction,
    pub bytes: &'a [u8],
    /// A hint for protocols that have no mark of their own; never a condition for the others.
    pub server_port: u16,
    pub limits: &'a Limits,
}

/// A protocol that flows are held against.
pub(super) struct Candidate {
    pub protocol: Protocol,
    /// Whether a direction of a stream begins like it; `None`: more bytes are needed.
    pub stream: fn(&Opening<'_>) -> Option<bool>,
    /// Whether a datagram is of it.
    pub datagram: fn(&Opening<'_>) -> bool,
    pub parser: Start,
}

/// A parser for a flow that is about to begin.
pub(super) enum Start {
    Http1,
    Tls,
    Message(fn() -> Box<dyn message::Parser>),
}

/// In the order of trust: a flow is the first candidate that says yes when every one before it has
/// said no. Those with a mark of their own come first.
pub(super) const CANDIDATES: &[Candidate] = &[
    Candidate {
        protocol: Protocol::Tls,
        stream: |o| tls::detect(o.direction, o.bytes),
        datagram: never,
        parser: Start::Tls,
    },
    Candidate {
        protocol: Protocol::Http1,
        stream: |o| http1::detect(o.direction, o.bytes, o.limits.header_bytes),
        datagram: never,
        parser: Start::Http1,
    },
    Candidate {
        protocol: Protocol::Sip,
        stream: |o| sip::detect(o.bytes),
        datagram: |o| sip::detect(o.bytes) == Some(true),
        parser: Start::Message(|| Box::<sip::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Mqtt,
        stream: mqtt::detect,
        datagram: never,
        parser: Start::Message(|| Box::<mqtt::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Dns,
        stream: |o| dns::detect(o.bytes, o.server_port),
        datagram: |o| dns::is_datagram(o.bytes, o.server_port),
        parser: Start::Message(|| Box::<dns::Parser>::default()),
    },
];

const fn never(_: &Opening<'_>) -> bool {
    false
}

/// What a direction of a stream looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Guess {
    #[default]
    Open,
    /// The place in [`CANDIDATES`].
    Is(usize),
    Neither,
}

/// Judges a direction of a stream by its first bytes.
pub(super) fn guess(opening: &Opening<'_>) -> Guess {
    let streams = |(_, c): &(usize, &Candidate)| c.protocol.carrier().has_streams();
    for (at, candidate) in CANDIDATES.iter().enumerate().filter(streams) {
        match (candidate.stream)(opening) {
            Some(true) => return Guess::Is(at),
            Some(false) => {}
            None => return Guess::Open,
        }
    }
    Guess::Neither
}

/// The candidate that a datagram is of.
pub(super) fn of_datagram(opening: &Opening<'_>) -> Option<usize> {
    CANDIDATES
        .iter()
        .position(|c| c.protocol.carrier().has_datagrams() && (c.datagram)(opening))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_there_once_and_names_its_carrier() {
        for protocol in Protocol::ALL {
            let places = CANDIDATES.iter().filter(|c| c.protocol == *protocol);
            let several = *protocol == Protocol::Http;
            assert_eq!(places.count(), usize::from(!several), "{protocol:?}");
        }
    }
}
