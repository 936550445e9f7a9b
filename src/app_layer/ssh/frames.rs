//! Frames of SSH: its packets (RFC 4253 section 6) up to the first encrypted one.

use super::parser::packet_length;
use crate::app_layer::frames::{Extent, Frame, Sketch, head_and_data};
use crate::app_layer::message::Length;
use crate::buffer::Buffer::{FrameSshData, FrameSshHead, FrameSshPdu};

/// Length, length of the padding, and the message's number.
const HEAD: u64 = 6;

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    match packet_length(unit.bytes) {
        Length::Open => Extent::Open,
        Length::Known(length) => {
            if frames.is_empty() {
                head_and_data([FrameSshPdu, FrameSshHead, FrameSshData], HEAD, frames);
            }
            Extent::Known(length)
        }
        Length::Bad => Extent::Parser,
    }
}
