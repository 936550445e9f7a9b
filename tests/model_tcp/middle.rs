//! What stands between the hosts: the engine's tracker, and worse ones that the test must notice.

use std::collections::BTreeMap;

use stopgap::counters::Counters;
use stopgap::decode::{ChecksumTrust, Transport, decode_ip};
use stopgap::direction::Direction;
use stopgap::stream::{self, ChunkPool, Delivery, Normaliser, Shared, StreamConfig, TcpSession};

use super::segment::{ACK, FIN, RST, SYN, Segment, Side, URG};

/// A byte, or [`UNSEEN`].
pub type Inspected = u16;
/// The receiver has a byte here that never passed.
pub const UNSEEN: Inspected = 256;

/// What was delivered of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    pub opener: Side,
    /// Initial sequence number of the opener.
    pub isn: u32,
    /// By the side that sent the bytes.
    pub delivered: [Vec<Inspected>; 2],
}

impl Connection {
    fn opened_by(opener: Side) -> Self {
        Self {
            opener,
            isn: 0,
            delivered: Default::default(),
        }
    }
}

pub trait Middle {
    fn with(profile: Normaliser) -> Self
    where
        Self: Sized;
    /// Delivers what becomes contiguous, then forwards the segment (perhaps edited), or refuses it and says why.
    fn judge(&mut self, segment: &mut Segment) -> Result<(), String>;
    /// All connections so far, the newest last.
    fn connections(&self) -> &[Connection];
}

/// The engine's tracker, fed with packets; a flow opens and gives way as in the worker.
pub struct Stopgap {
    session: Option<TcpSession>,
    pool: ChunkPool,
    config: StreamConfig,
    counters: Counters,
    connections: Vec<Connection>,
    packet: Vec<u8>,
}

impl Middle for Stopgap {
    fn with(profile: Normaliser) -> Self {
        let config = StreamConfig {
            normalise: profile,
            ..StreamConfig::default()
        };
        Self {
            session: None,
            pool: ChunkPool::new(&config),
            config,
            counters: Counters::default(),
            connections: Vec::new(),
            packet: Vec::new(),
        }
    }

    fn judge(&mut self, segment: &mut Segment) -> Result<(), String> {
        segment.write(&mut self.packet);
        let packet = decode_ip(&self.packet, ChecksumTrust::Unverified)
            .map_err(|malformed| malformed.reason.as_str().to_owned())?;
        let Transport::Tcp(tcp) = packet.transport else {
            panic!("the model sends TCP");
        };
        let opens = segment.flags & (SYN | ACK | RST | FIN) == SYN;
        let view = |dir| stream::Segment {
            dir,
            tcp: &tcp,
            payload: packet.payload,
            ttl: packet.ip.ttl,
        };
        if opens && self.session.is_none() {
            self.session = Some(TcpSession::from_syn(&view(Direction::ToServer)));
            self.connections.push(Connection::opened_by(segment.from));
        }
        let (Some(session), Some(opener)) =
            (&mut self.session, self.connections.last().map(|c| c.opener))
        else {
            return Err("midstream".to_owned());
        };
        let dir = if segment.from == opener {
            Direction::ToServer
        } else {
            Direction::ToClient
        };
        let connections = &mut self.connections;
        let outcome = session.on_segment(
            &view(dir),
            &mut Shared {
                pool: &mut self.pool,
                config: &self.config,
                counters: &self.counters,
            },
            &mut |dir, delivery| {
                if delivery == Delivery::Restart {
                    connections.push(Connection::opened_by(opener));
                }
                let sender = match dir {
                    Direction::ToServer => opener,
                    Direction::ToClient => opener.peer(),
                };
                let newest = connections.last_mut().expect("one was opened");
                let stream = &mut newest.delivered[sender.index()];
                match delivery {
                    Delivery::Bytes(bytes) => {
                        stream.extend(bytes.iter().map(|b| Inspected::from(*b)));
                    }
                    Delivery::Gap(missed) => {
                        stream.resize(stream.len() + missed as usize, UNSEEN);
                    }
                    Delivery::Restart | Delivery::Resume => {}
                }
            },
        );
        if let Some(newest) = connections.last_mut() {
            let delivered = newest.delivered[opener.index()].len() as u32;
            let next = session.next_sequence(Direction::ToServer);
            newest.isn = next.wrapping_sub(delivered).wrapping_sub(1);
        }
        if let Some(reason) = outcome.refused {
            return Err(reason.as_str().to_owned());
        }
        let edit = outcome.edit;
        segment.ttl = edit.ttl.unwrap_or(segment.ttl);
        if edit.clear_urgent {
            segment.flags &= !URG;
            segment.urgent = 0;
        }
        Ok(())
    }

    fn connections(&self) -> &[Connection] {
        &self.connections
    }
}

/// Forwards all, and believes the first copy of each byte.
pub struct FirstCopy {
    /// By side, the sequence number of the first byte and what came from there on.
    streams: [Option<(u32, BTreeMap<u32, u8>)>; 2],
    connections: Vec<Connection>,
}

impl Middle for FirstCopy {
    fn with(_: Normaliser) -> Self {
        Self {
            streams: [None, None],
            connections: Vec::new(),
        }
    }

    fn judge(&mut self, segment: &mut Segment) -> Result<(), String> {
        let side = segment.from.index();
        if segment.has(SYN) && self.streams[side].is_none() {
            self.streams[side] = Some((segment.seq.wrapping_add(1), BTreeMap::new()));
            if self.connections.is_empty() {
                self.connections.push(Connection {
                    opener: segment.from,
                    isn: segment.seq,
                    delivered: Default::default(),
                });
            }
        }
        if let (Some((first, bytes)), Some(connection)) =
            (&mut self.streams[side], self.connections.last_mut())
        {
            let offset = segment.seq.wrapping_sub(*first);
            for (index, byte) in segment.payload.iter().enumerate() {
                bytes
                    .entry(offset.wrapping_add(index as u32))
                    .or_insert(*byte);
            }
            let stream = &mut connection.delivered[side];
            while let Some(byte) = bytes.get(&(stream.len() as u32)) {
                stream.push(Inspected::from(*byte));
            }
        }
        Ok(())
    }

    fn connections(&self) -> &[Connection] {
        &self.connections
    }
}

/// Looks no further once a reset has gone by, wherever it pointed.
pub struct BelievesResets {
    inner: Stopgap,
    over: bool,
}

impl Middle for BelievesResets {
    fn with(profile: Normaliser) -> Self {
        Self {
            inner: Stopgap::with(profile),
            over: false,
        }
    }

    fn judge(&mut self, segment: &mut Segment) -> Result<(), String> {
        self.over |= segment.has(RST);
        if self.over {
            return Ok(());
        }
        self.inner.judge(segment)
    }

    fn connections(&self) -> &[Connection] {
        self.inner.connections()
    }
}

/// Cuts the connection off with the first segment that it refuses.
pub struct CutsOff {
    inner: Stopgap,
    over: bool,
}

impl Middle for CutsOff {
    fn with(profile: Normaliser) -> Self {
        Self {
            inner: Stopgap::with(profile),
            over: false,
        }
    }

    fn judge(&mut self, segment: &mut Segment) -> Result<(), String> {
        if self.over {
            return Err("cut off".to_owned());
        }
        let judged = self.inner.judge(segment);
        self.over |= judged.is_err();
        judged
    }

    fn connections(&self) -> &[Connection] {
        self.inner.connections()
    }
}
