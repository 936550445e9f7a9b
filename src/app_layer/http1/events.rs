//! What was wrong with a message, by the names rules know (`app-layer-event:http.NAME`).

use crate::app_layer::event::events;

events! {
    RequestLineIncomplete = "request_line_incomplete", "The client closed within its request line.";
    RequestLineInvalid = "request_line_invalid", "A request line with a second word that is no protocol.";
    RequestLineMissingProtocol = "request_line_missing_protocol", "A request line without protocol, as in HTTP/0.9.";
    RequestLineLeadingWhitespace = "request_line_leading_whitespace", "White space before the method.";
    MethodDelimNonCompliant = "method_delim_non_compliant", "Something else than one kind of space behind the method.";
    UriDelimNonCompliant = "uri_delim_non_compliant", "Something else than a space behind the target.";
    RequestBodyUnexpected = "request_body_unexpected", "Bytes where a request should start that are no request line.";
    DoubleEncodedUri = "double_encoded_uri", "A target that is percent-encoded twice.";
    RequestUriHostInvalid = "request_uri_host_invalid", "A target whose host part is no host name.";
    RequestHeaderHostInvalid = "request_header_host_invalid", "A Host header that is no host name.";
    InvalidAuthorityPort = "invalid_authority_port", "A port that is no number up to 65535.";
    MissingHostHeader = "missing_host_header", "HTTP/1.1 without Host.";
    HostHeaderAmbiguous = "host_header_ambiguous", "Host twice, or another one than in the target.";
    RequestHeaderInvalid = "request_header_invalid", "A header name with bytes a name may not have, or white space around it.";
    ResponseHeaderInvalid = "response_header_invalid", "The same in a response.";
    RequestFieldMissingColon = "request_field_missing_colon", "A header line without colon.";
    ResponseFieldMissingColon = "response_field_missing_colon", "A header line without colon in a response.";
    InvalidRequestFieldFolding = "invalid_request_field_folding", "A header that goes on on the next line.";
    InvalidResponseFieldFolding = "invalid_response_field_folding", "The same in a response.";
    RequestFieldTooLong = "request_field_too_long", "A line or head beyond its limit.";
    ResponseFieldTooLong = "response_field_too_long", "A line or head beyond its limit in a response.";
    RequestTooManyHeaders = "request_too_many_headers", "More header names than the limit.";
    ResponseTooManyHeaders = "response_too_many_headers", "More header names than the limit in a response.";
    InvalidTransferEncodingValueInRequest = "invalid_transfer_encoding_value_in_request", "Transfer-Encoding that is not just `chunked`, stands twice, beside Content-Length, or in HTTP/1.0.";
    InvalidTransferEncodingValueInResponse = "invalid_transfer_encoding_value_in_response", "Transfer-Encoding of a response without `chunked`.";
    ResponseAbnormalTransferEncoding = "response_abnormal_transfer_encoding", "Transfer-Encoding of a response with more than `chunked`, or beside Content-Length.";
    ResponseChunkedOldProto = "response_chunked_old_proto", "A chunked response of HTTP before 1.1.";
    InvalidContentLengthFieldInRequest = "invalid_content_length_field_in_request", "Content-Length that is no decimal number.";
    InvalidContentLengthFieldInResponse = "invalid_content_length_field_in_response", "The same in a response.";
    DuplicateContentLengthFieldInRequest = "duplicate_content_length_field_in_request", "Content-Length twice.";
    DuplicateContentLengthFieldInResponse = "duplicate_content_length_field_in_response", "Content-Length twice in a response.";
    InvalidRequestChunkLen = "invalid_request_chunk_len", "A chunk size that is none, or a chunk without its line end.";
    InvalidResponseChunkLen = "invalid_response_chunk_len", "The same in a response.";
    RequestChunkExtension = "request_chunk_extension", "A chunk size with an extension.";
    ResponseChunkExtension = "response_chunk_extension", "The same in a response.";
    AbnormalCeHeader = "abnormal_ce_header", "Content-Encoding that is unknown or not what the body is.";
    TooManyEncodingLayers = "too_many_encoding_layers", "More content codings than are undone.";
    GzipDecompressionFailed = "gzip_decompression_failed", "A compressed body that does not decode; its bytes are inspected as sent.";
    CompressionBomb = "compression_bomb", "A body that inflates beyond its limit.";
    ResponseInvalidProtocol = "response_invalid_protocol", "A response that does not start with HTTP/.";
    ResponseInvalidStatus = "response_invalid_status", "A status that is no number from 100 to 999.";
    ContinueAlreadySeen = "100_continue_already_seen", "A second `100 Continue`, or more than 1000 interim responses, which ends the inspection.";
    UnableToMatchResponseToRequest = "unable_to_match_response_to_request", "A response without a request.";
    RequestAuthUnrecognized = "request_auth_unrecognized", "An Authorization scheme other than Basic, Digest and Bearer.";
    TooManyTransactions = "too_many_transactions", "More requests without response than the limit; ours, not Suricata's.";
}
