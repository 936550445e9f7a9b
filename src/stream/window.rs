//! The last bytes of a direction, for signatures that look back.

use crate::reuse::List;

/// What is kept of one direction's delivered bytes between two packets.
///
/// New bytes are put behind the kept ones in place; what is not asked for any more goes when there is
/// as much of it as of the rest. So a byte is moved about twice, however small the packets.
#[derive(Debug, Default)]
pub struct Window {
    tail: List<u8>,
    /// Stream offset behind the last byte.
    end: u64,
}

impl Window {
    /// A window that ends at `end`, of which `tail` are the last bytes.
    pub fn of(tail: &[u8], end: u64) -> Self {
        Self {
            tail: List::from(tail),
            end,
        }
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
        self.end.saturating_sub(self.tail.len() as u64)
    }

    /// Stream offset behind the last byte.
    pub const fn end_offset(&self) -> u64 {
        self.end
    }

    /// Puts new bytes behind the kept ones. Gives them with at most `look_back` of those, and
    /// the index of the first new byte.
    pub fn append(&mut self, new: &[u8], look_back: usize) -> (&[u8], usize) {
        let asked_for = self.tail.len().min(look_back);
        let mut from = self.tail.len() - asked_for;
        if from >= asked_for {
            self.tail.copy_within(from.., 0);
            self.tail.truncate(asked_for);
            from = 0;
        }
        self.tail.extend_from_slice(new);
        self.end += new.len() as u64;
        (&self.tail[from..], asked_for)
    }

    /// Bytes went by, of which at most the last `keep` are kept, and none from before.
    pub fn replace(&mut self, new: &[u8], keep: usize) {
        self.skip(new.len() as u64);
        let from = new.len().saturating_sub(keep);
        self.tail.extend_from_slice(&new[from..]);
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
        for (new, look_back, expected, new_from) in [
            ("abc", 4, "abc", 0),
            ("de", 4, "abcde", 3),
            ("f", 4, "bcdef", 4),
            ("g", 2, "efg", 2),
            ("hijk", 9, "efghijk", 3),
            ("l", 1, "kl", 1),
        ] {
            let shown = window.append(new.as_bytes(), look_back);
            assert_eq!(shown, (expected.as_bytes(), new_from));
        }
        assert_eq!(window.end_offset(), 12);
        window.skip(10);
        assert_eq!((window.bytes(), window.start_offset()), (&b""[..], 22));
        window.replace(b"mnop", 3);
        assert_eq!((window.bytes(), window.start_offset()), (&b"nop"[..], 23));
        window.replace(b"q", 3);
        assert_eq!((window.bytes(), window.start_offset()), (&b"q"[..], 26));
    }

    #[test]
    fn it_holds_little_more_than_is_asked_for() {
        let mut window = Window::default();
        for _ in 0..10_000 {
            window.append(&[0; 100], 1_000);
            assert!(window.bytes().len() <= 2 * 1_000 + 100);
        }
    }
}
