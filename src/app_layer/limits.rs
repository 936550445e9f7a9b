//! What a flow's parser may hold at most. Each bound has its event or its counter.

use crate::direction::Direction;

/// Bounds of one flow's application-layer state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Decoded request body bytes kept for inspection. What lies beyond is framed, not stored.
    pub request_body_bytes: usize,
    /// Decoded response body bytes kept for inspection.
    pub response_body_bytes: usize,
    /// Bytes of one HTTP head: first line, headers and trailers. Beyond it the direction is given up
    /// (`request_field_too_long`, `response_field_too_long`).
    pub header_bytes: usize,
    /// Bytes of one line of an HTTP head. A longer one is an event and is still parsed.
    pub line_bytes: usize,
    /// Distinct header names that are merged. Those beyond stay separate and are an event
    /// (`request_too_many_headers`, `response_too_many_headers`).
    pub headers: usize,
    /// Lines of one HTTP head. Beyond it the direction is given up (`request_too_many_headers`,
    /// `response_too_many_headers`).
    pub header_lines: usize,
    /// Bytes that all layers of one body may inflate to. Beyond it decoding stops (`compression_bomb`).
    pub decompressed_bytes: u64,
    /// Bytes out for one byte in from which on a body that reaches a bound is a `compression_bomb`.
    pub decompression_ratio: u64,
    /// Content codings on top of each other that are undone (`too_many_encoding_layers`).
    pub decompression_layers: usize,
    /// Requests without their response. Beyond it the client's direction is given up (`too_many_transactions`).
    pub transactions: usize,
    /// Bytes of HPACK's dynamic table that one direction of HTTP/2 keeps; what its sender names
    /// beyond them is `invalid_header`, and the direction is given up.
    pub http2_table_bytes: usize,
    /// CONTINUATION frames of one header block. Beyond it the direction is given up (`too_many_frames`).
    pub http2_continuations: u32,
    /// Bytes of one WebSocket frame's payload, or of a message in pieces, that are kept for inspection
    /// (`skip_end_of_payload`, `reassembly_limit_reached`).
    pub websocket_payload_bytes: usize,
    /// Bytes of one TLS handshake message. Larger ones are skipped (`handshake_invalid_length`).
    pub tls_handshake_bytes: usize,
    /// Certificates of one chain that are kept.
    pub tls_certificates: usize,
    /// Handshake bytes of one end of a QUIC connection. Beyond them the direction is given up
    /// (`crypto_frag_too_long`).
    pub quic_crypto_bytes: usize,
    /// Connections of one QUIC flow that are followed at once. Beyond them the direction is given
    /// up if a hello is lost by it (`too_many_connections`).
    pub quic_connections: usize,
    /// Bytes of one message of a protocol that says how long its messages are (MQTT and others). The rest
    /// of a longer one is passed over.
    pub message_bytes: usize,
    /// Bytes kept of one unit of frames, such as a record; only where a rule asks for frames. What is beyond
    /// them is counted.
    pub frame_bytes: usize,
    /// Bytes of one SIP message's head. Beyond it the direction is given up (`header_too_long`).
    pub sip_header_bytes: usize,
    /// Bytes kept of one message of SMB; what is beyond is not read.
    pub smb_message_bytes: usize,
    /// Requests of SMB without their response (`max_requests_exceeded`).
    pub smb_requests: usize,
    /// Bytes kept of a file that SMB reads or writes.
    pub smb_file_bytes: usize,
    /// Bytes of one line of FTP; a longer one is cut (`request_command_too_long`).
    pub ftp_line_bytes: usize,
    /// Commands of FTP without their reply; those beyond are taken for answered.
    pub ftp_commands: usize,
    /// Bytes kept of a file that FTP moves.
    pub ftp_file_bytes: usize,
    /// Bytes of one line of SMTP that are looked at together; a longer command is cut
    /// (`max_command_line_len_exceeded`).
    pub smtp_line_bytes: usize,
    /// Commands without their reply (`unable_to_match_reply_with_request`).
    pub smtp_commands: usize,
    /// Bytes of one header of a mail (`mime_long_header_value`).
    pub smtp_header_bytes: usize,
    /// Bytes kept of one attachment.
    pub smtp_attachment_bytes: usize,
    /// Bytes kept of all attachments of a mail.
    pub smtp_mail_bytes: usize,
    /// Multiparts and messages inside each other (`mime_too_deep`).
    pub smtp_nesting: usize,
    /// Bytes that the names of one DNS message have together. What is beyond is not read (`too_many_names`).
    pub dns_name_bytes: usize,
    /// Bytes of one message of DNP3. A longer one is passed over (`too_long_reassembly`).
    pub dnp3_message_bytes: usize,
    /// Requests of DNP3 since the last response (`flooded`).
    pub dnp3_requests: usize,
    /// Bytes kept of one message of NFS; what is beyond is not read.
    pub nfs_message_bytes: usize,
    /// Calls of NFS without their reply (`too_many_transactions`).
    pub nfs_calls: usize,
    /// Bytes kept of a file that NFS reads or writes.
    pub nfs_file_bytes: usize,
    /// Requests of LDAP without their last response (`too_many_transactions`).
    pub ldap_requests: usize,
    /// Responses of one transaction of LDAP; the next one begins another.
    pub ldap_responses: usize,
    /// Attributes of one message of LDAP; what is beyond is not read (`too_many_attributes`).
    pub ldap_attributes: usize,
    /// Requests of PostgreSQL without their answer (`too_many_transactions`).
    pub pgsql_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body_bytes: 100 * 1024,
            response_body_bytes: 100 * 1024,
            header_bytes: 64 * 1024,
            line_bytes: 18_000,
            headers: 256,
            header_lines: 2_048,
            decompressed_bytes: 1024 * 1024,
            decompression_ratio: 500,
            decompression_layers: 4,
            transactions: 512,
            http2_table_bytes: 64 * 1024,
            http2_continuations: 256,
            websocket_payload_bytes: 64 * 1024,
            tls_handshake_bytes: 64 * 1024,
            tls_certificates: 16,
            quic_crypto_bytes: 16 * 1024,
            quic_connections: 8,
            message_bytes: 64 * 1024,
            frame_bytes: 128 * 1024,
            sip_header_bytes: 64 * 1024,
            smb_message_bytes: 128 * 1024,
            smb_requests: 256,
            smb_file_bytes: 100 * 1024,
            ftp_line_bytes: 4096,
            ftp_commands: 256,
            ftp_file_bytes: 100 * 1024,
            smtp_line_bytes: 4096,
            smtp_commands: 256,
            smtp_header_bytes: 8192,
            smtp_attachment_bytes: 100 * 1024,
            smtp_mail_bytes: 768 * 1024,
            smtp_nesting: 16,
            dns_name_bytes: 128 * 1024,
            dnp3_message_bytes: 16_065,
            dnp3_requests: 500,
            nfs_message_bytes: 128 * 1024,
            nfs_calls: 256,
            nfs_file_bytes: 100 * 1024,
            ldap_requests: 256,
            ldap_responses: 256,
            ldap_attributes: 1024,
            pgsql_requests: 256,
        }
    }
}

impl Limits {
    /// Body bytes kept for inspection in this direction.
    pub const fn body_bytes(&self, direction: Direction) -> usize {
        match direction {
            Direction::ToServer => self.request_body_bytes,
            Direction::ToClient => self.response_body_bytes,
        }
    }
}
