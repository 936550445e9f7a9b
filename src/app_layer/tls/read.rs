//! Vectors behind their length (RFC 8446 section 3.4): the vector, and what follows it.

pub(in crate::app_layer) fn take_u8_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(length))
}

pub(in crate::app_layer) fn take_u16_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

pub(super) fn take_u24_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[a, b, c], rest) = bytes.split_first_chunk::<3>()?;
    let length = u32::from_be_bytes([0, a, b, c]);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// Numbers of two bytes each; a byte left over at the end is none.
pub(super) fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| u16::from_be_bytes(*pair))
}
