//! What was wrong with a connection or a stream, by the names rules know (`app-layer-event:http2.NAME`).

use crate::app_layer::event::events;

events! {
    InvalidFrameHeader = "invalid_frame_header", "A frame where it may not be, or on a stream it may not be on.";
    InvalidClientMagic = "invalid_client_magic", "A client that does not begin with the connection preface.";
    InvalidFrameData = "invalid_frame_data", "A frame whose contents contradict themselves, such as more padding than payload.";
    InvalidHeader = "invalid_header", "A header block that does not decode, or a field that may not be.";
    InvalidFrameLength = "invalid_frame_length", "A frame of a length that its type does not have.";
    ExtraHeaderData = "extra_header_data", "A header block that ends within a field.";
    LongFrameData = "long_frame_data", "A frame longer than its receiver has said it takes.";
    StreamIdReuse = "stream_id_reuse", "A frame on a stream that its sender has closed.";
    InvalidHttp1Settings = "invalid_http1_settings", "An HTTP2-Settings header of an upgrade that holds no settings.";
    FailedDecompression = "failed_decompression", "A body that its content codings do not undo, or only beyond the limits.";
    HeaderIntegerOverflow = "header_integer_overflow", "A number in a header block that is larger than any receiver takes.";
    TooManyStreams = "too_many_streams", "More streams at a time than the limit.";
    AuthorityHostMismatch = "authority_host_mismatch", "Host says something else than :authority.";
    UserinfoInUri = "userinfo_in_uri", "User information in :authority.";
    ReassemblyLimitReached = "reassembly_limit_reached", "A header block that is larger than the limit.";
    DnsRequestTooLong = "dns_request_too_long", "A DNS request over HTTPS that is longer than DNS messages are.";
    DnsResponseTooLong = "dns_response_too_long", "A DNS response over HTTPS that is longer than DNS messages are.";
    DataStreamZero = "data_stream_zero", "DATA on the connection itself.";
    TooManyFrames = "too_many_frames", "More frames than one stream or header block has use for.";
}
