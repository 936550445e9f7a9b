//! Where a stream begins for a server that kept nothing of the SYN.
//!
//! Linux under SYN cookies (`net/ipv4/syncookies.c`) makes the connection from the first segment with
//! a valid cookie, and takes the sequence number of that very segment for the first byte's. Of a
//! cookie, the client's initial sequence number and the index of an MSS are summed up, and the index
//! may be 0 to 3: a segment up to three numbers beside the first still has a valid one. A client can
//! so let a stream begin with its second byte, or with one before the first.

use super::{Direction, DropReason, Judgement, Segment, State, TcpSession};

/// Indices of the MSS in a cookie, less one.
const FARTHEST: i64 = 3;

impl TcpSession {
    /// Until the server has said by an acknowledgement where the stream begins, nothing may reach it
    /// that could tell it otherwise. What is dropped here its sender sends again.
    pub(super) fn check_first(&self, segment: &Segment<'_>) -> Judgement {
        if self.server_confirmed || self.midstream || segment.dir == Direction::ToClient {
            return Ok(());
        }
        let half = &self.halves[Direction::ToServer.index()];
        // With Fast Open the connection is made by the SYN itself.
        let distance = half.offset(segment.tcp.seq());
        let beside = distance != 0 && (-FARTHEST..=FARTHEST).contains(&distance);
        if beside && half.acked() == 0 {
            return Err(DropReason::StreamCookieStart);
        }
        Ok(())
    }

    /// The server acknowledges outside of its SYN: it has the connection, and it did not begin early. That
    /// it did not begin late is told by the acknowledgement being of bytes that were forwarded.
    pub(super) fn hear_confirmation(&mut self, segment: &Segment<'_>) {
        let client = &self.halves[Direction::ToServer.index()];
        self.server_confirmed |= segment.dir == Direction::ToClient
            && self.state != State::SynSent
            && client.offset(segment.tcp.ack()) >= 0;
    }
}
