//! Frames of HTTP/2 (RFC 9113 section 4.1).

use super::frame::{HEAD_BYTES, Head};
use crate::app_layer::frames::{Extent, Frame, Sketch, head_and_data};
use crate::buffer::Buffer::{FrameHttp2Data, FrameHttp2Head, FrameHttp2Pdu};

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    let Some(head) = unit.bytes.first_chunk() else {
        return Extent::Open;
    };
    let bytes = HEAD_BYTES as u64;
    if frames.is_empty() {
        head_and_data(
            [FrameHttp2Pdu, FrameHttp2Head, FrameHttp2Data],
            bytes,
            frames,
        );
    }
    Extent::Known(bytes + u64::from(Head::read(*head).length))
}
