//! What a Linux host does with a segment, in the order in which Linux asks.
//!
//! Taken from `tcp_v4_rcv`, `tcp_check_req`, `tcp_rcv_state_process` and `tcp_validate_incoming`, and
//! held against what a live kernel was seen to do (`catalogue.rs`).

use super::host::{Host, State};
use super::queue::Queued;
use super::segment::{ACK, FIN, RST, SYN, Segment, Side, URG, after, before};

impl Host {
    /// Whether the segment changes anything here.
    pub fn would_take(&self, segment: &Segment, now: u32) -> bool {
        let mut copy = self.clone();
        copy.receive(segment, now);
        copy.fingerprint() != self.fingerprint()
    }

    pub fn receive(&mut self, segment: &Segment, now: u32) {
        // An MD5 option without a key (RFC 2385) is refused before anything else.
        if segment.bad_checksum || segment.options.md5 {
            return;
        }
        match self.state {
            State::Closed => self.refuse(segment),
            State::Listen => self.in_listen(segment, now),
            State::SynSent => self.in_syn_sent(segment, now),
            State::SynReceived if self.side == Side::Server => self.in_request(segment, now),
            State::SynReceived | State::Established => self.in_connection(segment, now),
            State::Done => self.in_time_wait(segment, now),
        }
    }

    /// No connection: RFC 9293 section 3.5.2.
    fn refuse(&mut self, segment: &Segment) {
        if segment.has(RST) {
            return;
        }
        let reset = if segment.has(ACK) {
            Segment::new(self.side, RST, segment.ack, 0)
        } else {
            Segment::new(self.side, RST | ACK, 0, segment.end())
        };
        self.outbox.push(reset);
    }

    fn in_listen(&mut self, segment: &Segment, now: u32) {
        if segment.has(RST) {
            return;
        }
        if segment.has(ACK) {
            return self.refuse(segment);
        }
        if !segment.has(SYN) || segment.has(FIN) {
            return;
        }
        self.begin(State::SynReceived);
        self.negotiate(segment);
        self.irs = segment.seq;
        self.rcv_nxt = segment.seq.wrapping_add(1);
        self.snd_nxt = self.first();
        if self.kernel.fast_open && segment.options.fast_open && !segment.payload.is_empty() {
            self.fast_opened = true;
            self.append(self.rcv_nxt, &segment.payload);
        }
        self.snd_limit = self.first().wrapping_add(u32::from(segment.window));
        let syn_ack = self.syn(SYN | ACK, now);
        self.outbox.push(syn_ack);
    }

    /// `tcp_check_req`: the server has a request, not yet a connection.
    fn in_request(&mut self, segment: &Segment, now: u32) {
        let is_old = self.is_older(segment, 0);
        if segment.flags & (SYN | ACK | RST | FIN) == SYN && segment.seq == self.irs && !is_old {
            let syn_ack = self.syn(SYN | ACK, now);
            self.outbox.push(syn_ack);
            return;
        }
        if segment.has(ACK) && !self.fast_opened && segment.ack != self.first() {
            return self.refuse(segment);
        }
        let in_window = segment.seq == self.rcv_nxt
            || (after(segment.end(), self.rcv_nxt) && before(segment.seq, self.rcv_limit))
            || (segment.seq == self.rcv_limit && segment.seq == segment.end());
        if is_old || !in_window || !self.is_echo(segment) {
            if !segment.has(RST) {
                self.acknowledge(now);
            }
            return;
        }
        let syn = segment.has(SYN) && segment.seq != self.irs;
        if segment.has(RST) || syn {
            self.refuse(segment);
            return self.lose_connection();
        }
        if segment.has(ACK) {
            self.in_connection(segment, now);
        }
    }

    fn in_syn_sent(&mut self, segment: &Segment, now: u32) {
        if segment.has(ACK) {
            if !after(segment.ack, self.snd_una) || after(segment.ack, self.snd_nxt) {
                return self.refuse(segment);
            }
            if segment.has(RST) {
                return self.lose_connection();
            }
            if !segment.has(SYN) {
                return;
            }
            self.negotiate(segment);
            self.irs = segment.seq;
            self.rcv_nxt = segment.seq.wrapping_add(1);
            self.rcv_limit = self
                .rcv_nxt
                .wrapping_add(self.kernel.receive_buffer.min(65_535));
            self.snd_una = segment.ack;
            // What the SYN carried and the server did not take is sent again.
            self.snd_nxt = segment.ack;
            self.snd_limit = segment.ack.wrapping_add(u32::from(segment.window));
            self.state = State::Established;
            self.acknowledge(now);
        } else if segment.has(SYN) && !segment.has(RST) {
            // A simultaneous open, or a split handshake.
            self.negotiate(segment);
            self.irs = segment.seq;
            self.rcv_nxt = segment.seq.wrapping_add(1);
            self.snd_nxt = self.first();
            self.snd_limit = self.first().wrapping_add(u32::from(segment.window));
            self.state = State::SynReceived;
            let syn_ack = self.syn(SYN | ACK, now);
            self.outbox.push(syn_ack);
        }
    }

    /// Both sequence spaces are known.
    fn in_connection(&mut self, segment: &Segment, now: u32) {
        if segment.flags & (ACK | RST | SYN) == 0 || !self.is_acceptable(segment, now) {
            return;
        }
        if !segment.has(ACK) || after(segment.ack, self.snd_nxt) {
            return self.refuse_handshake(segment);
        }
        if self.state == State::SynReceived {
            if !after(segment.ack, self.iss) {
                return self.refuse_handshake(segment);
            }
            self.state = State::Established;
        }
        if before(segment.ack, self.snd_una) {
            let acknowledged = self.snd_una.wrapping_sub(self.first());
            let oldest = self.snd_una.wrapping_sub(self.max_window.min(acknowledged));
            let predicted = self.kernel.predicts
                && segment.seq == self.rcv_nxt
                && segment.flags & (URG | FIN | SYN) == 0;
            if before(segment.ack, oldest) && !predicted {
                return self.acknowledge(now);
            }
        } else {
            self.snd_una = segment.ack;
            self.hear_window(segment);
            self.hear_timestamp(segment);
        }
        if segment.has(URG) {
            self.hear_urgent(segment);
        }
        self.take_data(segment, now);
        self.finish_if_over();
    }

    /// A full socket in SYN-RECEIVED resets what does not acknowledge its SYN.
    fn refuse_handshake(&mut self, segment: &Segment) {
        if self.state == State::SynReceived && segment.has(ACK) {
            self.refuse(segment);
        }
    }

    /// `tcp_validate_incoming`, with RFC 7323 section 5 and RFC 5961.
    fn is_acceptable(&mut self, segment: &Segment, now: u32) -> bool {
        if self.ts_ok && self.is_older(segment, 1) && !segment.has(RST) {
            self.acknowledge(now);
            return false;
        }
        let end = segment.end();
        let fin = u32::from(segment.has(FIN));
        let beyond = after(end.wrapping_sub(fin), self.rcv_limit);
        if before(end, self.rcv_wup)
            || after(segment.seq, self.rcv_limit)
            || (beyond && !self.kernel.takes_beyond_window)
        {
            if !segment.has(RST) {
                self.acknowledge(now);
            } else if self.eof && segment.seq == self.rcv_nxt.wrapping_sub(1) {
                self.lose_connection();
            }
            return false;
        }
        if segment.has(RST) {
            let at_edge = self.sack_ok && self.queue.highest_end() == Some(segment.seq);
            let before_fin = self.eof && segment.seq == self.rcv_nxt.wrapping_sub(1);
            if segment.seq == self.rcv_nxt || at_edge || before_fin {
                self.lose_connection();
            } else {
                self.acknowledge(now);
            }
            return false;
        }
        // The SYN-ACK of a simultaneous open, and one that ends a five-way handshake.
        let ends_handshake = self.state == State::SynReceived
            && self.side == Side::Client
            && segment.has(ACK)
            && segment.seq.wrapping_add(1) == end
            && end == self.rcv_nxt
            && segment.ack == self.snd_nxt;
        if segment.has(SYN) && !ends_handshake {
            self.acknowledge(now);
            return false;
        }
        true
    }

    /// RFC 7323 section 5.3, with the ticks that Linux forgives.
    fn is_older(&self, segment: &Segment, tolerance: i32) -> bool {
        let value = segment.options.timestamps.map(|(value, _)| value);
        self.ts_ok && value.is_some_and(|v| self.ts_recent.wrapping_sub(v) as i32 > tolerance)
    }

    /// Of a timestamp that went with a SYN-ACK, where this kernel looks at it.
    fn is_echo(&self, segment: &Segment) -> bool {
        match (segment.options.timestamps, self.ts_answered) {
            (Some((_, echo)), Some((first, last))) if self.ts_ok && self.kernel.checks_echo => {
                echo == 0 || (!before(echo, first) && !after(echo, last))
            }
            _ => true,
        }
    }

    /// `tcp_replace_ts_recent` (RFC 7323 section 4.3); not with an old ACK.
    fn hear_timestamp(&mut self, segment: &Segment) {
        self.ts_echoed = segment.options.timestamps.map(|(_, echo)| echo);
        if let Some((value, _)) = segment.options.timestamps
            && self.ts_ok
            && !after(segment.seq, self.rcv_wup)
            && !before(value, self.ts_recent)
        {
            self.ts_recent = value;
        }
    }

    /// `tcp_check_urg`: the application never reads this byte from its stream.
    fn hear_urgent(&mut self, segment: &Segment) {
        let pointer = u32::from(segment.urgent.saturating_sub(1));
        let at = segment.seq.wrapping_add(pointer);
        let is_new = self.urgent_at.is_none_or(|known| after(at, known));
        if !before(at, self.rcv_nxt) && is_new {
            self.urgent_at = Some(at);
        }
    }

    /// `tcp_data_queue`.
    fn take_data(&mut self, segment: &Segment, now: u32) {
        // The SYN of a simultaneous open's SYN-ACK was taken before.
        let seq = segment.seq.wrapping_add(u32::from(segment.has(SYN)));
        let fin = segment.has(FIN);
        let bytes_end = seq.wrapping_add(segment.payload.len() as u32);
        let end = bytes_end.wrapping_add(u32::from(fin));
        if end == seq {
            return;
        }
        if self.eof {
            if before(seq, self.rcv_nxt) && after(bytes_end, self.rcv_nxt) {
                // RFC 1122 section 4.2.2.13: data after a close.
                return self.lose_connection();
            }
            return self.acknowledge(now);
        }
        if !after(end, self.rcv_nxt) || !before(seq, self.rcv_limit) {
            let zero_window_fin = fin && seq == self.rcv_nxt && end == seq.wrapping_add(1);
            if !zero_window_fin {
                return self.acknowledge(now);
            }
        }
        if after(seq, self.rcv_nxt) {
            self.queue.insert(Queued {
                seq,
                payload: segment.payload.clone(),
                fin,
            });
        } else {
            self.append(seq, &segment.payload);
            self.take_fin(fin);
            while !self.eof
                && let Some(queued) = self.queue.take_reached(self.rcv_nxt)
            {
                self.append(queued.seq, &queued.payload);
                self.take_fin(queued.fin);
            }
        }
        self.acknowledge(now);
    }

    fn take_fin(&mut self, fin: bool) {
        if fin {
            self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
            self.eof = true;
            self.queue.clear();
        }
    }

    /// To the application, which reads at once.
    fn append(&mut self, seq: u32, bytes: &[u8]) {
        let known = self.rcv_nxt.wrapping_sub(seq) as usize;
        for byte in bytes.iter().skip(known) {
            if self.urgent_at == Some(self.rcv_nxt) {
                self.urgent_at = None;
            } else {
                self.read.push(*byte);
            }
            self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
        }
    }

    /// TIME-WAIT, or the listener behind it: a late FIN is acknowledged, and another
    /// initial sequence number is another connection.
    fn in_time_wait(&mut self, segment: &Segment, now: u32) {
        let is_syn = segment.flags & (SYN | ACK | RST | FIN) == SYN;
        if is_syn && self.side == Side::Server && segment.seq != self.irs {
            self.in_listen(segment, now);
        } else if segment.has(FIN) {
            self.acknowledge(now);
        }
    }
}
