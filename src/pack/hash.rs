//! What a patch's files hold, in 32 bytes.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 over the names and contents of a patch's files. Equal hashes mean that
/// a patch need not be tested again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// `files` in a fixed order, as [`super::Files::within`] gives them.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hasher = Sha256::new();
        for (path, bytes) in files {
            // Lengths keep a byte from moving between a name and its contents unnoticed.
            for part in [path.as_bytes(), bytes] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_contents_and_their_borders_count() {
        let hashes = [
            ContentHash::of([("a", &b"bc"[..])]),
            ContentHash::of([("ab", &b"c"[..])]),
            ContentHash::of([("a", &b"bd"[..])]),
            ContentHash::of([("a", &b"b"[..]), ("c", &b""[..])]),
            ContentHash::of([]),
        ];
        for (i, a) in hashes.iter().enumerate() {
            for (j, b) in hashes.iter().enumerate() {
                assert_eq!(i == j, a == b, "{i} {j}");
            }
        }
        assert_eq!(hashes[0], ContentHash::of([("a", &b"bc"[..])]));
        assert_eq!(hashes[4].to_string().len(), 64);
    }
}
