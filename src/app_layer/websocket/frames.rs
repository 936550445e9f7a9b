//! Frames of WebSocket (RFC 6455 section 5.2), masked as they came.

use super::frame::Start;
use crate::app_layer::frames::{Extent, Frame, Sketch, head_and_data};
use crate::buffer::Buffer::{FrameWebSocketData, FrameWebSocketHeader, FrameWebSocketPdu};

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    let (taken, Some(head)) = Start::default().take(unit.bytes) else {
        return Extent::Open;
    };
    let bytes = taken as u64;
    if frames.is_empty() {
        head_and_data(
            [FrameWebSocketPdu, FrameWebSocketHeader, FrameWebSocketData],
            bytes,
            frames,
        );
    }
    Extent::Known(bytes.saturating_add(head.length))
}
