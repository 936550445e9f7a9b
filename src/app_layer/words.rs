//! Words that a stream may begin with.

/// Whether bytes begin with one of the words, in any case. `None`: they may yet.
pub(super) fn begins_with_one<'a>(
    bytes: &[u8],
    words: impl Iterator<Item = &'a &'a [u8]>,
) -> Option<bool> {
    let mut open = false;
    for word in words {
        let length = bytes.len().min(word.len());
        if bytes[..length].eq_ignore_ascii_case(&word[..length]) {
            if length == word.len() {
                return Some(true);
            }
            open = true;
        }
    }
    if open { None } else { Some(false) }
}
