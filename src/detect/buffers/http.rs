//! Buffers of an HTTP transaction, of HTTP/1 or of a stream of HTTP/2.

use super::View;
use crate::app_layer::http1::Transaction;
use crate::app_layer::http2;
use crate::buffer::Buffer;
use crate::direction::Direction;

/// Places of a body's readings: decoded, as sent where that is in doubt, then the files in it.
const DECODED: usize = 0;
const AS_SENT: usize = 1;
const FILES: usize = 2;

/// How many places there are; those without a reading have no view.
pub(super) fn instances(tx: &Transaction, buffer: Buffer, direction: Direction) -> usize {
    let bodies = match tx.body_as_sent(direction) {
        Some(_) => FILES,
        None => usize::from(!tx.body(direction).is_empty()),
    };
    match buffer {
        Buffer::HttpRequestBody | Buffer::HttpResponseBody => bodies,
        Buffer::FileData => tx.files(direction).map_or(bodies, |f| FILES + f.len()),
        Buffer::FileName => match tx.files(direction) {
            Some(files) => files.len(),
            None => usize::from(bodies > 0 && tx.file_name(direction).is_some()),
        },
        Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => tx.header_count(direction),
        _ => usize::from(view(tx, buffer, direction, 0).is_some()),
    }
}

pub(super) fn view(
    tx: &Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    let header = |name: &[u8]| tx.header_value(direction, name);
    let bytes = match buffer {
        Buffer::HttpRequestBody | Buffer::HttpResponseBody => {
            return body(tx, direction, instance);
        }
        Buffer::FileData => return file_data(tx, direction, instance),
        Buffer::FileName => match tx.files(direction) {
            Some(mut files) => files.nth(instance).map(|f| f.name),
            None => tx.file_name(direction),
        },
        Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => {
            tx.header_line(direction, instance)
        }
        _ if instance > 0 => None,
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

/// Fields of a stream stand each by itself.
pub(super) fn instances_of_stream(
    tx: &http2::Transaction,
    buffer: Buffer,
    direction: Direction,
) -> usize {
    match buffer {
        Buffer::HttpRequestHeader
        | Buffer::HttpResponseHeader
        | Buffer::Http2HeaderName
        | Buffer::Http2Header => tx.field_count(direction),
        _ => instances(tx.http(), buffer, direction),
    }
}

pub(super) fn view_of_stream(
    tx: &http2::Transaction,
    buffer: Buffer,
    direction: Direction,
    instance: usize,
) -> Option<View<'_>> {
    match buffer {
        Buffer::HttpRequestHeader | Buffer::HttpResponseHeader => {
            tx.http().field_line(direction, instance).map(View::whole)
        }
        Buffer::Http2HeaderName => tx.field_name(direction, instance).map(View::whole),
        Buffer::Http2Header => tx.escaped_field(direction, instance).map(View::whole),
        _ => view(tx.http(), buffer, direction, instance),
    }
}

/// A message without a body has no body buffer: what is absent does not match.
fn body(tx: &Transaction, direction: Direction, instance: usize) -> Option<View<'_>> {
    let (bytes, complete) = match instance {
        DECODED => (Some(tx.body(direction)), tx.body_done(direction)),
        AS_SENT => (tx.body_as_sent(direction), tx.body_as_sent_done(direction)),
        _ => (None, true),
    };
    let bytes = bytes.filter(|b| !b.is_empty());
    bytes.map(|bytes| View { bytes, complete })
}

/// The files of a multipart body; of any other, the body. Both where the body may be split
/// elsewhere.
fn file_data(tx: &Transaction, direction: Direction, instance: usize) -> Option<View<'_>> {
    let Some(mut files) = tx.files(direction) else {
        return body(tx, direction, instance);
    };
    if instance < FILES {
        let in_doubt = tx.files_in_doubt(direction) || tx.body_as_sent(direction).is_some();
        return body(tx, direction, instance).filter(|_| in_doubt);
    }
    let file = files.nth(instance - FILES)?;
    Some(View {
        bytes: file.bytes,
        complete: file.whole,
    })
}
