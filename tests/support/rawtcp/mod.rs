//! A TCP client of our own, which sends what a kernel's never would: one byte per segment, or the
//! last byte first. It lives at an address that no kernel owns, so nothing answers in its place.

pub mod frame;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use self::frame::{ACK, Ends, FIN, PSH, RST, SYN, Segment};
use super::Fallible;
use super::fragments;
use super::netns::{Family, Lab, RAW_INTERFACE};
use super::tap::PacketSocket;

/// In which pieces and order a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    ByteByByte,
    /// One byte per segment, the last byte first.
    Reversed,
}

impl Delivery {
    pub const ALL: [Self; 3] = [Self::Whole, Self::ByteByByte, Self::Reversed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::ByteByByte => "one byte per segment",
            Self::Reversed => "reversed",
        }
    }

    fn pieces(self, length: usize) -> Vec<std::ops::Range<usize>> {
        let mut pieces: Vec<_> = match self {
            Self::Whole => (0..length)
                .step_by(MSS)
                .map(|start| start..(start + MSS).min(length))
                .collect(),
            Self::ByteByByte | Self::Reversed => (0..length).map(|at| at..at + 1).collect(),
        };
        if self == Self::Reversed {
            pieces.reverse();
        }
        pieces
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server closed after its answer.
    Closed,
    Reset,
    /// Nothing more came in time.
    Silence,
}

#[derive(Clone, Debug)]
pub struct Exchange {
    pub end: End,
    pub response: Vec<u8>,
    /// Bytes of the request that the other end acknowledged.
    pub acknowledged: usize,
    pub segments_sent: usize,
}

impl Exchange {
    /// The status of the HTTP answer, 0 when there is none.
    pub fn status(&self) -> u16 {
        std::str::from_utf8(self.response.get(9..12).unwrap_or_default())
            .ok()
            .and_then(|digits| digits.parse().ok())
            .unwrap_or(0)
    }
}

const MSS: usize = 1400;
/// A round of sending; what is not acknowledged after it is sent again.
const ROUND: Duration = Duration::from_millis(250);

/// The client; its ports never repeat.
#[derive(Debug)]
pub struct RawClient {
    socket: PacketSocket,
    addresses: [(IpAddr, IpAddr); 2],
    next_port: u16,
    buffer: Vec<u8>,
    /// Every frame is sent in IP fragments with so many bytes each.
    pub fragment_bytes: Option<usize>,
}

impl RawClient {
    pub fn new(lab: &Lab) -> Fallible<Self> {
        let socket = lab.inside(&lab.client(), || PacketSocket::open(RAW_INTERFACE))??;
        Ok(Self {
            socket,
            addresses: Family::BOTH.map(|f| (lab.raw_address(f), lab.server_address(f))),
            next_port: 20_000 + (std::process::id() % 20_000) as u16,
            buffer: vec![0; 1 << 17],
            fragment_bytes: None,
        })
    }

    /// Connects, sends the request as `delivery` says, and reads until the server closes, resets, or
    /// is silent for `patience` altogether.
    pub fn exchange(
        &mut self,
        family: Family,
        port: u16,
        request: &[u8],
        delivery: Delivery,
        patience: Duration,
    ) -> Fallible<Exchange> {
        let (local, remote) = self.addresses[usize::from(family == Family::V6)];
        self.next_port = self.next_port.checked_add(1).unwrap_or(20_000);
        let ends = Ends {
            local: (local, self.next_port),
            remote: (remote, port),
        };
        let mut connection = Connection::new(ends, &self.socket, &mut self.buffer, patience);
        connection.fragment_bytes = self.fragment_bytes;
        connection.connect()?;
        connection.send(request, delivery)?;
        connection.finish()?;
        Ok(connection.into_exchange())
    }
}

struct Connection<'a> {
    socket: &'a PacketSocket,
    buffer: &'a mut [u8],
    ends: Ends,
    /// Sequence number of the request's first byte.
    base: u32,
    acknowledged: u32,
    /// Bytes of the request that were sent at least once.
    sent: u32,
    /// Sequence number wanted next from the server.
    wanted: u32,
    early: BTreeMap<u32, Vec<u8>>,
    response: Vec<u8>,
    fin_at: Option<u32>,
    end: Option<End>,
    deadline: Instant,
    segments_sent: usize,
    fragment_bytes: Option<usize>,
}

impl<'a> Connection<'a> {
    fn new(ends: Ends, socket: &'a PacketSocket, buffer: &'a mut [u8], patience: Duration) -> Self {
        Self {
            socket,
            buffer,
            ends,
            // Near the wrap, so that arithmetic modulo 2^32 is part of every run.
            base: u32::MAX - 60 + u32::from(ends.local.1 % 50),
            acknowledged: 0,
            sent: 0,
            wanted: 0,
            early: BTreeMap::new(),
            response: Vec::new(),
            fin_at: None,
            end: None,
            deadline: Instant::now() + patience,
            segments_sent: 0,
            fragment_bytes: None,
        }
    }

    fn connect(&mut self) -> Fallible<()> {
        while Instant::now() < self.deadline {
            self.transmit(SYN, self.base.wrapping_sub(1), &[])?;
            let round = Instant::now() + ROUND;
            while let Some(segment) = self.receive(round)? {
                if segment.flags & RST != 0 {
                    return Err("the connection was refused".into());
                }
                if segment.flags & (SYN | ACK) == SYN | ACK && segment.ack == self.base {
                    self.wanted = segment.sequence.wrapping_add(1);
                    self.transmit(ACK, self.base, &[])?;
                    return Ok(());
                }
            }
        }
        Err("no answer to the SYN".into())
    }

    fn send(&mut self, request: &[u8], delivery: Delivery) -> Fallible<()> {
        let pieces = delivery.pieces(request.len());
        while self.end.is_none() && Instant::now() < self.deadline {
            for piece in &pieces {
                if (self.acknowledged as usize) < piece.end {
                    let sequence = self.base.wrapping_add(piece.start as u32);
                    self.transmit(ACK | PSH, sequence, &request[piece.clone()])?;
                    self.sent = self.sent.max(piece.end as u32);
                }
            }
            let round = Instant::now() + ROUND;
            while (self.acknowledged as usize) < request.len() && self.end.is_none() {
                match self.receive(round)? {
                    Some(segment) => self.take(segment)?,
                    None => break,
                }
            }
            if self.acknowledged as usize >= request.len() {
                break;
            }
        }
        Ok(())
    }

    /// Reads to the end, then leaves with a RST so that nothing lingers.
    fn finish(&mut self) -> Fallible<()> {
        while self.end.is_none() {
            match self.receive(self.deadline)? {
                Some(segment) => self.take(segment)?,
                None => self.end = Some(End::Silence),
            }
        }
        if self.end != Some(End::Reset) {
            // Only the exact number ends a connection (RFC 5961 section 3.2), and the last
            // acknowledgements may still be on their way: a server that lingers logs nothing yet.
            for bytes in [self.sent, self.acknowledged] {
                self.transmit(RST | ACK, self.base.wrapping_add(bytes), &[])?;
            }
        }
        Ok(())
    }

    fn take(&mut self, segment: Segment) -> Fallible<()> {
        if segment.flags & RST != 0 {
            // RFC 5961 section 3.2: only the exact sequence number ends a connection.
            if segment.sequence == self.wanted {
                self.end = Some(End::Reset);
            }
            return Ok(());
        }
        let acknowledged = segment.ack.wrapping_sub(self.base);
        if acknowledged > self.acknowledged && acknowledged < 1 << 31 {
            self.acknowledged = acknowledged;
        }
        if segment.flags & FIN != 0 {
            self.fin_at = Some(segment.sequence.wrapping_add(segment.payload.len() as u32));
        }
        let answer_due = !segment.payload.is_empty() || self.fin_at.is_some();
        if !segment.payload.is_empty() {
            self.early.insert(segment.sequence, segment.payload);
        }
        while let Some(bytes) = self.early.remove(&self.wanted) {
            self.wanted = self.wanted.wrapping_add(bytes.len() as u32);
            self.response.extend(bytes);
        }
        if self.fin_at == Some(self.wanted) {
            self.wanted = self.wanted.wrapping_add(1);
            self.end = Some(End::Closed);
        }
        if answer_due {
            let sequence = self.base.wrapping_add(self.acknowledged);
            self.transmit(ACK, sequence, &[])?;
        }
        Ok(())
    }

    fn transmit(&mut self, flags: u8, sequence: u32, payload: &[u8]) -> io::Result<()> {
        self.segments_sent += 1;
        let frame = frame::build(&self.ends, flags, sequence, self.wanted, payload);
        let Some(bytes) = self.fragment_bytes else {
            return self.socket.send(&frame);
        };
        // Ports never repeat while a datagram of an earlier connection may be incomplete.
        let id = u32::from(self.ends.local.1) * 100 + self.segments_sent as u32;
        fragments::of_frame(&frame, id, bytes)
            .iter()
            .try_for_each(|fragment| self.socket.send(fragment))
    }

    fn receive(&mut self, until: Instant) -> io::Result<Option<Segment>> {
        let until = until.min(self.deadline);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            // Rounded up, since a poll of 0 ms would spin.
            let left = left + Duration::from_millis(1);
            if let Some(length) = self.socket.receive(self.buffer, left)?
                && let Some(segment) = frame::parse(&self.ends, &self.buffer[..length])
            {
                return Ok(Some(segment));
            }
        }
    }

    fn into_exchange(self) -> Exchange {
        Exchange {
            end: self.end.unwrap_or(End::Silence),
            response: self.response,
            acknowledged: self.acknowledged as usize,
            segments_sent: self.segments_sent,
        }
    }
}
