//! The tables that fields are named from (RFC 7541 section 2.3).

use std::collections::VecDeque;

/// What a field counts beside its bytes (section 4.1).
const FIELD_OVERHEAD: usize = 32;
/// What every decoder has room for until it says otherwise.
const DEFAULT_SIZE: usize = 4096;

/// Appendix A, from index 1 on.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// Both tables under one numbering.
#[derive(Debug)]
pub(super) struct Table {
    /// Newest first.
    entries: VecDeque<Entry>,
    /// As section 4.1 counts.
    size: usize,
    /// What the sender makes use of.
    max: usize,
    /// What is kept at most. Older fields are gone: a sender that names them is not understood.
    bound: usize,
}

#[derive(Debug)]
struct Entry {
    /// Name and value, one after the other.
    bytes: Box<[u8]>,
    name_length: usize,
}

impl Table {
    pub(super) const fn new(bound: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            max: if bound < DEFAULT_SIZE {
                bound
            } else {
                DEFAULT_SIZE
            },
            bound,
        }
    }

    /// Name and value by their number.
    pub(super) fn get(&self, number: u64) -> Option<(&[u8], &[u8])> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let entry = self.entries.get(at - STATIC.len())?;
        entry.bytes.split_at_checked(entry.name_length)
    }

    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        self.evict(self.max.saturating_sub(size));
        // Section 4.4: a field that is larger than the table leaves it empty.
        if size <= self.max {
            self.size += size;
            self.entries.push_front(Entry {
                bytes: [name, value].concat().into(),
                name_length: name.len(),
            });
        }
    }

    /// The sender makes use of so many bytes from here on.
    pub(super) fn resize(&mut self, max: u64) {
        self.max = usize::try_from(max).map_or(self.bound, |max| max.min(self.bound));
        self.evict(self.max);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.size + self.entries.capacity() * size_of::<Entry>()
    }

    fn evict(&mut self, room: usize) {
        while self.size > room
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.bytes.len() + FIELD_OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_through_both_tables_and_the_oldest_goes_first() {
        let mut table = Table::new(100);
        assert_eq!(table.get(0), None);
        assert_eq!(table.get(2), Some((&b":method"[..], &b"GET"[..])));
        assert_eq!(table.get(61), Some((&b"www-authenticate"[..], &b""[..])));
        assert_eq!(table.get(62), None);
        for name in [b"a", b"b", b"c", b"d"] {
            table.add(name, b"1");
        }
        // Each counts 34: the two newest fit.
        assert_eq!(table.get(62), Some((&b"d"[..], &b"1"[..])));
        assert_eq!(table.get(63), Some((&b"c"[..], &b"1"[..])));
        assert_eq!(table.get(64), None);
        table.add(&[b'x'; 80], b"");
        assert_eq!(table.get(62), None);
        table.resize(u64::MAX);
        table.add(b"e", b"");
        assert!(table.get(62).is_some() && table.held_bytes() < 1000);
        table.resize(0);
        assert_eq!(table.get(62), None);
    }
}
