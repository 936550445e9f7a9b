//! Compressed messages (RFC 7692 section 7.2.2).

use flate2::{Decompress, FlushDecompress, Status};

/// What a sender takes off the end of each message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// What zlib-rs allocates to inflate: a window of 32 KiB, and tables.
const HELD_BYTES: usize = 48 * 1024;
const WINDOW: usize = 4096;

/// One direction's decompression: a message may refer to those before it.
pub(super) struct Inflate(Decompress);

/// How decompressing a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Whole,
    /// There would be more than the limit.
    TooLong,
    Broken,
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflate")
    }
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self(Decompress::new(false))
    }

    pub(super) const fn held_bytes(&self) -> usize {
        HELD_BYTES + size_of::<Self>()
    }

    /// Decompresses a whole message into `out`, up to `limit` bytes there.
    pub(super) fn message(&mut self, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> End {
        let mut end = self.piece(bytes, limit, out);
        if end == End::Whole {
            end = self.piece(&TAIL, limit, out);
        }
        if end != End::Whole {
            // Later messages cannot refer to this one.
            self.0.reset(false);
        }
        end
    }

    fn piece(&mut self, mut bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> End {
        let mut window = [0; WINDOW];
        loop {
            let before = (self.0.total_in(), self.0.total_out());
            let status = self.0.decompress(bytes, &mut window, FlushDecompress::None);
            let moved = |now: u64, then: u64| usize::try_from(now - then).unwrap_or(usize::MAX);
            let read = moved(self.0.total_in(), before.0);
            let made = moved(self.0.total_out(), before.1);
            let room = limit.saturating_sub(out.len());
            let made = window.get(..made).unwrap_or_default();
            out.extend_from_slice(made.get(..room).unwrap_or(made));
            if made.len() > room {
                return End::TooLong;
            }
            bytes = bytes.get(read..).unwrap_or_default();
            match status {
                Err(_) => return End::Broken,
                // The last block of a stream may end a message; the next begins another.
                Ok(Status::StreamEnd) => self.0.reset(false),
                Ok(_) if read == 0 && made.is_empty() => return End::Whole,
                Ok(_) => {}
            }
        }
    }
}
