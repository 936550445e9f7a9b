//! Which patterns a scan has reported already.

/// A worker's scratch space for scans, reused from scan to scan and between matchers.
#[derive(Debug, Default)]
pub struct Scratch {
    seen: Vec<u64>,
    touched: Vec<u32>,
}

impl Scratch {
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the last scan, at a cost in proportion to what it found, and makes room for
    /// `patterns`. Allocates only where no earlier matcher was as large.
    pub(super) fn begin(&mut self, patterns: usize) {
        // Most scans find nothing.
        if !self.touched.is_empty() {
            for &word in &self.touched {
                if let Some(word) = self.seen.get_mut(word as usize) {
                    *word = 0;
                }
            }
            self.touched.clear();
        }
        let words = patterns.div_ceil(64);
        if self.seen.len() < words {
            self.seen.resize(words, 0);
            self.touched.reserve(words);
        }
    }

    #[inline]
    pub(super) fn is_seen(&self, pattern: u32) -> bool {
        self.seen
            .get(pattern as usize / 64)
            .is_some_and(|w| w & (1 << (pattern % 64)) != 0)
    }

    /// Marks a pattern; false where it was marked before.
    #[inline]
    pub(super) fn mark(&mut self, pattern: u32) -> bool {
        let index = pattern / 64;
        let Some(word) = self.seen.get_mut(index as usize) else {
            return true;
        };
        let bit = 1 << (pattern % 64);
        if *word & bit != 0 {
            return false;
        }
        if *word == 0 {
            self.touched.push(index);
        }
        *word |= bit;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_scan_has_seen_nothing() {
        let mut s = Scratch::new();
        s.begin(200);
        assert!(s.mark(3) && s.mark(130) && s.mark(131));
        assert!(!s.mark(130));
        assert!(s.is_seen(131) && !s.is_seen(132));
        s.begin(10);
        assert!(s.seen.iter().all(|&w| w == 0));
        assert!(s.mark(3));
    }

    #[test]
    fn the_list_of_touched_words_never_grows_beyond_its_reserve() {
        let mut s = Scratch::new();
        s.begin(1000);
        let capacity = s.touched.capacity();
        for p in 0..1000 {
            s.mark(p);
        }
        assert_eq!(s.touched.capacity(), capacity);
    }
}
