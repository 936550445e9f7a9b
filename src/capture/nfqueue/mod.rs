//! Packets from the kernel's NFQUEUE, over netlink.
//!
//! ```text
//!  kernel ──recvmmsg, 64 at a time──▶ Batch::packets ─▶ (the engine decides)
//!  kernel ◀──one send──────────────── Batch::verdicts ◀─┘
//! ```
//!
//! One [`Queue`] belongs to one thread. After [`Queue::open`] nothing is
//! allocated. A queue that is closed drops what it holds; what becomes of later
//! packets is for the kernel rules to say ([`crate::netfilter`]).

mod error;
mod netlink;
mod packet;
mod socket;
mod stats;
mod verdicts;

use std::io;
use std::time::Duration;

use crate::decode::ChecksumTrust;
use crate::time::Timestamp;

pub use error::OpenError;
pub use packet::Hook;
pub use socket::BATCH;
pub use stats::{KernelStats, QueueStats};
pub use verdicts::{Decision, Verdicts};

use netlink::{MessageWriter, Messages, TooLong};
use packet::Description;
use socket::{NetlinkSocket, SLOT};
use verdicts::{Pending, message_kind};

/// How a queue is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    pub number: u16,
    /// Packets the kernel holds for this queue, those under inspection included.
    pub max_len: u32,
    /// Bytes of messages the kernel keeps for us. What does not fit is lost.
    pub receive_buffer_bytes: usize,
    /// Whether the kernel forwards, unseen, what the queue cannot take.
    pub fail_open: bool,
    /// Take packets of up to 64 KiB that the kernel segments later.
    pub gso: bool,
    /// Bytes of each packet to copy. Less than a packet's length makes it `truncated`.
    pub copy_bytes: u32,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            number: 0,
            max_len: 16_384,
            receive_buffer_bytes: 16 << 20,
            fail_open: false,
            gso: true,
            copy_bytes: 0xffff,
        }
    }
}

/// One NFQUEUE, open.
#[derive(Debug)]
pub struct Queue {
    number: u16,
    socket: NetlinkSocket,
    receive_buffer_bytes: usize,
    arena: Vec<u8>,
    /// The packets of the batch at hand; ranges count from the start of `arena`.
    found: Vec<Description>,
    pending: Pending,
    stats: QueueStats,
}

/// What one [`Queue::receive`] brought.
#[derive(Debug)]
pub struct Batch<'a> {
    pub packets: Packets<'a>,
    pub verdicts: Verdicts<'a>,
}

/// A packet under inspection. It is held in the kernel until decided.
#[derive(Debug)]
pub struct Packet<'a> {
    pub id: u32,
    pub hook: Hook,
    /// From the IP header on. May be changed in place and given to [`Decision::rewrite`].
    pub data: &'a mut [u8],
    pub checksum: ChecksumTrust,
    /// The kernel cuts this into segments later and completes their checksums.
    pub gso: bool,
    pub mark: u32,
    /// The kernel gave less than the whole packet.
    pub truncated: bool,
    /// When the kernel took the packet from the network; unknown for packets of this machine's own.
    pub arrived: Option<Timestamp>,
}

impl Queue {
    /// Takes the queue.
    ///
    /// # Errors
    /// See [`OpenError`]; each says what to do.
    pub fn open(config: &QueueConfig) -> Result<Self, OpenError> {
        let socket = NetlinkSocket::open().map_err(OpenError::Socket)?;
        let option = |name, value| socket.set_option(libc::SOL_NETLINK, name, value);
        // After an overrun a socket without this refuses everything until it is
        // empty: 16 MiB of backlog more would be lost. Losses are counted all
        // the same, in the kernel's table and by the socket (`QueueStats`).
        option(libc::NETLINK_NO_ENOBUFS, 1).map_err(OpenError::Socket)?;
        // Errors must not echo a rewritten packet of 64 KiB.
        option(libc::NETLINK_CAP_ACK, 1).map_err(OpenError::Socket)?;
        // The kernel stamps arriving packets while any socket asks for it; queued ones bring the stamp along.
        socket
            .set_option(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
            .map_err(OpenError::Socket)?;
        let receive_buffer_bytes = socket
            .grow_receive_buffer(config.receive_buffer_bytes)
            .map_err(OpenError::Socket)?;
        let queue = Self {
            number: config.number,
            socket,
            receive_buffer_bytes,
            arena: vec![0; BATCH * SLOT],
            found: Vec::with_capacity(BATCH),
            pending: Pending::new(config.number, BATCH),
            stats: QueueStats::default(),
        };
        queue.configure(config)?;
        Ok(queue)
    }

    fn configure(&self, config: &QueueConfig) -> Result<(), OpenError> {
        let mut flags = 0u32;
        if config.fail_open {
            flags |= libc::NFQA_CFG_F_FAIL_OPEN as u32;
        }
        if config.gso {
            flags |= libc::NFQA_CFG_F_GSO as u32;
        }
        let mask = (libc::NFQA_CFG_F_FAIL_OPEN | libc::NFQA_CFG_F_GSO) as u32;
        // struct nfqnl_msg_config_cmd: command, padding, protocol family.
        let bind = [libc::NFQNL_CFG_CMD_BIND as u8, 0, 0, 0];
        self.command(&[(libc::NFQA_CFG_CMD, &bind)])
            .map_err(|error| OpenError::from_bind(self.number, error))?;
        self.command(&[
            (libc::NFQA_CFG_QUEUE_MAXLEN, &config.max_len.to_be_bytes()),
            (libc::NFQA_CFG_FLAGS, &flags.to_be_bytes()),
            (libc::NFQA_CFG_MASK, &mask.to_be_bytes()),
        ])
        .map_err(|error| OpenError::Configure(self.number, error))?;
        self.start_copying(config.copy_bytes)
            .map_err(|error| OpenError::Configure(self.number, error))
    }

    /// Sends a configuration message and waits for the kernel's answer.
    fn command(&self, attributes: &[(i32, &[u8])]) -> io::Result<()> {
        self.send_config(libc::NLM_F_REQUEST | libc::NLM_F_ACK, attributes)?;
        let mut answer = [0; 256];
        let length = self.socket.receive_one(&mut answer, false)?;
        answered(answer.get(..length).unwrap_or(&answer))
    }

    /// Packets flow as soon as this is done, so its answer could stand behind
    /// some of them: none is asked for. An error still is an answer, and then
    /// the first one, since no packet flows.
    fn start_copying(&self, copy_bytes: u32) -> io::Result<()> {
        // struct nfqnl_msg_config_params: range in network order, mode; packed.
        let range = copy_bytes.to_be_bytes();
        let mode = libc::NFQNL_COPY_PACKET as u8;
        let params = [range[0], range[1], range[2], range[3], mode];
        self.send_config(libc::NLM_F_REQUEST, &[(libc::NFQA_CFG_PARAMS, &params)])?;
        let mut answer = [0; 256];
        match self.socket.receive_one(&mut answer, true) {
            Ok(length) => answered(answer.get(..length).unwrap_or(&answer)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn send_config(&self, flags: i32, attributes: &[(i32, &[u8])]) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(128);
        let kind = message_kind(libc::NFQNL_MSG_CONFIG);
        let mut writer = MessageWriter::begin(&mut buffer, kind, flags as u16, 1, self.number);
        for (kind, value) in attributes {
            writer = writer
                .attribute(*kind as u16, value)
                .map_err(|TooLong| io::Error::from(io::ErrorKind::InvalidInput))?;
        }
        writer.end();
        self.socket.send(&buffer)
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// The receive buffer granted, in bytes. Less than asked for where
    /// `CAP_NET_ADMIN` does not reach the host: then `net.core.rmem_max` limits it,
    /// and bursts are lost; say so.
    pub fn receive_buffer_bytes(&self) -> usize {
        self.receive_buffer_bytes
    }

    /// The next packets, up to 64; waits up to `timeout` for the first.
    /// An empty batch means that the time was up, or a signal came.
    ///
    /// # Errors
    /// The socket failed: the queue must be opened anew.
    pub fn receive(&mut self, timeout: Duration) -> io::Result<Batch<'_>> {
        self.found.clear();
        let mut lengths = [0; BATCH];
        let got = match self.try_receive(&mut lengths)? {
            0 if self.socket.wait(timeout)? => self.try_receive(&mut lengths)?,
            got => got,
        };
        for (index, &length) in lengths.iter().enumerate().take(got) {
            self.read_datagram(index * SLOT, length);
        }
        Ok(Batch {
            packets: Packets {
                rest: &mut self.arena,
                position: 0,
                found: self.found.iter(),
            },
            verdicts: Verdicts {
                socket: &self.socket,
                pending: &mut self.pending,
            },
        })
    }

    fn try_receive(&mut self, lengths: &mut [usize; BATCH]) -> io::Result<usize> {
        match self.socket.receive_many(&mut self.arena, lengths) {
            Ok(got) => Ok(got),
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    // ENOBUFS: messages were lost; `QueueStats` has the number.
                    Some(libc::EAGAIN | libc::EINTR | libc::ENOBUFS)
                ) =>
            {
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    fn read_datagram(&mut self, start: usize, length: usize) {
        let end = start + length.min(SLOT);
        let Some(datagram) = self.arena.get(start..end) else {
            return;
        };
        for message in Messages::of(datagram) {
            let Ok(message) = message else {
                self.stats.malformed += 1;
                return;
            };
            if message.kind == message_kind(libc::NFQNL_MSG_PACKET) {
                let Ok(mut packet) = Description::read(datagram, &message) else {
                    self.stats.malformed += 1;
                    continue;
                };
                self.pending.received(packet.id, packet.data.len());
                packet.data = packet.data.start + start..packet.data.end + start;
                self.found.push(packet);
                continue;
            }
            match message.error(datagram) {
                Some(libc::ENOENT) => self.stats.verdicts_late += 1,
                Some(1..) => self.stats.verdicts_refused += 1,
                _ => {}
            }
        }
    }

    /// For verdicts between two batches.
    pub fn verdicts(&mut self) -> Verdicts<'_> {
        Verdicts {
            socket: &self.socket,
            pending: &mut self.pending,
        }
    }

    /// Losses so far. To be called on a thread in the queue's network namespace.
    ///
    /// # Errors
    /// The kernel's table cannot be read.
    pub fn stats(&self) -> io::Result<QueueStats> {
        Ok(QueueStats {
            kernel: KernelStats::read(self.number)?.unwrap_or_default(),
            overruns: self.socket.overruns()?,
            ..self.stats
        })
    }
}

fn answered(datagram: &[u8]) -> io::Result<()> {
    let code = Messages::of(datagram)
        .flatten()
        .find_map(|message| message.error(datagram));
    match code {
        None | Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The packets of one batch, in the order of their ids.
#[derive(Debug)]
pub struct Packets<'a> {
    /// The arena from `position` on.
    rest: &'a mut [u8],
    position: usize,
    found: std::slice::Iter<'a, Description>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let found = self.found.next()?;
        let data = self.take(&found.data).unwrap_or_default();
        Some(Packet {
            id: found.id,
            hook: found.hook,
            checksum: found.checksum(),
            gso: found.gso(),
            mark: found.mark,
            // Bytes missing where some were described count as cut off, too.
            truncated: found.truncated || data.is_empty(),
            arrived: found.arrived,
            data,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.found.size_hint()
    }
}

impl ExactSizeIterator for Packets<'_> {}

impl<'a> Packets<'a> {
    /// Splits off the bytes of one packet; packets lie one behind the other.
    fn take(&mut self, range: &std::ops::Range<usize>) -> Option<&'a mut [u8]> {
        let skip = range.start.checked_sub(self.position)?;
        let length = range.end.checked_sub(range.start)?;
        let (_, rest) = std::mem::take(&mut self.rest).split_at_mut_checked(skip)?;
        let (data, rest) = rest.split_at_mut_checked(length)?;
        self.rest = rest;
        self.position = range.end;
        Some(data)
    }
}
