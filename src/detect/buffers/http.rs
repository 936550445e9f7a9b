//! Buffers of an HTTP transaction, of HTTP/1 or of a stream of HTTP/2.

use super::View;
use crate::app_layer::http1::Transaction;
use crate::app_layer::http2;
use crate::buffer::Buffer;
use crate::direction::Direction;

pub(super) fn view(tx: &Transaction, buffer: Buffer, direction: Direction) -> Option<View<'_>> {
    let header = |name: &[u8]| tx.header_value(direction, name);
    let bytes = match buffer {
        Buffer::HttpRequestBody | Buffer::HttpResponseBody | Buffer::FileData => {
            return body(tx, direction);
        }
        Buffer::HttpMethod => tx.method(),
        Buffer::HttpUri => tx.uri_normalized(),
        Buffer::HttpUriRaw => tx.uri_raw(),
        Buffer::HttpProtocol => tx.protocol(direction),
        Buffer::HttpRequestLine => tx.request_line(),
        Buffer::HttpResponseLine => tx.response_line(),
        Buffer::HttpHeader => tx.header_normalized(direction),
        Buffer::HttpHeaderRaw => tx.header_raw(direction),
        Buffer::HttpHeaderNames => tx.header_names(direction),
        Buffer::HttpStart => tx.start(direction),
        Buffer::HttpCookie => tx.cookie(direction),
        Buffer::HttpHost => tx.host(),
        Buffer::HttpHostRaw => tx.host_raw(),
        Buffer::HttpUserAgent => header(b"user-agent"),
        Buffer::HttpReferer => header(b"referer"),
        Buffer::HttpAccept => header(b"accept"),
        Buffer::HttpAcceptEncoding => header(b"accept-encoding"),
        Buffer::HttpAcceptLanguage => header(b"accept-language"),
        Buffer::HttpConnection => header(b"connection"),
        Buffer::HttpContentLength => header(b"content-length"),
        Buffer::HttpContentType => header(b"content-type"),
        Buffer::HttpLocation => header(b"location"),
        Buffer::HttpServer => header(b"server"),
        Buffer::HttpStatusCode => tx.status_code(),
        Buffer::HttpStatusMessage => tx.status_message(),
        _ => None,
    };
    bytes.map(View::whole)
}

pub(super) fn view_of_stream(
    tx: &http2::Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    match buffer {
        Buffer::Http2HeaderName => tx.field_name(direction, instance).map(View::whole),
        Buffer::Http2Header => tx.escaped_field(direction, instance).map(View::whole),
        _ if instance > 0 => None,
        _ => view(tx.http(), buffer, direction),
    }
}

/// A message without a body has no body buffer: what is absent does not match.
fn body(tx: &Transaction, direction: Direction) -> Option<View<'_>> {
    let bytes = tx.body(direction);
    let complete = tx.body_done(direction);
    (!bytes.is_empty()).then_some(View { bytes, complete })
}
