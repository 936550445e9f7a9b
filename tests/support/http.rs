//! A plain HTTP client on the kernel's own TCP, for tests that hold a connection open or time answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Fallible;
use super::netns::Lab;

/// One keep-alive connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects from the client namespace.
    pub fn open(lab: &Lab, server: SocketAddr, patience: Duration) -> Fallible<Self> {
        let namespace = lab.client();
        Ok(lab.inside(&namespace, || Self::open_here(server, patience))??)
    }

    /// Connects from the calling thread's namespace.
    pub fn open_here(server: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one answer with its body; the status.
    pub fn answer(&mut self) -> io::Result<u16> {
        let head_end = self.read_until(|got| got.windows(4).position(|w| w == b"\r\n\r\n"))? + 4;
        let head = String::from_utf8_lossy(&self.received[..head_end]).to_ascii_lowercase();
        let body = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|n| n.trim().parse::<usize>().ok())
            .unwrap_or(0);
        self.read_until(|got| (got.len() >= head_end + body).then_some(0))?;
        self.received.drain(..head_end + body);
        head.split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(|| io::Error::other("no status in the answer"))
    }

    pub fn get(&mut self, target: &str) -> io::Result<u16> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n").as_bytes())?;
        self.answer()
    }

    fn read_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> io::Result<usize> {
        let mut buffer = [0u8; 16384];
        loop {
            if let Some(at) = found(&self.received) {
                return Ok(at);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => self.received.extend_from_slice(&buffer[..n]),
            }
        }
    }
}

/// One request on a connection of its own; the status, 0 without an answer.
pub fn once_here(server: SocketAddr, target: &str, patience: Duration) -> u16 {
    Connection::open_here(server, patience)
        .and_then(|mut connection| connection.get(target))
        .unwrap_or(0)
}

/// Times of paced requests on one connection.
pub fn latencies(
    lab: &Lab,
    server: SocketAddr,
    every: Duration,
    while_true: impl Fn() -> bool + Send + Sync,
) -> Fallible<Vec<Duration>> {
    let namespace = lab.client();
    Ok(lab.inside(&namespace, || -> io::Result<_> {
        let mut connection = Connection::open_here(server, Duration::from_secs(5))?;
        let mut times = Vec::new();
        while while_true() {
            let started = Instant::now();
            connection.get("/")?;
            let took = started.elapsed();
            times.push(took);
            std::thread::sleep(every.saturating_sub(took));
        }
        Ok(times)
    })??)
}

/// The time that `percent` of the sorted times do not exceed.
pub fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(at).copied().unwrap_or_default()
}
