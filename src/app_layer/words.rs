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

/// A first line that has not ended by then is not waited for.
const LONGEST_GREETING: usize = 512;

/// Whether a server greets with code 220 and a line, given in capitals, that `fits`. `None`: more
/// bytes are needed.
pub(super) fn greets(bytes: &[u8], fits: impl FnOnce(&[u8]) -> bool) -> Option<bool> {
    let code = b"220";
    let length = bytes.len().min(code.len());
    if bytes[..length] != code[..length] {
        return Some(false);
    }
    let reach = bytes.len().min(LONGEST_GREETING);
    let end = memchr::memchr(b'\n', &bytes[..reach]);
    if end.is_none() && bytes.len() < LONGEST_GREETING {
        return None;
    }
    let mut line = [0; LONGEST_GREETING];
    let line = &mut line[..end.unwrap_or(reach)];
    line.copy_from_slice(&bytes[..line.len()]);
    line.make_ascii_uppercase();
    Some(fits(line))
}
