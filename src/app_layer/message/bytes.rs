//! Reads fields off the front of a message.

/// What is left of a message. A read that finds too little gives `None` and takes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes behind their length in two.
    pub fn string16(&mut self) -> Option<&'a [u8]> {
        let before = *self;
        let length = usize::from(self.u16()?);
        let taken = self.take(length);
        if taken.is_none() {
            *self = before;
        }
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_finds_too_little_takes_nothing() {
        let mut bytes = Bytes(&[0, 2, b'a', b'b', 0, 9, b'c']);
        assert_eq!(bytes.string16(), Some(&b"ab"[..]));
        assert_eq!(bytes.string16(), None);
        assert_eq!(bytes.u32(), None);
        assert_eq!(bytes.u16(), Some(9));
        assert_eq!(bytes.rest(), b"c");
        assert!(bytes.is_empty());
    }
}
