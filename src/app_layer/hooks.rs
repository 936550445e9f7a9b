//! The states of a transaction that rules may hook in at: one table drives rules' headers,
//! inspection and docs.

use super::{Protocol, http1, message, smtp, ssh, tls};
use crate::direction::Direction;

/// A state, by its name in rules (`http1:request_headers`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    pub name: &'static str,
    /// Reached with this progress of the transaction in its direction.
    pub progress: u8,
    /// Not every transaction comes to it: it is asked about where one does.
    pub may_be_skipped: bool,
}

const fn hook(name: &'static str, progress: u8) -> Hook {
    Hook {
        name,
        progress,
        may_be_skipped: false,
    }
}

const fn skippable(name: &'static str, progress: u8) -> Hook {
    Hook {
        may_be_skipped: true,
        ..hook(name, progress)
    }
}

/// In the order in which they are reached.
const HTTP1: [&[Hook]; 2] = [
    &[
        hook("request_started", http1::progress::NONE),
        hook("request_line", http1::progress::LINE),
        hook("request_headers", http1::progress::HEADERS),
        hook("request_body", http1::progress::BODY),
        hook("request_trailer", http1::progress::COMPLETE),
        hook("request_complete", http1::progress::COMPLETE),
    ],
    &[
        hook("response_started", http1::progress::NONE),
        hook("response_line", http1::progress::LINE),
        hook("response_headers", http1::progress::HEADERS),
        hook("response_body", http1::progress::BODY),
        hook("response_trailer", http1::progress::COMPLETE),
        hook("response_complete", http1::progress::COMPLETE),
    ],
];

const TLS: [&[Hook]; 2] = [
    &[
        hook("client_in_progress", tls::progress::NONE),
        hook("client_hello_done", tls::progress::HELLO),
        hook("client_cert_done", tls::progress::CERTIFICATE),
        hook("client_handshake_done", tls::progress::ENCRYPTED),
        hook("client_finished", tls::progress::COMPLETE),
    ],
    // The server's last cleartext message tells that its hello phase is over (RFC 5246 section
    // 7.4.5), and what comes before it is there when its certificate is.
    &[
        hook("server_in_progress", tls::progress::NONE),
        hook("server_hello", tls::progress::HELLO),
        hook("server_cert_done", tls::progress::CERTIFICATE),
        hook("server_hello_done", tls::progress::CERTIFICATE),
        hook("server_handshake_done", tls::progress::ENCRYPTED),
        hook("server_finished", tls::progress::COMPLETE),
    ],
];

/// A mail: its envelope, then what DATA sends (RFC 5321 section 3.3).
const SMTP: [&[Hook]; 2] = [
    &[
        hook("request_started", message::progress::NONE),
        skippable("request_data", smtp::progress::DATA),
        hook("request_complete", message::progress::COMPLETE),
    ],
    &[
        hook("response_started", message::progress::NONE),
        skippable("response_data", smtp::progress::DATA),
        hook("response_complete", message::progress::COMPLETE),
    ],
];

/// A session in the clear: its banner (RFC 4253 section 4.2), then packets up to encryption.
const SSH: [&[Hook]; 2] = [
    &[
        hook("request_in_progress", message::progress::NONE),
        hook("request_banner_wait_eol", ssh::progress::BANNER_WAIT_EOL),
        hook("request_banner_done", ssh::progress::BANNER_DONE),
        hook("request_finished", message::progress::COMPLETE),
    ],
    &[
        hook("response_in_progress", message::progress::NONE),
        hook("response_banner_wait_eol", ssh::progress::BANNER_WAIT_EOL),
        hook("response_banner_done", ssh::progress::BANNER_DONE),
        hook("response_finished", message::progress::COMPLETE),
    ],
];

const MESSAGE: [&[Hook]; 2] = [
    &[
        hook("request_started", message::progress::NONE),
        hook("request_complete", message::progress::COMPLETE),
    ],
    &[
        hook("response_started", message::progress::NONE),
        hook("response_complete", message::progress::COMPLETE),
    ],
];

/// The states of one direction of a protocol's transactions. None: no flow is of it.
pub const fn hooks(protocol: Protocol, direction: Direction) -> &'static [Hook] {
    let both = match protocol {
        Protocol::Undetermined | Protocol::Unknown | Protocol::Http => return &[],
        Protocol::Http1 => &HTTP1,
        Protocol::Tls => &TLS,
        Protocol::Smtp => &SMTP,
        Protocol::Ssh => &SSH,
        _ => &MESSAGE,
    };
    both[direction.index()]
}

/// A state's place among the hooks of its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub direction: Direction,
    pub place: usize,
    pub hook: Hook,
}

/// The state that rules call by this name. The first and the last one of each direction have a name
/// in all protocols alike, whatever their own is.
pub fn find_hook(protocol: Protocol, name: &str) -> Option<Place> {
    let own = Direction::BOTH.into_iter().find_map(|direction| {
        let states = hooks(protocol, direction);
        let place = states.iter().position(|hook| hook.name == name)?;
        Some((direction, place))
    });
    let (direction, place) = own.or_else(|| {
        let (direction, last) = match name {
            "request_started" => (Direction::ToServer, false),
            "request_complete" => (Direction::ToServer, true),
            "response_started" => (Direction::ToClient, false),
            "response_complete" => (Direction::ToClient, true),
            _ => return None,
        };
        let end = hooks(protocol, direction).len().checked_sub(1)?;
        Some((direction, if last { end } else { 0 }))
    })?;
    let hook = *hooks(protocol, direction).get(place)?;
    Some(Place {
        direction,
        place,
        hook,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_direction_have_a_name_in_all_protocols() {
        for (protocol, name, own) in [
            (Protocol::Ssh, "request_started", "request_in_progress"),
            (Protocol::Ssh, "response_complete", "response_finished"),
            (Protocol::Tls, "request_complete", "client_finished"),
            (Protocol::Http1, "request_complete", "request_complete"),
            (Protocol::Dns, "response_started", "response_started"),
        ] {
            let found = find_hook(protocol, name).unwrap();
            assert_eq!(found.hook.name, own, "{protocol} {name}");
            assert_eq!(find_hook(protocol, own), Some(found));
        }
        assert_eq!(find_hook(Protocol::Dns, "request_banner_done"), None);
        assert_eq!(find_hook(Protocol::Http, "request_started"), None);
    }

    #[test]
    fn states_have_names_of_their_own_and_come_in_order() {
        for &protocol in Protocol::ALL {
            let both = Direction::BOTH.map(|d| hooks(protocol, d));
            assert!(
                both.iter()
                    .all(|list| list.is_sorted_by_key(|h| h.progress))
            );
            let names: Vec<_> = both
                .iter()
                .flat_map(|list| list.iter())
                .map(|h| h.name)
                .collect();
            let mut distinct = names.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), names.len(), "{protocol}");
        }
    }
}
