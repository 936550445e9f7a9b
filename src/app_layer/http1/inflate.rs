//! Undoes gzip and deflate content codings, streaming and within bounds.
//!
//! Lenient, as receivers are: checksums are not verified, gzip may have several
//! members, `deflate` may be zlib (RFC 1950) or raw (RFC 1951), and a body that
//! starts like gzip is gzip whatever its header says.

use flate2::{Decompress, FlushDecompress, Status};

/// A content coding that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// Reads one element of Content-Encoding (RFC 9110 section 8.4.1).
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
        if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("deflate") || is("x-deflate") {
            Some(Self::Deflate)
        } else {
            None
        }
    }
}

/// The bytes do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// At the start of a body, or of what follows a gzip member.
    Magic {
        first: Option<u8>,
        member: u32,
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

/// One coding of a body.
pub(super) struct Layer {
    claimed: Coding,
    stage: Stage,
    gzip: bool,
    trailer: u8,
    inflate: Decompress,
    /// Bytes read ahead that belong to the next stage.
    held: Held,
    /// What comes next does not decode; what came before it has been given out.
    broken: bool,
    /// The body was not what its header said.
    pub mislabelled: bool,
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

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer")
            .field("claimed", &self.claimed)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

impl Layer {
    pub(super) fn new(claimed: Coding) -> Self {
        Self {
            claimed,
            stage: Stage::Magic {
                first: None,
                member: 0,
            },
            gzip: false,
            trailer: 0,
            inflate: Decompress::new(false),
            held: Held::default(),
            broken: false,
            mislabelled: false,
        }
    }

    /// Whether the bytes so far are a whole body: nothing is missing.
    pub(super) fn is_whole(&self) -> bool {
        match self.stage {
            Stage::Magic { first, member } => first.is_none() && member > 0,
            Stage::Trailer { .. } | Stage::Beyond => true,
            _ => false,
        }
    }

    /// Deflated bytes read so far of the current member.
    pub(super) fn bytes_read(&self) -> u64 {
        self.inflate.total_in()
    }

    /// Decodes into `out` until either end is reached; returns bytes read and written.
    /// Nothing read and nothing written means that more input is needed. What decodes before
    /// the fault is given out first: a receiver that streams has it, too.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, usize), Broken> {
        let mut read = 0;
        let mut written = 0;
        loop {
            if self.broken {
                return if written > 0 {
                    Ok((read, written))
                } else {
                    Err(Broken)
                };
            }
            let room = out.get_mut(written..).unwrap_or_default();
            if !self.held.get().is_empty() {
                let held = self.held;
                let (used, made) = self.body(held.get(), room);
                self.held.take(used);
                written += made;
                if used == 0 && made == 0 && !self.broken {
                    return Ok((read, written));
                }
                continue;
            }
            let rest = input.get(read..).unwrap_or_default();
            if matches!(self.stage, Stage::Deflated | Stage::Beyond) {
                let (used, made) = self.body(rest, room);
                read += used;
                written += made;
                if used == 0 && made == 0 && !self.broken {
                    return Ok((read, written));
                }
                continue;
            }
            let Some(&byte) = rest.first() else {
                return Ok((read, written));
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
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, out, FlushDecompress::None);
        self.broken = status.is_err();
        if matches!(status, Ok(Status::StreamEnd)) {
            self.stage = Stage::Trailer { left: self.trailer };
            if self.trailer == 0 {
                self.stage = Stage::Beyond;
            }
        }
        let moved = |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
        (
            moved(self.inflate.total_in(), before.0),
            moved(self.inflate.total_out(), before.1),
        )
    }

    fn framing(&mut self, byte: u8) -> Result<(), Broken> {
        self.stage = match self.stage {
            Stage::Magic {
                first: None,
                member,
            } => Stage::Magic {
                first: Some(byte),
                member,
            },
            Stage::Magic {
                first: Some(first),
                member,
            } => self.after_magic([first, byte], member)?,
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
            Stage::Trailer { .. } if self.gzip => Stage::Magic {
                first: None,
                member: 1,
            },
            Stage::Trailer { .. } | Stage::Deflated | Stage::Beyond => Stage::Beyond,
        };
        Ok(())
    }

    /// Decides what a body is by its first two bytes.
    fn after_magic(&mut self, bytes: [u8; 2], member: u32) -> Result<Stage, Broken> {
        if bytes == MAGIC {
            self.mislabelled |= self.claimed != Coding::Gzip;
            self.gzip = true;
            self.trailer = 8;
            self.inflate.reset(false);
            return Ok(Stage::Fixed { read: 2, flags: 0 });
        }
        self.held = Held::hold(bytes);
        if member > 0 {
            return Ok(Stage::Beyond);
        }
        // RFC 1950 section 2.2: method 8, a multiple of 31, no preset dictionary.
        let [method, flags] = bytes;
        let zlib =
            method & 0x0f == 8 && u16::from_be_bytes(bytes).is_multiple_of(31) && flags & 0x20 == 0;
        if zlib {
            self.held = Held::default();
            self.trailer = 4;
            self.mislabelled |= self.claimed != Coding::Deflate;
            return Ok(Stage::Deflated);
        }
        match self.claimed {
            Coding::Deflate => Ok(Stage::Deflated),
            Coding::Gzip => Err(Broken),
        }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    pub(in crate::app_layer::http1) fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    pub(in crate::app_layer::http1) fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    pub(in crate::app_layer::http1) fn raw(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(claimed: Coding, wire: &[u8], step: usize) -> Result<(Vec<u8>, bool), Broken> {
        let mut layer = Layer::new(claimed);
        let mut out = Vec::new();
        let mut window = [0; 7];
        for part in wire.chunks(step) {
            let mut rest = part;
            loop {
                let (read, written) = layer.decode(rest, &mut window)?;
                out.extend_from_slice(&window[..written]);
                rest = &rest[read..];
                if read == 0 && written == 0 {
                    break;
                }
            }
        }
        Ok((out, layer.is_whole()))
    }

    /// Found by fuzzing: in one piece, what preceded the fault was lost.
    #[test]
    fn what_precedes_a_fault_is_given_out_however_it_is_cut() {
        // A stored block (RFC 1951 section 3.2.4), then a block of the reserved type.
        let stored = [&[0, 6, 0, 0xf9, 0xff][..], b"attack", &[7]].concat();
        let mut member = gzip(b"attack");
        member.extend_from_slice(&[0x1f, 0x8b, 9]);
        for (claimed, wire) in [(Coding::Deflate, stored), (Coding::Gzip, member)] {
            for step in 1..=wire.len() {
                let mut layer = Layer::new(claimed);
                let (mut out, mut window, mut broken) = (Vec::new(), [0; 64], false);
                for mut part in wire.chunks(step) {
                    loop {
                        match layer.decode(part, &mut window) {
                            Ok((0, 0)) => break,
                            Ok((read, written)) => {
                                out.extend_from_slice(&window[..written]);
                                part = &part[read..];
                            }
                            Err(Broken) => {
                                broken = true;
                                break;
                            }
                        }
                    }
                }
                assert_eq!((out.as_slice(), broken), (&b"attack"[..], true), "{step}");
            }
        }
    }

    #[test]
    fn codings_are_undone_in_any_segmentation() {
        let text = b"the quick brown fox jumps over the lazy dog, the quick brown fox";
        let mut two_members = gzip(b"first ");
        two_members.extend(gzip(b"second"));
        let mut garbage = gzip(b"body");
        garbage.extend_from_slice(b"tail");
        let mut wrong_checksum = gzip(b"body");
        let at = wrong_checksum.len() - 6;
        wrong_checksum[at] ^= 0xff;
        let mut full_header = vec![
            0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3, 3, 0, b'x', b'y', b'z',
        ];
        full_header.extend_from_slice(b"name\0comment\0\x12\x34");
        full_header.extend_from_slice(&raw(b"body"));
        full_header.extend_from_slice(&[0; 8]);
        for (name, claimed, wire, expected) in [
            ("gzip", Coding::Gzip, gzip(text), &text[..]),
            ("zlib", Coding::Deflate, zlib(text), text),
            ("raw", Coding::Deflate, raw(text), text),
            ("gzip called deflate", Coding::Deflate, gzip(text), text),
            ("zlib called gzip", Coding::Gzip, zlib(text), text),
            ("two members", Coding::Gzip, two_members, b"first second"),
            ("bytes behind", Coding::Gzip, garbage, b"bodytail"),
            ("wrong checksum", Coding::Gzip, wrong_checksum, b"body"),
            ("every header field", Coding::Gzip, full_header, b"body"),
            ("empty", Coding::Gzip, gzip(b""), b""),
        ] {
            for step in [1, 2, 5, wire.len()] {
                let (out, whole) = decode(claimed, &wire, step).unwrap();
                assert_eq!(out, expected, "{name} by {step}");
                assert!(whole, "{name} by {step}");
            }
        }
    }

    #[test]
    fn what_is_cut_or_broken_is_told() {
        let wire = gzip(b"body of some length");
        let (_, whole) = decode(Coding::Gzip, &wire[..wire.len() - 10], 3).unwrap();
        assert!(!whole);
        assert_eq!(decode(Coding::Gzip, b"plain text", 1), Err(Broken));
        let mut bad = wire;
        bad[10] = 0xff;
        assert_eq!(decode(Coding::Gzip, &bad, 4), Err(Broken));
    }
}
