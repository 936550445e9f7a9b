//! Which RSTs close a refused connection.

use super::event::{Ends, Reset};
use crate::decode::{TcpFlags, TcpHeader};
use crate::time::Timestamp;
use crate::verdict::RejectTarget;

/// The refused segment, as resets are made from it.
pub(super) struct Refused<'a> {
    pub ends: Ends,
    pub tcp: &'a TcpHeader<'a>,
    pub payload_length: usize,
    /// What the receiver of the segment expects next: it never gets this one.
    pub receiver_expects: u32,
    /// Of the segment's first byte.
    pub stream_offset: u64,
}

impl Refused<'_> {
    /// Both RSTs, or the one that `target` names.
    pub fn resets(&self, target: RejectTarget, at: Timestamp) -> impl Iterator<Item = Reset> {
        let to_sender = matches!(target, RejectTarget::Source | RejectTarget::Both);
        let to_receiver = matches!(target, RejectTarget::Destination | RejectTarget::Both);
        let to_sender = to_sender.then(|| answer(self.ends, self.tcp, self.payload_length, at));
        let to_receiver = to_receiver.then(|| Reset {
            at,
            src: self.ends.src,
            dst: self.ends.dst,
            seq: self.receiver_expects,
            ack: self.tcp.flags().has(TcpFlags::ACK).then(|| self.tcp.ack()),
        });
        to_sender.into_iter().chain(to_receiver)
    }
}

/// As a receiver answers a segment for which it has no connection (RFC 9293
/// section 3.10.7.1): the sequence number is the one its sender expects.
pub(super) fn answer(
    ends: Ends,
    tcp: &TcpHeader<'_>,
    payload_length: usize,
    at: Timestamp,
) -> Reset {
    let flags = tcp.flags();
    let length = payload_length as u32
        + u32::from(flags.has(TcpFlags::SYN))
        + u32::from(flags.has(TcpFlags::FIN));
    let (seq, ack) = if flags.has(TcpFlags::ACK) {
        (tcp.ack(), None)
    } else {
        (0, Some(tcp.seq().wrapping_add(length)))
    };
    Reset {
        at,
        src: ends.dst,
        dst: ends.src,
        seq,
        ack,
    }
}
