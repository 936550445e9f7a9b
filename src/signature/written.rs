//! Texts of rules, kept in few pieces of memory: there are tens of thousands of them.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A part of a text that all its parts share.
#[derive(Clone)]
pub struct Written {
    whole: Arc<String>,
    from: u32,
    to: u32,
}

impl Written {
    /// Those bytes of `whole`.
    pub fn part(whole: &Arc<String>, bytes: Range<usize>) -> Self {
        match (u32::try_from(bytes.start), u32::try_from(bytes.end)) {
            (Ok(from), Ok(to)) => Self {
                whole: Arc::clone(whole),
                from,
                to,
            },
            // Too far behind in a huge text to be named so.
            _ => Self::apart(whole.get(bytes).unwrap_or_default()),
        }
    }

    /// A text of its own, of less than 4 GiB.
    pub fn apart(text: &str) -> Self {
        Self {
            whole: Arc::new(text.to_owned()),
            from: 0,
            to: u32::try_from(text.len()).unwrap_or(0),
        }
    }
}

impl Deref for Written {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = self.from as usize..self.to as usize;
        self.whole.get(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// `metadata`: keys and values, one behind the other as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(String);

impl Metadata {
    /// Adds what stands behind one `metadata`.
    pub fn add(&mut self, written: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(written);
    }

    /// Key and value, in the order written. A key may stand more than once.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.split(',').map(str::trim);
        pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once(char::is_whitespace).unwrap_or((pair, ""));
            (key, value.trim())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_it_was_cut_from() {
        let whole = Arc::new("one two".to_owned());
        assert_eq!(&*Written::part(&whole, 4..7), "two");
        assert_eq!(&*Written::part(&whole, 4..9), "");
        assert_eq!(&*Written::apart("three"), "three");
    }

    #[test]
    fn metadata_is_pairs() {
        let mut metadata = Metadata::default();
        metadata.add("cve  CVE_1, tag x y ,,alone");
        metadata.add("tag z");
        let pairs: Vec<_> = metadata.pairs().collect();
        let expected = [
            ("cve", "CVE_1"),
            ("tag", "x y"),
            ("alone", ""),
            ("tag", "z"),
        ];
        assert_eq!(pairs, expected);
    }
}
