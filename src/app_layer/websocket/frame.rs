//! What a frame begins with (RFC 6455 section 5.2).

/// Of the longest: two bytes, a length of eight, a mask of four.
const LONGEST: usize = 14;

const FIN: u8 = 0x80;
/// RFC 7692 section 6: the message is compressed.
const COMPRESSED: u8 = 0x40;
const MASKED: u8 = 0x80;

/// The first bytes of a frame, as far as they came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    bytes: [u8; LONGEST],
    have: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    first: u8,
    pub mask: Option<[u8; 4]>,
    pub length: u64,
}

impl Start {
    /// Takes bytes until the head is whole: how many, and the head.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Option<Head>) {
        for (taken, &byte) in bytes.iter().enumerate() {
            if let Some(slot) = self.bytes.get_mut(self.have) {
                *slot = byte;
                self.have += 1;
            }
            if let Some(head) = self.read() {
                return (taken + 1, Some(head));
            }
        }
        (bytes.len(), None)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.have == 0
    }

    fn read(&self) -> Option<Head> {
        let bytes = self.bytes.get(..self.have)?;
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let rest = bytes.get(2..)?;
        let (length, rest) = match second & !MASKED {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                (u64::from_be_bytes(*length), rest)
            }
            short => (u64::from(short), rest),
        };
        let mask = if second & MASKED == 0 {
            None
        } else {
            Some(*rest.first_chunk()?)
        };
        Some(Head {
            first,
            mask,
            length,
        })
    }
}

impl Head {
    /// The upper four bits, as rules ask for them.
    pub(super) const fn flags(&self) -> u8 {
        self.first & 0xf0
    }

    pub(super) const fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    /// Whether it ends its message.
    pub(super) const fn is_last(&self) -> bool {
        self.first & FIN != 0
    }

    pub(super) const fn is_compressed(&self) -> bool {
        self.first & COMPRESSED != 0
    }

    pub(super) const fn is_continuation(&self) -> bool {
        self.opcode() == 0
    }

    /// Such frames may stand between those of a message (section 5.5).
    pub(super) const fn is_control(&self) -> bool {
        self.opcode() & 0x8 != 0
    }
}

/// Undoes the mask of bytes that stand so far into the payload (section 5.3).
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    let start = (at % 4) as usize;
    for (byte, key) in bytes.iter_mut().zip(mask.iter().cycle().skip(start)) {
        *byte ^= key;
    }
}
