//! gzip (RFC 1952), zlib (RFC 1950) and raw deflate (RFC 1951).
//!
//! Checksums are not verified, and gzip may have several members.

use flate2::Status;

use super::Broken;
use crate::reuse::Inflater;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Behind a gzip member: another one, or bytes that do not belong to it.
    Magic {
        first: Option<u8>,
    },
    /// In a gzip header (RFC 1952 section 2.3); so many of its ten fixed bytes were read.
    Fixed {
        read: u8,
        flags: u8,
    },
    ExtraLength {
        low: Option<u8>,
        flags: u8,
    },
    Extra {
        left: u16,
        flags: u8,
    },
    /// A name or comment, up to its NUL.
    Text {
        flags: u8,
    },
    HeaderChecksum {
        left: u8,
    },
    ZlibHeader {
        left: u8,
    },
    Deflated,
    /// Checksum and size behind the deflated bytes.
    Trailer {
        left: u8,
    },
    /// Bytes behind the end: given out as they are.
    Beyond,
}

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const FLAG_HEADER_CHECKSUM: u8 = 0x02;
const FLAG_EXTRA: u8 = 0x04;
const FLAG_NAME: u8 = 0x08;
const FLAG_COMMENT: u8 = 0x10;

/// A deflated body, with or without a wrapping.
pub(super) struct Inflate {
    stage: Stage,
    gzip: bool,
    trailer: u8,
    inflate: Inflater,
    /// Bytes read ahead that belong to the next stage.
    held: Held,
    /// What comes next does not decode; what came before it has been given out.
    broken: bool,
}

/// Up to two bytes that were looked at before it was known what they are.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: [u8; 2],
    start: u8,
    end: u8,
}

impl Held {
    fn hold(bytes: [u8; 2]) -> Self {
        Self {
            bytes,
            start: 0,
            end: 2,
        }
    }

    fn get(&self) -> &[u8] {
        self.bytes
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }

    fn take(&mut self, count: usize) {
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

impl Inflate {
    /// What its decoder allocates, and this.
    pub(super) const HELD_BYTES: usize = Inflater::HELD_BYTES + size_of::<Self>();

    pub(super) fn gzip() -> Self {
        Self::new(Stage::Fixed { read: 0, flags: 0 }, 8, true)
    }

    pub(super) fn zlib() -> Self {
        Self::new(Stage::ZlibHeader { left: 2 }, 4, false)
    }

    pub(super) fn raw() -> Self {
        Self::new(Stage::Deflated, 0, false)
    }

    /// RFC 1950 section 2.2: method 8, a multiple of 31, no preset dictionary.
    pub(super) const fn is_zlib(head: [u8; 2]) -> bool {
        let [method, flags] = head;
        method & 0x0f == 8 && u16::from_be_bytes(head).is_multiple_of(31) && flags & 0x20 == 0
    }

    fn new(stage: Stage, trailer: u8, gzip: bool) -> Self {
        Self {
            stage,
            gzip,
            trailer,
            inflate: Inflater::new(false),
            held: Held::default(),
            broken: false,
        }
    }

    /// Whether the bytes so far are a whole body: nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        match self.stage {
            Stage::Magic { first } => first.is_none(),
            Stage::Trailer { .. } | Stage::Beyond => true,
            _ => false,
        }
    }

    /// Decodes into `out` until either end is reached; returns bytes read and written, and
    /// whether what comes next does not decode.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> (usize, usize, Result<(), Broken>) {
        let mut read = 0;
        let mut written = 0;
        loop {
            if self.broken {
                return (read, written, Err(Broken));
            }
            let room = out.get_mut(written..).unwrap_or_default();
            if !self.held.get().is_empty() {
                let held = self.held;
                let (used, made) = self.body(held.get(), room);
                self.held.take(used);
                written += made;
                if used == 0 && made == 0 && !self.broken {
                    return (read, written, Ok(()));
                }
                continue;
            }
            let rest = input.get(read..).unwrap_or_default();
            if matches!(self.stage, Stage::Deflated | Stage::Beyond) {
                let (used, made) = self.body(rest, room);
                read += used;
                written += made;
                if used == 0 && made == 0 && !self.broken {
                    return (read, written, Ok(()));
                }
                continue;
            }
            let Some(&byte) = rest.first() else {
                return (read, written, Ok(()));
            };
            read += 1;
            self.broken = self.framing(byte).is_err();
        }
    }

    /// Deflated bytes, or bytes behind the end.
    fn body(&mut self, input: &[u8], out: &mut [u8]) -> (usize, usize) {
        if self.stage == Stage::Beyond {
            let count = input.len().min(out.len());
            if let (Some(to), Some(from)) = (out.get_mut(..count), input.get(..count)) {
                to.copy_from_slice(from);
            }
            return (count, count);
        }
        let step = self.inflate.step(input, out);
        self.broken = step.status.is_none();
        if step.status == Some(Status::StreamEnd) {
            self.stage = Stage::Trailer { left: self.trailer };
            if self.trailer == 0 {
                self.stage = Stage::Beyond;
            }
        }
        (step.read, step.made)
    }

    fn framing(&mut self, byte: u8) -> Result<(), Broken> {
        self.stage = match self.stage {
            Stage::Magic { first: None } => Stage::Magic { first: Some(byte) },
            Stage::Magic { first: Some(first) } if [first, byte] == MAGIC => {
                self.inflate.reset(false);
                Stage::Fixed { read: 2, flags: 0 }
            }
            Stage::Magic { first: Some(first) } => {
                self.held = Held::hold([first, byte]);
                Stage::Beyond
            }
            Stage::ZlibHeader { left: 1 } => Stage::Deflated,
            Stage::ZlibHeader { left } => Stage::ZlibHeader { left: left - 1 },
            Stage::Fixed { read, flags } => match read {
                // The only compression method is 8, deflate.
                2 if byte != 8 => return Err(Broken),
                3 => Stage::Fixed {
                    read: 4,
                    flags: byte,
                },
                9 => self.after_field(flags),
                _ => Stage::Fixed {
                    read: read + 1,
                    flags,
                },
            },
            Stage::ExtraLength { low: None, flags } => Stage::ExtraLength {
                low: Some(byte),
                flags,
            },
            Stage::ExtraLength {
                low: Some(low),
                flags,
            } => match u16::from_le_bytes([low, byte]) {
                0 => self.after_field(flags & !FLAG_EXTRA),
                left => Stage::Extra { left, flags },
            },
            Stage::Extra { left: 1, flags } => self.after_field(flags & !FLAG_EXTRA),
            Stage::Extra { left, flags } => Stage::Extra {
                left: left - 1,
                flags,
            },
            Stage::Text { flags } if byte != 0 => Stage::Text { flags },
            Stage::Text { flags } if flags & FLAG_NAME != 0 => {
                self.after_field(flags & !(FLAG_NAME | FLAG_EXTRA))
            }
            Stage::Text { flags } => self.after_field(flags & FLAG_HEADER_CHECKSUM),
            Stage::HeaderChecksum { left: 1 } => Stage::Deflated,
            Stage::HeaderChecksum { left } => Stage::HeaderChecksum { left: left - 1 },
            Stage::Trailer { left } if left > 1 => Stage::Trailer { left: left - 1 },
            Stage::Trailer { .. } if self.gzip => Stage::Magic { first: None },
            Stage::Trailer { .. } | Stage::Deflated | Stage::Beyond => Stage::Beyond,
        };
        Ok(())
    }

    /// The next optional part of a gzip header, of those whose flags are left.
    fn after_field(&mut self, flags: u8) -> Stage {
        if flags & FLAG_EXTRA != 0 {
            Stage::ExtraLength { low: None, flags }
        } else if flags & (FLAG_NAME | FLAG_COMMENT) != 0 {
            Stage::Text { flags }
        } else if flags & FLAG_HEADER_CHECKSUM != 0 {
            Stage::HeaderChecksum { left: 2 }
        } else {
            Stage::Deflated
        }
    }
}
