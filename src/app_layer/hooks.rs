//! The states of a transaction that rules may hook in at: one table drives rules' headers,
//! inspection and docs.

use super::{Protocol, http1, message, smtp, tls};
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
        _ => &MESSAGE,
    };
    both[direction.index()]
}

#[cfg(test)]
mod tests {
    use super::*;

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
