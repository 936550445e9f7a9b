//! Compressed messages (RFC 7692 section 7.2.2).

use flate2::Status;

use crate::reuse::{Inflater, List};

/// What a sender takes off the end of each message.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
const WINDOW: usize = 4096;

/// One direction's decompression: a message may refer to those before it.
pub(super) struct Inflate(Inflater);

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
        Self(Inflater::new(false))
    }

    pub(super) const fn held_bytes(&self) -> usize {
        Inflater::HELD_BYTES + size_of::<Self>()
    }

    /// Decompresses a whole message into `out`, up to `limit` bytes there.
    pub(super) fn message(&mut self, bytes: &[u8], limit: usize, out: &mut List<u8>) -> End {
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

    fn piece(&mut self, mut bytes: &[u8], limit: usize, out: &mut List<u8>) -> End {
        let mut window = [0; WINDOW];
        loop {
            let step = self.0.step(bytes, &mut window);
            let room = limit.saturating_sub(out.len());
            let made = window.get(..step.made).unwrap_or_default();
            out.extend_from_slice(made.get(..room).unwrap_or(made));
            if made.len() > room {
                return End::TooLong;
            }
            bytes = bytes.get(step.read..).unwrap_or_default();
            match step.status {
                None => return End::Broken,
                // The last block of a stream may end a message; the next begins another.
                Some(Status::StreamEnd) => self.0.reset(false),
                Some(_) if step.read == 0 && made.is_empty() => return End::Whole,
                Some(_) => {}
            }
        }
    }
}
