//! Frames of SIP: a message, and its first line, headers and body (RFC 3261 section 7).

use super::message::head_end;
use crate::app_layer::frames::{Extent, Frame, Sketch};
use crate::buffer::Buffer;

/// Line, headers and body.
const REQUEST: [Buffer; 3] = [
    Buffer::FrameSipRequestLine,
    Buffer::FrameSipRequestHeaders,
    Buffer::FrameSipRequestBody,
];
const RESPONSE: [Buffer; 3] = [
    Buffer::FrameSipResponseLine,
    Buffer::FrameSipResponseHeaders,
    Buffer::FrameSipResponseBody,
];

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    let bytes = unit.bytes;
    if frames.is_empty() {
        frames.push(Frame::whole(Buffer::FrameSipPdu));
    }
    let [line, headers, body] = if bytes.starts_with(b"SIP/") {
        RESPONSE
    } else {
        REQUEST
    };
    if frames.len() == 1
        && let Some(at) = memchr::memchr(b'\n', bytes)
    {
        frames.push(Frame::closed(line, 0, at as u64 + 1));
    }
    // The line and the message are told.
    if frames.len() == 2
        && let Some(line) = frames.last().and_then(|f| f.to)
        && let Some(end) = head_end(bytes, unit.known)
    {
        let blank = match bytes.get(..end) {
            Some([.., b'\r', b'\n']) => 2,
            _ => 1,
        };
        frames.push(Frame::closed(headers, line, (end - blank) as u64));
        frames.push(Frame::open(body, end as u64));
    }
    Extent::Parser
}
