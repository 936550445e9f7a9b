//! What a flow may turn out to be, by its first bytes.

use super::message::Separate;
use super::{
    Limits, Protocol, dcerpc, dhcp, dnp3, dns, ftp, http1, http2, ike, krb5, ldap, message, mqtt,
    nfs, ntp, pgsql, quic, rfb, sip, smb, smtp, snmp, ssh, tls, websocket,
};
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
    Http2,
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
        protocol: Protocol::Smb,
        stream: |o| smb::detect(o.bytes),
        datagram: never,
        parser: Start::Message(|| Box::<smb::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Ssh,
        stream: |o| ssh::detect(o.bytes),
        datagram: never,
        parser: Start::Message(|| Box::<ssh::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Dcerpc,
        stream: |o| dcerpc::detect(o.bytes),
        datagram: |o| dcerpc::is_datagram(o.bytes),
        parser: Start::Message(|| Box::<dcerpc::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Dnp3,
        stream: dnp3::detect,
        datagram: never,
        parser: Start::Message(|| Box::<dnp3::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Http2,
        stream: |o| http2::detect(o.direction, o.bytes),
        datagram: never,
        parser: Start::Http2,
    },
    Candidate {
        protocol: Protocol::Http1,
        stream: |o| http1::detect(o.direction, o.bytes, o.limits.header_bytes),
        datagram: never,
        parser: Start::Http1,
    },
    Candidate {
        protocol: Protocol::Quic,
        stream: no_stream,
        datagram: |o| quic::detect(o.bytes),
        parser: Start::Message(|| Box::<quic::Parser>::default()),
    },
    Candidate {
        // Its frames have no mark: HTTP/1 says that they follow.
        protocol: Protocol::WebSocket,
        stream: no_stream,
        datagram: never,
        parser: Start::Message(|| Box::<websocket::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Sip,
        stream: |o| sip::detect(o.bytes),
        datagram: |o| sip::detect(o.bytes) == Some(true),
        parser: Start::Message(|| Box::<sip::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Rfb,
        stream: |o| rfb::detect(o.bytes),
        datagram: never,
        parser: Start::Message(|| Box::<rfb::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Krb5,
        stream: |o| krb5::detect(o.bytes),
        datagram: |o| krb5::is_datagram(o.bytes),
        parser: Start::Message(|| Box::new(krb5::parser())),
    },
    Candidate {
        protocol: Protocol::Ldap,
        stream: |o| ldap::detect(o.direction, o.bytes),
        datagram: |o| ldap::is_datagram(o.direction, o.bytes),
        parser: Start::Message(|| Box::<ldap::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Pgsql,
        stream: |o| pgsql::detect(o.direction, o.bytes),
        datagram: never,
        parser: Start::Message(|| Box::<pgsql::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Snmp,
        stream: no_stream,
        datagram: |o| snmp::is_datagram(o.bytes),
        parser: Start::Message(|| Box::new(Separate::datagrams(Protocol::Snmp, snmp::read))),
    },
    Candidate {
        protocol: Protocol::Dhcp,
        stream: no_stream,
        datagram: |o| dhcp::is_datagram(o.bytes),
        parser: Start::Message(|| Box::new(Separate::datagrams(Protocol::Dhcp, dhcp::read))),
    },
    Candidate {
        protocol: Protocol::Ike,
        stream: no_stream,
        datagram: |o| ike::is_datagram(o.bytes, o.server_port),
        parser: Start::Message(|| Box::new(Separate::datagrams(Protocol::Ike, ike::read))),
    },
    Candidate {
        protocol: Protocol::Smtp,
        stream: |o| smtp::detect(o.direction, o.bytes, o.server_port),
        datagram: never,
        parser: Start::Message(|| Box::<smtp::Parser>::default()),
    },
    Candidate {
        protocol: Protocol::Ftp,
        stream: |o| ftp::detect(o.direction, o.bytes, o.server_port),
        datagram: never,
        parser: Start::Message(|| Box::<ftp::Parser>::default()),
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
        parser: Start::Message(|| Box::new(dns::parser())),
    },
    Candidate {
        protocol: Protocol::Ntp,
        stream: no_stream,
        datagram: |o| ntp::is_datagram(o.bytes, o.server_port),
        parser: Start::Message(|| Box::new(Separate::datagrams(Protocol::Ntp, ntp::read))),
    },
    Candidate {
        // A mark of a record may be many things: it waits for what is behind.
        protocol: Protocol::Nfs,
        stream: nfs::detect,
        datagram: nfs::is_datagram,
        parser: Start::Message(|| Box::<nfs::Parser>::default()),
    },
];

/// Protocols whose mark is so strong that any datagram may begin them, whatever came before that
/// nobody could read: their receivers ignore it too.
const AT_ANY_TIME: &[usize] = &[place(Protocol::Quic)];

/// The place in [`CANDIDATES`] of a protocol that is there.
const fn place(protocol: Protocol) -> usize {
    let mut at = 0;
    while CANDIDATES[at].protocol as u8 != protocol as u8 {
        at += 1;
    }
    at
}

const fn no_stream(_: &Opening<'_>) -> Option<bool> {
    Some(false)
}

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

/// The candidate that a datagram is of which came after others that were of none.
pub(super) fn of_late_datagram(opening: &Opening<'_>) -> Option<usize> {
    let is_of = |at: usize| CANDIDATES.get(at).is_some_and(|c| (c.datagram)(opening));
    AT_ANY_TIME.iter().copied().find(|&at| is_of(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_there_once_and_names_its_carrier() {
        for protocol in Protocol::ALL {
            let places = CANDIDATES.iter().filter(|c| c.protocol == *protocol);
            // The one is a name for several, the other is announced.
            let found = !matches!(protocol, Protocol::Http | Protocol::FtpData);
            assert_eq!(places.count(), usize::from(found), "{protocol:?}");
        }
    }
}
