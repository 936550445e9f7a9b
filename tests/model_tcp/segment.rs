//! A segment as both models pass it, and as bytes for the engine.

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const ACK: u8 = 0x10;
pub const URG: u8 = 0x20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub window: u16,
    pub urgent: u16,
    pub timestamps: Option<(u32, u32)>,
    pub md5: bool,
    pub payload: Vec<u8>,
}

impl Segment {
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Sequence numbers that it takes.
    pub fn length(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    pub fn end(&self) -> u32 {
        self.seq.wrapping_add(self.length())
    }

    /// IPv4 with TCP, without a TCP checksum.
    pub fn write(&self, to_client: bool, bytes: &mut Vec<u8>) {
        let mut options = Vec::new();
        if let Some((value, echo)) = self.timestamps {
            options.extend([1, 1, 8, 10]);
            options.extend(value.to_be_bytes());
            options.extend(echo.to_be_bytes());
        }
        if self.md5 {
            options.extend([19, 18]);
            options.extend([0; 16]);
            options.extend([1, 1]);
        }
        let header = 20 + options.len();
        let mut ends = [([10, 0, 0, 1], 40_000_u16), ([10, 0, 0, 2], 80)];
        if to_client {
            ends.reverse();
        }
        bytes.clear();
        bytes.extend([0x45, 0]);
        bytes.extend((20 + header as u16 + self.payload.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend(ends[0].0);
        bytes.extend(ends[1].0);
        bytes.extend(ends[0].1.to_be_bytes());
        bytes.extend(ends[1].1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([(header as u8 / 4) << 4, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.urgent.to_be_bytes());
        bytes.extend(&options);
        bytes.extend(&self.payload);
    }
}
