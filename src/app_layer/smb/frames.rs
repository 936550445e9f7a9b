//! Frames of SMB: what NetBIOS frames (RFC 1002 section 4.3.1), and the messages inside of it.

use super::fields::{HEAD, length, u32_at};
use crate::app_layer::frames::{Extent, Frame, Sketch, head_and_data};
use crate::app_layer::message::Length;
use crate::buffer::Buffer;

/// MS-CIFS section 2.2.3.1.
const SMB1_HEAD: u64 = 32;
/// MS-SMB2 section 2.2.1.
const SMB2_HEAD: u64 = 64;
/// MS-SMB2 section 2.2.41: of an encrypted message.
const SMB3_HEAD: u64 = 52;
/// MS-SMB2 section 2.2.1: where the next message of the same unit begins, from this one's start.
const NEXT: usize = 20;

const NETBIOS: [Buffer; 3] = [
    Buffer::FrameNbssPdu,
    Buffer::FrameNbssHead,
    Buffer::FrameNbssData,
];
const SMB1: [Buffer; 3] = [
    Buffer::FrameSmb1Pdu,
    Buffer::FrameSmb1Head,
    Buffer::FrameSmb1Data,
];
const SMB2: [Buffer; 3] = [
    Buffer::FrameSmb2Pdu,
    Buffer::FrameSmb2Head,
    Buffer::FrameSmb2Data,
];
const SMB3: [Buffer; 3] = [
    Buffer::FrameSmb3Pdu,
    Buffer::FrameSmb3Head,
    Buffer::FrameSmb3Data,
];

pub(in crate::app_layer) fn layout(unit: Sketch<'_>, frames: &mut Vec<Frame>) -> Extent {
    let whole = match length(unit.bytes) {
        Length::Open => return Extent::Open,
        Length::Bad => return Extent::Parser,
        Length::Known(whole) => whole,
    };
    if frames.is_empty() {
        head_and_data(NETBIOS, HEAD as u64, frames);
    }
    // What is looked at ahead may belong to the next unit.
    let end = usize::try_from(whole).map_or(unit.bytes.len(), |n| n.min(unit.bytes.len()));
    let bytes = unit.bytes.get(..end).unwrap_or_default();
    let mut at = if frames.len() > NETBIOS.len() {
        next_message(bytes, frames)
    } else {
        Some(HEAD)
    };
    while let Some(start) = at {
        if !begin_message(bytes, start, frames) {
            break;
        }
        at = next_message(bytes, frames);
    }
    Extent::Known(whole)
}

/// Whether a message begins here, as far as can be seen.
fn begin_message(bytes: &[u8], start: usize, frames: &mut Vec<Frame>) -> bool {
    let (kinds, head) = match bytes.get(start..start.saturating_add(4)) {
        Some([0xff, b'S', b'M', b'B']) => (SMB1, SMB1_HEAD),
        Some([0xfe, b'S', b'M', b'B']) => (SMB2, SMB2_HEAD),
        Some([0xfd, b'S', b'M', b'B']) => (SMB3, SMB3_HEAD),
        _ => return false,
    };
    let [pdu, header, data] = kinds;
    let from = start as u64;
    frames.push(Frame::open(pdu, from));
    frames.push(Frame::closed(header, from, from + head));
    frames.push(Frame::open(data, from + head));
    true
}

/// Where the message behind the last begins, once that is told; then the last ends there.
fn next_message(bytes: &[u8], frames: &mut [Frame]) -> Option<usize> {
    let [.., pdu, _, data] = frames else {
        return None;
    };
    if pdu.buffer != Buffer::FrameSmb2Pdu {
        return None;
    }
    let start = usize::try_from(pdu.from).ok()?;
    let offset = match pdu.to {
        Some(next) => return usize::try_from(next).ok(),
        None => u32_at(bytes, start.checked_add(NEXT)?)?,
    };
    if u64::from(offset) < SMB2_HEAD {
        return None;
    }
    let next = pdu.from + u64::from(offset);
    pdu.to = Some(next);
    data.to = Some(next);
    usize::try_from(next).ok()
}
