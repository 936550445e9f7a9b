//! The last bytes of a direction, for signatures that look back.

/// What is kept of one direction's delivered bytes between two packets.
#[derive(Debug, Default)]
pub struct Window {
    tail: Vec<u8>,
    /// Stream offset behind the last byte.
    end: u64,
}

impl Window {
    /// A window that ends at `end`, of which `tail` are the last bytes.
    pub fn of(tail: &[u8], end: u64) -> Self {
        Self {
            tail: tail.to_vec(),
            end,
        }
    }

    /// Stream offset behind the last byte.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Kept bytes from before.
    pub fn bytes(&self) -> &[u8] {
        &self.tail
    }

    /// Bytes of the heap that this holds.
    pub fn held_bytes(&self) -> usize {
        self.tail.capacity()
    }

    /// Stream offset of the first kept byte.
    pub fn start_offset(&self) -> u64 {
        self.end - self.tail.len() as u64
    }

    /// Puts the kept bytes and the new ones together in `scratch`; gives the
    /// index of the first new byte.
    pub fn assemble(&self, new: &[u8], scratch: &mut Vec<u8>) -> usize {
        scratch.clear();
        scratch.extend_from_slice(&self.tail);
        scratch.extend_from_slice(new);
        self.tail.len()
    }

    /// Keeps at most the last `keep` bytes of the window that [`Self::assemble`] made.
    pub fn keep(&mut self, assembled: &[u8], keep: usize) {
        let new = assembled.len() - self.tail.len().min(assembled.len());
        self.end += new as u64;
        let from = assembled.len().saturating_sub(keep);
        self.tail.clear();
        self.tail.extend_from_slice(&assembled[from..]);
    }

    /// Bytes went by that need not be kept.
    pub fn skip(&mut self, bytes: u64) {
        self.tail.clear();
        self.end += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides() {
        let mut window = Window::default();
        let mut scratch = Vec::new();
        for (new, keep, expected, new_from) in [
            ("abc", 4, "abc", 0),
            ("de", 4, "abcde", 3),
            ("f", 2, "bcdef", 4),
            ("g", 9, "efg", 2),
        ] {
            assert_eq!(window.assemble(new.as_bytes(), &mut scratch), new_from);
            assert_eq!(scratch, expected.as_bytes());
            window.keep(&scratch, keep);
        }
        assert_eq!((window.bytes(), window.start_offset()), (&b"efg"[..], 4));
        window.skip(10);
        assert_eq!((window.bytes(), window.start_offset()), (&b""[..], 17));
    }
}
