//! Verdicts on their way to the kernel: many in one message, many messages in one send.

use std::io;

use super::netlink::{MessageWriter, TooLong};
use super::socket::NetlinkSocket;

/// Sent before more than this is gathered; well below any socket's send buffer.
const BUFFER_LIMIT: usize = 128 * 1024;
/// Header and id of a message that carries a packet.
const MESSAGE_OVERHEAD: usize = 64;

pub(super) const fn message_kind(message: i32) -> u16 {
    (libc::NFNL_SUBSYS_QUEUE << 8 | message) as u16
}

/// What becomes of one queued packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    accept: bool,
    payload: Option<&'a [u8]>,
    mark: Option<u32>,
}

impl<'a> Decision<'a> {
    pub const ACCEPT: Self = Self {
        accept: true,
        payload: None,
        mark: None,
    };
    pub const DROP: Self = Self {
        accept: false,
        payload: None,
        mark: None,
    };

    /// Forward these bytes, from the IP header on, in place of the packet's;
    /// exactly as many as were received. The kernel completes the checksum of a
    /// GSO packet; any other must carry its full checksum.
    pub const fn rewrite(packet: &'a [u8]) -> Self {
        Self {
            accept: true,
            payload: Some(packet),
            mark: None,
        }
    }

    /// Forward it with this mark, for kernel rules behind the queue to see.
    pub const fn accept_with_mark(mark: u32) -> Self {
        Self {
            accept: true,
            payload: None,
            mark: Some(mark),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Undecided,
    Accept,
    /// Accept, with this mark.
    Mark(u32),
    Drop,
    /// Its message, with bytes of its own, is in the buffer already.
    Written,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: u32,
    length: usize,
    state: State,
}

/// Packets received and not yet given back, in the order of receipt.
#[derive(Debug)]
pub(super) struct Pending {
    queue: u16,
    entries: Vec<Entry>,
    /// Where the next decision is likely to belong.
    next: usize,
    undecided: usize,
    buffer: Vec<u8>,
}

impl Pending {
    pub(super) fn new(queue: u16, batch: usize) -> Self {
        Self {
            queue,
            entries: Vec::with_capacity(2 * batch),
            next: 0,
            undecided: 0,
            buffer: Vec::with_capacity(BUFFER_LIMIT),
        }
    }

    pub(super) fn received(&mut self, id: u32, length: usize) {
        self.entries.push(Entry {
            id,
            length,
            state: State::Undecided,
        });
        self.undecided += 1;
    }

    pub(super) fn undecided(&self) -> usize {
        self.undecided
    }

    /// The undecided packet with this id. Packets are mostly decided in their order.
    fn find(&mut self, id: u32) -> Option<&mut Entry> {
        let is_it = |entry: &Entry| entry.id == id && entry.state == State::Undecided;
        let at = match self.entries.get(self.next) {
            Some(entry) if is_it(entry) => self.next,
            _ => self.entries.iter().position(is_it)?,
        };
        self.next = at + 1;
        self.entries.get_mut(at)
    }

    fn write_all(&mut self) {
        // A batch verdict takes every packet up to its id. In front of an
        // undecided one it is safe, behind it each packet needs its own.
        let mut spans_undecided = false;
        let mut at = 0;
        while let Some(&Entry { id, state, .. }) = self.entries.get(at) {
            at += 1;
            let accept = match state {
                State::Undecided => {
                    spans_undecided = true;
                    continue;
                }
                State::Written => continue,
                State::Mark(mark) => {
                    write_with_mark(&mut self.buffer, self.queue, id, mark);
                    continue;
                }
                State::Accept => true,
                State::Drop => false,
            };
            if spans_undecided {
                write(&mut self.buffer, self.queue, false, accept, id);
                continue;
            }
            let (mut last, mut count) = (id, 1);
            while let Some(entry) = self.entries.get(at) {
                if entry.state == state {
                    last = entry.id;
                    count += 1;
                } else if entry.state != State::Written {
                    break;
                }
                at += 1;
            }
            write(&mut self.buffer, self.queue, count > 1, accept, last);
        }
        self.entries.retain(|entry| entry.state == State::Undecided);
        self.next = 0;
    }
}

/// Where verdicts are given; taken to the kernel by [`flush`](Self::flush).
#[derive(Debug)]
pub struct Verdicts<'a> {
    pub(super) socket: &'a NetlinkSocket,
    pub(super) pending: &'a mut Pending,
}

impl Verdicts<'_> {
    /// Decides one packet. Nothing is sent before [`flush`](Self::flush), unless much has gathered.
    ///
    /// # Errors
    /// `InvalidInput`: no such packet is undecided, or a rewritten packet has
    /// another length than the one received; it stays undecided. Otherwise as `flush`.
    pub fn decide(&mut self, id: u32, decision: Decision<'_>) -> io::Result<()> {
        if let Some(bytes) = decision.payload
            && self.pending.buffer.len() + bytes.len() + MESSAGE_OVERHEAD > BUFFER_LIMIT
        {
            self.flush()?;
        }
        let queue = self.pending.queue;
        let Some(entry) = self.pending.find(id) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("packet {id} of queue {queue} awaits no verdict"),
            ));
        };
        if decision.payload.is_some_and(|b| b.len() != entry.length) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("packet {id} of queue {queue} may be rewritten at equal length only"),
            ));
        }
        if let Some(bytes) = decision.payload {
            entry.state = State::Written;
            write_with_bytes(&mut self.pending.buffer, queue, id, decision.accept, bytes)
                .map_err(|TooLong| io::Error::from(io::ErrorKind::InvalidInput))?;
        } else {
            entry.state = match decision.mark {
                Some(mark) => State::Mark(mark),
                None if decision.accept => State::Accept,
                None => State::Drop,
            };
        }
        self.pending.undecided -= 1;
        Ok(())
    }

    /// Packets received that no verdict was given for.
    pub fn undecided(&self) -> usize {
        self.pending.undecided()
    }

    /// Sends what was decided; the kernel has carried it out when this returns.
    ///
    /// # Errors
    /// The kernel could not take the messages; they are kept for the next `flush`.
    pub fn flush(&mut self) -> io::Result<()> {
        self.pending.write_all();
        if !self.pending.buffer.is_empty() {
            self.socket.send(&self.pending.buffer)?;
            self.pending.buffer.clear();
        }
        Ok(())
    }
}

/// struct nfqnl_msg_verdict_hdr: verdict, id, both in network order.
fn verdict_header(accept: bool, id: u32) -> [u8; 8] {
    let verdict = if accept {
        libc::NF_ACCEPT
    } else {
        libc::NF_DROP
    };
    let mut header = [0; 8];
    header[..4].copy_from_slice(&verdict.to_be_bytes());
    header[4..].copy_from_slice(&id.to_be_bytes());
    header
}

fn write(buffer: &mut Vec<u8>, queue: u16, batch: bool, accept: bool, id: u32) {
    let kind = message_kind(if batch {
        libc::NFQNL_MSG_VERDICT_BATCH
    } else {
        libc::NFQNL_MSG_VERDICT
    });
    let header = verdict_header(accept, id);
    let writer = MessageWriter::begin(buffer, kind, libc::NLM_F_REQUEST as u16, 0, queue);
    if let Ok(writer) = writer.attribute(libc::NFQA_VERDICT_HDR as u16, &header) {
        writer.end();
    }
}

fn write_with_mark(buffer: &mut Vec<u8>, queue: u16, id: u32, mark: u32) {
    let kind = message_kind(libc::NFQNL_MSG_VERDICT);
    let header = verdict_header(true, id);
    let written = MessageWriter::begin(buffer, kind, libc::NLM_F_REQUEST as u16, 0, queue)
        .attribute(libc::NFQA_VERDICT_HDR as u16, &header)
        .and_then(|writer| writer.attribute(libc::NFQA_MARK as u16, &mark.to_be_bytes()));
    if let Ok(writer) = written {
        writer.end();
    }
}

fn write_with_bytes(
    buffer: &mut Vec<u8>,
    queue: u16,
    id: u32,
    accept: bool,
    bytes: &[u8],
) -> Result<(), TooLong> {
    let kind = message_kind(libc::NFQNL_MSG_VERDICT);
    let header = verdict_header(accept, id);
    MessageWriter::begin(buffer, kind, libc::NLM_F_REQUEST as u16, 0, queue)
        .attribute(libc::NFQA_VERDICT_HDR as u16, &header)?
        .attribute(libc::NFQA_PAYLOAD as u16, bytes)?
        .end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::netlink::{Attributes, Messages};
    use super::*;

    /// Carries messages out as the kernel does; the packets left are undecided.
    fn kernel(held: &mut BTreeMap<u32, Option<bool>>, buffer: &[u8]) -> Vec<(u32, bool)> {
        let mut carried_out = Vec::new();
        for message in Messages::of(buffer) {
            let message = message.unwrap();
            let attribute = Attributes::within(buffer, message.attributes())
                .next()
                .unwrap()
                .unwrap();
            let value = &buffer[attribute.value];
            let accept = value[3] == 1;
            let id = u32::from_be_bytes(value[4..8].try_into().unwrap());
            let ids: Vec<u32> = if message.kind == message_kind(libc::NFQNL_MSG_VERDICT_BATCH) {
                held.range(..=id).map(|(&id, _)| id).collect()
            } else {
                held.get_key_value(&id)
                    .map(|(&id, _)| id)
                    .into_iter()
                    .collect()
            };
            for id in ids {
                held.remove(&id);
                carried_out.push((id, accept));
            }
        }
        carried_out
    }

    proptest! {
        /// Whatever is decided, in whatever order, with flushes in between: each packet gets
        /// exactly its own verdict and none that is undecided gets any.
        #[test]
        fn every_packet_gets_its_own_verdict(
            rounds in prop::collection::vec(
                (1u32..20, prop::collection::vec((any::<prop::sample::Index>(), 0u8..5), 0..25)), 1..6)
        ) {
            let mut pending = Pending::new(0, 64);
            let mut held = BTreeMap::new();
            let mut undecided = Vec::new();
            let mut next_id = 1;
            for (arrivals, decisions) in rounds {
                for _ in 0..arrivals {
                    pending.received(next_id, 0);
                    held.insert(next_id, None);
                    undecided.push(next_id);
                    next_id += 1;
                }
                let mut expected = BTreeMap::new();
                for (which, decision) in decisions {
                    if undecided.is_empty() {
                        break;
                    }
                    let id = undecided.remove(which.index(undecided.len()));
                    let decision = match decision {
                        0 | 1 => Decision::ACCEPT,
                        2 => Decision::DROP,
                        3 => Decision::accept_with_mark(7),
                        _ => Decision::rewrite(b""),
                    };
                    let entry = pending.find(id).unwrap();
                    if let Some(bytes) = decision.payload {
                        entry.state = State::Written;
                        write_with_bytes(&mut pending.buffer, 0, id, true, bytes).unwrap();
                    } else {
                        entry.state = match (decision.mark, decision.accept) {
                            (Some(mark), _) => State::Mark(mark),
                            (None, true) => State::Accept,
                            (None, false) => State::Drop,
                        };
                    }
                    expected.insert(id, decision.accept);
                }
                pending.write_all();
                let carried_out: BTreeMap<_, _> = kernel(&mut held, &pending.buffer).into_iter().collect();
                pending.buffer.clear();
                prop_assert_eq!(carried_out, expected);
                prop_assert!(held.keys().eq(undecided.iter().collect::<std::collections::BTreeSet<_>>().into_iter()));
            }
        }
    }

    fn messages(pending: &mut Pending) -> usize {
        pending.write_all();
        Messages::of(&pending.buffer).count()
    }

    #[test]
    fn a_run_of_equal_verdicts_is_one_message() {
        let socket = NetlinkSocket::open().unwrap();
        let mut pending = Pending::new(0, 64);
        for id in 1..=64 {
            pending.received(id, 40);
        }
        let mut verdicts = Verdicts {
            socket: &socket,
            pending: &mut pending,
        };
        for id in 1..=64 {
            let decision = if id == 30 {
                Decision::DROP
            } else {
                Decision::ACCEPT
            };
            verdicts.decide(id, decision).unwrap();
        }
        assert_eq!(verdicts.undecided(), 0);
        assert_eq!(messages(&mut pending), 3);
    }

    #[test]
    fn a_mark_is_of_one_packet_and_keeps_its_place() {
        let mut pending = Pending::new(0, 64);
        for id in 1..=5 {
            pending.received(id, 40);
            pending.find(id).unwrap().state = State::Accept;
        }
        pending.entries[2].state = State::Mark(0x0102_0304);
        pending.write_all();
        let read = |message: Result<_, _>| {
            let message: super::super::netlink::Message = message.unwrap();
            let values = Attributes::within(&pending.buffer, message.attributes())
                .map(|a| pending.buffer[a.unwrap().value].to_vec());
            (message.kind, values.collect::<Vec<_>>())
        };
        let messages: Vec<_> = Messages::of(&pending.buffer).map(read).collect();
        let batch = message_kind(libc::NFQNL_MSG_VERDICT_BATCH);
        let one = message_kind(libc::NFQNL_MSG_VERDICT);
        let header = |id| verdict_header(true, id).to_vec();
        assert_eq!(
            messages,
            [
                (batch, vec![header(2)]),
                (one, vec![header(3), vec![1, 2, 3, 4]]),
                (batch, vec![header(5)]),
            ]
        );
    }

    #[test]
    fn a_packet_is_decided_once_and_rewritten_at_equal_length() {
        let socket = NetlinkSocket::open().unwrap();
        let mut pending = Pending::new(0, 64);
        pending.received(7, 4);
        let mut verdicts = Verdicts {
            socket: &socket,
            pending: &mut pending,
        };
        assert!(verdicts.decide(8, Decision::ACCEPT).is_err());
        assert!(verdicts.decide(7, Decision::rewrite(b"abc")).is_err());
        assert_eq!(verdicts.undecided(), 1);
        verdicts.decide(7, Decision::rewrite(b"abcd")).unwrap();
        assert!(verdicts.decide(7, Decision::ACCEPT).is_err());
        assert_eq!(verdicts.undecided(), 0);
    }
}
