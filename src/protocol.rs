//! The application protocols: one table drives rules' headers, keywords, detection, EVE and docs.

use std::fmt;

macro_rules! protocols {
    ($($variant:ident { $name:literal, $words:expr, $carrier:ident, $help:literal })+) => {
        /// A protocol, by its name in rules and in EVE.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Protocol {
            /// Not known yet: more bytes are needed.
            Undetermined,
            /// Bytes were seen that belong to no protocol with a parser.
            Unknown,
            $(#[doc = $help] $variant),+
        }

        impl Protocol {
            /// Those with a parser, and the names for several of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Bound of [`Self::index`].
            pub const COUNT: usize = Self::ALL.len();

            /// The name in EVE's `app_proto`.
            pub const fn as_str(self) -> &'static str {
                match self {
                    Self::Undetermined | Self::Unknown => "failed",
                    $(Self::$variant => $name),+
                }
            }

            /// How rules write it.
            pub const fn words(self) -> &'static [&'static str] {
                match self {
                    Self::Undetermined | Self::Unknown => &[],
                    $(Self::$variant => $words),+
                }
            }

            /// What it is carried in.
            pub const fn carrier(self) -> Carrier {
                match self {
                    Self::Undetermined | Self::Unknown => Carrier::Any,
                    $(Self::$variant => Carrier::$carrier),+
                }
            }

            pub const fn help(self) -> &'static str {
                match self {
                    Self::Undetermined => "Not known yet.",
                    Self::Unknown => "None that is read.",
                    $(Self::$variant => $help),+
                }
            }
        }
    };
}

/// What a protocol's bytes come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    Tcp,
    Udp,
    Any,
}

impl Carrier {
    pub const fn has_streams(self) -> bool {
        matches!(self, Self::Tcp | Self::Any)
    }

    pub const fn has_datagrams(self) -> bool {
        matches!(self, Self::Udp | Self::Any)
    }
}

// Name in EVE, words in rules, carrier, help. A protocol that is not here is refused in rules.
protocols! {
    Http { "http", &["http"], Tcp, "HTTP of any version; no flow is of it, rules ask for it." }
    Http1 { "http", &["http1"], Tcp, "HTTP/1.x (RFC 9112)." }
    Http2 { "http2", &["http2"], Tcp, "HTTP/2 (RFC 9113) without TLS." }
    WebSocket { "websocket", &["websocket"], Tcp, "WebSocket (RFC 6455) behind HTTP/1." }
    Tls { "tls", &["tls", "ssl"], Tcp, "TLS (RFC 8446) and its older versions." }
    Dcerpc { "dcerpc", &["dcerpc"], Any, "DCE/RPC (C706, MS-RPCE)." }
    Quic { "quic", &["quic"], Udp, "QUIC (RFC 9000), its Initial packets." }
    Mqtt { "mqtt", &["mqtt"], Tcp, "MQTT 3.1 to 5." }
    Sip { "sip", &["sip"], Any, "SIP (RFC 3261)." }
    Smb { "smb", &["smb"], Tcp, "SMB 1 to 3 (MS-CIFS, MS-SMB2)." }
    Ssh { "ssh", &["ssh"], Tcp, "SSH (RFC 4253), up to where encryption begins." }
    Ftp { "ftp", &["ftp"], Tcp, "FTP (RFC 959)." }
    FtpData { "ftp-data", &["ftp-data"], Tcp, "A connection that carries a file of FTP." }
    Smtp { "smtp", &["smtp"], Tcp, "SMTP (RFC 5321), with the MIME parts of its mails." }
    Dns { "dns", &["dns"], Any, "DNS (RFC 1035)." }
    Ntp { "ntp", &["ntp"], Udp, "NTP (RFC 5905)." }
    Snmp { "snmp", &["snmp"], Udp, "SNMP (RFC 3411 and the versions before it)." }
    Dhcp { "dhcp", &["dhcp"], Udp, "DHCP (RFC 2131)." }
    Krb5 { "krb5", &["krb5"], Any, "Kerberos version 5 (RFC 4120)." }
    Ike { "ike", &["ike", "ikev2"], Udp, "IKE of version 1 (RFC 2409) and 2 (RFC 7296)." }
    Dnp3 { "dnp3", &["dnp3"], Tcp, "DNP3 (IEEE 1815)." }
    Nfs { "nfs", &["nfs"], Any, "NFS 2 to 4 (RFC 1094, RFC 1813, RFC 7530)." }
    Ldap { "ldap", &["ldap"], Any, "LDAP version 3 (RFC 4511), up to where encryption begins." }
    Pgsql { "pgsql", &["pgsql"], Tcp, "PostgreSQL's protocol of version 3." }
    Rfb { "rfb", &["rfb"], Tcp, "RFB, the protocol of VNC (RFC 6143)." }
}

impl Protocol {
    /// Looks a protocol up by a word of the rule language.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|p| p.words().contains(&word))
    }

    /// Whether a rule for `self` is for flows of `other`.
    pub const fn covers(self, other: Self) -> bool {
        match self {
            Self::Http => matches!(other, Self::Http | Self::Http1 | Self::Http2),
            // Calls go through SMB's pipes as well.
            Self::Dcerpc => matches!(other, Self::Dcerpc | Self::Smb),
            _ => self as u8 == other as u8,
        }
    }

    /// The place of its transactions in tables.
    pub const fn index(self) -> Option<usize> {
        (self as usize).checked_sub(Self::Unknown as usize + 1)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_one_protocol_and_places_are_dense() {
        for (place, &protocol) in Protocol::ALL.iter().enumerate() {
            assert_eq!(protocol.index(), Some(place));
            assert!(protocol.covers(protocol));
            for word in protocol.words() {
                assert_eq!(Protocol::from_word(word), Some(protocol), "{word}");
            }
        }
        assert_eq!(Protocol::Unknown.index(), None);
        assert!(Protocol::Http.covers(Protocol::Http1));
        assert!(Protocol::Http.covers(Protocol::Http2));
        assert!(!Protocol::Http1.covers(Protocol::Http));
        assert!(!Protocol::Http1.covers(Protocol::Http2));
    }
}
