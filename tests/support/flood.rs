//! Floods of packets that no kernel's TCP would send, at a bounded rate, from the extra link.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Fallible;
use super::netns::{Family, Lab, RAW_CLIENT_MAC, RAW_GATEWAY_MAC, RAW_INTERFACE};
use super::random::Random;
use super::rawtcp::frame::{self, ACK, Ends, SYN};
use super::tap::PacketSocket;

/// Where [`Holder`] listens.
pub const HOLDER_PORT: u16 = 8099;
/// Sources of random packets: this network is routed to the extra link, where nobody answers.
const SOURCES: (Ipv4Addr, u32) = (Ipv4Addr::new(10, 96, 0, 0), 12);
const FIRST_PORT: u16 = 10_000;
/// Bytes of a segment behind a hole.
const PIECE: u32 = 1_000;
/// Segments behind the hole of one flow: as many as a window without scaling takes.
const PIECES: u32 = 64;
/// One-byte segments of one flow that are not acknowledged.
const IN_FLIGHT: u32 = 32;
const BURST_EVERY: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flood {
    /// SYNs from random sources.
    Syn,
    /// First fragments of datagrams that are never completed.
    FirstFragments,
    /// Segments behind a hole that is never filled, on so many flows.
    Holes { flows: u16 },
    /// One-byte segments on so many flows: in order on the even ones, every other byte on the others.
    OneByte { flows: u16 },
}

/// Sends for so long, at most `rate` packets a second; how many were sent.
pub fn run(lab: &Lab, flood: Flood, rate: u64, during: Duration) -> Fallible<u64> {
    let socket = lab.inside(&lab.client(), || PacketSocket::open(RAW_INTERFACE))??;
    let server = lab.server_address(Family::V4);
    let mut random = Random::new(0xf100d);
    match flood {
        Flood::Syn => paced(&socket, rate, during, || {
            let source = IpAddr::V4(random_source(&mut random));
            let ends = Ends {
                local: (source, 1024 + random.below(60_000) as u16),
                remote: (server, super::nginx::PORT),
            };
            frame::build(&ends, SYN, random.next() as u32, 0, b"")
        }),
        Flood::FirstFragments => paced(&socket, rate, during, || {
            first_fragment(random_source(&mut random), server, random.next() as u16)
        }),
        Flood::Holes { flows } => {
            let flows = RawFlows::open(lab, &socket, flows)?;
            let mut turn = 0;
            paced(&socket, rate, during, || {
                let (flow, piece) = flows.place(turn);
                turn += 1;
                let offset = 1 + PIECE * (piece % PIECES);
                flows.segment(flow, offset, &[b'h'; PIECE as usize])
            })
        }
        Flood::OneByte { flows } => {
            let mut flows = RawFlows::open(lab, &socket, flows)?;
            let mut turn = 0;
            paced(&socket, rate, during, || {
                let (flow, round) = flows.place(turn);
                turn += 1;
                let offset = if flow % 2 == 0 {
                    flows.next_in_order(flow)
                } else {
                    1 + 2 * (round % 1_000)
                };
                flows.segment(flow, offset, b"o")
            })
        }
    }
}

/// Lets random sources reach the server, and its answers come back to the extra link.
pub fn prepare(lab: &Lab) -> Fallible<()> {
    let network = format!("{}/{}", SOURCES.0, SOURCES.1);
    let route = ["route", "add", &network, "via", "10.83.3.2", "dev", "raw0"];
    let done = lab.gateway_runs("ip", &route, Duration::from_secs(5))?;
    if done.code() != 0 {
        return Err(done.text().into());
    }
    lab.inside(&lab.gateway(), || -> io::Result<()> {
        for interface in ["all", "raw0"] {
            let path = format!("/proc/sys/net/ipv4/conf/{interface}/rp_filter");
            std::fs::write(path, "0")?;
        }
        Ok(())
    })??;
    Ok(())
}

fn paced(
    socket: &PacketSocket,
    rate: u64,
    during: Duration,
    mut next: impl FnMut() -> Vec<u8>,
) -> Fallible<u64> {
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < during {
        let due = (started.elapsed().as_secs_f64() * rate as f64) as u64;
        while sent < due {
            // A full device queue bounds the rate, too.
            let _ = socket.send(&next());
            sent += 1;
        }
        thread::sleep(BURST_EVERY);
    }
    Ok(sent)
}

fn random_source(random: &mut Random) -> Ipv4Addr {
    let hosts = 1 << (32 - SOURCES.1);
    Ipv4Addr::from_bits(SOURCES.0.to_bits() + random.below(hosts) as u32)
}

/// UDP, with more fragments to come.
fn first_fragment(source: Ipv4Addr, server: IpAddr, id: u16) -> Vec<u8> {
    const PAYLOAD: usize = 1_400;
    let IpAddr::V4(server) = server else {
        return Vec::new();
    };
    let mut ip = vec![0x45, 0];
    ip.extend((20 + PAYLOAD as u16).to_be_bytes());
    ip.extend(id.to_be_bytes());
    // More fragments, offset 0; TTL; UDP.
    ip.extend([0x20, 0, 64, 17, 0, 0]);
    ip.extend(source.octets());
    ip.extend(server.octets());
    let sum = frame::checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = Vec::with_capacity(34 + PAYLOAD);
    frame.extend(RAW_GATEWAY_MAC);
    frame.extend(RAW_CLIENT_MAC);
    frame.extend([0x08, 0x00]);
    frame.extend(ip);
    frame.extend([0x30, 0x39, 0x23, 0x28, 0x0b, 0x00, 0, 0]);
    frame.resize(34 + PAYLOAD, b'f');
    frame
}

/// Established connections of our own TCP to [`Holder`], from one address, a port each.
struct RawFlows<'a> {
    socket: &'a PacketSocket,
    local: IpAddr,
    server: IpAddr,
    flows: Vec<RawFlow>,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
struct RawFlow {
    /// Next sequence number of the server, once it has answered.
    wanted: Option<u32>,
    /// Bytes sent, and acknowledged, of in-order flows.
    sent: u32,
    acknowledged: u32,
}

impl<'a> RawFlows<'a> {
    fn open(lab: &Lab, socket: &'a PacketSocket, count: u16) -> Fallible<Self> {
        let mut all = Self {
            socket,
            local: lab.raw_address(Family::V4),
            server: lab.server_address(Family::V4),
            flows: vec![RawFlow::default(); usize::from(count)],
            buffer: vec![0; 1 << 17],
        };
        for _round in 0..5 {
            for flow in 0..all.flows.len() {
                if all.flows[flow].wanted.is_none() {
                    socket.send(&all.frame(flow, SYN, isn(flow), b""))?;
                }
                if flow % 64 == 63 {
                    all.listen(Duration::from_millis(1));
                }
            }
            all.listen(Duration::from_millis(500));
        }
        let open = all.flows.iter().filter(|f| f.wanted.is_some()).count();
        println!("  {open} of {count} flows are open");
        if open * 100 < all.flows.len() * 99 {
            return Err(format!("only {open} of {count} connections came about").into());
        }
        Ok(all)
    }

    /// Which flow has its turn, and for which time.
    fn place(&self, turn: u32) -> (usize, u32) {
        let count = self.flows.len() as u32;
        ((turn % count) as usize, turn / count)
    }

    /// Takes in what has come, until nothing more comes for so long.
    fn listen(&mut self, patience: Duration) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Ok(Some(length)) = self.socket.receive(&mut buffer, patience) {
            self.take(&buffer[..length]);
        }
        self.buffer = buffer;
    }

    fn take(&mut self, bytes: &[u8]) -> Option<()> {
        let port = u16::from_be_bytes(bytes.get(36..38)?.try_into().ok()?);
        let flow = usize::from(port.checked_sub(FIRST_PORT)?);
        let ends = self.ends(flow);
        let segment = frame::parse(&ends, bytes)?;
        let state = self.flows.get_mut(flow)?;
        let first = isn(flow).wrapping_add(1);
        if segment.flags & (SYN | ACK) == SYN | ACK {
            state.wanted = Some(segment.sequence.wrapping_add(1));
            let ack = self.frame(flow, ACK, first, b"");
            let _ = self.socket.send(&ack);
        } else if segment.flags & ACK != 0 {
            state.acknowledged = state.acknowledged.max(segment.ack.wrapping_sub(first));
        }
        Some(())
    }

    fn next_in_order(&mut self, flow: usize) -> u32 {
        if self.flows[flow].sent - self.flows[flow].acknowledged >= IN_FLIGHT {
            self.listen(Duration::ZERO);
        }
        let state = &mut self.flows[flow];
        if state.sent.saturating_sub(state.acknowledged) >= IN_FLIGHT {
            return state.acknowledged;
        }
        state.sent = state.sent.max(state.acknowledged) + 1;
        state.sent - 1
    }

    fn segment(&self, flow: usize, offset: u32, payload: &[u8]) -> Vec<u8> {
        let sequence = isn(flow).wrapping_add(1).wrapping_add(offset);
        self.frame(flow, ACK, sequence, payload)
    }

    fn frame(&self, flow: usize, flags: u8, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let ack = self.flows[flow].wanted.unwrap_or(0);
        frame::build(&self.ends(flow), flags, sequence, ack, payload)
    }

    fn ends(&self, flow: usize) -> Ends {
        Ends {
            local: (self.local, FIRST_PORT + flow as u16),
            remote: (self.server, HOLDER_PORT),
        }
    }
}

fn isn(flow: usize) -> u32 {
    (flow as u32).wrapping_mul(1_000_003)
}

/// Takes every connection, and reads what comes in order.
#[derive(Debug)]
pub struct Holder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Holder {
    pub fn start(lab: &Lab) -> Fallible<Self> {
        more_descriptors();
        let listener = lab.inside(&lab.server(), || {
            TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], HOLDER_PORT)))
        })??;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut held = Vec::new();
            let mut buffer = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                while let Ok((stream, _)) = listener.accept() {
                    if stream.set_nonblocking(true).is_ok() {
                        held.push(stream);
                    }
                }
                for stream in &mut held {
                    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// As many as this process may have.
fn more_descriptors() {
    // SAFETY: both calls get a live rlimit.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
