//! What was odd about a segment, by the names of the rule language (`stream-event:`).

macro_rules! stream_events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// One oddity of a segment, seen from the connection it belongs to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum StreamEvent {
            $($(#[$doc])* $variant),+
        }

        impl StreamEvent {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in rules.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    };
}

// Every published name is known, so that rules load. Where this engine has one
// state for several of theirs (the close), it records the name of the first.
stream_events! {
    /// An acknowledgement of the handshake came from the wrong end.
    ThreeWhsAckInWrongDir = "3whs_ack_in_wrong_dir",
    /// A handshake seen from one side only goes on at another sequence number.
    ThreeWhsAsyncWrongSeq = "3whs_async_wrong_seq",
    /// The third segment of the handshake acknowledges what was never sent.
    ThreeWhsRightSeqWrongAckEvasion = "3whs_right_seq_wrong_ack_evasion",
    /// A SYN-ACK from the end that opened the connection.
    ThreeWhsSynackInWrongDirection = "3whs_synack_in_wrong_direction",
    /// A second SYN-ACK acknowledges something else.
    ThreeWhsSynackResendWithDifferentAck = "3whs_synack_resend_with_different_ack",
    /// A second SYN-ACK has another sequence number.
    ThreeWhsSynackResendWithDiffSeq = "3whs_synack_resend_with_diff_seq",
    /// A SYN-ACK from the client after the server's.
    ThreeWhsSynackToserverOnSynRecv = "3whs_synack_toserver_on_syn_recv",
    /// A SYN-ACK does not acknowledge the SYN.
    ThreeWhsSynackWithWrongAck = "3whs_synack_with_wrong_ack",
    /// More different SYN-ACKs than are kept.
    ThreeWhsSynackFlood = "3whs_synack_flood",
    /// The server did not take the data of the SYN (RFC 7413).
    ThreeWhsSynackTfoDataIgnored = "3whs_synack_tfo_data_ignored",
    /// More different SYNs than are kept.
    ThreeWhsSynFlood = "3whs_syn_flood",
    /// A second SYN has another sequence number.
    ThreeWhsSynResendDiffSeqOnSynRecv = "3whs_syn_resend_diff_seq_on_syn_recv",
    /// A SYN from the server: a split handshake or a simultaneous open.
    ThreeWhsSynToclientOnSynRecv = "3whs_syn_toclient_on_syn_recv",
    /// The third segment of the handshake fits in neither number.
    ThreeWhsWrongSeqWrongAck = "3whs_wrong_seq_wrong_ack",
    /// Data from the server before the client acknowledged its SYN-ACK.
    ThreeWhsAckDataInject = "3whs_ack_data_inject",
    /// In a simultaneous open, a SYN-ACK does not acknowledge the SYN.
    FourWhsSynackWithWrongAck = "4whs_synack_with_wrong_ack",
    /// In a simultaneous open, a SYN-ACK has another sequence number than its SYN.
    FourWhsSynackWithWrongSyn = "4whs_synack_with_wrong_syn",
    /// In a simultaneous open, the last acknowledgement has a wrong sequence number.
    FourWhsWrongSeq = "4whs_wrong_seq",
    /// In a simultaneous open, the last acknowledgement is invalid.
    FourWhsInvalidAck = "4whs_invalid_ack",
    /// After a FIN, data outside of the window.
    ClosewaitAckOutOfWindow = "closewait_ack_out_of_window",
    /// After a FIN, a FIN outside of the window.
    ClosewaitFinOutOfWindow = "closewait_fin_out_of_window",
    /// After a FIN, an invalid acknowledgement.
    ClosewaitInvalidAck = "closewait_invalid_ack",
    /// After a FIN, bytes that were acknowledged already.
    ClosewaitPktBeforeLastAck = "closewait_pkt_before_last_ack",
    /// After both FINs, a wrong sequence number.
    ClosingAckWrongSeq = "closing_ack_wrong_seq",
    /// After both FINs, an invalid acknowledgement.
    ClosingInvalidAck = "closing_invalid_ack",
    /// Data outside of the window.
    EstPacketOutOfWindow = "est_packet_out_of_window",
    /// Bytes that were acknowledged already.
    EstPktBeforeLastAck = "est_pkt_before_last_ack",
    /// The SYN-ACK again on an established connection.
    EstSynackResend = "est_synack_resend",
    /// A SYN-ACK on an established connection acknowledges something else.
    EstSynackResendWithDifferentAck = "est_synack_resend_with_different_ack",
    /// A SYN-ACK on an established connection has another sequence number.
    EstSynackResendWithDiffSeq = "est_synack_resend_with_diff_seq",
    /// A SYN-ACK from the client on an established connection.
    EstSynackToserver = "est_synack_toserver",
    /// The SYN again on an established connection.
    EstSynResend = "est_syn_resend",
    /// A SYN with another sequence number on an established connection.
    EstSynResendDiffSeq = "est_syn_resend_diff_seq",
    /// A SYN from the server on an established connection.
    EstSynToclient = "est_syn_toclient",
    /// An acknowledgement of what was never sent, or far too old.
    EstInvalidAck = "est_invalid_ack",
    /// A FIN with an invalid acknowledgement.
    FinInvalidAck = "fin_invalid_ack",
    /// After one FIN, a wrong sequence number.
    Fin1AckWrongSeq = "fin1_ack_wrong_seq",
    /// After one FIN, a FIN with a wrong sequence number.
    Fin1FinWrongSeq = "fin1_fin_wrong_seq",
    /// After one FIN, an invalid acknowledgement.
    Fin1InvalidAck = "fin1_invalid_ack",
    /// After an acknowledged FIN, a wrong sequence number.
    Fin2AckWrongSeq = "fin2_ack_wrong_seq",
    /// After an acknowledged FIN, a FIN with a wrong sequence number.
    Fin2FinWrongSeq = "fin2_fin_wrong_seq",
    /// After an acknowledged FIN, an invalid acknowledgement.
    Fin2InvalidAck = "fin2_invalid_ack",
    /// A FIN without a connection.
    FinButNoSession = "fin_but_no_session",
    /// A FIN outside of the window.
    FinOutOfWindow = "fin_out_of_window",
    /// A SYN with a FIN.
    FinSyn = "fin_syn",
    /// At the last acknowledgement, a wrong sequence number.
    LastackAckWrongSeq = "lastack_ack_wrong_seq",
    /// At the last acknowledgement, an invalid one.
    LastackInvalidAck = "lastack_invalid_ack",
    /// A window update that takes back what was offered.
    PktBadWindowUpdate = "pkt_bad_window_update",
    /// An acknowledgement number without the flag.
    PktBrokenAck = "pkt_broken_ack",
    /// An acknowledgement that its receiver ignores.
    PktInvalidAck = "pkt_invalid_ack",
    /// A timestamp that its receiver ignores (RFC 7323 section 5).
    PktInvalidTimestamp = "pkt_invalid_timestamp",
    /// Bytes that were all seen before.
    PktRetransmission = "pkt_retransmission",
    /// Bytes beyond the depth of raw inspection.
    ReassemblyDepthReached = "reassembly_depth_reached",
    /// A segment that could not be kept.
    ReassemblyInsertInvalid = "reassembly_insert_invalid",
    /// More separate islands than are kept.
    ReassemblyInsertLimit = "reassembly_insert_limit",
    /// Reassembly memory is used up.
    ReassemblyInsertMemcap = "reassembly_insert_memcap",
    /// No room to keep a segment.
    ReassemblyNoSegment = "reassembly_no_segment",
    /// A later copy of bytes differs from the first.
    ReassemblyOverlapDifferentData = "reassembly_overlap_different_data",
    /// Bytes below what was acknowledged.
    ReassemblySegmentBeforeBaseSeq = "reassembly_segment_before_base_seq",
    /// A hole in a stream was given up.
    ReassemblySeqGap = "reassembly_seq_gap",
    /// More urgent data than is followed.
    ReassemblyUrgentOobLimitReached = "reassembly_urgent_oob_limit_reached",
    /// A reset without a connection.
    RstButNoSession = "rst_but_no_session",
    /// A reset that its receiver ignores.
    RstInvalidAck = "rst_invalid_ack",
    /// A SYN while the connection is being closed.
    ShutdownSynResend = "shutdown_syn_resend",
    /// The end that was reset goes on.
    SuspectedRstInject = "suspected_rst_inject",
    /// After the close, a wrong sequence number.
    TimewaitAckWrongSeq = "timewait_ack_wrong_seq",
    /// After the close, an invalid acknowledgement.
    TimewaitInvalidAck = "timewait_invalid_ack",
    /// A packet on another worker than its flow.
    WrongThread = "wrong_thread",
}

impl StreamEvent {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|e| e.as_str() == name)
    }
}

/// The events of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEvents(u128);

impl StreamEvents {
    pub const NONE: Self = Self(0);

    pub fn note(&mut self, event: StreamEvent) {
        self.0 |= Self::bit(event);
    }

    pub const fn has(self, event: StreamEvent) -> bool {
        self.0 & Self::bit(event) != 0
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn bit(event: StreamEvent) -> u128 {
        1 << event as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_each_has_its_bit() {
        assert!(StreamEvent::ALL.len() <= 128);
        let mut all = StreamEvents::NONE;
        for &event in StreamEvent::ALL {
            assert_eq!(StreamEvent::from_name(event.as_str()), Some(event));
            assert!(!all.has(event));
            all.note(event);
            assert!(all.has(event));
        }
        assert_eq!(StreamEvent::from_name("no_such_event"), None);
    }
}
