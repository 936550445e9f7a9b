//! What was wrong with a conversation, by the names rules know (`app-layer-event:smtp.NAME`).

use crate::app_layer::event::events;

events! {
    InvalidReply = "invalid_reply", "A reply that does not begin with three digits, or a greeting that is none.";
    UnmatchedReply = "unable_to_match_reply_with_request", "More commands without a reply than the limit allows: replies belong to none any more.";
    LongCommand = "max_command_line_len_exceeded", "A command line beyond the limit; its first bytes are read.";
    LongReply = "max_reply_line_len_exceeded", "A reply line beyond the limit; its first bytes are read.";
    InvalidPipelining = "invalid_pipelined_sequence", "A command that came before STARTTLS was answered (RFC 3207 section 4).";
    ChunkLengthExceeded = "bdat_chunk_len_exceeded", "A chunk that ends within a line that goes on.";
    NoWelcome = "no_server_welcome_message", "A command before the server's greeting.";
    TlsRejected = "tls_rejected", "STARTTLS was refused.";
    DataRejected = "data_command_rejected", "DATA was refused.";
    DuplicateFields = "duplicate_fields", "A second HELO, or a second MAIL in one mail.";
    UnparsableContent = "unparsable_content", "A second mail in one transaction, or a chunk without a length.";
    BareLineFeed = "bare_lf_end_of_data", "A mail whose end, a line with a single dot, has no CRLF; ours, not Suricata's.";
    TruncatedLine = "truncated_line", "A direction that ends within a line.";
    MimeInvalidBase64 = "mime_invalid_base64", "Characters that base64 does not have.";
    MimeInvalidQuoted = "mime_invalid_qp", "`=` that is no escape in quoted-printable text.";
    MimeLongLine = "mime_long_line", "A line of more than 998 bytes.";
    MimeLongEncodedLine = "mime_long_enc_line", "A line of more than 76 bytes in an encoded part.";
    MimeLongHeaderName = "mime_long_header_name", "A header name of more than 75 bytes.";
    MimeLongHeaderValue = "mime_long_header_value", "A header value of more than 2000 bytes, or a header beyond the limit.";
    MimeLongBoundary = "mime_long_boundary", "A boundary of more than 254 bytes.";
    MimeLongFileName = "mime_long_filename", "A file name of more than 255 bytes.";
    MimeTooDeep = "mime_too_deep", "Parts of parts beyond the limit; ours, not Suricata's.";
}
