//! Frames of TLS: its records (RFC 8446 section 5.1), encrypted or not.

use super::record::HEADER;
use crate::app_layer::frames::{Extent, Frame, Sketch, head_and_data};
use crate::buffer::Buffer::{FrameTlsData, FrameTlsHead, FrameTlsPdu};

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    let Some([_, _, _, high, low]) = unit.bytes.first_chunk::<HEADER>() else {
        return Extent::Open;
    };
    let head = HEADER as u64;
    if frames.is_empty() {
        head_and_data([FrameTlsPdu, FrameTlsHead, FrameTlsData], head, frames);
    }
    Extent::Known(head + u64::from(u16::from_be_bytes([*high, *low])))
}
