//! A flood of small UDP packets, and what of it arrives.

use std::fs;
use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::Fallible;
use super::netns::{Family, Lab};

const PORT: u16 = 9000;

/// Sends from one port, as fast as one thread can; how many were sent.
pub fn flood(lab: &Lab, count: u64) -> Fallible<u64> {
    let to = SocketAddr::new(lab.server_address(Family::V4), PORT);
    let namespace = lab.client();
    Ok(lab.inside(&namespace, || -> io::Result<u64> {
        let socket = UdpSocket::bind(("0.0.0.0", 9001))?;
        let mut sent = 0;
        for _ in 0..count {
            sent += u64::from(socket.send_to(&[7; 36], to).is_ok());
        }
        Ok(sent)
    })??)
}

/// Counts the IPv4 packets that arrive in the server namespace.
#[derive(Debug)]
pub struct Sink<'a> {
    lab: &'a Lab,
    /// Open, so that no ICMP goes back; never read, since the kernel counts before it.
    _socket: UdpSocket,
}

impl<'a> Sink<'a> {
    pub fn open(lab: &'a Lab) -> Fallible<Self> {
        let namespace = lab.server();
        let socket = lab.inside(&namespace, || UdpSocket::bind(("0.0.0.0", PORT)))??;
        Ok(Self {
            lab,
            _socket: socket,
        })
    }

    pub fn arrived(&self) -> Fallible<u64> {
        let namespace = self.lab.server();
        let text = self.lab.inside(&namespace, || {
            fs::read_to_string("/proc/thread-self/net/snmp")
        })??;
        let mut lines = text.lines().filter(|line| line.starts_with("Ip:"));
        let (names, values) = lines.next().zip(lines.next()).ok_or("no IP counters")?;
        names
            .split_whitespace()
            .zip(values.split_whitespace())
            .find(|(name, _)| *name == "InReceives")
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| "no InReceives".into())
    }
}
