//! Names, compressed or not (RFC 1035 sections 3.1 and 4.1.4).

use super::Event;

/// Bytes of a name that are kept. Names have 255 bytes at most (RFC 1035 section 2.3.4); what
/// sends longer ones has its reasons, and rules may look for them.
const LONGEST: usize = 1025;
const MOST_LABELS: usize = 255;
const MOST_POINTERS: usize = 127;

/// The two bits that make a length a pointer.
const POINTER: u8 = 0xc0;

/// The name that was read last: labels with dots between them, as they were sent.
#[derive(Debug)]
pub(super) struct Name {
    bytes: [u8; LONGEST],
    length: usize,
}

/// How a name was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// Where the message goes on behind it.
    pub end: usize,
    /// Why not all of it was kept.
    pub event: Option<Event>,
}

impl Name {
    pub const fn new() -> Self {
        Self {
            bytes: [0; LONGEST],
            length: 0,
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Reads the name that begins at a place of the message. `None`: it leaves the message, or
    /// has a label of a kind that is not in use (RFC 6891 section 5).
    pub fn read(&mut self, message: &[u8], start: usize) -> Option<Read> {
        self.length = 0;
        let (mut at, mut end) = (start, None);
        let (mut labels, mut pointers) = (0, 0);
        let mut event = None;
        loop {
            let length = *message.get(at)?;
            match length & POINTER {
                0 if length == 0 => break,
                0 => {
                    let label = message.get(at + 1..at + 1 + usize::from(length))?;
                    at += 1 + usize::from(length);
                    labels += 1;
                    if event.is_none() && labels > MOST_LABELS {
                        event = Some(Event::TooManyLabels);
                    }
                    if event.is_none() && !self.push(label) {
                        event = Some(Event::NameTooLong);
                    }
                }
                POINTER => {
                    let low = *message.get(at + 1)?;
                    end = end.or(Some(at + 2));
                    pointers += 1;
                    // Where the name stands in the message is known, and no more of it is wanted.
                    if event.is_some() {
                        break;
                    }
                    if pointers > MOST_POINTERS {
                        event = Some(Event::InfiniteLoop);
                        break;
                    }
                    at = usize::from(length & !POINTER) << 8 | usize::from(low);
                }
                _ => return None,
            }
        }
        Some(Read {
            end: end.unwrap_or(at + 1),
            event,
        })
    }

    /// Adds a label; whether all of it had room.
    fn push(&mut self, label: &[u8]) -> bool {
        let dot: &[u8] = if self.length > 0 { b"." } else { b"" };
        for part in [dot, label] {
            let room = &mut self.bytes[self.length..];
            let kept = part.len().min(room.len());
            room[..kept].copy_from_slice(&part[..kept]);
            self.length += kept;
            if kept < part.len() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], at: usize) -> Option<(Vec<u8>, Read)> {
        let mut name = Name::new();
        let read = name.read(message, at)?;
        Some((name.as_bytes().to_vec(), read))
    }

    fn fine(end: usize) -> Read {
        Read { end, event: None }
    }

    #[test]
    fn labels_and_pointers() {
        let message = b"\x03www\xc0\x08xx\x07example\x03org\x00\x00\xc0\x00";
        assert_eq!(
            read(message, 0),
            Some((b"www.example.org".to_vec(), fine(6)))
        );
        assert_eq!(read(message, 8), Some((b"example.org".to_vec(), fine(21))));
        assert_eq!(read(message, 21), Some((b"".to_vec(), fine(22))));
        assert_eq!(
            read(message, 22),
            Some((b"www.example.org".to_vec(), fine(24)))
        );
    }

    #[test]
    fn what_leaves_the_message_or_is_of_no_known_kind_is_no_name() {
        for message in [
            &b""[..],
            b"\x03ab",
            b"\x01a",
            b"\xc0",
            b"\xc0\x09",
            b"\x41a\0",
            b"\x80\0",
        ] {
            assert_eq!(read(message, 0), None, "{message:?}");
        }
    }

    #[test]
    fn circles_end() {
        for message in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00"] {
            let (_, read) = read(message, 0).unwrap();
            assert_eq!(read.event, Some(Event::InfiniteLoop), "{message:?}");
            assert!(read.end <= message.len());
        }
    }

    #[test]
    fn long_names_are_kept_to_the_bound_and_passed_over() {
        let long = [b"\x3f".as_slice(), &[b'x'; 63]].concat().repeat(20);
        let message = [&long[..], b"\0rest"].concat();
        let (name, told) = read(&message, 0).unwrap();
        assert_eq!((name.len(), told.end), (LONGEST, long.len() + 1));
        assert_eq!(told.event, Some(Event::NameTooLong));
        let many = [b"\x01x".repeat(300), b"\0".to_vec()].concat();
        let (name, told) = read(&many, 0).unwrap();
        assert_eq!((name.len(), told.end), (2 * MOST_LABELS - 1, many.len()));
        assert_eq!(told.event, Some(Event::TooManyLabels));
    }
}
