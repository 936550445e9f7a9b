//! Frames of HTTP/1: a message from its first line to the end of its body, as sent.

use crate::app_layer::frames::{Extent, Frame, Sketch};
use crate::buffer::Buffer;
use crate::direction::Direction;

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    if frames.is_empty() {
        frames.push(Frame::whole(match unit.direction {
            Direction::ToServer => Buffer::FrameHttp1Request,
            Direction::ToClient => Buffer::FrameHttp1Response,
        }));
    }
    Extent::Parser
}
