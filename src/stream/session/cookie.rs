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
    /// Before the segment that completes the handshake, nothing may reach the server that could do so
    /// beside the first byte. An honest client sends that segment first, and what is dropped here again.
    pub(super) fn check_first(&self, segment: &Segment<'_>) -> Judgement {
        if !self.client_began && self.begins_beside(segment) {
            return Err(DropReason::StreamCookieStart);
        }
        Ok(())
    }

    /// Whether a server that has no connection yet would let the stream begin with this segment, and
    /// not with its first byte. Where a flood makes servers use cookies and lose what completes a
    /// handshake, none of these may pass until the server has acknowledged.
    pub fn begins_beside(&self, segment: &Segment<'_>) -> bool {
        let half = &self.halves[Direction::ToServer.index()];
        let distance = half.offset(segment.tcp.seq());
        segment.dir == Direction::ToServer
            && !(self.server_confirmed || self.midstream || self.state == State::SynSent)
            // With Fast Open the connection is made by the SYN itself.
            && half.acked() == 0
            && distance != 0
            && (-FARTHEST..=FARTHEST).contains(&distance)
    }

    /// The client has completed the handshake, and the server has not been heard since: it may have
    /// lost what completed it.
    pub fn awaits_server(&self) -> bool {
        self.state == State::Established && !self.server_confirmed
    }

    /// The client completes the handshake where its stream begins; or the server acknowledges outside
    /// of its SYN, and nothing that did not pass: it has the connection, and it began as followed.
    pub(super) fn hear_beginning(&mut self, segment: &Segment<'_>) {
        let client = &self.halves[Direction::ToServer.index()];
        if segment.dir == Direction::ToServer {
            self.client_began |= client.offset(segment.tcp.seq()) == 0;
        } else if self.state != State::SynSent {
            let last = client.next() + u64::from(client.fin.is_some());
            let acknowledged = u64::try_from(client.offset(segment.tcp.ack()));
            self.server_confirmed |= acknowledged.is_ok_and(|ack| ack <= last);
        }
    }
}
