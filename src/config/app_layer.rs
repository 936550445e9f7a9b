//! `[app_layer]`: how much of a protocol is read and kept.

use serde::Deserialize;

use super::field::within;

/// `[app_layer]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct AppLayer {
    /// Bytes that the parsers and the detection state of all flows of a worker hold together.
    #[serde(deserialize_with = "within::<_, _, 1_048_576, 1_099_511_627_776>")]
    pub memory_bytes: u64,
    /// Bytes of one message of a protocol that says how long its messages are. The rest of a longer
    /// one is passed over.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub message_bytes: usize,
    /// Bytes kept of one unit of frames (`frame`), such as a record. What is beyond them is counted.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub frame_bytes: usize,
    pub http: Http,
    pub http2: Http2,
    pub websocket: WebSocket,
    pub tls: Tls,
    pub quic: Quic,
    pub sip: Sip,
    pub ftp: Ftp,
    pub smb: Smb,
    pub smtp: Smtp,
    pub dns: Dns,
    pub dnp3: Dnp3,
    pub nfs: Nfs,
    pub ldap: Ldap,
    pub pgsql: Pgsql,
}

impl Default for AppLayer {
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            message_bytes: 64 << 10,
            frame_bytes: 128 << 10,
            http: Http::default(),
            quic: Quic::default(),
            http2: Http2::default(),
            websocket: WebSocket::default(),
            sip: Sip::default(),
            ftp: Ftp::default(),
            smb: Smb::default(),
            smtp: Smtp::default(),
            dns: Dns::default(),
            dnp3: Dnp3::default(),
            nfs: Nfs::default(),
            ldap: Ldap::default(),
            pgsql: Pgsql::default(),
            tls: Tls::default(),
        }
    }
}

/// `[app_layer.http]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Decoded bytes of a request's body that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub request_body_bytes: usize,
    /// Decoded bytes of a response's body that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub response_body_bytes: usize,
    /// Bytes of one message's first line, headers and trailers.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub header_bytes: usize,
    /// Bytes of one line of them. A longer one is an event.
    #[serde(deserialize_with = "within::<_, _, 256, 16_777_216>")]
    pub line_bytes: usize,
    /// Header names of one message that are joined where they repeat. More are an event.
    #[serde(deserialize_with = "within::<_, _, 8, 65_536>")]
    pub headers: usize,
    /// Lines of one message's headers. Beyond it the direction is given up.
    #[serde(deserialize_with = "within::<_, _, 64, 65_536>")]
    pub header_lines: usize,
    /// Bytes that one compressed body may grow to.
    #[serde(deserialize_with = "within::<_, _, 1_024, 1_073_741_824>")]
    pub decompressed_bytes: u64,
    /// Bytes out for one byte in, from which on a body that reaches its bound is an event.
    #[serde(deserialize_with = "within::<_, _, 2, 1_000_000>")]
    pub decompression_ratio: u64,
    /// Compressions on top of each other that are undone.
    #[serde(deserialize_with = "within::<_, _, 0, 8>")]
    pub decompression_layers: usize,
    /// Requests of one connection that wait for their response.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub transactions: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            request_body_bytes: 100 << 10,
            response_body_bytes: 100 << 10,
            header_bytes: 64 << 10,
            line_bytes: 18_000,
            headers: 256,
            header_lines: 2_048,
            decompressed_bytes: 1 << 20,
            decompression_ratio: 500,
            decompression_layers: 4,
            transactions: 512,
        }
    }
}

/// `[app_layer.http2]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Http2 {
    /// Bytes of the dynamic table that a direction keeps.
    #[serde(deserialize_with = "within::<_, _, 4_096, 1_048_576>")]
    pub table_bytes: usize,
    /// CONTINUATION frames of one header block. Beyond it the direction is given up.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub continuations: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            table_bytes: 64 << 10,
            continuations: 256,
        }
    }
}

/// `[app_layer.websocket]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct WebSocket {
    /// Bytes of one frame's payload, or of a message in pieces, that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 16_777_216>")]
    pub payload_bytes: usize,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self {
            payload_bytes: 64 << 10,
        }
    }
}

/// `[app_layer.tls]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Bytes of one handshake message. A larger one is an event.
    #[serde(deserialize_with = "within::<_, _, 4_096, 16_777_216>")]
    pub handshake_bytes: usize,
    /// Certificates of one chain that are kept.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub certificates: usize,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            handshake_bytes: 64 << 10,
            certificates: 16,
        }
    }
}

/// `[app_layer.quic]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Quic {
    /// Handshake bytes of one end of a connection. Beyond them the direction is given up.
    #[serde(deserialize_with = "within::<_, _, 2_048, 1_048_576>")]
    pub crypto_bytes: usize,
    /// Connections of one flow that are followed at once.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub connections: usize,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            crypto_bytes: 16 << 10,
            connections: 8,
        }
    }
}

/// `[app_layer.sip]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// Bytes of one message's first line and headers. Beyond it the direction is given up.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub header_bytes: usize,
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
        }
    }
}

/// `[app_layer.smb]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Smb {
    /// Bytes of one message that are inspected.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub message_bytes: usize,
    /// Requests of one connection that wait for their response. More are an event.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub requests: usize,
    /// Bytes of one file that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub file_bytes: usize,
}

impl Default for Smb {
    fn default() -> Self {
        Self {
            message_bytes: 128 << 10,
            requests: 256,
            file_bytes: 100 << 10,
        }
    }
}

/// `[app_layer.ftp]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Ftp {
    /// Bytes of one line. A longer one is an event.
    #[serde(deserialize_with = "within::<_, _, 512, 1_048_576>")]
    pub line_bytes: usize,
    /// Commands of one connection that wait for their reply.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub commands: usize,
    /// Bytes of one file that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub file_bytes: usize,
}

impl Default for Ftp {
    fn default() -> Self {
        Self {
            line_bytes: 4096,
            commands: 256,
            file_bytes: 100 << 10,
        }
    }
}

/// `[app_layer.smtp]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    /// Bytes of one line that are looked at together. A longer command is an event.
    #[serde(deserialize_with = "within::<_, _, 512, 1_048_576>")]
    pub line_bytes: usize,
    /// Commands of one connection that wait for their reply.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub commands: usize,
    /// Bytes of one header of a mail. A longer one is an event.
    #[serde(deserialize_with = "within::<_, _, 256, 1_048_576>")]
    pub header_bytes: usize,
    /// Decoded bytes of one attachment that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub attachment_bytes: usize,
    /// Decoded bytes of all attachments of a mail that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub mail_bytes: usize,
    /// Parts inside each other. More are an event.
    #[serde(deserialize_with = "within::<_, _, 1, 256>")]
    pub nesting: usize,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            line_bytes: 4096,
            commands: 256,
            header_bytes: 8192,
            attachment_bytes: 100 << 10,
            mail_bytes: 768 << 10,
            nesting: 16,
        }
    }
}

/// `[app_layer.dns]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Bytes that the names of one message have together. Beyond it the message is read no further.
    #[serde(deserialize_with = "within::<_, _, 4_096, 1_048_576>")]
    pub name_bytes: usize,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            name_bytes: 128 << 10,
        }
    }
}

/// `[app_layer.ldap]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Ldap {
    /// Requests of one connection that wait for their last response. Beyond it the one that was
    /// silent longest is taken for answered.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub requests: usize,
    /// Responses of one transaction. The next one begins another.
    #[serde(deserialize_with = "within::<_, _, 1, 512>")]
    pub responses: usize,
    /// Attributes of one message. Beyond it the message is read no further.
    #[serde(deserialize_with = "within::<_, _, 16, 1_024>")]
    pub attributes: usize,
}

impl Default for Ldap {
    fn default() -> Self {
        Self {
            requests: 256,
            responses: 256,
            attributes: 1024,
        }
    }
}

/// `[app_layer.pgsql]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Pgsql {
    /// Requests of one connection that wait for their answer. Beyond it the oldest is taken for
    /// answered.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub requests: usize,
}

impl Default for Pgsql {
    fn default() -> Self {
        Self { requests: 256 }
    }
}

/// `[app_layer.dnp3]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Dnp3 {
    /// Bytes of one message, put together. A longer one is an event.
    #[serde(deserialize_with = "within::<_, _, 2_048, 16_777_216>")]
    pub message_bytes: usize,
    /// Requests of one connection since the last response. More are an event.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub requests: usize,
}

impl Default for Dnp3 {
    fn default() -> Self {
        Self {
            message_bytes: 16_065,
            requests: 500,
        }
    }
}

/// `[app_layer.nfs]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(default, deny_unknown_fields)]
pub struct Nfs {
    /// Bytes of one message that are inspected.
    #[serde(deserialize_with = "within::<_, _, 1_024, 16_777_216>")]
    pub message_bytes: usize,
    /// Calls of one flow that wait for their reply. More are an event.
    #[serde(deserialize_with = "within::<_, _, 1, 65_536>")]
    pub calls: usize,
    /// Bytes of one file that are inspected.
    #[serde(deserialize_with = "within::<_, _, 0, 1_073_741_824>")]
    pub file_bytes: usize,
}

impl Default for Nfs {
    fn default() -> Self {
        Self {
            message_bytes: 128 << 10,
            calls: 256,
            file_bytes: 100 << 10,
        }
    }
}
