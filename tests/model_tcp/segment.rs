//! A TCP segment as the model knows it, and as bytes.

use std::fmt;

/// One end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    pub const fn index(self) -> usize {
        self as usize
    }
}

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;

/// Serial number arithmetic of RFC 9293 section 3.4.
pub fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

pub fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub window_scale: Option<u8>,
    pub sack_permitted: bool,
    /// Value and echo reply.
    pub timestamps: Option<(u32, u32)>,
    pub md5: bool,
    /// A fast open cookie, which the server takes whatever it is (`tcp_fastopen=0x200`).
    pub fast_open: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub from: Side,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    pub options: Options,
    pub payload: Vec<u8>,
    pub ttl: u8,
    pub bad_checksum: bool,
    /// Neither end's stack made it.
    pub crafted: bool,
}

/// What an honest stack sends.
pub const HONEST_TTL: u8 = 64;
/// Routers between the engine and the receiver.
pub const HOPS_BEHIND: u8 = 4;

impl Segment {
    pub fn new(from: Side, flags: u8, seq: u32, ack: u32) -> Self {
        Self {
            from,
            seq,
            ack,
            flags,
            window: 60_000,
            urgent: 0,
            options: Options::default(),
            payload: Vec::new(),
            ttl: HONEST_TTL,
            bad_checksum: false,
            crafted: false,
        }
    }

    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The sequence number behind the segment.
    pub fn end(&self) -> u32 {
        let controls = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.seq
            .wrapping_add(self.payload.len() as u32)
            .wrapping_add(controls)
    }

    /// As an IPv4 datagram.
    pub fn write(&self, out: &mut Vec<u8>) {
        let ends = [([10, 0, 0, 1], 40_000u16), ([10, 0, 0, 2], 80u16)];
        let (src, dst) = (ends[self.from.index()], ends[self.from.peer().index()]);
        out.clear();
        out.extend_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, self.ttl, 6, 0, 0]);
        out.extend_from_slice(&src.0);
        out.extend_from_slice(&dst.0);
        out.extend_from_slice(&src.1.to_be_bytes());
        out.extend_from_slice(&dst.1.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.ack.to_be_bytes());
        out.extend_from_slice(&[0, self.flags]);
        out.extend_from_slice(&self.window.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.urgent.to_be_bytes());
        self.options.write(out);
        while !out.len().is_multiple_of(4) {
            out.push(1);
        }
        let header = out.len() - IP_HEADER;
        out[IP_HEADER + 12] = (header as u8 / 4) << 4;
        out.extend_from_slice(&self.payload);
        let total = out.len() as u16;
        out[2..4].copy_from_slice(&total.to_be_bytes());
        let ip = !fold(sum(&out[..IP_HEADER], 0));
        out[10..12].copy_from_slice(&ip.to_be_bytes());
        let pseudo = sum(&out[12..20], 6 + u32::from(total) - IP_HEADER as u32);
        let tcp = !fold(sum(&out[IP_HEADER..], pseudo)) ^ u16::from(self.bad_checksum);
        out[IP_HEADER + 16..IP_HEADER + 18].copy_from_slice(&tcp.to_be_bytes());
    }
}

const IP_HEADER: usize = 20;

impl Options {
    fn write(&self, out: &mut Vec<u8>) {
        if let Some(shift) = self.window_scale {
            out.extend_from_slice(&[3, 3, shift]);
        }
        if self.sack_permitted {
            out.extend_from_slice(&[4, 2]);
        }
        if let Some((value, echo)) = self.timestamps {
            out.extend_from_slice(&[8, 10]);
            out.extend_from_slice(&value.to_be_bytes());
            out.extend_from_slice(&echo.to_be_bytes());
        }
        if self.md5 {
            out.extend_from_slice(&[19, 18]);
            out.extend_from_slice(&[0x5a; 16]);
        } else if self.fast_open {
            out.extend_from_slice(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
        }
    }
}

/// RFC 1071, not yet folded.
fn sum(bytes: &[u8], start: u32) -> u32 {
    bytes.chunks(2).fold(start, |sum, pair| {
        sum + u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0))
    })
}

fn fold(sum: u32) -> u16 {
    let once = (sum >> 16) + (sum & 0xffff);
    ((once >> 16) + (once & 0xffff)) as u16
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (SYN, 'S'),
            (FIN, 'F'),
            (RST, 'R'),
            (PSH, 'P'),
            (ACK, 'A'),
            (URG, 'U'),
        ];
        let flags: String = names
            .iter()
            .filter(|(bit, _)| self.has(*bit))
            .map(|(_, name)| name)
            .collect();
        write!(
            f,
            "{}{:?} {flags} seq {} ack {} win {} len {}",
            if self.crafted { "crafted " } else { "" },
            self.from,
            self.seq,
            self.ack,
            self.window,
            self.payload.len(),
        )?;
        if self.has(URG) {
            write!(f, " urg {}", self.urgent)?;
        }
        if let Some((value, _)) = self.options.timestamps {
            write!(f, " ts {value}")?;
        }
        if let Some(shift) = self.options.window_scale {
            write!(f, " ws {shift}")?;
        }
        for (set, name) in [
            (self.options.md5, " md5"),
            (self.options.fast_open, " tfo"),
            (self.bad_checksum, " bad-checksum"),
            (self.ttl <= HOPS_BEHIND, " low-ttl"),
        ] {
            if set {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}
