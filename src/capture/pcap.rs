//! Recorded traffic: pcap and pcapng files in, pcap files out.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, TsResolution};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapError, create_reader};

use crate::decode::LinkType;
use crate::time::Timestamp;

/// Room for the longest record that is read: offload segments are under 64 KiB, and jumbo USB or
/// loopback captures under 256 KiB.
const BUFFER_BYTES: usize = 1 << 20;
const MAX_INTERFACES: usize = 65_536;
/// What capture tools write for "no limit".
const SNAP_LEN: u32 = 262_144;

/// Why a capture cannot be read on. Offsets are bytes from the file's start.
#[derive(Debug)]
pub enum CaptureError {
    Io(io::Error),
    NotACapture,
    /// The file ends within a record.
    Truncated {
        at: u64,
    },
    Broken {
        at: u64,
    },
    /// A record says it is longer than any packet.
    TooLong {
        at: u64,
    },
    LinkType {
        number: u32,
    },
    /// A pcapng packet of an interface that the file does not describe.
    Interface {
        number: u32,
        at: u64,
    },
}

impl CaptureError {
    /// Whether the capture breaks off here: what came before is whole.
    pub const fn is_end(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. } | Self::Broken { .. } | Self::TooLong { .. }
        )
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(e) => write!(f, "{e}"),
            Self::NotACapture => f.write_str("neither a pcap nor a pcapng file"),
            Self::Truncated { at } => write!(f, "the file ends within the record at byte {at}"),
            Self::Broken { at } => write!(f, "the record at byte {at} makes no sense"),
            Self::TooLong { at } => write!(f, "the record at byte {at} is longer than any packet"),
            Self::LinkType { number } => write!(f, "link type {number} is not supported"),
            Self::Interface { number, at } => write!(
                f,
                "the record at byte {at} is of interface {number}, which the file does not describe"
            ),
        }
    }
}

impl std::error::Error for CaptureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(e) => Some(e),
            _ => None,
        }
    }
}

impl From<io::Error> for CaptureError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// One record.
#[derive(Debug)]
pub struct Frame<'a> {
    pub at: Timestamp,
    pub link: LinkType,
    pub data: &'a [u8],
    /// Bytes it had on the wire; more than `data` where the capture cut it.
    pub original_len: u32,
}

/// Reads one file, record by record.
pub struct CaptureReader {
    reader: Box<dyn PcapReaderIterator + Send>,
    interfaces: Vec<Interface>,
    /// Length of the record that was given out last: its bytes stay where they are until the next
    /// one is asked for.
    given: usize,
    last_at: Timestamp,
    total_bytes: u64,
}

/// How the packets of one interface are to be read.
#[derive(Clone, Copy, Debug)]
struct Interface {
    /// As the file numbers it: what is not supported matters only once it has packets.
    link: u32,
    units_per_second: u64,
    offset_seconds: i64,
}

/// What a record turned out to be.
enum Record {
    Packet {
        interface: u32,
        at: Timestamp,
        original_len: u32,
        /// Addresses of its bytes.
        place: Range<usize>,
    },
    Nothing,
}

impl CaptureReader {
    /// # Errors
    /// See [`CaptureError`].
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Self::new(file, meta.len())
    }

    /// `total_bytes` is for progress only.
    ///
    /// # Errors
    /// See [`CaptureError`].
    pub fn new(input: impl Read + Send + 'static, total_bytes: u64) -> Result<Self, CaptureError> {
        let reader = create_reader(BUFFER_BYTES, input).map_err(|e| match e {
            PcapError::ReadError => CaptureError::Io(io::ErrorKind::Other.into()),
            _ => CaptureError::NotACapture,
        })?;
        Ok(Self {
            reader,
            interfaces: Vec::new(),
            given: 0,
            last_at: Timestamp::ZERO,
            total_bytes,
        })
    }

    /// Bytes read and bytes of the file.
    pub fn progress(&self) -> (u64, u64) {
        (
            (self.reader.consumed() + self.given) as u64,
            self.total_bytes,
        )
    }

    /// The next packet; `None` at the end of the file.
    ///
    /// # Errors
    /// See [`CaptureError`]. Nothing more can be read then.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            // What is left moves once for each refill, not behind each record.
            self.reader.consume_noshift(std::mem::take(&mut self.given));
            let at_byte = self.reader.consumed() as u64;
            let buffer_at = self.reader.data().as_ptr().addr();
            let record = match self.reader.next() {
                Ok((len, block)) => {
                    self.given = len;
                    read_block(&block, &mut self.interfaces, self.last_at, at_byte)?
                }
                Err(PcapError::Eof) => return Ok(None),
                Err(PcapError::Incomplete(_)) => {
                    self.reader
                        .refill()
                        .map_err(|_| CaptureError::Io(io::ErrorKind::Other.into()))?;
                    continue;
                }
                Err(PcapError::UnexpectedEof) => {
                    return Err(CaptureError::Truncated { at: at_byte });
                }
                Err(PcapError::BufferTooSmall) => {
                    return Err(CaptureError::TooLong { at: at_byte });
                }
                Err(_) => return Err(CaptureError::Broken { at: at_byte }),
            };
            if let Record::Packet {
                interface,
                at,
                original_len,
                place,
            } = record
            {
                self.last_at = at;
                let link = self.link_of(interface, at_byte)?;
                let place = place.start.wrapping_sub(buffer_at)..place.end.wrapping_sub(buffer_at);
                let data = self.reader.data().get(place);
                return Ok(Some(Frame {
                    at,
                    link,
                    data: data.ok_or(CaptureError::Broken { at: at_byte })?,
                    original_len,
                }));
            }
        }
    }

    fn link_of(&self, interface: u32, at: u64) -> Result<LinkType, CaptureError> {
        let number = interface_at(&self.interfaces, interface, at)?.link;
        i32::try_from(number)
            .ok()
            .and_then(LinkType::from_pcap)
            .ok_or(CaptureError::LinkType { number })
    }
}

fn read_block(
    block: &PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
    last_at: Timestamp,
    at_byte: u64,
) -> Result<Record, CaptureError> {
    let place = |bytes: &[u8]| {
        let ends = bytes.as_ptr_range();
        ends.start.addr()..ends.end.addr()
    };
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let units_per_second = if header.is_nanosecond_precision() {
                1_000_000_000
            } else {
                1_000_000
            };
            interfaces.push(Interface {
                // The upper bits tell of checksums behind the frames.
                link: header.network.0.cast_unsigned() & 0xffff,
                units_per_second,
                offset_seconds: 0,
            });
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interface_at(interfaces, 0, at_byte)?;
            let seconds = Timestamp::from_secs(u64::from(packet.ts_sec));
            return Ok(Record::Packet {
                interface: 0,
                at: seconds + interface.duration(u64::from(packet.ts_usec)),
                original_len: packet.origlen,
                place: place(packet.data),
            });
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(described)) => {
            if interfaces.len() >= MAX_INTERFACES {
                return Err(CaptureError::Broken { at: at_byte });
            }
            interfaces.push(Interface {
                link: described.linktype.0.cast_unsigned() & 0xffff,
                units_per_second: units_per_second(described.if_tsresol)
                    .ok_or(CaptureError::Broken { at: at_byte })?,
                offset_seconds: described.ts_offset(),
            });
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interface_at(interfaces, packet.if_id, at_byte)?;
            let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            return Ok(Record::Packet {
                interface: packet.if_id,
                at: interface.timestamp(units),
                original_len: packet.origlen,
                place: place(packet.packet_data()),
            });
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            return Ok(Record::Packet {
                interface: 0,
                // The format gives these packets no time of their own.
                at: last_at,
                original_len: packet.origlen,
                place: place(packet.packet_data()),
            });
        }
        PcapBlockOwned::NG(_) => {}
    }
    Ok(Record::Nothing)
}

fn interface_at(interfaces: &[Interface], number: u32, at: u64) -> Result<Interface, CaptureError> {
    interfaces
        .get(number as usize)
        .copied()
        .ok_or(CaptureError::Interface { number, at })
}

/// A negative power of ten, or of two where the highest bit is set.
fn units_per_second(resolution: u8) -> Option<u64> {
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(resolution & 0x7f))
}

impl Interface {
    fn duration(self, units: u64) -> Duration {
        let micros = u128::from(units) * 1_000_000 / u128::from(self.units_per_second.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn timestamp(self, units: u64) -> Timestamp {
        let offset = i128::from(self.offset_seconds) * 1_000_000;
        let micros = self.duration(units).as_micros().cast_signed() + offset;
        Timestamp::from_micros(u64::try_from(micros.max(0)).unwrap_or(u64::MAX))
    }
}

/// Writes one pcap file with times in microseconds.
pub struct CaptureWriter<W: Write> {
    inner: PcapWriter<W>,
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the file's header.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(output: W, link: LinkType) -> io::Result<Self> {
        let header = PcapHeader {
            snaplen: SNAP_LEN,
            datalink: DataLink::from(link.to_pcap()),
            ts_resolution: TsResolution::MicroSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        let inner = PcapWriter::with_header(output, header).map_err(into_io)?;
        Ok(Self { inner })
    }

    /// # Errors
    /// Those of the output; `InvalidInput` for a frame longer than 262,144 bytes or a time beyond the year 2106.
    pub fn write(&mut self, at: Timestamp, frame: &[u8]) -> io::Result<()> {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let at = Duration::from_micros(at.as_micros());
        self.inner
            .write_packet(&PcapPacket::new(at, len, frame))
            .map_err(into_io)?;
        Ok(())
    }

    /// Flushes, and gives the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        let mut output = self.inner.into_writer();
        output.flush()?;
        Ok(output)
    }
}

fn into_io(e: pcap_file::PcapError) -> io::Error {
    match e {
        pcap_file::PcapError::IoError(e) => e,
        other => io::Error::new(io::ErrorKind::InvalidInput, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn written(link: LinkType, frames: &[(u64, &[u8])]) -> Vec<u8> {
        let mut writer = CaptureWriter::new(Vec::new(), link).unwrap();
        for (micros, frame) in frames {
            writer
                .write(Timestamp::from_micros(*micros), frame)
                .unwrap();
        }
        writer.finish().unwrap()
    }

    fn reader(bytes: &[u8]) -> Result<CaptureReader, CaptureError> {
        CaptureReader::new(Cursor::new(bytes.to_vec()), bytes.len() as u64)
    }

    type Read = (u64, LinkType, Vec<u8>);

    fn read_all(bytes: &[u8]) -> (Vec<Read>, Option<CaptureError>) {
        let mut reader = match reader(bytes) {
            Ok(reader) => reader,
            Err(e) => return (Vec::new(), Some(e)),
        };
        let mut frames = Vec::new();
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    frames.push((frame.at.as_micros(), frame.link, frame.data.to_vec()));
                }
                Ok(None) => {
                    let (read, total) = reader.progress();
                    assert_eq!(read, total);
                    return (frames, None);
                }
                Err(e) => return (frames, Some(e)),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let long = vec![9; 70_000];
        let frames: &[(u64, &[u8])] = &[(1_700_000_000_000_001, b"one"), (5, b""), (7, &long)];
        for link in [LinkType::Ethernet, LinkType::RawIp, LinkType::LinuxSll2] {
            let (read, error) = read_all(&written(link, frames));
            assert!(error.is_none());
            let expected: Vec<_> = frames
                .iter()
                .map(|(at, frame)| (*at, link, frame.to_vec()))
                .collect();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_file_longer_than_the_buffer() {
        let frame = vec![3; 60_000];
        let frames: Vec<(u64, &[u8])> = (0..50).map(|at| (at, &frame[..])).collect();
        let (read, error) = read_all(&written(LinkType::RawIp, &frames));
        assert!(error.is_none());
        assert_eq!(read.len(), 50);
    }

    #[test]
    fn nanoseconds_and_big_endian() {
        let mut bytes = Vec::new();
        for word in [0xa1b2_3c4d_u32, 0x0002_0004, 0, 0, 65_535, 101] {
            bytes.extend(word.to_be_bytes());
        }
        for word in [10_u32, 123_456_789, 2, 2] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(b"ip");
        let (read, error) = read_all(&bytes);
        assert!(error.is_none());
        assert_eq!(read, [(10_123_456, LinkType::RawIp, b"ip".to_vec())]);
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let len = (12 + padded) as u32;
        let mut bytes = [kind.to_le_bytes(), len.to_le_bytes()].concat();
        bytes.extend(body);
        bytes.resize(8 + padded, 0);
        bytes.extend(len.to_le_bytes());
        bytes
    }

    fn section() -> Vec<u8> {
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        body.extend([0xff; 8]);
        block(0x0a0d_0d0a, &body)
    }

    fn interface(link: u16, resolution: Option<u8>) -> Vec<u8> {
        let mut body = link.to_le_bytes().to_vec();
        body.extend([0, 0, 0, 0, 4, 0]);
        if let Some(resolution) = resolution {
            body.extend([9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0]);
        }
        block(1, &body)
    }

    fn packet(interface: u32, units: u64, data: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        let len = data.len() as u32;
        for word in [interface, (units >> 32) as u32, units as u32, len, len] {
            body.extend(word.to_le_bytes());
        }
        body.extend(data);
        block(6, &body)
    }

    #[test]
    fn pcapng_with_two_interfaces() {
        let bytes = [
            section(),
            interface(1, None),
            interface(101, Some(9)),
            packet(0, 2_000_003, b"frame"),
            packet(1, 4_000_005_678, b"datagram"),
            // An unknown block, and a new section with interfaces of its own.
            block(0x0bad_cafe, b"what"),
            section(),
            interface(101, Some(0x8a)),
            packet(0, 5 * 1024 + 512, b"later"),
        ]
        .concat();
        let (read, error) = read_all(&bytes);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(
            read,
            [
                (2_000_003, LinkType::Ethernet, b"frame".to_vec()),
                (4_000_005, LinkType::RawIp, b"datagram".to_vec()),
                (5_500_000, LinkType::RawIp, b"later".to_vec()),
            ]
        );
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let good = written(LinkType::RawIp, &[(1, b"one"), (2, b"two")]);
        assert!(matches!(read_all(b"").1, Some(CaptureError::NotACapture)));
        assert!(matches!(
            read_all(b"GET / HTTP/1.1\r\nHost: not a capture\r\n\r\n").1,
            Some(CaptureError::NotACapture)
        ));
        assert!(matches!(
            read_all(&good[..10]).1,
            Some(CaptureError::NotACapture)
        ));
        let (read, error) = read_all(&good[..good.len() - 1]);
        assert_eq!(read.len(), 1);
        assert!(matches!(error, Some(CaptureError::Truncated { at: 43 })));

        let mut endless = good.clone();
        endless[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(
            read_all(&endless).1,
            Some(CaptureError::TooLong { at: 24 } | CaptureError::Truncated { at: 24 })
        ));

        let mut wireless = good;
        wireless[20] = 105;
        assert!(matches!(
            read_all(&wireless).1,
            Some(CaptureError::LinkType { number: 105 })
        ));

        let stray = [section(), packet(3, 0, b"x")].concat();
        assert!(matches!(
            read_all(&stray).1,
            Some(CaptureError::Interface { number: 3, .. })
        ));
    }

    #[test]
    fn a_missing_file_and_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let missing = CaptureReader::open(&dir.path().join("none.pcap")).err();
        assert!(
            matches!(missing, Some(CaptureError::Io(e)) if e.kind() == io::ErrorKind::NotFound)
        );
        assert!(matches!(
            CaptureReader::open(dir.path()).err(),
            Some(CaptureError::Io(_))
        ));
    }

    #[test]
    fn a_time_that_does_not_fit_is_an_error() {
        let mut writer = CaptureWriter::new(Vec::new(), LinkType::RawIp).unwrap();
        let late = Timestamp::from_secs(1 << 33);
        let error = writer.write(late, b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
