//! What parsers find wrong, by the names rules know (`app-layer-event:PROTOCOL.NAME`).

use crate::protocol::Protocol;
use crate::reuse::reused;

reused!(Event);

/// Declares a protocol's own events: `Variant = "name", "help";` rows in its `events.rs`. Older
/// names may follow the name: `Variant = "name" | "older", "help";`.
macro_rules! events {
    ($($variant:ident = $name:literal $(| $older:literal)*, $help:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Event { $(#[doc = $help] $variant),+ }

        impl Event {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help),+ }
            }

            /// Reads the part behind the protocol's name and its dot.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name $(| $older)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use events;

macro_rules! protocols_events {
    ($($variant:ident($events:ident) { $($prefix:literal),+ })+) => {
        /// Something a parser found wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Event { $($variant(super::$events::Event)),+ }

        impl Event {
            /// Reads `PROTOCOL.NAME`.
            pub fn from_name(name: &str) -> Option<Self> {
                let (protocol, event) = name.split_once('.')?;
                match protocol {
                    $($($prefix)|+ => super::$events::Event::from_name(event).map(Self::$variant),)+
                    _ => None,
                }
            }

            /// Whose parser raises it.
            pub const fn protocol(self) -> Protocol {
                match self { $(Self::$variant(_) => Protocol::$variant),+ }
            }

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant(event) => event.as_str()),+ }
            }

            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant(event) => event.help()),+ }
            }

            /// All of them, with the word that stands before the dot.
            pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
                std::iter::empty()$(.chain(
                    super::$events::Event::ALL
                        .iter()
                        .map(|event| ([$($prefix),+][0], Self::$variant(*event))),
                ))+
            }
        }
    };
}

protocols_events! {
    Http1(http1) { "http", "http1" }
    Http2(http2) { "http2" }
    WebSocket(websocket) { "websocket" }
    Tls(tls) { "tls" }
    Quic(quic) { "quic" }
    Sip(sip) { "sip" }
    Smtp(smtp) { "smtp" }
    Smb(smb) { "smb" }
    Ssh(ssh) { "ssh" }
    Ftp(ftp) { "ftp" }
    Mqtt(mqtt) { "mqtt" }
    Ntp(ntp) { "ntp" }
    Snmp(snmp) { "snmp" }
    Dhcp(dhcp) { "dhcp" }
    Krb5(krb5) { "krb5" }
    Ike(ike) { "ike", "ikev2" }
    Rfb(rfb) { "rfb" }
    Dcerpc(dcerpc) { "dcerpc" }
    Dns(dns) { "dns" }
    Dnp3(dnp3) { "dnp3" }
    Nfs(nfs) { "nfs" }
    Ldap(ldap) { "ldap" }
    Pgsql(pgsql) { "pgsql" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (word, event) in Event::all() {
            let name = format!("{word}.{}", event.as_str());
            assert_eq!(Event::from_name(&name), Some(event), "{name}");
            assert!(!event.help().is_empty());
        }
        let older = Event::from_name("dns.not_a_request");
        assert_eq!(older, Event::from_name("dns.not_request"));
        for wrong in [
            "http.REQUEST_LINE_INVALID",
            "tls.overflow",
            "none.invalid_data",
            "sip",
        ] {
            assert_eq!(Event::from_name(wrong), None, "{wrong}");
        }
    }
}
