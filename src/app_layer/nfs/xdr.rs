//! Fields as RFC 4506 writes them.

use crate::app_layer::message::Bytes;

pub(super) fn u64(bytes: &mut Bytes<'_>) -> Option<u64> {
    let taken = bytes.take(8)?;
    Some(u64::from_be_bytes(taken.try_into().ok()?))
}

pub(super) fn flag(bytes: &mut Bytes<'_>) -> Option<bool> {
    match bytes.u32()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

pub(super) fn skip(bytes: &mut Bytes<'_>, count: usize) -> Option<()> {
    bytes.take(count).map(|_| ())
}

/// Bytes behind their length, which is at most `most`, and filled up to a multiple of four.
pub(super) fn opaque<'a>(bytes: &mut Bytes<'a>, most: u32) -> Option<&'a [u8]> {
    let length = bytes.u32().filter(|length| *length <= most)?;
    let taken = bytes.take(usize::try_from(length).ok()?)?;
    skip(bytes, padding(length))?;
    Some(taken)
}

/// What is there of bytes behind their length, and the length. A message that is kept in part ends
/// within them.
pub(super) fn contents<'a>(bytes: &mut Bytes<'a>) -> Option<(&'a [u8], u64)> {
    let length = bytes.u32()?;
    let whole = usize::try_from(length).ok()?;
    let there = match bytes.take(whole) {
        Some(there) => {
            // The last one may be without it, where nothing follows.
            let _ = bytes.take(padding(length));
            there
        }
        None => bytes.rest(),
    };
    Some((there, u64::from(length)))
}

const fn padding(length: u32) -> usize {
    (length.wrapping_neg() & 3) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_filled_up() {
        let mut bytes = Bytes(b"\0\0\0\x05hello\0\0\0\0\0\0\x01");
        assert_eq!(opaque(&mut bytes, 5), Some(&b"hello"[..]));
        assert_eq!(flag(&mut bytes), Some(true));
        assert_eq!(opaque(&mut Bytes(b"\0\0\0\x05hello\0\0\0"), 4), None);
        assert_eq!(opaque(&mut Bytes(b"\0\0\0\x05hello\0\0"), 5), None);
        assert_eq!(
            contents(&mut Bytes(b"\0\0\0\x09hello")),
            Some((&b"hello"[..], 9))
        );
    }
}
